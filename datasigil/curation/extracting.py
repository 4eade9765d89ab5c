"""The child that reads documents: `python -m datasigil.curation.extracting`, started and killed by `documents`.

Here: the readers of PDF (pypdf), HTML (the standard library's parser) and plain text, the loop, CPU and memory limits. Not here: office
files (`office`); files, paths, network: the child is given bytes and answers with texts. Scripts, embedded files and references are never
followed.

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
)
from datasigil.curation.office import docx_pages, workbook_rows
from datasigil.curation.pages import Pages, RefusedError, clean

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


def extract(form: str, data: bytes) -> Pages:
    """Return the pages of a document.

    Raises:
        RefusedError: CORRUPT, ENCRYPTED, LIMIT, ENCODING or FORMAT.
    """
    if not data:
        raise RefusedError("CORRUPT", "the file is empty")
    pages = {"pdf": _pdf, "docx": docx_pages, "html": _html, "text": _text}[form](data)
    if len(pages) > DOCUMENT_PAGES_MAX or sum(len(text) for text, _ in pages) > DOCUMENT_TEXT_BYTES_MAX:
        raise RefusedError("LIMIT", "more text or pages than one document may have")
    return [(clean(text), images) for text, images in pages]


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
