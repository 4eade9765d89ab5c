"""Approval expressions: AND binds tighter than OR, parentheses count, everything else is refused."""

import itertools

import pytest

from datasigil.errors import MalformedError
from datasigil.trust.approvals import is_satisfied, parse_approvals, roles_in

ROLES = ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a", lambda a, b, c: a),
        ("a AND b", lambda a, b, c: a and b),
        ("a OR b", lambda a, b, c: a or b),
        ("a OR b AND c", lambda a, b, c: a or (b and c)),
        ("a AND b OR c", lambda a, b, c: (a and b) or c),
        ("(a OR b) AND c", lambda a, b, c: (a or b) and c),
        ("a AND (b OR c)", lambda a, b, c: a and (b or c)),
        ("((a))", lambda a, b, c: a),
        ("a AND b AND c", lambda a, b, c: a and b and c),
        ("a OR b OR c", lambda a, b, c: a or b or c),
        ("  a   AND(b OR c) ", lambda a, b, c: a and (b or c)),
    ],
)
def test_expressions_mean_what_they_say(text, meaning):
    expression = parse_approvals(text)
    for held in itertools.product((False, True), repeat=3):
        names = {name for name, has in zip(ROLES, held, strict=True) if has}
        assert is_satisfied(expression, names) == bool(meaning(*held)), names


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "AND", "a AND", "OR a", "a b", "a AND AND b", "(a", "a)", "()", "a & b", "a and b", "A", "1a", "a,b", "NOT a", "a\nb",
        "(" * 20 + "a" + ")" * 20, " OR ".join(["a"] * 300), "a AND (b OR)",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_its_place(text):
    with pytest.raises(MalformedError) as caught:
        parse_approvals(text, place="requirements.approvals")
    assert (caught.value.code, caught.value.place) == ("POLICY_FILE", "requirements.approvals")


def test_nobody_satisfies_nothing():
    assert not is_satisfied(parse_approvals("a OR b"), set())


def test_roles_are_listed_once_and_sorted():
    assert roles_in(parse_approvals("publisher AND (auditor OR regulator OR auditor)")) == (
        "auditor",
        "publisher",
        "regulator",
    )
    assert roles_in(parse_approvals("auditor")) == ("auditor",)
