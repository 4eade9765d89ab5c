"""Building the model card from a receipt and the credentials the gate accepted.

Here: which fact goes where and which source it cites. Not here: the card's form and its checks (`datasigil.models.card`),
Markdown (`datasigil.models.readme`). Every value is looked up through the source it cites, so no leaf can say something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datasigil.canonical import document_digest
from datasigil.encoding import pointer_token
from datasigil.errors import MalformedError
from datasigil.models.card import CARD_FORMAT_VERSION, CARD_TYPE, NOT_PROVIDED, credential_assurance
from datasigil.models.form import resolve_pointer
from datasigil.models.laws import facts_of

JsonObject = dict[str, Any]

# Facts of a dataset credential worth telling, where the publisher gives them: key and pointer below the subject. Every other member
# that the full profile knows and that says something about rights, people or quality follows under its own name.
_DATASET_FACTS = (
    ("name", "/name"),
    ("version", "/version"),
    ("publisher", "/publisher/name"),
    ("issued", "/issued"),
    ("role", "/role"),
    ("license", "/license/expression"),
    ("licenseTextDigest", "/license/textDigest"),
    ("manifestRoot", "/manifest/root"),
    ("fileCount", "/manifest/fileCount"),
    ("sourceUrl", "/source/url"),
    ("sourceRevision", "/source/revision"),
    *(
        (name, f"/{name}")
        for name in (
            "temporal", "isLiveDataset", "recordCount", "tokenCount", "modality", "dataTypes", "inLanguage", "useClass", "rightsBasis", "ipContent",
            "hasPolicy", "tdmReservation", "sourceCategory", "generationMethod", "originGeography", "classification", "personalData",
            "deidentification", "synthetic", "illegalContentMeasures", "qualityMeasurement", "representativeness", "dataBiases", "limitations",
            "assumptions", "gaps", "annotationProtocol", "annotationPlatform", "annotatorDemographics", "annotationAgreement", "intendedPurpose",
            "prohibitedPurpose", "maintenance", "erasureContact",
        )
    ),
)  # fmt: skip
_GATE_FACTS = (
    "decision",
    "scope",
    "time",
    "lastChecked",
    "rechecks",
    "mode",
    "policyDigest",
    "sector",
    "use",
    "warnings",
)
_SETTINGS = (
    "seed",
    "batchSize",
    "maxTokens",
    "learningRate",
    "headLearningRate",
    "weightDecay",
    "warmup",
    "pooling",
    "lora",
)
_RUN_FACTS = (
    "epochs",
    "bestEpoch",
    "steps",
    "stopped",
    "trainableParameters",
    "totalParameters",
    "examples",
    "examplesRoot",
)


def run_leaf(receipt: JsonObject, pointer: str) -> JsonObject:
    """Return a leaf that cites a value of the receipt."""
    return {"value": resolve_pointer(receipt, pointer), "source": f"run#{pointer}", "assurance": "computed"}


def eval_leaf(receipt: JsonObject, pointer: str) -> JsonObject:
    """Return a leaf that cites a value of the receipt's evaluation."""
    value = resolve_pointer(receipt["evaluation"], pointer)
    return {"value": value, "source": f"eval#{pointer}", "assurance": "computed"}


def credential_leaf(credential: Mapping[str, Any], pointer: str) -> JsonObject:
    """Return a leaf that cites a value of a credential, with the assurance its claim states.

    Raises:
        MalformedError: POINTER, when the credential does not say it.
    """
    value = resolve_pointer(credential, pointer)
    source = f"credential:sha256:{document_digest(dict(credential))}#{pointer}"
    return {"value": value, "source": source, "assurance": credential_assurance(credential, pointer)}


def build_card(
    receipt: JsonObject,
    receipt_digest: str,
    credentials: Sequence[Mapping[str, Any]],
    statements: Sequence[Mapping[str, Any]] = (),
    *,
    related: Sequence[Sequence[Mapping[str, Any]]] = (),
) -> JsonObject:
    """Return the card of a run.

    `credentials`, and for each the `related` credentials that counted, stand in the order of the receipt's datasets; `statements` of
    people oldest first.
    """
    said = people(receipt, statements)
    missing = any(leaf["assurance"] == "not-provided" for leaf in said.values())
    sections = {
        "details": _details(receipt),
        "trainingData": [
            _dataset(receipt, number, document) | _others(related[number] if related else ())
            for number, document in enumerate(credentials)
        ],
        "licences": _licences(receipt),
        "filtering": _filtering(receipt),
        "procedure": _procedure(receipt),
        "compute": _compute(receipt),
        "gate": _some(receipt, "/gate", _GATE_FACTS),
        "evaluation": _evaluation(receipt),
        "failureModes": _cited(receipt["evaluation"].get("failureModes", {}), "eval#/failureModes"),
        "people": said,
    }
    return {
        "type": CARD_TYPE,
        "formatVersion": CARD_FORMAT_VERSION,
        "status": "draft" if missing else "complete",
        "receiptDigest": receipt_digest,
        "sections": {key: value for key, value in sections.items() if value},
    }


