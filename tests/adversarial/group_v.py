"""V: what must stay VALID. A verifier that refuses too much is switched off, and then it refuses nothing."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from adversarial.group_c import in_process
from adversarial.group_k import WEB, pin, web, web_policy, web_publisher, with_pins
from adversarial.group_l import witnessed
from adversarial.group_s import (
    BYTES,
    index,
    lists,
    marked,
    packed,
    relisted,
    resigned,
    served,
    status_size,
    url64,
)
from adversarial.group_t import at, literal, period
from adversarial.group_y import (
    ME,
    TRAINING,
    WEB_ME,
    allow,
    approved,
    asked,
    audited_health,
    classified,
    constraint,
    cycle_by_a_stranger,
    derived,
    granted,
    licensed,
    mine,
    offer,
    only_for,
    quality,
    said,
    terms,
    web_me,
)
from adversarial.stage import Build, Case, Given, Stage, case, signed, signed_full, when
from simulator import FILES, Publisher, manifest_of, without
from subjects import audit_subject, grant_subject, lineage_subject

from datasigil.credentials.keys import P256, P384
from datasigil.signing import LocalSigner, add_proof

VALID = "VALID"


def rewritten(change: Callable[[str], str]) -> Build:
    """The same JSON in another spelling."""
    return lambda stage: stage.given(change(stage.text()))


def shuffled(value: Any) -> Any:
    """Every object with its members in the other order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(list(value))}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


def gzip_with_header() -> str:
    """gzip with a file name and a modification time in its header."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="list.bin", mode="wb", fileobj=out, mtime=1_700_000_000) as stream:
        stream.write(bytes(BYTES))
    return "u" + url64(out.getvalue())


def suite(name: str, kind: str = "") -> Build:
    """A credential in another suite, by an issuer with that kind of key."""

    def build(stage: Stage) -> Given:
        signer = LocalSigner.generate(kind) if kind else stage.world.publisher.signer
        publisher = Publisher("other", signer, f"{stage.world.url}/status-lists/other")
        if kind:
            stage.world.publishers[publisher.did] = publisher
        else:
            publisher = stage.world.publisher
        document = stage.world.unsigned(stage.world.subject(), publisher=publisher)
        made = stage.signed(document, signer, cryptosuite=name, canonicalize=in_process)
        return stage.given(stage.publish(made), policy=stage.world.policy_toml(publishers=(publisher,)))

    return build


def two_suites(stage: Stage) -> Given:
    """A proof set of the issuer: jcs and rdfc."""
    first = stage.signed(stage.unsigned())
    both = add_proof(
        first, stage.world.publisher.signer, created=stage.now, cryptosuite="eddsa-rdfc-2022", canonicalize=in_process
    )
    return stage.given(stage.publish(both))


def chain(stage: Stage) -> Given:
    """A second proof that builds on the first."""
    first = stage.signed(stage.unsigned(), proof_id="urn:x:1")
    return stage.given(
        stage.publish(add_proof(first, stage.world.publisher.signer, created=stage.now, previous_proof="urn:x:1"))
    )


def eight(stage: Stage) -> Given:
    """As many proofs as there may be."""
    document = stage.signed(stage.unsigned())
    return stage.given(stage.publish({**document, "proof": [document["proof"]] * 8}))


def other_type(type_name: str, subject: Callable[[Stage], dict[str, Any]], **overrides: Any) -> Build:
    """A credential of another type."""
    return lambda stage: stage.given(stage.world.publish(stage.world.issue_as(type_name, subject(stage), **overrides)))


def lineage_credential(stage: Stage) -> Given:
    """A lineage credential with the dataset that it used."""
    made = stage.world.issue_as("DatasetLineageCredential", lineage_subject([stage.document], manifest_of({"a": b"1"})))
    return stage.given(stage.world.publish(made, parents=(stage.bundle,)))


def observer(stage: Stage) -> Given:
    """What an observer saw, under a trust file that counts observers."""
    seen = {"sourceUrl": "https://hub.example/x", "revision": "unknown", "time": "2026-11-01T00:00:00Z"}
    document = stage.unsigned(role="observer", observation=seen)
    policy = stage.world.policy_toml(roles=("publisher", "observer"))
    return stage.given(stage.publish(stage.signed(document)), policy=policy)


def compromised_later(stage: Stage) -> Given:
    """The key is compromised from the next entry on; this one was cosigned before."""
    policy = with_pins(
        stage.world.policy_toml(),
        pin(stage.world.publisher, compromised='{ origin = "registry.example/log", index = 1 }'),
    )
    return stage.given(policy=policy)


def rotated(stage: Stage) -> Given:
    """Two pins: the old key's window is over, and the new one signed."""
    old, new = web_publisher(stage, "key-1", "webco"), web_publisher(stage, "key-2", "webco2")
    bundle = stage.world.publish(stage.world.issue(publisher=new))
    policy = web_policy(
        stage,
        new,
        pin(old, id=f"{WEB}#key-1", until="2026-10-01T00:00:00Z"),
        pin(new, id=f"{WEB}#key-2", from_="2026-10-01T00:00:00Z"),
    )
    return stage.given(bundle, policy=policy)


