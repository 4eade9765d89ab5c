"""Handovers of a registry to another one, as a client asks for them when a log has ended or cannot be reached.

Lives here: where they are asked for, and what a status entry's registry has become. Not here: whether a handover counts
(`verification.handover`, which ADR 0065 explains) and the rest of a renewal (`evidence`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from datasigil.encoding import Instant, JsonObject, parse_json
from datasigil.errors import DatasigilError

if TYPE_CHECKING:
    from datasigil.credentials.types import StatusEntry
    from datasigil.fetch import Fetcher
    from datasigil.trust.policy import LogRule, TrustPolicy
    from datasigil.verification.handover import Succession

LOGGED_HANDOVER: Final = "LoggedRegistryHandover"
HANDOVERS_ANSWER_MAX_BYTES: Final = 2 * 1024 * 1024
HANDOVERS_KEPT: Final = 8


def log_url(rule: LogRule) -> str:
    """Return where a log of the trust file is."""
    return rule.url or f"https://{rule.origin}"


def fetch_handovers(rule: LogRule, policy: TrustPolicy, fetcher: Fetcher) -> tuple[JsonObject, ...]:
    """Return the handovers that lead on from a log, asked of itself, the mirrors and every other log of the trust file, in this order."""
    logs = [log_url(one) for one in policy.logs if one is not rule]
    for url in (log_url(rule), *(f"{mirror.rstrip('/')}/log" for mirror in policy.mirrors), *logs):
        try:
            answer = fetcher.get(f"{url}/handovers", max_bytes=HANDOVERS_ANSWER_MAX_BYTES, accept="application/json")
            found = parse_json(answer.body, max_bytes=HANDOVERS_ANSWER_MAX_BYTES) if answer.status == 200 else None
        except DatasigilError:
            continue  # it has none, or is away: the next may know, and without any the log's own error stands
        items = found.get("items") if isinstance(found, dict) else None
        frames = [one for one in items if _is_frame(one)] if isinstance(items, list) else []
        if any(_side(one, "from").get("origin") == rule.origin for one in frames):
            return tuple(frames[:HANDOVERS_KEPT])
    return ()


def succession_of(entry: StatusEntry, presented: Sequence[JsonObject], policy: TrustPolicy, at: datetime) -> Succession:
    """Return the handovers that count and lead on from the registry that a status entry names."""
    from datasigil.verification.findings import Situation
    from datasigil.verification.handover import Succession, succession

    sides = [_side(one, "from") for one in presented if _is_frame(one)]
    origin = next((side.get("origin") for side in sides if side.get("did") == entry.issuer), None)
    if not isinstance(origin, str):
        return Succession()
    situation = Situation(policy, at, as_of=False, offline=False, state=None, period_at=Instant.from_datetime(at))
    return succession(entry.issuer, origin, presented, situation)


def _is_frame(value: object) -> bool:
    return isinstance(value, dict) and value.get("type") == LOGGED_HANDOVER


def _side(frame: JsonObject, name: str) -> JsonObject:
    handover = frame.get("handover")
    side = handover.get(name) if isinstance(handover, dict) else None
    return side if isinstance(side, dict) else {}


__all__ = ["LOGGED_HANDOVER", "fetch_handovers", "log_url", "succession_of"]
