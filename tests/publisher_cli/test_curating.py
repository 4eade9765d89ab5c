"""`curate`: datasets made out of others by a recipe, on the real corpora, signed, published, made again by a verifier."""

import itertools
import json
import shutil
from pathlib import Path

import pytest

from verifier_cli.main import main as verify_main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "curation"
SPLITS = ("train", "validation", "test")


def rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def verify(capsys):
    """Type `datasigil-verify`; return exit code, standard output and standard error."""

    def typed(*words):
        capsys.readouterr()
        code = verify_main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return typed


@pytest.fixture
def raw(run, publisher, shared, tmp_path):
    """Both corpora, observed and published as a data steward would; ToS-50 without the splits that somebody made of it."""
    source = shared / "data" / "unfair_tos_claudette50"
    shutil.copytree(source, tmp_path / "tos50", ignore=shutil.ignore_patterns("lexglue", "SHA256SUMS"))
    shutil.copytree(shared / "data" / "multilingual_unfair_en", tmp_path / "newer")
    observed = (
        ("tos50", "https://example.org/claudette-tos50", ("--license", "CC-BY-4.0")),
        ("newer", "https://example.org/multilingual-unfair-clauses", ("--license", "CC-BY-4.0")),
    )
    for name, url, options in observed:
        run("observe", tmp_path / name, "--source", url, "--version", "1", "-o", f"{name}.json", *options)
        run("publish", f"{name}.json", "-o", f"{name}.sigil.json")
    return tmp_path


def curate(run, name):
    """Curate an example recipe in this folder, issue the result's credential, publish both; return what `curate` said."""
    shutil.copy(EXAMPLES / f"{name}.recipe.toml", ".")
    shown = run.json("curate", f"{name}.recipe.toml")
    run("init", name, "--yes", "--license", "CC-BY-4.0", "--name", name)
    run("publish", f"{name}.lineage.json", "-o", f"{name}.lineage.sigil.json")
    run("issue", name, "--lineage", f"{name}.lineage.json", "-o", f"{name}.json")
    assert run.json("publish", f"{name}.json", "-o", f"{name}.sigil.json")["checkedAs"] == "VALID"
    return shown


def balanced(shown):
    steps = shown["steps"]
    assert all(one["recordsIn"] - one["removed"] + one["added"] == one["recordsOut"] for one in steps)
    assert all(before["recordsOut"] == after["recordsIn"] for before, after in itertools.pairwise(steps))
    assert steps[0]["recordsIn"] == sum(one["recordsUsed"] for one in shown["used"])
    return steps[-1]["recordsOut"] == shown["generated"]["recordCount"]


