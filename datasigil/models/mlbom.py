"""The CycloneDX 1.7 ML-BOM of a model, from its card: components, model card, formulation, and a citation behind every figure.

Here: the JSON and the check that every reference in it leads somewhere, which the schema does not make (CycloneDX's own validators
accept dangling `datasets[].ref`). Not here: facts (`card`), signatures. Spec: CycloneDX 1.7 (ECMA-424, 2nd edition, 2025-10).

Random parts of a BOM are taken from digests, so that rendering twice gives the same bytes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datasigil.errors import MalformedError
from datasigil.models.blocks import group_at, groups_at
from datasigil.models.companions import Shown
from datasigil.models.document import plain
from datasigil.models.words import words
from datasigil.record import dataclass, field

FILE = "mlbom.cdx.json"
_NAMESPACE = uuid.UUID("b1f1f0a5-2b4e-5a5d-9d3e-0d6d2a5b7c11")  # of serial numbers made from card digests
_SENSITIVE = ("classification", "personalData")
_RUN = "run"


@dataclass
class _Bom:
    """A bill of materials being made, and the citations that belong to it."""

    shown: Shown
    time: str
    citations: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # (who, source) -> pointers

    def cite(self, pointer: str, leaf: Any) -> None:
        """Note that the BOM's value at `pointer` is this leaf's."""
        if isinstance(leaf, dict) and leaf.get("assurance") != "not-provided":
            self.citations.setdefault((attributed_to(leaf["source"]), leaf["source"]), []).append(pointer)


def attributed_to(source: str) -> str:
    """Return the bom-ref of whoever a source speaks for."""
    if source.startswith("credential:sha256:"):
        return f"credential-{source.removeprefix('credential:sha256:')[:64]}"
    if source.startswith("human:"):
        return "people"
    return "base-model" if source.startswith("file:") else _RUN


def render_mlbom(shown: Shown) -> bytes:
    """Return the bytes of `mlbom.cdx.json`: JSON with sorted keys, two spaces, UTF-8."""
    document = bill_of_materials(shown)
    check_references(document)
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")


def bill_of_materials(shown: Shown) -> dict[str, Any]:
    """Return the BOM as JSON."""
    sections = shown.sections
    time = str(_text(sections, "compute", "started") or _text(sections, "gate", "time") or "1970-01-01T00:00:00Z")
    bom = _Bom(shown, time)
    data = groups_at(sections, "trainingData")
    components = [_base(bom), *(_dataset(bom, one, number) for number, one in enumerate(data))]
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, shown.card.digest)}",
        "version": 1,
        "metadata": {
            "timestamp": time,
            "tools": {"components": [{"type": "application", "name": "datasigil-train", "bom-ref": _RUN, "version": str(_text(sections, "compute", "worker") or "unknown")}]},
            "component": _model(bom, data),
            "manufacturer": _people(sections),
            "properties": [_property("cardDigest", shown.card.digest), _property("receiptDigest", shown.card.document["receiptDigest"]), _property("status", shown.state)],
        },
        "components": components,
        "dependencies": [{"ref": "model", "dependsOn": ["base-model", *(f"dataset-{number}" for number in range(len(data)))]}],
        "formulation": [_formulation(bom, data)],
        "externalReferences": _references(shown, data),
    }  # fmt: skip
    document["citations"] = [
        {"pointers": pointers, "timestamp": time, "attributedTo": who, "note": plain(source)}
        for (who, source), pointers in sorted(bom.citations.items())
    ]
    return document


def _leaf(sections: Mapping[str, Any], *path: str) -> Any:
    value: Any = sections
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, dict) and "source" in value else None


def _text(sections: Mapping[str, Any], *path: str) -> Any:
    leaf = _leaf(sections, *path)
    return "" if leaf is None or leaf["assurance"] == "not-provided" else leaf["value"]


def _property(name: str, value: Any) -> dict[str, str]:
    return {"name": f"datasigil:{name}", "value": plain(value)}


def _people(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return who offers the model, as people said; the object that human facts are attributed to."""
    return {"bom-ref": "people", "name": plain(_text(sections, "people", "provider") or "not provided")}


