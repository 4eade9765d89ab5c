"""The five credential types of the dataset profile and the one strict parser that all faces use.

Lives here: `parse_credential` and what it returns. Not here: proofs (`proof`), trust, status and policy.
Spec: W3C Verifiable Credentials Data Model 2.0 (15 May 2025), closed to the profile of DESIGN.md section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from importlib import import_module

from datasigil.canonical import jcs, jcs_of_checked, sha256_hex
from datasigil.credentials.contexts import DATASIGIL_V1, PROFILE_CONTEXTS
from datasigil.credentials.envelope import SCHEMA_BASE, schema_name
from datasigil.credentials.fields import Table
from datasigil.credentials.pins import SCHEMA_DIGESTS
from datasigil.credentials.values import fault
from datasigil.encoding import Instant, JsonValue
from datasigil.errors import MalformedError
from datasigil.record import dataclass, replace

# Type: module that holds its table, imported when the first credential of that type is parsed.
_MODULES = {
    "DatasetCredential": "dataset",
    "DatasetLineageCredential": "lineage",
    "DatasetAuditCredential": "audit",
    "DatasetLicenseGrantCredential": "grant",
    "ModelTrainingCredential": "model",
}
CREDENTIAL_TYPES = tuple(_MODULES)
PROFILE_TYPES = frozenset({*CREDENTIAL_TYPES, "StatusChangeRequest"})

# Digests of schemas that earlier releases shipped under the same id; a credential that names one still parses by today's tables.
EARLIER_SCHEMA_DIGESTS: Mapping[str, frozenset[str]] = {}


@dataclass(frozen=True)
class StatusEntry:
    """One BitstringStatusListEntry of a signed credential."""

    purpose: str  # "revocation" | "suspension"
    index: int
    list_id: str  # id of the status list credential, a URL
    issuer: str  # DID that the credential's issuer consents to as signer of the list
    size: int = 1  # statusSize, bits per entry


@dataclass(frozen=True)
class Credential:
    """A credential that passed the closed parser; its proofs are *not* checked by that."""

    document: Mapping[str, JsonValue]  # the secured document as received; never changed
    id: str
    type: str  # one of CREDENTIAL_TYPES
    issuer: str  # DID
    issuer_name: str | None  # what the issuer calls itself; not verified
    valid_from: Instant
    valid_until: Instant | None
    log_origin: str
    log_url: str | None
    subject: Mapping[str, JsonValue]

    @cached_property
    def status(self) -> tuple[StatusEntry, ...]:
        """The entry for revocation, then the one for suspension."""
        return tuple(
            StatusEntry(
                entry["statusPurpose"],
                int(entry["statusListIndex"]),
                entry["statusListCredential"],
                entry["statusIssuer"],
                entry.get("statusSize", 1),
            )
            for entry in self.document["credentialStatus"]
        )

    @cached_property
    def unsecured_jcs(self) -> bytes:
        """JCS form of the document without its proofs: what a proof by a jcs suite covers.

        The closed table has let every other member through, so nothing is left to look at before they are written.
        """
        return jcs_of_checked({name: value for name, value in self.document.items() if name != "proof"})

    @cached_property
    def secured_jcs(self) -> bytes:
        """JCS form of the whole document."""
        unsecured = self.unsecured_jcs
        if "proof" not in self.document:
            return unsecured
        # Put where it sorts: there are always members before it, `id` among them, and after it, `type` among them.
        after = jcs_of_checked({name: value for name, value in self.document.items() if name > "proof"})[1:]
        before = unsecured[: -len(after)]
        return before + b'"proof":' + jcs(self.document["proof"]) + b"," + after

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the JCS form of the secured document, lower-case hexadecimal."""
        return sha256_hex(self.secured_jcs)

    def secured(self, document: Mapping[str, JsonValue]) -> Credential:
        """Return this credential with the proofs of `document`, which `add_proof` made of it: all else is as it was parsed."""
        other = replace(self, document=document)
        other.__dict__["unsecured_jcs"] = self.unsecured_jcs
        return other


def credential_schema(type_name: str) -> dict[str, JsonValue]:
    """Return the `credentialSchema` member that a new credential of this type must carry."""
    return {"id": SCHEMA_BASE + schema_name(type_name), "type": "JsonSchema", "digestSRI": SCHEMA_DIGESTS[type_name]}


