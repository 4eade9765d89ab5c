"""Documents and recipes made on the spot for tests: small writers of our own, so that no fixture is a black box."""

import copy
import io
import json
import zipfile
import zlib

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def pdf(*pages: str | None, compress=False, tail=b"", encrypt=b"") -> bytes:
    """Return a PDF: a page with each text; None is a page with nothing but an image, the empty text a page with nothing."""
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]  # fmt: skip
    kids = []
    image = b"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1 >>\nstream\n\xff\nendstream"
    objects.append(image)
    for text in pages:
        words = b"q 200 0 0 200 0 0 cm /I Do Q" if text is None else f"BT /F 12 Tf 72 700 Td ({text}) Tj ET".encode()
        words = b"" if text == "" else words
        body = zlib.compress(words) if compress else words
        filters = b" /Filter /FlateDecode" if compress else b""
        objects.append(b"<< /Length %d%s >>\nstream\n%s\nendstream" % (len(body), filters, body))
        resources = b"/XObject << /I 4 0 R >>" if text is None else b"/Font << /F 3 0 R >>"
        objects.append(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R /Resources << %s >> >>" % (len(objects), resources))  # fmt: skip
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, one in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R%s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, encrypt, start)
    return bytes(out) + tail


def locked_pdf(password: str) -> bytes:
    """Return a PDF that opens with a password only."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("secret"))))
    writer.encrypt(password, algorithm="AES-256")
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def document_xml(*paragraphs: str, before="", extra="") -> str:
    body = "".join(f'<w:p><w:r><w:t xml:space="preserve">{one}</w:t></w:r></w:p>' for one in paragraphs)
    return f'<?xml version="1.0" encoding="UTF-8"?>{before}<w:document {W}><w:body>{body}{extra}</w:body></w:document>'


def docx(*paragraphs: str, xml: str | bytes | None = None, parts: dict[str, bytes] | None = None) -> bytes:
    """Return a DOCX with these paragraphs, or with this main part, and more parts."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", document_xml(*paragraphs) if xml is None else xml)
        for name, data in (parts or {}).items():
            archive.writestr(name, data)
    return target.getvalue()


# Recipes ------------------------------------------------------------------------------------------------------------

GOOD = {
    "type": "CurationRecipe",
    "formatVersion": 1,
    "name": "x",
    "inputs": [{"name": "a", "credential": "a.json", "data": "a", "read": {"format": "jsonl", "files": ["*.jsonl"]}}],
    "steps": [{"op": "filter", "column": "text", "minLength": 3}],
    "output": {"folder": "out"},
}


def toml(value):
    """Write plain values as TOML, tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r} = {toml(one)}".replace("'", '"') for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value)


def recipe(**changes):
    found = copy.deepcopy(GOOD) | changes
    return "\n".join(f"{name} = {toml(value)}" for name, value in found.items() if value is not None).encode()
