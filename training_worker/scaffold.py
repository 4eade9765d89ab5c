"""`datasigil-train new`: look at a credentialed dataset and write the recipe for it.

Here: recognising layout, columns, splits and labels, and the YAML text. Not here: reading for training (`records`), the form
(`recipe`). What is written is parsed again before it is handed out; what was guessed is said in comments, for a person to
correct. Only files that the signed manifest names, and whose bytes match it, are looked at.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from glob import escape

from datasigil.datasets.paths import display_path
from datasigil.errors import DatasigilError
from training_worker.formats import check_text_format, refuse_code, suffix
from training_worker.limits import LABELS_MAX
from training_worker.records import csv_rows, json_objects, read_sentences
from training_worker.verified_files import VerifiedFiles

TEXT_NAMES = ("text", "sentence", "clause", "content", "body", "paragraph", "question", "input", "statement")
LABEL_NAMES = ("labels", "label", "category", "categories", "class", "tags", "tag", "target", "type")
DOCUMENT_NAMES = (
    "document",
    "document_id",
    "doc",
    "doc_id",
    "contract",
    "contract_id",
    "source",
    "file",
    "group",
    "case",
    "company",
)
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "eval": "test",
}
SEPARATORS = (";", "|")
LABEL_REPEATS_MIN = 2  # a column of labels repeats itself at least this often on average
_LEVEL = re.compile(r"([A-Za-z]+)([0-9])\Z")
_WORD = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was recognised; `notes` say what was guessed."""

    layout: str
    files: Mapping[str, Sequence[str]]  # split or "all" -> paths
    columns: Mapping[str, str]
    tags_folder: str
    labels: Mapping[str, Sequence[str]]  # label -> tags
    ignored: Sequence[str]
    multi: bool
    has_none: bool
    share_none: float
    rows: int
    mean_characters: float
    notes: list[str] = field(default_factory=list)

    @property
    def drawn_by(self) -> str:
        """How the recipe divides: by the files found, by document, or by text."""
        if "all" not in self.files:
            return "files"
        return "document" if self.layout == "sentences+tags" or "document" in self.columns else "text"


def recognise(files: VerifiedFiles) -> Finding:
    """Recognise the layout of a dataset.

    Raises:
        DatasigilError: LAYOUT, when no text with labels is found; FORMAT, for code in the dataset.
    """
    refuse_code(files.paths)
    found = _records(files) or _sentences(files)
    if found is None:
        raise DatasigilError(
            "LAYOUT",
            "no labelled text was recognised in this dataset",
            expected="jsonl or csv with a text and a label column, or folders sentences/ and tags/ with equal file names",
            found=", ".join(display_path(path) for path in files.paths[:8]),
            next_action="write the recipe by hand; schemas/recipe-v1.json describes it",
        )
    return found


# Records ------------------------------------------------------------------------------------------------------------


def _records(files: VerifiedFiles) -> Finding | None:
    tables = {path: rows for path in files.paths if suffix(path) in {".jsonl", ".csv"} and (rows := _rows(files, path))}
    votes: Counter[tuple[str, str]] = Counter()
    chosen: dict[str, tuple[str, str]] = {}
    for path, rows in tables.items():
        if (columns := _columns(rows)) is not None:
            chosen[path] = columns
            votes[columns] += len(rows)
    if not votes:
        return None
    text, label = max(votes, key=lambda columns: (votes[columns], columns))
    paths = [path for path, columns in chosen.items() if columns == (text, label)]
    rows = [row for path in paths for row in tables[path]]
    return _table(paths, rows, text, label, [path for path in files.paths if path not in paths])


def _rows(files: VerifiedFiles, path: str) -> list[dict[str, object]]:
    content = files.read(path)
    check_text_format(path, content)
    if suffix(path) == ".jsonl":
        return [value for _, value in json_objects(content, path)]
    return [dict(row) for _, _, row in csv_rows(content, path)]


def _columns(rows: Sequence[Mapping[str, object]]) -> tuple[str, str] | None:
    """Return (text, label) columns: by name first, else the longest text and the most repeated short value."""
    common = set(rows[0])
    for row in rows:
        common &= set(row)
    text = next((name for name in TEXT_NAMES if name in common and _is_text(rows, name)), None)
    text = text or max(
        (name for name in common if _is_text(rows, name) and _mean(rows, name) > 20),
        key=lambda name: (_mean(rows, name), name),
        default=None,
    )
    if text is None:
        return None
    others = sorted(common - {text})
    label = next((name for name in LABEL_NAMES if name in others and _is_label(rows, name)), None)
    label = label or next((name for name in others if name not in DOCUMENT_NAMES and _is_label(rows, name)), None)
    return (text, label) if label else None


