"""L: log, checkpoint, witnesses. The entry is rebuilt from the credential in hand; the head is what trusted keys signed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from adversarial.group_s import served
from adversarial.stage import Build, Case, Given, Stage, case, new_state
from simulator import NOW, World, entry_of, flip_bit, mutate, signer_of, vkey_of, with_credential, without

from datasigil.bundle import Bundle
from datasigil.transparency.checkpoint import open_checkpoint
from datasigil.transparency.client_state import ClientState
from datasigil.transparency.proofs import parse_log_proof


def grown(stage: Stage, entries: int = 12) -> Bundle:
    """The baseline as one of several entries, so that its proof has hashes."""
    document = stage.document
    for number in range(entries):
        stage.world.log.append(f"other entry {number}".encode())
    return stage.world.bundle(document)


def proof(change: Callable[[list[str]], list[str]]) -> Build:
    """Change the lines of the log proof: header, index, hashes, blank, origin, size, root, blank, signatures."""

    def build(stage: Stage) -> Given:
        bundle = grown(stage)
        assert bundle.log is not None
        lines = change(bundle.log.proof.split("\n"))
        return stage.given(replace(bundle, log=replace(bundle.log, proof="\n".join(lines))))

    return build


def line(number: int, text: str | Callable[[str], str]) -> Build:
    """Change one line of the log proof."""

    def change(lines: list[str]) -> list[str]:
        lines[number] = text(lines[number]) if callable(text) else text
        return lines

    return proof(change)


def insert(number: int, text: str) -> Build:
    """Put one line more into the log proof."""
    return proof(lambda lines: [*lines[:number], text, *lines[number:]])


def drop(number: int) -> Build:
    """Take one line out of the log proof."""
    return proof(lambda lines: [*lines[:number], *lines[number + 1 :]])


def flip(bit: int = 0) -> Callable[[str], str]:
    """Flip one bit of a base64 line."""
    return lambda text: base64.b64encode(flip_bit(base64.b64decode(text), bit)).decode()


def text_of(data: bytes) -> str:
    """Padded base64."""
    return base64.b64encode(data).decode()


# The lines of a proof over 13 entries for index 0: 2, 3, 4, 5 are hashes; then blank, origin, size, root, blank, log's line, time's line.
HASHES = (2, 3, 4, 5)
BLANK, ORIGIN, SIZE, ROOT, END, LOG_LINE, TIME_LINE = 6, 7, 8, 9, 10, 11, 12
A_HASH = text_of(bytes(32))


def wrong_leaf(stage: Stage) -> Given:
    """A tree of one entry, whose root is another leaf."""
    other = stage.signed(stage.unsigned())
    return stage.given(with_credential(stage.bundle, other))


def other_entry(kind: str) -> Build:
    """The log holds an entry about the credential, but none of its issue."""

    def build(stage: Stage) -> Given:
        document = stage.signed(stage.unsigned())
        digest = "ab" * 32 if kind in ("revoke", "suspend", "resume", "key") else None
        stage.world._index[_digest(document)] = stage.world.log.append(entry_of(kind, document, digest))
        return stage.given(stage.world.bundle(document))

    return build


def _digest(document: dict[str, Any]) -> str:
    from datasigil.canonical import document_digest

    return document_digest(document)


def resigned_after_log(stage: Stage) -> Given:
    """Logged, then given one proof more: the logged digest is of another secured document."""
    again = stage.world.sign(stage.document)
    return stage.given(with_credential(stage.bundle, again))


def other_log(stage: Stage) -> Given:
    """A proof from another log, which the trust file also names."""
    elsewhere = World(host="elsewhere.example")
    elsewhere.publisher = stage.world.publisher
    elsewhere._index[_digest(stage.document)] = elsewhere.log.append(entry_of("issue", stage.document))
    table = f'[[logs]]\norigin = "{elsewhere.log.origin}"\nkey = "{elsewhere.log.key}"\ntimeKey = "{elsewhere.log.time_key}"\n'
    bundle = replace(stage.bundle, log=elsewhere.log_evidence(stage.document))
    return stage.given(bundle, policy=stage.world.policy_toml(extra=table))


def unknown_log(stage: Stage) -> Given:
    """A trust file that does not name the log."""
    return stage.given(policy=stage.world.policy_toml(log=False))


def unknown_log_bad_proof(stage: Stage) -> Given:
    """The same, and the proof does not even hold under the keys that the bundle presents."""
    bundle = grown(stage)
    assert bundle.log is not None
    lines = bundle.log.proof.split("\n")
    lines[2] = flip()(lines[2])
    return stage.given(
        replace(bundle, log=replace(bundle.log, proof="\n".join(lines))), policy=stage.world.policy_toml(log=False)
    )


def new_origin(stage: Stage) -> Given:
    """The log announces a new origin, to be met without memory."""
    document = mutate(stage.unsigned(), "/transparencyLog/origin", "registry.example/log2")
    log = stage.world.log
    log.origin = "registry.example/log2"
    log.key = vkey_of(log.origin, log.signer)
    honest = Stage().world.policy_toml()
    return stage.given(stage.publish(stage.signed(document)), policy=honest)


def forked_key(stage: Stage) -> Given:
    """A checkpoint signed by another key under the log's name."""
    log = stage.world.log
    document, policy = stage.document, stage.world.policy_toml()
    log.signer = signer_of("mallory log")
    log.key = vkey_of(log.origin, log.signer)
    return stage.given(stage.world.bundle(document), policy=policy)


