"""JSON-LD documents as RDF: safe expansion under pinned contexts, then canonical N-Quads.

Lives here: JSON-LD 1.1 (W3C Recommendation, 16 July 2020) expansion by pyld with every loss made an error, and deserialisation to RDF.
Not here: canonical labels (`rdfc`), the subprocess that untrusted documents go to (`rdf_worker`), contexts (`contexts`).

What RDF cannot see is not signed by an rdfc suite. Refused are therefore terms and types that no context defines, relative IRIs,
null, anything that expansion would drop, `@index`, and numbers whose low digits the canonical form would cut off.
Still unsigned by the nature of RDF: the order and duplicates of arrays that are not `@list`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from datasigil.credentials.contexts import PINNED, context_document
from datasigil.credentials.nquads import XSD_STRING, Quad, iri, literal
from datasigil.credentials.rdfc import canonical_nquads
from datasigil.encoding import JsonValue, pointer_token
from datasigil.errors import MalformedError

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XSD = "http://www.w3.org/2001/XMLSchema#"
_FIRST, _REST, _NIL, _TYPE = (f"<{_RDF}{name}>" for name in ("first", "rest", "nil", "type"))
# The datatype of text with a direction (JSON-LD 1.1 section 10.3.1), as the JavaScript suites sign it.
_I18N = "https://www.w3.org/ns/i18n#"


def canonicalize(document: Mapping[str, JsonValue], hash_name: str) -> bytes:
    """Return the canonical N-Quads of a JSON-LD document that the caller trusts not to exhaust this process.

    Raises:
        MalformedError: CONTEXT, DATA_LOSS, NUMBER, JSON_LD or LIMIT (RDFC-1.0; VC Data Integrity section 2.4.1).
    """
    return canonical_nquads(to_quads(document), hash_name=hash_name).encode("utf-8")


def to_quads(document: Mapping[str, JsonValue]) -> list[Quad]:
    """Return the RDF dataset of a JSON-LD document, blank nodes labelled in document order.

    Raises:
        MalformedError: as `canonicalize`, but LIMIT.
    """
    return _Deserializer().run(expand_safely(document))


def check_terms(document: Mapping[str, JsonValue]) -> None:
    """Return if every term, type and id of a document is defined and absolute, whatever suite will sign it.

    Raises:
        MalformedError: as `canonicalize`, but LIMIT.
    """
    to_quads(document)


def expand_safely(document: Mapping[str, JsonValue]) -> list[JsonValue]:
    """Return the expanded document (JSON-LD API section 5.1), refusing whatever expansion would drop.

    Raises:
        MalformedError: CONTEXT for contexts that are unknown, invalid or redefine protected terms; DATA_LOSS; JSON_LD.
    """
    from pyld.jsonld import JsonLdError

    _check_input(document, "")
    try:
        expanded: list[JsonValue] = _processor().expand(
            dict(document), {"base": None, "documentLoader": _load, "processingMode": "json-ld-1.1"}
        )
    except JsonLdError as error:
        raise _translated(error) from None
    except RecursionError:
        raise MalformedError("LIMIT", "the document is nested too deeply") from None
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        # pyld trusts its input's types in places; what it stumbles over is no JSON-LD.
        raise MalformedError("JSON_LD", "the document is not JSON-LD", found=type(error).__name__) from None
    if len(expanded) != 1 or not isinstance(expanded[0], dict):
        raise _loss("the document is not one node", expected="one JSON object with an id or properties")
    return expanded


@lru_cache(maxsize=1)
def _processor() -> Any:
    """Pyld's processor, with dropped members and dropped values made errors; pyld is imported only here."""
    from pyld.jsonld import JsonLdProcessor

    class SafeProcessor(JsonLdProcessor):  # type: ignore[misc]  # pyld has no type information
        def __init__(self) -> None:
            super().__init__(on_property_dropped=_refuse_property)

        def _expand(self, active_ctx: Any, active_property: Any, element: Any, options: Any, **others: Any) -> Any:
            expanded = super()._expand(active_ctx, active_property, element, options, **others)
            if expanded is None:
                raise _loss("a value would be dropped", found=str(active_property)[:60])
            return expanded

    return SafeProcessor()