def _model(bom: _Bom, data: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sections, at = bom.shown.sections, "/metadata/component"
    model: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": plain(_text(sections, "details", "name")),
        "version": plain(_text(sections, "details", "version")),
        "hashes": [{"alg": "SHA-256", "content": str(_text(sections, "details", "adapterDigest"))}],
        "modelCard": _model_card(bom, data, f"{at}/modelCard"),
        "pedigree": {"ancestors": [{"type": "machine-learning-model", "name": plain(_text(sections, "details", "baseModel")), "hashes": [{"alg": "SHA-256", "content": str(_text(sections, "details", "baseWeightsDigest"))}]}]},
    }  # fmt: skip
    bom.cite(f"{at}/name", _leaf(sections, "details", "name"))
    bom.cite(f"{at}/version", _leaf(sections, "details", "version"))
    bom.cite(f"{at}/hashes/0/content", _leaf(sections, "details", "adapterDigest"))
    if license_ := _text(sections, "people", "modelLicense"):
        model["licenses"] = [{"license": {"name": plain(license_)}}]
        bom.cite(f"{at}/licenses/0/license/name", _leaf(sections, "people", "modelLicense"))
    return model


def _model_card(bom: _Bom, data: Sequence[Mapping[str, Any]], at: str) -> dict[str, Any]:
    sections = bom.shown.sections
    parameters = {
        "approach": {"type": "supervised"},
        "task": plain(_text(sections, "details", "task")),
        "architectureFamily": "transformer",
        "modelArchitecture": f"low-rank adapter on {plain(_text(sections, 'details', 'baseModel'))}",
        "datasets": [{"ref": f"dataset-{number}"} for number in range(len(data))],
        "inputs": [{"format": "string"}],
        "outputs": [{"format": "one probability per class" if _leaf(sections, "details", "labels") else "string"}],
    }
    bom.cite(f"{at}/modelParameters/task", _leaf(sections, "details", "task"))
    card: dict[str, Any] = {
        "modelParameters": parameters,
        "considerations": _considerations(bom, f"{at}/considerations"),
    }
    metrics = list(_metrics(bom, f"{at}/quantitativeAnalysis/performanceMetrics"))
    if metrics:
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    return card


def _metrics(bom: _Bom, at: str) -> Iterator[dict[str, Any]]:
    sections, number = bom.shown.sections, 0
    for split in ("test", "validation"):
        group = group_at(sections, "evaluation", split)
        for key in sorted(key for key in group if _leaf(group, key) is not None and _decimal(group[key]["value"])):
            yield {"type": key, "value": str(group[key]["value"]), "slice": split}
            bom.cite(f"{at}/{number}/value", group[key])
            number += 1
        for one in groups_at(group, "perClass"):
            if _leaf(one, "f1") is None or _leaf(one, "label") is None:
                continue
            yield {"type": "f1", "value": str(one["f1"]["value"]), "slice": f"{split}: {plain(one['label']['value'])}"}
            bom.cite(f"{at}/{number}/value", one["f1"])
            number += 1


