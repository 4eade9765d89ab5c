"""Pinned contexts compiled to tables of terms, for the documents that need nothing else of JSON-LD.

Lives here: `TermTable`, an active context of JSON-LD 1.1 (W3C Recommendation, 16 July 2020; API sections 4.1 and 4.2) in the subset that
pinned contexts mostly use: terms with absolute IRIs, coercion, lists and sets, aliases of `@id` and `@type`, contexts scoped to a
property or a type, protection. Not here: documents (`rdf_direct`), everything else of JSON-LD (`rdf`, which pyld does).

A definition outside the subset is kept as `Outside`: a document that uses it goes to pyld. A table never says that a context is wrong;
it says that it cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from datasigil.credentials.contexts import PINNED, context_document
from datasigil.credentials.nquads import iri
from datasigil.encoding import JsonValue
from datasigil.errors import MalformedError

# Tables that one list of contexts may grow by scoped contexts: ours and W3C's need a dozen, a document made to nest them more.
DERIVED_MAX = 256
_DEFINITION_KEYS = frozenset({"@id", "@type", "@container", "@context", "@protected"})
_CONTEXT_KEYS = frozenset({"@protected", "@version"})


class Outside(Exception):  # noqa: N818 - no error: it says that pyld has to look
    """The document or its contexts use something that the tables do not hold."""


class Term(NamedTuple):
    """What a context says about one term. `raw` is its definition as written, by which a protected term is compared."""

    raw: JsonValue
    keyword: str = ""  # "@id" | "@type", for an alias
    predicate: str = ""  # the term's IRI in canonical N-Quads; empty: the definition is outside the subset
    coercion: str = ""  # "@id" | "@vocab" | "" | the datatype, an IRI
    container: str = ""  # "@list" | "@set" | ""
    scoped: Mapping[str, JsonValue] | None = None
    protected: bool = False


class TermTable:
    """An active context: terms by name, and the context to return to below a type-scoped one."""

    def __init__(self, terms: Mapping[str, Term], previous: TermTable | None, family: Iterator[int]) -> None:
        self.terms = terms
        self.previous = previous
        self._family = family
        self._below: dict[tuple[str, bool], TermTable] = {}

    def with_property(self, name: str, term: Term) -> TermTable:
        """Return the table below a property with a scoped context, which may redefine protected terms (section 4.1.8)."""
        return self._derived(name, term, by_type=False)

    def with_type(self, name: str, term: Term) -> TermTable:
        """Return the table inside a node of a type with a scoped context; it does not hold in nodes below (section 4.1.8)."""
        return self._derived(name, term, by_type=True)

    def _derived(self, name: str, term: Term, *, by_type: bool) -> TermTable:
        # A property and a type of one name would share an entry if the term could differ; within one table it cannot.
        known = self._below.get((name, by_type))
        if known is not None:
            return known
        if next(self._family) >= DERIVED_MAX or term.scoped is None:
            raise Outside
        terms = _extended(self.terms, term.scoped, override=not by_type)
        previous = (self.previous or self) if by_type else self.previous
        made = self._below[name, by_type] = TermTable(terms, previous, self._family)
        return made


@lru_cache(maxsize=64)
def table_of(contexts: tuple[str, ...]) -> TermTable:
    """Return the table of a list of pinned contexts.

    Raises:
        Outside: for a context that is not pinned, or that says something about more than single terms.
    """
    terms: Mapping[str, Term] = {}
    for url in contexts:
        if url not in PINNED:
            raise Outside
        terms = _extended(terms, context_document(url).get("@context"), override=False)
    return TermTable(terms, None, iter(range(10**9)))


def _extended(terms: Mapping[str, Term], context: JsonValue, *, override: bool) -> Mapping[str, Term]:
    """API section 4.1 for a context that is one object of term definitions."""
    if not isinstance(context, dict) or any(name.startswith("@") and name not in _CONTEXT_KEYS for name in context):
        raise Outside
    protected = context.get("@protected", False) is True
    found = dict(terms)
    for name, raw in context.items():
        if name.startswith("@"):
            continue
        before, new = terms.get(name), _term(raw, context, terms, protected=protected)
        if before is not None and before.protected and not override:
            if before.raw != new.raw:
                raise Outside  # an error, for pyld to word
            continue
        found[name] = new
    return found


def _term(raw: JsonValue, context: Mapping[str, JsonValue], terms: Mapping[str, Term], *, protected: bool) -> Term:
    """API section 4.2; a definition outside the subset has no predicate."""
    full: Any = {"@id": raw} if isinstance(raw, str) else raw
    kept = Term(full, protected=protected)
    if not isinstance(full, dict):
        return kept
    kept = kept._replace(protected=full.get("@protected", protected) is True)
    if full in ({"@id": "@id"}, {"@id": "@type"}):
        return kept._replace(keyword=full["@id"])
    name, coercion, container, scoped = (full.get(key, "") for key in ("@id", "@type", "@container", "@context"))
    known = (
        full.keys() <= _DEFINITION_KEYS
        and container in ("", "@list", "@set")
        and (scoped == "" or isinstance(scoped, dict))
    )
    try:
        predicate = _absolute(name, context, terms)
        if coercion not in ("", "@id", "@vocab"):
            _absolute(coercion, context, terms)
    except (MalformedError, Outside):
        return kept
    if not known:
        return kept
    return kept._replace(predicate=predicate, coercion=coercion, container=container, scoped=scoped or None)


def _absolute(text: JsonValue, context: Mapping[str, JsonValue], terms: Mapping[str, Term]) -> str:
    """The term of an IRI that is written out: no keyword, no term and no prefix that a context could expand."""
    if not isinstance(text, str) or text.startswith(("@", "_:")) or text in context or text in terms:
        raise Outside
    prefix = text.partition(":")[0]
    if prefix in context or prefix in terms:
        raise Outside
    return iri(text)