def test_the_real_corpora_from_raw_files_to_splits_to_a_merged_dataset(run, raw, verify, shared, capsys):
    shown = curate(run, "tos50-lexglue")
    assert balanced(shown)
    lexglue = shared / "data" / "unfair_tos_claudette50" / "lexglue"
    for split in SPLITS:
        assert rows(raw / "tos50-lexglue" / f"{split}.jsonl") == rows(lexglue / f"{split}.jsonl")

    merged = curate(run, "unfair-terms")
    assert balanced(merged)
    assert [one["recordsUsed"] for one in merged["used"]] == [9414, 17383]
    companies = {split: {one["document"] for one in rows(raw / "unfair-terms" / f"{split}.jsonl")} for split in SPLITS}
    assert not companies["train"] & companies["test"]
    assert not companies["train"] & companies["validation"]
    corpora = {one["corpus"] for one in rows(raw / "unfair-terms" / "train.jsonl")}
    assert corpora == {"ToS-50", "newer"}

    # Whoever trusts the steward, and asks for lineage that can be repeated, accepts the merged dataset and repeats it.
    policy = raw / "datasigil.toml"
    assert verify("trust", "add", "unfair-terms.sigil.json", "--policy", policy, "--role", "observer", "--with-parents", "--yes")[0] == 0  # fmt: skip
    policy.write_text(
        policy.read_text() + '\n[requirements]\nlineage = "computed"\nroles = ["observer", "publisher"]\n'
    )
    code, out, err = verify("check", "unfair-terms.sigil.json", "--data", "unfair-terms", "--policy", policy, "--offline", "--json")  # fmt: skip
    assert code == 0, out + err
    for name in ("tos50-lexglue", "unfair-terms"):
        code, out, err = verify("recompute", f"{name}.sigil.json", "--recipe", f"{name}.recipe.toml", "--result", name, "--policy", policy, "--offline", "--json")  # fmt: skip
        found = json.loads(out)
        assert (code, found["outcome"], found["differences"]) == (0, "RECOMPUTED", []), err

    # The two parents say CC BY 4.0 on different evidence, and both credentials keep theirs.
    evidence = [json.loads((raw / f"{name}.json").read_text())["credentialSubject"] for name in ("tos50", "newer")]
    assert [one["license"]["expression"] for one in evidence] == ["CC-BY-4.0", "CC-BY-4.0"]
    assert ["licenseTextDigest" in one["observation"] for one in evidence] == [False, True]

    # Every check says on whose word each licence rests, and a policy that asks for more than a word refuses the merged dataset for it.
    words = ("check", "unfair-terms.sigil.json", "--policy", policy, "--offline", "--json")
    told = {
        one["found"].partition(": ")[2]: one["found"]
        for one in json.loads(verify(*words)[1])["checks"]
        if one["name"].startswith("parent ")
    }
    assert len(told) == 2
    assert all(found.startswith("licence CC-BY-4.0") for found in told.values())
    assert any(word.startswith("the observer captured a text") for word in told)
    assert any(word.startswith("no text, ") for word in told)
    policy.write_text(policy.read_text() + '\n[requirements.licenses]\nevidence = "text"\n')
    code, out, _ = verify(*words)
    refused = [one for one in json.loads(out)["checks"] if one.get("code") == "LICENSE_EVIDENCE"]
    assert code == 1
    assert {one["step"] for one in refused} == {10, 11}
    newer = verify("check", "newer.sigil.json", "--policy", policy, "--offline", "--json")
    assert not [one for one in json.loads(newer[1])["checks"] if one.get("code") == "LICENSE_EVIDENCE"]

    drawn = {}
    for option in ("--dot", "--svg"):
        drawn[option] = run("lineage", "unfair-terms.sigil.json", option).out
    text = run("lineage", "unfair-terms.sigil.json").out
    graph = run.json("lineage", "unfair-terms.sigil.json")
    for words in (text, drawn["--dot"], drawn["--svg"]):
        assert "tos50-lexglue" in words
        assert "unfair-terms" in words
    assert (len(graph["nodes"]), len(graph["edges"])) == (4, 3)
    own = run.json("lineage", "unfair-terms.sigil.json", "--offline", "--registry", "http://127.0.0.1:1")
    assert {one["digest"] for one in own["nodes"]} == {one["digest"] for one in graph["nodes"]}
    assert {(one["child"], one["parent"]) for one in own["edges"]} == {
        (one["child"], one["parent"]) for one in graph["edges"]
    }
    run.refused("lineage", "nowhere.json", "--offline", code="UNREADABLE", exit_code=2)
    run.refused("lineage", "unfair-terms.recipe.toml", "--offline", code="PARSE", exit_code=1)


def test_a_changed_parent_recipe_result_or_lineage_does_not_recompute(run, raw, verify):
    curate(run, "tos50-lexglue")
    policy = raw / "datasigil.toml"
    assert verify("trust", "add", "tos50-lexglue.sigil.json", "--policy", policy, "--role", "observer", "--with-parents", "--yes")[0] == 0  # fmt: skip
    words = ("recompute", "tos50-lexglue.lineage.sigil.json", "--recipe", "tos50-lexglue.recipe.toml", "--policy", policy, "--offline", "--json")  # fmt: skip
    assert verify(*words)[0] == 0

    recipe = Path("tos50-lexglue.recipe.toml")
    kept = recipe.read_text()
    recipe.write_text(kept.replace('to = "("', 'to = "["'))
    code, out, _ = verify(*words)
    places = [one["place"] for one in json.loads(out)["differences"]]
    assert (code, json.loads(out)["outcome"]) == (1, "DIFFERS")
    assert "/plan/parametersDigest" in places
    assert "/generated/root" in places
    recipe.write_text(kept)

    result = Path("tos50-lexglue/test.jsonl")
    data = result.read_bytes()
    result.write_bytes(data.replace(b"academia", b"Academia", 1))
    code, out, _ = verify(*words, "--result", "tos50-lexglue")
    assert (code, json.loads(out)["differences"][0]["place"]) == (1, "tos50-lexglue: test.jsonl")
    result.write_bytes(data)

    sentence = Path("tos50/Sentences/Uber.txt")
    sentence.write_text(sentence.read_text("utf-8") + "one more line\n", "utf-8")
    code, out, _ = verify(*words)
    assert (code, json.loads(out)["code"]) == (1, "FILE_DIGEST")
    sentence.unlink()
    assert verify(*words)[0] == 1
    assert verify(*words[:-1], "--data", "nobody=here")[0] == 2
    assert verify(*words[:-1], "--parent", f"tos50={raw / 'newer.sigil.json'}")[0] == 1


