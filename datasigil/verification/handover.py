"""Registries that took over: which presented handovers count, who signs status lists since, and whether the continued log is current.

Lives here: following handovers from the registry that a credential names. Not here: the form of a handover (`credentials.handover`), judging
the lists (`status`) and the old log's own proofs (`logged`). ADR 0065.

The ending registry's status key has signed the handover, and its log holds it: by naming that key as `statusIssuer`, the credential's issuer
accepted this word. Nothing here lets the new registry speak about what happened before: the credential's log proof stays the old log's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datasigil.credentials.handover import (
    LOGGED,
    LOGGED_TYPE,
    REQUEST_TYPE,
    RegistryHandover,
    parse_handover,
    require_signed_by,
)
from datasigil.credentials.types import Credential
from datasigil.encoding import Instant, JsonObject
from datasigil.errors import DatasigilError, LogError, UntrustedError
from datasigil.record import dataclass
from datasigil.transparency.checkpoint import VerifiedCheckpoint, require_fresh
from datasigil.transparency.entry import log_entry
from datasigil.transparency.proofs import VerifiedInclusion
from datasigil.trust.rules import KeyPin, LogRule
from datasigil.verification.findings import Situation
from datasigil.verification.issuer import require_signed, rule_of, unpinned
from datasigil.verification.logged import Logged, require_entry, require_key_in_force, require_time

HANDOVERS_MAX = 8


@dataclass(frozen=True)
class Step:
    """One handover that counts: what it says, and the proof that the new log has gone on from there, if one is presented."""

    handover: RegistryHandover
    current: str | None


@dataclass(frozen=True)
class Succession:
    """The handovers that lead on from one registry, in order, and why others do not count."""

    steps: tuple[Step, ...] = ()
    refused: tuple[str, ...] = ()

    def by(self, did: str) -> Step | None:
        """Return the handover that made this DID the signer of lists."""
        return next((step for step in self.steps if step.handover.after.did == did), None)


def succession(did: str, origin: str, presented: Sequence[JsonObject], situation: Situation) -> Succession:
    """Return the handovers that lead on from a registry and its log; nothing presented, nothing found."""
    known = (f"{did} {origin}", id(presented))  # the bundle that holds them outlives the check
    if known not in situation.histories:
        situation.histories[known] = _follow(did, origin, presented, situation)
    found: Succession = situation.histories[known]
    return found


def _follow(did: str, origin: str, presented: Sequence[JsonObject], situation: Situation) -> Succession:
    frames = [frame for frame in presented if frame.get("type") == LOGGED_TYPE][: 4 * HANDOVERS_MAX]
    refused: list[str] = []
    steps: list[Step] = []
    while frames and len(steps) < HANDOVERS_MAX:
        found = list(_from(did, origin, frames, presented, situation, refused))
        if not found:
            break
        step = min(
            found, key=lambda one: one.handover.tree_size
        )  # a log ends once: what comes after its end is not its word
        steps.append(step)
        did, origin = step.handover.after.did, step.handover.after.origin
        frames = [frame for frame in frames if frame.get("handover") != step.handover.document]
    return Succession(tuple(steps), tuple(refused))


def _from(
    did: str,
    origin: str,
    frames: Sequence[JsonObject],
    presented: Sequence[JsonObject],
    situation: Situation,
    refused: list[str],
) -> Iterator[Step]:
    for frame in frames:
        try:
            LOGGED.check(frame, None)
            handover = parse_handover(frame["handover"])
            if (handover.before.did, handover.before.origin) == (did, origin):
                _require_counts(handover, frame["proof"], presented, situation)
                yield Step(handover, frame.get("current"))
        except DatasigilError as error:
            refused.append(f"{error.message} ({error.code})")


def _require_counts(
    handover: RegistryHandover, proof: str, presented: Sequence[JsonObject], situation: Situation
) -> None:
    """Return when the ending registry's status key has signed, and its log holds it at the place that it names.

    Raises:
        UntrustedError: UNKNOWN_LOG, KEY_HISTORY, KEY_WINDOW, KEY_COMPROMISED.
        ProofError, LogError, MalformedError.
    """
    before = handover.before
    require_signed_by(handover.document, before.did, at=situation.at)
    rule = situation.policy.log(before.origin)
    if rule is None:
        raise _unknown(handover.before.origin, "the handover is in a log that your trust file does not name")
    logged = require_time(_require_at_its_place(proof, handover, rule, situation), rule, situation)
    known, _ = rule_of(before.did, presented, situation)
    signed = require_signed(handover.document, before.did, known, presented, situation.at)
    if not signed.accepted:
        raise unpinned(before.did, signed)
    _require_any_in_force([pin for _, pin in signed.accepted], logged)


def _require_any_in_force(pins: Sequence[KeyPin], logged: Logged) -> None:
    errors: list[DatasigilError] = []
    for pin in pins:
        try:
            require_key_in_force(pin, logged)
        except DatasigilError as error:
            errors.append(error)
        else:
            return
    raise errors[0]


def require_continued(
    stale: LogError, credential: Credential, presented: Sequence[JsonObject], situation: Situation
) -> tuple[VerifiedCheckpoint, str]:
    """Return the recent checkpoint of the log that went on, and what it shows; it holds the handover at its place.

    Raises:
        LogError: `stale` itself without a handover that counts; LOG_STALE, INCLUSION and as `require_entry`.
        UntrustedError: UNKNOWN_LOG, saying what to add to the trust file.
    """
    found = succession(credential.status[0].issuer, credential.log_origin, presented, situation)
    if not found.steps:
        if found.refused:
            stale.found = f"{stale.found}; a handover that does not count: {'; '.join(found.refused)}"[:1000]
        raise stale
    step = found.steps[-1]
    after = step.handover.after
    rule = situation.policy.log(after.origin)
    if rule is None:
        raise _unknown(
            after.origin,
            f"the registry has handed over to {after.url}, and your trust file does not name the log that went on",
            expected=trust_lines(step.handover),
            next_action="compare these keys with what the new registry publishes, then add the lines to your trust file",
        )
    if step.current is None:
        raise LogError(
            "LOG_STALE", "nothing recent shows the log that went on", expected=f"a checkpoint of {after.origin}", found="none",
            next_action="run `datasigil-verify refresh` on the bundle",
        )  # fmt: skip
    included = _require_at_its_place(step.current, step.handover, rule, situation)
    require_fresh(included.checkpoint, rule.time_key, at=situation.time, max_age=situation.max_age)
    seen = Instant.from_datetime(max(included.checkpoint.times_by(rule.time_key)))
    says = f"the log ended with entry {step.handover.tree_size}, its handover to {after.url}; what goes on was seen at {seen}"
    return included.checkpoint, says


def _require_at_its_place(
    proof: str, handover: RegistryHandover, rule: LogRule, situation: Situation
) -> VerifiedInclusion:
    included = require_entry(proof, _entry(handover), rule, situation)
    if included.index != handover.tree_size:
        raise LogError(
            "INCLUSION", "the handover stands at another place of the log than it says",
            expected=f"entry {handover.tree_size}", found=f"entry {included.index}",
        )  # fmt: skip
    return included


def trust_lines(handover: RegistryHandover) -> str:
    """Return the lines of a trust file that name the log which went on."""
    after = handover.after
    return f'[[logs]] with origin = "{after.origin}", url = "{after.url}/log", key = "{after.log_key}", timeKey = "{after.time_key}"'


def _entry(handover: RegistryHandover) -> bytes:
    return log_entry("key", handover.digest, handover.before.did, REQUEST_TYPE, handover.digest)


def _unknown(origin: str, message: str, *, expected: str = "", next_action: str = "") -> UntrustedError:
    return UntrustedError("UNKNOWN_LOG", message, expected=expected, found=origin[:120], next_action=next_action)


__all__ = ["HANDOVERS_MAX", "Step", "Succession", "require_continued", "succession", "trust_lines"]
