"""Step 7: the credential is in the log that it names, under a checkpoint that counts, and its key was in force at that point.

Lives here: the entry rebuilt from the credential in hand, the log proof, signed time, witnesses, the client's memory, key window and
compromise. Not here: the formats (`transparency`), status (`status`). Time is what keys of the trust file signed, never `created`.
Past 400 lines: one step of the plan, whose parts are read in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256

from datasigil.bundle import LogEvidence
from datasigil.credentials.types import Credential
from datasigil.encoding import Instant, JsonObject
from datasigil.errors import DatasigilError, LogError, UntrustedError
from datasigil.limits import CLOCK_SKEW_SECONDS
from datasigil.record import dataclass
from datasigil.transparency.checkpoint import (
    VerifiedCheckpoint,
    asserted_time,
    require_fresh,
    require_quorum,
    unverified_checkpoint,
)
from datasigil.transparency.entry import log_entry
from datasigil.transparency.note import COSIGNATURE_V1, ED25519, parse_vkey
from datasigil.transparency.proofs import LogProof, VerifiedInclusion, included_under, parse_log_proof, verify_log_proof
from datasigil.trust.rules import KeyPin, LogRule
from datasigil.verification.findings import Findings, Situation
from datasigil.verification.issuer import SignedBy

_SKEW = timedelta(seconds=CLOCK_SKEW_SECONDS)
_NEVER = datetime.min.replace(tzinfo=UTC)
# What others hold and may not have handed out yet; everything else in step 7 is the presenter's to supply.
_UNDETERMINED = frozenset(
    {"UNKNOWN_LOG", "LOG_STALE", "CLOCK_BEHIND", "EVIDENCE_LATER", "LOG_ROLLBACK", "CLIENT_STATE"}
)


@dataclass(frozen=True)
class Logged:
    """Where and by when the log held the credential."""

    origin: str
    index: int
    size: int
    time: datetime  # earliest signed time that counts
    basis: str  # "registry-asserted" | "witnessed"

    @cached_property
    def instant(self) -> Instant:
        """The time as an exact instant."""
        return Instant.from_datetime(self.time)


def check_log(
    credential: Credential,
    evidence: LogEvidence | None,
    presented: Sequence[JsonObject],
    signed: SignedBy | None,
    situation: Situation,
    findings: Findings,
) -> Logged | None:
    """Step 7, in its parts: entry, time, witnesses, freshness, signing key; `presented` may hold the log's handover to another one."""
    rule = situation.policy.log(credential.log_origin)
    if rule is None:
        _report_unknown_log(credential, evidence, findings)
        return None
    try:
        included = require_included(credential, evidence, rule, situation)
        findings.passed(
            7,
            f"entry {included[0].index} of {rule.origin} is this credential",
            name="log entry",
            found=" and ".join(f"tree of {one.checkpoint.checkpoint.size}" for one in included),
        )
        for one in included:
            findings.saw("checkpoint", sha256(one.checkpoint.note).hexdigest())
        logged = require_earliest(included, rule, situation)
    except DatasigilError as error:
        _record(error, "log entry", findings)
        return None
    findings.passed(7, f"the log held it by {logged.instant} ({logged.basis})", name="log time")
    _check_witnesses(situation, findings)
    freshest = _freshest(included, rule, situation)
    try:
        _check_freshness(freshest, rule, situation, findings)
    except LogError as stale:
        _check_continued(stale, credential, presented, situation, findings)
    if signed is not None and signed.accepted:
        _check_key(signed, logged, findings)
    return logged


def _record(error: DatasigilError, name: str, findings: Findings) -> None:
    (findings.undetermined if error.code in _UNDETERMINED else findings.failed)(7, error, name=name)


def require_included(
    credential: Credential, evidence: LogEvidence | None, rule: LogRule, situation: Situation
) -> tuple[VerifiedInclusion, ...]:
    """Return the proofs that the entry rebuilt from this credential is in this log: the first, and the current one if there is one.

    Raises:
        LogError: LOG_PROOF_MISSING, LOG_ORIGIN, CHECKPOINT, INCLUSION, EMPTY_TREE, SPLIT_VIEW.
        MalformedError: LOG_PROOF, INCLUSION, CHECKPOINT.
        DatasigilError: CLIENT_STATE.
    """
    entry = log_entry("issue", credential.digest, credential.issuer, credential.type)
    if evidence is None:
        return (require_entry(None, entry, rule, situation),)
    return require_proofs(evidence.proof, evidence.current, entry, rule, situation)


