"""The strict, closed parser of `datasigil.toml`.

Lives here: TOML to `TrustPolicy`; an unknown key is refused with the nearest known one, because a misspelled limit would otherwise be no
limit. Not here: the values (`rules`), writing (`policy_text`). Format: formatVersion 1, TOML v1.0.0.

Past 400 lines: tables and the readers of their values stand together, so that a reader sees every bound of the file on one page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from datasigil.credentials.did import check_did, split_did_url
from datasigil.credentials.keys import PublicKey
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import FRESHNESS_OFFLINE_SECONDS, FRESHNESS_ONLINE_SECONDS, POLICY_MAX_BYTES
from datasigil.record import replace
from datasigil.transparency.checkpoint import TREE_SIZE_MAX, Witness
from datasigil.transparency.log_keys import EarlierKey
from datasigil.transparency.note import COSIGNATURE_V1, ED25519, VerifierKey, parse_vkey
from datasigil.trust.approvals import parse_approvals
from datasigil.trust.rules import (
    DATASET_ROLES,
    Compromise,
    IssuerRule,
    KeyPin,
    LicenseRules,
    LogRule,
    QualityRule,
    Requirements,
    SelfProof,
    TrustPolicy,
)

CREDENTIAL_TYPES: Final = (
    "DatasetCredential",
    "DatasetLineageCredential",
    "DatasetAuditCredential",
    "DatasetLicenseGrantCredential",
    "ModelTrainingCredential",
)
SHARES: Final = ("nothing", "model", "data")
_WORDS: Final = {
    str: "text", bool: "true or false", int: "a whole number", float: "a number with a fraction", list: "an array", dict: "a table",
}  # fmt: skip
USES: Final = ("ai-training", "pre-training", "fine-tuning", "gen-ai", "ai-augment", "evaluation", "research")
SECTORS: Final = ("law", "finance", "health")
REGULATIONS: Final = ("phi", "pci", "pfi", "pi", "spi", "sci", "other")
REGULATION_RESULTS: Final = ("absent", "deidentified", "present")
TABLES_MAX: Final = 1000

# Compiled when a value is first seen: few files have them all.
_METHOD = r"did:[!-~]{1,2000}#[!-~]{1,200}\Z"
_MULTIBASE = r"z[1-9A-Za-z]{1,200}\Z"
_ROLE = r"[a-z][a-z0-9-]{0,63}\Z"
_DECIMAL = r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?\Z"
_REGION = r"[A-Z]{2}\Z"
_METRIC = r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,99}\Z"
_URL = r"https?://[A-Za-z0-9.:\[\]-]+(?:/[!-~]*)?\Z"
_LICENSE = r"(?:LicenseRef-[A-Za-z0-9.-]{1,80}@sha256:[0-9a-f]{64}|[A-Za-z0-9][A-Za-z0-9.+-]{0,80}(?: WITH [A-Za-z0-9.-]{1,80})?)\Z"
_RESULT = r"[A-Za-z0-9][A-Za-z0-9.+-]{0,80}\Z"

T = TypeVar("T")


def parse_policy(data: bytes, *, source: str = "") -> TrustPolicy:
    """Parse a trust file of at most 1 MiB; every key must be known and every limit within its bounds.

    Raises:
        MalformedError: POLICY_FILE with the key's place (the command lines exit 2). Does not check that anything it names exists.
    """
    try:
        return _policy(_Table(_load(data), ""), source)
    except MalformedError as error:
        if source:
            error.place = f"{source}: {error.place}" if error.place else source
        raise


def _policy(root: _Table, source: str) -> TrustPolicy:
    version = root.take("formatVersion", _integer(1, 1), required="1")
    root.take("type", _one_of("TrustPolicy"))
    issuers = tuple(root.tables("issuers", _issuer))
    requirements = root.table("requirements")
    witnesses = tuple(root.tables("witnesses", _witness))
    freshness = root.table("freshness")
    policy = TrustPolicy(
        issuers=issuers,
        logs=tuple(root.tables("logs", _log)),
        witnesses=witnesses,
        quorum=_quorum(root.table("witness"), witnesses),
        self_did=root.take("self", _did) or "",
        online_seconds=3600
        * (
            freshness.take("onlineHours", _integer(1, FRESHNESS_ONLINE_SECONDS // 3600))
            or FRESHNESS_ONLINE_SECONDS // 3600
        ),
        offline_seconds=86400
        * (
            freshness.take("offlineDays", _integer(1, FRESHNESS_OFFLINE_SECONDS // 86400))
            or FRESHNESS_OFFLINE_SECONDS // 86400
        ),
        mirrors=root.take("mirrors", _list(_matching(_URL, "an http or https URL"))) or (),
        approvals=_approvals(root, requirements),
        requirements=_requirements(requirements),
        source=source,
    )
    proof = root.table("selfProof")
    if "selfProof" in root.members:
        policy = replace(policy, self_proof=_self_proof(proof, policy))
    proof.finish()
    freshness.finish()
    root.finish()
    assert version == 1
    _check_whole(policy)
    return policy


def _self_proof(table: _Table, policy: TrustPolicy) -> SelfProof:
    """Read the proof of `self`; that it is over this very content is the digest's to show, whatever is replaced in the policy later."""
    if not policy.self_did:
        raise _bad(table.place, "`self`, which it proves", "no self")
    return SelfProof(
        table.need("verificationMethod", _matching(_METHOD, "a verification method"), "the key of `self` that signed"),
        table.need("created", _instant, "when it was signed"),
        table.need("proofValue", _matching(_MULTIBASE, "a signature in multibase"), "the signature"),
        policy.digest,
    )