def ended(name: str, kept: str, change: Callable[[list[str]], list[str]] = lambda lines: lines) -> Build:
    """The log has another key now; the trust file keeps the earlier one, which signed this proof over 13 entries, for so much."""

    def build(stage: Stage) -> Given:
        given = proof(change)(stage)
        log = stage.world.log
        old = str(log.key if name == "key" else log.time_key)
        other = signer_of("the log's next key")
        new = vkey_of(log.origin, other) if name == "key" else vkey_of(log.time_key.name, other, 4)
        policy = stage.world.policy_toml().replace(f'{name} = "{old}"', f'{name} = "{new}"')
        return replace(given, policy=f'{policy}\n[[logs.earlier]]\n{name} = "{old}"\n{kept}\n')

    return build


def witnessed(count: int, quorum: int, change: Callable[[Stage, str], str] | None = None) -> Build:
    """A policy with a quorum; the checkpoint carries cosignatures by `count` witnesses."""

    def build(stage: Stage) -> Given:
        crowd = Stage(witnesses=3)
        everyone = crowd.world.witnesses
        document = crowd.world.issue()
        crowd.world.witnesses = everyone[:count]
        bundle = crowd.world.publish(document)
        crowd.world.witnesses = everyone
        policy = crowd.world.policy_toml(quorum=quorum)
        return crowd.given(bundle, policy=change(crowd, policy) if change is not None else policy)

    return build


def one_key_two_names(stage: Stage, policy: str) -> str:
    """The second witness is the first one's key under another name and principal."""
    first, second = stage.world.witnesses[0], stage.world.witnesses[1]
    return policy.replace(str(second.key), str(vkey_of(second.principal, first.signer, 4)))


def two_keys_one_principal(stage: Stage, policy: str) -> str:
    """Two keys of one principal."""
    return policy.replace('principal = "witness2.example"', 'principal = "witness1.example"')


def log_key_as_witness(stage: Stage, policy: str) -> str:
    """The log's own key as a witness."""
    return policy.replace(
        str(stage.world.witnesses[1].key), str(vkey_of("witness2.example", stage.world.log.signer, 4))
    )


def signed_twice_by_one(stage: Stage) -> Given:
    """One key, which the trust file has under two names, cosigns under both."""
    crowd = Stage(witnesses=2)
    first, second = crowd.world.witnesses
    crowd.world.witnesses = (
        first,
        replace(second, signer=first.signer, key=vkey_of(second.principal, first.signer, 4)),
    )
    document = crowd.world.issue()
    return crowd.given(crowd.world.publish(document), policy=crowd.world.policy_toml(quorum=2))


def bad_cosignature(stage: Stage) -> Given:
    """One of two witnesses' lines is damaged: a known key's bad line refuses the note."""
    given = witnessed(2, 2)(stage)
    mark = given.raw.index("\u2014 witness1.example ".encode()) + len("\u2014 witness1.example ".encode())
    data = bytearray(given.raw)
    data[mark + 30] = ord("A") if data[mark + 30] != ord("A") else ord("B")
    return replace(given, raw=bytes(data))


def remembered(change: Callable[[Stage, ClientState], Bundle], **given: Any) -> Build:
    """This client remembers a head of the log."""

    def build(stage: Stage) -> Given:
        state = new_state()
        return stage.given(change(stage, state), state=state, **given)

    return build


def observe(stage: Stage, state: ClientState, bundle: Bundle) -> None:
    """Remember a bundle's head as fetched."""
    assert bundle.log is not None
    log = stage.world.log
    state.observe_checkpoint(open_checkpoint(parse_log_proof(bundle.log.proof).checkpoint, log.key, (log.time_key,)))