# Smaller worlds -----------------------------------------------------------------------------------------------------

RECIPE = """type = "CurationRecipe"
formatVersion = 1
name = "Clean leases"
[[inputs]]
name = "leases"
credential = "leases.sigil.json"
data = "leases"
[inputs.read]
format = "jsonl"
files = ["train.jsonl"]
[[steps]]
op = "select"
columns = ["text"]
[output]
folder = "clean"
"""


@pytest.fixture
def parent(run, published):
    """The published leases, with their bundle where the recipe looks for it."""
    Path("clean.recipe.toml").write_text(RECIPE)
    return Path("leases.sigil.json")


def test_a_dry_run_shows_the_counts_and_leaves_nothing(run, parent):
    before = sorted(Path().iterdir())
    shown = run.json("curate", "clean.recipe.toml", "--dry-run")
    assert [one["recordsOut"] for one in shown["steps"]] == [1, 1]
    assert sorted(Path().iterdir()) == before


def test_what_is_in_the_way_is_never_overwritten(run, parent):
    Path("clean").mkdir()
    run.refused("curate", "clean.recipe.toml", code="EXISTS", exit_code=2)
    assert not Path("clean.lineage.json").exists()
    assert not Path("clean.lineage.mapping.jsonl").exists()
    Path("clean").rmdir()
    run("curate", "clean.recipe.toml")
    run.refused("curate", "clean.recipe.toml", "--folder", "other", "-o", "clean.lineage.json", code="EXISTS", exit_code=2)  # fmt: skip
    assert not Path("other").exists()


def test_a_parent_is_a_dataset_whose_files_are_the_signed_ones(run, parent):
    run("curate", "clean.recipe.toml")
    made = RECIPE.replace("leases.sigil.json", "clean.lineage.json").replace('folder = "clean"', 'folder = "again"')
    Path("again.recipe.toml").write_text(made)
    run.refused("curate", "again.recipe.toml", code="USAGE", exit_code=2)
    Path("leases/train.jsonl").write_text('{"text": "Another clause altogether, same", "label": "paymen"}\n')
    Path("again.recipe.toml").write_text(RECIPE.replace('folder = "clean"', 'folder = "again"'))
    error = run.refused("curate", "again.recipe.toml", code="FILE_DIGEST", exit_code=1)
    assert error["place"] == "train.jsonl"
    assert not Path("again").exists()


@pytest.mark.parametrize("place", ["leases/clean", ".", "leases"])
def test_a_result_lies_neither_inside_a_parent_nor_around_it(run, parent, place):
    run.refused("curate", "clean.recipe.toml", "--folder", place, code="USAGE", exit_code=2)
    run.refused("curate", "clean.recipe.toml", "--folder", place, "--dry-run", code="USAGE", exit_code=2)


def test_a_parent_can_be_held_against_a_trust_file_first(run, parent, verify):
    Path("nobody.toml").write_text("formatVersion = 1\n")
    run.refused("curate", "clean.recipe.toml", "--policy", "nobody.toml", code="UNTRUSTED_ISSUER", exit_code=1)
    assert verify("trust", "add", parent, "--policy", "me.toml", "--yes")[0] == 0
    run("curate", "clean.recipe.toml", "--policy", "me.toml")