def retired(stage: Stage) -> Given:
    """An old credential by a key whose window ended after it was logged."""
    policy = with_pins(stage.world.policy_toml(), pin(stage.world.publisher, until="2026-11-02T09:30:01Z"))
    given = stage.given(policy=policy)
    return replace(given, at=given.at + timedelta(days=6))


def pinned_presented_nothing(stage: Stage) -> Given:
    """A did:web with a pin; the bundle presents no key at all."""
    publisher = web_publisher(stage)
    bundle = without(stage.world.publish(stage.world.issue(publisher=publisher)), "issuer_keys")
    return stage.given(bundle, policy=web_policy(stage, publisher))


def revoked_later(stage: Stage) -> Given:
    """The DID document says that the key was revoked, after the log held the credential."""
    publisher = web_publisher(stage)
    bundle = stage.world.publish(stage.world.issue(publisher=publisher))
    method = {**bundle.issuer_keys[0], "revoked": "2026-11-02T09:30:01Z"}
    return stage.given(replace(bundle, issuer_keys=(method,)), policy=web_policy(stage, publisher))


def delegated(stage: Stage) -> Given:
    """An issuer to whom a trusted one delegates."""
    delegate = stage.world.new_publisher("delegate")
    table = f'[[issuers]]\ndid = "{delegate.did}"\nname = "delegate"\ntypes = ["DatasetCredential"]\nroles = ["publisher"]\ndelegatedBy = "{stage.world.publisher.did}"\n'
    return stage.given(
        stage.world.publish(stage.world.issue(publisher=delegate)), policy=stage.world.policy_toml(extra=table)
    )


def resumed(stage: Stage) -> Given:
    """Suspended, then resumed."""
    stage.world.suspend(stage.document)
    stage.world.tick(minutes=1)
    stage.world.resume(stage.document)
    return stage.given(stage.world.bundle(stage.document))


