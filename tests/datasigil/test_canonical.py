"""RFC 8785: our fast path gives the reference's bytes, and what has no canonical form is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from datasigil.canonical import document_digest, jcs
from datasigil.errors import MalformedError

_VALUES = st.recursive(
    st.booleans() | st.none() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES)
def test_the_fast_path_equals_the_reference(value: object) -> None:
    assert jcs(value) == rfc8785.dumps(value)  # type: ignore[arg-type]  # the strategy draws JSON values only


def test_the_published_pairs_are_reproduced(shared: Path) -> None:
    inputs = sorted((shared / "vectors/jcs").rglob("input/*.json"))
    assert len(inputs) == 6
    for source in inputs:
        expected = source.parent.parent / "output" / source.name
        assert jcs(json.loads(source.read_text("utf-8"))) == expected.read_bytes().rstrip(b"\n"), source.name


def test_keys_sort_by_utf16_code_units() -> None:
    assert jcs({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (2**53, "NUMBER"),
        ({"a": [-(2**53)]}, "NUMBER"),
        (float("nan"), "NUMBER"),
        ("\ud800", "ENCODING"),
        ({"\udc00": 1}, "ENCODING"),
    ],
)
def test_values_without_a_canonical_form_are_refused(value: object, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        jcs(value)
    assert caught.value.code == code


def test_the_digest_covers_every_member() -> None:
    assert document_digest({"a": 1, "proof": {"x": 1}}) != document_digest({"a": 1, "proof": {"x": 2}})
    assert document_digest({"b": 1, "a": 2}) == document_digest({"a": 2, "b": 1})
