"""The child that reads documents: `python -m datasigil.curation.extracting`, started and killed by `documents`.

Here: the readers of PDF (pypdf), DOCX (ECMA-376 part 1, through zipfile and defusedxml), XLSX (openpyxl), HTML (the standard library's parser) and plain
text, under CPU and memory limits. Not here: files, paths, network: the child is given bytes and answers with texts. Macros, scripts,
embedded files, external references and entities are never followed.

A request is a length of 8 bytes, big-endian, a format of 8 characters, then bytes; an answer is a length and JSON, either
`{"pages": [[text, has images]]}`, `{"rows": [[text]]}` or `{"code", "message"}`.
"""

from __future__ import annotations

import io
import json
import re
import sys
from html.parser import HTMLParser
from typing import Any, Final

from datasigil.curation.limits import (
    DOCUMENT_CPU_SECONDS,
    DOCUMENT_MEMORY_BYTES,
    DOCUMENT_PAGES_MAX,
    DOCUMENT_TEXT_BYTES_MAX,
    DOCX_ENTRIES_MAX,
    DOCX_PART_BYTES_MAX,
    DOCX_RATIO_MAX,
    SHEET_ROWS_MAX,
)
from datasigil.limits import MIB

Pages = list[tuple[str, bool]]
_CFB: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # a compound file: an encrypted DOCX, or the old .doc
_MARKS: Final = {"tab": "\t", "br": "\n", "cr": "\n"}
_BODY: Final = "word/document.xml"
_UNSEEN: Final = frozenset({"script", "style", "head", "template", "noscript", "svg", "math"})
_BLOCKS: Final = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "br",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "td",
        "th",
        "tr",
        "ul",
    ]
)
_CHARSET: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_:-]{1,40})", re.IGNORECASE)
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


class RefusedError(Exception):
    """A document that gives no text; `code` says why in one word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def extract(form: str, data: bytes) -> Pages:
    """Return the pages of a document.

    Raises:
        RefusedError: CORRUPT, ENCRYPTED, LIMIT, ENCODING or FORMAT.
    """
    if not data:
        raise RefusedError("CORRUPT", "the file is empty")
    pages = {"pdf": _pdf, "docx": _docx, "html": _html, "text": _text}[form](data)
    if len(pages) > DOCUMENT_PAGES_MAX or sum(len(text) for text, _ in pages) > DOCUMENT_TEXT_BYTES_MAX:
        raise RefusedError("LIMIT", "more text or pages than one document may have")
    return [(_clean(text), images) for text, images in pages]


def _clean(text: str) -> str:
    """Return text that I-JSON can hold: no lone surrogates, no NUL; line ends are line feeds."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return _SURROGATES.sub("\ufffd", text).strip()


# PDF ----------------------------------------------------------------------------------------------------------------


def _pdf(data: bytes) -> Pages:
    import pypdf
    from pypdf.errors import PyPdfError

    if b"%PDF-" not in data[:1024]:
        raise RefusedError("CORRUPT", "it does not start as a PDF")
    try:
        reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise RefusedError("ENCRYPTED", "it needs a password")
        count = len(reader.pages)
        if not 0 < count <= DOCUMENT_PAGES_MAX:
            raise RefusedError("CORRUPT" if not count else "LIMIT", f"it has {count} pages")
        return [(page.extract_text() or "", _has_images(page)) for page in reader.pages]
    except (RefusedError, MemoryError):
        raise
    except PyPdfError as error:
        code = "ENCRYPTED" if "encrypt" in str(error).lower() else "CORRUPT"
        raise RefusedError(code, f"not a readable PDF: {type(error).__name__}") from None
    except Exception as error:  # noqa: BLE001 - the library lets many kinds through for hostile files; each is this document's failure
        raise RefusedError("CORRUPT", f"not a readable PDF: {type(error).__name__}") from None


def _has_images(page: Any) -> bool:
    """Return whether the page's resources name an image, looking no deeper than forms within forms."""
    pending, seen = [(page.get("/Resources"), 0)], 0
    while pending and seen < 1000:
        resources, depth = pending.pop()
        objects = _resolved(_resolved(resources).get("/XObject")) if resources is not None else {}
        for one in objects.values():
            seen += 1
            found = _resolved(one)
            if found.get("/Subtype") == "/Image":
                return True
            if found.get("/Subtype") == "/Form" and depth < 3:
                pending.append((found.get("/Resources"), depth + 1))
    return False


