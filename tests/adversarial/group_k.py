"""K: issuer, keys, trust file. What a bundle says about keys proves nothing; what the trust file says is read strictly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from adversarial.stage import Build, Case, Given, Stage, case, signed, under
from simulator import Publisher, mutate, signer_of, vkey_of, without

from datasigil.encoding import base58_decode, base58_encode

WEB = "did:web:publisher.example"
OTHER_DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


def web_publisher(stage: Stage, fragment: str = "key-1", name: str = "webco") -> Publisher:
    """A publisher with a did:web, whose keys only a pin can vouch for."""
    signer = signer_of(name).as_method(f"{WEB}#{fragment}")
    publisher = Publisher(name, signer, f"{stage.world.url}/status-lists/{name}")
    stage.world.publishers[publisher.did] = publisher
    return publisher


def pin(publisher: Publisher, **members: Any) -> str:
    """The [[issuers.keys]] table that pins a publisher's key."""
    lines = ["[[issuers.keys]]", f'multibase = "{members.pop("multibase", publisher.signer.public_key.multibase)}"']
    for name, value in members.items():
        lines.append(
            f"{name.rstrip('_')} = {value if isinstance(value, int) or value.startswith('{') else repr(value)}"
        )
    return "\n".join(lines).replace("'", '"') + "\n"


def with_pins(text: str, *pins: str) -> str:
    """A trust file with pins put behind its first issuer."""
    head, separator, tail = text.partition("\n[[logs]]")
    assert separator
    return head + "\n" + "\n".join(pins) + separator + tail


def web_policy(stage: Stage, publisher: Publisher, *pins: str) -> str:
    """A trust file that trusts a did:web with pins, by default one of its key without a window."""
    return with_pins(stage.world.policy_toml(publishers=(publisher,)), *(pins or (pin(publisher),)))


def web(*changes: dict[str, Any], **given: Any) -> Build:
    """A credential of a did:web publisher under pins with these members (none: no pin at all)."""

    def build(stage: Stage) -> Given:
        publisher = web_publisher(stage)
        bundle = stage.world.publish(stage.world.issue(publisher=publisher))
        policy = stage.world.policy_toml(publishers=(publisher,))
        return stage.given(bundle, policy=with_pins(policy, *(pin(publisher, **one) for one in changes)), **given)

    return build


def own(**members: Any) -> Build:
    """The baseline under a pin of its own did:key with these members."""
    return under(lambda stage: with_pins(stage.world.policy_toml(), pin(stage.world.publisher, **members)))


def presented(**members: Any) -> Build:
    """A did:web whose presented method has more members, under a pin of its key."""

    def build(stage: Stage) -> Given:
        publisher = web_publisher(stage)
        bundle = stage.world.publish(stage.world.issue(publisher=publisher))
        method = {**bundle.issuer_keys[0], **members}
        return stage.given(replace(bundle, issuer_keys=(method,)), policy=web_policy(stage, publisher))

    return build


def retired_without_log(stage: Stage) -> Given:
    """A key that is pinned for the past only, and nothing that shows when it signed."""
    policy = with_pins(stage.world.policy_toml(), pin(stage.world.publisher, until="2026-12-01T00:00:00Z"))
    return stage.given(without(stage.bundle, "log"), policy=policy)


def issuer_did(did: str) -> Build:
    """A credential that names another DID as its issuer, under a trust file that trusts it if it can be written there."""
    return signed("/issuer", did)


def multicodec(header: bytes, length: int) -> str:
    """A did:key over another kind of key."""
    return "did:key:z" + base58_encode(header + bytes(range(length)))


def small_order() -> str:
    """A did:key over the identity point."""
    return "did:key:z" + base58_encode(b"\xed\x01" + b"\x01" + bytes(31))


