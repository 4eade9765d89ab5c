"""`datasigil attest` and `grant`: what a third party says about a dataset, and a licence to one grantee, each a credential of its own.

Here: their subjects, from flags. Not here: what an auditor or a steward looked at, whose word counts (`datasigil.trust`), the registry
(`publishing`). Shapes: UN/CEFACT UNTP conformity credential and ODRL 2.2 Agreement, as `datasigil.credentials` closes them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from datasigil.bundle import read_file
from datasigil.canonical import jcs, sha256_hex
from datasigil.credentials.types import parse_credential
from datasigil.encoding import JsonObject
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import MIB
from datasigil.transparency.durable import write_durably
from publisher_cli import envelope
from publisher_cli.logins import Login, registry_client
from publisher_cli.status import credential_of

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from datasigil.client import RegistryClient
    from datasigil.credentials.types import Credential
    from datasigil.report.terminal import Console

    Subject = Callable[[Credential, str], dict[str, Any]]

EVIDENCE_MAX_BYTES = 64 * MIB
NOBODY = "no-endorsement"  # UNTP: nobody else vouches for the assessor


def attest(given: Namespace, console: Console) -> int:
    """Sign an audit, an approval or a review of a dataset."""
    _check_flags(given)
    evidence = [_evidence(Path(name)) for name in given.evidence]

    def subject(credential: Credential, did: str) -> dict[str, Any]:
        level = given.level or ("self" if credential.issuer == did else "unspecified")
        stated: dict[str, Any] = {
            "id": f"urn:uuid:{uuid4()}",
            "type": "DatasetAudit",
            "attestationType": given.type,
            "assessorLevel": level,
            "assessmentLevel": NOBODY,
            "assessor": {"id": did, "name": given.assessor},
            "target": _target(credential),
        }
        stated |= {"assessment": [_assessment(given)]} if given.standard else {}
        stated |= {"auditableEvidence": evidence} if evidence else {}
        stated |= {"approvedUse": sorted(set(given.use))} if given.type == "approval" else {}
        stated |= {"verdict": given.verdict or "accepted"} if given.type != "audit" else {}
        stated |= {"qualification": given.qualification} if given.qualification else {}
        return stated | ({"conditions": given.conditions} if given.conditions else {})

    return _issue("DatasetAuditCredential", given.type, subject, given, console)


def grant(given: Namespace, console: Console) -> int:
    """Sign a licence to one grantee, under terms that are named by their digest."""
    terms = _digest(Path(given.terms), "the terms")

    def subject(credential: Credential, did: str) -> dict[str, Any]:
        if did != credential.issuer:
            console.say(
                "you did not issue this dataset's credential: the grant counts only if it names you as publisher or creator"
            )
        stated: dict[str, Any] = {
            "id": f"urn:uuid:{uuid4()}",
            "type": "Agreement",
            "assigner": did,
            "assignee": given.to,
            "target": _target(credential),
            "permission": [{"action": action} for action in dict.fromkeys(given.permit or ["ai-training"])],
            "termsDigest": terms,
        }
        stated |= (
            {"prohibition": [{"action": action} for action in dict.fromkeys(given.forbid)]} if given.forbid else {}
        )
        stated |= {"jurisdiction": sorted(set(given.jurisdiction))} if given.jurisdiction else {}
        stated |= {"termsUrl": given.terms_url} if given.terms_url else {}
        return stated | ({"reference": given.reference} if given.reference else {})

    return _issue("DatasetLicenseGrantCredential", "grant", subject, given, console)


def _issue(type_name: str, word: str, subject: Subject, given: Namespace, console: Console) -> int:
    now = datetime.now(UTC)
    output = envelope.output_path(given.output, f"{word}.credential.json")
    signer, login = envelope.signing_place(given)
    credential = credential_of(given.what, _registry_of(login, given))
    if credential.type != "DatasetCredential":
        raise DatasigilError(
            "USAGE", f"this {word} would not be about a dataset", place=credential.id, expected="DatasetCredential", found=credential.type
        )  # fmt: skip
    stated = subject(credential, signer.controller)

    def document(index: int) -> JsonObject:
        return envelope.unsigned(
            type_name, stated, issuer=signer.controller, login=login, now=now, days=given.valid_days, index=index
        )

    try:
        parse_credential(document(0))  # before an index is spent on what does not fit
    except MalformedError as error:
        error.next_action = error.next_action or "correct the option that this member comes from; --help names them"
        raise
    made = envelope.sign(document(envelope.draw_index(login)), signer, now)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_durably(output, jcs(made.document))
    shown = {
        "type": "IssuedCredential", "formatVersion": 1, "id": made.id, "digest": made.digest, "issuer": made.issuer, "path": str(output),
        "credentialType": type_name, "target": credential.id,
    }  # fmt: skip
    console.result(shown, f"id:     {made.id}\nabout:  {credential.id}\nwrote:  {output}\n")
    console.say(f"signed on this machine; nothing has left it. Next: {envelope.next_step(given, output)}")
    return 0


def _registry_of(login: envelope.Services, given: Namespace) -> RegistryClient | None:
    """Return the client of the registry that is asked for an id; a static site has none, and then a file must be named."""
    return registry_client(login.url, dev=given.dev) if isinstance(login, Login) else None


def _check_flags(given: Namespace) -> None:
    """An audit names what it measured against and its evidence; an approval its use and its end; a review its reviewer and verdict.

    Raises:
        DatasigilError: USAGE, naming every option that is missing.
    """
    asked = {
        "audit": {"--standard": given.standard, "--criterion": given.criterion, "--method": given.method, "--result": given.result, "--evidence": given.evidence},
        "approval": {"--use": given.use, "--valid-days": given.valid_days},
        "review": {"--qualification": given.qualification, "--verdict": given.verdict},
    }[given.type]  # fmt: skip
    if given.type != "audit" and given.standard:
        asked |= {"--criterion": given.criterion, "--method": given.method, "--result": given.result}
    missing = [option for option, value in asked.items() if not value]
    if missing:
        raise DatasigilError(
            "USAGE", f"this is too little for an attestation of the type {given.type}", expected=", ".join(asked), found=f"no {', '.join(missing)}",
            next_action=f"add {' '.join(missing)}; `datasigil attest --help` shows an example",
        )  # fmt: skip


def _assessment(given: Namespace) -> dict[str, Any]:
    stated: dict[str, Any] = {
        "standard": given.standard,
        "criterion": given.criterion,
        "method": given.method,
        "conformance": given.result == "met",
    }
    stated |= {} if given.sample_size is None else {"sampleSize": given.sample_size}
    stated |= {"declaredValue": given.found} if given.found else {}
    return stated | ({"exclusions": given.exclusions} if given.exclusions else {})


def _target(credential: Credential) -> dict[str, str]:
    root = credential.subject["manifest"]["root"]
    return {"credential": credential.id, "credentialDigest": credential.digest, "root": root}


def _evidence(path: Path) -> dict[str, str]:
    return {"name": path.name, "digest": _digest(path, "the evidence")}


def _digest(path: Path, what: str) -> str:
    """Return the SHA-256 of a file that is not empty.

    Raises:
        DatasigilError: UNREADABLE; MalformedError LIMIT.
    """
    try:
        data = read_file(path, EVIDENCE_MAX_BYTES)
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE", f"{what} cannot be read: {error.strerror}", place=str(path), expected="a file", next_action="check the path"
        ) from None  # fmt: skip
    if not data:
        raise DatasigilError(
            "UNREADABLE",
            f"{what} is an empty file",
            place=str(path),
            expected="a file with something in it",
            found="0 bytes",
            next_action="name another file",
        )
    return sha256_hex(data)
