"""The one module of the worker that reaches a private key: it signs the run's own ModelTrainingCredential, and reviews of its card.

Here: the two credentials' documents, built from receipt and card, and their signatures. Not here: receipts and cards, registering (the
command line does that), any other use of keys. Profile: DESIGN.md section 4; types: vocabulary.md, tables 3 and 5.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from datasigil.canonical import jcs
from datasigil.credentials.contexts import PROFILE_CONTEXTS
from datasigil.credentials.types import credential_schema, parse_credential
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.limits import STATUS_LIST_MIN_BITS
from datasigil.signing import LocalSigner, Signer, add_proof

TYPE = "ModelTrainingCredential"
REVIEW_TYPE = "DatasetAuditCredential"
CREDENTIAL = "model-credential.json"
_TRAINING_CODE = "lora"
_METRICS = (("micro-f1", "microF1"), ("macro-f1", "macroF1"))


@dataclass(frozen=True, slots=True)
class Registration:
    """What a registry told this publisher at login: which lists and which log its credentials name."""

    did: str  # of the publisher, not of the registry
    status_lists: Mapping[str, str]  # purpose -> URL
    status_issuer: str
    log_origin: str
    log_url: str

    @classmethod
    def of(cls, value: Mapping[str, Any], place: str) -> Registration:
        """Return the registration in a stored login.

        Raises:
            DatasigilError: REGISTRATION, when a member is missing.
        """
        try:
            lists = {purpose: str(value["statusLists"][purpose]) for purpose in ("revocation", "suspension")}
            log = value["log"]
            return cls(str(value["publisher"]), lists, str(value["statusIssuer"]), str(log["origin"]), str(log["url"]))
        except (KeyError, TypeError) as error:
            raise DatasigilError(
                "REGISTRATION",
                "the stored login is not complete",
                place=place,
                found=f"no {error}",
                next_action="datasigil login",
            ) from None


def load_signer(path: Path, passphrase: bytes) -> LocalSigner:
    """Return the signer in an encrypted key file.

    Raises:
        DatasigilError: KEY_FILE, KEY_FILE_MODE, PASSPHRASE.
    """
    return LocalSigner.load(path, passphrase)


def model_credential(
    receipt: Mapping[str, Any],
    receipt_digest: str,
    card_digest: str,
    *,
    registration: Registration,
    publisher: str,
    at: datetime,
    index: int | None = None,
) -> dict[str, Any]:
    """Return the unsigned credential about a run; `index` is the status index, drawn at random when absent."""
    subject = subject_of(receipt, receipt_digest, card_digest, publisher=publisher, at=at)
    return _envelope(TYPE, subject, registration=registration, at=at, index=index)


def _envelope(
    kind: str, subject: dict[str, Any], *, registration: Registration, at: datetime, index: int | None
) -> dict[str, Any]:
    index = secrets.randbelow(STATUS_LIST_MIN_BITS) if index is None else index
    return {
        "@context": list(PROFILE_CONTEXTS),
        "id": f"urn:uuid:{uuid.uuid4()}",
        "type": ["VerifiableCredential", kind],
        "issuer": registration.did,
        "validFrom": str(Instant.from_datetime(at.replace(microsecond=0))),
        "credentialSchema": credential_schema(kind),
        "credentialStatus": [
            {
                "type": "BitstringStatusListEntry",
                "statusPurpose": purpose,
                "statusListIndex": str(index),
                "statusListCredential": registration.status_lists[purpose],
                "statusIssuer": registration.status_issuer,
            }
            for purpose in ("revocation", "suspension")
        ],
        "transparencyLog": {"type": "TransparencyLog", "origin": registration.log_origin, "url": registration.log_url},
        "credentialSubject": subject,
    }


@dataclass(frozen=True, slots=True)
class SignOff:
    """What a reviewer says about a card: who, with which qualification, and the verdict."""

    name: str
    qualification: str
    verdict: str  # accepted | accepted-with-conditions | rejected
    conditions: str = ""
    level: str = "unspecified"  # UNTP assessor level


def review_credential(
    sign_off: SignOff, card_digest: str, *, registration: Registration, at: datetime, index: int | None = None
) -> dict[str, Any]:
    """Return the unsigned credential by which an expert signs a card off; any change of the card voids it."""
    subject: dict[str, Any] = {
        "id": f"urn:uuid:{uuid.uuid4()}",
        "type": "DatasetAudit",
        "attestationType": "review",
        "assessorLevel": sign_off.level,
        "assessmentLevel": "no-endorsement",
        "assessor": {"id": registration.did, "name": sign_off.name},
        "qualification": sign_off.qualification,
        "verdict": sign_off.verdict,
        "target": {"cardDigest": card_digest},
        **({"conditions": sign_off.conditions} if sign_off.conditions else {}),
    }
    return _envelope(REVIEW_TYPE, subject, registration=registration, at=at, index=index)


def subject_of(
    receipt: Mapping[str, Any], receipt_digest: str, card_digest: str, *, publisher: str, at: datetime
) -> dict[str, Any]:
    """Return the credential's subject, every value from the receipt."""
    files = receipt["artefacts"]["files"]
    adapter = next((one for one in files if one["path"] == "adapter_model.safetensors"), files[0])
    base, run, hardware = receipt["base"], receipt["run"], receipt["hardware"]
    return {
        "id": run["id"],
        "type": "TrainedModel",
        "name": run["name"],
        "version": receipt["recipe"]["document"]["version"],
        "publisher": {"name": publisher},
        "issued": at.date().isoformat(),
        "weights": {
            "sha256": adapter["sha256"],
            "root": receipt["artefacts"]["root"],
            "fileName": adapter["path"],
            "byteSize": adapter["size"],
            "format": "safetensors",
        },
        "baseModel": {
            "name": base["name"],
            "license": _spdx(base["license"]),
            "digest": base["weightsDigest"],
            "trainingData": base["trainingData"],
        },
        "trainingData": [_used(dataset) for dataset in receipt["datasets"]],
        "gateDecision": _gate(receipt["gate"]),
        "receiptDigest": receipt_digest,
        "cardDigest": card_digest,
        "examplesRoot": receipt["training"]["examplesRoot"],
        "configDigest": receipt["recipe"]["digest"],
        "lockfileDigest": receipt["software"]["lockfileDigest"],
        "seed": receipt["training"]["seed"],
        "method": _TRAINING_CODE,
        "hardware": f"{hardware['processor']}, {hardware['threads']} threads, {hardware['system']}",
        "startedAt": run["started"],
        "endedAt": run["finished"],
        "durationSeconds": run["durationSeconds"],
        "evaluation": _evaluation(receipt["evaluation"]),
        **({"footprint": _footprint(receipt["energy"])} if "energy" in receipt else {}),
    }