def signed_by_did(did: str) -> Build:
    """The issuer's DID holds a key that cannot be used; the proof names it."""

    def build(stage: Stage) -> Given:
        signer = stage.world.publisher.signer.as_method(f"{did}#{did.removeprefix('did:key:')}")
        document = {**stage.unsigned(), "issuer": did}
        return stage.given(
            stage.publish(stage.signed(document, signer)),
            policy=stage.world.policy_toml().replace(stage.world.publisher.did, did),
        )

    return build


def trust(old: str, new: str) -> Build:
    """One passage of the trust file replaced."""

    def build(stage: Stage) -> Given:
        text = stage.world.policy_toml()
        changed = text.replace(old.format(world=stage.world), new.format(world=stage.world), 1)
        assert changed != text, old
        return stage.given(policy=changed)

    return build


def appended(extra: str) -> Build:
    """The trust file with more at its end."""
    return under(lambda stage: stage.world.policy_toml(extra=extra.format(world=stage.world)))


def delegated(by: str, types: str = '["DatasetCredential"]', roles: str = '["publisher"]', above: str = "") -> Build:
    """A second issuer, who counts only because somebody delegates to it."""

    def build(stage: Stage) -> Given:
        mallory = stage.world.new_publisher("mallory")
        table = f'[[issuers]]\ndid = "{mallory.did}"\nname = "delegate"\ntypes = {types}\nroles = {roles}\ndelegatedBy = "{by.format(me=mallory.did, world=stage.world)}"\n'
        return stage.given(policy=stage.world.policy_toml(extra=table + above))

    return build


def role(given: str) -> Build:
    """A credential in a role that the issuer has not."""

    def build(stage: Stage) -> Given:
        observation = {"sourceUrl": "https://hub.example/x", "revision": "unknown", "time": "2026-11-01T00:00:00Z"}
        document = stage.unsigned(role=given, observation=observation)
        return stage.given(stage.publish(stage.signed(document)))

    return build


def other_types(stage: Stage) -> Given:
    """An issuer who counts for audits alone."""
    return stage.given(policy=stage.world.policy_toml(types=("DatasetAuditCredential",), roles=("auditor",)))


def issuer_key(stage: Stage) -> str:
    """The raw key of the publisher in hexadecimal, for corruption."""
    return base58_decode(stage.world.publisher.did.removeprefix("did:key:z")).hex()


def witness_twice(stage: Stage) -> Given:
    """A quorum larger than the number of principals, reached by naming one principal twice."""
    signer = signer_of("w")
    table = "".join(
        f'[[witnesses]]\nprincipal = "w.example"\nkey = "{vkey_of(f"w{n}.example", signer_of(f"w{n}"), 4)}"\n'
        for n in range(2)
    )
    assert signer
    return stage.given(policy=stage.world.policy_toml(extra=table + "[witness]\nquorum = 2\n"))


def presented_broken(stage: Stage) -> Given:
    """A presented method of the issuer that is broken; its pin is right."""
    publisher = web_publisher(stage)
    bundle = stage.world.publish(stage.world.issue(publisher=publisher))
    broken = {**bundle.issuer_keys[0], "publicKeyMultibase": "zzz0"}
    return stage.given(replace(bundle, issuer_keys=(broken,)), policy=web_policy(stage, publisher))


def presented_private(stage: Stage) -> Given:
    """A presented method that publishes its private key."""
    return presented(secretKeyMultibase="z3u2en7t5LR2WtQH5PfFqMqwVHgeXouLzo6haApm8XHqvjxq")(stage)


def attackers_key_presented(stage: Stage) -> Given:
    """Right DID, the attacker's key presented for it, nothing pinned but the right one."""
    publisher = web_publisher(stage)
    attacker = web_publisher(stage, "key-9", "mallory-web")
    document = stage.world.issue(publisher=attacker)
    return stage.given(stage.world.publish(document), policy=web_policy(stage, publisher))


PIN_EXPIRED = {"until": "2026-11-02T09:30:00Z"}
LOG = '[[logs]]\norigin = "{world.log.origin}"'

