"""The one module of the worker that reaches a private key: it signs the run's own ModelTrainingCredential.

Here: the credential's document, built from the receipt, and its signature. Not here: receipts and cards, registering (the
command line does that), any other use of keys. Profile: DESIGN.md section 4; type: vocabulary.md, table 5.
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
    index = secrets.randbelow(STATUS_LIST_MIN_BITS) if index is None else index
    return {
        "@context": list(PROFILE_CONTEXTS),
        "id": f"urn:uuid:{uuid.uuid4()}",
        "type": ["VerifiableCredential", TYPE],
        "issuer": registration.did,
        "validFrom": str(Instant.from_datetime(at.replace(microsecond=0))),
        "credentialSchema": credential_schema(TYPE),
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
        "credentialSubject": subject_of(receipt, receipt_digest, card_digest, publisher=publisher, at=at),
    }


def subject_of(
    receipt: Mapping[str, Any], receipt_digest: str, card_digest: str, *, publisher: str, at: datetime
) -> dict[str, Any]:
    """Return the credential's subject, every value from the receipt."""
    adapter = next(file for file in receipt["artefacts"]["files"] if file["path"] == "adapter_model.safetensors")
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
    }


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
    for metric, key in _METRICS:
        results.append({"metric": metric, "value": test["model"][key], "split": "test"})
        results.append({"metric": metric, "value": test["majority"][key], "split": "test", "baseline": True})
    return results


def _spdx(license_text: str) -> str:
    """Return the SPDX spelling of the licences that Hugging Face front matter writes in lower case; else `unknown`."""
    return {"apache-2.0": "Apache-2.0", "mit": "MIT", "cc-by-4.0": "CC-BY-4.0", "bsd-3-clause": "BSD-3-Clause"}.get(
        license_text, "unknown"
    )


def sign_model_credential(document: Mapping[str, Any], signer: Signer, *, at: datetime) -> bytes:
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


__all__ = ["CREDENTIAL", "Registration", "load_signer", "model_credential", "sign_model_credential", "subject_of"]
