"""K and L, over time: keys reached by logged rotations, and evidence under two checkpoints, an early and a current one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from adversarial.group_k import WEB, pin, web_policy, web_publisher, with_pins
from adversarial.stage import Build, Case, Given, Stage, case
from simulator import Log, Publisher, mutate, signer_of

from datasigil.bundle import Bundle, LogEvidence
from datasigil.canonical import document_digest
from datasigil.credentials.key_rotation import logged_rotation
from datasigil.transparency.entry import log_entry


@dataclass
class Rotating:
    """A did:web that has rotated from its pinned key to a second one, and what its bundles present."""

    stage: Stage

    def __post_init__(self) -> None:
        self.world = self.stage.world
        self.publisher = web_publisher(self.stage)
        self.old = self.publisher.signer
        self.new = signer_of("webco second").as_method(f"{WEB}#key-2")
        self.third = signer_of("webco third").as_method(f"{WEB}#key-3")
        self.stranger = signer_of("mallory").as_method(f"{WEB}#key-9")
        self.recovery = signer_of("webco recovery").as_method(f"{WEB}#recovery")
        self.policy = web_policy(self.stage, self.publisher)

    def rotate(self, new: Any = None, by: Any = None, **changes: Any) -> dict[str, Any]:
        """Log a rotation, by default from the first key to the second."""
        return self.world.rotate(self.publisher, new or self.new, by=by or self.old, **changes)

    def issued(self, signer: Any = None) -> Bundle:
        """Return the bundle of a credential that a key has signed, by default the second, logged now."""
        self.publisher.signer = signer or self.new
        return self.world.publish(self.world.issue(publisher=self.publisher))

    def given(self, bundle: Bundle, *rotations: dict[str, Any], **given: Any) -> Given:
        """Hand a bundle in with what is presented about keys."""
        return self.stage.given(
            replace(bundle, issuer_keys=(*bundle.issuer_keys, *rotations)), **{"policy": self.policy, **given}
        )

    def evidence(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a rotation as bundles present it, with the evidence of now."""
        return self.world.rotation_evidence(request)


def rotating(build: Callable[[Rotating], Given]) -> Build:
    """A case about somebody who rotates."""
    return lambda stage: build(Rotating(stage))


def rotated(
    change: Callable[[Rotating, dict[str, Any]], dict[str, Any]] | None = None, **rotation: Callable[[Rotating], Any]
) -> Build:
    """A credential by the second key; the presented rotation was changed, or made by other keys or with other members."""

    def build(one: Rotating) -> Given:
        request = one.rotate(**{name: value(one) for name, value in rotation.items()})
        shown = one.evidence(request)
        return one.given(one.issued(), change(one, shown) if change else shown)

    return rotating(build)


def without_proof(number: int) -> Build:
    """A rotation that one of its two keys has not signed, logged as it is."""

    def build(one: Rotating) -> Given:
        request = one.world.rotation_request(one.publisher, one.new, by=one.old)
        request = {**request, "proof": [request["proof"][1 - number]]}
        return one.given(one.issued(), logged_as(one, request))

    return rotating(build)


def signed_thrice() -> Build:
    """A rotation that the first key has signed once more, logged as it is."""

    def build(one: Rotating) -> Given:
        request = one.world.rotation_request(one.publisher, one.new, by=one.old)
        return one.given(one.issued(), logged_as(one, one.world.sign(request, one.old)))

    return rotating(build)


def logged_as(one: Rotating, request: dict[str, Any], kind: str = "key") -> dict[str, Any]:
    """Log a request under any kind of entry and return its evidence."""
    digest = document_digest(request)
    entry = log_entry(kind, digest, request["issuer"], request["type"], digest if kind == "key" else None)
    one.world._index[digest] = one.world.log.append(entry)
    return one.evidence(request)


def marked(index: int, by: str = "old") -> Build:
    """The pinned key is compromised from an entry on; the rotation is entry 1, by that key or by the recovery key."""

    def build(one: Rotating) -> Given:
        one.world.publish(one.world.issue())  # entry 0
        request = one.rotate(by=one.old if by == "old" else one.recovery)
        origin = one.world.log.origin
        mark = pin(one.publisher, compromised=f'{{ origin = "{origin}", index = {index} }}')
        one.publisher.signer = one.old
        policy = with_recovery(one, mark)
        return one.given(one.issued(), one.evidence(request), policy=policy)

    return rotating(build)