CASES: list[Case] = [
    case("K01", "/issuer over X25519", "INVALID:KEY_TYPE", signed_by_did(multicodec(b"\xec\x01", 32))),
    case("K01", "/issuer over secp256k1", "INVALID:KEY_TYPE", signed_by_did(multicodec(b"\xe7\x01", 33))),
    case("K01", "/issuer over RSA", "INVALID:KEY_TYPE", signed_by_did(multicodec(b"\x85\x24", 64))),
    case("K01", "/issuer over BLS", "INVALID:KEY_TYPE", signed_by_did(multicodec(b"\xeb\x01", 96))),
    case("K01", "/issuer over 31 bytes", "INVALID:KEY", signed_by_did(multicodec(b"\xed\x01", 31))),
    case("K01", "/issuer over 33 bytes", "INVALID:KEY", signed_by_did(multicodec(b"\xed\x01", 33))),
    case("K01", "/issuer over the identity point", "INVALID:KEY", signed_by_did(small_order())),
    case("K01", "/issuer over a point that is none", "INVALID:KEY", signed_by_did("did:key:z" + base58_encode(b"\xed\x01" + b"\x02" + bytes(31)))),
    case("K05", "key revoked before it was logged", "INVALID:KEY_REVOKED", presented(revoked="2026-11-02T09:00:00Z")),
    case("K05", "key revoked when it was logged", "INVALID:KEY_REVOKED", presented(revoked="2026-11-02T09:30:00Z")),
    case("K05", "key expired before it was logged", "INVALID:KEY_EXPIRED", presented(expires="2026-11-02T09:00:00Z")),
    case("K05", "key whose `revoked` is no time", "INVALID:TIMESTAMP", presented(revoked="yesterday")),
    case("K05", "presented key that is none", "INVALID:ENCODING", presented_broken),
    case("K05", "presented document with a private key", "INVALID:DID_DOCUMENT", presented_private),
    case("K08", "retired key and no log proof", "INVALID:LOG_PROOF_MISSING", retired_without_log),
    case("K11", "pinned key's window over", "INVALID:KEY_WINDOW", web(PIN_EXPIRED)),
    case("K11", "pinned key's window not begun", "INVALID:KEY_WINDOW", web({"from_": "2026-11-02T09:30:01Z"})),
    case("K11", "pinned did:key's window over", "INVALID:KEY_WINDOW", own(**PIN_EXPIRED)),
    case("K11", "pinned key under another method's name", "INDET:KEY_HISTORY", web({"id": f"{WEB}#key-2"})),
    case("K11", "no key pinned for a did:web", "INDET:KEY_HISTORY", web()),
    case("K11", "another key pinned for a did:web", "INDET:KEY_HISTORY", web({"multibase": signer_of("other").public_key.multibase})),
    case("K11", "attacker's key presented for a pinned did:web", "INDET:KEY_HISTORY", attackers_key_presented),
    case("K14", "key compromised from entry 0 on", "INVALID:KEY_COMPROMISED", own(compromised='{ origin = "registry.example/log", index = 0 }')),
    case("K14", "key compromised in another log", "INVALID:KEY_COMPROMISED", own(compromised='{ origin = "other.example/log", index = 5 }')),
    case("K17", "trust file without the issuer", "INVALID:UNTRUSTED_ISSUER", trust("{world.publisher.did}", OTHER_DID)),
    case("K17", "trust file without any issuer", "INVALID:UNTRUSTED_ISSUER", under(lambda stage: stage.world.policy_toml(publishers=()))),
    case("K17", "empty trust file", "exit 2:POLICY_FILE", under(lambda _: "")),
    case("K17", "issuer counts for audits alone", "INVALID:ISSUER_TYPE", other_types),
    case("K17", "issuer counts as publisher, credential as observer", "INVALID:ISSUER_ROLE", role("observer")),
    case("K17", "issuer in the form of an object, another DID", "INVALID:UNTRUSTED_ISSUER", signed("/issuer", {"id": OTHER_DID, "name": "publisher"})),
    case("K17", "issuer in another case", "INVALID:UNTRUSTED_ISSUER", lambda stage: signed("/issuer", stage.world.publisher.did.upper().replace("DID:KEY:", "did:key:"))(stage)),
    case("K19", "did:web with an IP address", "INVALID:DID", issuer_did("did:web:127.0.0.1")),
    case("K19", "did:web with a decimal address", "INVALID:DID", issuer_did("did:web:2130706433")),
    case("K19", "did:web with user info", "INVALID:SCHEMA", issuer_did("did:web:user@publisher.example")),
    case("K19", "did:web with encoded user info", "INVALID:DID", issuer_did("did:web:user%40publisher.example")),
    case("K19", "did:web with %2e%2e", "INVALID:DID", issuer_did("did:web:publisher.example:%2e%2e:admin")),
    case("K19", "did:web with ..", "INVALID:DID", issuer_did("did:web:publisher.example:..:admin")),
    case("K19", "did:web with port 22", "INVALID:DID", issuer_did("did:web:publisher.example%3A22")),
    case("K19", "did:web with port 99999", "INVALID:DID", issuer_did("did:web:publisher.example%3A99999")),
    case("K19", "did:web with an encoded slash", "INVALID:DID", issuer_did("did:web:publisher.example:a%2fb")),
    case("K19", "did:web with one label", "INVALID:DID", issuer_did("did:web:intranet")),
    case("K19", "did:web in capitals", "INVALID:DID", issuer_did("did:web:Publisher.Example")),
    case("K19", "did:web with an empty segment", "INVALID:DID", issuer_did("did:web:publisher.example::x")),
    case("K22", "trust file: formatVersion 2", "exit 2:POLICY_FILE", trust("formatVersion = 1", "formatVersion = 2")),
    case("K22", "trust file: formatVersion true", "exit 2:POLICY_FILE", trust("formatVersion = 1", "formatVersion = true")),
    case("K22", "trust file: formatVersion absent", "exit 2:POLICY_FILE", trust("formatVersion = 1\n", "")),
    case("K22", "trust file: misspelled key", "exit 2:POLICY_FILE", trust("roles =", "role =")),
    case("K22", "trust file: key twice", "exit 2:POLICY_FILE", trust("formatVersion = 1", "formatVersion = 1\nformatVersion = 1")),
    case("K22", "trust file: issuer twice", "exit 2:POLICY_FILE", appended('[[issuers]]\ndid = "{world.publisher.did}"\nname = "again"\ntypes = ["DatasetAuditCredential"]\n')),
    case("K22", "trust file: log twice", "exit 2:POLICY_FILE", appended('[[logs]]\norigin = "{world.log.origin}"\nkey = "{world.log.key}"\ntimeKey = "{world.log.time_key}"\n')),
    case("K22", "trust file: log key under another name", "exit 2:POLICY_FILE", trust('origin = "{world.log.origin}"', 'origin = "other.example/log"')),
    case("K22", "trust file: time key of the log's kind", "exit 2:POLICY_FILE", trust("{world.log.time_key}", "{world.log.key}")),
    case("K22", "trust file: unknown credential type", "exit 2:POLICY_FILE", trust('"DatasetLineageCredential"', '"LineageCredential"')),
    case("K22", "trust file: role in capitals", "exit 2:POLICY_FILE", trust('["publisher"]', '["Publisher"]')),
    case("K22", "trust file: no role for datasets", "exit 2:POLICY_FILE", trust('roles = ["publisher"]', 'roles = ["auditor"]')),
    case("K22", "trust file: did that is none", "exit 2:POLICY_FILE", trust('did = "did:key', 'did = "key')),
    case("K22", "trust file: pin of another key for a did:key", "exit 2:POLICY_FILE", own(multibase=signer_of("other").public_key.multibase)),
    case("K22", "trust file: pin that is no key", "exit 2:POLICY_FILE", own(multibase="z6Mk")),
    case("K22", "trust file: pin whose window ends before it starts", "exit 2:POLICY_FILE", own(from_="2026-11-02T09:30:00Z", until="2026-11-02T09:30:00Z")),
    case("K22", "trust file: pin named for another DID", "exit 2:POLICY_FILE", own(id="did:web:evil.example#key-1")),
    case("K22", "trust file: compromise without index", "exit 2:POLICY_FILE", own(compromised='{ origin = "registry.example/log" }')),
    case("K22", "trust file: compromise below zero", "exit 2:POLICY_FILE", own(compromised='{ origin = "registry.example/log", index = -1 }')),
    case("K22", "trust file: freshness of 25 hours", "exit 2:POLICY_FILE", appended("[freshness]\nonlineHours = 25\n")),
    case("K22", "trust file: freshness of 8 days", "exit 2:POLICY_FILE", appended("[freshness]\nofflineDays = 8\n")),
    case("K22", "trust file: freshness of 0 hours", "exit 2:POLICY_FILE", appended("[freshness]\nonlineHours = 0\n")),
    case("K22", "trust file: quorum without witnesses", "exit 2:POLICY_FILE", appended("[witness]\nquorum = 1\n")),
    case("K22", "trust file: quorum below zero", "exit 2:POLICY_FILE", appended("[witness]\nquorum = -1\n")),
    case("K22", "trust file: one principal twice for a quorum of two", "exit 2:POLICY_FILE", witness_twice),
    case("K22", "trust file: approvals that do not parse", "exit 2:POLICY_FILE", trust("formatVersion = 1", 'formatVersion = 1\napprovals = "publisher AND"')),
    case("K22", "trust file: licence both allowed and denied", "exit 2:POLICY_FILE", appended('[requirements.licenses]\nallow = ["MIT"]\ndeny = ["MIT"]\n')),
    case("K22", "trust file: empty list of licences", "exit 2:POLICY_FILE", appended("[requirements.licenses]\nallow = []\n")),
    case("K22", "trust file: maxAgeDays as text", "exit 2:POLICY_FILE", appended('[requirements]\nmaxAgeDays = "30"\n')),
    case("K22", "trust file: minimum as a float", "exit 2:POLICY_FILE", appended('[[requirements.quality]]\nmetric = "completeness"\nminimum = 0.9\n')),
    case("K22", "trust file: time without zone", "exit 2:POLICY_FILE", appended("[requirements]\nprovenBefore = 2026-11-02T09:30:00\n")),
    case("K22", "trust file: not TOML", "exit 2:POLICY_FILE", under(lambda _: "formatVersion: 1\n")),
    case("K22", "trust file: not UTF-8", "exit 2:POLICY_FILE", under(lambda stage: stage.world.policy_toml() + "# \udcff")),
    case("K22", "trust file: above 1 MiB", "exit 2:POLICY_FILE", under(lambda stage: stage.world.policy_toml() + "#" * 1_048_576)),
    case("K25", "delegation by nobody in the file", "exit 2:POLICY_FILE", delegated(OTHER_DID)),
    case("K25", "delegation by oneself", "exit 2:POLICY_FILE", delegated("{me}")),
    case("K25", "delegation of a type that the delegator lacks", "exit 2:POLICY_FILE", delegated("{world.publisher.did}", roles='["publisher", "regulator"]')),
    case("K25", "delegation two levels deep", "exit 2:POLICY_FILE", lambda stage: delegated("{world.publisher.did}", above=f'[[issuers]]\ndid = "{OTHER_DID}"\nname = "third"\ntypes = ["DatasetCredential"]\nroles = ["publisher"]\ndelegatedBy = "{stage.world.new_publisher("mallory").did}"\n')(stage)),
]  # fmt: skip

__all__ = ["CASES", "mutate", "own", "pin", "web", "web_policy", "web_publisher", "with_pins"]