def require_proofs(
    proof: str, later: str | None, entry: bytes, rule: LogRule, situation: Situation
) -> tuple[VerifiedInclusion, ...]:
    """Return both proofs that an entry is in this log, or the one there is.  Raises: as `require_included`."""
    first = require_entry(proof, entry, rule, situation)
    if later is None:
        return (first,)
    current = require_entry(later, entry, rule, situation)
    if current.index != first.index:
        raise LogError(
            "INCLUSION", "the two log proofs are about different entries", expected=f"entry {first.index}", found=f"entry {current.index}"
        )  # fmt: skip
    old, new = first.checkpoint.checkpoint, current.checkpoint.checkpoint
    if old.size == new.size and old.root != new.root:
        raise LogError(
            "SPLIT_VIEW", "the log signed two trees of one size", place=rule.origin, expected=f"one root for {old.size} entries", found="two",
            next_action="keep this bundle: it holds both notes; report them to the log's operator and to other users",
        )  # fmt: skip
    return first, current


def require_entry(text: str | None, entry: bytes, rule: LogRule, situation: Situation) -> VerifiedInclusion:
    """Return the proof that an entry is in this log, held against what the client remembers of it.  Raises: as `require_included`."""
    witnesses = tuple(witness.key for witness in situation.policy.witnesses)
    if text is None:
        included = verify_log_proof(None, entry, rule.key)
    elif situation.memory is not None:
        included = situation.memory.included(text, entry, rule, witnesses)
    else:
        proof = parse_log_proof(text)
        require_origin(proof, rule.origin)
        included = included_under(rule.open(proof.checkpoint, witnesses), proof, entry)
    if situation.state is not None:
        situation.state.check_bundle_checkpoint(included.checkpoint)
    return included


def require_origin(proof: LogProof, origin: str) -> None:
    """Return when a proof is from the log of this origin, as it says itself.  Raises: LogError (LOG_ORIGIN)."""
    found = unverified_checkpoint(proof.checkpoint).origin
    if found != origin:
        message = "the proof is from another log than the one the credential names"
        raise LogError("LOG_ORIGIN", message, expected=origin, found=found[:120])


def require_earliest(included: Sequence[VerifiedInclusion], rule: LogRule, situation: Situation) -> Logged:
    """Return the earliest signed time by which the log held the entry, over all proofs of it.

    A proof whose cosignatures do not meet the quorum, or that is from after the time asked about, shows nothing; another one may.

    Raises:
        LogError: as `require_time`.
    """
    found, errors = [], []
    for one in included:
        try:
            found.append(require_time(one, rule, situation))
        except LogError as error:
            if error.code not in ("QUORUM", "EVIDENCE_LATER"):
                raise
            errors.append(error)
    if not found:
        raise errors[0]
    return min(found, key=lambda one: one.time)


def _freshest(included: Sequence[VerifiedInclusion], rule: LogRule, situation: Situation) -> VerifiedCheckpoint:
    """Return the checkpoint with the newest time by the log's time key that is not after the time asked for."""
    limit = situation.time + _SKEW
    return max(
        (one.checkpoint for one in included),
        key=lambda one: max((time for time in one.times_by(rule.time_key) if time <= limit), default=_NEVER),
    )


def require_time(included: VerifiedInclusion, rule: LogRule, situation: Situation) -> Logged:
    """Return the signed time by which the log held the entry: witnessed where the policy sets a quorum, else the registry's.

    Raises:
        LogError: CHECKPOINT (no timestamp), QUORUM, EVIDENCE_LATER, CLOCK_BEHIND.
    """
    time, basis = asserted_time(included.checkpoint, rule.time_key), "registry-asserted"
    witnessed = require_quorum(included.checkpoint, situation.policy.witnesses, situation.policy.quorum)
    if witnessed is not None:
        time, basis = witnessed, "witnessed"
    if time > situation.time + _SKEW:
        if situation.as_of:
            raise LogError(
                "EVIDENCE_LATER", "the evidence shows the log only at a later time than the one you asked about", expected=f"at most {situation.at}",
                found=str(Instant.from_datetime(time)), next_action="check with the bundle as it was then",
            )  # fmt: skip
        raise LogError(
            "CLOCK_BEHIND", "the checkpoint was signed after the time of this check", expected=f"at most {situation.at}",
            found=str(Instant.from_datetime(time)), next_action="set this machine's clock",
        )  # fmt: skip
    return Logged(rule.origin, included.index, included.checkpoint.checkpoint.size, time, basis)


