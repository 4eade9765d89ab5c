"""Text out of documents: what good ones give, what becomes of bad ones. A document never ends a run, and never leaves its child."""

import io
import struct
import subprocess
import sys
import zipfile

import pytest
from curation_material import document_xml, docx, locked_pdf, pdf
from hypothesis import given, settings
from hypothesis import strategies as st

from datasigil.curation import documents, extracting
from datasigil.curation.documents import DocumentReader


@pytest.fixture(scope="module")
def read():
    """Read a document through a real child."""
    with DocumentReader() as reader:
        yield lambda name, data: reader.read(name, io.BytesIO(data), "input")


def texts(found, per="page"):
    return list(found.texts(per))


def test_a_pdf_gives_its_pages_and_says_which_are_empty_and_which_are_scans(read):
    found = read("a.pdf", pdf("first page", "", None, "fourth page"))
    assert found.code == ""
    assert texts(found) == [(1, "first page"), (4, "fourth page")]
    report = found.report()
    assert (report["pages"], report["emptyPages"], report["scannedPages"]) == (4, [2], [3])
    assert texts(found, "document") == [(None, "first page\n\nfourth page")]


def test_a_scan_gives_no_text_and_is_no_failure(read):
    found = read("scan.pdf", pdf(None, None))
    assert (found.code, texts(found), found.report()["outcome"]) == ("", [], "no text")
    assert found.report()["scannedPages"] == [1, 2]


def test_a_pdf_that_opens_without_a_password_is_read_though_its_rights_are_locked(read):
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("open to read"))))
    writer.encrypt("", "owner", algorithm="AES-256")
    target = io.BytesIO()
    writer.write(target)
    assert texts(read("a.pdf", target.getvalue())) == [(1, "open to read")]


def test_a_docx_gives_its_paragraphs_tables_notes_and_not_what_was_deleted(read):
    extra = "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>cell</w:t></w:r></w:p></w:tc></w:tr></w:tbl><w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
    note = document_xml("a footnote").replace("w:document", "w:footnotes").encode()
    data = docx(xml=document_xml("First &amp; second", "Ωmega", extra=extra), parts={"word/footnotes.xml": note})
    assert texts(read("a.docx", data)) == [(1, "First & second\nΩmega\ncell\na footnote")]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"<html><head><title>t</title><script>x()</script></head><body><p>One&nbsp; two<br>three</p></body></html>", "One two\nthree"),
        ("<meta charset='iso-8859-1'><p>caf\u00e9 \u20ac</p>".encode("cp1252"), "caf\u00e9 \u20ac"),
        ("<p>caf\u00e9</p>".encode("utf-16"), "caf\u00e9"),
        (b"<p>open <b>tags <style>p{}</style>end", "open tags end"),
        (b"<p>&#0;&#xD800;x</p>", "\ufffd\ufffdx"),
        (b"<head><title>never closed<body><p>body", "body"),
    ],
)  # fmt: skip
def test_html_gives_what_a_reader_would_see(read, data, text):
    found = read("a.html", data)
    assert [one for _, one in texts(found)] == [text]


def _overlapping():
    """A zip whose directory lies about sizes: the part says 100 bytes and unpacks to megabytes."""
    data = bytearray(docx(xml=b"<a>" + b" " * 3_000_000 + b"</a>"))
    place = data.rfind(b"PK\x01\x02", 0, data.rfind(b"word/document.xml"))
    data[place + 24 : place + 28] = struct.pack("<I", 100)
    return bytes(data)


def _encrypted_entry():
    data = bytearray(docx("x"))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (place := data.find(mark, start)) >= 0:
            data[place + offset] |= 1
            start = place + 4
    return bytes(data)


