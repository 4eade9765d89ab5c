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
from datasigil.models.card import CARD_FORMAT_VERSION, CARD_TYPE, HUMAN_FACTS, NOT_PROVIDED
from datasigil.models.form import resolve_pointer

JsonObject = dict[str, Any]

# Facts of a dataset credential worth telling, where the publisher gives them: key and pointer below the subject.
_DATASET_FACTS = (
    ("name", "/name"),
    ("version", "/version"),
    ("publisher", "/publisher/name"),
    ("issued", "/issued"),
    ("role", "/role"),
    ("license", "/license/expression"),
    ("manifestRoot", "/manifest/root"),
    ("fileCount", "/manifest/fileCount"),
    ("intendedPurpose", "/intendedPurpose"),
    ("prohibitedPurpose", "/prohibitedPurpose"),
    ("limitations", "/limitations"),
    ("dataBiases", "/dataBiases"),
    ("representativeness", "/representativeness"),
    ("synthetic", "/synthetic"),
    ("classification", "/classification"),
    ("inLanguage", "/inLanguage"),
)
_GATE_FACTS = ("decision", "scope", "time", "lastChecked", "rechecks", "mode", "policyDigest")


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
    assurance, inside = "declared", credential
    for token in pointer.split("/")[1:]:
        inside = inside[token] if isinstance(inside, dict) else {}
        if isinstance(inside, dict) and "assurance" in inside:
            assurance = inside["assurance"]
    source = f"credential:sha256:{document_digest(dict(credential))}#{pointer}"
    return {"value": value, "source": source, "assurance": assurance}


def build_card(receipt: JsonObject, receipt_digest: str, credentials: Sequence[Mapping[str, Any]]) -> JsonObject:
    """Return the card of a run; `credentials` stand in the order of the receipt's datasets."""
    people = _people(receipt)
    missing = any(leaf["assurance"] == "not-provided" for leaf in people.values())
    return {
        "type": CARD_TYPE,
        "formatVersion": CARD_FORMAT_VERSION,
        "status": "draft" if missing else "complete",
        "receiptDigest": receipt_digest,
        "sections": {
            "details": _details(receipt),
            "trainingData": [_dataset(receipt, number, document) for number, document in enumerate(credentials)],
            "filtering": _filtering(receipt),
            "procedure": _procedure(receipt),
            "compute": _compute(receipt),
            "gate": {key: run_leaf(receipt, f"/gate/{key}") for key in _GATE_FACTS},
            "evaluation": _evaluation(receipt),
            "people": people,
        },
    }


def _details(receipt: JsonObject) -> JsonObject:
    files = [entry["path"] for entry in receipt["artefacts"]["files"]]
    base = receipt["base"]
    if base["licenseFile"] == "README.md" and base["license"] != "unknown":
        source = f"file:sha256:{base['licenseFileDigest']}#license"
        base_license = {"value": base["license"], "source": source, "assurance": "declared"}
    else:
        base_license = run_leaf(receipt, "/base/license")
    return {
        "name": run_leaf(receipt, "/run/name"),
        "version": run_leaf(receipt, "/recipe/document/version"),
        "task": run_leaf(receipt, "/recipe/document/task/type"),
        "labels": run_leaf(receipt, "/data/labels"),
        "baseModel": run_leaf(receipt, "/base/name"),
        "baseLicense": base_license,
        "baseTrainingData": run_leaf(receipt, "/base/trainingData"),
        "baseWeightsDigest": run_leaf(receipt, "/base/weightsDigest"),
        "adapterDigest": run_leaf(receipt, f"/artefacts/files/{files.index('adapter_model.safetensors')}/sha256"),
        "artefactsRoot": run_leaf(receipt, "/artefacts/root"),
    }


def _dataset(receipt: JsonObject, number: int, credential: Mapping[str, Any]) -> JsonObject:
    leaves: JsonObject = {}
    for key, pointer in _DATASET_FACTS:
        try:
            leaves[key] = credential_leaf(credential, f"/credentialSubject{pointer}")
        except MalformedError:
            continue  # the publisher does not say it, and the card says nothing in its place
    leaves["credentialId"] = credential_leaf(credential, "/id")
    leaves["issuer"] = credential_leaf(credential, "/issuer" if isinstance(credential["issuer"], str) else "/issuer/id")
    for key in ("credentialDigest", "manifestDigest", "byteSize", "rowsRead", "rowsUsed"):
        leaves[key] = run_leaf(receipt, f"/datasets/{number}/{key}")
    return leaves


def _filtering(receipt: JsonObject) -> JsonObject:
    splits = {
        f"{name}Split": {
            key: run_leaf(receipt, f"/data/splits/{name}/{key}")
            for key in ("rows", "groups", "tokens", "truncatedRows", "labels", "digest")
        }
        for name in ("train", "validation", "test")
    }
    overlap = {key: run_leaf(receipt, f"/data/overlap/{pointer_token(key)}") for key in receipt["data"]["overlap"]}
    return {**overlap, "ignoredTags": run_leaf(receipt, "/data/ignoredTags"), **splits}


def _procedure(receipt: JsonObject) -> JsonObject:
    settings = {
        key: run_leaf(receipt, f"/recipe/document/training/{key}")
        for key in (
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
    }
    run = {
        key: run_leaf(receipt, f"/training/{key}")
        for key in (
            "epochs",
            "bestEpoch",
            "steps",
            "stopped",
            "trainableParameters",
            "totalParameters",
            "examples",
            "examplesRoot",
        )
    }
    digests = {
        "recipeDigest": run_leaf(receipt, "/recipe/digest"),
        "transformDigest": run_leaf(receipt, "/data/transformDigest"),
        "tokenisedDigest": run_leaf(receipt, "/data/tokenisedDigest"),
    }
    return {**settings, **run, **digests}


def _compute(receipt: JsonObject) -> JsonObject:
    leaves = {key: run_leaf(receipt, f"/hardware/{key}") for key in receipt["hardware"]}
    for key in ("started", "durationSeconds", "cpuSeconds", "resumes"):
        leaves[key] = run_leaf(receipt, f"/run/{key}")
    for key in ("python", "packages", "lockfileDigest"):
        leaves[key] = run_leaf(receipt, f"/software/{key}")
    return leaves


def _evaluation(receipt: JsonObject) -> JsonObject:
    figures = ("microF1", "macroF1", "labelsOnlyMicroF1", "labelsOnlyMacroF1")
    leaves: JsonObject = {"thresholds": eval_leaf(receipt, "/thresholds")}
    for split in ("test", "validation"):
        group: JsonObject = {key: eval_leaf(receipt, f"/{split}/model/{key}") for key in figures}
        group["majorityMicroF1"] = eval_leaf(receipt, f"/{split}/majority/microF1")
        group["majorityMacroF1"] = eval_leaf(receipt, f"/{split}/majority/macroF1")
        group["perClass"] = [
            {key: eval_leaf(receipt, f"/{split}/model/perClass/{number}/{key}") for key in entry}
            for number, entry in enumerate(receipt["evaluation"][split]["model"]["perClass"])
        ]
        leaves[split] = group
    return leaves


def _people(receipt: JsonObject) -> JsonObject:
    provided = receipt.get("provided", {"by": "", "facts": {}})
    return {
        key: {"value": provided["facts"][key], "source": f"human:{provided['by']}", "assurance": "declared"}
        if key in provided["facts"]
        else {"value": NOT_PROVIDED.format(by), "source": "human:", "assurance": "not-provided"}
        for key, _, by in HUMAN_FACTS
    }


__all__ = ["build_card"]
