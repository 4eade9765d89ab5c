"""Which trust file the worker's gate decides by: the same rules as `datasigil-verify`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from datasigil.trust.policy import parse_policy
from training_worker.main import main

ROOT = Path(__file__).resolve().parents[2]


def typed(case, policy, *more):
    return ["eval", str(case.folder / "run"), "--recipe", str(case.recipe_path), "--policy", str(policy), "--offline", *more]  # fmt: skip


@pytest.fixture
def commit(case, monkeypatch):
    """The case's folder is a checkout that holds the trust file, in CI."""
    for words in (
        ["init", "-q"],
        ["add", "datasigil.toml"],
        ["-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", str(case.folder), *words], check=True)
    monkeypatch.setenv("CI", "true")
    return case


def test_in_ci_the_trust_file_of_the_commit_decides_only_when_it_is_pinned(commit, capsys):
    policy = commit.folder / "datasigil.toml"
    assert main(typed(commit, policy)) == 2
    said = capsys.readouterr().err
    assert "POLICY_FILE" in said
    assert "protected branch" in said
    digest = parse_policy(policy.read_bytes()).digest
    main(typed(commit, policy, "--policy-digest", digest))
    assert "POLICY_FILE" not in capsys.readouterr().err


@pytest.mark.parametrize("command", ["eval", "train", "plan", "release"])
def test_another_trust_file_than_the_pinned_one_is_wrong_usage(case, capsys, command):
    words = {
        "eval": ["eval", str(case.folder / "run"), "--recipe", str(case.recipe_path)],
        "train": ["train", str(case.recipe_path), "-o", str(case.folder / "run")],
        "plan": ["plan", str(case.recipe_path)],
        "release": ["release", str(case.folder / "run")],
    }[command]
    policy = case.folder / "datasigil.toml"
    assert main([*words, "--policy", str(policy), "--offline", "--policy-digest", "0" * 64]) == 2
    said = capsys.readouterr().err
    assert "the one that is pinned" in said
    assert parse_policy(policy.read_bytes()).digest in said


def test_a_trust_file_among_the_data_is_refused(case, capsys):
    inside = case.data / "datasigil.toml"
    inside.write_bytes((case.folder / "datasigil.toml").read_bytes())
    assert (
        main(["train", str(case.recipe_path), "-o", str(case.folder / "run"), "--policy", str(inside), "--offline"])
        == 2
    )
    assert "inside the data" in capsys.readouterr().err
    assert not (case.folder / "run").exists()


def test_closed_streams_are_no_traceback(case):
    command = (
        f"{sys.executable} -m training_worker train {case.recipe_path} -o {case.folder / 'run'} --offline >&- 2>&-"
    )
    answer = subprocess.run(["bash", "-c", command], check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60)  # fmt: skip
    assert answer.returncode == 1  # nobody is trusted