def _decimal(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.replace(".", "", 1).isdigit()


def _considerations(bom: _Bom, at: str) -> dict[str, Any]:
    sections = bom.shown.sections
    found: dict[str, Any] = {}
    for member, key in (("users", "intendedPurpose"), ("useCases", "intendedPurpose"), ("technicalLimitations", "outOfScopeUses"), ("performanceTradeoffs", "designRationale")):  # fmt: skip
        if text := _text(sections, "people", key):
            found[member] = [plain(text)]
            bom.cite(f"{at}/{member}/0", _leaf(sections, "people", key))
    weak = [one for one in groups_at(sections, "failureModes", "worstSlices") if _leaf(one, "errorShare") is not None]
    if weak:
        start = len(found.setdefault("technicalLimitations", []))
        for number, one in enumerate(weak):
            kind, name, share, rows = (plain(_text(one, key)) for key in ("kind", "slice", "errorShare", "rows"))
            found["technicalLimitations"].append(f"{kind} {name}: {share} of {rows} test rows wrong")
            bom.cite(f"{at}/technicalLimitations/{start + number}", _leaf(one, "errorShare"))
    if harm := _text(sections, "people", "foreseeableHarms"):
        found["ethicalConsiderations"] = [
            {"name": "foreseeable unintended outcomes", "mitigationStrategy": plain(harm)}
        ]
        bom.cite(f"{at}/ethicalConsiderations/0/mitigationStrategy", _leaf(sections, "people", "foreseeableHarms"))
    energy = _text(sections, "compute", "energy", "kilowattHours")
    if _decimal(energy):
        found["environmentalConsiderations"] = {"energyConsumptions": [_energy(bom, energy)]}
        bom.cite(f"{at}/environmentalConsiderations/energyConsumptions/0/activityEnergyCost/value", _leaf(sections, "compute", "energy", "kilowattHours"))  # fmt: skip
    return found


def _energy(bom: _Bom, kilowatt_hours: str) -> dict[str, Any]:
    sections = bom.shown.sections
    said = [_property(key, _text(sections, "compute", "energy", key)) for key in ("basis", "method")]
    return {
        "activity": "training",
        "energyProviders": [{"bom-ref": "energy", "organization": {"name": "unknown"}, "energySource": "unknown", "energyProvided": {"value": float(kilowatt_hours), "unit": "kWh"}}],
        "activityEnergyCost": {"value": float(kilowatt_hours), "unit": "kWh"},
        "properties": said,
    }  # fmt: skip


def _base(bom: _Bom) -> dict[str, Any]:
    sections = bom.shown.sections
    at = "/components/0"
    bom.cite(f"{at}/name", _leaf(sections, "details", "baseModel"))
    bom.cite(f"{at}/licenses/0/license/name", _leaf(sections, "details", "baseLicense"))
    bom.cite(f"{at}/hashes/0/content", _leaf(sections, "details", "baseWeightsDigest"))
    return {
        "type": "machine-learning-model",
        "bom-ref": "base-model",
        "name": plain(_text(sections, "details", "baseModel")),
        "hashes": [{"alg": "SHA-256", "content": str(_text(sections, "details", "baseWeightsDigest"))}],
        "licenses": [{"license": {"name": plain(_text(sections, "details", "baseLicense") or "unknown")}}],
        "properties": [_property("trainingData", _text(sections, "details", "baseTrainingData"))],
    }


def _dataset(bom: _Bom, one: Mapping[str, Any], number: int) -> dict[str, Any]:
    at = f"/components/{number + 1}"
    described = {
        "type": "dataset",
        "name": plain(_text(one, "name")),
        "description": f"{plain(_text(one, 'rowsUsed'))} of {plain(_text(one, 'rowsRead'))} records used in training",
        "contents": {
            "properties": [
                _property(key, _text(one, key)) for key in ("credentialId", "credentialDigest", "manifestRoot")
            ]
        },
    }
    bom.cite(f"{at}/data/0/name", _leaf(one, "name"))
    bom.cite(f"{at}/data/0/description", _leaf(one, "rowsUsed"))
    sensitive = [f"{words(key)}: {plain(_text(one, key))}" for key in _SENSITIVE if _text(one, key)]
    if sensitive:
        described["sensitiveData"] = sensitive
        for place, key in enumerate(key for key in _SENSITIVE if _text(one, key)):
            bom.cite(f"{at}/data/0/sensitiveData/{place}", _leaf(one, key))
    if publisher := _text(one, "publisher"):
        described["governance"] = {"owners": [{"organization": {"name": plain(publisher)}}]}
        bom.cite(f"{at}/data/0/governance/owners/0/organization/name", _leaf(one, "publisher"))
    bom.cite(f"{at}/hashes/0/content", _leaf(one, "manifestDigest"))
    bom.cite(f"{at}/licenses/0/license/name", _leaf(one, "license"))
    return {
        "type": "data",
        "bom-ref": f"dataset-{number}",
        "name": plain(_text(one, "name")),
        "version": plain(_text(one, "version") or "unknown"),
        "hashes": [{"alg": "SHA-256", "content": str(_text(one, "manifestDigest"))}],
        "licenses": [{"license": {"name": plain(_text(one, "license") or "unknown")}}],
        "data": [described],
    }


def _formulation(bom: _Bom, data: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how the model was made; its components are the credentials, to which the datasets' facts are attributed."""
    sections = bom.shown.sections
    credentials = {str(_text(one, "credentialDigest")): one for one in data}
    steps = [("gate", "every dataset VALID, copied while hashed"), ("train", f"seed {_text(sections, 'procedure', 'seed')}, {_text(sections, 'procedure', 'steps')} steps"), ("evaluate", "test split, majority baseline beside it")]  # fmt: skip
    return {
        "bom-ref": "formula",
        "components": [
            {"type": "data", "bom-ref": f"credential-{digest}", "name": f"DatasetCredential {plain(_text(one, 'credentialId'))}", "hashes": [{"alg": "SHA-256", "content": digest}]}
            for digest, one in sorted(credentials.items())
        ],
        "workflows": [
            {
                "bom-ref": "training",
                "uid": str(uuid.uuid5(_NAMESPACE, str(bom.shown.card.document["receiptDigest"]))),
                "name": "training run",
                "taskTypes": ["build"],
                "steps": [{"name": name, "description": said} for name, said in steps],
                "timeStart": bom.time,
            }
        ],
    }  # fmt: skip


def _references(shown: Shown, data: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = [
        {"type": "model-card", "url": "card.json", "hashes": [{"alg": "SHA-256", "content": shown.card.digest}]},
        {"type": "attestation", "url": "receipt.json", "hashes": [{"alg": "SHA-256", "content": str(shown.card.document["receiptDigest"])}]},
    ]  # fmt: skip
    found += [{"type": "evidence", "url": f"evidence/{number}.sigil.json"} for number in range(len(data))]
    return found + [
        {"type": "attestation", "url": one.file, "comment": f"review: {plain(one.verdict)}"} for one in shown.reviews
    ]


# References --------------------------------------------------------------------------------------------------------


def check_references(document: Mapping[str, Any]) -> None:
    """Check that every bom-ref is unique, every reference leads to one, and every citation's pointer to a value.

    Raises:
        MalformedError: BOM_REFERENCE, naming the first that does not.
    """
    from datasigil.models.form import resolve_pointer

    defined = list(_members(document, "bom-ref"))
    for name in defined:
        if defined.count(name) > 1:
            raise MalformedError("BOM_REFERENCE", "a bom-ref is defined twice", found=str(name)[:200])
    used = [*_members(document, "ref"), *_members(document, "attributedTo")]
    used += [name for names in _members(document, "dependsOn") for name in names]
    for name in used:
        if name not in defined:
            raise MalformedError("BOM_REFERENCE", "a reference leads nowhere", found=str(name)[:200])
    for citation in document.get("citations", ()):
        for pointer in citation["pointers"]:
            try:
                resolve_pointer(dict(document), pointer)
            except MalformedError:
                raise MalformedError("BOM_REFERENCE", "a citation points at nothing", found=pointer[:200]) from None


def _members(value: Any, key: str) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name == key:
                yield item
            yield from _members(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _members(item, key)


__all__ = ["FILE", "bill_of_materials", "check_references", "render_mlbom"]
