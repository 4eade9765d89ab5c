"""The command line: exit codes, refusals in words, nothing listed that does not exist, nothing imported too early."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from training_worker.arguments import parser
from training_worker.main import main

COMMANDS = (
    "new",
    "plan",
    "train",
    "eval",
    "card",
    "review",
    "release",
    "pack",
    "export",
    "replay",
    "work",
    "submit",
    "jobs",
)


def test_help_lists_exactly_the_commands_that_exist(capsys):
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(["--help"])
    assert caught.value.code == 0
    assert "{" + ",".join(COMMANDS) + "}" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_and_no_way_around_the_gate(name, capsys):
    with pytest.raises(SystemExit) as caught:
        parser().parse_args([name, "--help"])
    said = capsys.readouterr().out
    assert caught.value.code == 0
    assert f"datasigil-train {name}" in said.partition("example")[2]
    for word in ("--skip", "--force-train", "--no-verify", "--at "):
        assert word not in said


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["train"], ["train", "r.yaml", "--at", "2020-01-01T00:00:00Z"]])
def test_wrong_usage_exits_with_2(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_new_refuses_a_folder_without_a_credential(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text('{"text": "x"}\n')
    assert main(["new", str(tmp_path / "data"), "-o", str(tmp_path / "r.yaml")]) == 1
    assert "credential" in capsys.readouterr().err
    assert not (tmp_path / "r.yaml").exists()


def test_train_refuses_an_untrusted_signer_and_shows_the_whole_report(case, capsys):
    assert main(["train", str(case.recipe_path), "-o", str(case.folder / "run"), "--offline"]) == 1
    said = capsys.readouterr().err
    assert "UNTRUSTED_ISSUER" in said
    assert "nothing was trained" in said
    assert not (case.folder / "run.partial").exists()


def test_a_refusal_is_versioned_json(case, capsys):
    assert main(["train", str(case.recipe_path), "-o", str(case.folder / "run"), "--offline", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["type"], document["formatVersion"], document["decision"]) == ("TrainingRefusal", 1, "INVALID")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["train", "none.yaml"], 2),
        (["plan", "none.yaml", "--probe", "-1"], 2),
        (["card", "nowhere"], 2),
        (["eval", "nowhere", "--recipe", "none.yaml"], 2),
        (["replay", "nowhere", "--recipe", "none.yaml"], 2),
        (["train", "none.yaml", "--policy", "none.toml"], 2),
    ],
)
def test_what_is_not_there_is_named_without_a_traceback(arguments, code, capsys):
    assert main(arguments) == code
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "Traceback" not in said


def test_a_recipe_error_is_told_with_its_place(case, capsys):
    case.recipe_path.write_text(case.recipe_path.read_text() + "  epoch: 3\n")
    assert main(["train", str(case.recipe_path)]) == 2
    assert "did you mean 'epochs'" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "a: [", "a: 1\na: 2\n", "type: Recipe\n", "by: me\nfacts: {nothing: x}\n"])
@pytest.mark.parametrize(
    "arguments", [["plan", "FILE"], ["train", "FILE"], ["plan", "RECIPE", "--prices", "FILE"], ["card", ".", "--facts", "FILE"]]
)  # fmt: skip
def test_what_is_wrong_with_a_file_of_ones_own_is_wrong_usage(case, capsys, arguments, content):
    mine = case.folder / "mine.yaml"
    mine.write_text(content)
    named = {"FILE": str(mine), "RECIPE": str(case.recipe_path)}
    assert main([named.get(one, one) for one in arguments]) == 2
    assert str(mine) in capsys.readouterr().err


def test_a_key_without_a_registry_is_refused_before_anything_else(case, capsys):
    assert main(["train", str(case.recipe_path), "--key", "me"]) == 2
    assert "--registry" in capsys.readouterr().err


def test_no_command_imports_torch_before_its_gate_has_passed():
    names = "arguments main gate gate_settings watch new train plan eval card_command review release pack export documents replay run preparation"
    code = "; ".join(["import sys", *(f"import training_worker.{name}" for name in names.split())])
    code += "; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.training
def test_a_card_is_checked_and_its_markdown_written_anew(trainable, capsys):
    folder = trainable.train().folder
    assert main(["card", str(folder)]) == 0
    (folder / "README.md").write_bytes(b"something else\n")
    assert main(["card", str(folder)]) == 1
    assert main(["card", str(folder), "--render"]) == 0
    capsys.readouterr()