def _is_text(rows: Sequence[Mapping[str, object]], name: str) -> bool:
    return all(isinstance(row[name], str) and str(row[name]).strip() for row in rows)


def _mean(rows: Sequence[Mapping[str, object]], name: str) -> float:
    return sum(len(str(row[name])) for row in rows) / len(rows)


def _tags_of(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]


def _is_label(rows: Sequence[Mapping[str, object]], name: str) -> bool:
    values = [tag for row in rows for tag in _tags_of(row[name])]
    if not all(type(tag) is int or (isinstance(tag, str) and len(tag) <= 200) for tag in values):
        return False
    kinds = {str(tag) for tag in values if str(tag).strip()}
    return 1 <= len(kinds) <= LABELS_MAX and len(rows) >= LABEL_REPEATS_MIN * len(kinds)


def _table(paths: list[str], rows: list[dict[str, object]], text: str, label: str, rest: list[str]) -> Finding:
    notes = []
    columns = {"text": text, "labels": label}
    values = [row[label] for row in rows]
    lists = any(isinstance(value, list) for value in values)
    if not lists:
        separator = next((mark for mark in SEPARATORS if any(mark in str(value) for value in values)), "")
        if separator or any(not str(value).strip() for value in values):
            columns["separator"] = separator or SEPARATORS[0]
            values = [
                [part.strip() for part in str(value).split(columns["separator"]) if part.strip()] for value in values
            ]
    # A file of another format keeps lists or not by itself: several labels, or none, anywhere make the task multi-label.
    counts = [len(_tags_of(value)) for value in values]
    multi = lists or max(counts) > 1 or min(counts) == 0
    document = next(
        (
            name
            for name in DOCUMENT_NAMES
            if all(name in row and type(row[name]) in (str, int) for row in rows) and name != label
        ),
        None,
    )
    if document is not None and len({str(row[document]) for row in rows}) * LABEL_REPEATS_MIN <= len(rows):
        columns["document"] = document
    tags = Counter(str(tag) for value in values for tag in _tags_of(value))
    if rest:
        notes.append(
            f"not read: {', '.join(display_path(path) for path in rest[:6])}{' and more' if len(rest) > 6 else ''}"
        )
    none = sum(count == 0 for count in counts)
    return Finding(
        "records", _split_files(paths, notes), columns, "", {tag: [tag] for tag in _ordered(tags)}, (), multi, none > 0,
        none / len(rows), len(rows), _mean(rows, text), notes,
    )  # fmt: skip


def _ordered(tags: Counter[str]) -> list[str]:
    """Return tags as people list them: numbers by value, others by frequency."""
    if all(tag.isdecimal() for tag in tags):
        return sorted(tags, key=int)
    return sorted(tags, key=lambda tag: (-tags[tag], tag))


def _split_files(paths: Sequence[str], notes: list[str]) -> dict[str, list[str]]:
    """Return files by the split their names speak of, or all together when a split is missing or a name says nothing."""
    splits: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for path in paths:
        words = [word.casefold() for word in _WORD.findall(path.rpartition("/")[2].partition(".")[0])]
        names = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
        if len(names) != 1:
            notes.append(f"the name of {display_path(path)} says no split, so splits are drawn")
            return {"all": list(paths)}
        splits[names.pop()].append(path)
    if not all(splits.values()):
        notes.append(
            f"no file is named as {next(name for name, found in splits.items() if not found)}, so splits are drawn"
        )
        return {"all": list(paths)}
    return splits


# Sentences and tags -------------------------------------------------------------------------------------------------


def _sentences(files: VerifiedFiles) -> Finding | None:
    pairs = _paired(files.paths)
    if not pairs:
        return None
    tags: Counter[str] = Counter()
    rows = unlabelled = characters = 0
    for path, tag_path in pairs:
        for _, text, found, _ in read_sentences(files.read(path), files.read(tag_path), path, tag_path):
            tags.update(found)
            rows += 1
            unlabelled += not found
            characters += len(text)
    if not tags:
        return None
    notes: list[str] = []
    labels, ignored = _group_levels(tags, _listed_tags(files), notes)
    folder = pairs[0][0].rpartition("/")[0]
    return Finding(
        "sentences+tags", {"all": [f"{folder}/*.txt"]}, {}, pairs[0][1].rpartition("/")[0], labels, ignored, True, unlabelled > 0,
        unlabelled / rows, rows, characters / rows, notes,
    )  # fmt: skip


