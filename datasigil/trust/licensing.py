"""Licences: SPDX expressions against the user's rules and intended use. A filter for people, not legal advice.

Lives here: `judge_license`, for one expression, and `alternatives`, the ways to take it. Not here: what single licences allow
(`license_table`), several datasets together (`planner`), ODRL terms (`odrl`). Spec: SPDX 3.0.1 annex B, licence expressions, read by the package license-expression.

A bare well-known id takes a path of its own, because loading the whole SPDX list costs half a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any, Final

from datasigil.record import dataclass, replace
from datasigil.trust.license_table import LICENSES, NO, UNCLEAR, LicenseTerms
from datasigil.trust.rules import LicenseRules

UNKNOWN: Final = "unknown"
"""The expression of a dataset whose licence nobody stated."""

ALTERNATIVES_MAX: Final = 64
"""How many ways to take one expression are looked at; one with more stays unknown, and blocks."""

_RANK: Final = {"allowed": 0, "unknown": 1, "denied": 2}


@dataclass(frozen=True, slots=True)
class LicenseFinding:
    """What the rules make of a licence: `allowed`, `denied`, or `unknown`, which the policy decides about."""

    outcome: str
    code: str = ""
    message: str = ""
    expected: str = ""
    found: str = ""
    duties: tuple[str, ...] = ()  # such as "attribution (CC-BY-4.0)"
    ids: tuple[str, ...] = ()  # the licences that the finding rests on


def judge_license(
    expression: str, *, text_digest: str | None, rules: LicenseRules, use: str = "", commercial: bool = False
) -> LicenseFinding:
    """Judge an SPDX expression or `unknown`; `text_digest` is the signed SHA-256 (hex) of the licence text, if there is one.

    AND needs every part, OR takes the best one. Without an intended `use`, only the rules and the form are judged.
    """
    if expression == UNKNOWN:
        return LicenseFinding(
            "unknown", "LICENSE_UNKNOWN", "nobody has stated the licence", "an SPDX licence expression", UNKNOWN
        )
    question = _Question(text_digest, rules, use, commercial)
    if expression in LICENSES:
        return question.leaf(expression, expression)
    try:
        tree = _parse(expression)
    except ValueError as error:
        return _malformed(expression, error)
    return question.judge(tree)


def alternatives(
    expression: str, *, text_digest: str | None, rules: LicenseRules, use: str = "", commercial: bool = False
) -> tuple[LicenseFinding, ...]:
    """Return one finding for every way to take an expression: each choice at its ORs, with all of its ANDs together.

    The best of them is what `judge_license` says. More than ALTERNATIVES_MAX ways give a single `unknown`.
    """
    question = _Question(text_digest, rules, use, commercial)
    if expression == UNKNOWN or expression in LICENSES:
        return (judge_license(expression, text_digest=text_digest, rules=rules, use=use, commercial=commercial),)
    try:
        tree = _parse(expression)
        return tuple(question.ways(tree))
    except _TooManyError:
        return (
            LicenseFinding(
                "unknown", "LICENSE_USE_UNKNOWN", "the expression leaves too many choices to be looked at",
                f"at most {ALTERNATIVES_MAX}", expression[:100],
            ),
        )  # fmt: skip
    except ValueError as error:
        return (_malformed(expression, error),)


class _TooManyError(ValueError):
    """An expression with more ways to take it than ALTERNATIVES_MAX."""


def _malformed(expression: str, error: ValueError) -> LicenseFinding:
    return LicenseFinding(
        "denied",
        "LICENSE_EXPRESSION",
        "not an SPDX licence expression",
        "such as CC-BY-4.0 or MIT OR Apache-2.0",
        f"{expression[:100]} ({error})",
    )


def _together(findings: Sequence[LicenseFinding]) -> LicenseFinding:
    """Return what holds when every one of some licences has to be met."""
    worst = max(findings, key=lambda one: _RANK[one.outcome])
    duties = tuple(dict.fromkeys(duty for one in findings for duty in one.duties))
    ids = tuple(dict.fromkeys(name for one in findings for name in one.ids))
    return replace(worst, duties=duties, ids=ids if worst.outcome == "allowed" else worst.ids)


@dataclass(frozen=True)
class _Question:
    text_digest: str | None
    rules: LicenseRules
    use: str
    commercial: bool

    def judge(self, tree: Any) -> LicenseFinding:
        """Judge a tree of (operator, branches) and (id, base id) leaves."""
        operator, value = tree
        if operator == "id":
            return self.leaf(*value)
        findings = [self.judge(branch) for branch in value]
        if operator == "OR":
            return min(findings, key=lambda one: _RANK[one.outcome])
        return _together(findings)

    def ways(self, tree: Any) -> list[LicenseFinding]:
        """Return a finding for every choice at the ORs of a tree.  Raises: _TooManyError."""
        operator, value = tree
        if operator == "id":
            return [self.leaf(*value)]
        branches = [self.ways(branch) for branch in value]
        count = 1
        for ways in branches:
            count = count + len(ways) if operator == "OR" else count * len(ways)
        if count > ALTERNATIVES_MAX + (operator == "OR"):
            raise _TooManyError("too many alternatives")
        if operator == "OR":
            return [one for ways in branches for one in ways]
        return [_together(chosen) for chosen in product(*branches)]

    def leaf(self, name: str, base: str) -> LicenseFinding:
        """Judge one licence, `name` with and `base` without its exception."""
        rules = self.rules
        if name in rules.deny or base in rules.deny or any(entry.partition("@")[0] == base for entry in rules.deny):
            return LicenseFinding(
                "denied",
                "LICENSE_DENIED",
                "your policy refuses this licence",
                f"none of {', '.join(rules.deny)}",
                name,
                ids=(name,),
            )
        if base.startswith("LicenseRef-"):
            return self._reference(base)
        listed = name in rules.allow or base in rules.allow
        if rules.allow and not listed:
            return LicenseFinding(
                "denied",
                "LICENSE_NOT_ALLOWED",
                "your policy does not list this licence",
                " or ".join(rules.allow),
                name,
                ids=(name,),
            )
        terms = LICENSES.get(base)
        if self.use and not listed and terms is None:
            return LicenseFinding(
                "unknown", "LICENSE_USE_UNKNOWN", "what this licence says about your use is not known here", "a licence that your policy lists by name", name,
                ids=(name,),
            )  # fmt: skip
        return self._use(name, terms, listed=listed)

    def _reference(self, name: str) -> LicenseFinding:
        wanted = f"{name}@sha256:{self.text_digest}" if self.text_digest else ""
        if wanted and wanted in self.rules.allow:
            return LicenseFinding("allowed", duties=(f"the terms of {name}",), ids=(name,))
        found = wanted or f"{name} without the digest of its text"
        outcome = "denied" if self.rules.allow else "unknown"
        return LicenseFinding(
            outcome, "LICENSE_TEXT", "this licence is not on the SPDX list, and your policy does not name it with the digest of its text",
            f"{name}@sha256:… in requirements.licenses.allow", found, ids=(name,),
        )  # fmt: skip

    def _use(self, name: str, terms: LicenseTerms | None, *, listed: bool) -> LicenseFinding:
        duties = _duties(name, terms)
        if terms is None or not self.use:
            return LicenseFinding("allowed", duties=duties, ids=(name,))
        if self.commercial and not terms.commercial:
            return LicenseFinding(
                "denied",
                "LICENSE_USE",
                "this licence forbids commercial use",
                "a licence that allows it, or a grant to you",
                name,
                duties,
                (name,),
            )
        if terms.training == NO:
            return LicenseFinding(
                "denied", "LICENSE_USE", "this licence forbids your use", self.use, name, duties, (name,)
            )
        if terms.training == UNCLEAR and not listed:
            return LicenseFinding(
                "unknown",
                "LICENSE_USE_UNKNOWN",
                terms.note,
                "permission from the rightsholder, or the licence in your allow list",
                name,
                duties,
                (name,),
            )
        return LicenseFinding("allowed", duties=duties, ids=(name,))


def _duties(name: str, terms: LicenseTerms | None) -> tuple[str, ...]:
    if terms is None:
        return ()
    words = ("attribution", terms.attribution), ("share-alike", terms.share_alike)
    return tuple(f"{word} ({name})" for word, holds in words if holds)


# Expressions -------------------------------------------------------------------------------------------------------


@cache
def _spdx() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


def is_listed(name: str) -> bool:
    """Say whether `name` is an id of the SPDX licence list (exact case)."""
    return name in LICENSES or name in _spdx().known_symbols


def leaves(expression: str) -> tuple[str, ...]:
    """Return the licence ids of an expression, without exceptions, in order; empty for `unknown` and what does not parse."""
    if expression in LICENSES:
        return (expression,)
    try:
        return tuple(dict.fromkeys(_leaves(_parse(expression)))) if expression != UNKNOWN else ()
    except ValueError:
        return ()


def _leaves(tree: Any) -> Sequence[str]:
    operator, value = tree
    return [value[1]] if operator == "id" else [name for branch in value for name in _leaves(branch)]


def _parse(expression: str) -> Any:
    """Return the tree of an expression.  Raises: ValueError, naming what is wrong."""
    from license_expression import ExpressionError, Licensing

    try:
        # Parsed without the list first: LicenseRef-… is legal in SPDX and unknown to it.
        parsed = Licensing().parse(expression, validate=False, simple=False)
    except (ExpressionError, ValueError, RecursionError) as error:
        raise ValueError(str(error)[:100]) from None
    except (
        IndexError,
        TypeError,
        AttributeError,
        AssertionError,
    ):  # the library's own stumbling over text that is no expression
        raise ValueError("operators and parentheses do not fit together") from None
    if parsed is None:
        raise ValueError("empty")
    return _tree(parsed, 0)


def _tree(node: Any, depth: int) -> Any:
    if depth > 20:
        raise ValueError("nested too deeply")
    operator = getattr(node, "operator", "").strip().upper()
    if operator in ("AND", "OR"):
        return operator, [_tree(branch, depth + 1) for branch in node.args]
    if hasattr(node, "license_symbol"):
        base, exception = str(node.license_symbol.key), str(node.exception_symbol.key)
        return "id", (f"{_listed(base)} WITH {_listed(exception)}", base)
    name = str(node.key)
    return "id", (_listed(name), name)


def _listed(name: str) -> str:
    if not name.startswith(("LicenseRef-", "DocumentRef-")) and not is_listed(name):
        raise ValueError(f"{name[:60]} is not on the SPDX list")
    return name
