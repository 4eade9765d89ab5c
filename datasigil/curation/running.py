"""One run of a recipe: read, step by step, merge, split, write, with counts that balance.

Here: the order of things, the writing of the result's folder, what every step's line in the lineage says. Not here: what a step does
(`steps`), the credential's subject and comparisons (`derivation`).

The counts speak of all records that are alive: a step on one input before the merge takes the others in and leaves them alone, so that
every step starts where the one before ended. The result of a run is a function of recipe, parents and the versions of the readers.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from datasigil.canonical import document_digest, jcs
from datasigil.curation.columns import value_of
from datasigil.curation.documents import DocumentPool, tool_of
from datasigil.curation.limits import RULE_CHARACTERS_MAX
from datasigil.curation.reading import Item, Parent, Reading, record_line
from datasigil.curation.recipe import EXTRACTION_REPORT, Recipe, Step, _plain
from datasigil.curation.steps import Removed, Tally, apply, draw
from datasigil.datasets.finding import Progress
from datasigil.datasets.paths import display_path
from datasigil.errors import DatasigilError

_KINDS: Final = {"flags": "DataAnnotation", "codes": "DataAnnotation", "set": "DataEnrichment"}


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step as a lineage credential states it."""

    type: str
    rule: str
    records_in: int
    removed: int
    added: int
    records_out: int
    removed_root: str
    tool: str

    def subject(self) -> dict[str, Any]:
        """Return the step's object in the credential."""
        value = {
            "type": self.type, "rule": self.rule, "recordsIn": self.records_in, "removed": self.removed, "added": self.added,
            "recordsOut": self.records_out, "tool": self.tool,
        }  # fmt: skip
        return value | ({"removedManifestRoot": self.removed_root} if self.removed_root else {})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run made: lines of lineage, records used of every input, the table of origins, the extraction report."""

    lines: tuple[StepLine, ...]
    used: Mapping[str, int]
    records: int
    files: Mapping[str, int]
    mapping_digest: str
    extraction: dict[str, Any] | None


def run(
    recipe: Recipe,
    parents: Mapping[str, Parent],
    folder: Path,
    *,
    mapping: BinaryIO | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Run a recipe over its parents (by input name) into the new folder `folder`; the table of origins also goes to `mapping`.

    The folder is made; what is written is complete or nothing is left.

    Raises:
        MalformedError: CURATION_RECIPE. DatasigilError: EXISTS, RECORDS, COLUMN, LIMIT, EXTRA_MISSING, EMPTY_RESULT.
    """
    part = _new_part(folder)
    try:
        with DocumentPool() as documents, _Writer(recipe, part, mapping) as writer:
            outcome = _Run(recipe, parents, documents, writer, progress).outcome()
        os.rename(part, folder)
    except BaseException:
        import shutil

        shutil.rmtree(part, ignore_errors=True)
        raise
    return outcome


def _new_part(folder: Path) -> Path:
    """Return a new folder beside the result's, which takes the result's name only when it is whole."""
    if os.path.lexists(folder):
        raise DatasigilError(
            "EXISTS", "something lies where the result should go", place=display_path(str(folder)), expected="a folder that does not exist yet",
            next_action="remove it, or name another with --folder",
        )  # fmt: skip
    part = folder.parent / f".{folder.name}.{os.urandom(6).hex()}.partial"
    try:
        os.mkdir(part)
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE", f"the result's folder cannot be made: {error.strerror}", place=display_path(str(folder)), next_action="name another with --folder"
        ) from None  # fmt: skip
    return part


