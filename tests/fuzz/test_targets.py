"""The fuzz targets hold on their seeds, on everything that was ever found, and on seeded mutations: what runs where atheris does not."""

import ast
import random
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import absent
from fuzz.grow import grown
from fuzz.run import bounded
from fuzz.targets import REPOSITORY, TARGETS

HERE = Path(__file__).resolve().parent
MUTATIONS = 60
# Parsers whose input is no bytes of others: our own workers, the caller's values, or another target's function by another name.
NO_TARGET_OF_THEIR_OWN = {
    "decode_batch",  # results that our own workers packed
}


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_every_seed_and_its_mutations_are_read_or_refused(name):
    target = TARGETS[name]
    seeds = list(target.seeds())
    assert seeds
    pick = random.Random(name)
    for seed in seeds:
        target.one(seed)
    for _ in range(MUTATIONS):
        data = bytearray(pick.choice(seeds))
        for _ in range(pick.randrange(1, 5)):
            at = pick.randrange(len(data) + 1)
            data[at : at + pick.randrange(3)] = pick.randbytes(pick.randrange(3))
        bounded(target, b"\0" + bytes(data) if target.json else bytes(data))
        if target.json:
            bounded(target, b"\1" + pick.randbytes(40))


@pytest.mark.parametrize("path", sorted((HERE / "found").iterdir()), ids=lambda path: path.name)
def test_what_was_found_once_stays_fixed(path):
    bounded(TARGETS[path.name.partition("--")[0]], path.read_bytes())


def test_edits_reach_past_the_first_line_of_a_parser():
    seeds = list(TARGETS["credential"].seeds())
    pick = random.Random(1)
    documents = {grown(b"\1" + pick.randbytes(40), seeds) for _ in range(200)}
    assert len(documents) > 150


def test_every_parser_of_the_core_is_a_target():
    named = set(re.findall(r"\w+", (HERE / "targets.py").read_text()))
    missing = []
    for path in sorted((REPOSITORY / "datasigil").rglob("*.py")):
        if "curation" in path.parts or path.is_relative_to(REPOSITORY / "datasigil/_schemas"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.FunctionDef)
                and re.match(r"(parse|decode)_", node.name)
                and node.name not in named | NO_TARGET_OF_THEIR_OWN
            ):
                missing.append(f"{path.name}: {node.name}")
    assert missing == [], "call them from a target in tests/fuzz/targets.py"


@pytest.mark.skipif(sys.platform != "linux", reason="atheris has wheels for Linux alone")
def test_a_target_that_leaks_an_exception_is_found(tmp_path):
    if find_spec("atheris") is None:
        absent("atheris")
    broken = tmp_path / "broken.py"
    broken.write_text(
        f"import sys; sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}, {str(REPOSITORY)!r}]\n"
        "import run, targets\n"
        "targets.TARGETS['broken'] = targets.Target('broken', lambda data: data.index(b'(', 1) if data[:1] == b'(' else None, lambda: [b'((']),\n"
        "targets.TARGETS['broken'] = targets.TARGETS['broken'][0]\n"
        f"sys.argv = ['run', 'broken', '--seconds', '20', '--artifacts', {str(tmp_path)!r}]\n"
        "sys.exit(run.main())\n"
    )
    ran = subprocess.run([sys.executable, broken], capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "subsection not found" in ran.stdout + ran.stderr
    assert list(tmp_path.glob("broken-crash-*"))