def split_view(stage: Stage, state: ClientState) -> Bundle:
    """Two trees of one size: the one that this client saw, and the one in the bundle."""
    other = World()
    other.log.append(b"another first entry")
    note = other.log.checkpoint(other.now)
    state.observe_checkpoint(open_checkpoint(note, other.log.key, (other.log.time_key,)))
    return stage.bundle


def damaged_memory(stage: Stage, state: ClientState) -> Bundle:
    """The remembered head cannot be read: that is no reason to know less."""
    observe(stage, state, stage.bundle)
    for path in (state.directory / "checkpoints").iterdir():
        path.write_bytes(b"garbage")
    return stage.bundle


def online(change: Callable[[Stage, ClientState], Callable[[str], tuple[int, bytes]]]) -> Build:
    """Online, with a log that answers in another way than it did."""

    def build(stage: Stage) -> Given:
        state = new_state()
        bundle = stage.bundle
        fetch = change(stage, state)
        lists = {one["id"]: one for one in bundle.status_lists}

        def answer(url: str) -> tuple[int, bytes]:
            import json

            return fetch(url) if "/log/" in url else (200, json.dumps(lists[url]).encode())

        return stage.given(bundle, offline=False, state=state, fetch=answer)

    return build


def shrunk(stage: Stage, state: ClientState) -> Callable[[str], tuple[int, bytes]]:
    """The head that is fetched as current is smaller than the remembered one."""
    from datasigil.merkle import leaf_hash  # the other log holds our entry and more

    larger = World()
    larger.log.append(stage.world.log.entries[0])
    larger.log.append(b"more")
    assert leaf_hash(b"more")
    note = larger.log.checkpoint(larger.now)
    state.observe_checkpoint(open_checkpoint(note, larger.log.key, (larger.log.time_key,)))
    return lambda url: served(stage, url)


def rewritten(stage: Stage, state: ClientState) -> Callable[[str], tuple[int, bytes]]:
    """The head that is fetched as current is larger, and does not contain the remembered one."""
    small = World()
    small.log.append(b"an entry that was taken out")
    small.log.append(b"and another")
    note = small.log.checkpoint(small.now)
    state.observe_checkpoint(open_checkpoint(note, small.log.key, (small.log.time_key,)))
    for number in range(5):
        stage.world.log.append(f"other entry {number}".encode())
    return lambda url: served(stage, url)


def split_fetched(stage: Stage, state: ClientState) -> Callable[[str], tuple[int, bytes]]:
    """The head that is fetched as current has the remembered size and another root."""
    split_view(stage, state)
    return lambda url: served(stage, url)


def unreachable(stage: Stage, state: ClientState) -> Callable[[str], tuple[int, bytes]]:
    """The log answers 503."""
    return lambda url: (503, b"")


def aged(offline: bool, **shift: float) -> Build:
    """A checkpoint that is old, with status lists of now."""

    def build(stage: Stage) -> Given:
        document, old = stage.document, stage.bundle
        stage.world.tick(**shift)
        return stage.given(replace(stage.world.bundle(document), log=old.log), offline=offline)

    return build


def empty_tree(stage: Stage) -> Given:
    """A checkpoint of an empty tree."""
    bundle = stage.bundle
    assert bundle.log is not None
    world = World()
    note = world.log.checkpoint(NOW, size=0)
    text = "c2sp.org/tlog-proof@v1\nindex 0\n\n" + note.decode()
    assert bundle.log.proof.startswith("c2sp.org/tlog-proof@v1\n")
    return stage.given(replace(bundle, log=replace(bundle.log, proof=text)))


