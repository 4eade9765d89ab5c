"""Who a bundle says that it is by, held against what it can show: the part of `trust add` before a person decides.

Here: the keys that signed, what the issuer's own domain says of them, the log and its signed time, who else vouches. Not here: asking
and writing (`trusting`). Everything in here is judged under the keys that the bundle itself presents: it shows that the evidence hangs
together, and never that the issuer is who it says it is.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from datasigil.credentials.did import DidDocument, parse_did_document, parse_did_web, resolve_did_key
from datasigil.credentials.types import Credential, parse_credential
from datasigil.encoding import parse_json
from datasigil.errors import DatasigilError, LogError, UntrustedError, VerificationError
from datasigil.record import dataclass
from datasigil.report import FAILED, PASSED, UNDETERMINED
from datasigil.transparency.note import COSIGNATURE_V1, ED25519, VerifierKey, parse_vkey
from datasigil.trust.rules import IssuerRule, KeyPin, LicenseRules, LogRule, Requirements, TrustPolicy
from datasigil.verification import verify

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from datasigil.bundle import Bundle
    from datasigil.encoding import JsonObject
    from datasigil.fetch import Fetcher
    from datasigil.report import Report

DID_DOCUMENT_MAX_BYTES: Final = 64 * 1024
NAME_MAX_CHARACTERS: Final = 100
# What a publisher states about how its own dataset was made comes as a credential of its own.
_TOGETHER: Final = {"DatasetCredential": ("DatasetCredential", "DatasetLineageCredential")}
_NOT_SERVED: Final = (
    "If this is a site of yours that is not uploaded yet, upload it first. --offline asks no domain and takes the key from the bundle: "
    "then nothing but the fingerprint vouches for it"
)
_CONFIRMED, _NO_DOMAIN = "confirmed", "none"


@dataclass(frozen=True, slots=True)
class Issuer:
    """One signer in a bundle: the rule that would make its word count, and what its domain says about its keys."""

    rule: IssuerRule
    claimed_name: str
    domain: str  # host of a did:web; empty for a did:key
    domain_says: str  # "confirmed", "not asked", or "none"
    signs: bool = True  # false for one that only signs status lists

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """What people compare over another channel, one for each key."""
        if self.rule.keys:
            return tuple(fingerprint(pin.key.multibase) for pin in self.rule.keys)
        return tuple(fingerprint(method.key.multibase) for method in resolve_did_key(self.rule.did).methods.values())


@dataclass(frozen=True, slots=True)
class Introduction:
    """Everything that is shown before trust is given: issuers, logs, when the log held it, who else cosigned."""

    issuers: tuple[Issuer, ...]
    logs: tuple[LogRule, ...]
    report: Report  # under the presented keys
    witnesses: tuple[VerifierKey, ...]  # presented with the bundle, beside the log's own two keys


def fingerprint(multibase: str) -> str:
    """Return SHA-256 of a key's multibase text in groups of four digits, as `datasigil key show` prints it."""
    digits = hashlib.sha256(multibase.encode("ascii")).hexdigest()
    return " ".join(digits[start : start + 4] for start in range(0, 64, 4))


def introduce(
    bundle: Bundle,
    *,
    at: datetime,
    fetcher: Fetcher | None,
    name: str = "",
    roles: tuple[str, ...] = (),
    everyone: bool = False,
) -> Introduction:
    """Return who signed a bundle and where it was logged; `everyone` takes in the issuers of its parents.

    `fetcher` asks the domain of a did:web; None asks nobody.

    Raises:
        VerificationError, MalformedError: when signature or log proof do not hold under the keys presented with them.
    """
    parts = tuple(bundle.walk()) if everyone else (bundle,)
    credentials = tuple(parse_credential(one.credential) for one in parts)
    every = tuple(parse_credential(one.credential) for one in bundle.walk())
    presented = [key for one in bundle.walk() for key in one.issuer_keys]
    issuers: dict[str, Issuer] = {}
    for credential in credentials:
        if credential.issuer not in issuers:
            called = name if credential.issuer == credentials[0].issuer else ""
            issuers[credential.issuer] = _issuer(credential.issuer, every, presented, fetcher, called, roles)
    for credential in credentials:
        for entry in credential.status:
            if entry.issuer.startswith("did:web:") and entry.issuer not in issuers:
                issuers[entry.issuer] = _list_signer(entry.issuer, presented, fetcher)
    logs: dict[str, LogRule] = {}
    for one, credential in zip(parts, credentials, strict=True):
        if one.log is not None and credential.log_origin not in logs:
            logs[credential.log_origin] = _log(credential, one.log.keys)
    found = tuple(issuers.values())
    report = _hold(bundle, found, tuple(logs.values()), at)
    own = {str(key) for rule in logs.values() for key in (rule.key, rule.time_key)}
    beside = [parse_vkey(text) for text in (bundle.log.keys if bundle.log is not None else ()) if text not in own]
    return Introduction(
        found, tuple(logs.values()), report, tuple(key for key in beside if key.algorithm == COSIGNATURE_V1)
    )


def _issuer(
    did: str,
    credentials: tuple[Credential, ...],
    presented: list[JsonObject],
    fetcher: Fetcher | None,
    name: str,
    roles: tuple[str, ...],
) -> Issuer:
    own = [one for one in credentials if one.issuer == did]
    types = {kind for one in own for kind in _TOGETHER.get(one.type, (one.type,))}
    stated = {str(one.subject["role"]) for one in own if one.type == "DatasetCredential"}
    claimed = next((claim for one in own if (claim := _claimed_name(one))), "")
    wanted = {str(method) for one in own for method in _methods(one.document)}
    pins, says = _pins(did, wanted, presented, fetcher)
    rule = IssuerRule(
        did, name or claimed or f"…{did[-12:]}", tuple(sorted(types)), tuple(sorted(stated | set(roles))), pins
    )
    return Issuer(rule, claimed, _domain(did), says)


