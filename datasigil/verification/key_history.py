"""Keys reached from a pin: by logged rotations, each signed by a key that counted when the log held it, or by a pinned recovery key.

Lives here: which presented rotations count, and the pins that they lead to. Not here: the form of a rotation (`credentials.key_rotation`),
whether a key was in force when a credential was logged (`logged`). DESIGN.md section 4, "Keys".

A rotation can only add a key. Which key has ended, and from which entry on one is compromised, the trust file alone says: whoever presents a
bundle could leave a rotation out. What does not count is no error by itself; the key that it would have led to stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datasigil.credentials.key_rotation import (
    LOGGED,
    LOGGED_TYPE,
    REQUEST_TYPE,
    KeyRotation,
    parse_key_rotation,
    require_both_proofs,
)
from datasigil.encoding import JsonObject
from datasigil.errors import DatasigilError, LogError, UntrustedError
from datasigil.record import dataclass, replace
from datasigil.transparency.entry import log_entry
from datasigil.trust.rules import Compromise, IssuerRule, KeyPin
from datasigil.verification.findings import Situation
from datasigil.verification.logged import Logged, require_earliest, require_key_in_force, require_proofs

ROTATIONS_MAX = 32


@dataclass(frozen=True)
class KeyHistory:
    """The rule for an issuer with every key that the presented rotations lead to, and why the others do not count."""

    rule: IssuerRule
    refused: tuple[str, ...] = ()


def with_rotations(rule: IssuerRule, presented: Sequence[JsonObject], situation: Situation) -> KeyHistory:
    """Return the rule of a did:web with the keys that are reached from its pins."""
    mine = [entry for entry in presented if _is_about(entry, rule.did)][:ROTATIONS_MAX]
    if not mine or not rule.did.startswith("did:web:"):
        return KeyHistory(rule)
    refused: list[str] = []
    steps = list(_logged(mine, situation, refused))
    # A rotation counts only by keys of earlier entries, so one pass in the log's order reaches every key.
    for rotation, logged in sorted(steps, key=lambda step: (step[1].origin, step[1].index)):
        try:
            pin = _reached(rule, rotation, logged)
        except DatasigilError as error:
            refused.append(f"{rotation.new_id}: {error.message} ({error.code})")
            continue
        rule = replace(rule, keys=(*rule.keys, pin))
    return KeyHistory(rule, tuple(refused))


def _is_about(entry: JsonObject, did: str) -> bool:
    request = entry.get("request")
    return entry.get("type") == LOGGED_TYPE and isinstance(request, dict) and request.get("issuer") == did


def _logged(
    entries: Sequence[JsonObject], situation: Situation, refused: list[str]
) -> Iterator[tuple[KeyRotation, Logged]]:
    """Yield every rotation that both its keys signed and that a log of the trust file holds."""
    for entry in entries:
        try:
            LOGGED.check(entry, None)
            rotation = parse_key_rotation(entry["request"])
            require_both_proofs(rotation, at=situation.at)
            yield rotation, _require_logged(rotation, entry["proof"], entry.get("current"), situation)
        except DatasigilError as error:
            refused.append(f"{error.message} ({error.code})")


def _require_logged(rotation: KeyRotation, proof: str, current: str | None, situation: Situation) -> Logged:
    """Return where and by when a log of the trust file held a rotation.

    Raises:
        UntrustedError: UNKNOWN_LOG.
        LogError, MalformedError: as `require_proofs` and `require_earliest`.
    """
    from datasigil.transparency.checkpoint import unverified_checkpoint
    from datasigil.transparency.proofs import parse_log_proof

    origin = unverified_checkpoint(parse_log_proof(proof).checkpoint).origin
    rule = situation.policy.log(origin)
    if rule is None:
        raise UntrustedError(
            "UNKNOWN_LOG", "the rotation is in a log that your trust file does not name", found=origin[:120]
        )
    entry = log_entry("key", rotation.digest, rotation.issuer, REQUEST_TYPE, rotation.digest)
    return require_earliest(require_proofs(proof, current, entry, rule, situation), rule, situation)


def _reached(rule: IssuerRule, rotation: KeyRotation, logged: Logged) -> KeyPin:
    """Return the pin that a rotation leads to: the new key, for what the log holds from there on.

    Raises:
        UntrustedError: KEY_HISTORY, KEY_WINDOW, KEY_COMPROMISED.
        LogError: LOG_ORIGIN.
    """
    pin = KeyPin(rotation.new_key, rotation.new_id, since=Compromise(logged.origin, logged.index))
    if any(one.key == rotation.new_key and one.compromised is not None for one in rule.keys):
        raise UntrustedError(
            "KEY_COMPROMISED", "the trust file marks the new key as compromised", found=rotation.new_id
        )
    if rotation.authorizing_key in rule.recovery:
        return pin
    counted = [
        one for one in rule.keys if one.key == rotation.authorizing_key and one.id in ("", rotation.authorizing_id)
    ]
    if not counted:
        raise UntrustedError(
            "KEY_HISTORY", "a rotation by a key that no pin leads to", expected="a pinned, recovery or preceding key", found=rotation.authorizing_id,
        )  # fmt: skip
    errors: list[DatasigilError] = []
    for one in counted:
        try:
            require_key_in_force(one, logged)
        except (UntrustedError, LogError) as error:
            errors.append(error)
            continue
        return pin
    raise errors[0]


__all__ = ["ROTATIONS_MAX", "KeyHistory", "with_rotations"]