def _load(data: bytes) -> dict[str, Any]:
    import tomllib

    if len(data) > POLICY_MAX_BYTES:
        raise _bad("", f"at most {POLICY_MAX_BYTES} bytes", f"{len(data)} bytes")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _bad("", "UTF-8 text", f"byte {error.start}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _bad("", "TOML v1.0.0", str(error)[:200]) from None


class _Table:
    """A TOML table from which every key is taken once; what is left over is unknown."""

    def __init__(self, members: Mapping[str, Any], place: str) -> None:
        self.members = members
        self.place = place
        self.known: set[str] = set()

    def at(self, name: str) -> str:
        """Return where a key stands, such as `issuers[2].did`."""
        return f"{self.place}.{name}" if self.place else name

    def take(self, name: str, read: Callable[[Any, str], T], *, required: str = "") -> T | None:
        """Return the value of a key, or None when it is absent and `required` (what it should say) is empty."""
        self.known.add(name)
        if name in self.members:
            return read(self.members[name], self.at(name))
        if required:
            raise _bad(self.at(name), required, "nothing")
        return None

    def need(self, name: str, read: Callable[[Any, str], T], expected: str) -> T:
        """Return the value of a key that must be there."""
        value = self.take(name, read, required=expected)
        assert value is not None
        return value

    def table(self, name: str) -> _Table:
        """Return a table by name, empty when it is absent."""
        value = self.take(name, lambda found, place: _typed(found, dict, "a table", place))
        return _Table(value or {}, self.at(name))

    def tables(self, name: str, read: Callable[[_Table], T]) -> list[T]:
        """Return what `read` makes of every table of an array of tables."""
        values = self.take(name, lambda found, place: _typed(found, list, "an array of tables", place)) or []
        if len(values) > TABLES_MAX:
            raise _bad(self.at(name), f"at most {TABLES_MAX} tables", str(len(values)))
        results = []
        for number, value in enumerate(values, 1):
            place = f"{self.at(name)}[{number}]"
            table = _Table(_typed(value, dict, "a table", place), place)
            results.append(read(table))
            table.finish()
        return results

    def finish(self) -> None:
        """Refuse every key that nobody asked for."""
        for name in self.members:
            if name not in self.known:
                from difflib import get_close_matches

                near = get_close_matches(name, sorted(self.known), n=1, cutoff=0.5)
                expected = f"{near[0]!r}, the nearest known key" if near else ", ".join(sorted(self.known))
                raise MalformedError(
                    "POLICY_FILE", "the trust file has an unknown key", place=self.at(name), expected=expected, found=name[:60],
                    next_action="correct the key, or take it out",
                )  # fmt: skip


def _issuer(table: _Table) -> IssuerRule:
    did = table.need("did", _did, "the issuer's DID")
    types = table.need("types", _list(_one_of(*CREDENTIAL_TYPES), empty=True), "the credential types that it may issue")
    roles = table.take("roles", _list(_matching(_ROLE, "a role name in lower case"))) or ()
    if "DatasetCredential" in types and not set(roles) & set(DATASET_ROLES):
        raise _bad(
            table.at("roles"),
            "publisher or observer, since DatasetCredential is among the types",
            ", ".join(roles) or "nothing",
        )
    rule = IssuerRule(
        did=did,
        name=table.need("name", _line, "a name for the issuer, for reports"),
        types=types,
        roles=roles,
        keys=tuple(table.tables("keys", lambda pin: _pin(pin, did))),
        recovery=table.take("recovery", _list(_public_key)) or (),
        delegated_by=table.take("delegatedBy", _did) or "",
    )
    if did.startswith("did:key:"):
        for number, pin in enumerate(rule.keys, 1):
            if f"did:key:{pin.key.multibase}" != did:
                raise _bad(
                    f"{table.at('keys')}[{number}].multibase", "the one key that this did:key has", pin.key.multibase
                )
    return rule


def _pin(table: _Table, did: str) -> KeyPin:
    key = table.need("multibase", _public_key, "the public key as Multikey (z…)")
    method = table.take("id", _line) or ""
    of_issuer = f"a verification method of {did}"
    if method and _read(split_did_url, method, table.at("id"), of_issuer)[0] != did:
        raise _bad(table.at("id"), of_issuer, method)
    start, end = table.take("from", _instant), table.take("until", _instant)
    if start is not None and end is not None and end <= start:
        raise _bad(table.at("until"), f"a time after {start}", str(end))
    marked = table.take("compromised", lambda found, place: _typed(found, dict, "a table of origin and index", place))
    compromise = None
    if marked is not None:
        inner = _Table(marked, table.at("compromised"))
        compromise = Compromise(
            inner.need("origin", _line, "the log's origin"),
            inner.need("index", _integer(0, TREE_SIZE_MAX), "a log index"),
        )
        inner.finish()
    return KeyPin(key, method, start, end, compromise)


def _log(table: _Table) -> LogRule:
    origin = table.need("origin", _line, "the log's origin")
    key = table.need("key", _vkey(ED25519), "the log's verifier key (name+id+base64)")
    time_key = table.need("timeKey", _vkey(COSIGNATURE_V1), "the verifier key that timestamps the log's checkpoints")
    if key.name != origin:
        raise _bad(table.at("key"), f"a key with the name {origin}", key.name)
    earlier = tuple(table.tables("earlier", _earlier))
    for number, one in enumerate(earlier, 1):
        if one.key in [before.key for before in earlier[: number - 1]]:
            raise _bad(f"{table.at('earlier')}[{number}]", "each key once", str(one.key))
        if one.key.name not in (key.name, time_key.name) or one.key in (key, time_key):
            raise _bad(
                f"{table.at('earlier')}[{number}]",
                f"an older key under the name {key.name} or {time_key.name}",
                str(one.key),
            )
    return LogRule(origin, key, time_key, table.take("url", _matching(_URL, "an http or https URL")) or "", earlier)


def _earlier(table: _Table) -> EarlierKey:
    key, time_key = table.take("key", _vkey(ED25519)), table.take("timeKey", _vkey(COSIGNATURE_V1))
    size = table.need("size", _integer(0, TREE_SIZE_MAX), "how many entries the log had when the key ended")
    until = table.take("until", _instant)
    if time_key is None:
        if key is None or until is not None:
            raise _bad(table.place, "key and size, or timeKey, size and until", "until for a key" if key else "neither")
        return EarlierKey(key, size)
    if key is not None or until is None:
        raise _bad(table.place, "key and size, or timeKey, size and until", "both keys" if key else "no until")
    return EarlierKey(time_key, size, until)


def _witness(table: _Table) -> Witness:
    return Witness(
        table.need("principal", _line, "who runs the witness; principals are counted, not keys"),
        table.need("key", _vkey(COSIGNATURE_V1), "the witness's verifier key"),
    )


def _quorum(table: _Table, witnesses: Sequence[Witness]) -> int:
    principals = len({one.principal for one in witnesses})
    quorum = table.take("quorum", _integer(0, TABLES_MAX)) or 0
    table.finish()
    if quorum > principals:
        raise _bad(table.at("quorum"), f"at most {principals}, the number of witness principals", str(quorum))
    return quorum


def _approvals(root: _Table, requirements: _Table) -> str:
    above, within = root.take("approvals", _line), requirements.take("approvals", _line)
    if above is not None and within is not None:
        raise _bad("approvals", "one place: at the top, or in [requirements]", "both")
    text = above or within or ""
    if text:
        parse_approvals(text, place=root.at("approvals") if above else requirements.at("approvals"))
    return text


def _requirements(table: _Table) -> Requirements:
    licenses = table.table("licenses")
    regulations = table.table("regulations")
    entry = _matching(_LICENSE, "an SPDX licence id, or LicenseRef-NAME@sha256:HEX")
    result = Requirements(
        use=table.take("use", _one_of(*USES)) or "",
        commercial=table.take("commercial", lambda found, place: _typed(found, bool, "true or false", place)) or False,
        share=table.take("share", _one_of(*SHARES)) or "",
        result_license=table.take("resultLicense", _matching(_RESULT, "an SPDX licence id, or LicenseRef-NAME")) or "",
        licenses=LicenseRules(licenses.take("allow", _list(_with_text(entry))) or (), licenses.take("deny", _list(entry)) or (), licenses.take("unknown", _one_of("refuse", "warn")) or "refuse", _evidence(licenses)),
        roles=table.take("roles", _list(_one_of(*DATASET_ROLES))) or (),
        profile=table.take("profile", _one_of("minimal", "full")) or "",
        sector=table.take("sector", _one_of(*SECTORS)) or "",
        max_age_days=table.take("maxAgeDays", _integer(1, 100_000)),
        proven_before=table.take("provenBefore", _instant),
        regulations={
            name: values for name in REGULATIONS if (values := regulations.take(name, _list(_one_of(*REGULATION_RESULTS)))) is not None
        },
        personal_data=table.take("personalData", _list(_one_of("absent", "present", "unknown"))) or (),
        quality=tuple(table.tables("quality", _quality)),
        geography=table.take("geography", _matching(_REGION, "an ISO 3166-1 code such as US")) or "",
        digest=table.take("digest", _one_of("sha256", "blake3")) or "",
        lineage=table.take("lineage", _one_of("declared", "computed")) or "",
        approved_until=table.take("approvedUntil", _instant),
        granted=table.take("granted", lambda found, place: _typed(found, bool, "true or false", place)) or False,
    )  # fmt: skip
    if result.result_license and result.share in ("", "nothing"):
        raise _bad(
            table.at("share"), "model or data, since resultLicense says how it is passed on", result.share or "nothing"
        )
    both = set(result.licenses.allow) & set(result.licenses.deny)
    if both:
        raise _bad(licenses.at("deny"), "a licence that is not allowed as well", ", ".join(sorted(both)))
    for inner in (licenses, regulations, table):
        inner.finish()
    return result


def _evidence(licenses: _Table) -> str:
    found = licenses.take("evidence", _one_of("any", "warn", "text")) or "any"
    return "" if found == "any" else found


def _quality(table: _Table) -> QualityRule:
    decimal = _matching(_DECIMAL, 'a decimal number as text, such as "0.95"')
    rule = QualityRule(
        table.need(
            "metric", _matching(_METRIC, "the name of a measure"), "the name of a measure, such as completeness"
        ),
        table.take("minimum", decimal) or "",
        table.take("maximum", decimal) or "",
        table.take("assurance", _list(_one_of("declared", "computed", "attested"))) or (),
    )
    if not rule.minimum and not rule.maximum:
        raise _bad(table.at("minimum"), "minimum, maximum or both", "neither")
    return rule


def _check_whole(policy: TrustPolicy) -> None:
    """Refuse what only the whole file shows: names twice, and delegation that is deeper or wider than allowed."""
    for name, values in (
        ("issuers", [one.did for one in policy.issuers]),
        ("logs", [one.origin for one in policy.logs]),
    ):
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise _bad(name, "each of them once", twice)
    wanted = policy.requirements
    if wanted.granted and not (policy.self_did and wanted.use):
        raise _bad(
            "requirements.granted",
            "`self` and requirements.use: a grant is to somebody, for a use",
            "one of them missing",
        )
    if wanted.approved_until is not None and not policy.approvals:
        raise _bad("requirements.approvedUntil", "`approvals`: whose approval has to last so long", "none asked for")
    for number, rule in enumerate(policy.issuers, 1):
        if not rule.delegated_by:
            continue
        place = f"issuers[{number}].delegatedBy"
        above = policy.issuer(rule.delegated_by)
        if above is None or above is rule:
            raise _bad(place, "an issuer that this file trusts", rule.delegated_by)
        if above.delegated_by:
            raise _bad(place, "an issuer that is not itself delegated: delegation is one level deep", rule.delegated_by)
        wider = [*(set(rule.types) - set(above.types)), *(set(rule.roles) - set(above.roles))]
        if wider:
            raise _bad(place, "no type or role that the delegating issuer lacks", ", ".join(sorted(wider)))


# Values ----------------------------------------------------------------------------------------------------------


def _typed(value: Any, kind: type[T], expected: str, place: str) -> T:
    if type(value) is not kind:
        raise _bad(place, expected, _WORDS.get(type(value), "another kind of value"))
    return value


def _integer(minimum: int, maximum: int) -> Callable[[Any, str], int]:
    def read(value: Any, place: str) -> int:
        number = _typed(value, int, "a whole number", place)
        if not minimum <= number <= maximum:
            raise _bad(place, f"{minimum} to {maximum}" if minimum < maximum else str(minimum), str(number)[:40])
        return number

    return read


def _line(value: Any, place: str) -> str:
    text = _typed(value, str, "text", place)
    if not text.strip() or len(text) > 1000 or not text.isprintable():
        raise _bad(place, "one line of text, at most 1000 characters", repr(text[:60]))
    return text


def _one_of(*values: str) -> Callable[[Any, str], str]:
    def read(value: Any, place: str) -> str:
        text = _typed(value, str, "text", place)
        if text not in values:
            raise _bad(place, " | ".join(values), text[:60])
        return text

    return read


def _matching(pattern: str, expected: str) -> Callable[[Any, str], str]:
    def read(value: Any, place: str) -> str:
        text = _typed(value, str, expected, place)
        if not re.match(pattern, text, re.ASCII):
            raise _bad(place, expected, text[:80])
        return text

    return read


def _with_text(read: Callable[[Any, str], str]) -> Callable[[Any, str], str]:
    """Refuse a licence of one's own without the digest of its text: whoever wrote the dataset chose that name."""

    def read_entry(value: Any, place: str) -> str:
        text = read(value, place)
        if text.startswith("LicenseRef-") and "@" not in text:
            raise _bad(place, f"{text}@sha256:HEX, with the digest of the text that you read", text)
        return text

    return read_entry


def _list(read: Callable[[Any, str], T], *, empty: bool = False) -> Callable[[Any, str], tuple[T, ...]]:
    def read_all(value: Any, place: str) -> tuple[T, ...]:
        items = _typed(value, list, "an array", place)
        # An empty array reads like "any" to some and like "none" to others, so it must be left out instead.
        if len(items) > TABLES_MAX or (not items and not empty):
            raise _bad(place, f"1 to {TABLES_MAX} items", str(len(items)))
        found = tuple(read(item, f"{place}[{number}]") for number, item in enumerate(items, 1))
        if len(set(found)) != len(found):
            raise _bad(place, "each item once", "one twice")
        return found

    return read_all


def _did(value: Any, place: str) -> str:
    return _read(check_did, _typed(value, str, "a DID", place), place, "a DID")


def _instant(value: Any, place: str) -> Instant:
    expected = "a time with offset, such as 2026-11-02T09:30:00Z"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return Instant.from_datetime(value)
    if isinstance(value, str):
        return _read(Instant.parse, value, place, expected)
    raise _bad(place, expected, str(value)[:60])


def _public_key(value: Any, place: str) -> PublicKey:
    expected = "a public key as Multikey (z…)"
    return _read(PublicKey.from_multibase, _typed(value, str, expected, place), place, expected)


def _vkey(algorithm: int) -> Callable[[Any, str], VerifierKey]:
    def read(value: Any, place: str) -> VerifierKey:
        text = _typed(value, str, "a verifier key", place)
        return _read(lambda key: parse_vkey(key, algorithm=algorithm), text, place, "a verifier key")

    return read


def _read(parse: Callable[[str], T], text: str, place: str, expected: str) -> T:
    """Return what a parser of another module makes of a value; its errors become errors of this file, at this place."""
    try:
        return parse(text)
    except DatasigilError as error:
        raise _bad(place, error.expected or expected, error.found or f"{error.message}: {text[:60]}") from None


def _bad(place: str, expected: str, found: str) -> MalformedError:
    return MalformedError(
        "POLICY_FILE",
        "the trust file is not as it must be",
        place=place,
        expected=expected,
        found=found,
        next_action="correct the trust file",
    )
