"""The Hugging Face model card (`README.md`) as a pure function of the canonical card and the reviews beside it.

Here: the Hub's metadata as YAML front matter, and Markdown from leaves alone, each with its source. Not here: facts (`card`), the
documents for lawyers and auditors (`companions`). Metadata fields: Hugging Face Hub documentation, "Model Cards", as read in November
2026, and huggingface_hub 2.4, which reads them in our tests. Rendering twice gives the same bytes, so a checker can compare.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from datasigil.models.blocks import group_at, groups_at, section_blocks, value_at
from datasigil.models.companions import PLOTS, SECTIONS, Shown
from datasigil.models.document import Picture, inline, markdown_block

# Spellings the Hub knows, by SPDX id; anything else is `other` with its own name.
HUB_LICENSES = {
    "Apache-2.0": "apache-2.0",
    "MIT": "mit",
    "BSD-2-Clause": "bsd-2-clause",
    "BSD-3-Clause": "bsd-3-clause",
    "CC0-1.0": "cc0-1.0",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-NC-SA-4.0": "cc-by-nc-sa-4.0",
    "GPL-3.0-only": "gpl-3.0",
    "AGPL-3.0-only": "agpl-3.0",
    "MPL-2.0": "mpl-2.0",
    "EUPL-1.2": "eupl-1.2",
    "OpenRAIL": "openrail",
    "ISC": "isc",
    "Unlicense": "unlicense",
}
_DECIMAL = re.compile(r"[0-9]{1,6}(\.[0-9]{1,20})?\Z", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}\Z")
_HUB_DATASET = re.compile(
    r"hf://(?:datasets/)?([A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95})(?:@|\Z)"
)
_HUB_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}\Z")
_PIPELINES = {"single-label": "text-classification", "multi-label": "text-classification"}
_INTRO = (
    "Trained by `datasigil-train`, which refused to start until every dataset below was VALID, and read only the bytes it had "
    "verified. Each fact names its source: `run` and `eval` point into `receipt.json`, `credential` into the evidence beside it, "
    "`human` is a named person. `datasigil-verify card .` follows every one of them. Documents for signing and for auditors are in "
    "`documents/`; `mlbom.cdx.json` is the CycloneDX bill of materials.\n\n"
    "**What this card does not say:** it makes no claim that any law, standard or contract is met, and none that the publishers' "
    "statements are true. It says who stated them, and that the bytes are the ones they signed."
)


def render_readme(shown: Shown) -> bytes:
    """Return the bytes of `README.md` for a card, UTF-8 with line feeds."""
    sections = shown.sections
    parts = [_front_matter(shown), f"# {inline(value_at(sections, 'details', 'name'))}", _INTRO, _state(shown)]
    for key, heading in SECTIONS:
        if key not in sections:
            continue
        parts.append(f"## {heading}")
        parts += [markdown_block(block) for block in section_blocks(key, sections[key])]
        if key == "evaluation":
            parts += [markdown_block(Picture(path, text)) for path, text in PLOTS if path in shown.pictures]
    parts.append(_use(sections))
    return ("\n\n".join(part for part in parts if part) + "\n").encode("utf-8")


def _state(shown: Shown) -> str:
    missing = sum(leaf.assurance == "not-provided" for leaf in shown.card.leaves())
    said = f"{missing} facts that only people can give are missing" if missing else "every human fact is given"
    lines = [
        f"Status: **{inline(shown.state)}** ({said}). Card SHA-256 `{shown.card.digest}`, receipt SHA-256 `{shown.card.document['receiptDigest']}`."
    ]
    lines += [
        f"Reviewed: **{inline(one.verdict)}** by {inline(one.assessor)} ({inline(one.qualification)}), {one.date[:10]}."
        for one in shown.reviews
    ]
    return "\n\n".join(lines)


def metadata(shown: Shown) -> dict[str, Any]:
    """Return the card's metadata as the Hub takes it; a field that the card does not answer is left out."""
    sections = shown.sections
    task = str(value_at(sections, "details", "task"))
    base = str(value_at(sections, "details", "baseModel"))
    fields: dict[str, Any] = {
        **_license(sections),
        "library_name": "peft",
        "pipeline_tag": _PIPELINES.get(task, "text-generation"),
        "base_model_relation": "adapter",
        "tags": ["datasigil", "lora", "dataset-credentials"],
    }
    if _HUB_MODEL.match(base):
        fields["base_model"] = base
    data = groups_at(sections, "trainingData")
    languages = sorted({tag.split("-")[0] for one in data for tag in _listed(value_at(one, "inLanguage"))})
    if languages and all(_LANGUAGE.match(tag) for tag in languages):
        fields["language"] = languages
    named = [_HUB_DATASET.match(str(value_at(one, "sourceUrl"))) for one in data]
    if any(named):
        fields["datasets"] = [match[1] for match in named if match]
    if index := _model_index(sections, task, data):
        fields["model-index"] = index
    return fields


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _license(sections: Mapping[str, Any]) -> dict[str, str]:
    leaf = group_at(sections, "people").get("modelLicense")
    if not isinstance(leaf, dict) or leaf.get("assurance") == "not-provided":
        return {"license": "unknown"}
    stated = str(leaf.get("value", ""))
    if stated in HUB_LICENSES:
        return {"license": HUB_LICENSES[stated]}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", stated.lower()).strip("-")[:60] or "see-card", "license_link": "documents/model-card.html"}  # fmt: skip


def _model_index(sections: Mapping[str, Any], task: str, data: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    test = group_at(sections, "evaluation", "test")
    scores = [(average, str(value_at(test, key))) for average, key in (("micro", "microF1"), ("macro", "macroF1"))]
    found = [
        {"type": "f1", "name": f"{average}-F1 (test)", "value": float(score)}
        for average, score in scores
        if _DECIMAL.match(score)
    ]
    if not found:
        return []
    dataset = {"name": ", ".join(str(value_at(one, "name")) for one in data), "type": "other", "split": "test"}
    kind = {"type": _PIPELINES.get(task, "text-generation"), "name": task}
    name = str(value_at(sections, "details", "name"))
    return [{"name": name, "results": [{"task": kind, "dataset": dataset, "metrics": found}]}]


def _front_matter(shown: Shown) -> str:
    """Return the metadata; JSON is YAML, and quoting it so needs no YAML writer in the core."""
    lines = [
        f"{key}: {json.dumps(value, ensure_ascii=False, sort_keys=True)}" for key, value in metadata(shown).items()
    ]
    return "\n".join(["---", *lines, "---"])


def _use(sections: Mapping[str, Any]) -> str:
    if str(value_at(sections, "details", "task")) not in _PIPELINES:
        return "## Use\n\n`adapter_model.safetensors` loads with PEFT on the base model named above."
    return (
        "## Use\n\n"
        "`adapter_model.safetensors` loads with PEFT on the base model named above; `head.safetensors` is the linear layer "
        "over the pooled token vectors; `classifier.json` holds classes, thresholds, pooling and the token limit. "
        "`datasigil-train eval` loads all of them; `datasigil-train export RUN onnx` writes one file for other runtimes."
    )


__all__ = ["HUB_LICENSES", "metadata", "render_readme"]