def _check_witnesses(situation: Situation, findings: Findings) -> None:
    quorum = situation.policy.quorum
    if quorum == 0:
        findings.not_required(
            7, "your policy asks for no witnesses: the time of logging is the registry's own word", name="witnesses"
        )
    else:
        findings.passed(7, f"{quorum} independent witnesses cosigned the checkpoint", name="witnesses")


def _check_freshness(checkpoint: VerifiedCheckpoint, rule: LogRule, situation: Situation, findings: Findings) -> None:
    """The newest checkpoint known of this log is recent at the time asked for.

    Raises:
        LogError: LOG_STALE; a log that was handed over stays as it is, and another one goes on.
    """
    newest = max(checkpoint.times_by(rule.time_key))
    remembered, known = situation.fresh_logs.get(rule.origin), None
    try:
        if situation.state is not None and not situation.as_of:
            known = _remembered_time(rule, situation)
            situation.state.check_clock(situation.time)
        best = max(time for time in (newest, remembered, known) if time is not None and time <= situation.time + _SKEW)
        situation.fresh_logs[rule.origin] = best
        if best == newest:
            require_fresh(checkpoint, rule.time_key, at=situation.time, max_age=situation.max_age)
        elif situation.time - best > situation.max_age:
            raise _stale(best, situation)
    except DatasigilError as error:
        if isinstance(error, LogError) and error.code == "LOG_STALE":
            raise
        _record(error, "log freshness", findings)
        return
    except ValueError:  # every signed time lies after the time asked for; `require_time` has judged the first of them
        findings.passed(7, f"the log was seen at {Instant.from_datetime(newest)}", name="log freshness")
        return
    findings.passed(7, f"the log was seen at {Instant.from_datetime(best)}", name="log freshness")
    _raise_clock_floor(checkpoint, situation, findings)


def _check_continued(
    stale: LogError,
    credential: Credential,
    presented: Sequence[JsonObject],
    situation: Situation,
    findings: Findings,
) -> None:
    """A log that was handed over gets no newer: the log that goes on must be recent instead."""
    # Loaded when a log is stale: handovers are rare, and that module builds on this one.
    from datasigil.verification.handover import require_continued

    try:
        checkpoint, says = require_continued(stale, credential, presented, situation)
    except DatasigilError as error:
        _record(error, "log freshness", findings)
        return
    findings.passed(7, says, name="log freshness")
    _raise_clock_floor(checkpoint, situation, findings)


def _stale(best: datetime, situation: Situation) -> LogError:
    return LogError(
        "LOG_STALE", "the newest signed checkpoint is too old", expected=f"at most {situation.max_age} old", found=str(Instant.from_datetime(best)),
        next_action="run `datasigil-verify refresh` on the bundle",
    )  # fmt: skip


def _remembered_time(rule: LogRule, situation: Situation) -> datetime | None:
    """Return when the client last saw this log as current, if the trust file's keys signed what it remembers."""
    assert situation.state is not None
    remembered = situation.state.newest_checkpoint(rule.origin)
    if remembered is None:
        return None
    try:
        times = rule.open(remembered[1]).times_by(rule.time_key)
    except DatasigilError:
        return None  # signed by keys that the trust file no longer names: no evidence for or against
    return times[-1] if times else None


def _raise_clock_floor(checkpoint: VerifiedCheckpoint, situation: Situation, findings: Findings) -> None:
    if situation.state is None or situation.as_of:
        return
    try:
        situation.state.raise_clock_floor(checkpoint)
    except DatasigilError as error:
        findings.warn(error.code, f"the time of this log could not be remembered: {error}")


