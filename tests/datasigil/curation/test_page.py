"""docs/curation.md names every key that a recipe may hold, and the examples are recipes."""

from pathlib import Path

import pytest

from datasigil.curation import recipe

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "curation.md").read_text("utf-8")


def forms():
    yield from (recipe._RECIPE, recipe._OUTPUT, recipe._SPLIT, recipe._REDACTION, recipe._SHEET)
    yield from recipe._OPS.values()
    yield from recipe._READ.values()


def test_every_step_format_and_key_is_described():
    names = {*recipe._OPS, *recipe.FORMATS, *recipe.BESIDE_VARIABLES} | {key for form in forms() for key in form}
    assert len(names) > 50
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == ["inputs", "output", "split", "steps"]
    for name in ("[[inputs]]", "[output]", "[inputs.read]", "[output.split]", "[[steps]]"):
        assert f"`{name}`" in PAGE


@pytest.mark.parametrize("path", sorted((ROOT / "examples/curation").glob("*.toml")), ids=lambda path: path.name)
def test_an_example_is_a_recipe(path):
    assert recipe.parse_recipe(path.read_bytes(), source=path.name).inputs