def _some(receipt: JsonObject, pointer: str, keys: Sequence[str]) -> JsonObject:
    """Return leaves for those of `keys` that the receipt has at `pointer`; an empty list is nothing to tell."""
    held = resolve_pointer(receipt, pointer)
    return {key: run_leaf(receipt, f"{pointer}/{key}") for key in keys if key in held and held[key] != []}


def _cited(value: Any, source: str) -> Any:
    """Return a recorded value as groups and leaves of its own shape, each leaf citing its place; empty lists are left out."""
    if isinstance(value, dict):
        members = {key: _cited(item, f"{source}/{pointer_token(key)}") for key, item in value.items()}
        return {key: item for key, item in members.items() if item != []}
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return [_cited(item, f"{source}/{number}") for number, item in enumerate(value)]
    return {"value": value, "source": source, "assurance": "computed"}


def _licences(receipt: JsonObject) -> JsonObject:
    return _some(receipt, "/gate", ("duties",))


def _details(receipt: JsonObject) -> JsonObject:
    files = [entry["path"] for entry in receipt["artefacts"]["files"]]
    base = receipt["base"]
    if base["licenseFile"] == "README.md" and base["license"] != "unknown":
        source = f"file:sha256:{base['licenseFileDigest']}#license"
        base_license = {"value": base["license"], "source": source, "assurance": "declared"}
    else:
        base_license = run_leaf(receipt, "/base/license")
    weights = next(name for name in ("adapter_model.safetensors", "model.safetensors", *files) if name in files)
    return {
        "name": run_leaf(receipt, "/run/name"),
        "version": run_leaf(receipt, "/recipe/document/version"),
        "task": run_leaf(receipt, "/recipe/document/task/type"),
        **({"labels": run_leaf(receipt, "/data/labels")} if receipt["data"].get("labels") else {}),
        "baseModel": run_leaf(receipt, "/base/name"),
        "baseLicense": base_license,
        "baseTrainingData": run_leaf(receipt, "/base/trainingData"),
        "baseWeightsDigest": run_leaf(receipt, "/base/weightsDigest"),
        "adapterDigest": run_leaf(receipt, f"/artefacts/files/{files.index(weights)}/sha256"),
        "artefactsRoot": run_leaf(receipt, "/artefacts/root"),
    }


def _dataset(receipt: JsonObject, number: int, credential: Mapping[str, Any]) -> JsonObject:
    leaves = credential_facts(credential)
    for key in ("credentialDigest", "manifestDigest", "byteSize", "rowsRead", "rowsUsed"):
        leaves[key] = run_leaf(receipt, f"/datasets/{number}/{key}")
    return leaves


def credential_facts(credential: Mapping[str, Any]) -> JsonObject:
    """Return what a dataset's credential says, each fact citing its place in it."""
    leaves: JsonObject = {}
    for key, pointer in _DATASET_FACTS:
        try:
            leaves[key] = credential_leaf(credential, f"/credentialSubject{pointer}")
        except MalformedError:
            continue  # the publisher does not say it, and the card says nothing in its place
    leaves["credentialId"] = credential_leaf(credential, "/id")
    leaves["issuer"] = credential_leaf(credential, "/issuer" if isinstance(credential["issuer"], str) else "/issuer/id")
    return leaves


# What a card tells of others' credentials about a dataset: key and pointer.
_AUDIT_FACTS = (
    ("assessor", "/credentialSubject/assessor/name"),
    ("issuer", "/issuer"),
    ("attestationType", "/credentialSubject/attestationType"),
    ("verdict", "/credentialSubject/verdict"),
    ("conditions", "/credentialSubject/conditions"),
    ("approvedUse", "/credentialSubject/approvedUse"),
    ("validUntil", "/validUntil"),
)
_ASSESSMENT_FACTS = ("standard", "criterion", "method", "conformance", "exclusions")
_GRANT_FACTS = (
    ("assigner", "/credentialSubject/assigner"),
    ("assignee", "/credentialSubject/assignee"),
    ("permission", "/credentialSubject/permission"),
    ("prohibition", "/credentialSubject/prohibition"),
    ("fieldOfUse", "/credentialSubject/fieldOfUse"),
    ("jurisdiction", "/credentialSubject/jurisdiction"),
    ("modelOutputTerms", "/credentialSubject/modelOutputTerms"),
    ("survivalTerms", "/credentialSubject/survivalTerms"),
    ("termsDigest", "/credentialSubject/termsDigest"),
    ("reference", "/credentialSubject/reference"),
    ("validUntil", "/validUntil"),
)
_STEP_FACTS = ("type", "rule", "recordsIn", "removed", "added", "recordsOut")


