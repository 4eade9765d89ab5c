"""Recipes: what is refused and what the error says. Every case is one wrong thing in a recipe that is otherwise good."""

import copy

import pytest
from curation_material import GOOD, recipe
from hypothesis import given, settings
from hypothesis import strategies as st

from datasigil.curation.recipe import check_table, parse_recipe
from datasigil.errors import MalformedError


def step(**members):
    return {"steps": [members]}


def reading(**members):
    one = {"name": "a", "credential": "a", "data": "a", "read": {"format": "jsonl", "files": ["x"]} | members}
    return {"inputs": [one]}


def split(**members):
    return {"output": {"folder": "out", "split": {"column": "k"} | members}}


def test_the_good_one_is_good():
    found = parse_recipe(recipe())
    assert (found.name, found.file, found.seed, found.digests) == ("x", "data.jsonl", 0, ("blake3", "sha256"))


# what is wrong: (place, a word of what was expected or found)
BAD = {
    "another type": ({"type": "GateFile"}, "type", "CurationRecipe"),
    "another version": ({"formatVersion": 2}, "formatVersion", "1"),
    "a version that is true": ({"formatVersion": True}, "formatVersion", "1"),
    "no name": ({"name": None}, "recipe", "name"),
    "an unknown key": ({"stepz": []}, "stepz", "'steps'?"),
    "no inputs": ({"inputs": []}, "inputs", "at least one"),
    "two inputs of one name": ({"inputs": GOOD["inputs"] * 2}, "inputs[1].name", "differ"),
    "a step that is misspelt": (step(op="dedup"), "steps[0].op", "'dedupe'?"),
    "a step in other case": (step(op="Filter", column="x", present=True), "steps[0].op", "'filter'?"),
    "a key that is misspelt": (step(op="filter", colum="x", present=True), "steps[0].colum", "'column'?"),
    "a key in snake case": (step(op="filter", column="x", min_length=3), "steps[0].min_length", "'minLength'?"),
    "a step without op": (step(column="x"), "steps[0]", "op ="),
    "a filter with two questions": (step(op="filter", column="x", minLength=1, maxLength=2), "steps[0]", "one of"),
    "a filter without question": (step(op="filter", column="x"), "steps[0]", "one of"),
    "code in a filter": (step(op="filter", column="x", python="lambda r: r"), "steps[0].python", "one of"),
    "a bound that is no number": (step(op="filter", column="x", atLeast="many"), "steps[0].atLeast", "such as"),
    "a bound that is true": (step(op="filter", column="x", atLeast=True), "steps[0].atLeast", ""),
    "a fraction": (step(op="filter", column="x", equals=0.5), "steps[0].equals", '"0.5"'),
    "a count below nought": (step(op="sample", count=-1), "steps[0].count", "from 0"),
    "a sample without size": (step(op="sample"), "steps[0]", "count or share"),
    "a sample with two sizes": (step(op="sample", count=1, share="0.5"), "steps[0]", "count or share"),
    "a share above one": (step(op="sample", share="1.5"), "steps[0].share", "at most 1"),
    "a share of nothing": (step(op="sample", share="0.0"), "steps[0].share", "above 0"),
    "a share as a number": (step(op="sample", share=1), "steps[0].share", "decimal text"),
    "groups by count": (step(op="sample", count=3, by="k"), "steps[0].by", "share"),
    "columns twice": (step(op="trim", columns=["a", "a"]), "steps[0].columns", "once"),
    "no columns": (step(op="trim", columns=[]), "steps[0].columns", "at least one"),
    "a pattern that is none": (step(op="filter", column="x", matches="(["), "steps[0].matches", "syntax"),
    "a pattern that never ends": (step(op="filter", column="x", matches="(a+)+$"), "steps[0].matches", "single characters"),
    "choices that repeat": (step(op="filter", column="x", matches="(a|aa)+$"), "steps[0].matches", "single characters"),
    "stars in stars": (step(op="filter", column="x", matches="(x*)*y"), "steps[0].matches", "single characters"),
    "large counts in stars": (step(op="filter", column="x", matches="(a{1,999}){1,999}b"), "steps[0].matches", "single characters"),
    "small counts in small counts": (step(op="filter", column="x", matches="((a{1,9}){1,9}){1,9}b"), "steps[0].matches", "single characters"),
    "fixed counts of what varies": (step(op="filter", column="x", matches="(a{1,9}){16}b"), "steps[0].matches", "single characters"),
    "what Python will read in another way": (step(op="filter", column="x", matches="[[a]b]"), "steps[0].matches", "syntax"),
    "a backreference": (step(op="filter", column="x", matches="(a)\\1"), "steps[0].matches", "single characters"),
    "look-ahead": (step(op="filter", column="x", matches="a(?=b)"), "steps[0].matches", "single characters"),
    "a pattern for everything": (step(op="filter", column="x", matches="a*"), "steps[0].matches", "at least one character"),
    "a pattern too long": (step(op="filter", column="x", matches="a" * 501), "steps[0].matches", "500"),
    "a count too large for the engine": (step(op="filter", column="x", matches="a{99999999999}"), "steps[0].matches", ""),
    "a redaction of nothing": (step(op="redact", columns=["a"], patterns=[]), "steps[0].patterns", "at least one"),
    "a redaction without name": (step(op="redact", columns=["a"], patterns=[{"pattern": "x"}]), "steps[0].patterns[0]", "name"),
    "a stand-in too long": (step(op="redact", columns=["a"], patterns=[{"name": "x", "pattern": "x", "with": "y" * 65}]), "steps[0].patterns[0].with", "64"),
    "an unknown format": (reading(format="json"), "inputs[0].read.format", "'jsonl'?"),
    "no files": (reading(files=[]), "inputs[0].read.files", "at least one"),
    "files outside": (reading(files=["../x"]), "inputs[0].read.files[0]", "relative"),
    "an absolute file": (reading(files=["/etc/passwd"]), "inputs[0].read.files[0]", "relative"),
    "too many stars": (reading(files=["*a" * 9]), "inputs[0].read.files[0]", "at most"),
    "a format's foreign key": (reading(beside={"x": "y"}), "inputs[0].read.beside", "one of"),
    "beside with an unknown variable": (reading(format="lines", beside={"x": "L/{nome}"}), "inputs[0].read.beside.x", "{name}"),
    "beside outside": (reading(format="lines", beside={"x": "../{name}"}), "inputs[0].read.beside.x", "path"),
    "a place with NUL": ({"output": {"folder": "a\0b"}}, "output.folder", "path"),
    "a place on the network": ({"output": {"folder": "s3://b/x"}}, "output.folder", "fetch"),
    "a sheet without key": (reading(sheet={"file": "m.csv", "columns": ["x"]}), "inputs[0].read.sheet", "key"),
    "a sheet's unknown key": (reading(sheet={"file": "m.csv", "key": "f", "columns": ["x"], "join": "left"}), "inputs[0].read.sheet.join", "one of"),
    "parts that differ in case": (split(members={"Train": ["1"], "train": ["2"]}), "output.split: train", "case"),
    "a split with both": (split(members={"a": ["1"]}, shares={"a": "1"}), "output.split", "either"),
    "a split with neither": (split(), "output.split", "either"),
    "shares that do not add up": (split(shares={"a": "0.8", "b": "0.1"}), "output.split.shares", "1 together"),
    "a member of two parts": (split(members={"a": ["1"], "b": ["1"]}), "output.split.members.b", "only in a"),
    "a part that is a path": (split(members={"../a": ["1"]}), "output.split: ../a", "train.jsonl"),
    "others beside shares": (split(shares={"a": "1"}, others="b"), "output.split.others", "members"),
    "a file and a split": ({"output": {"folder": "o", "file": "x.jsonl", "split": {"column": "k", "shares": {"a": "1"}}}}, "output.file", "either"),
    "a file of another kind": ({"output": {"folder": "o", "file": "x.csv"}}, "output.file", "train.jsonl"),
    "a hidden file": ({"output": {"folder": "o", "file": ".x.jsonl"}}, "output.file", "train.jsonl"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_recipe_with_one_thing_wrong_is_refused_by_name(name):
    changes, place, word = BAD[name]
    with pytest.raises(MalformedError) as caught:
        parse_recipe(recipe(**changes), source="r.toml")
    error = caught.value
    assert error.code == "CURATION_RECIPE"
    assert error.place == f"r.toml: {place}"
    assert word in f"{error.message} {error.expected}"
    assert error.next_action


@pytest.mark.parametrize(
    "data", [b"\xff", b"a = ", b"a = [" * 5000, b"x" * (1 << 20) + b"y", b"", b"[[inputs]]\nname = 1"]
)
def test_bytes_that_are_no_recipe_are_refused(data):
    with pytest.raises(MalformedError) as caught:
        parse_recipe(data, source="r.toml")
    assert (caught.value.code, caught.value.place[:6]) == ("CURATION_RECIPE", "r.toml")


def test_where_files_lie_is_no_part_of_the_recipes_digest_and_everything_else_is():
    parents = {"a": "0" * 64}
    same = parse_recipe(recipe()).digest(parents)
    moved = copy.deepcopy(GOOD["inputs"])
    moved[0] |= {"credential": "elsewhere.json", "data": "elsewhere"}
    assert parse_recipe(recipe(inputs=moved, output={"folder": "other"}, description="why")).digest(parents) == same
    others = [recipe(seed=1), recipe(steps=None), recipe(name="y"), recipe(output={"folder": "o", "file": "x.jsonl"})]
    assert len({same, *(parse_recipe(one).digest(parents) for one in others)}) == 5
    assert parse_recipe(recipe()).digest({"a": "1" * 64}) != same


@pytest.mark.parametrize(
    "pattern",
    [
        r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z.]{2,}", r"\b\d{3}-\d{2}-\d{4}\b", r"(?:\d{1,3}\.){3}\d{1,3}", r"(?i)\bstrictly confidential\b",
        r"(?:Mr|Ms|Dr)\.? [A-Z][a-z]+", r"https?://\S+", r"\+?[0-9][0-9 ()-]{6,}[0-9]", r"(?:ab?){2}c",
    ],
)  # fmt: skip
def test_patterns_that_people_redact_with_are_accepted(pattern):
    parse_recipe(recipe(**step(op="redact", columns=["text"], patterns=[{"name": "X", "pattern": pattern}])))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.sampled_from(sorted(GOOD)), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
PLACES = [("name",), ("inputs",), ("inputs", 0), ("inputs", 0, "read"), ("inputs", 0, "read", "files"), ("steps",), ("steps", 0), ("steps", 0, "op"), ("output",), ("output", "folder"), ("seed",)]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(value=VALUES, place=st.sampled_from(PLACES), more=st.text(max_size=10))
def test_whatever_a_recipe_holds_nothing_but_our_own_error_comes_out(value, place, more):
    """Values that TOML can and cannot hold, in any place: a recipe, or an error that names the place."""
    table = copy.deepcopy(GOOD) | ({more: value} if more else {})
    inner = table
    for one in place[:-1]:
        inner = inner[one]
    inner[place[-1]] = value
    said = "CURATION_RECIPE"
    try:
        check_table(table)
    except MalformedError as error:
        said = error.code
    assert said == "CURATION_RECIPE"
