"""In CI the trust file comes from a pinned digest or from a protected branch, never from the commit that is judged."""

from __future__ import annotations

import subprocess

import pytest

from datasigil.trust.policy import parse_policy


@pytest.fixture
def commit(desk, monkeypatch):
    """The desk's folder is a checkout that holds the trust file, in CI."""
    for words in (
        ["init", "-q"],
        ["add", "datasigil.toml"],
        ["-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", str(desk.folder), *words], check=True)
    monkeypatch.setenv("CI", "true")
    return desk


@pytest.mark.parametrize("command", ["check", "gate", "plan"])
def test_in_ci_the_trust_file_of_the_commit_decides_only_when_it_is_pinned(commit, command, monkeypatch):
    words = {
        "check": ("check", commit.bundle),
        "gate": ("gate", commit.gate()),
        "plan": ("policy", "plan", commit.bundle, "--use", "ai-training"),
    }[command]
    typed = (*words, "--policy", commit.policy, "--offline")
    answer = commit.run(*typed)
    assert answer.code == 2
    for said in ("POLICY_FILE", "protected branch", "--policy-digest", "git cat-file blob"):
        assert said in answer.err
    digest = parse_policy(commit.policy.read_bytes()).digest
    assert commit.run(*typed, "--policy-digest", digest).code == 0
    monkeypatch.setenv("CI", "false")
    assert commit.run(*typed).code == 0


def test_in_ci_a_trust_file_from_elsewhere_decides(commit, tmp_path_factory):
    taken = tmp_path_factory.mktemp("runner") / "policy.toml"
    blob = subprocess.run(
        ["git", "-C", str(commit.folder), "cat-file", "blob", "HEAD:datasigil.toml"], capture_output=True, check=True
    )
    taken.write_bytes(blob.stdout)
    assert commit.run("check", commit.bundle, "--policy", taken, "--offline").code == 0
    untracked = commit.folder / "made-here.toml"
    untracked.write_bytes(blob.stdout)
    assert commit.run("check", commit.bundle, "--policy", untracked, "--offline").code == 0


def test_in_ci_a_work_tree_that_git_cannot_be_asked_about_counts_as_the_commit(commit, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert commit.run("check", commit.bundle, "--policy", commit.policy, "--offline").code == 2
