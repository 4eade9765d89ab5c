"""The Hugging Face model card (`README.md`) as a pure function of the canonical card.

Here: Markdown and its YAML front matter, rendered from leaves alone, each with its source. Not here: facts (`card`).
Metadata fields: Hugging Face Hub model card metadata, as read in November 2026 (`base_model`, `base_model_relation`,
`library_name`, `pipeline_tag`, `tags`, `model-index`). Rendering twice gives the same bytes, so a checker can compare.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from datasigil.models.card import HUMAN_FACTS, ModelCard

if TYPE_CHECKING:
    from datasigil.encoding import JsonValue

# Section, its heading, and the words for its facts; a fact without words here is shown under its own key.
_SECTIONS: tuple[tuple[str, str], ...] = (
    ("details", "Model"),
    ("trainingData", "Training data"),
    ("filtering", "Splits, filtering and overlap"),
    ("procedure", "Training procedure"),
    ("compute", "Compute and software"),
    ("gate", "Decision of the gate"),
    ("evaluation", "Evaluation"),
)
_WORDS = {
    "adapterDigest": "Adapter (SHA-256)",
    "baseLicense": "Licence of the base model",
    "baseModel": "Base model",
    "baseTrainingData": "Training data of the base model",
    "baseWeightsDigest": "Base weights (SHA-256)",
    "credentialDigest": "Credential (SHA-256)",
    "credentialId": "Credential",
    "cpuSeconds": "Processor time, seconds",
    "durationSeconds": "Duration, seconds",
    "examplesRoot": "Merkle root over the exact examples",
    "fileCount": "Files",
    "lockfileDigest": "Installed packages (SHA-256 of the list)",
    "manifestRoot": "Manifest root",
    "policyDigest": "Trust policy (SHA-256)",
    "recipeDigest": "Recipe (SHA-256)",
    "rowsRead": "Records read",
    "rowsUsed": "Records used in training",
    "tokenisedDigest": "Tokenised sets (SHA-256)",
}
# Facts that come first in a table, in this order; the others follow by their key.
_FIRST = (
    "name", "version", "task", "labels", "publisher", "issuer", "license", "role", "issued", "baseModel", "baseLicense", "baseTrainingData",
    "microF1", "macroF1", "majorityMicroF1", "majorityMacroF1", "label", "f1", "precision", "recall", "rows",
)  # fmt: skip
_INTRO = (
    "A low-rank adapter with a classification head. It was trained by `datasigil-train`, which refused to start until every "
    "dataset below was VALID, and read only the bytes it had verified. Each fact names its source: `run` and `eval` point into "
    "`receipt.json`, `credential` into the evidence beside it, `human` is a named person. "
    "`datasigil-verify card .` follows every one of them.\n\n"
    "**What this card does not say:** it makes no claim of legal compliance, and none that the publishers' statements are true. "
    "It says who stated them, and that the bytes are the ones they signed."
)


def render_readme(card: ModelCard) -> bytes:
    """Return the bytes of `README.md` for a card, UTF-8 with line feeds."""
    sections = card.document["sections"]
    parts = [_front_matter(sections), f"# {_inline(_value(sections['details'], 'name'))}", _INTRO, _state(card)]
    parts += [_section(heading, sections[key]) for key, heading in _SECTIONS if key in sections]
    parts.append(_people(sections["people"]))
    parts.append(_use())
    return ("\n\n".join(parts) + "\n").encode("utf-8")


def _state(card: ModelCard) -> str:
    missing = sum(leaf.assurance == "not-provided" for leaf in card.leaves())
    state = card.document["status"]
    words = f"{missing} facts that only people can give are missing" if missing else "every human fact is given"
    return f"Status: **{state}** ({words}). Card SHA-256 `{card.digest}`, receipt SHA-256 `{card.document['receiptDigest']}`."


def _value(section: Mapping[str, Any], key: str) -> Any:
    return section[key]["value"]


def _front_matter(sections: Mapping[str, Any]) -> str:
    """Return the metadata; JSON is YAML, and quoting it so needs no YAML writer in the core."""
    details, evaluation = sections["details"], sections["evaluation"]
    metrics = [
        {"type": "f1", "name": f"{average}-F1 (test)", "value": float(_value(evaluation["test"], key))}
        for average, key in (("micro", "microF1"), ("macro", "macroF1"))
    ]
    dataset = {"name": ", ".join(str(_value(one, "name")) for one in sections["trainingData"]), "type": "other"}
    task = {"type": "text-classification", "name": _value(details, "task")}
    name = _value(details, "name")
    index = [{"name": name, "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}]
    fields = {
        "base_model": _value(details, "baseModel"),
        "base_model_relation": "adapter",
        "library_name": "peft",
        "pipeline_tag": "text-classification",
        "tags": ["datasigil", "lora", "dataset-credentials"],
        "model-index": index,
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False, sort_keys=True)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _section(heading: str, value: JsonValue) -> str:
    if isinstance(value, list):
        blocks = [f"### {_inline(_value(one, 'name'))}\n\n{_table(one)}" for one in value]
        return f"## {heading}\n\n" + "\n\n".join(blocks)
    return f"## {heading}\n\n{_facts(value)}"


def _facts(value: Mapping[str, Any]) -> str:
    """Return one table of the facts here, then one block per group below."""
    own = {key: one for key, one in value.items() if _is_leaf(one)}
    blocks = [_table(own)] if own else []
    for key, one in _ordered(value):
        if _is_leaf(one):
            continue
        title = f"### {_words(key)}"
        body = _class_table(one) if isinstance(one, list) else _facts(one)
        blocks.append(f"{title}\n\n{body}")
    return "\n\n".join(blocks)


def _ordered(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return members as they are read best; the order of a document's keys says nothing after canonicalisation."""
    return sorted(
        value.items(), key=lambda item: (_FIRST.index(item[0]) if item[0] in _FIRST else len(_FIRST), item[0])
    )


