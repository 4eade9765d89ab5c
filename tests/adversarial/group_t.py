"""T: time. What counts is what keys of the trust file signed; `created` and whatever a bundle adds are never evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from adversarial.group_k import pin, with_pins
from adversarial.stage import Build, Case, Given, Stage, case, new_state, signed, text
from simulator import Log, signer_of

from datasigil.encoding import Instant
from datasigil.transparency.checkpoint import open_checkpoint
from datasigil.transparency.proofs import parse_log_proof


def moment(stage: Stage, **shift: float) -> str:
    """A timestamp that lies a while from now."""
    return str(Instant.from_datetime(stage.now + timedelta(**shift)))


def period(**members: dict[str, float]) -> Build:
    """A credential whose period is moved: `period(validFrom={"seconds": 61})`."""

    def build(stage: Stage) -> Given:
        document = stage.unsigned()
        if "validUntil" in members and "validFrom" not in members:
            document["validFrom"] = "2020-01-01T00:00:00Z"
        for name, shift in members.items():
            document[name] = moment(stage, **shift)
        return stage.given(stage.publish(stage.signed(document)))

    return build


def literal(name: str, value: str) -> Build:
    """A credential with one timestamp as it is written here."""

    def build(stage: Stage) -> Given:
        document = {**stage.unsigned(), "validFrom": "2020-01-01T00:00:00Z", name: value}
        return stage.given(stage.publish(stage.signed(document)))

    return build


def at(offline: bool = True, as_of: bool = False, **shift: float) -> Build:
    """Check the baseline at another time, with the evidence of now."""
    return lambda stage: stage.given(at=stage.now + timedelta(**shift), offline=offline, as_of=as_of)


def renewed(**shift: float) -> Build:
    """The signed time says otherwise than what the bundle claims: it was logged after the key's window."""

    def build(stage: Stage) -> Given:
        policy = with_pins(stage.world.policy_toml(), pin(stage.world.publisher, until=moment(stage, seconds=1)))
        document = stage.document
        stage.world.tick(**shift)
        return stage.given(stage.world.bundle(document), policy=policy)

    return build


def integrated_time(stage: Stage) -> Given:
    """An unsigned `integratedTime` beside the log proof."""
    given = renewed(hours=1)(stage)
    return replace(given, raw=given.raw.replace(b'"log":{', b'"log":{"integratedTime":"2026-11-02T09:00:00Z",', 1))


def time_line(change: Any) -> Build:
    """Change the time key's cosignature line of the checkpoint."""

    def build(stage: Stage) -> Given:
        bundle = stage.bundle
        assert bundle.log is not None
        lines = bundle.log.proof.split("\n")
        number = next(n for n, line in enumerate(lines) if line.startswith(f"\u2014 {stage.world.log.time_key.name} "))
        lines[number] = change(stage, lines[number])
        kept = [line for line in lines if line is not None]
        return stage.given(replace(bundle, log=replace(bundle.log, proof="\n".join(kept))))

    return build


def backdated(stage: Stage, line: str) -> str:
    """The same signature with an earlier time in front."""
    import base64

    head, _, blob = line.rpartition(" ")
    data = bytearray(base64.b64decode(blob))
    data[11] ^= 1
    return f"{head} {base64.b64encode(bytes(data)).decode()}"


def other_time_key(stage: Stage) -> Given:
    """The checkpoint is timestamped by a key that the trust file does not name."""
    world = stage.world
    document = stage.document
    world.log = replace_time_key(world.log)
    other = world.bundle(document)
    policy = stage.world.policy_toml()
    honest = Stage().world.policy_toml()
    assert policy != honest
    return stage.given(other, policy=honest)


def replace_time_key(log: Log) -> Log:
    """The same log under another time key."""
    changed = Log(log.origin, log.signer, signer_of("another time key"), log.store, log.entries)
    changed.tree = log.tree
    return changed


def clock_behind(stage: Stage) -> Given:
    """This client has seen a signed time that lies an hour ahead."""
    state = new_state()
    document = stage.document
    bundle = stage.bundle
    stage.world.tick(hours=1)
    later = stage.world.bundle(document)
    assert later.log is not None
    log = stage.world.log
    proof = parse_log_proof(later.log.proof)
    state.raise_clock_floor(open_checkpoint(proof.checkpoint, log.key, (log.time_key,)))
    return stage.given(bundle, at=stage.now - timedelta(hours=1), state=state)


def as_of_before_log(stage: Stage) -> Given:
    """Asked about a day on which the log did not yet show it."""
    document = stage.world.unsigned(stage.world.subject(), validFrom="2020-01-01T00:00:00Z")
    return stage.given(stage.publish(stage.signed(document)), at=stage.now - timedelta(days=2), as_of=True)


def suspended_then(stage: Stage) -> Given:
    """Asked about a time before any list that the bundle has: a suspension may have come and gone."""
    document = stage.document
    log = stage.bundle.log
    stage.world.tick(days=3)
    bundle = stage.world.bundle(document)
    return stage.given(replace(bundle, log=log), at=stage.now - timedelta(days=3), as_of=True)