def _resolved(value: Any) -> Any:
    found = value.get_object() if hasattr(value, "get_object") else value
    return found if isinstance(found, dict) else {}


# DOCX ---------------------------------------------------------------------------------------------------------------


def _docx(data: bytes) -> Pages:
    import zipfile

    if data.startswith(_CFB):
        raise RefusedError("ENCRYPTED", "a compound file: a DOCX with a password, or an old .doc")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_archive(archive)
            parts = [
                _BODY,
                *sorted(one for one in archive.namelist() if re.fullmatch(r"word/(?:footnotes|endnotes)\.xml", one)),
            ]
            texts = [_paragraphs(_part(archive, name)) for name in parts]
            images = any(one.startswith("word/media/") for one in archive.namelist())
    except RefusedError:
        raise
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        EOFError,
        ValueError,
        NotImplementedError,
        OSError,
        RuntimeError,
    ) as error:
        raise RefusedError("CORRUPT", f"not a readable DOCX: {type(error).__name__}") from None
    except Exception as error:  # noqa: BLE001 - zlib.error and whatever else a damaged stream raises
        raise RefusedError("CORRUPT", f"not a readable DOCX: {type(error).__name__}") from None
    return [("\n".join(one for one in texts if one), images)]


def _check_archive(archive: Any) -> None:
    """Refuse bombs by what the directory says; reading is bounded as well, since a directory can lie."""
    if _BODY not in _check_entries(archive, "word/"):
        raise RefusedError("CORRUPT", f"the archive has no {_BODY}")


def _check_entries(archive: Any, below: str) -> list[str]:
    listed = archive.infolist()
    names = [one.filename for one in listed]
    if len(listed) > DOCX_ENTRIES_MAX:
        raise RefusedError("LIMIT", f"{len(listed)} entries in the archive")
    if len(set(names)) != len(names):
        raise RefusedError("CORRUPT", "the archive names one part twice")
    if any(one.flag_bits & 1 for one in listed):
        raise RefusedError("ENCRYPTED", "a part of the archive is encrypted")
    for one in listed:
        if one.filename.startswith(below) and one.file_size > MIB and one.file_size > DOCX_RATIO_MAX * max(1, one.compress_size):  # fmt: skip
            raise RefusedError("LIMIT", "a part unpacks to far more than a document holds")
    return names


def _part(archive: Any, name: str) -> Any:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    with archive.open(name) as part:
        data = part.read(DOCX_PART_BYTES_MAX + 1)
    if len(data) > DOCX_PART_BYTES_MAX:
        raise RefusedError("LIMIT", f"{name} unpacks to more than {DOCX_PART_BYTES_MAX} bytes")
    try:
        return fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise RefusedError("CORRUPT", f"{name} declares entities or a document type") from None
    except (ParseError, RecursionError) as error:
        raise RefusedError("CORRUPT", f"{name} is not XML: {type(error).__name__}") from None


def _paragraphs(root: Any) -> str:
    """Return the text of every paragraph on a line of its own; deleted text, field codes and fallbacks of drawings are left out.

    Names are compared without their namespaces, which differ between transitional and strict files (ECMA-376 parts 1 and 4).
    """
    if _local(root) not in ("document", "footnotes", "endnotes"):
        raise RefusedError("CORRUPT", "its main part is no Word document")
    lines: list[str] = []
    line: list[str] = []
    pending = [root]
    while pending:
        node = pending.pop()
        name = _local(node)
        if name == "p":
            lines.append("".join(line))
            line = []
        elif name == "t":
            line.append(node.text or "")
        elif name in _MARKS:
            line.append(_MARKS[name])
        if name != "Fallback":
            pending.extend(reversed(node))
    return "\n".join(one for one in [*lines, "".join(line)] if one.strip())


def _local(node: Any) -> str:
    return str(node.tag).rpartition("}")[2]


# XLSX ---------------------------------------------------------------------------------------------------------------


