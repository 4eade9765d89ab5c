"""Documents whose every member is in a table of terms, as canonical N-Quads: in this process, without JSON-LD's machinery.

Lives here: `canonicalize_directly`, which walks such a document once (JSON-LD 1.1 API sections 5.1 and 7.1 for the subset of
`rdf_terms`). Not here: every other document: the answer is then None, and the caller asks pyld in its subprocess (`rdf_worker`).

Nothing is refused here and nothing guessed: whatever is not plainly in the table (keywords, null, floats, blank node ids, relative or
compact IRIs, arrays in arrays, empty values) is left to the slow path, which also words the errors. Work and memory are bounded by
`QUADS_MAX` and `DIRECT_BUDGET`, which is why no subprocess is needed (docs/adr/0011). Tests hold both paths to the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from datasigil.credentials.nquads import XSD_STRING, Quad, iri, literal
from datasigil.credentials.rdf_terms import Outside, Term, TermTable, table_of
from datasigil.credentials.rdfc import canonical_nquads
from datasigil.encoding import JsonValue
from datasigil.errors import MalformedError
from datasigil.limits import INTEGER_MAX

# A full dataset credential has some 150 quads; 4,096 take about 4 MiB.
QUADS_MAX = 4096
# Steps of RDFC-1.0 beyond hashing each node once: a fiftieth of what the subprocess may spend.
DIRECT_BUDGET = 40_000

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XSD = "http://www.w3.org/2001/XMLSchema#"
_TYPE, _FIRST, _REST, _NIL = (f"<{_RDF}{name}>" for name in ("type", "first", "rest", "nil"))
_DOUBLE = f"{_XSD}double"


def canonicalize_directly(document: Mapping[str, JsonValue], hash_name: str) -> bytes | None:
    """Return the canonical N-Quads of a document, or None when only the whole of JSON-LD can tell."""
    try:
        return canonical_nquads(quads_directly(document), hash_name=hash_name, budget=DIRECT_BUDGET).encode("utf-8")
    except (Outside, MalformedError, UnicodeEncodeError, RecursionError):
        return None


def knows_all_terms(document: Mapping[str, JsonValue]) -> bool:
    """Whether every term, type and id of a document is in the tables of its contexts; False says only that pyld has to look."""
    try:
        quads_directly(document)
    except (Outside, MalformedError, RecursionError):
        return False
    return True


def quads_directly(document: Mapping[str, JsonValue]) -> list[Quad]:
    """Return the RDF dataset of a document whose every term, type and id is in the tables of its contexts.

    Raises:
        Outside: when it is not.
        MalformedError: DATA_LOSS for an IRI that is none.
    """
    contexts = document.get("@context")
    listed = contexts if isinstance(contexts, list) else [contexts]
    if not all(isinstance(url, str) for url in listed):
        raise Outside
    walk = _Walk()
    walk.node({name: value for name, value in document.items() if name != "@context"}, table_of(tuple(listed)))
    if not walk.quads:
        raise Outside  # an id and nothing about it
    return walk.quads


class _Walk:
    """The quads of one document; a set of them needs no node map."""

    def __init__(self) -> None:
        self.quads: list[Quad] = []
        self.blanks = 0

    def node(self, node: Mapping[str, JsonValue], table: TermTable) -> str:
        """Add the quads of a node object and return its term."""
        if not node:
            raise Outside
        names, below = _types(node, table)
        subject = ""
        members = []
        for name, value in node.items():
            term = below.terms.get(name)
            if term is None:
                raise Outside
            if term.keyword == "@id":
                if subject:
                    raise Outside
                subject = _resource(value, below)
            elif not term.keyword:
                members.append((name, term, value))
        subject = subject or self.blank()
        for name in names:
            self.add(subject, _TYPE, name)
        for name, term, value in members:
            self.member(subject, name, term, value, below)
        return subject

    def member(self, subject: str, name: str, term: Term, value: JsonValue, table: TermTable) -> None:
        if not term.predicate:
            raise Outside
        if term.container == "@list":
            head = self.list(name, term, value if type(value) is list else [value], table)
            self.add(subject, term.predicate, head)
            return
        items = value if type(value) is list else (value,)
        if not items:
            raise Outside
        for item in items:
            self.add(subject, term.predicate, self.object(name, term, item, table))

    def list(self, name: str, term: Term, items: list[JsonValue], table: TermTable) -> str:
        """Add an RDF collection and return its head."""
        following = _NIL
        for item in reversed(items):
            cell = self.blank()
            self.add(cell, _FIRST, self.object(name, term, item, table))
            self.add(cell, _REST, following)
            following = cell
        return following

    def object(self, name: str, term: Term, item: JsonValue, table: TermTable) -> str:
        """The term of one value (API sections 5.1 and 5.3)."""
        kind = type(item)
        if kind is dict:
            # A type-scoped context ends where another node begins, but not for a bare reference.
            below = table if table.previous is None or _is_reference(item, table) else table.previous
            return self.node(item, below.with_property(name, term) if term.scoped is not None else below)
        coercion = term.coercion
        if kind is str:
            if coercion in ("@id", "@vocab"):
                scope = table.with_property(name, term) if term.scoped is not None else table
                return _resource(item, scope) if coercion == "@id" else _vocabulary(item, scope)
            if coercion == _DOUBLE:
                raise Outside
            return literal(item, coercion or XSD_STRING)
        datatype = "" if coercion in ("@id", "@vocab") else coercion
        if kind is bool:
            return literal("true" if item else "false", datatype or f"{_XSD}boolean")
        if kind is not int or datatype == _DOUBLE or not -INTEGER_MAX <= item <= INTEGER_MAX:
            raise Outside
        return literal(str(item), datatype or f"{_XSD}integer")

    def blank(self) -> str:
        self.blanks += 1
        return f"_:b{self.blanks}"

    def add(self, subject: str, predicate: str, value: str) -> None:
        if len(self.quads) >= QUADS_MAX:
            raise Outside
        self.quads.append(Quad(subject, predicate, value, ""))


def _types(node: Mapping[str, JsonValue], table: TermTable) -> tuple[list[str], TermTable]:
    """The node's types, and the table that their scoped contexts make (API section 5.1 step 11: in lexicographical order)."""
    given = None
    for name in node:
        term = table.terms.get(name)
        if term is not None and term.keyword == "@type":
            if given is not None:
                raise Outside
            given = node[name]
    if given is None:
        return [], table
    listed = given if type(given) is list else [given]
    if not listed or not all(type(name) is str for name in listed):
        raise Outside
    below = table
    for name in sorted(listed):
        term = table.terms.get(name)
        if term is not None and term.scoped is not None:
            below = below.with_type(name, term)
    return [_vocabulary(name, table) for name in listed], below


def _is_reference(node: Mapping[str, JsonValue], table: TermTable) -> bool:
    """Whether a node object says nothing but its id."""
    return len(node) == 1 and all(name in table.terms and table.terms[name].keyword == "@id" for name in node)


def _vocabulary(text: str, table: TermTable) -> str:
    """The IRI that a term stands for (API section 5.2, vocab)."""
    term = table.terms.get(text)
    if term is None or not term.predicate:
        raise Outside
    return term.predicate


def _resource(text: JsonValue, table: TermTable) -> str:
    """An absolute IRI that no context could expand (API section 5.2, document relative without a base)."""
    if type(text) is not str or text.startswith(("@", "_:")) or text.partition(":")[0] in table.terms:
        raise Outside
    return iri(text)
