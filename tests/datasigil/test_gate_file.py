"""The gate file: closed, versioned, with paths resolved against the folder it lies in."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasigil.errors import DatasigilError, MalformedError
from datasigil.gate import GateDataset, parse_gate_file, read_gate_file

GOOD = """
type = "GateFile"
formatVersion = 1
roots = ["data", "/abs"]

[[datasets]]
bundle = "contracts.sigil.json"
data = "data/contracts"

[[datasets]]
data = "../other"
"""


def test_gate_file_names_datasets_and_roots():
    gate = parse_gate_file(GOOD.encode(), Path("/base"))
    assert gate.datasets == (
        GateDataset(Path("/base/contracts.sigil.json"), Path("/base/data/contracts")),
        GateDataset(Path("/base/../other/.datasigil/bundle.sigil.json"), Path("/base/../other")),
    )
    assert gate.roots == (Path("/base/data"), Path("/abs"))


def test_gate_file_is_read_with_paths_relative_to_itself(tmp_path):
    (tmp_path / "gate.toml").write_text(GOOD)
    gate = read_gate_file(tmp_path / "gate.toml")
    assert gate.path == tmp_path / "gate.toml"
    assert gate.roots[0] == tmp_path / "data"


def test_roots_may_be_left_out():
    text = 'type = "GateFile"\nformatVersion = 1\n[[datasets]]\ndata = "d"\n'
    assert parse_gate_file(text.encode(), Path()).roots == ()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('type = "GateFile"', "", "GATE_FILE"),
        ('type = "GateFile"', 'type = "Gate"', "GATE_FILE"),
        ("formatVersion = 1", "", "GATE_FILE"),
        ("formatVersion = 1", "formatVersion = 2", "GATE_FILE"),
        ("formatVersion = 1", "formatVersion = true", "GATE_FILE"),
        ("formatVersion = 1", "formatVersion = 1.0", "GATE_FILE"),
        ("formatVersion = 1", 'formatVersion = 1\nat = "2020-01-01T00:00:00Z"', "GATE_FILE"),
        ("roots", "root", "GATE_FILE"),
        ('roots = ["data", "/abs"]', 'roots = "data"', "GATE_FILE"),
        ('roots = ["data", "/abs"]', "roots = [1]", "GATE_FILE"),
        ('roots = ["data", "/abs"]', 'roots = [""]', "GATE_FILE"),
        ('bundle = "contracts.sigil.json"', "bundle = 5", "GATE_FILE"),
        ('bundle = "contracts.sigil.json"', 'bundel = "x"', "GATE_FILE"),
        ('bundle = "contracts.sigil.json"', "skip = true", "GATE_FILE"),
        ('data = "data/contracts"', "", "GATE_FILE"),
        ('roots = ["data", "/abs"]', 'roots = ["s3://bucket/x"]', "GATE_FILE"),
        ('bundle = "contracts.sigil.json"', 'bundle = "s3://bucket/x"', "GATE_FILE"),
        ('data = "data/contracts"', 'data = "a\\u0000b"', "GATE_FILE"),
        ('data = "data/contracts"', 'data = "../other"', "GATE_FILE"),  # the same folder twice
        ("[[datasets]]", "[datasets]", "GATE_FILE"),
        ("[[datasets]]", "[[dataset]]", "GATE_FILE"),
        ("= 1", "= ", "GATE_FILE"),
        ('type = "GateFile"', 'type = "GateFile"\ntype = "GateFile"', "GATE_FILE"),
    ],
)
def test_gate_file_of_another_shape_is_refused(old, new, code):
    text = GOOD.replace(old, new)
    assert text != GOOD
    with pytest.raises(MalformedError) as caught:
        parse_gate_file(text.encode(), Path())
    assert caught.value.code == code
    assert caught.value.next_action


def test_gate_file_without_datasets_is_refused():
    for text in (
        "",
        'type = "GateFile"\nformatVersion = 1\nroots = ["x"]',
        'type = "GateFile"\nformatVersion = 1\ndatasets = []',
    ):
        with pytest.raises(MalformedError):
            parse_gate_file(text.encode(), Path())


def test_misspelled_key_is_answered_with_the_nearest_known_one():
    with pytest.raises(MalformedError, match="bundel") as caught:
        parse_gate_file(GOOD.replace("bundle", "bundel").encode(), Path())
    assert caught.value.expected == "'bundle'"


def test_gate_file_that_is_not_utf8_or_too_large_is_refused():
    for data, code in ((b"\xff", "ENCODING"), (b"#" * ((1 << 20) + 1), "LIMIT")):
        with pytest.raises(MalformedError) as caught:
            parse_gate_file(data, Path())
        assert caught.value.code == code


def test_gate_file_that_cannot_be_read_is_an_error(tmp_path):
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(DatasigilError) as caught:
            read_gate_file(path)
        assert caught.value.code == "UNREADABLE"


@given(st.binary(max_size=80))
def test_parser_leaks_no_other_exception(data):
    with pytest.raises(MalformedError):
        parse_gate_file(data, Path())


def test_deep_nesting_is_refused():
    with pytest.raises(MalformedError):
        parse_gate_file(b"a = " + b"[" * 100_000, Path())


def test_data_elsewhere_is_named_by_its_address_and_needs_a_bundle_here():
    text = GOOD.replace('data = "data/contracts"', 'data = "s3://bucket/x"')
    found = parse_gate_file(text.encode(), Path("/base")).datasets[0]
    assert (found.address, found.place) == ("s3://bucket/x", "s3://bucket/x")
    with pytest.raises(MalformedError) as caught:
        parse_gate_file(text.replace('bundle = "contracts.sigil.json"', "").encode(), Path("/base"))
    assert caught.value.code == "GATE_FILE"
    assert caught.value.place == "datasets[0].bundle"
