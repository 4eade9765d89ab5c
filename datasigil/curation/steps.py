"""The steps of a recipe, each a pass over records that counts what goes in, what is removed and what comes out.

Here: what every `op` means. Not here: reading (`reading`), the order of steps and what the counts become (`running`). A step is a pure
function of its parameters, the recipe's seed, its place and the records: no clock, no network, no randomness but the seeded kind, which is
SHA-256 over domain, seed and what is drawn.
"""

from __future__ import annotations

import heapq
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from typing import Any, Final

from datasigil.canonical import jcs
from datasigil.curation import patterns
from datasigil.curation.changing import CHANGES, Change
from datasigil.curation.columns import same, value_of, wrong_kind
from datasigil.curation.limits import SPOOL_BYTES
from datasigil.curation.reading import Item, Origin, Record, record_line
from datasigil.curation.recipe import Step
from datasigil.datasets.entry import SHA256_ONLY, Manifest, ManifestEntry, chunk_tree
from datasigil.datasets.limits import CHUNK_BYTES, CHUNKED_FILE_MIN_BYTES
from datasigil.datasets.paths import display_path

_SPACE: Final = re.compile(r"\s+")
REMOVED_NAME: Final = "removed.jsonl"
_SCALE: Final = 1 << 256


class Removed:
    """What a step removed, as the manifest of one file `removed.jsonl` that nobody has to keep."""

    def __init__(self) -> None:
        self.count = 0
        self._size = 0
        self._whole = sha256()
        self._piece = sha256()
        self._chunks: list[bytes] = []

    def add(self, item: Item) -> None:
        """Take in one removed record."""
        self.count += 1
        data = memoryview(record_line(item.record, item.origin))
        self._whole.update(data)
        while data:
            room = CHUNK_BYTES - self._size % CHUNK_BYTES
            part, data = data[:room], data[room:]
            self._piece.update(part)
            self._size += len(part)
            if self._size % CHUNK_BYTES == 0:
                self._chunks.append(self._piece.digest())
                self._piece = sha256()

    def root(self) -> str:
        """Return the manifest root, lower-case hexadecimal; the empty string when nothing was removed."""
        if not self.count:
            return ""
        digests = [*self._chunks, *([self._piece.digest()] if self._size % CHUNK_BYTES else [])]
        chunks = chunk_tree(self._size, digests) if self._size >= CHUNKED_FILE_MIN_BYTES else None
        entry = ManifestEntry(REMOVED_NAME, self._size, self._whole.hexdigest(), None, chunks)
        return Manifest((entry,), digests=SHA256_ONLY).root.hex()


@dataclass(slots=True)
class Tally:
    """What one step did: records in and out, what it removed, how many values it changed in how many records."""

    step: Step
    scope: str
    came: int = 0
    left: int = 0
    changed: int = 0
    changes: int = 0
    removed: Removed = field(default_factory=Removed)


Keep = Callable[[Record, Origin], bool]


def apply(step: Step, number: int, seed: int, items: Iterable[Item], tally: Tally) -> Iterator[Item]:
    """Yield what is left of the records after a step; `number` is the step's place in its recipe, part of what seeds a draw.

    Raises:
        DatasigilError: COLUMN, RECORDS or LIMIT, naming step and record.
    """
    if step.op == "sample" and "count" in step.parameters:
        yield from _sample_count(step, number, seed, items, tally)
    elif step.op in _KEEPS:
        yield from _keep(_KEEPS[step.op](step, number, seed), items, tally)
    else:
        yield from _change(CHANGES[step.op](step), items, tally)


def _keep(keep: Keep, items: Iterable[Item], tally: Tally) -> Iterator[Item]:
    for item in items:
        tally.came += 1
        if keep(item.record, item.origin):
            tally.left += 1
            yield item
        else:
            tally.removed.add(item)


def _change(change: Change, items: Iterable[Item], tally: Tally) -> Iterator[Item]:
    for item in items:
        tally.came += 1
        record = dict(item.record)
        changes = change(record, item.origin)
        tally.changes += changes
        tally.changed += bool(changes)
        tally.left += 1
        yield Item(record, item.origin)


# Keeping ------------------------------------------------------------------------------------------------------------


def _filter(step: Step, _number: int, _seed: int) -> Keep:
    column = step.parameters["column"]
    ((question, wanted),) = ((name, value) for name, value in step.parameters.items() if name != "column")
    if question == "present":
        return lambda record, _: _is_present(record.get(column)) == wanted
    answer = _QUESTIONS[question](wanted, step.place)

    def keep(record: Record, origin: Origin) -> bool:
        value = value_of(record, column, step, origin)
        try:
            return answer(value, origin)
        except TypeError:
            raise wrong_kind(step, column, value, origin) from None

    return keep


def _is_present(value: Any) -> bool:
    return value is not None and value not in ("", [], {})


Answer = Callable[[Any, Origin], bool]


def _bound(wanted: Any, *, least: bool) -> Answer:
    bound = Fraction(wanted)

    def answer(value: Any, _: Origin) -> bool:
        number = _number(value)
        return number >= bound if least else number <= bound

    return answer