def _check_key(signed: SignedBy, logged: Logged, findings: Findings) -> None:
    """At least one accepted key was in force when the log held the credential, and is not compromised from there on."""
    errors = []
    for proof, pin in signed.accepted:
        try:
            require_key_in_force(pin, logged)
            signed.keys.revocation_of(proof, logged.instant)
        except DatasigilError as error:
            errors.append(error)
            continue
        findings.passed(
            7,
            f"the signing key was in force when the log held it{_window(pin)}",
            name="signing key",
            found=proof.verification_method,
        )
        if pin.compromised is not None:
            findings.warn(
                "KEY_COMPROMISED_LATER",
                f"the key is compromised from entry {pin.compromised.index} of {pin.compromised.origin} on; this credential is entry {logged.index} and stands",
            )
        return
    wrong = next((error for error in errors if error.code != "KEY_HISTORY"), None)
    if wrong is not None:
        findings.failed(7, wrong, name="signing key")
    else:
        findings.undetermined(7, errors[0], name="signing key")


def _window(pin: KeyPin) -> str:
    if pin.since is not None:
        return f" (reached from a pin by the rotation at entry {pin.since.index})"
    start = f" from {pin.valid_from}" if pin.valid_from is not None else ""
    end = f" until {pin.valid_until}" if pin.valid_until is not None else ""
    return f" (pinned{start}{end})" if start or end else ""


def require_key_in_force(pin: KeyPin, logged: Logged) -> None:
    """Return when the log held the entry inside the key's window, below its compromise and after the rotation that led to it.

    Raises:
        UntrustedError: KEY_WINDOW, KEY_COMPROMISED; KEY_HISTORY when nothing shows which came first.
    """
    when = logged.instant
    if pin.since is not None and pin.since.origin != logged.origin:
        raise UntrustedError(
            "KEY_HISTORY", "the rotation to this key is in another log, so nothing shows that it came first",
            expected=f"an entry of {pin.since.origin}", found=f"entry {logged.index} of {logged.origin}",
        )  # fmt: skip
    if pin.since is not None and logged.index <= pin.since.index:
        raise UntrustedError(
            "KEY_WINDOW", "the log held it before it held the rotation to this key",
            expected=f"an entry after {pin.since.index} of {pin.since.origin}", found=f"entry {logged.index}",
        )  # fmt: skip
    if pin.compromised is not None and (
        pin.compromised.origin != logged.origin or logged.index >= pin.compromised.index
    ):
        raise UntrustedError(
            "KEY_COMPROMISED", "the key is marked compromised, and the credential does not stand below that point of the log",
            expected=f"an entry below {pin.compromised.index} of {pin.compromised.origin}", found=f"entry {logged.index} of {logged.origin}",
        )  # fmt: skip
    early = pin.valid_from is not None and when < pin.valid_from
    late = pin.valid_until is not None and when >= pin.valid_until
    if early or late:
        raise UntrustedError(
            "KEY_WINDOW", "the log shows the credential outside the time for which you pinned the key",
            expected=f"{pin.valid_from or 'any time'} to {pin.valid_until or 'any time'}", found=str(when),
        )  # fmt: skip


def _report_unknown_log(credential: Credential, evidence: LogEvidence | None, findings: Findings) -> None:
    """Say that the log is unknown, and what the bundle's own keys would show, which decides nothing."""
    shown = "the bundle holds no log proof"
    if evidence is not None:
        try:
            shown = _under_presented_keys(credential, evidence)
        except DatasigilError as error:
            _record(error, "log entry", findings)
            return
    findings.undetermined(
        7,
        UntrustedError(
            "UNKNOWN_LOG", "your trust file does not name the log of this credential", place="/transparencyLog/origin", expected="a log that you trust",
            found=f"{credential.log_origin} ({shown})",
        ),
    )  # fmt: skip


def _under_presented_keys(credential: Credential, evidence: LogEvidence) -> str:
    proof = parse_log_proof(evidence.proof)
    require_origin(proof, credential.log_origin)
    keys = [parse_vkey(text) for text in evidence.keys]
    log_key = next((key for key in keys if key.name == credential.log_origin and key.algorithm == ED25519), None)
    if log_key is None:
        return "the bundle names no key of it"
    entry = log_entry("issue", credential.digest, credential.issuer, credential.type)
    included = verify_log_proof(proof, entry, log_key, [key for key in keys if key.algorithm == COSIGNATURE_V1])
    times = [one.time for one in included.checkpoint.cosignatures]
    when = f", cosigned {Instant.from_datetime(min(times))}" if times else ""
    return f"entry {included.index} under the key that the bundle presents{when}"
