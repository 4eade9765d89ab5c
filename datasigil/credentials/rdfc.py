"""RDFC-1.0: canonical labels for the blank nodes of an RDF dataset, in bounded work.

Lives here: the algorithm of W3C RDF Dataset Canonicalization 1.0 (21 May 2024), section 4, with SHA-256 or SHA-384. Not here: N-Quads
text (`nquads`), JSON-LD (`rdf`).

Written by hand because pyld's canonicaliser escapes other characters than the specification says, has no SHA-384 and no bound: a
dataset made for the purpose keeps it busy for ever (specification section 7.1). Names follow the specification.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from itertools import permutations
from typing import Any, TypeAlias

from datasigil.credentials.nquads import Quad
from datasigil.errors import MalformedError

# Quads hashed and identifiers compared in Hash N-Degree Quads for one dataset: well below a second. The hardest published test that
# must succeed takes a hundredth of it, documents that people sign a few steps for each blank node that looks like another one.
WORK_BUDGET = 1_300_000
# Hash N-Degree Quads for each blank node that looks like another one, on average. npm's rdf-canonize allows one; a list or ring of n nodes
# that look alike takes n, two equal lists of any length two. What it refuses by default a Node.js verifier would refuse too.
HASHES_PER_NODE = 150
HASHES_MIN = 20_000  # and for few nodes as many as some orders of them take


class _IdentifierIssuer:
    """Section 4.3: issues prefix0, prefix1, … once for each blank node, in the order asked."""

    __slots__ = ("issued", "prefix")

    def __init__(self, prefix: str, issued: Mapping[str, str] | None = None) -> None:
        self.prefix = prefix
        self.issued = dict(issued or {})

    def issue(self, label: str) -> str:
        identifier = self.issued.get(label)
        if identifier is None:
            identifier = self.issued[label] = f"{self.prefix}{len(self.issued)}"
        return identifier

    def copy(self) -> _IdentifierIssuer:
        return _IdentifierIssuer(self.prefix, self.issued)


_Request: TypeAlias = (
    "tuple[str, _IdentifierIssuer]"  # a blank node whose hash is wanted, and what has been issued so far
)
_Hashed: TypeAlias = "tuple[str, _IdentifierIssuer]"  # a hash or a path, and what has been issued then
_Walk: TypeAlias = "Generator[_Request, Any, _Hashed]"


class _Canonicalizer:
    """Section 4.2: the canonicalization state of one dataset."""

    def __init__(self, quads: Iterable[Quad], hash_name: str, budget: int) -> None:
        self.quads = list(dict.fromkeys(quads))
        self.hasher: Callable[[bytes], Any] = getattr(hashlib, hash_name)
        self.work_left = budget
        self.budget = budget
        self.hashes_left = HASHES_MIN
        self.canonical = _IdentifierIssuer("_:c14n")
        self.first_degree: dict[str, str] = {}
        self.quads_of: dict[str, list[Quad]] = {}
        for quad in self.quads:
            subject, _, value, graph = quad
            if subject[0] == "_":
                self.quads_of.setdefault(subject, []).append(quad)
            if value[0] == "_" and value != subject:
                self.quads_of.setdefault(value, []).append(quad)
            if graph and graph[0] == "_" and graph not in (subject, value):
                self.quads_of.setdefault(graph, []).append(quad)

    def run(self) -> None:
        """Section 4.4.3: issue a canonical identifier to every blank node."""
        by_hash: dict[str, list[str]] = {}
        for label in self.quads_of:
            self.first_degree[label] = self._hash_first_degree(label)
            by_hash.setdefault(self.first_degree[label], []).append(label)
        shared = []
        for digest in sorted(by_hash):
            if len(by_hash[digest]) == 1:
                self.canonical.issue(by_hash[digest][0])
            else:
                shared.append(by_hash[digest])
        self.hashes_left = max(HASHES_MIN, HASHES_PER_NODE * sum(map(len, shared)))
        for labels in shared:
            results = []
            for label in labels:
                if label in self.canonical.issued:
                    continue
                issuer = _IdentifierIssuer("_:b")
                issuer.issue(label)
                results.append(self._hash_n_degree(label, issuer))
            for _, issuer in sorted(results, key=lambda result: result[0]):
                for label in issuer.issued:
                    self.canonical.issue(label)

    def _digest(self, text: str) -> str:
        return str(self.hasher(text.encode("utf-8")).hexdigest())

    def _hash_first_degree(self, label: str) -> str:
        """Section 4.6: the hash of the quads of one blank node, which alone is named `_:a`, every other `_:z`."""
        lines = []
        for subject, predicate, value, graph in self.quads_of[label]:
            # Only a blank node's term starts with an underscore: the others start with < or a quotation mark.
            one = subject if subject[0] != "_" else "_:a" if subject == label else "_:z"
            other = value if value[0] != "_" else "_:a" if value == label else "_:z"
            if graph:
                other += f" {graph if graph[0] != '_' else '_:a' if graph == label else '_:z'}"
            lines.append(f"{one} {predicate} {other} .\n")
        lines.sort()
        return self._digest("".join(lines))

    def _hash_related(self, related: str, quad: Quad, issuer: _IdentifierIssuer, position: str) -> str:
        """Section 4.7: the hash of a blank node as seen from another one."""
        text = position + (quad.predicate if position != "g" else "")
        identifier = self.canonical.issued.get(related) or issuer.issued.get(related)
        return self._digest(text + (identifier or self.first_degree[related]))

    def _hash_n_degree(self, label: str, issuer: _IdentifierIssuer) -> _Hashed:
        """Section 4.8 without recursion: chains of blank nodes that look alike may be longer than Python's stack is deep."""
        walks = [self._walk(label, issuer)]
        found: _Hashed | None = None
        while walks:
            try:
                # None starts a walk; a walk that waits for the hash of a neighbour gets it.
                wanted = walks[-1].send(found)
            except StopIteration as ended:
                walks.pop()
                found = ended.value
            else:
                walks.append(self._walk(*wanted))
                found = None
        assert found is not None  # the first walk has ended
        return found

    def _walk(self, label: str, issuer: _IdentifierIssuer) -> _Walk:
        """The hash of a blank node by its neighbours, over the best of all orders of those that look alike; asks for those of neighbours."""
        self._spend(1 + len(self.quads_of[label]))
        self.hashes_left -= 1
        if self.hashes_left < 0:
            raise _too_much_work(f"{HASHES_PER_NODE} hashes for each of these nodes")
        related_by_hash: dict[str, list[str]] = {}
        for quad in self.quads_of[label]:
            for term, position in ((quad.subject, "s"), (quad.object, "o"), (quad.graph, "g")):
                if term != label and term.startswith("_:"):
                    related_by_hash.setdefault(self._hash_related(term, quad, issuer, position), []).append(term)
        data = []
        for digest in sorted(related_by_hash):
            path, issuer = yield from self._chosen_path(related_by_hash[digest], issuer)
            data.append(digest + path)
        return self._digest("".join(data)), issuer

    def _chosen_path(self, related: list[str], issuer: _IdentifierIssuer) -> _Walk:
        """Section 4.8.3 step 5: the order of `related` with the least path."""
        if len(related) == 1:
            # The only order is the chosen one, so nobody will need the issuer as it is now: no copy, which would make chains cubic.
            self._spend(2)
            return (yield from self._path((related[0],), issuer, "")) or ("", issuer)
        chosen: _Hashed | None = None
        for order in _orders(related):
            self._spend(1 + len(related) + len(issuer.issued))
            found = yield from self._path(order, issuer.copy(), chosen[0] if chosen else "")
            if found is not None and (chosen is None or found[0] < chosen[0]):
                chosen = found
        assert chosen is not None  # permutations of at least one blank node, the first of which is never given up
        return chosen

    def _path(
        self, order: tuple[str, ...], issuer: _IdentifierIssuer, best: str
    ) -> Generator[_Request, Any, _Hashed | None]:
        """Steps 5.4.1 to 5.4.5 for one order; None as soon as its path cannot be the least."""
        path = ""
        recursion = []
        for label in order:
            identifier = self.canonical.issued.get(label)
            if identifier is None:
                if label not in issuer.issued:
                    recursion.append(label)
                identifier = issuer.issue(label)
            path += identifier
            if best and len(path) >= len(best) and path > best:
                return None
        for label in recursion:
            identifier = issuer.issue(label)
            digest, issuer = yield label, issuer
            path += f"{identifier}<{digest}>"
            if best and len(path) >= len(best) and path > best:
                return None
        return path, issuer

    def _spend(self, steps: int) -> None:
        self.work_left -= steps
        if self.work_left < 0:
            raise _too_much_work(f"{self.budget} steps")

    def nquads(self) -> str:
        """Section 4.4.3 step 7: the dataset in canonical form."""
        label = self.canonical.issued.get
        lines = [
            f"{label(subject, subject)} {predicate} {label(value, value)}{' ' + label(graph, graph) if graph else ''} .\n"
            for subject, predicate, value, graph in self.quads
        ]
        lines.sort()
        return "".join(lines)