def _twice():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("word/document.xml", document_xml("one"))
        archive.writestr("word/documenx.xml", document_xml("two"))
    return target.getvalue().replace(b"word/documenx.xml", b"word/document.xml")


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
BAD = {
    "empty.pdf": (lambda: b"", "CORRUPT"),
    "no-header.pdf": (lambda: b"hello" * 100, "CORRUPT"),
    "cut-off.pdf": (lambda: pdf("text " * 400)[:300], "CORRUPT"),
    "no-pages.pdf": (lambda: pdf(), "CORRUPT"),
    "password.pdf": (lambda: locked_pdf("secret"), "ENCRYPTED"),
    "unknown-cipher.pdf": (lambda: pdf("x", encrypt=b" /Encrypt << /Filter /Odd /V 9 /R 9 >> /ID [<00> <00>]"), "ENCRYPTED|CORRUPT"),
    "loop.pdf": (lambda: pdf("x").replace(b"/Kids [6 0 R]", b"/Kids [2 0 R]"), "CORRUPT"),
    "random-tail.pdf": (lambda: b"%PDF-1.7\n" + bytes(range(256)) * 40, "CORRUPT"),
    "old-word.docx": (lambda: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1000), "ENCRYPTED"),
    "not-zip.docx": (lambda: b"PK\x03\x04 but no archive", "CORRUPT"),
    "cut-off.docx": (lambda: docx("text")[:-30], "CORRUPT"),
    "no-body.docx": (lambda: docx("x").replace(b"word/document.xml", b"word/documenx.xml"), "CORRUPT"),
    "twice.docx": (_twice, "CORRUPT"),
    "encrypted-part.docx": (_encrypted_entry, "ENCRYPTED"),
    "bomb.docx": (lambda: docx(xml=b"<a>" + b" " * 70_000_000 + b"</a>"), "LIMIT"),
    "many-parts.docx": (lambda: docx("x", parts={f"word/{number}.xml": b"" for number in range(10_001)}), "LIMIT"),
    "lying-sizes.docx": (_overlapping, "CORRUPT|LIMIT"),
    "laughs.docx": (lambda: docx(xml=document_xml("&b;", before=LAUGHS)), "CORRUPT"),
    "outside.docx": (lambda: docx(xml=document_xml("&a;", before=OUTSIDE)), "CORRUPT"),
    "not-xml.docx": (lambda: docx(xml=b"<w:document"), "CORRUPT"),
    "deep.docx": (lambda: docx(xml=b"<a>" * 100_000 + b"</a>" * 100_000), "CORRUPT|LIMIT"),
    "broken-stream.docx": (lambda: docx("some text " * 50).replace(b"word/document.xml", b"word/document.xml", 1)[:60] + b"\xff" * 30 + docx("some text " * 50)[90:], "CORRUPT"),
    "not-utf8.html": (lambda: b"<p>\xff\xfe\xfa", "ENCODING"),
    "odd-charset.html": (lambda: b"<meta charset=klingon><p>x", "ENCODING"),
    "codec-that-is-no-text.html": (lambda: b"<meta charset=zlib><p>x", "ENCODING"),
    "binary.txt": (lambda: b"MZ\x00\x01\x02", "FORMAT"),
    "unknown.xyz": (lambda: b"x", "FORMAT"),
    "no-suffix": (lambda: b"x", "FORMAT"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_document_is_recorded_with_a_code_and_gives_nothing(read, name):
    make, code = BAD[name]
    found = read(name, make())
    assert found.code in code.split("|"), found
    assert found.message
    assert texts(found) == []
    assert found.report()["outcome"] == "failed"
    assert read("next.txt", b"the next one").pages[0].text == "the next one"


def test_a_document_that_takes_too_long_dies_alone():
    """A child under a CPU limit of one second is ended by the kernel; the reader says so and starts another."""
    code = "import datasigil.curation.extracting as e; e.DOCUMENT_CPU_SECONDS = 1; e._text = lambda data: (spin() if data == b'slow' else [(data.decode(), False)])\ndef spin():\n  while True: pass\ne.spin = spin\ne.main()"
    with DocumentReader() as reader:
        reader._child = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        slow = reader.read("slow.txt", io.BytesIO(b"slow"), "input")
        assert (slow.code, texts(slow)) == ("LIMIT", [])
        assert texts(reader.read("fast.txt", io.BytesIO(b"fast"), "input")) == [(1, "fast")]


def test_a_document_that_takes_too_much_memory_dies_alone(monkeypatch):
    monkeypatch.setattr(extracting, "_text", lambda _: [(bytearray(1 << 62), False)])
    assert extracting.answer("text", b"x")["code"] == "LIMIT"


def test_a_document_beyond_the_bound_is_not_read_into_memory(read, monkeypatch):
    monkeypatch.setattr(documents, "DOCUMENT_BYTES_MAX", 10)
    assert read("a.txt", b"x" * 11).code == "LIMIT"


def test_a_reader_that_is_not_installed_is_named(monkeypatch):
    import importlib.util

    from datasigil.errors import DatasigilError

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with DocumentReader() as reader, pytest.raises(DatasigilError) as caught:
        reader.read("a.pdf", io.BytesIO(b"%PDF-"), "input")
    assert (caught.value.code, "documents" in caught.value.next_action) == ("EXTRA_MISSING", True)


SEEDS = {
    "pdf": pdf("one page", None, compress=True),
    "docx": docx("one", "two"),
    "html": b"<html><body><p>one<table><tr><td>x</table>&amp;</body></html>",
}


@settings(max_examples=150, deadline=None)
@given(
    form=st.sampled_from(sorted(SEEDS)),
    cuts=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=8)), min_size=1, max_size=6),
)
def test_whatever_happens_to_a_document_its_reader_answers(form, cuts):
    """Random damage: pages or a code, never another exception; what the child would do with one is worse than any test."""
    data = bytearray(SEEDS[form])
    for place, piece in cuts:
        at = place % len(data)
        data[at : at + len(piece)] = piece
    answer = extracting.answer(form, bytes(data))
    assert answer.keys() in ({"pages"}, {"code", "message"})
    assert answer.get("code", "CORRUPT") in {"CORRUPT", "ENCRYPTED", "LIMIT", "ENCODING", "FORMAT"}