def _number(value: Any) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", value):
        raise TypeError
    return Fraction(value)


def _search(pattern: str, place: str, *, wanted: bool) -> Answer:
    compiled = patterns.compiled(pattern)

    def answer(value: Any, origin: Origin) -> bool:
        if not isinstance(value, str):
            raise TypeError
        with patterns.bounded(f"{place}: {display_path(origin.path)} record {origin.number + 1}"):
            return (compiled.search(value) is not None) == wanted

    return answer


def _length(value: Any) -> int:
    if not isinstance(value, str | list):
        raise TypeError
    return len(value)


def _holding(part: str, *, wanted: bool) -> Answer:
    def answer(value: Any, _: Origin) -> bool:
        if not isinstance(value, str | list):
            raise TypeError
        return (part in value) == wanted

    return answer


def _among(values: tuple[Any, ...], *, wanted: bool) -> Answer:
    def answer(value: Any, _: Origin) -> bool:
        return any(same(value, one) for one in values) == wanted

    return answer


_QUESTIONS: Mapping[str, Callable[[Any, str], Answer]] = {
    "equals": lambda wanted, _: _among((wanted,), wanted=True),
    "notEquals": lambda wanted, _: _among((wanted,), wanted=False),
    "in": lambda wanted, _: _among(wanted, wanted=True),
    "notIn": lambda wanted, _: _among(wanted, wanted=False),
    "atLeast": lambda wanted, _: _bound(wanted, least=True),
    "atMost": lambda wanted, _: _bound(wanted, least=False),
    "minLength": lambda wanted, _: lambda value, _o: _length(value) >= wanted,
    "maxLength": lambda wanted, _: lambda value, _o: _length(value) <= wanted,
    "contains": lambda wanted, _: _holding(wanted, wanted=True),
    "notContains": lambda wanted, _: _holding(wanted, wanted=False),
    "matches": lambda wanted, place: _search(wanted, place, wanted=True),
    "notMatches": lambda wanted, place: _search(wanted, place, wanted=False),
}


def _dedupe(step: Step, _number: int, _seed: int) -> Keep:
    """Keep the first of records that are equal in the named columns, or as a whole."""
    columns, loose = step.parameters.get("columns"), step.parameters.get("compare") == "caseAndSpace"
    seen: set[bytes] = set()

    def keep(record: Record, origin: Origin) -> bool:
        compared: Any = record if columns is None else [value_of(record, one, step, origin) for one in columns]
        if loose:
            compared = _loosened(compared)
        key = sha256(jcs(compared)).digest()[:20]
        if key in seen:
            return False
        seen.add(key)
        return True

    return keep


def _loosened(value: Any) -> Any:
    """Return a value whose texts are case folded, with runs of white space as one space."""
    if isinstance(value, str):
        return _SPACE.sub(" ", value).strip().casefold()
    if isinstance(value, list):
        return [_loosened(one) for one in value]
    return {name: _loosened(one) for name, one in value.items()} if isinstance(value, dict) else value


def _sample_share(step: Step, number: int, seed: int) -> Keep:
    """Keep a record whose draw falls below the share; with `by`, all records of one value share one draw."""
    share, by = Fraction(step.parameters["share"]), step.parameters.get("by")
    own = step.parameters.get("seed", seed)
    place = 0

    def keep(record: Record, origin: Origin) -> bool:
        nonlocal place
        drawn = str(place) if by is None else f"{by}\0{jcs(value_of(record, by, step, origin)).decode()}"
        place += 1
        return draw("sample", own, number, drawn) < share

    return keep


def draw(kind: str, seed: int, number: int, drawn: str) -> Fraction:
    """Return the seeded draw for something, at least 0 and below 1: SHA-256 over domain, seed, the step's place and the thing."""
    digest = sha256(f"datasigil/curation/{kind}/v1\0{seed}\0{number}\0{drawn}".encode()).digest()
    return Fraction(int.from_bytes(digest, "big"), _SCALE)


_KEEPS: Mapping[str, Callable[[Step, int, int], Keep]] = {"filter": _filter, "dedupe": _dedupe, "sample": _sample_share}


def _sample_count(step: Step, number: int, seed: int, items: Iterable[Item], tally: Tally) -> Iterator[Item]:
    """Keep exactly so many records (or all, when there are fewer), in their order: those with the smallest draws."""
    wanted, own = step.parameters["count"], step.parameters.get("seed", seed)
    chosen: list[tuple[Fraction, int]] = []  # a heap of the largest draws kept so far, negated
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
        for item in items:
            entry = (-draw("sample", own, number, str(tally.came)), tally.came)
            if len(chosen) < wanted:
                heapq.heappush(chosen, entry)
            elif wanted:
                heapq.heappushpop(chosen, entry)
            spool.write(jcs([item.record, list(item.origin)]) + b"\n")
            tally.came += 1
        kept = {place for _, place in chosen}
        spool.seek(0)
        for place, line in enumerate(spool):
            record, origin = json.loads(line)
            item = Item(record, Origin(*origin))
            if place in kept:
                tally.left += 1
                yield item
            else:
                tally.removed.add(item)