def test_a_credential_is_issued_only_for_what_the_lineage_made(run, parent):
    run("curate", "clean.recipe.toml")
    run("init", "clean", "--yes", "--license", "CC-BY-4.0")
    run.refused("issue", "clean", "--lineage", "leases.sigil.json", code="USAGE", exit_code=2)
    run.refused("issue", "clean", "--lineage", "clean.lineage.json", "--digest", "sha256", code="LINEAGE_OTHER", exit_code=1)  # fmt: skip
    (Path("clean") / "more.txt").write_text("x")
    run.refused("issue", "clean", "--lineage", "clean.lineage.json", code="LINEAGE_OTHER", exit_code=1)


SCRIPT = """import json, os, pathlib
lines = pathlib.Path(os.environ["DATASIGIL_DATA"], "train.jsonl").read_text().splitlines()
out = pathlib.Path(os.environ["DATASIGIL_RESULT"])
out.mkdir()
(out / "train.jsonl").write_text("\\n".join(lines + lines) + "\\n")
"""


def test_a_script_is_recorded_as_declared(run, parent, verify):
    Path("twice.py").write_text(SCRIPT)
    words = ("curate", "record", "--parent", parent, "leases", "--folder", "twice", "--name", "Twice", "--json", "--", "python3", "twice.py")  # fmt: skip
    shown = json.loads(run(*words).out)
    assert shown["assurance"] == "declared"
    step = shown["steps"][0]
    assert (step["recordsIn"], step["removed"], step["added"], step["recordsOut"]) == (2, 0, 0, 2)
    run("init", "twice", "--yes", "--license", "CC-BY-4.0")
    run("issue", "twice", "--lineage", "twice.lineage.json", "-o", "twice.json")
    run("publish", "twice.lineage.json", "-o", "twice.lineage.sigil.json")
    run("publish", "twice.json", "-o", "twice.sigil.json")
    assert verify("trust", "add", "twice.sigil.json", "--policy", "me.toml", "--with-parents", "--yes")[0] == 0
    kept = Path("me.toml").read_text()
    outcomes = {}
    for asked in ("declared", "computed"):
        Path("me.toml").write_text(f'{kept}\n[requirements]\nlineage = "{asked}"\n')
        code, out, _ = verify("check", "twice.sigil.json", "--policy", "me.toml", "--offline", "--json")
        outcomes[asked] = (code, json.loads(out)["codes"])
    Path("any.recipe.toml").write_text(RECIPE)
    words = (
        "recompute",
        "twice.sigil.json",
        "--recipe",
        "any.recipe.toml",
        "--offline",
        "--policy",
        "me.toml",
        "--json",
    )
    Path("me.toml").write_text(kept)
    code, out, _ = verify(*words)
    assert (code, json.loads(out)["code"]) == (2, "USAGE")
    assert outcomes == {"declared": (0, []), "computed": (1, ["LINEAGE_MISSING"])}


@pytest.mark.parametrize(
    ("program", "code", "exit_code"),
    [
        (("python3", "-c", "raise SystemExit(3)"), None, 3),
        (("python3", "-c", "import os; os.kill(os.getpid(), 9)"), None, 137),
        (("python3", "-c", "pass"), "DATA_FOLDER", 2),
        (("python3", "-c", "import os; os.mkdir(os.environ['DATASIGIL_RESULT'])"), "EMPTY_DATASET", 2),
        (("python3", "-c", "import os; open(os.environ['DATASIGIL_DATA'] + '/train.jsonl', 'a').write('{}')"), "FILE_DIGEST", 1),
        (("no-such-program-anywhere",), "USAGE", 2),
        ((), "USAGE", 2),
    ],
)  # fmt: skip
def test_a_script_that_fails_or_harms_its_parents_gets_no_lineage(run, parent, program, code, exit_code):
    words = ("curate", "record", "--parent", parent, "leases", "--folder", "made", "--json", "--", *program)
    answer = run(*words, expect=exit_code)
    if code is not None:
        assert answer.json["code"] == code
    assert not Path("made.lineage.json").exists()


def test_a_result_is_never_mixed_with_what_lay_there(run, parent):
    Path("made").mkdir()
    Path("made/old.txt").write_text("old")
    words = ("curate", "record", "--parent", parent, "leases", "--folder", "made", "--json", "--", "python3", "-c", "open('ran', 'w')")  # fmt: skip
    assert run(*words, expect=2).json["code"] == "EXISTS"
    assert not Path("ran").exists()
