"""Which place a case changes: read off what is handed in, compared with a baseline that is VALID, and not claimed by anyone.

Here: `place_of`. House rule 9 counts a case once per (check, mutated field, reason), so two spellings of one wrong value are one case; the
labels in the tables are for people. Not here: which check refused (`sites`).

What follows from a change is not counted as changed: a signature, the log's proof and the status lists of a credential that differs.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import zip_longest
from typing import Any

from adversarial.stage import Given, Stage
from subjects import audit_subject, grant_subject, lineage_subject, model_subject

_ABSENT = object()
# Places that differ whenever the credential does; counted only when nothing else has changed.
_FOLLOWING = ("/credential/proof", "/log", "/statusLists", "/issuerKeys", "/manifest", "/contexts", "/schemas")


@cache
def baselines() -> tuple[tuple[bytes, Any], ...]:
    """Bundles that are VALID, one for each kind of credential that cases start from, as bytes and as JSON."""
    found = []
    for build in _BUILDERS:
        raw = build(Stage())
        found.append((raw.encode(), json.loads(raw)))
    return tuple(found)


def _minimal(stage: Stage) -> str:
    return stage.text()


def _full(stage: Stage) -> str:
    return stage.text(stage.publish(stage.signed(stage.full())))


def _rdfc(stage: Stage) -> str:
    from adversarial.group_c import rdfc

    return stage.text(stage.publish(rdfc(stage)))


def _other(type_name: str) -> Any:
    def build(stage: Stage) -> str:
        world, document = stage.world, stage.document
        from simulator import manifest_of

        subjects = {
            "DatasetLineageCredential": lambda: lineage_subject([document], manifest_of(world.files)),
            "DatasetAuditCredential": lambda: audit_subject(document, "approval"),
            "DatasetLicenseGrantCredential": lambda: grant_subject(document, world.publisher.did, "did:web:me.example"),
            "ModelTrainingCredential": lambda: model_subject([document]),
        }
        return stage.text(stage.publish(world.issue_as(type_name, subjects[type_name]())))

    return build


_BUILDERS = (
    _minimal,
    _full,
    _rdfc,
    *map(
        _other,
        (
            "DatasetLineageCredential",
            "DatasetAuditCredential",
            "DatasetLicenseGrantCredential",
            "ModelTrainingCredential",
        ),
    ),
)


def place_of(given: Given) -> str:
    """Return the places that differ from the nearest baseline, sorted and joined; `nothing` for the baseline itself."""
    base = Stage().given()
    found = [*_evidence_places(given.raw), *_policy_places(given.policy, base.policy)]
    if given.at != base.at:
        found.append("at")
    for name in ("as_of", "offline", "partial", "touched", "presented"):
        if getattr(given, name) != getattr(base, name):
            found.append(name)
    for name in ("state", "fetch", "around"):
        if getattr(given, name) is not None:
            found.append(name)
    if given.attestations:
        found.append("attestations")
    if given.files is not None:
        found += _file_places(given.files)
    return " ".join(sorted(set(found))) or "nothing"


def _evidence_places(raw: bytes) -> list[str]:
    try:
        document = json.loads(raw, parse_constant=_refuse, object_pairs_hook=_no_twice)
    except (ValueError, RecursionError, UnicodeDecodeError):
        return [min((_textual(raw, base) for base, _ in baselines()), key=lambda found: -found[0])[1]]
    if not isinstance(document, dict) or "credential" not in document:
        return _wrapped(document)
    nearest = min((list(_differences(document, one, "")) for _, one in baselines()), key=len)
    places = _without_consequences(nearest)
    return places if places or raw in (base for base, _ in baselines()) else ["spelling"]


def _wrapped(document: Any) -> list[str]:
    if not isinstance(document, dict):
        return ["/"]
    bare = {"credential": document}
    found = min((list(_differences(bare, {"credential": one["credential"]}, "")) for _, one in baselines()), key=len)
    return _without_consequences([*found, "/log"])


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("one member twice")
    return dict(pairs)


def _differences(found: Any, base: Any, place: str) -> Iterator[str]:
    """Yield the JSON pointers at which two documents differ, as deep as both have the same shape."""
    if isinstance(found, dict) and isinstance(base, dict):
        for name in sorted({*found, *base}):
            yield from _differences(found.get(name, _ABSENT), base.get(name, _ABSENT), f"{place}/{name}")
    elif isinstance(found, list) and isinstance(base, list) and found and base:
        for number in range(max(len(found), len(base))):
            pair = [one[number] if number < len(one) else _ABSENT for one in (found, base)]
            yield from _differences(*pair, f"{place}/{number}")
    elif isinstance(found, str) and isinstance(base, str) and "\n" in base and found != base:
        # A log proof and its checkpoint: a field is a line of it.
        pairs = zip_longest(found.split("\n"), base.split("\n"))
        yield from (f"{place}#{number}" for number, (one, other) in enumerate(pairs) if one != other)
    elif found is _ABSENT or base is _ABSENT or type(found) is not type(base) or found != base:
        yield place


def _without_consequences(places: list[str]) -> list[str]:
    causes = [one for one in places if not one.startswith(_FOLLOWING)]
    if causes:
        return causes
    proof = [one for one in places if one.startswith("/credential/proof") and not one.endswith("/proofValue")]
    if proof:
        return proof
    evidence = [one for one in places if not one.startswith("/credential/proof")]
    return evidence or places


def _textual(raw: bytes, base: bytes) -> tuple[int, str]:
    """How far two texts agree, and the pointer of the value at which they part."""
    same = 0
    for one, other in zip(raw, base, strict=False):
        if one != other:
            break
        same += 1
    return same, _pointer_at(base[:same].decode("utf-8", "ignore"))


def _pointer_at(head: str) -> str:
    """The pointer of the value in which a JSON text is cut off, read leniently."""
    path: list[str | int] = []
    text, key = "", ""
    inside = escaped = False
    for character in head:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
                key = text
            else:
                text += character
        elif character == '"':
            inside, text = True, ""
        elif character == "{":
            path.append("")
        elif character == "[":
            path.append(0)
        elif character in "}]" and path:
            path.pop()
        elif character == ":" and path:
            path[-1] = key
        elif character == "," and path and isinstance(path[-1], int):
            path[-1] += 1
    return "/" + "/".join(str(one) for one in path if one != "")


def _policy_places(found: str, base: str) -> list[str]:
    if found == base:
        return []
    try:
        parsed = tomllib.loads(found)
    except (tomllib.TOMLDecodeError, RecursionError):
        return ["policy"]
    places = list(_differences(parsed, tomllib.loads(base), "policy"))
    return places or ["policy spelling"]


def _file_places(files: Mapping[str, bytes]) -> list[str]:
    base = Stage().world.files
    return [f"file {name}" for name in sorted({*files, *base}) if files.get(name) != base.get(name)] or ["files"]
