"""Approval expressions such as `publisher AND (auditor OR regulator)`.

Lives here: parsing and evaluating them over role names. Not here: who holds a role (`rules`) and which credentials count as an
approval (`verification`). Grammar: names joined by AND and OR, AND binding tighter, with parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from datasigil.errors import MalformedError

_TOKEN: Final = re.compile(r"\s*(?:([()])|(AND|OR)\b|([a-z][a-z0-9-]{0,63}))")
_TOKENS_MAX: Final = 200

# ("role", name) | ("and" | "or", [branches])
Expression = tuple[str, "str | list[Expression]"]


def parse_approvals(text: str, *, place: str = "approvals") -> Expression:
    """Parse an approval expression.

    Raises:
        MalformedError: POLICY_FILE.
    """
    tokens = _tokens(text, place)
    expression, rest = _either(tokens, 0, place, 0)
    if rest != len(tokens):
        raise _bad(place, f"nothing more after {' '.join(tokens[:rest])!r}", tokens[rest])
    return expression


def roles_in(expression: Expression) -> tuple[str, ...]:
    """Return the role names of an expression, sorted."""
    kind, value = expression
    if isinstance(value, str):
        return (value,)
    return tuple(sorted({name for branch in value for name in roles_in(branch)})) if kind else ()


def is_satisfied(expression: Expression, held: Collection[str]) -> bool:
    """Say whether the roles in `held` satisfy the expression."""
    kind, value = expression
    if isinstance(value, str):
        return value in held
    results = (is_satisfied(branch, held) for branch in value)
    return all(results) if kind == "and" else any(results)


def _tokens(text: str, place: str) -> list[str]:
    tokens: list[str] = []
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None or len(tokens) >= _TOKENS_MAX:
            raise _bad(place, "role names, AND, OR and parentheses", text[position : position + 40])
        tokens.append(match[1] or match[2] or match[3])
        position = match.end()
    if not tokens:
        raise _bad(place, "at least one role", text[:40])
    return tokens


def _either(tokens: list[str], at: int, place: str, depth: int) -> tuple[Expression, int]:
    return _joined(tokens, at, place, depth, "OR")


def _joined(tokens: list[str], at: int, place: str, depth: int, word: str) -> tuple[Expression, int]:
    below = _single if word == "AND" else _both
    first, at = below(tokens, at, place, depth)
    branches = [first]
    while at < len(tokens) and tokens[at] == word:
        branch, at = below(tokens, at + 1, place, depth)
        branches.append(branch)
    return (first if len(branches) == 1 else (word.lower(), branches)), at


def _both(tokens: list[str], at: int, place: str, depth: int) -> tuple[Expression, int]:
    return _joined(tokens, at, place, depth, "AND")


def _single(tokens: list[str], at: int, place: str, depth: int) -> tuple[Expression, int]:
    token = tokens[at] if at < len(tokens) else ""
    if token == "(" and depth < 16:  # noqa: S105 - a parenthesis, not a password
        expression, at = _either(tokens, at + 1, place, depth + 1)
        if at >= len(tokens) or tokens[at] != ")":
            raise _bad(place, "a closing parenthesis", tokens[at] if at < len(tokens) else "the end")
        return expression, at + 1
    if not token or token in ("(", ")", "AND", "OR"):
        raise _bad(place, "a role name", token or "the end")
    return ("role", token), at + 1


def _bad(place: str, expected: str, found: str) -> MalformedError:
    return MalformedError(
        "POLICY_FILE", "not an approval expression", place=place, expected=expected, found=found[:60] or "nothing",
        next_action="write it like: publisher AND (auditor OR regulator)",
    )  # fmt: skip
