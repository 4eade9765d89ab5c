"""A run of a recipe as the subject of a DatasetLineageCredential, and the comparison of such a subject with a run made again.

Here: which parts of a run a credential states, and which of them a verifier holds against its own run. Not here: the run (`running`),
whether the credential holds (`verification`). What is compared: parents, records used, every step's counts, rule and removed records, the
result's manifest, the table of origins, the recipe. What is only noted: versions of tools, times, the agent.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from datasigil.canonical import document_digest, sha256_hex
from datasigil.curation.reading import Parent
from datasigil.curation.recipe import Recipe
from datasigil.curation.running import Outcome
from datasigil.datasets.building import build_manifest
from datasigil.datasets.entry import Manifest
from datasigil.datasets.records import count_records
from datasigil.encoding import Instant

_FOLDER = Path(__file__).resolve().parent


@cache
def code_digest() -> str:
    """Return the SHA-256 over the sources of this package, by name: what ran, down to the byte."""
    sources = {one.name: sha256_hex(one.read_bytes()) for one in sorted(_FOLDER.glob("*.py"))}
    return document_digest({"type": "CurationCode", "formatVersion": 1, "sources": sources})


def result_manifest(folder: Path, digests: tuple[str, ...]) -> Manifest:
    """Return the manifest of a result's folder, records counted."""
    from dataclasses import replace

    built = build_manifest(folder, digests=digests)
    return replace(built, record_count=count_records(folder, [entry.path for entry in built.entries]))


def generated(manifest: Manifest, records: int) -> dict[str, Any]:
    """Return the member `generated` of a lineage subject."""
    return {
        "root": manifest.root.hex(),
        "digest": manifest.digest,
        "fileCount": manifest.file_count,
        "byteSize": manifest.byte_size,
        "recordCount": records,
    }


def used(parents: Mapping[str, Parent], counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the member `used`: every parent once, with the records of all its inputs together."""
    found: dict[str, dict[str, Any]] = {}
    for name, parent in parents.items():
        one = found.setdefault(parent.credential_digest, {**parent.reference(), "recordsUsed": 0})
        one["recordsUsed"] += counts[name]
    return list(found.values())


def lineage_subject(
    recipe: Recipe,
    parents: Mapping[str, Parent],
    outcome: Outcome,
    manifest: Manifest,
    *,
    agent: Mapping[str, str],
    started: Instant,
    ended: Instant,
) -> dict[str, Any]:
    """Return the subject that states a run; `agent` has `name` and may have `id`."""
    digests = {name: parent.credential_digest for name, parent in parents.items()}
    return {
        "id": f"urn:uuid:{uuid4()}",
        "type": "DatasetLineage",
        "name": recipe.name[:200],
        **({"description": recipe.description} if recipe.description else {}),
        "used": used(parents, outcome.used),
        "generated": generated(manifest, outcome.records),
        "agent": dict(agent),
        "plan": {
            "codeDigest": code_digest(),
            "parametersDigest": recipe.digest(digests),
            "seed": recipe.seed,
            "image": f"{platform.python_implementation()} {platform.python_version()}",
        },
        "startedAt": str(started),
        "endedAt": str(ended),
        "steps": [line.subject() for line in outcome.lines],
        "assurance": "computed",
        "mapping": outcome.mapping_digest,
    }


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where a run made again says something else than the credential."""

    place: str
    stated: str
    found: str


def compare(
    subject: Mapping[str, Any], recipe: Recipe, parents: Mapping[str, Parent], outcome: Outcome, manifest: Manifest
) -> tuple[Difference, ...]:
    """Return every difference between what a lineage subject states and a run made again; none means that it is repeatable."""
    digests = {name: parent.credential_digest for name, parent in parents.items()}
    return (
        *_differences("/plan/parametersDigest", subject["plan"].get("parametersDigest"), recipe.digest(digests)),
        *_differences("/plan/seed", subject["plan"].get("seed"), recipe.seed),
        *_differences("/used", subject["used"], used(parents, outcome.used)),
        *_differences("/steps", _untooled(subject["steps"]), _untooled([one.subject() for one in outcome.lines])),
        *_differences("/generated", subject["generated"], generated(manifest, outcome.records)),
        *_differences("/mapping", subject.get("mapping"), outcome.mapping_digest),
    )


def notes(subject: Mapping[str, Any], outcome: Outcome) -> tuple[str, ...]:
    """Return in words what differs between then and now without being a difference of the result."""
    said = []
    if subject["plan"]["codeDigest"] != code_digest():
        said.append("it was made by another version of the curation code")
    tools = [(one.get("tool", ""), line.tool) for one, line in zip(subject["steps"], outcome.lines, strict=False)]
    said += list(dict.fromkeys(f"then {before}, now {now}" for before, now in tools if before != now))
    return tuple(said)


def _untooled(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in one.items() if name != "tool"} for one in steps]


def _differences(place: str, stated: Any, found: Any) -> Iterator[Difference]:
    """Yield the innermost places where two JSON values differ."""
    if isinstance(stated, dict) and isinstance(found, dict):
        for name in sorted(stated.keys() | found.keys()):
            yield from _differences(f"{place}/{name}", stated.get(name), found.get(name))
    elif isinstance(stated, list) and isinstance(found, list) and len(stated) == len(found):
        for number, (one, other) in enumerate(zip(stated, found, strict=True)):
            yield from _differences(f"{place}/{number}", one, other)
    elif stated != found:
        yield Difference(place, _shown(stated), _shown(found))


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return f"{len(value)} items"
    return str(value)[:300]
