"""RDF terms and quads as canonical N-Quads text.

Lives here: the escaping of canonical N-Quads (W3C RDF Dataset Canonicalization 1.0, 21 May 2024, section 5.1) and a strict parser of
N-Quads (W3C RDF 1.1 N-Quads) that yields them. Not here: canonical labels (`rdfc`) and JSON-LD (`rdf`).

A term is the text that stands for it in canonical N-Quads; blank nodes start with `_:`. Two equal terms have equal texts, so sets and
sorting need no term objects.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from datasigil.errors import MalformedError

XSD_STRING = "http://www.w3.org/2001/XMLSchema#string"


class Quad(NamedTuple):
    """Subject, predicate, object and graph name (empty for the default graph), each as canonical text."""

    subject: str
    predicate: str
    object: str
    graph: str

    def line(self) -> str:
        """Return the quad as one line of canonical N-Quads."""
        return f"{self.subject} {self.predicate} {self.object}{' ' + self.graph if self.graph else ''} .\n"


_ESCAPES = {
    **{chr(code): f"\\u{code:04X}" for code in (*range(0x20), 0x7F)},
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
    '"': '\\"',
    "\\": "\\\\",
}
_ESCAPE_TABLE = str.maketrans(_ESCAPES)
_IRI_FORBIDDEN = re.compile('[\x00-\x20<>"{}|^`\\\\]')
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_LANGUAGE = re.compile(r"[a-zA-Z]{1,8}(?:-[a-zA-Z0-9]{1,8})*\Z", re.ASCII)


def iri(text: str) -> str:
    """Return the term of an absolute IRI.

    Raises:
        MalformedError: DATA_LOSS for a relative one and for characters that N-Quads cannot hold (RDF 1.1 section 3.2).
    """
    if not _SCHEME.match(text) or _IRI_FORBIDDEN.search(text):
        raise MalformedError("DATA_LOSS", "not an absolute IRI", expected="an absolute IRI", found=text[:120])
    return f"<{text}>"


def literal(text: str, datatype: str = XSD_STRING, language: str = "") -> str:
    """Return the term of a literal; `language` wins over `datatype`.

    Raises:
        MalformedError: DATA_LOSS for a datatype that is no IRI or a language tag that is not well formed.
    """
    if not text.isprintable() or '"' in text or "\\" in text:  # what needs escapes is not printable, or one of these
        text = text.translate(_ESCAPE_TABLE)
    quoted = f'"{text}"'
    if language:
        if not _LANGUAGE.match(language):
            raise MalformedError("DATA_LOSS", "not a language tag", expected="a BCP 47 tag", found=language[:40])
        return f"{quoted}@{language}"
    return quoted if datatype == XSD_STRING else f"{quoted}^^{iri(datatype)}"


_IRIREF = r"<((?:[^\x00-\x20<>\"{}|^`\\]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})*)>"
_BLANK = r"(_:[0-9A-Za-z_\u00b7-\U000effff](?:[0-9A-Za-z_.\u00b7-\U000effff-]*[0-9A-Za-z_\u00b7-\U000effff-])?)"
_LITERAL = (
    r"\"((?:[^\"\\\n\r]|\\[tbnrf\"'\\]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})*)\"(?:\^\^"
    + _IRIREF
    + r"|@([a-zA-Z]+(?:-[a-zA-Z0-9]+)*))?"
)
_WS = r"[ \t]*"
_LINE = re.compile(
    f"{_WS}(?:{_IRIREF}|{_BLANK}){_WS}{_IRIREF}{_WS}(?:{_IRIREF}|{_BLANK}|{_LITERAL}){_WS}(?:{_IRIREF}|{_BLANK})?{_WS}\\.{_WS}(?:#.*)?"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_SHORT = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}


def parse_nquads(text: str) -> list[Quad]:
    """Return the distinct quads of an N-Quads document, in order.

    Raises:
        MalformedError: PARSE with the line, or DATA_LOSS for a relative IRI (RDF 1.1 N-Quads section 2).
    """
    quads: dict[Quad, None] = {}
    if not text.isascii() and _SURROGATE.search(text):
        raise MalformedError("PARSE", "the text holds lone surrogates", expected="Unicode scalar values")
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if not line.strip(" \t") or line.lstrip(" \t").startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise MalformedError("PARSE", "not an N-Quads statement", place=f"line {number}", found=line[:80])
        s_iri, s_blank, predicate, o_iri, o_blank, o_text, o_type, o_language, g_iri, g_blank = match.groups()
        if o_text is not None:
            value = literal(_unescape(o_text), XSD_STRING if o_type is None else _unescape(o_type), o_language or "")
        else:
            value = o_blank or iri(_unescape(o_iri))
        graph = g_blank or ("" if g_iri is None else iri(_unescape(g_iri)))
        quads[Quad(s_blank or iri(_unescape(s_iri)), iri(_unescape(predicate)), value, graph)] = None
    return list(quads)


def _unescape(text: str) -> str:
    return _UNESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code is None:
        return _SHORT[match[3]]
    number = int(code, 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise MalformedError("PARSE", "an escape names no character", found=match[0])
    return chr(number)
