"""Lineage arithmetic: how one dataset came from others, in counts that must balance.

Here: the steps, parents and result of a DatasetLineageCredential's subject (vocabulary.md, table 2), and graphs of
digests without cycles. Pure functions on values. Not here: the subject's schema (`credentials.lineage`), whether the
parents are VALID (`verification`), recomputing a step from data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datasigil.datasets.limits import LINEAGE_NODES_MAX, LINEAGE_STEPS_MAX
from datasigil.encoding import hex_digest
from datasigil.errors import MalformedError, VerificationError
from datasigil.record import dataclass


@dataclass(frozen=True, slots=True)
class LineageStep:
    """One step: `records_in` - `removed` + `added` must be `records_out`."""

    type: str
    rule: str
    records_in: int
    removed: int
    added: int
    records_out: int


@dataclass(frozen=True, slots=True)
class LineageParent:
    """One dataset that went in: its credential's id, the digest of that secured credential, its manifest root."""

    credential: str
    credential_digest: str
    root: str
    records_used: int | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """One derivation: parents, steps in order, and the dataset that came out."""

    parents: tuple[LineageParent, ...]
    steps: tuple[LineageStep, ...]
    generated_root: str
    generated_digest: str
    record_count: int


def parse_lineage(subject: Mapping[str, Any]) -> Lineage:
    """Read the arithmetic part of a lineage credential's `credentialSubject`; other members are left alone.

    Raises: MalformedError LINEAGE_FORM, LIMIT or DIGEST.
    """
    generated = _object(subject.get("generated"), "/generated")
    return Lineage(
        tuple(_parent(one, f"/used/{index}") for index, one in enumerate(_list(subject, "used"))),
        tuple(_step(one, f"/steps/{index}") for index, one in enumerate(_list(subject, "steps"))),
        _digest(generated, "root", "/generated"),
        _digest(generated, "digest", "/generated"),
        _count(generated, "recordCount", "/generated"),
    )


def check_balance(lineage: Lineage) -> None:
    """Hold the counts against each other: within each step, from step to step, and at both ends.

    The first step takes what the parents' `recordsUsed` add up to, where all of them state it. Does not look at data.

    Raises: VerificationError LINEAGE_UNBALANCED.
    """
    for index, step in enumerate(lineage.steps):
        place = f"/steps/{index}"
        if step.removed > step.records_in:
            raise _unbalanced("a step removes more records than it has", place, step.records_in, step.removed)
        if step.records_in - step.removed + step.added != step.records_out:
            raise _unbalanced(
                "a step does not balance", place, step.records_in - step.removed + step.added, step.records_out
            )
        if index and lineage.steps[index - 1].records_out != step.records_in:
            raise _unbalanced(
                "a step starts with another count than the one before ended with",
                f"{place}/recordsIn",
                lineage.steps[index - 1].records_out,
                step.records_in,
            )
    used = [parent.records_used for parent in lineage.parents]
    total = sum(count for count in used if count is not None)
    if None not in used and total != lineage.steps[0].records_in:
        raise _unbalanced(
            "the first step starts with another count than the parents gave",
            "/used",
            total,
            lineage.steps[0].records_in,
        )
    if lineage.steps[-1].records_out != lineage.record_count:
        raise _unbalanced(
            "the result has another count than the last step ended with",
            "/generated/recordCount",
            lineage.steps[-1].records_out,
            lineage.record_count,
        )


def find_cycle(parents: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return a cycle among credential digests (first and last equal), or an empty tuple; digests without entry are leaves.

    Raises: MalformedError LIMIT for more than 10,000 nodes.
    """
    _check_size(parents)
    done: set[str] = set()
    for start in parents:
        cycle = _cycle_from(start, parents, done)
        if cycle:
            return cycle
    return ()


def _cycle_from(start: str, parents: Mapping[str, Iterable[str]], done: set[str]) -> tuple[str, ...]:
    path: list[str] = []
    on_path: set[str] = set()
    pending: list[tuple[str, bool]] = [(start, False)]
    while pending:
        node, leaving = pending.pop()
        if leaving:
            on_path.discard(path.pop())
            done.add(node)
        elif node in on_path:
            return (*path[path.index(node) :], node)
        elif node not in done:
            path.append(node)
            on_path.add(node)
            pending.append((node, True))
            pending.extend((above, False) for above in parents.get(node, ()))
    return ()


def ancestors(start: str, parents: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return every digest reachable from `start`, nearest first, `start` not included.

    Raises: VerificationError LINEAGE_CYCLE; MalformedError LIMIT.
    """
    cycle = find_cycle(parents)
    if cycle:
        raise VerificationError(
            "LINEAGE_CYCLE",
            "a dataset is its own ancestor",
            expected="every dataset older than what was made of it",
            found=" from ".join(digest[:12] for digest in cycle),
            next_action="ask the curator for lineage credentials that end at a source",
        )
    seen: dict[str, None] = {}
    pending = list(parents.get(start, ()))
    while pending:
        coming: list[str] = []
        for digest in pending:
            if digest not in seen:
                seen[digest] = None
                coming.extend(parents.get(digest, ()))
        pending = coming
    return tuple(seen)


def _check_size(parents: Mapping[str, Iterable[str]]) -> None:
    if len(parents) > LINEAGE_NODES_MAX:
        raise MalformedError("LIMIT", "the lineage is too large", expected=f"at most {LINEAGE_NODES_MAX} credentials")


def _parent(value: object, place: str) -> LineageParent:
    members = _object(value, place)
    credential = members.get("credential")
    if not isinstance(credential, str):
        raise _form(f"{place}/credential", "the id of a credential")
    used = _count(members, "recordsUsed", place) if "recordsUsed" in members else None
    return LineageParent(credential, _digest(members, "credentialDigest", place), _digest(members, "root", place), used)


def _step(value: object, place: str) -> LineageStep:
    members = _object(value, place)
    kind, rule = members.get("type"), members.get("rule")
    if not isinstance(kind, str) or not isinstance(rule, str):
        raise _form(place, "a step with type and rule")
    counts = [_count(members, name, place) for name in ("recordsIn", "removed", "added", "recordsOut")]
    return LineageStep(kind, rule, *counts)


def _list(subject: Mapping[str, Any], name: str) -> Sequence[object]:
    value = subject.get(name)
    if not isinstance(value, list) or not value:
        raise _form(f"/{name}", "a non-empty array")
    if len(value) > LINEAGE_STEPS_MAX:
        raise MalformedError("LIMIT", f"too many {name}", place=f"/{name}", expected=f"at most {LINEAGE_STEPS_MAX}")
    return value


def _object(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _form(place, "an object")
    return value


def _digest(members: Mapping[str, Any], name: str, place: str) -> str:
    return hex_digest(members.get(name), place=f"{place}/{name}").hex()


def _count(members: Mapping[str, Any], name: str, place: str) -> int:
    value = members.get(name)
    if type(value) is not int or value < 0:
        raise _form(f"{place}/{name}", "an integer from 0 to 2^53-1")
    return value


def _form(place: str, expected: str) -> MalformedError:
    return MalformedError("LINEAGE_FORM", "the lineage is malformed", place=place, expected=expected)


def _unbalanced(message: str, place: str, expected: int, found: int) -> VerificationError:
    return VerificationError(
        "LINEAGE_UNBALANCED",
        f"the lineage's counts do not balance: {message}",
        place=place,
        expected=f"{expected} records",
        found=f"{found} records",
        next_action="ask the curator for a corrected lineage credential",
    )
