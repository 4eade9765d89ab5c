"""Subjects of the credential types that speak about other datasets, for `simulator.World.issue_as`.

Here: the smallest subject of each type that its closed parser accepts; `overrides` replace members, as in `World.subject`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from datasigil.canonical import document_digest
from datasigil.datasets.entry import Manifest

MOMENT = "2026-11-02T09:00:00Z"


def digest_of(text: str) -> str:
    """Return the digest that stands for something a test does not have."""
    return sha256(text.encode()).hexdigest()


def reference(document: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return how a subject names another dataset: credential id, digest of that secured credential, manifest root."""
    root = document["credentialSubject"]["manifest"]["root"]
    return {"credential": document["id"], "credentialDigest": document_digest(document), "root": root, **more}


def lineage_subject(
    parents: list[dict[str, Any]], manifest: Manifest, *, records: int = 100, removed: int = 10, **overrides: Any
) -> dict[str, Any]:
    """Return a balanced DatasetLineage: `records` from each parent, `removed` of all in one cleaning step."""
    total = records * len(parents)
    step = {
        "type": "DataCleaning", "rule": "drop duplicates", "recordsIn": total, "removed": removed, "added": 0,
        "recordsOut": total - removed,
    }  # fmt: skip
    subject = {
        "id": f"urn:example:activity:{manifest.digest[:16]}",
        "type": "DatasetLineage",
        "used": [reference(parent, recordsUsed=records) for parent in parents],
        "generated": {
            "root": manifest.root.hex(),
            "digest": manifest.digest,
            "fileCount": manifest.file_count,
            "byteSize": manifest.byte_size,
            "recordCount": total - removed,
        },
        "agent": {"name": "Example Curator"},
        "plan": {"codeDigest": digest_of("code")},
        "startedAt": MOMENT,
        "endedAt": MOMENT,
        "steps": [step],
        "assurance": "declared",
    }
    return {**subject, **overrides}


def audit_subject(document: dict[str, Any], attestation_type: str = "audit", **overrides: Any) -> dict[str, Any]:
    """Return an accepted audit, approval or review of a dataset; the credential of an approval needs a validUntil."""
    subject: dict[str, Any] = {
        "id": "urn:example:attestation:1",
        "type": "DatasetAudit",
        "attestationType": attestation_type,
        "assessorLevel": "3rdParty",
        "assessmentLevel": "no-endorsement",
        "assessor": {"name": "Example Auditor"},
        "target": reference(document),
    }
    if attestation_type == "audit":
        subject["assessment"] = [
            {
                "standard": "Example Standard 2026",
                "criterion": "1.1 provenance",
                "method": "inspection",
                "conformance": True,
            }
        ]
        subject["auditableEvidence"] = [{"name": "report", "digest": digest_of("report")}]
    if attestation_type == "approval":
        subject |= {"verdict": "accepted", "approvedUse": ["fine-tuning"]}
    if attestation_type == "review":
        subject |= {"verdict": "accepted", "qualification": "attorney at law"}
    return {**subject, **overrides}


def grant_subject(document: dict[str, Any], assigner: str, assignee: str, **overrides: Any) -> dict[str, Any]:
    """Return an agreement that lets `assignee` train on a dataset."""
    subject = {
        "id": "urn:example:agreement:1",
        "type": "Agreement",
        "assigner": assigner,
        "assignee": assignee,
        "target": reference(document),
        "permission": [{"action": "ai-training"}],
        "termsDigest": digest_of("terms"),
    }
    return {**subject, **overrides}


def model_subject(datasets: list[dict[str, Any]], **overrides: Any) -> dict[str, Any]:
    """Return the subject of a ModelTrainingCredential over `datasets`."""
    subject = {
        "id": "urn:example:model:1",
        "type": "TrainedModel",
        "name": "Clause classifier",
        "version": "1.0.0",
        "publisher": {"name": "Example Models"},
        "issued": "2026-11-02",
        "weights": {"sha256": digest_of("weights"), "root": digest_of("artefacts")},
        "baseModel": {
            "name": "example-encoder",
            "license": "Apache-2.0",
            "digest": digest_of("base"),
            "trainingData": "unknown",
        },
        "trainingData": [reference(document, rowsUsed=90) for document in datasets],
        "gateDecision": {
            "decision": "VALID",
            "policyDigest": digest_of("policy"),
            "time": MOMENT,
            "statusListDigests": [],
        },
        "receiptDigest": digest_of("receipt"),
        "cardDigest": digest_of("card"),
        "configDigest": digest_of("config"),
        "lockfileDigest": digest_of("lockfile"),
        "seed": 7,
        "hardware": "2 CPU cores",
        "durationSeconds": 60,
        "evaluation": [{"metric": "macro-f1", "value": "0.71", "split": "test"}],
    }
    return {**subject, **overrides}
