"""Write the synthetic dataset `examples/contract-clauses/`, byte for byte the same from the same seed.

Here: drawing clauses from `clause_grammar.py`, splitting them by contract, writing jsonl, csv, the metadata sheet and
the card. Not here: anything about credentials; this is what a publisher has before datasigil is started.

Usage: python examples/make_contract_clauses.py [--check] [FOLDER]
"""

import argparse
import csv
import io
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clause_grammar import HELD_OUT, LEADS, MARKS, PATTERNS, TAILS, WEIGHTS

SEED = 20261102
CONTRACTS_PER_FILE = 13
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Part:
    """One file of the dataset: contracts of one kind under one law."""

    file: str
    kind: str
    jurisdiction: str
    city: str
    institution: str
    parties: tuple[str, str]
    date: str
    clauses: int


PARTS = (
    Part("train-services.jsonl", "consulting services", "England and Wales", "London", "the LCIA", ("the Consultant", "the Client"), "2021-03-31", 208),
    Part("train-software.csv", "software licence", "the State of New York", "New York City", "the AAA", ("Licensor", "Licensee"), "2022-01-17", 208),
    Part("train-supply.jsonl", "supply of goods", "Germany", "Frankfurt am Main", "the DIS", ("the Seller", "the Buyer"), "2022-09-05", 208),
    Part("train-employment.csv", "engagement of staff", "Ireland", "Dublin", "the Workplace Relations Commission", ("the Company", "the Contractor"), "2023-05-22", 208),
    Part("train-hosting.jsonl", "hosting for consumers", "the State of California", "San Francisco", "JAMS", ("the Provider", "the User"), "2024-02-12", 208),
    Part("validation-maintenance.csv", "maintenance", "Ontario", "Toronto", "ADRIC", ("the Service Provider", "the Owner"), "2024-08-30", 200),
    Part("test-distribution.jsonl", "distribution", "Singapore", "Singapore", "SIAC", ("the Principal", "the Distributor"), "2025-04-14", 120),
    Part("test-research.csv", "research cooperation", "France", "Lyon", "the ICC", ("Société Lumière", "the Institute"), "2025-11-03", 120),
)  # fmt: skip


def topic_of(label: str) -> str:
    """Return the label as a contract would write it: `governing-law` becomes `governing law`."""
    return label.replace("-", " ")


def choose_alternatives(pattern: str, draw: random.Random) -> str:
    """Replace each `[x|y|]` of the pattern by one of its alternatives."""
    return re.sub(r"\[([^\[\]]*\|[^\[\]]*)\]", lambda hole: draw.choice(hole.group(1).split("|")), pattern)


def fill(pattern: str, label: str, part: Part, draw: random.Random) -> str:
    """Replace the named holes of a pattern by what this contract fixes and by drawn numbers."""
    first, second = part.parties
    topic = topic_of(draw.choice([other for other in PATTERNS if other != label]))
    return choose_alternatives(pattern, draw).format(
        a=first, b=second, a_cap=first[0].upper() + first[1:], b_cap=second[0].upper() + second[1:],
        law=part.jurisdiction, city=part.city, institution=part.institution,
        days=draw.choice([5, 7, 10, 14, 15, 20, 30, 45, 60, 90]), months=draw.choice([3, 6, 12, 18, 24, 36]),
        hours=draw.choice([24, 36, 48, 72]), percent=draw.choice([50, 75, 100, 150]), rate=draw.choice([2, 3, 4, 5, 8]),
        money=draw.choice(["EUR ", "USD ", "GBP "]) + f"{draw.choice([250, 900, 5_000, 12_500, 50_000, 250_000]):,}",
        date=f"{draw.randint(1, 28)} {draw.choice(['January', 'April', 'July', 'October'])} {part.date[:4]}",
        n=draw.randint(2, 24), m=draw.randint(1, 9), letter=draw.choice("abcdef"), topic=topic, topic_cap=topic.title(),
    )  # fmt: skip


def clause(label: str, part: Part, draw: random.Random) -> str:
    """Draw one clause with the given label: sometimes numbered, led by a cross-reference, or followed by a tail."""
    patterns = PATTERNS[label][: -HELD_OUT if part.file.startswith("train") else None]
    text = fill(draw.choice(patterns), label, part, draw)
    if draw.random() < 0.3:
        text = fill(draw.choice(LEADS), label, part, draw) + lower_first(text, part)
    if draw.random() < 0.25:
        text = f"{text} {fill(draw.choice(TAILS), label, part, draw)}"
    if draw.random() < 0.2:
        text = fill(draw.choice(MARKS), label, part, draw) + text
    return re.sub(r"\s+([,.;:])", r"\1", re.sub(r"\s+", " ", text)).strip()


