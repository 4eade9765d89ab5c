"""The trust file as values: issuers and their keys, logs, witnesses, freshness, requirements.

Lives here: `TrustPolicy`, its parts and its digest. Not here: reading TOML (`policy_parser`), writing it (`policy_text`), applying it
(`verification`). Format: `datasigil.toml`, formatVersion 1, DESIGN.md section 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Final

from datasigil.canonical import document_digest
from datasigil.credentials.keys import PublicKey
from datasigil.encoding import Instant
from datasigil.limits import FRESHNESS_OFFLINE_SECONDS, FRESHNESS_ONLINE_SECONDS
from datasigil.record import dataclass, field
from datasigil.transparency.checkpoint import VerifiedCheckpoint, Witness
from datasigil.transparency.log_keys import EarlierKey, open_by_any
from datasigil.transparency.note import VerifierKey

DATASET_ROLES: Final = ("publisher", "observer")
"""The roles that a DatasetCredential can be issued in; other role names matter to approvals only."""


@dataclass(frozen=True, slots=True)
class Compromise:
    """A point of a log: from which entry on a key's signatures are worthless; those below it stand."""

    origin: str
    index: int


@dataclass(frozen=True, slots=True)
class KeyPin:
    """One pinned key of an issuer, with the window in which what it signed must have been logged."""

    key: PublicKey
    id: str = ""  # verification method id; empty: any method of the issuer that has this key
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    compromised: Compromise | None = None
    since: Compromise | None = None  # the log entry of the rotation that led here; never from the trust file

    def content(self) -> dict[str, Any]:
        """Return the canonical content as JSON."""
        members: dict[str, Any] = {"multibase": self.key.multibase}
        if self.id:
            members["id"] = self.id
        if self.valid_from is not None:
            members["from"] = str(self.valid_from)
        if self.valid_until is not None:
            members["until"] = str(self.valid_until)
        if self.compromised is not None:
            members["compromised"] = {"origin": self.compromised.origin, "index": self.compromised.index}
        return members


@dataclass(frozen=True, slots=True)
class IssuerRule:
    """An issuer, the types and roles that its word counts for, and its keys; a did:key is its own pin."""

    did: str
    name: str
    types: tuple[str, ...]
    roles: tuple[str, ...]
    keys: tuple[KeyPin, ...] = ()
    recovery: tuple[PublicKey, ...] = ()
    delegated_by: str = ""  # DID of a directly trusted issuer; delegation is one level deep

    def content(self) -> dict[str, Any]:
        """Return the canonical content as JSON."""
        members: dict[str, Any] = {
            "did": self.did,
            "name": self.name,
            "types": sorted(self.types),
            "roles": sorted(self.roles),
            "keys": sorted((pin.content() for pin in self.keys), key=_order),
            "recovery": sorted(key.multibase for key in self.recovery),
        }
        if self.delegated_by:
            members["delegatedBy"] = self.delegated_by
        return members


@dataclass(frozen=True, slots=True)
class LogRule:
    """A log: the key that signs its checkpoints, the key that says when, and what stands of those before them."""

    origin: str
    key: VerifierKey
    time_key: VerifierKey
    url: str = ""
    earlier: tuple[EarlierKey, ...] = ()

    def open(self, note: bytes, witnesses: Iterable[VerifierKey] = ()) -> VerifiedCheckpoint:
        """Verify a checkpoint of this log under its keys.  Raises: as `open_by_any`."""
        return open_by_any(note, self.key, self.time_key, self.earlier, witnesses)

    def content(self) -> dict[str, Any]:
        """Return the canonical content as JSON."""
        members = {"origin": self.origin, "key": str(self.key), "timeKey": str(self.time_key), "url": self.url}
        return {**members, "earlier": sorted(map(_earlier, self.earlier), key=_order)} if self.earlier else members