def _footprint(energy: Mapping[str, Any]) -> dict[str, Any]:
    return {"energyKilowattHours": energy["kilowattHours"], "method": energy["method"], "basis": energy["basis"]}


def _used(dataset: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "credential": dataset["credential"],
        "credentialDigest": dataset["credentialDigest"],
        "root": dataset["root"],
        "rowsUsed": dataset["rowsUsed"],
        "rowsAvailable": dataset["rowsRead"],
    }


def _gate(gate: Mapping[str, Any]) -> dict[str, Any]:
    decision = {
        "decision": gate["decision"],
        "policyDigest": gate["policyDigest"],
        "time": gate["time"],
        "statusListDigests": list(gate["statusListDigests"]),
    }
    if gate["checkpointDigests"]:
        decision["checkpointDigests"] = list(gate["checkpointDigests"])
    return decision


def _evaluation(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    test = evaluation["test"]
    results: list[dict[str, Any]] = []
    if "model" not in test:  # a language model, beside its base model
        for metric in ("loss", "perplexity"):
            results.append({"metric": metric, "value": test[metric], "split": "test"})
            results.append({"metric": metric, "value": test["baseModel"][metric], "split": "test", "baseline": True})
        return results
    for metric, key in _METRICS:
        results.append({"metric": metric, "value": test["model"][key], "split": "test"})
        results.append({"metric": metric, "value": test["majority"][key], "split": "test", "baseline": True})
    return results


def _spdx(license_text: str) -> str:
    """Return the SPDX spelling of the licences that Hugging Face front matter writes in lower case; else `unknown`."""
    return {"apache-2.0": "Apache-2.0", "mit": "MIT", "cc-by-4.0": "CC-BY-4.0", "bsd-3-clause": "BSD-3-Clause"}.get(
        license_text, "unknown"
    )


def sign_credential(document: Mapping[str, Any], signer: Signer, *, at: datetime) -> bytes:
    """Return the signed credential's canonical bytes; it is parsed as strictly as a verifier would before it is signed.

    Raises:
        MalformedError: when the receipt led to a document that the closed parser refuses.
        DatasigilError: SIGNER, when the key is not the registered publisher's.
    """
    if document["issuer"] != signer.controller:
        raise DatasigilError(
            "SIGNER",
            "this key is not the one that is logged in to the registry",
            expected=str(document["issuer"]),
            found=signer.controller,
            next_action="use the key you logged in with, or `datasigil login` with this one",
        )
    signed = add_proof(document, signer, created=at)
    parse_credential(signed)
    return jcs(signed)


__all__ = [
    "CREDENTIAL",
    "Registration",
    "SignOff",
    "load_signer",
    "model_credential",
    "review_credential",
    "sign_credential",
    "subject_of",
]