CASES: list[Case] = [
    *(case("L01", f"hash {number} of the proof, one bit", "INVALID:INCLUSION", line(place, flip(number * 7))) for number, place in enumerate(HASHES, 1)),
    *(case("L01", f"hash {number} of the proof, last bit", "INVALID:INCLUSION", line(place, flip(255))) for number, place in enumerate(HASHES, 1)),
    case("L04", "log evidence absent", "INVALID:LOG_PROOF_MISSING", lambda stage: stage.given(without(stage.bundle, "log"))),
    case("L04", "bare credential", "INVALID:LOG_PROOF_MISSING", lambda stage: stage.given(stage.document)),
    case("L05", "one hash more, at the end", "INVALID:INCLUSION", insert(6, A_HASH)),
    case("L05", "one hash more, at the start", "INVALID:INCLUSION", insert(2, A_HASH)),
    case("L06", "one hash fewer, at the end", "INVALID:INCLUSION", drop(5)),
    case("L06", "one hash fewer, at the start", "INVALID:INCLUSION", drop(2)),
    case("L06", "no hash", "INVALID:INCLUSION", proof(lambda lines: [*lines[:2], *lines[6:]])),
    case("L07", "65 hashes", "INVALID:INCLUSION", proof(lambda lines: [*lines[:2], *[A_HASH] * 65, *lines[6:]])),
    case("L07", "64 hashes", "INVALID:INCLUSION", proof(lambda lines: [*lines[:2], *[A_HASH] * 64, *lines[6:]])),
    case("L08", "hashes in the other order", "INVALID:INCLUSION", proof(lambda lines: [*lines[:2], *reversed(lines[2:6]), *lines[6:]])),
    case("L08", "hash of 31 bytes", "INVALID:INCLUSION", line(2, text_of(bytes(31)))),
    case("L08", "hash of 33 bytes", "INVALID:INCLUSION", line(2, text_of(bytes(33)))),
    case("L08", "hash in hexadecimal", "INVALID:INCLUSION", line(2, "ab" * 32)),
    case("L08", "hash without padding", "INVALID:INCLUSION", line(2, lambda text: text.rstrip("="))),
    case("L08", "hash with stray bits", "INVALID:INCLUSION", line(2, A_HASH[:-2] + "B=")),
    case("L08", "hash with a space", "INVALID:INCLUSION", line(2, lambda text: text + " ")),
    case("L09", "index of another entry", "INVALID:INCLUSION", line(1, "index 1")),
    case("L09", "index beyond the tree", "INVALID:INCLUSION", line(1, "index 13")),
    case("L09", "index far beyond the tree", "INVALID:INCLUSION", line(1, "index 9007199254740991")),
    case("L09", "index 2^64", "INVALID:INCLUSION", line(1, "index 18446744073709551616")),
    case("L09", "index below zero", "INVALID:INCLUSION", line(1, "index -1")),
    case("L09", "index with a leading zero", "INVALID:INCLUSION", line(1, "index 00")),
    case("L09", "index in Arabic digits", "INVALID:INCLUSION", line(1, "index \u0660")),
    case("L09", "index line absent", "INVALID:LOG_PROOF", drop(1)),
    case("L09", "proof of another version", "INVALID:LOG_PROOF", line(0, "c2sp.org/tlog-proof@v2")),
    case("L09", "proof without checkpoint", "INVALID:LOG_PROOF", proof(lambda lines: lines[:6])),
    case("L09", "proof of 100 KB", "INVALID:LOG_PROOF", proof(lambda lines: [*lines, "x" * 100_000])),
    case("L09", "proof with carriage returns", "INVALID:LOG_PROOF", proof(lambda lines: [text + "\r" for text in lines])),
    case("L12", "tree of one entry, wrong leaf", "INVALID:INCLUSION", wrong_leaf),
    *(case("L13", f"entry of the kind {kind} alone", "INVALID:INCLUSION", other_entry(kind)) for kind in ("audit", "revoke", "key")),
    case("L13", "credential signed once more after it was logged", "INVALID:INCLUSION", resigned_after_log),
    case("L17", "root changed", "INVALID:CHECKPOINT", line(ROOT, flip(3))),
    case("L17", "root of zeros", "INVALID:CHECKPOINT", line(ROOT, A_HASH)),
    case("L18", "root of 31 bytes", "INVALID:CHECKPOINT", line(ROOT, text_of(bytes(31)))),
    case("L18", "root that is no base64", "INVALID:CHECKPOINT", line(ROOT, "!" * 44)),
    case("L19", "size line absent", "INVALID:CHECKPOINT", drop(SIZE)),
    case("L19", "size changed", "INVALID:CHECKPOINT", line(SIZE, "14")),
    case("L19", "size below zero", "INVALID:CHECKPOINT", line(SIZE, "-13")),
    case("L19", "size with a leading zero", "INVALID:CHECKPOINT", line(SIZE, "013")),
    case("L19", "size 2^53", "INVALID:CHECKPOINT", line(SIZE, "9007199254740992")),
    case("L19", "size with a plus sign", "INVALID:CHECKPOINT", line(SIZE, "+13")),
    case("L19", "size empty", "INVALID:CHECKPOINT", line(SIZE, "")),
    case("L20", "extension line added", "INVALID:CHECKPOINT", insert(END, "extension")),
    case("L20", "blank line before the signatures absent", "INVALID:CHECKPOINT", drop(END)),
    case("L21", "log's signature absent", "INVALID:CHECKPOINT", drop(LOG_LINE)),
    case("L21", "log's signature damaged", "INVALID:CHECKPOINT", line(LOG_LINE, lambda text: text[:-6] + ("AAAA==" if not text.endswith("AAAA==") else "BAAA=="))),
    case("L21", "log's signature under another name", "INVALID:CHECKPOINT", line(LOG_LINE, lambda text: text.replace("registry.example/log", "registry.example/lag"))),
    case("L21", "log's signature with a hyphen for the dash", "INVALID:CHECKPOINT", line(LOG_LINE, lambda text: text.replace("\u2014", "-"))),
    case("L21", "time key's signature absent", "INVALID:CHECKPOINT", drop(TIME_LINE)),
    case("L21", "time key's signature of the wrong length", "INVALID:CHECKPOINT", line(TIME_LINE, lambda text: text[:-8] + "AA==")),
    case("L21", "checkpoint by an earlier key of the log, of more entries than it stands for", "INVALID:LOG_KEY_ENDED", ended("key", "size = 12")),
    case("L21", "checkpoint by an earlier key of the log, damaged", "INVALID:CHECKPOINT", ended("key", "size = 13", lambda lines: [*lines[:ROOT], flip(3)(lines[ROOT]), *lines[ROOT + 1:]])),
    case("L21", "time by an earlier key of the log, of more entries than it stands for", "INVALID:LOG_KEY_ENDED", ended("timeKey", 'size = 12\nuntil = "2030-01-01T00:00:00Z"')),
    case("L21", "time by an earlier key of the log, later than it stands for", "INVALID:LOG_KEY_ENDED", ended("timeKey", 'size = 13\nuntil = "2026-11-02T09:29:59Z"')),
    case("L21", "checkpoint by an earlier key of the log, of as many entries as it stands for", "VALID", ended("key", "size = 13")),
    case("L21", "time by an earlier key of the log, of as many entries and as late as it stands for", "VALID", ended("timeKey", 'size = 13\nuntil = "2026-11-02T09:30:00Z"')),
    case("L21", "checkpoint signed by another key under the log's name", "INVALID:CHECKPOINT", forked_key),
    case("L21", "origin changed", "INVALID:LOG_ORIGIN", line(ORIGIN, "registry.example/lag")),
    case("L21", "origin empty", "INVALID:CHECKPOINT", line(ORIGIN, "")),
    case("L21", "proof from another log that is trusted too", "INVALID:LOG_ORIGIN", other_log),
    case("L24", "checkpoint of an empty tree", "INVALID:EMPTY_TREE", empty_tree),
    case("L28", "one of two required witnesses", "INVALID:QUORUM", witnessed(1, 2)),
    case("L28", "no witness at all", "INVALID:QUORUM", witnessed(0, 1)),
    case("L28", "two of three required witnesses", "INVALID:QUORUM", witnessed(2, 3)),
    case("L29", "one witness key under two names, two of two", "INVALID:QUORUM", signed_twice_by_one),
    case("L29", "the second principal's key is the first one's", "INVALID:QUORUM", witnessed(2, 2, one_key_two_names)),
    case("L29", "two keys of one principal", "INVALID:QUORUM", witnessed(2, 2, two_keys_one_principal)),
    case("L29", "the log's own key as a witness", "INVALID:QUORUM", witnessed(1, 2, log_key_as_witness)),
    case("L29", "one of two cosignatures damaged", "INVALID:CHECKPOINT", bad_cosignature),
    case("L34", "same size as remembered, another root, in the bundle", "INVALID:SPLIT_VIEW", remembered(split_view)),
    case("L34", "same size as remembered, another root, fetched", "INVALID:SPLIT_VIEW", online(split_fetched)),
    case("L37", "fetched head smaller than the remembered one", "INDET:LOG_ROLLBACK", online(shrunk)),
    case("L38", "fetched head does not contain the remembered one", "INVALID:CONSISTENCY", online(rewritten)),
    case("L39", "log answers 503", "INDET:LOG_RETRIEVAL", online(unreachable)),
    case("L39", "remembered head damaged on disk", "INDET:CLIENT_STATE", remembered(damaged_memory)),
    case("L41", "log announces a new origin", "INDET:UNKNOWN_LOG", new_origin),
    case("L41", "trust file without the log", "INDET:UNKNOWN_LOG", unknown_log),
    case("L41", "trust file without the log, and a proof that fails", "INVALID:INCLUSION", unknown_log_bad_proof),
    case("L44", "checkpoint 25 h old, online", "INDET:LOG_STALE", aged(offline=False, hours=25)),
    case("L44", "checkpoint 8 d old, offline", "INDET:LOG_STALE", aged(offline=True, days=8)),
    case("L44", "checkpoint a year old, offline", "INDET:LOG_STALE", aged(offline=True, days=365)),
]  # fmt: skip

__all__ = ["CASES", "timedelta", "witnessed"]
