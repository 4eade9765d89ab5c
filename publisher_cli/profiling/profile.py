"""The measurements of a dataset's content, one pass over its files.

Here: what is counted, and the form in which it is signed (`qualityMeasurement` with `assurance = computed`; ISO/IEC 5259-2 names where
that standard has one). Not here: reading tables (`tables`), patterns and languages (`content`). Memory is bounded: records are remembered
by eight bytes each, up to a bound beyond which uniqueness is `unknown`, never a guess; text beyond a bound is not searched, and the method
says so.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasigil import __version__
from datasigil.datasets.tree import open_tree
from datasigil.encoding import parse_date
from datasigil.errors import DatasigilError, MalformedError
from publisher_cli.profiling.content import (
    PATTERNS_NAME,
    PII_KINDS,
    WORDS_NAME,
    best_language,
    count_personal,
    language_scores,
)
from publisher_cli.profiling.tables import Cells, is_table, records

if TYPE_CHECKING:
    from datasigil.datasets.finding import Progress
    from datasigil.datasets.tree import Tree

TOOL = f"datasigil {__version__}"
RECORDS_REMEMBERED_MAX = 4_000_000
TEXT_SEARCHED_MAX_BYTES = 256 * 1024 * 1024
PIECE_BYTES = 1024 * 1024
FORMATS_SHOWN_MAX = 20
SHARE_PLACES = Decimal("0.000001")
_TEXTS = (".txt", ".md", ".rst", ".html", ".htm", ".xml", ".json")
_DATE_COLUMNS = ("date", "datum", "issued", "published", "created", "year", "day", "time")


@dataclass(slots=True)
class Profile:
    """What was counted."""

    formats: Counter[str] = field(default_factory=Counter)
    tables: int = 0
    records: int = 0
    malformed: int = 0
    cells: int = 0
    empty: int = 0
    distinct: int | None = 0  # None: more records than are remembered
    files_twice: int = 0
    personal: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)  # by pieces of text
    first_date: str = ""
    last_date: str = ""
    searched: int = 0  # bytes of text that were searched for personal data and language
    left_out: int = 0  # bytes of text beyond the bound
    other_files: int = 0  # files that are no text, which nothing looked into

    def measurements(self) -> list[dict[str, str]]:
        """Return the members of `qualityMeasurement`, each with value, method and `computed`."""
        found: list[tuple[str, str, str]] = []
        tables = f"{TOOL}: every record of {self.tables} csv, tsv and jsonl files"
        if self.tables:
            good = self.records - self.malformed
            found += [
                ("completeness", share(self.cells - self.empty, self.cells), f"{tables}; share of cells that are not empty"),
                ("uniqueness", "unknown" if self.distinct is None else share(self.distinct, good), f"{tables}; share of distinct records"),
                ("validity", share(good, self.records), f"{tables}; share of records that can be read as their format demands"),
                ("duplicate-records", "unknown" if self.distinct is None else str(good - self.distinct), f"{tables}; records seen before, equal in every cell"),
            ]  # fmt: skip
        found.append(("duplicate-files", str(self.files_twice), f"{TOOL}: files whose bytes another file has as well"))
        for name, count in sorted(self.formats.most_common(FORMATS_SHOWN_MAX)):
            found.append((f"files:{name}", str(count), f"{TOOL}: files by extension"))
        if self.searched or self.left_out:
            found += [(f"pii:{kind}", str(self.personal[kind]), self._searched(PATTERNS_NAME)) for kind in PII_KINDS]
            total = sum(self.languages.values())
            for language, count in sorted(self.languages.items()):
                found.append((f"language:{language}", share(count, total), self._searched(WORDS_NAME)))
        return [
            {"metric": metric, "value": value, "method": method, "assurance": "computed"}
            for metric, value, method in found
        ]

    def _searched(self, name: str) -> str:
        part = "all text" if not self.left_out else f"the first {self.searched} bytes of text"
        rest = f"; {self.other_files} files that are no plain text were not looked into" if self.other_files else ""
        return f"{TOOL}, {name}: {part}{rest}"

    def found_languages(self) -> list[str]:
        """Return the languages of at least a twentieth of the text."""
        total = sum(self.languages.values())
        return sorted(name for name, count in self.languages.items() if name != "unknown" and 20 * count >= total)


def profile_folder(root: Path, paths: Sequence[str], progress: Progress | None = None) -> Profile:
    """Read the files at `paths` below `root` and return what was counted.

    Raises:
        DatasigilError: DATA_FOLDER; UNREADABLE, for a file that cannot be read.
    """
    work = _Work()
    with open_tree(root) as tree:
        sizes = {path: _size(tree, path) for path in paths}
        twins = Counter(sizes.values())
        done, total = 0, sum(sizes.values())
        for path in sorted(paths):
            try:
                work.take(tree, path, may_have_twin=twins[sizes[path]] > 1)
            except OSError as error:
                raise _unreadable(path, error) from None
            done += sizes[path]
            if progress is not None:
                progress(done, total, path)
    return work.finish()


def _size(tree: Tree, path: str) -> int:
    try:
        return tree.stat(path).st_size
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError) -> DatasigilError:
    return DatasigilError(
        "UNREADABLE", f"the content cannot be looked at: {error.strerror}", place=path, expected="a readable regular file",
        next_action="make the file readable, then run the command again",
    )  # fmt: skip


class _Work:
    """One pass: a profile in the making, with what it has to remember."""

    def __init__(self) -> None:
        self.profile = Profile()
        self._seen: set[bytes] = set()
        self._files: set[bytes] = set()

    def finish(self) -> Profile:
        profile = self.profile
        profile.distinct = len(self._seen) if profile.distinct is not None else None
        return profile

    def take(self, tree: Tree, path: str, *, may_have_twin: bool) -> None:
        """Look into one file."""
        self.profile.formats[_format(path)] += 1
        if may_have_twin:
            self._remember_file(tree, path)
        if is_table(path):
            self._table(tree, path)
        elif path.lower().endswith(_TEXTS) or "." not in path.rpartition("/")[2]:
            self._text_file(tree, path)
        else:
            self.profile.other_files += 1

    def _remember_file(self, tree: Tree, path: str) -> None:
        digest = blake2b(digest_size=16)
        with os.fdopen(tree.open(path), "rb") as file:
            while data := file.read(PIECE_BYTES):
                digest.update(data)
        key = digest.digest()
        self.profile.files_twice += key in self._files
        self._files.add(key)

    def _table(self, tree: Tree, path: str) -> None:
        profile = self.profile
        profile.tables += 1
        piece: list[str] = []
        length = 0
        for record in records(tree, path):
            profile.records += 1
            if record is None:
                profile.malformed += 1
                continue
            self._record(record)
            for cell in record.values():
                piece.append(cell)
                length += len(cell)
            if length >= PIECE_BYTES:
                self._search("\n".join(piece))
                piece, length = [], 0
        self._search("\n".join(piece))

    def _record(self, record: Cells) -> None:
        profile = self.profile
        profile.cells += len(record)
        profile.empty += sum(not cell for cell in record.values())
        for name, cell in record.items():
            if any(word in name.casefold() for word in _DATE_COLUMNS):
                self._date(cell)
        if profile.distinct is None:
            return
        key = "\x1f".join(f"{name}\x1e{record[name]}" for name in sorted(record))
        self._seen.add(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        if len(self._seen) > RECORDS_REMEMBERED_MAX:
            profile.distinct = None
            self._seen.clear()

    def _date(self, cell: str) -> None:
        try:
            day = parse_date(cell[:10])
        except MalformedError:
            return
        profile = self.profile
        profile.first_date = min(profile.first_date or day, day)
        profile.last_date = max(profile.last_date, day)

    def _text_file(self, tree: Tree, path: str) -> None:
        with os.fdopen(tree.open(path), "rb") as file:
            while data := file.read(PIECE_BYTES):
                data += file.readline(PIECE_BYTES)  # a piece ends where a line ends
                if b"\0" in data[:4096]:
                    self.profile.other_files += 1
                    return
                self._search(data.decode("utf-8", "replace"))

    def _search(self, text: str) -> None:
        profile, size = self.profile, len(text.encode("utf-8", "replace"))
        if not text.strip():
            return
        if profile.searched + size > TEXT_SEARCHED_MAX_BYTES:
            profile.left_out += size
            return
        profile.searched += size
        profile.personal.update(count_personal(text))
        profile.languages[best_language(*language_scores(text)) or "unknown"] += size


def _format(path: str) -> str:
    name = path.rpartition("/")[2]
    extension = name[name.rfind(".") + 1 :].lower() if "." in name[1:] else ""
    return extension if extension.isascii() and extension.isalnum() and len(extension) <= 20 else "other"


def share(part: int, whole: int) -> str:
    """Return a share as decimal text, rounded down so that 1 means all of it; of nothing, `unknown`."""
    if not whole:
        return "unknown"
    text = str((Decimal(part) / Decimal(whole)).quantize(SHARE_PLACES, rounding=ROUND_DOWN).normalize())
    return text if "E" not in text else "0"


def summary(profile: Profile) -> dict[str, Any]:
    """Return a profile as people and programs read it after `init`."""
    return {
        "formats": dict(sorted(profile.formats.items())), "records": profile.records, "malformedRecords": profile.malformed,
        "languages": profile.found_languages(), "firstDate": profile.first_date or "unknown", "lastDate": profile.last_date or "unknown",
        "measurements": {one["metric"]: one["value"] for one in profile.measurements()}, "tool": TOOL,
    }  # fmt: skip