@dataclass(frozen=True, slots=True)
class LicenseRules:
    """Which licences will do: SPDX ids, or `LicenseRef-NAME@sha256:HEX` with the digest of its text."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    unknown: str = "refuse"  # "refuse" | "warn"
    evidence: str = ""  # what a licence must rest on: "" | "warn" (told where it is only asserted) | "text"

    def content(self) -> dict[str, Any]:
        """Return the canonical content as JSON."""
        members = {"allow": sorted(self.allow), "deny": sorted(self.deny), "unknown": self.unknown}
        return members | ({"evidence": self.evidence} if self.evidence else {})


@dataclass(frozen=True, slots=True)
class QualityRule:
    """A bound on one measured quality, in decimal text; empty bounds do not apply."""

    metric: str
    minimum: str = ""
    maximum: str = ""
    assurance: tuple[str, ...] = ()  # accepted assurances; empty: any

    def content(self) -> dict[str, Any]:
        """Return the canonical content as JSON."""
        return {
            "metric": self.metric,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "assurance": sorted(self.assurance),
        }


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a credential must say, beyond being authentic, for its dataset to be usable."""

    use: str = ""
    commercial: bool = False
    share: str = ""  # what is passed on: "" and "nothing" | "model" | "data"
    result_license: str = ""  # under which licence; empty: any that the sources accept
    licenses: LicenseRules = LicenseRules()
    roles: tuple[str, ...] = ()
    profile: str = ""  # "" | "minimal" | "full"
    sector: str = ""  # "" | "law" | "finance" | "health"
    max_age_days: int | None = None
    proven_before: Instant | None = None
    regulations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    personal_data: tuple[str, ...] = ()
    quality: tuple[QualityRule, ...] = ()
    geography: str = ""
    digest: str = ""  # "" | "sha256" | "blake3"
    lineage: str = ""  # "" | "declared" | "computed"
    approved_until: Instant | None = None  # approvals must be in force at least until then
    granted: bool = False  # a licence grant to `self` is required, whatever the public licence says

    def content(self) -> dict[str, Any]:
        """Return the canonical content as JSON."""
        members: dict[str, Any] = {
            "use": self.use,
            "commercial": self.commercial,
            "licenses": self.licenses.content(),
            "roles": sorted(self.roles),
            "profile": self.profile,
            "sector": self.sector,
            "regulations": {name: sorted(values) for name, values in self.regulations.items()},
            "personalData": sorted(self.personal_data),
            "quality": sorted((rule.content() for rule in self.quality), key=_order),
            "geography": self.geography,
            "digest": self.digest,
            "lineage": self.lineage,
        }
        shared = {"share": self.share, "resultLicense": self.result_license}
        members |= {name: value for name, value in shared.items() if value}
        if self.max_age_days is not None:
            members["maxAgeDays"] = self.max_age_days
        if self.proven_before is not None:
            members["provenBefore"] = str(self.proven_before)
        if self.approved_until is not None:
            members["approvedUntil"] = str(self.approved_until)
        if self.granted:
            members["granted"] = True
        return members


@dataclass(frozen=True, slots=True)
class SelfProof:
    """A signature by which `self` says that a trust file is its own; `policy_digest` is the digest of that file's content (`trust.owner`)."""

    method: str
    created: Instant
    value: str
    policy_digest: str


@dataclass(frozen=True)
class TrustPolicy:
    """A parsed trust file; `source` says where it was read and is no part of its content, nor is the proof of `self_did`."""

    issuers: tuple[IssuerRule, ...] = ()
    logs: tuple[LogRule, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    quorum: int = 0
    self_did: str = ""
    self_proof: SelfProof | None = None
    online_seconds: int = FRESHNESS_ONLINE_SECONDS
    offline_seconds: int = FRESHNESS_OFFLINE_SECONDS
    mirrors: tuple[str, ...] = ()
    approvals: str = ""
    requirements: Requirements = Requirements()
    source: str = ""

    @cached_property
    def _by_did(self) -> dict[str, IssuerRule]:
        return {rule.did: rule for rule in self.issuers}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the canonical content, lower-case hexadecimal; comments, order, `source` and `self_proof` do not count."""
        return document_digest(self.content())

    def issuer(self, did: str) -> IssuerRule | None:
        """Return the rule for an issuer, or None when the trust file does not name it."""
        return self._by_did.get(did)

    def log(self, origin: str) -> LogRule | None:
        """Return the rule for a log, or None when the trust file does not name it."""
        return next((rule for rule in self.logs if rule.origin == origin), None)

    def max_age_seconds(self, *, offline: bool) -> int:
        """Return how old status lists and checkpoints may be, in seconds."""
        return self.offline_seconds if offline else self.online_seconds

    def content(self) -> dict[str, Any]:
        """Return the canonical content as JSON, defaults written out."""
        return {
            "type": "TrustPolicy",
            "formatVersion": 1,
            "self": self.self_did,
            "issuers": sorted((rule.content() for rule in self.issuers), key=_order),
            "logs": sorted((rule.content() for rule in self.logs), key=_order),
            "witnesses": sorted(
                ({"principal": one.principal, "key": str(one.key)} for one in self.witnesses), key=_order
            ),
            "quorum": self.quorum,
            "freshness": {"onlineSeconds": self.online_seconds, "offlineSeconds": self.offline_seconds},
            "mirrors": sorted(self.mirrors),
            "approvals": self.approvals,
            "requirements": self.requirements.content(),
        }


def default_policy() -> TrustPolicy:
    """Return the policy that holds when there is no trust file: it trusts nobody and asks no witnesses."""
    return TrustPolicy(source="default")


def _earlier(one: EarlierKey) -> dict[str, Any]:
    members = {"key": str(one.key), "size": one.size}
    return members if one.until is None else {**members, "until": str(one.until)}


def _order(members: Mapping[str, Any]) -> str:
    return repr(sorted(members.items()))