def later_list_revoked(stage: Stage) -> Given:
    """Asked about a time before any list, and the later list says revoked: since when, nobody shows."""
    document = stage.document
    log = stage.bundle.log
    stage.world.tick(days=3)
    stage.world.revoke(document)
    bundle = stage.world.bundle(document)
    return stage.given(replace(bundle, log=log), at=stage.now - timedelta(days=3), as_of=True)


def revoked_before(stage: Stage) -> Given:
    """Asked about a time after the revocation."""
    document = stage.document
    stage.world.tick(days=1)
    stage.world.revoke(document)
    bundle = stage.world.bundle(document)
    return stage.given(bundle, at=stage.now, as_of=True)


def as_of_compromised(stage: Stage) -> Given:
    """A compromise that is known today counts for yesterday as well."""
    policy = with_pins(
        stage.world.policy_toml(),
        pin(stage.world.publisher, compromised='{ origin = "registry.example/log", index = 0 }'),
    )
    return stage.given(policy=policy, as_of=True)


CASES: list[Case] = [
    case("T01", "/validFrom now + 61 s", "INVALID:NOT_YET", period(validFrom={"seconds": 61})),
    case("T01", "/validFrom in a year", "INVALID:NOT_YET", period(validFrom={"days": 365})),
    case("T01", "/validFrom now + 60.000001 s", "INVALID:NOT_YET", literal("validFrom", "2026-11-02T09:31:00.000001Z")),
    case("T01", "/validFrom in the year 9999", "INVALID:NOT_YET", literal("validFrom", "9999-12-31T23:59:59Z")),
    case("T02", "/validUntil now - 61 s", "INVALID:EXPIRED", period(validUntil={"seconds": -61})),
    case("T02", "/validUntil a year ago", "INVALID:EXPIRED", period(validUntil={"days": -365})),
    case("T02", "/validUntil yesterday, asked as of now", "INVALID:EXPIRED", lambda stage: replace(period(validUntil={"days": -1})(stage), as_of=True)),
    case("T12", "/validUntil a picosecond too early", "INVALID:EXPIRED", literal("validUntil", "2026-11-02T09:28:59.999999999999Z")),
    case("T12", "/validFrom a picosecond too late", "INVALID:NOT_YET", literal("validFrom", "2026-11-02T09:31:00.000000000001Z")),
    case("T12", "/validUntil with 25 fraction digits", "INVALID:SCHEMA", literal("validUntil", "2027-11-02T09:30:00." + "0" * 25 + "Z")),
    case("T12", "/validUntil with an empty fraction", "INVALID:SCHEMA", literal("validUntil", "2027-11-02T09:30:00.Z")),
    case("T12", "/validUntil in the year 10000", "INVALID:SCHEMA", literal("validUntil", "10000-01-01T00:00:00Z")),
    case("T12", "/validUntil with a minus sign", "INVALID:SCHEMA", literal("validUntil", "-2027-01-01T00:00:00Z")),
    case("T16", "/log/integratedTime, unsigned", "INVALID:UNKNOWN_PROPERTY", integrated_time),
    case("T16", "signed time after the key's window", "INVALID:KEY_WINDOW", renewed(hours=1)),
    case("T16", "time key's line with another time", "INVALID:CHECKPOINT", time_line(backdated)),
    case("T16", "time key's line taken out", "INVALID:CHECKPOINT", time_line(lambda *_: None)),
    case("T16", "time key's line by another key", "INVALID:CHECKPOINT", other_time_key),
    case("T19", "checkpoint and lists 24 h 1 s old, online", "INDET:LOG_STALE", at(offline=False, hours=24, seconds=1)),
    case("T19", "checkpoint and lists 7 d 1 s old, offline", "INDET:LOG_STALE", at(days=7, seconds=1)),
    case("T19", "checkpoint signed 61 s ahead of this clock", "INDET:CLOCK_BEHIND", lambda stage: replace(at(seconds=-61)(stage), raw=stage.given(stage.publish(stage.signed({**stage.unsigned(), "validFrom": "2020-01-01T00:00:00Z"}))).raw)),
    case("T19", "clock an hour behind what a trusted key signed", "INDET:CLOCK_BEHIND", clock_behind),
    case("T22", "as of two days before the log showed it", "INDET:EVIDENCE_LATER", as_of_before_log),
    case("T22", "as of three days before the only lists", "INDET:STATUS_LATER", suspended_then),
    case("T22", "as of three days before a list that says revoked", "INDET:STATUS_LATER", later_list_revoked),
    case("T22", "as of after the revocation", "INVALID:REVOKED", revoked_before),
    case("T22", "as of before a compromise that is known now", "INVALID:KEY_COMPROMISED", as_of_compromised),
    case("T22", "as of a year later, with the evidence of now", "INDET:LOG_STALE", at(as_of=True, days=365)),
    case("T25", "/validFrom changed in the bundle's text", "INVALID:SIGNATURE", text('"validFrom":"2026-11-02T09:30:00Z","credentialSchema"', '"validFrom":"2026-11-02T09:30:01Z","credentialSchema"')),
    case("T25", "/credentialSubject/observation/time soon", "INVALID:SCHEMA", signed("/credentialSubject/observation", {"sourceUrl": "https://hub.example/x", "revision": "1", "time": "soon"})),
]  # fmt: skip