def _paired(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Return (sentence file, tag file) of the largest pair of folders that differ in `sentences` and `tags` alone."""
    known = set(paths)
    folders: dict[str, list[tuple[str, str]]] = {}
    for path in paths:
        steps = path.split("/")
        if suffix(path) == ".txt" and "sentences" in steps[:-1]:
            steps[steps.index("sentences")] = "tags"
            if (other := "/".join(steps)) in known:
                folders.setdefault(path.rpartition("/")[0], []).append((path, other))
    return max(folders.values(), key=len, default=[])


def _listed_tags(files: VerifiedFiles) -> set[str]:
    """Return the tags that the dataset's own list_tags.txt names, if it has one."""
    for path in files.paths:
        if path.rpartition("/")[2] == "list_tags.txt":
            return set(files.read(path).decode("utf-8", "replace").split())
    return set()


def _group_levels(tags: Counter[str], listed: set[str], notes: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Put the levels of one category together (`a2`, `a3` -> `a`); tags outside the dataset's own list mean no label."""
    ignored = sorted(tag for tag in tags if listed and tag not in listed)
    kept = sorted(tag for tag in tags if tag not in ignored)
    if ignored:
        notes.append(f"not in the dataset's list_tags.txt, so they mean no label: {', '.join(ignored)}")
    if not all(_LEVEL.match(tag) for tag in kept):
        return {tag: [tag] for tag in kept}, ignored
    notes.append("levels of one category count as one label")
    groups: dict[str, list[str]] = {}
    for tag in kept:
        groups.setdefault(tag[:-1], []).append(tag)
    return groups, ignored


# Text ---------------------------------------------------------------------------------------------------------------


def recipe_text(
    finding: Finding,
    *,
    name: str,
    credential: str,
    credential_digest: str,
    bundle: str,
    data: str,
    base_digest: str = "",
    package: str,
) -> str:
    """Return the recipe as YAML with comments; every value from the dataset is quoted as JSON, which is YAML."""
    lines = [
        "# A training recipe for datasigil-train. `datasigil-train plan` shows what it will do, `train` does it.",
        *(f"# {_comment(note)}" for note in finding.notes),
        "type: TrainingRecipe",
        "formatVersion: 1",
        f"name: {_quote(name)}",
        "base:",
        f"  package: {_quote(package)}",
        *([f"  digest: {_quote(base_digest)}"] if base_digest else []),
        "data:",
        f"  - credential: {_quote(credential)}",
        f"    credentialDigest: {_quote(credential_digest)}",
        f"    bundle: {_quote(bundle)}",
        f"    path: {_quote(data)}",
        f"    layout: {finding.layout}",
        "    files:",
        *(
            f"      {split}: {_quote([escape(path) for path in paths] if finding.layout == 'records' else list(paths))}"
            for split, paths in finding.files.items()
        ),
    ]
    if finding.layout == "records":
        lines.append(f"    columns: {_quote(dict(finding.columns))}")
    else:
        lines.append(f"    tags: {_quote(finding.tags_folder)}")
    return "\n".join([*lines, *_splits_text(finding), *_task_text(finding), *_training_text(finding), ""])


def _splits_text(finding: Finding) -> list[str]:
    if finding.drawn_by == "files":
        return [
            "splits:",
            "  by: files",
            "  duplicates: report  # drop: take rows out of train that recur in validation or test",
        ]
    return ["splits:", f"  by: {finding.drawn_by}", "  validation: 0.15", "  test: 0.2", "  duplicates: drop"]


def _task_text(finding: Finding) -> list[str]:
    lines = ["task:", f"  type: {'multi-label' if finding.multi else 'single-label'}"]
    if finding.multi and finding.has_none:
        lines.append("  noneLabel: none  # rows without a label count as one more class in the metric")
    lines.append("  labels:  # rename at will; `tags` are what stands in the data")
    lines += [f"    - {{name: {_quote(label)}, tags: {_quote(list(tags))}}}" for label, tags in finding.labels.items()]
    if finding.ignored:
        lines.append(f"  ignoredTags: {_quote(list(finding.ignored))}")
    return lines


def _training_text(finding: Finding) -> list[str]:
    """Return settings that were measured to train well on two processor cores (benchmarks/unfair_tos)."""
    mostly_none = finding.multi and finding.share_none > 0.5
    lines = ["training:", "  seed: 7", "  epochs: 3"]
    lines.append(f"  maxTokens: {128 if finding.mean_characters < 400 else 256}")
    if mostly_none:
        lines.append("  unlabelledPerLabelled: 4  # rows without label drawn afresh each epoch, per row with one")
    return lines


def _quote(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


def _comment(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:300]


__all__ = ["Finding", "recipe_text", "recognise"]
