"""A small closed-world profile of ODRL 2.2: what an offer or agreement permits.

Lives here: `judge_terms`. Not here: the tables (`credentials.kinds`, `credentials.grant`), who may grant (`verification`).
The profile: what is not permitted is denied; a prohibition wins over every permission; an operand, operator or action that is not
known denies; every constraint of a rule must hold. Duties are reported, not judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from datasigil.record import dataclass, field

# A prohibition of a broader action covers the narrower one (ODRL 2.2 `includedIn`); a permission must name the action itself.
_BROADER: Final[Mapping[str, tuple[str, ...]]] = {
    "ai-training": ("use", "ai-training"),
    "gen-ai": ("use", "gen-ai", "ai-training"),
    "ai-augment": ("use", "ai-augment"),
}
_LISTS: Final = frozenset({"isAnyOf", "isNoneOf", "isPartOf"})


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known about the intended use; an operand that is absent here is unknown, and denies."""

    action: str
    facts: Mapping[str, frozenset[str]] = field(default_factory=dict)  # left operand -> values that hold


@dataclass(frozen=True, slots=True)
class TermsFinding:
    """Whether the terms permit the action, why not, and what is owed in return."""

    permitted: bool
    reason: str = ""
    duties: tuple[str, ...] = ()


def judge_terms(terms: Mapping[str, Any], circumstances: Circumstances) -> TermsFinding:
    """Judge `permission` and `prohibition` of an ODRL offer or agreement that passed its closed table."""
    action = circumstances.action
    for rule in terms.get("prohibition", ()):
        if _covers(rule["action"], circumstances) and _holds(rule.get("constraint", ()), circumstances) is not False:
            return TermsFinding(False, f"{rule['action']} is prohibited")
    reason = f"nothing permits {action}"
    for rule in terms.get("permission", ()):
        if rule["action"] != action:
            continue
        if _holds(rule.get("constraint", ()), circumstances):
            duties = tuple(duty["action"] for duty in (*rule.get("duty", ()), *terms.get("obligation", ())))
            return TermsFinding(True, duties=duties)
        reason = f"{action} is permitted only if {_words(rule.get('constraint', ()))}"
    return TermsFinding(False, reason)


def _covers(prohibited: str, circumstances: Circumstances) -> bool:
    # An unknown action might include ours; only those known to be something else are let by.
    action = circumstances.action
    if prohibited in _COMMERCIAL:
        return "non-commercial" not in circumstances.facts.get("purpose", ())
    known = {name for names in _BROADER.values() for name in names} | _UNRELATED
    return prohibited in _BROADER.get(action, ("use", action)) or prohibited not in known


# Prohibited, these stand in the way of every use that is not known to be without commercial purpose.
_COMMERCIAL: Final = frozenset({"commercialize", "commercialUse", "CommercialUse"})
_UNRELATED: Final = frozenset(
    {
        "distribute",
        "sell",
        "sublicense",
        "print",
        "display",
        "archive",
        "translate",
        "evaluation",
        "research",
    }
)


def _holds(constraints: Sequence[Mapping[str, Any]], circumstances: Circumstances) -> bool | None:
    """Say whether every constraint holds; None when one cannot be judged (which denies a permission and keeps a prohibition)."""
    results = [_constraint(one, circumstances) for one in constraints]
    if False in results:
        return False
    return None if None in results else True


def _constraint(one: Mapping[str, Any], circumstances: Circumstances) -> bool | None:
    values = circumstances.facts.get(one["leftOperand"])
    right = one["rightOperand"]
    wanted = frozenset(right if isinstance(right, list) else [right])
    if values is None or isinstance(right, list) != (one["operator"] in _LISTS):
        return None
    if one["operator"] in ("eq", "isAnyOf", "isPartOf"):
        return bool(values & wanted)
    if one["operator"] in ("neq", "isNoneOf"):
        return not values & wanted
    if one["leftOperand"] != "dateTime" or len(values) != 1:
        return None
    return _ordered(one["operator"], next(iter(values)), str(right))


def _ordered(operator: str, now: str, limit: str) -> bool | None:
    from datasigil.encoding import Instant
    from datasigil.errors import MalformedError

    try:
        left, right = Instant.parse(now), Instant.parse(limit if "T" in limit else f"{limit}T00:00:00Z")
    except MalformedError:
        return None
    return {"lt": left < right, "lteq": left <= right, "gt": left > right, "gteq": left >= right}.get(operator)


def _words(constraints: Sequence[Mapping[str, Any]]) -> str:
    return " and ".join(f"{one['leftOperand']} {one['operator']} {one['rightOperand']}" for one in constraints)[:200]