class _Run:
    """The state of one run."""

    def __init__(
        self,
        recipe: Recipe,
        parents: Mapping[str, Parent],
        documents: DocumentPool,
        writer: _Writer,
        progress: Progress | None,
    ) -> None:
        self._recipe = recipe
        self._readings = [Reading(one, parents[one.name]) for one in recipe.inputs]
        self._documents = documents
        self._writer = writer
        self._progress = progress
        self._tallies: list[list[Tally]] = [[] for _ in recipe.inputs]
        self._after: list[Tally] = []

    def outcome(self) -> Outcome:
        items: Iterator[Item] = self._merged()
        for number, step in enumerate(self._recipe.steps):
            tally = Tally(step, "")
            self._after.append(tally)
            items = apply(step, number, self._recipe.seed, items, tally)
        self._writer.write(items)
        if not self._writer.records:
            raise DatasigilError(
                "EMPTY_RESULT", "no record is left at the end", place=self._recipe.name, expected="at least one record",
                found="; ".join(line.rule[:80] + f" left {line.records_out}" for line in self._lines())[:400],
                next_action="look at the step that removes the last ones",
            )  # fmt: skip
        extraction = self._extraction()
        if extraction is not None:
            self._writer.add(EXTRACTION_REPORT, jcs(extraction) + b"\n")
        return Outcome(
            tuple(self._lines()), {one.source.name: one.records for one in self._readings}, self._writer.records, dict(self._writer.counts),
            self._writer.mapping_digest, extraction,
        )  # fmt: skip

    def _merged(self) -> Iterator[Item]:
        for number, reading in enumerate(self._readings):
            items: Iterator[Item] = reading.items(self._documents, self._progress)
            for place, step in enumerate(reading.source.steps):
                tally = Tally(step, reading.source.name)
                self._tallies[number].append(tally)
                items = apply(step, place, self._recipe.seed, items, tally)
            yield from items

    # What lineage says ----------------------------------------------------------------------------------------------

    def _lines(self) -> Iterator[StepLine]:
        alive = sum(one.records for one in self._readings)
        for reading in self._readings:
            line = _read_line(reading, alive)
            alive = line.records_out
            yield line
        for tally in [tally for tallies in self._tallies for tally in tallies] + self._after:
            line = _tally_line(tally, alive)
            alive = line.records_out
            yield line
        if len(self._readings) > 1:
            names = ", then ".join(one.source.name for one in self._readings)
            yield StepLine("DataAggregation", f"merge: {names}", alive, 0, 0, alive, "", _own_tool())
        if self._recipe.split is not None:
            yield self._writer.line(alive)

    def _extraction(self) -> dict[str, Any] | None:
        lines = [one for reading in self._readings for one in reading.extractions]
        if not lines:
            return None
        outcomes = [line["outcome"] for line in lines]
        return {
            "type": "ExtractionReport",
            "formatVersion": 1,
            "tools": {form: tool_of(form) for form in sorted({line["format"] for line in lines} - {"unknown"})},
            "documents": lines,
            "totals": {
                "documents": len(lines),
                "extracted": outcomes.count("extracted"),
                "failed": outcomes.count("failed"),
                "noText": outcomes.count("no text"),
                "pages": sum(line["pages"] for line in lines),
                "emptyPages": sum(len(line["emptyPages"]) for line in lines),
                "scannedPages": sum(len(line["scannedPages"]) for line in lines),
            },
        }


def _own_tool() -> str:
    return tool_of("records")


def _read_line(reading: Reading, alive: int) -> StepLine:
    source = reading.source
    stated = _stated("read", {**_plain(source.read), "input": source.name})
    if source.read["format"] != "documents":
        return StepLine("DataAggregation", f"{stated}; {reading.records} records from {reading.files} files", alive, 0, 0, alive, "", _own_tool())  # fmt: skip
    found = reading.extractions
    failed = sum(one["outcome"] == "failed" for one in found)
    empty, scanned = (sum(len(one[name]) for one in found) for name in ("emptyPages", "scannedPages"))
    told = f"{len(found)} documents, {failed} failed, {reading.without - failed} without text, {sum(one['pages'] for one in found)} pages, {empty} empty, {scanned} scanned"
    forms = sorted({one["format"] for one in found} - {"unknown"})
    tool = ", ".join(dict.fromkeys(tool_of(form) for form in forms)) or _own_tool()
    added = reading.given - (reading.records - reading.without)
    return StepLine(
        "DataEnrichment", f"{stated}; {told}", alive, reading.without, added, alive - reading.without + added, "", tool
    )


def _tally_line(tally: Tally, alive: int) -> StepLine:
    scope = {"input": tally.scope} if tally.scope else {}
    rule = _stated(tally.step.op, {**_plain(tally.step.parameters), **scope})
    if tally.changes:
        rule += f"; {tally.changes} changes in {tally.changed} records"
    removed = tally.removed
    kind = _KINDS.get(tally.step.op, "DataCleaning")
    return StepLine(kind, rule, alive, removed.count, 0, alive - removed.count, removed.root(), _own_tool())