def with_recovery(one: Rotating, *pins: str) -> str:
    """A trust file that also pins a recovery key."""
    text = with_pins(one.world.policy_toml(publishers=(one.publisher,)), *(pins or (pin(one.publisher),)))
    return text.replace("\nroles = ", f'\nrecovery = ["{one.recovery.public_key.multibase}"]\nroles = ', 1)


def by_recovery(one: Rotating) -> Given:
    """A rotation by a recovery key that the trust file pins."""
    request = one.rotate(by=one.recovery)
    policy = with_recovery(one)
    return one.given(one.issued(), one.evidence(request), policy=policy)


def by_retired(one: Rotating) -> Given:
    """A rotation by a key whose window was over when the log held it."""
    policy = web_policy(one.stage, one.publisher, pin(one.publisher, until="2026-11-02T09:00:00Z"))
    return one.given(one.issued(), one.evidence(one.rotate()), policy=policy)


def to_compromised(one: Rotating) -> Given:
    """A rotation to a key that the trust file marks as compromised in another log."""
    second = Publisher("second", one.new, "https://other.example")
    mark = pin(second, compromised='{ origin = "other.example/log", index = 0 }', id=f"{WEB}#key-8")
    policy = web_policy(one.stage, one.publisher, pin(one.publisher), mark)
    return one.given(one.issued(), one.evidence(one.rotate()), policy=policy)


def logged_later(one: Rotating) -> Given:
    """A credential by the second key that the log held before the rotation."""
    bundle = one.issued()
    request = one.rotate()
    fresh = replace(bundle, log=one.world.log_evidence(bundle.credential))
    return one.given(fresh, one.evidence(request))


def chain(*order: int, early: bool = False) -> Build:
    """Two rotations, presented in an order; `early`: the second stands in the log before the first."""

    def build(one: Rotating) -> Given:
        makers = [lambda: one.rotate(), lambda: one.rotate(one.third, one.new)]
        requests = [make() for make in (reversed(makers) if early else makers)]
        shown = [one.evidence(request) for request in requests]
        return one.given(one.issued(one.third), *(shown[number] for number in order))

    return rotating(build)


def in_other_log(*, trusted: bool) -> Build:
    """A rotation that stands in another log than the credential."""

    def build(one: Rotating) -> Given:
        other = Log("other.example/log", signer_of("other log"), signer_of("other time"))
        request = one.world.rotation_request(one.publisher, one.new, by=one.old)
        digest = document_digest(request)
        index = other.append(log_entry("key", digest, request["issuer"], request["type"], digest))
        proof = other.proof(index, other.checkpoint(one.world.now))
        lines = f'\n[[logs]]\norigin = "{other.origin}"\nkey = "{other.key}"\ntimeKey = "{other.time_key}"\n'
        policy = one.policy + (lines if trusted else "")
        return one.given(one.issued(), logged_rotation(request, proof), policy=policy)

    return rotating(build)


def rotation_alone(one: Rotating) -> Given:
    """The rotation names the new key; nothing else presents it."""
    shown = one.evidence(one.rotate())
    return one.given(replace(one.issued(), issuer_keys=()), shown)


def shown_twice(one: Rotating) -> Given:
    """One rotation presented twice."""
    shown = one.evidence(one.rotate())
    return one.given(one.issued(), shown, shown)


def old_credential(one: Rotating) -> Given:
    """A credential by the first key, with the rotation presented beside it."""
    bundle = one.issued(one.old)
    return one.given(bundle, one.evidence(one.rotate()))


def of_another_did(one: Rotating) -> Given:
    """A rotation of somebody else's keys."""
    other = Publisher("else", signer_of("webco").as_method("did:web:else.example#key-1"), "https://else.example")
    new = signer_of("webco second").as_method("did:web:else.example#key-2")
    return one.given(one.issued(), one.evidence(one.world.rotate(other, new)))


def two_proofs(
    change: Callable[[Rotating, dict[str, Any]], str], policy: Callable[[Rotating], str] | None = None
) -> Build:
    """A rotation presented with its first proof and, a month later, a second one."""

    def build(one: Rotating) -> Given:
        request = one.rotate()
        shown = one.evidence(request)
        trusted = {"policy": policy(one)} if policy else {}
        one.world.tick(days=30)
        bundle = one.issued()
        return one.given(bundle, {**shown, "current": change(one, request)}, **trusted)

    return rotating(build)