def _others(related: Sequence[Mapping[str, Any]]) -> JsonObject:
    """Return what audits, grants and lineage say about one dataset, each fact citing the credential it stands in."""
    audits: list[JsonObject] = []
    grants: list[JsonObject] = []
    steps: list[JsonObject] = []
    for one in related:
        kind = one["type"][1]
        if kind == "DatasetAuditCredential":
            said = _told(one, _AUDIT_FACTS)
            rows = range(len(one["credentialSubject"].get("assessment", ())))
            criteria = [_told(one, [(key, f"/credentialSubject/assessment/{row}/{key}") for key in _ASSESSMENT_FACTS]) for row in rows]  # fmt: skip
            audits += [{**said, **criterion} for criterion in criteria or [{}]]
        elif kind == "DatasetLicenseGrantCredential":
            grants.append(_told(one, _GRANT_FACTS))
        elif kind == "DatasetLineageCredential":
            rows = range(len(one["credentialSubject"]["steps"]))
            steps += [_told(one, [(key, f"/credentialSubject/steps/{row}/{key}") for key in _STEP_FACTS]) for row in rows]  # fmt: skip
    groups = (("audits", audits), ("grants", grants), ("lineageSteps", steps))
    return {name: group for name, group in groups if group}


def _told(credential: Mapping[str, Any], facts: Sequence[tuple[str, str]]) -> JsonObject:
    """Return leaves for those of `facts` that the credential states."""
    leaves: JsonObject = {}
    for key, pointer in facts:
        try:
            leaves[key] = credential_leaf(credential, pointer)
        except MalformedError:
            continue
    return leaves


def _filtering(receipt: JsonObject) -> JsonObject:
    splits = {
        f"{name}Split": _cited(split, f"run#/data/splits/{name}") for name, split in receipt["data"]["splits"].items()
    }
    for name, split in splits.items():
        if "labels" in split:  # counts by label are one fact, told together
            split["labels"] = run_leaf(receipt, f"/data/splits/{name.removesuffix('Split')}/labels")
    overlap = {key: run_leaf(receipt, f"/data/overlap/{pointer_token(key)}") for key in receipt["data"]["overlap"]}
    return {**overlap, **_some(receipt, "/data", ("ignoredTags",)), **splits}


def _procedure(receipt: JsonObject) -> JsonObject:
    digests = _some(receipt, "/data", ("transformDigest", "tokenisedDigest"))
    return {
        **_some(receipt, "/recipe/document/training", _SETTINGS),
        **_some(receipt, "/training", _RUN_FACTS),
        **digests,
        "recipeDigest": run_leaf(receipt, "/recipe/digest"),
    }


def _compute(receipt: JsonObject) -> JsonObject:
    leaves = {key: run_leaf(receipt, f"/hardware/{key}") for key in receipt["hardware"]}
    leaves |= _some(receipt, "/run", ("started", "durationSeconds", "cpuSeconds", "resumes"))
    leaves |= _some(receipt, "/software", ("python", "worker", "packages", "lockfileDigest"))
    return {**leaves, **({"energy": _cited(receipt["energy"], "run#/energy")} if "energy" in receipt else {})}


def _evaluation(receipt: JsonObject) -> JsonObject:
    figures = ("microF1", "macroF1", "labelsOnlyMicroF1", "labelsOnlyMacroF1")
    evaluation = receipt["evaluation"]
    if "model" not in evaluation["test"]:  # not a classifier: its figures are told as they were recorded
        return {split: _cited(evaluation[split], f"eval#/{split}") for split in ("test", "validation")}
    leaves: JsonObject = {"thresholds": eval_leaf(receipt, "/thresholds")}
    for split in ("test", "validation"):
        group: JsonObject = {key: eval_leaf(receipt, f"/{split}/model/{key}") for key in figures}
        group["majorityMicroF1"] = eval_leaf(receipt, f"/{split}/majority/microF1")
        group["majorityMacroF1"] = eval_leaf(receipt, f"/{split}/majority/macroF1")
        if "splitDigest" in evaluation[split]:
            group["splitDigest"] = eval_leaf(receipt, f"/{split}/splitDigest")
        group["perClass"] = _cited(evaluation[split]["model"]["perClass"], f"eval#/{split}/model/perClass")
        leaves[split] = group
    return leaves


def people(receipt: Mapping[str, Any], statements: Sequence[Mapping[str, Any]]) -> JsonObject:
    """Return what people said, the last word about each fact, or that nobody said it yet."""
    said: dict[str, tuple[str, Any]] = {}
    for one in [*([receipt["provided"]] if "provided" in receipt else []), *statements]:
        said |= {key: (one["by"], text) for key, text in one["facts"].items()}
    return {
        fact.key: {"value": said[fact.key][1], "source": f"human:{said[fact.key][0]}", "assurance": "declared"}
        if fact.key in said
        else {"value": NOT_PROVIDED.format(fact.asked_by), "source": "human:", "assurance": "not-provided"}
        for fact in facts_of(str(receipt.get("gate", {}).get("sector", "")))
    }


__all__ = ["build_card"]