def _stated(op: str, parameters: Mapping[str, Any]) -> str:
    """Return a step in words that can be repeated: its name and canonical parameters, or their digest when they are long."""
    # Everything beyond printable text is escaped, so that no name can move a terminal's cursor.
    import json

    shown = json.dumps(dict(parameters), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    if len(shown) > RULE_CHARACTERS_MAX:
        shown = f"parameters with SHA-256 {document_digest(dict(parameters))}"
    return f"{op} {shown}"


# Writing ------------------------------------------------------------------------------------------------------------


class _Writer:
    """Writes records to the files of the result, and the table that says where each came from."""

    def __init__(self, recipe: Recipe, folder: Path, mapping: BinaryIO | None) -> None:
        self._recipe = recipe
        self._folder = folder
        self._mapping = mapping
        self._digest = sha256()
        self._open: dict[str, BinaryIO] = {}
        self._left = Removed()
        self._stack = contextlib.ExitStack()
        self.counts: dict[str, int] = {}
        self.records = 0

    def __enter__(self) -> Self:
        for part in self._parts():
            self.counts[part] = 0
            self._open[part] = self._stack.enter_context(open(self._folder / part, "xb"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def mapping_digest(self) -> str:
        """SHA-256 of the table of origins, lower-case hexadecimal."""
        return self._digest.hexdigest()

    def _parts(self) -> list[str]:
        split = self._recipe.split
        if split is None:
            return [self._recipe.file]
        names = sorted(split.get("members", split.get("shares", {})))  # as the canonical form has them
        others = split.get("others")
        names += [others] if others not in (None, "drop", *names) else []
        return [f"{name}.jsonl" for name in names]

    def write(self, items: Iterable[Item]) -> None:
        """Write every record to its file; a record that belongs nowhere is left out and counted, or an error."""
        choose = self._chooser()
        for item in items:
            part = choose(item)
            if part is None:
                self._left.add(item)
                continue
            self._open[part].write(record_line(item.record, item.origin))
            self.counts[part] += 1
            self.records += 1
            self._note({**item.origin._asdict(), "output": part})

    def _note(self, row: dict[str, Any]) -> None:
        line = jcs(row) + b"\n"
        self._digest.update(line)
        if self._mapping is not None:
            self._mapping.write(line)

    def add(self, name: str, data: bytes) -> None:
        """Write one more file of the result."""
        with open(self._folder / name, "xb") as file:
            file.write(data)

    def _chooser(self) -> Any:
        split = self._recipe.split
        if split is None:
            return lambda _item: self._recipe.file
        step = Step("split", split, "output.split")
        if "shares" in split:
            return self._by_share(step)
        members = {value: f"{part}.jsonl" for part, values in split["members"].items() for value in values}
        others = split.get("others")

        def choose(item: Item) -> str | None:
            value = _key(item, step)
            if value in members:
                return members[value]
            if others is None:
                raise DatasigilError(
                    "SPLIT_KEY", "a record belongs to no part of the split", place=f"output.split: {display_path(item.origin.path)} record {item.origin.number + 1}",
                    expected="a value that members names", found=value[:200], next_action='name it in members, or say others = "drop" or the name of a part',
                )  # fmt: skip
            return None if others == "drop" else f"{others}.jsonl"

        return choose

    def _by_share(self, step: Step) -> Any:
        from fractions import Fraction

        seed = step.parameters.get("seed", self._recipe.seed)
        bounds: list[tuple[Fraction, str]] = []
        total = Fraction(0)
        for name, share in sorted(step.parameters["shares"].items()):  # as the canonical form has them
            total += Fraction(share)
            bounds.append((total, f"{name}.jsonl"))

        def choose(item: Item) -> str:
            drawn = draw("split", seed, 0, _key(item, step))
            return next(part for bound, part in bounds if drawn < bound)

        return choose

    def line(self, alive: int) -> StepLine:
        """Return the split's line of lineage."""
        assert self._recipe.split is not None
        told = ", ".join(f"{part} {count}" for part, count in self.counts.items())
        left = self._left
        return StepLine("DataCleaning", f"{_stated('split', _plain(self._recipe.split))}; {told}", alive, left.count, 0, alive - left.count, left.root(), _own_tool())  # fmt: skip


def _key(item: Item, step: Step) -> str:
    value = value_of(item.record, step.parameters["column"], step, item.origin)
    return value if isinstance(value, str) else jcs(value).decode("utf-8")