def _list_signer(did: str, presented: list[JsonObject], fetcher: Fetcher | None) -> Issuer:
    """Return the signer of status lists, whose word counts for nothing else."""
    pins, says = _pins(did, set(), presented, fetcher)
    return Issuer(IssuerRule(did, f"status lists of {_domain(did)}", (), (), pins), "", _domain(did), says, signs=False)


def _claimed_name(credential: Credential) -> str:
    publisher = credential.subject.get("publisher")
    stated = credential.issuer_name or (publisher.get("name") if isinstance(publisher, dict) else "")
    text = "".join(one for one in str(stated or "") if one.isprintable()).strip()[:NAME_MAX_CHARACTERS]
    return "" if text in ("unknown", credential.issuer) else text


def _methods(document: object) -> Iterable[object]:
    proofs = document.get("proof") if isinstance(document, dict) else None
    for proof in proofs if isinstance(proofs, list) else [proofs]:
        if isinstance(proof, dict):
            yield proof.get("verificationMethod")


def _domain(did: str) -> str:
    return parse_did_web(did, allow_loopback=True).split("/")[2] if did.startswith("did:web:") else ""


def _pins(
    did: str, wanted: set[str], presented: list[JsonObject], fetcher: Fetcher | None
) -> tuple[tuple[KeyPin, ...], str]:
    """Return the keys to pin, and what the issuer's domain says of them; a did:key is its own pin."""
    if did.startswith("did:key:"):
        resolve_did_key(did)
        return (), _NO_DOMAIN
    document = None if fetcher is None else _document_at_domain(did, fetcher)
    says = "not asked" if document is None else _CONFIRMED
    document = document or _presented(did, presented)
    usable = [] if document is None else [document.methods[name] for name in sorted(document.methods)]
    pins = tuple(KeyPin(method.key, method.id) for method in usable if not wanted or method.id in wanted)
    if not pins:
        raise UntrustedError(
            "KEY_HISTORY",
            "nobody shows the key that signed this",
            place=did,
            expected=", ".join(sorted(wanted)) or "a key of this DID",
            found="other keys" if usable else "none",
            next_action="ask the issuer for its did.json, or run without --offline so that its domain is asked",
        )
    return pins, says


def _document_at_domain(did: str, fetcher: Fetcher) -> DidDocument:
    url = parse_did_web(did, allow_loopback=fetcher.dev)
    try:
        answer = fetcher.get(url, max_bytes=DID_DOCUMENT_MAX_BYTES)
    except DatasigilError as error:
        error.next_action = f"try again when the issuer's domain answers. {_NOT_SERVED}"
        raise
    if answer.status != 200:
        raise UntrustedError(
            "DOMAIN", "the issuer's domain does not serve its keys", place=url, expected="HTTP 200", found=f"HTTP {answer.status}",
            next_action=f"ask the issuer. {_NOT_SERVED}",
        )  # fmt: skip
    return parse_did_document(parse_json(answer.body, max_bytes=DID_DOCUMENT_MAX_BYTES), expect_id=did)


def _presented(did: str, presented: list[JsonObject]) -> DidDocument | None:
    for entry in presented:
        if entry.get("id") == did and "verificationMethod" in entry:
            return parse_did_document(entry, expect_id=did)
    methods = [entry for entry in presented if entry.get("controller") == did]
    return parse_did_document({"id": did, "verificationMethod": list(methods)}) if methods else None


def _log(credential: Credential, texts: Iterable[str]) -> LogRule:
    keys = [parse_vkey(text) for text in texts]
    key = next((one for one in keys if one.algorithm == ED25519 and one.name == credential.log_origin), None)
    time = next(
        (one for one in keys if one.algorithm == COSIGNATURE_V1 and one.name.startswith(f"{credential.log_origin}/")),
        None,
    )
    if key is None or time is None:
        raise LogError(
            "LOG_KEYS", "the bundle does not name the keys of its log", place="/log/keys", expected=f"a key of {credential.log_origin} and its time key",
            found=", ".join(one.name for one in keys)[:200] or "none", next_action="fetch the bundle from the registry again",
        )  # fmt: skip
    return LogRule(credential.log_origin, key, time, credential.log_url or "")


def _hold(bundle: Bundle, issuers: tuple[Issuer, ...], logs: tuple[LogRule, ...], at: datetime) -> Report:
    """Return the report under the presented keys, unless signature or log proof fail even there.

    Raises:
        VerificationError: with the code of the first check that failed.
    """
    asked = Requirements(licenses=LicenseRules(unknown="warn"))
    policy = TrustPolicy(
        issuers=tuple(one.rule for one in issuers), logs=logs, requirements=asked, source="the bundle's own keys"
    )
    report = verify(bundle, policy=policy, at=at, offline=True).report
    bad = (FAILED, UNDETERMINED)
    for check in report.checks:
        must = check.step <= 5 or (check.step == 7 and logs and check.name != "log freshness")
        if must and check.outcome in bad:
            raise VerificationError(
                check.code, f"this bundle does not hold together: {check.message}", place=check.place, expected=check.expected, found=check.found,
                next_action="get the bundle again from its publisher; nothing was added",
            )  # fmt: skip
    if not any(check.step == 5 and check.outcome == PASSED for check in report.checks):
        raise DatasigilError("NOT_CHECKED", "the signature was not checked", next_action="report this as a fault")
    return report