def _orders(labels: list[str]) -> Iterator[tuple[str, ...]]:
    """All orders of the labels as `permutations` yields them, each once: a label comes again for every quad that it shares."""
    distinct = list(dict.fromkeys(labels))
    if len(distinct) == len(labels):
        yield from permutations(labels)
        return
    order = sorted(map(distinct.index, labels))
    while True:
        yield tuple(distinct[index] for index in order)
        rise = next((at for at in range(len(order) - 2, -1, -1) if order[at] < order[at + 1]), None)
        if rise is None:
            return
        above = next(at for at in range(len(order) - 1, rise, -1) if order[at] > order[rise])
        order[rise], order[above] = order[above], order[rise]
        order[rise + 1 :] = reversed(order[rise + 1 :])


def _too_much_work(expected: str) -> MalformedError:
    return MalformedError(
        "LIMIT", "the RDF graph has too many blank nodes that look alike to be canonicalised", expected=expected,
        next_action="give the nodes ids, or sign with a jcs cryptosuite",
    )  # fmt: skip


def canonical_nquads(quads: Iterable[Quad], *, hash_name: str = "sha256", budget: int = WORK_BUDGET) -> str:
    """Return the canonical N-Quads of a dataset, hashing with `sha256` or `sha384`.

    Raises:
        MalformedError: LIMIT when more than `budget` steps would be needed (RDFC-1.0 section 7.1, dataset poisoning).
    """
    state = _Canonicalizer(quads, hash_name, budget)
    state.run()
    return state.nquads()


def canonical_labels(quads: Iterable[Quad], *, hash_name: str = "sha256", budget: int = WORK_BUDGET) -> dict[str, str]:
    """Return the canonical label of every blank node, both without the leading `_:` (the issued identifiers map).

    Raises:
        MalformedError: LIMIT, as `canonical_nquads`.
    """
    state = _Canonicalizer(quads, hash_name, budget)
    state.run()
    return {label[2:]: identifier[2:] for label, identifier in state.canonical.issued.items()}