def _is_leaf(value: JsonValue) -> bool:
    return isinstance(value, dict) and "source" in value


def _table(facts: Mapping[str, Any]) -> str:
    rows = ["| Fact | Value | Source | Assurance |", "| --- | --- | --- | --- |"]
    for key, leaf in _ordered(facts):
        if _is_leaf(leaf):
            rows.append(f"| {_words(key)} | {_cell(leaf['value'])} | {_source(leaf['source'])} | {leaf['assurance']} |")
    return "\n".join(rows)


def _class_table(items: list[Any]) -> str:
    """Return a list of equal groups as one table with a column per fact; the source of its first cell stands below it."""
    keys = [key for key, _ in _ordered(items[0])]
    rows = ["| " + " | ".join(_words(key) for key in keys) + " |", "|" + " --- |" * len(keys)]
    rows += ["| " + " | ".join(_cell(item[key]["value"]) for key in keys) + " |" for item in items]
    first, last = items[0][keys[0]], items[-1][keys[-1]]
    return (
        "\n".join(rows) + f"\n\nSource: {_source(first['source'])} to {_source(last['source'])}, {first['assurance']}."
    )


def _people(people: Mapping[str, Any]) -> str:
    rows = ["| Fact | What was said | By |", "| --- | --- | --- |"]
    for key, heading, _ in HUMAN_FACTS:
        leaf = people[key]
        by = leaf["source"].removeprefix("human:") or "nobody yet"
        rows.append(f"| {heading} | {_cell(leaf['value'])} | {_inline(by)} |")
    return "## What only people can say\n\n" + "\n".join(rows)


def _use() -> str:
    return (
        "## Use\n\n"
        "`adapter_model.safetensors` loads with PEFT on the base model named above; `head.safetensors` is the linear layer "
        "over the pooled token vectors; `classifier.json` holds classes, thresholds, pooling and the token limit. "
        "`datasigil-train eval` loads all of them."
    )


def _words(key: str) -> str:
    if key in _WORDS:
        return _WORDS[key]
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in key)
    return (spaced[:1].upper() + spaced[1:]).replace(" f1", "-F1")


def _cell(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{_inline(key)}: {_cell(item)}" for key, item in value.items())
    return _inline(value)


def _source(source: str) -> str:
    kind, _, rest = source.partition("sha256:")
    if rest:
        digest, _, pointer = rest.partition("#")
        return f"`{kind}sha256:{digest[:12]}…#{_code(pointer)}`"
    return f"`{_code(source)}`"


def _code(text: str) -> str:
    return text.replace("`", "'").replace("|", "/").replace("\n", " ")


def _inline(value: JsonValue) -> str:
    """Return text that cannot become markup: a dataset's name is somebody else's words."""
    text = " ".join(str(value).split())
    for mark in ("\\", "`", "*", "_", "[", "]", "<", ">", "|", "#", "!"):
        text = text.replace(mark, f"\\{mark}" if mark not in "<>" else {"<": "&lt;", ">": "&gt;"}[mark])
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


__all__ = ["render_readme"]