def now_proven(one: Rotating, request: dict[str, Any]) -> str:
    """The proof of a rotation under the checkpoint of now."""
    return str(one.evidence(request)["proof"])


def of_an_issue(one: Rotating, _request: dict[str, Any]) -> str:
    """A sound proof of another entry."""
    return str(one.world.publish(one.world.issue()).log.proof)


def first_key_retired(one: Rotating) -> str:
    """The first key's window ended a week after the log first held the rotation."""
    return web_policy(one.stage, one.publisher, pin(one.publisher, until="2026-11-09T00:00:00Z"))


def two_proofs_late() -> Build:
    """Only the later proof is presented, so nothing shows that the first key was still in force."""

    def build(one: Rotating) -> Given:
        request, policy = one.rotate(), first_key_retired(one)
        one.world.tick(days=30)
        bundle = one.issued()
        return one.given(bundle, one.evidence(request), policy=policy)

    return rotating(build)


def quorum_later(one: Rotating) -> Given:
    """No witness had cosigned when the log first held the rotation; one has cosigned the current checkpoint."""
    request = one.rotate()
    shown = one.evidence(request)
    one.world.witnesses = Stage(witnesses=1).world.witnesses
    text = with_pins(one.world.policy_toml(publishers=(one.publisher,), quorum=1), pin(one.publisher))
    bundle = one.issued()
    return one.given(bundle, {**shown, "current": now_proven(one, request)}, policy=text)


# Two checkpoints ------------------------------------------------------------------------------------------------------


def refreshed(
    change: Callable[[Stage, LogEvidence], LogEvidence] | None = None,
    *,
    days: float = 30,
    policy: Callable[[Stage], str] | None = None,
    **given: Any,
) -> Build:
    """The baseline as it is after a refresh days later: the first log proof kept, a current one beside it."""

    def build(stage: Stage) -> Given:
        first = stage.bundle.log
        assert first is not None
        stage.world.tick(days=days)
        stage.world.publish(stage.world.issue())
        later = stage.bundle
        assert later.log is not None
        evidence = replace(first, current=later.log.proof)
        bundle = replace(later, log=change(stage, evidence) if change else evidence)
        return stage.given(bundle, policy=policy(stage) if policy else None, **given)

    return build


def current(old: str, new: str) -> Callable[[Stage, LogEvidence], LogEvidence]:
    """Replace a passage of the current proof."""

    def change(_stage: Stage, log: LogEvidence) -> LogEvidence:
        assert log.current is not None
        assert old in log.current
        return replace(log, current=log.current.replace(old, new, 1))

    return change


def first_damaged(_stage: Stage, log: LogEvidence) -> LogEvidence:
    """The first proof's index is another entry's; the current proof is sound."""
    return replace(log, proof=log.proof.replace("index 0", "index 7", 1))


def other_entry(stage: Stage, log: LogEvidence) -> LogEvidence:
    """The current proof is about another entry."""
    other = stage.world.issue()
    stage.world.publish(other)
    return replace(log, current=stage.world.log_evidence(other).proof)


def twice_logged(stage: Stage, log: LogEvidence) -> LogEvidence:
    """The credential was logged twice; each proof is about one of the two entries."""
    stage.world.publish(stage.document)
    return replace(log, current=stage.world.log_evidence(stage.document).proof)


def dated_ahead(stage: Stage, log: LogEvidence) -> LogEvidence:
    """The current checkpoint was signed 61 s ahead of this clock."""
    stage.world.now += timedelta(seconds=61)
    evidence = stage.world.log_evidence(stage.document)
    stage.world.now -= timedelta(seconds=61)
    return replace(log, current=evidence.proof)


def split(stage: Stage) -> Given:
    """Two checkpoints of one size and two roots, both signed by the log."""
    document = stage.document
    stage.world.publish(stage.world.issue())
    twin = Log(stage.world.log.origin, stage.world.log.signer, stage.world.log.time_signer)
    for entry in (stage.world.log.entries[0], b"something else"):
        twin.append(entry)
    honest = stage.world.log_evidence(document)
    forged = twin.proof(0, twin.checkpoint(stage.world.now))
    return stage.given(replace(stage.bundle, log=replace(honest, current=forged)))