@cache
def credential_type_table(type_name: str) -> Table:
    """Return the field table of one of CREDENTIAL_TYPES."""
    table: Table = import_module(f"datasigil.credentials.{_MODULES[type_name]}").CREDENTIAL
    return table


def is_profile(document: JsonValue) -> bool:
    """Say whether any datasigil type or context stands at the top of `document`, so that the full profile applies to it."""
    if not isinstance(document, Mapping):
        return False
    types, contexts = _listed(document.get("type")), _listed(document.get("@context"))
    return any(isinstance(name, str) and name in PROFILE_TYPES for name in types) or DATASIGIL_V1 in contexts


def parse_credential(document: JsonValue) -> Credential:
    """Check a parsed JSON document against the closed table of its type and return it.

    Raises:
        MalformedError: TYPE, NOT_DATASET_PROFILE, CONTEXT, SCHEMA, UNKNOWN_PROPERTY, KEYWORD, NUMBER, NULL or STATUS_INDEX, with
            the JSON pointer of the place (VC Data Model 2.0 section 4, DESIGN.md section 4).

    Not checked: proofs, whether the period includes now, status, log, trust, and what the subject says about files.
    """
    if not isinstance(document, dict):
        raise fault("SCHEMA", "a credential must be an object", None, "an object", document)
    type_name = _type_of(document)
    if document.get("@context") != PROFILE_CONTEXTS:
        raise fault(
            "CONTEXT",
            "a dataset credential has exactly these contexts",
            (None, "@context"),
            " then ".join(PROFILE_CONTEXTS),
            document.get("@context"),
        )
    credential_type_table(type_name).require(document)
    _check_schema_digest(type_name, document["credentialSchema"]["digestSRI"])
    return _credential(document, type_name)


def _type_of(document: Mapping[str, JsonValue]) -> str:
    types = document.get("type")
    if (
        isinstance(types, list)
        and len(types) == 2
        and types[0] == "VerifiableCredential"
        and types[1] in CREDENTIAL_TYPES
    ):
        return str(types[1])
    if not isinstance(types, list) or "VerifiableCredential" not in types:
        raise fault(
            "TYPE",
            "not a verifiable credential",
            (None, "type"),
            "VerifiableCredential and one of " + ", ".join(CREDENTIAL_TYPES),
            types,
        )
    if not is_profile(document):
        raise MalformedError(
            "NOT_DATASET_PROFILE", "this credential says nothing about datasets", place="/type", expected=" or ".join(CREDENTIAL_TYPES),
            found=", ".join(str(name)[:60] for name in types[:5]),
        )  # fmt: skip
    raise fault(
        "TYPE",
        "exactly two types are required",
        (None, "type"),
        "VerifiableCredential and one of " + ", ".join(CREDENTIAL_TYPES),
        str(types)[:200],
    )


def _check_schema_digest(type_name: str, digest: str) -> None:
    if digest != SCHEMA_DIGESTS[type_name] and digest not in EARLIER_SCHEMA_DIGESTS.get(type_name, ()):
        raise MalformedError(
            "SCHEMA", "the credential names a schema that this version does not know", place="/credentialSchema/digestSRI",
            expected=SCHEMA_DIGESTS[type_name], found=digest, next_action="update datasigil, or ask the issuer to issue again",
        )  # fmt: skip


def _credential(document: Mapping[str, JsonValue], type_name: str) -> Credential:
    issuer, log = document["issuer"], document["transparencyLog"]
    valid_from = Instant.parse(document["validFrom"])
    valid_until = Instant.parse(document["validUntil"]) if "validUntil" in document else None
    if valid_until is not None and valid_until <= valid_from:
        raise fault(
            "SCHEMA",
            "the validity period ends before it starts",
            (None, "validUntil"),
            f"after {valid_from}",
            str(valid_until),
        )
    return Credential(
        document=document,
        id=document["id"],
        type=type_name,
        issuer=issuer if isinstance(issuer, str) else issuer["id"],
        issuer_name=None if isinstance(issuer, str) else issuer.get("name"),
        valid_from=valid_from,
        valid_until=valid_until,
        log_origin=log["origin"],
        log_url=log.get("url"),
        subject=document["credentialSubject"],
    )


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [value]