def workbook_rows(data: bytes) -> list[list[str]]:
    """Return the cells of a workbook's first sheet as text: values as stored, formulas never computed.

    Raises:
        RefusedError: as `extract`.
    """
    import zipfile

    if data.startswith(_CFB):
        raise RefusedError("ENCRYPTED", "a compound file: an XLSX with a password, or an old .xls")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_entries(archive, "xl/")
        from openpyxl import load_workbook  # takes defusedxml where it is installed

        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        rows = []
        for row in book.worksheets[0].iter_rows(values_only=True):
            rows.append(["" if one is None else _cell(one) for one in row])
            if len(rows) > SHEET_ROWS_MAX:
                raise RefusedError("LIMIT", f"more than {SHEET_ROWS_MAX} rows")
    except (RefusedError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - the library lets many kinds through for hostile files
        raise RefusedError("CORRUPT", f"not a readable workbook: {type(error).__name__}") from None
    return rows


def _cell(value: Any) -> str:
    from datetime import datetime

    if isinstance(value, datetime) and not any((value.hour, value.minute, value.second)):
        return value.date().isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _clean(str(value))


# HTML and text ------------------------------------------------------------------------------------------------------


class _Reader(HTMLParser):
    """Collects what a reader would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.images = False
        self._unseen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the base class's signature
        self.images = self.images or tag == "img"
        if tag in _UNSEEN:
            self._unseen.append(tag)
        elif tag == "body":
            self._unseen.clear()  # a head that was never closed
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the base class's signature
        self.images = self.images or tag == "img"
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unseen:
            while self._unseen.pop() != tag:
                pass
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data)


def _html(data: bytes) -> Pages:
    reader = _Reader()
    reader.feed(_decoded(data, _CHARSET.search(data[:4096])))
    reader.close()
    lines = (re.sub(r"[ \t\f\v\u00a0]+", " ", line).strip() for line in "".join(reader.pieces).splitlines())
    return [("\n".join(line for line in lines if line), reader.images)]


def _decoded(data: bytes, declared: Any) -> str:
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return _decode(data, encoding)
    if declared is None:
        return _decode(data, "utf-8")
    name = declared[1].decode("ascii").lower()
    # WHATWG Encoding: the web's "latin-1" and "ascii" mean windows-1252.
    return _decode(data, "cp1252" if name in ("iso-8859-1", "latin1", "us-ascii", "ascii") else name)


def _decode(data: bytes, encoding: str) -> str:
    import codecs

    try:
        if not getattr(codecs.lookup(encoding), "_is_text_encoding", True):
            raise LookupError(encoding)
        return data.decode(encoding)
    except LookupError:
        raise RefusedError("ENCODING", f"an unknown encoding: {encoding}") from None
    except (UnicodeError, ValueError):
        raise RefusedError("ENCODING", f"it is not {encoding}") from None


def _text(data: bytes) -> Pages:
    if b"\0" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RefusedError("FORMAT", "binary data under the name of a text")
    return [(_decoded(data, None), False)]


# The child ----------------------------------------------------------------------------------------------------------


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's alarm remains
        return
    resource.setrlimit(resource.RLIMIT_AS, (DOCUMENT_MEMORY_BYTES, DOCUMENT_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time() -> None:
    """Let the kernel end this child when the coming document takes more than its CPU seconds."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + DOCUMENT_CPU_SECONDS
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def answer(form: str, data: bytes) -> dict[str, Any]:
    """Return the answer about one document."""
    try:
        return {"rows": workbook_rows(data)} if form == "xlsx" else {"pages": extract(form, data)}
    except RefusedError as error:
        return {"code": error.code, "message": str(error)}
    except MemoryError:
        return {"code": "LIMIT", "message": "it needs more memory than one document may"}
    except RecursionError:
        return {"code": "CORRUPT", "message": "it is nested too deeply"}


def main() -> None:
    """Answer requests until the parent goes away."""
    import logging

    logging.disable(logging.CRITICAL)
    sys.setrecursionlimit(5000)
    _limit_memory()
    source, target = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing that a library prints may be taken for an answer
    while len(head := source.read(16)) == 16:
        data = source.read(int.from_bytes(head[:8], "big"))
        _limit_time()
        body = json.dumps(answer(head[8:].decode("ascii").strip(), data)).encode("ascii")
        target.write(len(body).to_bytes(8, "big") + body)
        target.flush()


if __name__ == "__main__":
    main()