def neighbours_revoked(stage: Stage) -> Given:
    """The bits beside ours are set."""
    place = int(stage.document["credentialStatus"][0]["statusListIndex"])
    for beside in (place - 1, place + 1):
        stage.world.publisher.bits["revocation"][beside // 8] |= 0x80 >> beside % 8
    return stage.given(stage.bundle)


def as_of_then(stage: Stage) -> Given:
    """Revoked since, and asked about a day before, with the evidence of then and of now."""
    document, old = stage.document, stage.bundle
    then = stage.now
    stage.world.tick(days=30)
    stage.world.revoke(document)
    new = stage.world.bundle(document)
    return stage.given(replace(old, status_lists=(*old.status_lists, *new.status_lists)), at=then, as_of=True)


def as_of_years_later(stage: Stage) -> Given:
    """An old bundle, years later, asked about its own time."""
    given = stage.given(as_of=True)
    return replace(given, at=given.at + timedelta(days=1))


def grown_log(stage: Stage) -> Given:
    """The log has grown to 300 entries; the proof is under its newest head."""
    document = stage.document
    for number in range(299):
        stage.world.log.append(f"entry {number}".encode())
    return stage.given(stage.world.bundle(document))


def last_entry(stage: Stage) -> Given:
    """The credential is the newest of 100 entries."""
    for number in range(99):
        stage.world.log.append(f"entry {number}".encode())
    return stage.given(stage.bundle)


def online(stage: Stage) -> Given:
    """Online: log and lists answer, and the bundle's own evidence is two days old."""
    bundle = stage.bundle
    stage.world.tick(days=2)
    fresh = {one["id"]: one for one in stage.world.bundle(stage.document).status_lists}

    def answer(url: str) -> tuple[int, bytes]:
        return served(stage, url) if "/log/" in url else (200, json.dumps(fresh[url]).encode())

    return stage.given(bundle, offline=False, fetch=answer)


def unknown_cosigner(stage: Stage) -> Given:
    """The checkpoint carries lines by keys that the trust file does not name."""
    crowd = Stage(witnesses=3)
    document = crowd.world.issue()
    bundle = crowd.world.publish(document)
    crowd.world.witnesses = ()
    return crowd.given(bundle)


def own_files(**files: bytes) -> Build:
    """A dataset of these files, compared with them on disk."""

    def build(stage: Stage) -> Given:
        named = {name.replace("__", "/"): data for name, data in files.items()}
        document = stage.world.issue(manifest_of(named))
        return stage.given(stage.world.publish(document), files=named)

    return build


def named_files(files: dict[str, bytes], **given: Any) -> Build:
    """A dataset of files with these names."""
    return lambda stage: stage.given(stage.world.publish(stage.world.issue(manifest_of(files))), files=files, **given)


def part(stage: Stage) -> Given:
    """One file of three, and a part is asked for."""
    return stage.given(files={"LICENSE": FILES["LICENSE"]}, partial=True)


def minimal_bundle(stage: Stage) -> Given:
    """Everything optional taken out: digests of contexts and schemas, keys, the manifest, the log's URL and keys."""
    document = without(stage.bundle, "issuer_keys", "manifest").document()
    document = {name: value for name, value in document.items() if name not in ("contexts", "schemas")}
    document["log"] = {"proof": document["log"]["proof"]}
    return stage.given(json.dumps(document))


def grandparents(stage: Stage) -> Given:
    """Lineage over two generations, where the policy asks how each was made."""
    world = stage.world
    parent = stage.document
    middle, made = world.derive([parent])
    last, _ = world.derive([middle.credential], {"c": b"3"})
    lineage_of_last = replace(
        last.parents[0],
        parents=(world.bundle(middle.credential, parents=(world.bundle(made, parents=(world.bundle(parent),)),)),),
    )
    policy = world.policy_toml(extra='[requirements]\nlineage = "declared"\n')
    return stage.given(replace(last, parents=(lineage_of_last,)), policy=policy)


def two_parents(stage: Stage) -> Given:
    """A dataset made from two others."""
    world = stage.world
    other = world.issue(manifest_of({"o": b"other"}))
    world.publish(other)
    bundle, _ = world.derive([stage.document, other])
    return stage.given(bundle)


def parent_expired_since(stage: Stage) -> Given:
    """The parent's period ended after the child was made from it."""
    parent = stage.signed({**stage.unsigned(), "validUntil": "2026-11-03T00:00:00Z"})
    stage.world.publish(parent)
    bundle, _ = stage.world.derive([parent])
    return replace(stage.given(bundle), at=stage.now + timedelta(days=5))


def older_proof(stage: Stage) -> Given:
    """The log proof is under an older head than the lists replay."""
    document, old = stage.document, stage.bundle
    for number in range(5):
        stage.world.log.append(f"entry {number}".encode())
    return stage.given(replace(stage.world.bundle(document), log=old.log))


def manifest_absent(stage: Stage) -> Given:
    """No manifest, and no files are looked at."""
    return stage.given(without(stage.bundle, "manifest"))


def safe_harbour(stage: Stage) -> Given:
    """Regulated data is present and de-identified, and its review lies ahead."""
    method = {
        "method": "expert-determination",
        "expert": {"name": "E"},
        "resultDigest": "a" * 64,
        "reviewBy": "2027-11-01",
    }
    return classified(
        "phi", "present", '[requirements.regulations]\nphi = ["absent", "deidentified"]\n', deidentification=method
    )(stage)


LONG_NAME = "x" * 200
COMMERCIAL = TRAINING + "commercial = true\n"
SOFT = '[requirements.licenses]\nunknown = "warn"\n'

CASES: list[Case] = [
    case("V01", "baseline", VALID, lambda stage: stage.given()),
    case("V01", "baseline, online freshness", VALID, lambda stage: stage.given(offline=False)),
    case("V01", "full profile", VALID, lambda stage: stage.given(stage.publish(stage.signed(stage.full())))),
    case("V01", "everything optional taken out", VALID, minimal_bundle),
    case("V01", "no manifest, no files", VALID, manifest_absent),
    case("V02", "members in the other order", VALID, rewritten(lambda raw: json.dumps(shuffled(json.loads(raw))))),
    case("V02", "indented", VALID, rewritten(lambda raw: json.dumps(json.loads(raw), indent=4))),
    case("V02", "tabs and carriage returns between members", VALID, rewritten(lambda raw: json.dumps(json.loads(raw), indent="\t").replace("\n", "\r\n"))),
    case("V02", "white space around", VALID, rewritten(lambda raw: f"\n\n {raw} \n")),
    case("V03", "e acute as escape", VALID, lambda stage: rewritten(lambda _: stage.text(stage.reissued("/credentialSubject/name", "Vertr\u00e9ge")).replace("\u00e9", "\\u00e9"))(stage)),
    case("V03", "e acute literal", VALID, signed("/credentialSubject/name", "Vertr\u00e9ge")),
    case("V03", "slash as escape", VALID, rewritten(lambda raw: raw.replace("CC-BY-4.0", "CC\\u002dBY-4.0").replace("/", "\\/"))),
    case("V03", "emoji as surrogate pair", VALID, lambda stage: stage.given(json.dumps(stage.reissued("/credentialSubject/name", "Clauses \U0001f4c4").document()))),
    case("V03", "name in Arabic", VALID, signed("/credentialSubject/name", "\u0639\u0642\u0648\u062f")),
    case("V03", "name of 200 characters", VALID, signed("/credentialSubject/name", LONG_NAME)),
    case("V03", "description with newlines", VALID, signed("/credentialSubject/description", "one\ntwo\tthree")),
    case("V03", "two properties whose values are equal after NFC", VALID, lambda stage: stage.given(stage.publish(stage.signed(stage.unsigned(name="\u00e9", description="e\u0301"))))),
    case("V04", "issuer as an object with a name", VALID, lambda stage: signed("/issuer", {"id": stage.world.publisher.did, "name": "Example Law Data"})(stage)),
    case("V04", "id over https", VALID, signed("/id", "https://publisher.example/credentials/1?v=1#c")),
    case("V04", "related resource by digest", VALID, signed("/relatedResource", [{"id": "https://publisher.example/license", "digestSRI": "sha384-" + "A" * 64}])),
    case("V04", "log without URL", VALID, signed("/transparencyLog", {"type": "TransparencyLog", "origin": "registry.example/log"})),
    case("V04", "largest integer", VALID, signed("/credentialSubject/tokenCount", 2**53 - 1)),
    case("V04", "quality with 18 decimals", VALID, signed_full("/credentialSubject/qualityMeasurement/0/value", "0.999999999999999999")),
    case("V04", "quality below zero", VALID, signed_full("/credentialSubject/qualityMeasurement/0/value", "-0.5")),
    case("V05", "eddsa-rdfc-2022", VALID, suite("eddsa-rdfc-2022")),
    case("V05", "ecdsa-jcs-2019, P-256", VALID, suite("ecdsa-jcs-2019", P256)),
    case("V05", "ecdsa-jcs-2019, P-384", VALID, suite("ecdsa-jcs-2019", P384)),
    case("V05", "ecdsa-rdfc-2019, P-256", VALID, suite("ecdsa-rdfc-2019", P256)),
    case("V05", "jcs and rdfc proofs side by side", VALID, two_suites),
    case("V05", "proof chain", VALID, chain),
    case("V05", "8 proofs", VALID, eight),
    case("V05", "proof with an expiry ahead", VALID, lambda stage: stage.given(stage.publish(stage.signed(stage.unsigned(), expires=stage.now + timedelta(days=1))))),
    case("V05", "proof created long ago", VALID, lambda stage: stage.given(stage.publish(add_proof(stage.unsigned(), stage.world.publisher.signer, created=stage.now - timedelta(days=3000))))),
    case("V05", "proof created in the future", VALID, lambda stage: stage.given(stage.publish(add_proof(stage.unsigned(), stage.world.publisher.signer, created=stage.now + timedelta(days=3000))))),
    case("V06", "lineage credential", VALID, lineage_credential),
    case("V06", "audit credential", VALID, other_type("DatasetAuditCredential", lambda stage: audit_subject(stage.document))),
    case("V06", "approval credential", VALID, other_type("DatasetAuditCredential", lambda stage: audit_subject(stage.document, "approval"), validUntil="2027-11-02T00:00:00Z")),
    case("V06", "grant credential", VALID, other_type("DatasetLicenseGrantCredential", lambda stage: grant_subject(stage.document, stage.world.publisher.did, "did:web:me.example"))),
    case("V06", "observer's credential", VALID, observer),
    case("V07", "validFrom now + 60 s", VALID, period(validFrom={"seconds": 60})),
    case("V07", "validUntil now - 60 s", VALID, period(validUntil={"seconds": -60})),
    case("V07", "validUntil with 12 fraction digits, in time", VALID, literal("validUntil", "2026-11-02T09:29:00.000000000001Z")),
    case("V07", "validUntil in the year 9999", VALID, literal("validUntil", "9999-12-31T23:59:59Z")),
    case("V07", "evidence 24 h old, online", VALID, at(offline=False, hours=24)),
    case("V07", "evidence 7 d old, offline", VALID, when(days=7)),
    case("V07", "evidence signed 60 s ahead of this clock", VALID, lambda stage: replace(at(seconds=-60)(stage), raw=stage.given(stage.publish(stage.signed({**stage.unsigned(), "validFrom": "2020-01-01T00:00:00Z"}))).raw)),
    case("V07", "as of then, revoked since", VALID, as_of_then),
    case("V07", "as of a day after its evidence", VALID, as_of_years_later),
    case("V08", "list whose gzip has a name and a time", VALID, resigned("/credentialSubject/encodedList", gzip_with_header())),
    case("V08", "list compressed at level 1", VALID, resigned("/credentialSubject/encodedList", "u" + url64(packed(bytes(BYTES), 1)))),
    case("V08", "list compressed at level 9", VALID, resigned("/credentialSubject/encodedList", "u" + url64(packed(bytes(BYTES), 9)))),
    case("V09", "list of 2^20 bits", VALID, relisted(bits=bytes(2**17))),
    case("V09", "list of 8 MiB", VALID, relisted(bits=bytes(8 * 1024 * 1024))),
    case("V10", "statusSize 2, value 0", VALID, status_size(0)),
    case("V10", "statusSize 1, stated", VALID, signed("/credentialStatus/0/statusSize", 1)),
    case("V10", "first index", VALID, index("0")),
    case("V10", "last index", VALID, index("131071")),
    case("S23", "first byte 0x80, index 7", VALID, marked(7, 0x80)),
    case("V10", "neighbours' bits set", VALID, neighbours_revoked),
    case("V10", "suspended and resumed", VALID, resumed),
    case("V10", "list with a name and a ttl", VALID, resigned("/name", "Status of Example Law Data")),
    case("V10", "lists in the other order", VALID, lists(lambda _, found: found[::-1])),
    case("V10", "the same list twice", VALID, lists(lambda _, found: [*found, found[0]])),
    case("V11", "log of 300 entries", VALID, grown_log),
    case("V11", "newest entry of 100", VALID, last_entry),
    case("V11", "proof under an older head", VALID, older_proof),
    case("V11", "two of two witnesses", VALID, witnessed(2, 2)),
    case("V11", "three of two witnesses", VALID, witnessed(3, 2)),
    case("V11", "cosignatures by strangers", VALID, unknown_cosigner),
    case("V11", "online, with everything fetched anew", VALID, online),
    case("V14", "key compromised after this entry", VALID, compromised_later),
    case("V14", "key retired after this entry", VALID, retired),
    case("V14", "key rotated before this entry", VALID, rotated),
    case("V14", "did:web, pinned key", VALID, web({})),
    case("V14", "did:web, pinned key, nothing presented", VALID, pinned_presented_nothing),
    case("V14", "did:web, pinned key with its name", VALID, web({"id": f"{WEB}#key-1"})),
    case("V14", "did:web, key revoked after this entry", VALID, revoked_later),
    case("V14", "did:web, window that begins at the second of logging", VALID, web({"from_": "2026-11-02T09:30:00Z"})),
    case("V14", "delegated issuer", VALID, delegated),
    case("V18", "zero-byte file", VALID, own_files(empty=b"", full=b"1")),
    case("V18", "zero-byte file alone", VALID, own_files(empty=b"")),
    case("V19", "names with spaces, emoji and NFC accents", VALID, named_files({"a b.txt": b"1", "\U0001f4c4.txt": b"2", "caf\u00e9.txt": b"3", "\u0639\u0642\u062f.txt": b"4"})),
    case("V19", "names in deep folders", VALID, named_files({"/".join("abcdefghij") + "/x": b"1"})),
    case("V19", "names that start with a dot or a dash", VALID, named_files({".hidden": b"1", "-rf": b"2", "...": b"3"})),
    case("V19", "one file of three, a part asked for", VALID, part),
    case("V19", "all files, a part asked for", VALID, lambda stage: stage.given(files=FILES, partial=True)),
    case("V20", "times and permissions of the files", VALID, lambda stage: stage.given(files=FILES, touched=True)),
    case("V20", "all files", VALID, lambda stage: stage.given(files=FILES)),
    case("V22", "derived from one dataset", VALID, derived()),
    case("V22", "derived, and how is asked for", VALID, derived(extra='[requirements]\nlineage = "declared"\n')),
    case("V22", "derived, and computed is asked for and given", VALID, derived(extra='[requirements]\nlineage = "computed"\n', assurance="computed")),
    case("V22", "derived over two generations, and how is asked for", VALID, grandparents),
    case("V22", "derived, and a stranger says that its parent was made from it", VALID, cycle_by_a_stranger),
    case("V22", "derived from two datasets", VALID, two_parents),
    case("V22", "derived from one whose period ended since", VALID, parent_expired_since),
    case("V25", "licence allowed by name", VALID, licensed("CC-BY-4.0", allow("CC-BY-4.0"))),
    case("V25", "licence OR, one of which is allowed", VALID, licensed("MIT OR Apache-2.0", allow("Apache-2.0"))),
    case("V25", "licence AND, both of which are allowed", VALID, licensed("MIT AND Apache-2.0", allow("Apache-2.0", "MIT"))),
    case("V25", "licence of one's own, allowed with its text", VALID, licensed("LicenseRef-terms", allow("LicenseRef-terms@sha256:" + "a" * 64), textDigest="a" * 64)),
    case("V25", "licence unknown, and the policy lets it through", VALID, licensed("unknown", SOFT)),
    case("V25", "licence for commercial training", VALID, licensed("CC-BY-4.0", COMMERCIAL)),
    case("V25", "licence about derivatives, allowed by name", VALID, licensed("CC-BY-ND-4.0", TRAINING + allow("CC-BY-ND-4.0"))),
    case("V25", "licence that forbids commercial use, and a grant to you", VALID, granted()),
    case("V25", "a grant to you, a did:web whose key the trust file pins", VALID, granted(me=web_me(), to=WEB_ME)),
    case("V25", "a grant to you, a did:web with its key pinned under its name", VALID, granted(me=web_me('keys = [{ multibase = "%s", id = "did:web:me.example#key-1" }]'), to=WEB_ME)),
    case("V25", "a grant to you, comments of the trust file changed since", VALID, granted(me=lambda text: "# mine\n" + mine(text) + "\n# signed\n")),
    case("V25", "terms for you alone", VALID, only_for(ME)),
    case("V25", "self unproven, and the licence permits it without a grant", VALID, granted(me=said, expression="CC-BY-4.0")),
    case("V25", "self unproven, a licence let through unknown, and a grant to you", VALID, granted(me=said, expression="LicenseRef-House", extra='[requirements.licenses]\nunknown = "warn"\n')),
    case("V25", "self unproven, a licence without evidence warned of, and a grant to you", VALID, granted(me=said, expression="CC-BY-4.0", extra='[requirements.licenses]\nevidence = "warn"\n')),
    case("V28", "terms that permit training", VALID, terms(offer())),
    case("V28", "terms that permit training until next year", VALID, terms(offer(permission=[{"action": "ai-training", "constraint": constraint("dateTime", "lt", "2027-01-01")}]))),
    case("V28", "terms that prohibit something else", VALID, terms(offer(prohibition=[{"action": "sell"}]))),
    case("V28", "mining reserved, and the data is their own", VALID, asked(TRAINING, tdmReservation={"value": "reserved"}, rightsBasis="own")),
    case("V28", "another purpose prohibited", VALID, asked(TRAINING, prohibitedPurpose=["research"])),
    case("V31", "regulated data absent", VALID, classified("phi", "absent", '[requirements.regulations]\nphi = ["absent"]\n')),
    case("V31", "regulated data de-identified", VALID, safe_harbour),
    case("V31", "health data de-identified and audited", VALID, audited_health()),
    case("V31", "personal data absent", VALID, asked('[requirements]\npersonalData = ["absent"]\n', personalData={"status": "absent"})),
    case("V31", "quality at its minimum", VALID, quality("0.95", 'minimum = "0.95"')),
    case("V31", "quality at its minimum, written otherwise", VALID, quality("0.950", 'minimum = "0.95"')),
    case("V31", "age at its limit", VALID, asked("[requirements]\nmaxAgeDays = 30\n", issued="2026-10-03")),
    case("V31", "age proven in the second", VALID, asked("[requirements]\nprovenBefore = 2026-11-02T09:30:00Z\n")),
    case("V31", "geography allowed", VALID, asked('[requirements]\ngeography = "US"\n', processingGeography={"allowed": ["DE", "US"]})),
    case("V34", "approved by an auditor", VALID, approved()),
    case("V34", "approved by an auditor, either of two asked for", VALID, approved(expression="publisher AND (auditor OR regulator)")),
    case("V34", "approved for this use", VALID, approved(requirements='[requirements]\nuse = "fine-tuning"\n')),
    *(
        case("V34", f"approval of {' and '.join(wide)} for {use}", VALID, approved(approvedUse=wide, requirements=f'[requirements]\nuse = "{use}"\n'))
        for wide, use in ((["fine-tuning", "pre-training"], "ai-training"), (["fine-tuning", "pre-training"], "fine-tuning"), (["fine-tuning", "pre-training", "synthetic-data-generation"], "gen-ai"))
    ),
    case("V34", "approved with conditions", VALID, approved(verdict="accepted-with-conditions", conditions="not for resale")),
    case("V37", "a stranger's audit in the bundle", VALID, lambda stage: stage.given(replace(stage.bundle, parents=(_strangers_audit(stage),)))),
    case("V37", "name that looks like an attack", VALID, signed("/credentialSubject/name", "'; DROP TABLE credentials; -- <script>alert(1)</script> ../../etc")),
]  # fmt: skip


def _strangers_audit(stage: Stage) -> Any:
    mallory = stage.world.new_publisher("mallory")
    return stage.world.publish(
        stage.world.issue_as("DatasetAuditCredential", audit_subject(stage.document), publisher=mallory)
    )