def lower_first(text: str, part: Part) -> str:
    """Put a sentence's first letter in lower case, unless it opens with a party's name."""
    return text if text.startswith(part.parties) else text[0].lower() + text[1:]


def draw_part(part: Part, draw: random.Random, seen: set[str]) -> Iterator[dict[str, str]]:
    """Yield the rows of one file; no text occurs twice in the whole dataset."""
    stem = part.file.rsplit(".", 1)[0]
    labels = [label for label, weight in WEIGHTS.items() for _ in range(weight)]
    number = 0
    while number < part.clauses:
        label = draw.choice(labels)
        text = clause(label, part, draw)
        if text in seen:
            continue
        seen.add(text)
        number += 1
        contract = f"{stem}-{(number - 1) * CONTRACTS_PER_FILE // part.clauses + 1:02d}"
        yield {"id": f"{stem}-{number:04d}", "contract": contract, "text": text, "label": label}


def as_jsonl(rows: list[dict[str, str]]) -> bytes:
    """Write rows as JSON Lines in UTF-8."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_csv(rows: list[dict[str, str]]) -> bytes:
    """Write rows as csv (RFC 4180 quoting, LF line ends, header) in UTF-8."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def card(rows_of: dict[str, list[dict[str, str]]]) -> bytes:
    """Write the dataset card: Hugging Face front matter, then what a reader must know before using the data."""
    counts = Counter(row["label"] for rows in rows_of.values() for row in rows)
    total = sum(counts.values())
    splits = "".join(
        f"      - split: {split}\n        path: [{', '.join(name for name in rows_of if name.startswith(split))}]\n"
        for split in ("train", "validation", "test")
    )
    table = "".join(f"| `{label}` | {counts[label]} |\n" for label in PATTERNS)
    files = "".join(f"| `{p.file}` | {p.kind} | {p.jurisdiction} | {p.clauses} |\n" for p in PARTS)
    return f"""---
pretty_name: Contract clauses (synthetic)
license: cc-by-4.0
language: [en]
task_categories: [text-classification]
size_categories: [1K<n<10K]
tags: [legal, synthetic, contracts]
annotations_creators: [machine-generated]
language_creators: [machine-generated]
source_datasets: [original]
configs:
  - config_name: default
    data_files:
{splits}---
# Contract clauses (synthetic)

{total:,} contract clauses in English, each with one of {len(counts)} labels. **Every clause is synthetic**: drawn by a seeded
program (`examples/make_contract_clauses.py`, seed {SEED}) from patterns written for the datasigil project. No clause is
taken from a real contract, no party exists, and nothing here is legal advice or evidence of legal practice.

## What it is for

Showing and testing dataset credentials, and training a small classifier within a minute. It is not for measuring how
well a model reads real contracts: wording made from patterns is easier than wording made by lawyers.

## Files

| file | kind of contract | law | clauses |
| --- | --- | --- | --- |
{files}
`metadata.csv` has one row per data file: kind, jurisdiction, date, licence, language and number of records. The split is
by file, so no contract stands on two sides of it.

Columns: `id`, `contract`, `text`, `label`.

## Labels

| label | clauses |
| --- | --- |
{table}
## Known limits

- Topics share words on purpose, about a third of the clauses open with a reference to another topic, and a quarter of
  the wordings occur in validation and test only. Even so the variety is that of a grammar, not of language.
- Labels follow from how a clause was made; nobody annotated or checked them.
- English only; the laws named are decoration and do not shape the wording as they would in practice.
- No personal data: there are no natural persons in it.

## Licence

CC BY 4.0, see `LICENSE.txt`. Credit: the datasigil project.
""".encode()


def build() -> dict[str, bytes]:
    """Return the dataset's files by name (LICENSE.txt, a fixed text, apart)."""
    draw, seen = random.Random(SEED), set[str]()
    rows_of = {part.file: list(draw_part(part, draw, seen)) for part in PARTS}
    files = {name: as_csv(rows) if name.endswith(".csv") else as_jsonl(rows) for name, rows in rows_of.items()}
    sheet = [
        {"file": p.file, "document_type": p.kind, "jurisdiction": p.jurisdiction, "date": p.date,
         "license": "CC-BY-4.0", "language": "en", "records": str(p.clauses), "generation": "synthetic"}
        for p in PARTS
    ]  # fmt: skip
    return {**files, "metadata.csv": as_csv(sheet), "README.md": card(rows_of)}


def main() -> int:
    """Write the dataset, or with --check compare it with what lies there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=HERE / "contract-clauses")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file differs")
    options = parser.parse_args()
    differing = []
    for name, content in build().items():
        path = options.folder / name
        if options.check:
            if not path.is_file() or path.read_bytes() != content:
                differing.append(name)
        else:
            path.write_bytes(content)
    if differing:
        print(f"differs from what the seed gives: {', '.join(differing)}", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    raise SystemExit(main())