def retired(stage: Stage) -> str:
    """The key's window ended a week after the log first held the credential."""
    return with_pins(stage.world.policy_toml(), pin(stage.world.publisher, until="2026-11-09T00:00:00Z"))


def proven_before(stage: Stage) -> str:
    """The policy asks that the log held it by a week after it did."""
    return stage.world.policy_toml(extra='[requirements]\nprovenBefore = "2026-11-09T00:00:00Z"\n')


def witnessed_later(stage: Stage) -> Given:
    """No witness had cosigned the first checkpoint; one has cosigned the current one."""
    first = stage.bundle.log
    assert first is not None
    witnesses = Stage(witnesses=1).world.witnesses
    stage.world.witnesses = witnesses
    later = stage.bundle
    assert later.log is not None
    policy = stage.world.policy_toml(quorum=1)
    return stage.given(replace(later, log=replace(first, current=later.log.proof)), policy=policy)


UNREACHED = "INDET:KEY_HISTORY"
VALID = "VALID"

CASES: list[Case] = [
    case("V14", "/issuerKeys with a rotation by the pinned key", VALID, rotated()),
    case("V14", "/issuerKeys with a rotation by a recovery key", VALID, rotating(by_recovery)),
    case("V14", "/issuerKeys with a rotation alone", VALID, rotating(rotation_alone)),
    case("V14", "/issuerKeys with two rotations", VALID, chain(0, 1)),
    case("V14", "/issuerKeys with two rotations in the other order", VALID, chain(1, 0)),
    case("V14", "/issuerKeys with a rotation after the credential by the first key", VALID, rotating(old_credential)),
    case("V14", "/issuerKeys with a rotation below the compromise of the first key", VALID, marked(2)),
    case("V14", "/issuerKeys with a rotation by a recovery key, the first key compromised before", VALID, marked(1, "recovery")),
    case("V14", "/issuerKeys with a rotation twice", VALID, rotating(shown_twice)),
    case("K31", "/issuerKeys without the rotation", UNREACHED, rotating(lambda one: (one.rotate(), one.given(one.issued()))[1])),
    case("K31", "/issuerKeys/1/request/authorizedBy a stranger", UNREACHED, rotated(by=lambda one: one.stranger)),
    case("K31", "/issuerKeys/1/request/authorizedBy a recovery key that nobody pinned", UNREACHED, rotated(by=lambda one: one.recovery)),
    case("K31", "/issuerKeys/1/request/newKey of somebody else", UNREACHED, rotated(new=lambda one: one.stranger)),
    case("K31", "/issuerKeys/1/request/proof without the new key's", UNREACHED, without_proof(1)),
    case("K31", "/issuerKeys/1/request/proof without the first key's", UNREACHED, without_proof(0)),
    case("K31", "/issuerKeys/1/request/proof twice by the first key", UNREACHED, signed_thrice()),
    case("K31", "/issuerKeys/1/request/reason changed", UNREACHED, rotated(lambda _one, shown: mutate(shown, "/request/reason", "x"))),
    case("K31", "/issuerKeys/1/request/newKey changed", UNREACHED, rotated(lambda one, shown: mutate(shown, "/request/newKey/publicKeyMultibase", one.third.public_key.multibase))),
    case("K31", "/issuerKeys/1/request with an unknown member", UNREACHED, rotated(lambda _one, shown: mutate(shown, "/request/trusted", value=True))),
    case("K31", "/issuerKeys/1 with an unknown member", UNREACHED, rotated(lambda _one, shown: mutate(shown, "/trusted", value=True))),
    case("K31", "/issuerKeys/1/request/formatVersion 2", UNREACHED, rotated(lambda _one, shown: mutate(shown, "/request/formatVersion", 2))),
    case("K31", "/issuerKeys/1/proof absent", UNREACHED, rotated(lambda _one, shown: {name: value for name, value in shown.items() if name != "proof"})),
    case("K31", "/issuerKeys/1/proof of another entry", UNREACHED, rotated(lambda one, shown: {**shown, "proof": one.world.publish(one.world.issue()).log.proof})),
    case("K31", "/issuerKeys/1/proof of an entry of the kind audit", UNREACHED, rotating(lambda one: one.given(one.issued(), logged_as(one, one.world.rotation_request(one.publisher, one.new, by=one.old), "audit")))),
    case("K31", "/issuerKeys/1 about another DID", UNREACHED, rotating(of_another_did)),
    case("K31", "/issuerKeys/1 in a log that nobody trusts", UNREACHED, in_other_log(trusted=False)),
    case("K31", "/issuerKeys/1 in another log than the credential", UNREACHED, in_other_log(trusted=True)),
    case("K31", "/issuerKeys/2 by the second key, which /issuerKeys/1 does not lead to yet", UNREACHED, chain(0, 1, early=True)),
    case("K31", "/issuerKeys/1 by the second key, its own rotation left out", UNREACHED, chain(1)),
    case("V14", "/issuerKeys/1/current beside the first proof", VALID, two_proofs(now_proven)),
    case("V14", "/issuerKeys/1/current, the first key retired between the two", VALID, two_proofs(now_proven, first_key_retired)),
    case("V14", "/issuerKeys/1/current, the first to meet the quorum", VALID, rotating(quorum_later)),
    case("K31", "/issuerKeys/1/current about another entry", UNREACHED, two_proofs(of_an_issue)),
    case("K31", "/issuerKeys/1/current that is no log proof", UNREACHED, two_proofs(lambda _one, _request: "x")),
    case("K31", "/issuerKeys/1/current with a changed root", UNREACHED, two_proofs(lambda one, request: now_proven(one, request).replace("\n2\n", "\n3\n", 1))),
    case("K34", "/issuerKeys/1/proof is the current one, the first key retired since", UNREACHED, two_proofs_late()),
    case("K34", "trust file: pinned key retired before the rotation", UNREACHED, rotating(by_retired)),
    case("K34", "trust file: pinned key compromised from the rotation on", UNREACHED, marked(1)),
    case("K34", "trust file: the new key compromised", UNREACHED, rotating(to_compromised)),
    case("K34", "/log of the credential before that of the rotation", "INVALID:KEY_WINDOW", rotating(logged_later)),
    case("V11", "/log/current beside the first proof", VALID, refreshed()),
    case("V11", "/log/current, the key retired since", VALID, refreshed(policy=retired)),
    case("V11", "/log/current, proven before it", VALID, refreshed(policy=proven_before)),
    case("V11", "/log/current, the first to meet the quorum", VALID, witnessed_later),
    case("L50", "/log/current absent", "INDET:LOG_STALE", refreshed(lambda _stage, log: replace(log, current=None))),
    case("L50", "/log/proof absent, the current one in its place, the key retired since", "INVALID:KEY_WINDOW", refreshed(lambda _stage, log: replace(log, proof=log.current or "", current=None), policy=retired)),
    case("L50", "/log/current empty", "INVALID:SCHEMA", refreshed(lambda _stage, log: replace(log, current=""))),
    case("L50", "/log/current that is no log proof", "INVALID:LOG_PROOF", refreshed(lambda _stage, log: replace(log, current="x"))),
    case("L50", "/log/current about another entry", "INVALID:INCLUSION", refreshed(other_entry)),
    case("L50", "/log/current about another entry of the same credential", "INVALID:INCLUSION", refreshed(twice_logged)),
    case("L50", "/log/current with another index", "INVALID:INCLUSION", refreshed(current("index 0", "index 1"))),
    case("L50", "/log/current with a changed size", "INVALID:CHECKPOINT", refreshed(current("\n2\n", "\n3\n"))),
    case("L50", "/log/current of another log", "INVALID:LOG_ORIGIN", refreshed(current("registry.example/log\n2", "other.example/log\n2"))),
    case("L50", "/log/current signed ahead of this clock", "INDET:CLOCK_BEHIND", refreshed(dated_ahead)),
    case("L50", "/log/current a month old", "INDET:LOG_STALE", lambda stage: replace(refreshed()(stage), at=stage.now + timedelta(days=30))),
    case("L50", "/log/proof damaged beside a current one", "INVALID:INCLUSION", refreshed(first_damaged)),
    case("L50", "/log/current of the same size and another root", "INVALID:SPLIT_VIEW", split),
]  # fmt: skip
