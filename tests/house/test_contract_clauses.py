"""The example dataset is what its card says."""

import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def rows(repository: Path) -> list[dict[str, str]]:
    folder = repository / "examples/contract-clauses"
    found: list[dict[str, str]] = []
    for path in sorted(folder.glob("*.jsonl")):
        found += [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for path in sorted(folder.glob("t*.csv")) + sorted(folder.glob("v*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            found += list(csv.DictReader(stream))
    return found


def test_the_seed_gives_the_committed_bytes(repository: Path) -> None:
    program = repository / "examples/make_contract_clauses.py"
    assert subprocess.run([sys.executable, program, "--check"], check=False).returncode == 0


def test_there_are_enough_clauses_labels_and_kinds_of_file(rows: list[dict[str, str]], repository: Path) -> None:
    counts = Counter(row["label"] for row in rows)
    assert len(rows) >= 1200
    assert len(counts) >= 8
    assert min(counts.values()) >= 20
    suffixes = {path.suffix for path in (repository / "examples/contract-clauses").iterdir()}
    assert {".jsonl", ".csv"} <= suffixes


def test_no_text_occurs_twice(rows: list[dict[str, str]]) -> None:
    assert len({row["text"] for row in rows}) == len(rows)


def test_no_hole_is_left_unfilled(rows: list[dict[str, str]]) -> None:
    assert [row["text"] for row in rows if set(row["text"]) & set("[]{}|")] == []


def test_no_contract_stands_on_two_sides_of_the_split(rows: list[dict[str, str]]) -> None:
    sides: dict[str, set[str]] = {}
    for row in rows:
        sides.setdefault(row["contract"], set()).add(row["id"].split("-")[0])
    assert all(len(side) == 1 for side in sides.values())


def test_the_metadata_sheet_has_a_row_for_every_data_file(rows: list[dict[str, str]], repository: Path) -> None:
    folder = repository / "examples/contract-clauses"
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as stream:
        sheet = {row["file"]: row for row in csv.DictReader(stream)}
    assert set(sheet) == {path.name for path in folder.iterdir()} - {"README.md", "LICENSE.txt", "metadata.csv"}
    assert sum(int(row["records"]) for row in sheet.values()) == len(rows)
    assert {row["license"] for row in sheet.values()} == {"CC-BY-4.0"}


def test_the_card_says_that_it_is_synthetic(repository: Path) -> None:
    card = (repository / "examples/contract-clauses/README.md").read_text("utf-8")
    front, body = card.split("---\n", 2)[1:]
    assert "synthetic" in front
    assert "license: cc-by-4.0" in front
    assert "Every clause is synthetic" in body
