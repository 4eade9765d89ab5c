"""S: status lists. Absent, foreign, old, broken or oversized lists never count as a clear bit."""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from adversarial.stage import Build, Case, Given, Stage, case, new_state, signed
from simulator import REMOVED, STATUS_BITS, mutate, signer_of

from datasigil.bundle import Bundle
from datasigil.credentials.status_list import parse_status_list
from datasigil.transparency.client_state import ClientState, RememberedStatusList

BYTES = STATUS_BITS // 8


def after_change(change: Callable[[Stage, dict[str, Any]], object], **given: Any) -> Build:
    """Something happens to the baseline's status, then a bundle of then."""

    def build(stage: Stage) -> Given:
        document = stage.document
        change(stage, document)
        return stage.given(stage.world.bundle(document), **given)

    return build


def lists(change: Callable[[Stage, list[dict[str, Any]]], list[dict[str, Any]]], **given: Any) -> Build:
    """The bundle with other status lists."""

    def build(stage: Stage) -> Given:
        bundle = stage.bundle
        changed = change(stage, [dict(one) for one in bundle.status_lists])
        return stage.given(replace(bundle, status_lists=tuple(changed)), **given)

    return build


def relisted(number: int = 0, **options: Any) -> Build:
    """One of the two lists made anew with other content, and signed by the registry."""

    def change(stage: Stage, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        entry = stage.document["credentialStatus"][number]
        given = {name: value(stage) if callable(value) else value for name, value in options.items()}
        found[number] = stage.world.status_list(entry, **given)
        return found

    return lists(change)


def resigned(pointer: str, value: Any, number: int = 0) -> Build:
    """One place of one list changed, then signed by the registry again."""

    def change(stage: Stage, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        bare = {name: item for name, item in mutate(found[number], pointer, value).items() if name != "proof"}
        found[number] = stage.world.sign(bare, stage.world.registry)
        return found

    return lists(change)


def encoded(change: Callable[[bytes], str]) -> Build:
    """The encoded list in another form, signed by the registry."""
    return resigned("/credentialSubject/encodedList", change(bytes(BYTES)))


def url64(data: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def packed(bits: bytes, level: int = 6) -> bytes:
    """gzip, the same bytes each time."""
    return gzip.compress(bits, level, mtime=0)


def inflating() -> str:
    """260 KB that inflate to 256 MiB."""
    return "u" + url64(packed(bytes(256 * 1024 * 1024), 9))


def index(value: Any) -> Build:
    """A credential with another status index, signed and logged."""
    return signed("/credentialStatus/0/statusListIndex", value)


def mismatched(stage: Stage) -> Given:
    """The issuer's other list swapped in under the entry of revocation."""
    bundle = stage.bundle
    document = stage.signed(
        mutate(
            stage.unsigned(),
            "/credentialStatus/0/statusListCredential",
            "https://registry.example/status-lists/publisher/other",
        )
    )
    return stage.given(replace(stage.publish(document), status_lists=bundle.status_lists))


def marked(index_of: int, byte: int, position: int = 0) -> Build:
    """A credential at an index, and a list with one byte set."""

    def build(stage: Stage) -> Given:
        bits = bytearray(BYTES)
        bits[position] = byte
        stage.world.publisher.bits["revocation"] = bits
        return index(str(index_of))(stage)

    return build


def rolled_back(stage: Stage) -> Given:
    """This client has seen the list that says revoked; the bundle brings one from before."""
    document, old = stage.document, stage.bundle
    stage.world.tick(hours=1)
    stage.world.revoke(document)
    state = new_state()
    remember(state, stage.world.bundle(document))
    return stage.given(old, state=state)


def remember(state: ClientState, bundle: Bundle) -> None:
    """Store a bundle's lists as seen."""
    from hashlib import sha256

    for document in bundle.status_lists:
        one = parse_status_list(document)
        state.observe_status_list(
            RememberedStatusList(one.id, one.valid_from, sha256(one.bits).hexdigest(), one.replay, dict(one.document))
        )


def equivocating(stage: Stage) -> Given:
    """Two lists that say they replay one log up to one entry, with other bits."""
    bundle = stage.bundle
    bits = bytearray(BYTES)
    bits[100] = 1
    other = stage.world.status_list(stage.document["credentialStatus"][0], bits=bytes(bits))
    return stage.given(replace(bundle, status_lists=(*bundle.status_lists, other)))


def older_and_newer(stage: Stage) -> Given:
    """A newer list that says revoked beside an older one that does not."""
    document, old = stage.document, stage.bundle
    stage.world.tick(hours=1)
    stage.world.revoke(document)
    new = stage.world.bundle(document)
    return stage.given(replace(new, status_lists=(*old.status_lists, *new.status_lists)))


def unrevoked(stage: Stage) -> Given:
    """An older list that says revoked, and a newer one that takes it back."""
    document = stage.document
    stage.world.revoke(document)
    revoked = stage.world.bundle(document)
    stage.world.tick(hours=1)
    stage.world.publisher.bits["revocation"] = bytearray(BYTES)
    stage.world.log.append(stage.world.log.entries[-1].replace(b'"revoke"', b'"revoke"'))
    clear = stage.world.bundle(document)
    return stage.given(replace(clear, status_lists=(*revoked.status_lists, *clear.status_lists)))


def resuspended(stage: Stage) -> Given:
    """Suspended, resumed, suspended: the newest list tells."""
    for step in ("suspend", "resume", "suspend"):
        getattr(stage.world, step)(stage.document)
        stage.world.tick(minutes=1)
    return stage.given(stage.world.bundle(stage.document))


def status_size(value: int) -> Build:
    """A credential whose entry has two bits, with this value in the list."""

    def build(stage: Stage) -> Given:
        document = mutate(stage.unsigned(), "/credentialStatus/0/statusSize", 2)
        place = int(document["credentialStatus"][0]["statusListIndex"]) * 2
        bits = stage.world.publisher.bits["revocation"]
        for offset in range(2):
            if value >> (1 - offset) & 1:
                bits[(place + offset) // 8] |= 0x80 >> (place + offset) % 8
        return stage.given(stage.publish(stage.signed(document)))

    return build


def network(answer: Callable[[Stage, str], tuple[int, bytes]]) -> Build:
    """Online, with a log that answers and a list that answers in this way."""

    def build(stage: Stage) -> Given:
        return stage.given(
            stage.bundle, offline=False, fetch=lambda url: served(stage, url) if "/log/" in url else answer(stage, url)
        )

    return build


def served(stage: Stage, url: str) -> tuple[int, bytes]:
    """What an honest log answers."""
    path = url.split("/log/", 1)[1]
    if path == "checkpoint":
        return 200, stage.world.log.checkpoint(stage.now, stage.world.witnesses)
    from datasigil.transparency.tile_paths import parse_tile_path

    try:
        return 200, stage.world.log.store.read_tile(parse_tile_path(path))
    except Exception:  # whatever the store does not have
        return 404, b""


def refusing(code: str) -> Callable[[Stage, str], tuple[int, bytes]]:
    """A fetch that fails as `fetch` says it."""

    def answer(_stage: Stage, url: str) -> tuple[int, bytes]:
        from datasigil.fetch import FetchError

        raise FetchError(code, "it cannot be had", place=url)

    return answer


def stale(seconds: float, *, offline: bool) -> Build:
    """Lists that are older than the checkpoint: the checkpoint is of now."""

    def build(stage: Stage) -> Given:
        document, old = stage.document, stage.bundle
        stage.world.tick(seconds=seconds)
        return stage.given(replace(stage.world.bundle(document), status_lists=old.status_lists), offline=offline)

    return build


def ended(stage: Stage) -> Given:
    """A list whose own `validUntil` has passed, an hour after it was made."""
    entry = stage.document["credentialStatus"][0]
    short = stage.world.status_list(entry, valid_for=timedelta(minutes=1))
    bundle = stage.bundle
    return stage.given(replace(bundle, status_lists=(short, bundle.status_lists[1])), at=stage.now + timedelta(hours=1))


def from_the_future(stage: Stage) -> Given:
    """A list that is dated after this check."""
    document, honest = stage.document, stage.bundle
    stage.world.tick(minutes=2)
    later = stage.world.bundle(document)
    return stage.given(replace(honest, status_lists=later.status_lists), at=stage.now - timedelta(minutes=2))


def foreign_list(stage: Stage) -> Given:
    """One more list, which no entry names."""
    mallory = stage.world.new_publisher("mallory")
    extra = stage.world.status_list(
        {"statusListCredential": mallory.list_id("revocation"), "statusPurpose": "revocation"}
    )
    return stage.given(replace(stage.bundle, status_lists=(*stage.bundle.status_lists, extra)))


def compromised_list_key(stage: Stage) -> Given:
    """The registry's status key is marked compromised: lists are not in the log, so none of them stands."""
    table = (
        f'[[issuers]]\ndid = "{stage.world.registry.controller}"\nname = "registry"\ntypes = []\n'
        f'[[issuers.keys]]\nmultibase = "{stage.world.registry.public_key.multibase}"\ncompromised = {{ origin = "registry.example/log", index = 100 }}\n'
    )
    return stage.given(policy=stage.world.policy_toml(extra=table))


CASES: list[Case] = [
    case("S01", "revocation bit set", "INVALID:REVOKED", after_change(lambda stage, document: stage.world.revoke(document))),
    case("S01", "revocation bit set, and the lists a year old", "INVALID:REVOKED", lambda stage: replace(after_change(lambda s, document: s.world.revoke(document))(stage), at=stage.now + timedelta(days=365))),
    case("S01", "revocation bit set in the older of two lists", "INVALID:REVOKED", unrevoked),
    case("S01", "revocation bit set in the newer of two lists", "INVALID:REVOKED", older_and_newer),
    case("S02", "suspension bit set", "INVALID:SUSPENDED", after_change(lambda stage, document: stage.world.suspend(document))),
    case("S02", "suspension bit set for the second time", "INVALID:SUSPENDED", resuspended),
    case("S02", "both bits set", "INVALID:REVOKED", after_change(lambda stage, document: (stage.world.revoke(document), stage.world.suspend(document)))),
    case("S04", "revocation list absent", "INDET:STATUS_MISSING", lists(lambda _, found: found[1:])),
    case("S04", "suspension list absent", "INDET:STATUS_MISSING", lists(lambda _, found: found[:1])),
    case("S04", "both lists absent", "INDET:STATUS_MISSING", lists(lambda *_: [])),
    case("S07", "list id of the issuer's other list", "INVALID:STATUS_ID", mismatched),
    case("S07", "one list more, of another publisher", "INVALID:STATUS_ID", foreign_list),
    case("S07", "list id changed and signed", "INVALID:STATUS_ID", resigned("/id", "https://registry.example/status-lists/publisher/else")),
    case("S07", "list with the other purpose", "INVALID:STATUS_PURPOSE", resigned("/credentialSubject/statusPurpose", "suspension")),
    case("S07", "list with no purpose of ours", "INVALID:SCHEMA", resigned("/credentialSubject/statusPurpose", "message")),
    case("S07", "list by another signer", "INVALID:STATUS_ISSUER", relisted(signer=lambda stage: stage.world.publisher.signer)),
    case("S07", "list by a stranger", "INVALID:STATUS_ISSUER", relisted(signer=lambda _: signer_of("mallory"))),
    case("S07", "list of another type", "INVALID:TYPE", resigned("/type", ["VerifiableCredential", "StatusList2021Credential"])),
    case("S07", "list that replays no log", "INVALID:STATUS_REPLAY", resigned("/credentialSubject/replay", REMOVED)),
    case("S07", "list that replays another log", "INVALID:STATUS_REPLAY", resigned("/credentialSubject/replay/origin", "other.example/log")),
    case("S07", "list that replays less than the credential's entry", "INDET:STATUS_STALE", resigned("/credentialSubject/replay/treeSize", 0)),
    case("S07", "list whose replay is below zero", "INVALID:SCHEMA", resigned("/credentialSubject/replay/treeSize", -1)),
    case("S07", "list with an unknown member", "INVALID:UNKNOWN_PROPERTY", resigned("/credentialSubject/good", True)),
    case("S07", "list without contexts of ours", "INVALID:CONTEXT", resigned("/@context", ["https://www.w3.org/ns/credentials/v2"])),
    case("S07", "list without validFrom", "INVALID:SCHEMA", resigned("/validFrom", REMOVED)),
    case("S07", "list whose period ends before it starts", "INVALID:SCHEMA", resigned("/validUntil", "2026-01-01T00:00:00Z")),
    case("S07", "two lists that replay one log differently", "INVALID:STATUS_EQUIVOCATION", equivocating),
    case("S07", "list signed with a compromised key", "INVALID:KEY_COMPROMISED", compromised_list_key),
    *(
        case("S10", f"/credentialStatus/0/statusListIndex {shown!r}", "INVALID:STATUS_INDEX", index(shown))
        for shown in ("-1", "007", "1e3", " 5", "\u0663", "5.0", "18446744073709551621", 5, "", "0x5", "+5", "5 ", "5\n", "\uff15", True)
    ),
    case("S10", "/credentialStatus/0/statusListIndex beyond the list", "INVALID:STATUS_RANGE", index("131072")),
    case("S10", "/credentialStatus/0/statusListIndex far beyond the list", "INVALID:STATUS_RANGE", index("999999999")),
    case("S17", "list that inflates to 256 MiB", "INVALID:STATUS_SIZE", resigned("/credentialSubject/encodedList", inflating())),
    case("S17", "list one byte above 8 MiB", "INVALID:STATUS_SIZE", encoded(lambda _: "u" + url64(packed(bytes(8 * 1024 * 1024 + 1), 9)))),
    case("S17", "list one byte below 16 KiB", "INVALID:STATUS_SIZE", encoded(lambda bits: "u" + url64(packed(bits[1:])))),
    case("S17", "list of no bytes", "INVALID:STATUS_SIZE", encoded(lambda _: "u" + url64(packed(b"")))),
    case("S20", "list without multibase prefix", "INVALID:STATUS_ENCODING", encoded(lambda bits: url64(packed(bits)))),
    case("S20", "list in base58 (z)", "INVALID:STATUS_ENCODING", encoded(lambda bits: "z" + url64(packed(bits)))),
    case("S20", "list in standard base64", "INVALID:STATUS_ENCODING", encoded(lambda bits: "u" + base64.b64encode(packed(bits)).decode())),
    case("S20", "list with junk in its base64", "INVALID:STATUS_ENCODING", encoded(lambda bits: "u" + url64(packed(bits))[:9] + "!" + url64(packed(bits))[9:])),
    case("S20", "list with padding", "INVALID:STATUS_ENCODING", encoded(lambda bits: "u" + url64(packed(bits)) + "=")),
    case("S20", "list in zlib format", "INVALID:STATUS_ENCODING", encoded(lambda bits: "u" + url64(zlib.compress(bits)))),
    case("S20", "list in raw deflate", "INVALID:STATUS_ENCODING", encoded(lambda bits: "u" + url64(zlib.compress(bits)[2:-4]))),
    case("S20", "list of two gzip members", "INVALID:STATUS_ENCODING", encoded(lambda bits: "u" + url64(packed(bits) + packed(bits)))),
    case("S20", "list cut short", "INVALID:STATUS_ENCODING", encoded(lambda bits: "u" + url64(packed(bits)[:-9]))),
    case("S20", "list with a wrong checksum", "INVALID:STATUS_ENCODING", encoded(lambda bits: "u" + url64(packed(bits)[:-8] + b"\0\0\0\0" + packed(bits)[-4:]))),
    case("S20", "list that is not compressed", "INVALID:STATUS_ENCODING", encoded(lambda bits: "u" + url64(bits))),
    case("S23", "first byte 0x80, index 0", "INVALID:REVOKED", marked(0, 0x80)),
    case("S24", "first byte 0x01, index 7", "INVALID:REVOKED", marked(7, 0x01)),
    case("S24", "last byte 0x01, last index", "INVALID:REVOKED", marked(131_071, 0x01, BYTES - 1)),
    case("S26", "two bits with the value 1", "INVALID:REVOKED", status_size(1)),
    case("S26", "two bits with the value 2", "INVALID:REVOKED", status_size(2)),
    case("S26", "two bits with the value 3", "INVALID:REVOKED", status_size(3)),
    case("S28", "404 for the list", "INDET:STATUS_RETRIEVAL", network(lambda *_: (404, b"not found"))),
    case("S29", "500 for the list", "INDET:STATUS_RETRIEVAL", network(lambda *_: (500, b"oops"))),
    case("S30", "timeout for the list", "INDET:STATUS_RETRIEVAL", network(refusing("FETCH_TIMEOUT"))),
    case("S31", "TLS error for the list", "INDET:STATUS_RETRIEVAL", network(refusing("FETCH_TLS"))),
    case("S32", "200 with HTML for the list", "INDET:STATUS_RETRIEVAL", network(lambda *_: (200, b"<!doctype html><p>welcome"))),
    case("S32", "200 with an empty object for the list", "INDET:STATUS_RETRIEVAL", network(lambda *_: (200, b"{}"))),
    case("S32", "200 with an array for the list", "INDET:STATUS_RETRIEVAL", network(lambda *_: (200, b"[]"))),
    case("S32", "204 for the list", "INDET:STATUS_RETRIEVAL", network(lambda *_: (204, b""))),
    case("S32", "blocked address for the list", "INDET:STATUS_RETRIEVAL", network(refusing("FETCH_BLOCKED"))),
    case("S35", "lists 24 h 1 s old, online", "INDET:STATUS_STALE", stale(24 * 3600 + 1, offline=False)),
    case("S35", "lists 7 d 1 s old, offline", "INDET:STATUS_STALE", stale(7 * 24 * 3600 + 1, offline=True)),
    case("S35", "list past its own validUntil", "INDET:STATUS_STALE", ended),
    case("S35", "list dated after this check", "INDET:STATUS_STALE", from_the_future),
    case("S36", "older list than the one that this client has seen", "INVALID:REVOKED", rolled_back),
    case("S39", "list with a status of its own", "INVALID:STATUS_RECURSION", lambda stage: resigned("/credentialStatus", stage.document["credentialStatus"][0])(stage)),
    case("S39", "list that names itself as its status", "INVALID:STATUS_RECURSION", resigned("/credentialStatus", {"id": "https://registry.example/status-lists/publisher/revocation#1", "type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "1", "statusListCredential": "https://registry.example/status-lists/publisher/revocation"})),
]  # fmt: skip