def _refuse_property(expanded: object) -> None:
    raise _loss(
        "a term that no context defines", expected="terms of the document's contexts", found=str(expanded)[:120]
    )


def _load(url: str, _options: object) -> dict[str, Any]:
    """The document loader: pinned contexts, nothing else, never the network."""
    if url not in PINNED:
        raise _unknown_context(url, "/@context")
    return {
        "contentType": "application/ld+json",
        "contextUrl": None,
        "documentUrl": url,
        "document": context_document(url),
    }


def _check_input(value: JsonValue, place: str) -> None:
    """Refuse null, which expansion drops, and context URLs that are not pinned, before pyld resolves them against anything."""
    if value is None:
        raise MalformedError("DATA_LOSS", "null would be dropped", place=place, expected="leave the member out")
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "@context":
                _check_contexts(item, f"{place}/@context")
            else:
                _check_input(item, f"{place}/{pointer_token(key)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_input(item, f"{place}/{index}")


def _check_contexts(contexts: JsonValue, place: str) -> None:
    for item in contexts if isinstance(contexts, list) else [contexts]:
        # In inline contexts null has a meaning of its own: it undefines a term.
        if isinstance(item, str) and item not in PINNED:
            raise _unknown_context(item, place)


def _unknown_context(url: object, place: str) -> MalformedError:
    return MalformedError(
        "CONTEXT",
        "an unknown JSON-LD context",
        place=place,
        expected="a context that is shipped and pinned",
        found=str(url)[:120],
    )


def _translated(error: Any) -> MalformedError:
    """Our error for one of pyld's, or for ours that its context resolver wrapped."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MalformedError):
            return cause
        innermost = cause
        cause = cause.__cause__
    code = str(getattr(innermost, "code", "") or "")
    about_context = "context" in code or "protected" in code or code in _CONTEXT_CODES
    return MalformedError(
        "CONTEXT" if about_context else "JSON_LD",
        f"JSON-LD: {code or 'invalid document'}",
        place="/@context" if about_context else "/",
    )


_CONTEXT_CODES = frozenset(
    {
        "cyclic IRI mapping", "invalid @version value", "invalid IRI mapping", "invalid base IRI", "invalid container mapping", "invalid default language", "invalid keyword alias",
        "invalid language mapping", "invalid nest value", "invalid prefix value", "invalid propagate value", "invalid reverse property",
        "invalid term definition", "invalid type mapping", "invalid vocab mapping", "keyword redefinition", "loading document failed", "processing mode conflict",
    }
)  # fmt: skip


def _loss(message: str, *, expected: str = "", found: str = "") -> MalformedError:
    return MalformedError("DATA_LOSS", message, expected=expected, found=found)


class _Deserializer:
    """JSON-LD API sections 7.1 and 7.2 without the node map: quads form a set, which merges nodes by itself."""

    def __init__(self) -> None:
        self.quads: dict[Quad, None] = {}
        self.labels: dict[str, str] = {}
        self.count = 0

    def run(self, expanded: list[JsonValue]) -> list[Quad]:
        for node in expanded:
            self.node(node, "")
        return list(self.quads)

    def blank(self, label: str = "") -> str:
        """A fresh blank node, or the one that stands for a label of the document."""
        if label in self.labels:
            return self.labels[label]
        term = f"_:b{self.count}"
        self.count += 1
        if label:
            self.labels[label] = term
        return term

    def resource(self, identifier: JsonValue) -> str:
        if not isinstance(identifier, str):
            raise _loss("an id is not text", found=str(identifier)[:60])
        return self.blank(identifier) if identifier.startswith("_:") else iri(identifier)

    def node(self, node: Mapping[str, JsonValue], graph: str) -> str:
        """Add the quads of one node object and return its term."""
        if not isinstance(node, dict) or "@value" in node or "@list" in node:
            raise _loss("a value stands where a node is expected")
        self.check_keywords(node)
        subject = self.resource(node["@id"]) if "@id" in node else self.blank()
        for name in node.get("@type", []):
            self.add(subject, _TYPE, self.resource(name), graph)
        if "@graph" in node:
            for item in node["@graph"]:
                self.node(item, subject)
        for item in node.get("@included", []):
            self.node(item, graph)
        for name, items in node.get("@reverse", {}).items():
            for item in items:
                self.add(self.node(item, graph), self.predicate(name), subject, graph)
        for name, items in node.items():
            if not name.startswith("@"):
                for item in items:
                    self.add(subject, self.predicate(name), self.object(item, graph), graph)
        return subject

    def check_keywords(self, item: Mapping[str, JsonValue]) -> None:
        if "@index" in item:
            raise _loss("a keyword that RDF cannot hold", found="@index")

    def predicate(self, name: str) -> str:
        if name.startswith("_:"):
            raise _loss("a blank node cannot be a property", found=name[:60])
        return iri(name)

    def object(self, item: JsonValue, graph: str) -> str:
        if isinstance(item, dict) and "@value" in item:
            self.check_keywords(item)
            return _literal_term(item)
        if isinstance(item, dict) and "@list" in item:
            self.check_keywords(item)
            return self.list(item["@list"], graph)
        return self.node(item, graph)

    def list(self, items: list[JsonValue], graph: str) -> str:
        """Add an RDF collection and return its head."""
        cells = [*(self.blank() for _ in items), _NIL]
        for cell, rest, item in zip(cells, cells[1:], items, strict=False):
            self.add(cell, _FIRST, self.object(item, graph), graph)
            self.add(cell, _REST, rest, graph)
        return cells[0]

    def add(self, subject: str, predicate: str, value: str, graph: str) -> None:
        self.quads[Quad(subject, predicate, value, graph)] = None


def _literal_term(item: Mapping[str, JsonValue]) -> str:
    """JSON-LD API section 7.2 (object to RDF conversion) for a value object."""
    value, datatype = item["@value"], item.get("@type")
    if datatype == "@json":
        from datasigil.canonical import jcs

        return literal(jcs(value).decode("utf-8"), f"{_RDF}JSON")
    if isinstance(value, bool):
        return literal("true" if value else "false", datatype or f"{_XSD}boolean")
    if isinstance(value, (int, float)):
        text, native = _number(value, datatype)
        return literal(text, datatype or native)
    if datatype == f"{_XSD}double":
        value = _canonical_double_text(value)
    if "@direction" in item:
        return literal(value, f"{_I18N}{item.get('@language', '').lower()}_{item['@direction']}")
    return literal(value, datatype or XSD_STRING, item.get("@language", ""))


def _number(value: float, datatype: str | None) -> tuple[str, str]:
    """The lexical form of a JSON number and its own datatype (JSON-LD API section 8.6)."""
    whole = isinstance(value, int) or value.is_integer()
    if whole and abs(value) < 10**21 and datatype != f"{_XSD}double":
        return str(int(value)), f"{_XSD}integer"
    text = _double(float(value))
    if float(text) != value:
        raise MalformedError(
            "NUMBER",
            "the canonical form of a number would lose digits",
            expected="the decimal as a string",
            found=repr(value),
        )
    return text, f"{_XSD}double"


def _double(value: float) -> str:
    mantissa, exponent = f"{value:.15E}".split("E")
    mantissa = mantissa.rstrip("0")
    return f"{mantissa}{'0' if mantissa.endswith('.') else ''}E{int(exponent)}"


def _canonical_double_text(value: str) -> str:
    # What the JavaScript and Python reference implementations do with text that is typed xsd:double.
    try:
        number = float(value)
    except ValueError:
        return value
    return _double(number) if number not in (float("inf"), float("-inf")) and number == number else value  # noqa: PLR0124 - NaN
