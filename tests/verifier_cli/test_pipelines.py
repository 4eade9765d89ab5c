"""Pipelines: action.yml, the pre-commit hooks, and the GitLab, DVC and Make snippets, each run as its runner would run it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from datasigil.trust.policy import parse_policy

REPOSITORY = Path(__file__).resolve().parents[2]
SNIPPETS = REPOSITORY / "examples" / "pipelines"


def git(folder, *words):
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main")  # fmt: skip
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(desk, tmp_path, monkeypatch):
    """A repository with data, bundle and gate file; its protected branch holds the trust file, and a clone is checked out."""
    desk.gate(roots="")
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "-q", "-b", "main")
    (origin / ".datasigil").mkdir()
    (origin / ".datasigil/policy.toml").write_text(desk.policy.read_text())
    git(origin, "add", "-A")
    git(origin, "commit", "-q", "-m", "policy")
    work = tmp_path / "work"
    subprocess.run(["git", "clone", "-q", str(origin), str(work)], check=True, capture_output=True)
    for name in ("data", "clauses.sigil.json", "gate.toml"):
        (tmp_path / name).rename(work / name)
    desk.data, desk.bundle = work / "data", work / "clauses.sigil.json"
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, module in (("datasigil-verify", "verifier_cli"), ("python", "")):
        shim = programs / name
        run = f'"{sys.executable}" -m {module}' if module else f'"{sys.executable}"'
        shim.write_text(f'#!/bin/sh\nexec {run} "$@"\n')
        shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.chdir(work)
    return work


def bash(script, **environment):
    words = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]
    return subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=120)  # fmt: skip


# action.yml ----------------------------------------------------------------------------------------------------------

ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text("utf-8"))


def act(tmp_path, **inputs):
    """Run the composite action's steps as a runner does: inputs by environment, each step in bash, the first failure ends it."""
    summary = tmp_path / "summary.md"
    given = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()} | {"policy-branch": "main", "install": "", "offline": "true"}  # fmt: skip
    given |= {name.replace("_", "-"): value for name, value in inputs.items()}
    said = ""
    for step in ACTION["runs"]["steps"]:
        if step.get("if") == "inputs.install != ''" and not given["install"]:
            continue
        environment = {name: re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda match: given[match[1]], value) for name, value in step["env"].items()}  # fmt: skip
        ran = bash(step["run"], RUNNER_TEMP=str(tmp_path), GITHUB_STEP_SUMMARY=str(summary), **environment)
        said += ran.stdout + ran.stderr
        assert "Traceback" not in said
        if ran.returncode:
            return ran.returncode, said, summary.read_text() if summary.exists() else ""
    return 0, said, summary.read_text()


def test_no_input_of_the_action_becomes_code():
    steps = ACTION["runs"]["steps"]
    assert [step["name"] for step in steps if "${{" in step["run"]] == []
    assert {step["shell"] for step in steps} == {"bash"}
    assert all(not step.get("if") or step["if"] == "inputs.install != ''" for step in steps)
    assert {step.get("uses") for step in steps} == {None}


def test_the_action_passes_what_is_valid_and_says_so_in_the_summary(project, tmp_path):
    code, said, summary = act(tmp_path)
    assert code == 0, said
    assert "::notice file=gate.toml,title=datasigil gate::VALID" in said
    assert "## datasigil gate: VALID" in summary
    assert "| CC-BY-4.0 |" in summary
    assert "::error" not in said


def test_the_action_refuses_a_changed_file_with_an_annotation_on_the_gate_file(project, tmp_path):
    (project / "data/LICENSE").write_bytes(b"All rights reserved\n")
    code, said, summary = act(tmp_path)
    assert code == 1
    line = next(one for one in said.splitlines() if one.startswith("::error"))
    assert line.startswith("::error file=gate.toml,title=INVALID%3A FILE_DIGEST::data: ")
    assert "## datasigil gate: INVALID" in summary


def test_a_pull_request_cannot_bring_its_own_trust_file(project, tmp_path, desk):
    mallory = desk.world.new_publisher("mallory")
    document = desk.world.issue(publisher=mallory)
    desk.put(desk.world.publish(document))
    (project / ".datasigil/policy.toml").write_text(desk.world.policy_toml(publishers=(mallory,)))
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "trust mallory")
    code, said, summary = act(tmp_path)
    assert code == 1
    assert "UNTRUSTED_ISSUER" in said
    assert "INVALID" in summary


def test_a_pinned_digest_refuses_another_trust_file_and_accepts_its_own(project, tmp_path, desk):
    digest = parse_policy(desk.policy.read_bytes(), source="x").digest
    assert act(tmp_path, policy_digest=digest)[0] == 0
    code, said, _ = act(tmp_path, policy_digest="0" * 64)
    assert code == 2
    assert "::error file=gate.toml,title=datasigil%3A POLICY_FILE::" in said


@pytest.mark.parametrize("inputs", [{"policy": "no/such.toml"}, {"policy_branch": "no-such-branch"}, {"policy": "-x"}])
def test_without_a_trust_file_in_the_protected_branch_nothing_passes(project, tmp_path, inputs):
    code, _, summary = act(tmp_path, **inputs)
    assert code != 0
    assert summary == ""


@pytest.mark.parametrize("gate", ["$(touch hit)", "; touch hit", "--policy=x", "no.toml\n::warning::x"])
def test_an_input_that_would_be_code_is_a_name_and_nothing_else(project, tmp_path, gate):
    code, said, _ = act(tmp_path, gate=gate)
    assert code != 0
    assert not (project / "hit").exists()
    assert not [line for line in said.splitlines() if line.startswith("::warning")]


def test_names_in_annotations_and_summary_stay_names(desk, monkeypatch, tmp_path):
    """A folder whose name tries to end the command, the line, the table cell and the markup."""
    name = "data\n::warning::x|<b>[l](x)%0A"
    (tmp_path / "data").rename(tmp_path / name)
    (tmp_path / name / "LICENSE").unlink()
    text = 'type = "GateFile"\nformatVersion = 1\n[[datasets]]\nbundle = "clauses.sigil.json"\ndata = "data\\n::warning::x|<b>[l](x)%0A"\n'
    (tmp_path / "gate.toml").write_text(text)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    answer = desk.run("gate", "gate.toml", "--policy", desk.policy, "--offline", "--github")
    assert answer.code == 1
    commands = [line for line in answer.out.splitlines() if line.startswith("::")]
    assert [line.partition(" ")[0] for line in commands] == ["::error"]
    assert "%250A" in commands[0]
    summary = (tmp_path / "summary.md").read_text()
    assert "<b>" not in summary
    assert not re.search(r"(?<!\\)[\[\]]", summary)  # no link
    rows = [line for line in summary.splitlines() if line.startswith("|")]
    assert len(rows) == 3


def test_json_and_annotations_do_not_mix(desk, monkeypatch, tmp_path):
    desk.gate()
    answer = desk.run("gate", "gate.toml", "--policy", desk.policy, "--offline", "--github", "--json")
    assert answer.document["decision"] == "VALID"
    assert "::notice" in answer.err


# pre-commit ----------------------------------------------------------------------------------------------------------

HOOKS = {one["id"]: one for one in yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text("utf-8"))}


def hook(name, *args, files=()):
    """Run a hook as pre-commit does: entry, then arguments, then the names of files."""
    import shlex

    one = HOOKS[name]
    words = [*shlex.split(one["entry"]), *(args or one.get("args", ())), *(files if one.get("pass_filenames", True) else ())]  # fmt: skip
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def test_the_hooks_are_what_pre_commit_expects():
    for one in HOOKS.values():
        assert {"id", "name", "entry", "language"} <= one.keys()
        assert one["language"] == "python"
        re.compile(one.get("files", ""))


def test_the_gate_hook_passes_and_refuses(project, desk, monkeypatch):
    monkeypatch.setenv("DATASIGIL_POLICY", str(desk.policy))
    assert hook("datasigil-gate", "gate.toml", "--offline").returncode == 0
    (project / "data/more.txt").write_text("x")
    assert hook("datasigil-gate", "gate.toml", "--offline").returncode == 1


def test_the_check_hook_looks_at_every_bundle_that_is_committed(project, desk, monkeypatch):
    monkeypatch.setenv("DATASIGIL_POLICY", str(desk.policy))
    assert re.search(HOOKS["datasigil-check"]["files"], "x/clauses.sigil.json")
    assert hook("datasigil-check", files=["clauses.sigil.json"]).returncode == 0
    bundle = project / "clauses.sigil.json"
    bundle.write_bytes(bundle.read_bytes().replace(b"Contract", b"contract"))
    assert hook("datasigil-check", files=["clauses.sigil.json"]).returncode == 1


# GitLab, DVC, Make -----------------------------------------------------------------------------------------------------


def test_the_gitlab_job_passes_and_refuses(project, tmp_path, monkeypatch):
    monkeypatch.setenv("DATASIGIL_DEV", "1")
    (job,) = yaml.safe_load((SNIPPETS / "gitlab-ci.yml").read_text("utf-8")).values()
    script = "\n".join([*job["before_script"], *job["script"]])
    # Everything as in the file, but for the network, which a test does not have.
    script = script.replace("--json", "--offline --json")
    environment = {
        **job["variables"],
        "DATASIGIL_INSTALL": "",
        "CI_DEFAULT_BRANCH": "main",
        "CI_BUILDS_DIR": str(tmp_path),
    }
    assert bash(script, **environment).returncode == 0
    assert (project / job["artifacts"]["paths"][0]).is_file()
    (project / "data/LICENSE").unlink()
    assert bash(script, **environment).returncode == 1
    assert bash(script, **environment | {"CI_DEFAULT_BRANCH": "none"}).returncode != 0


TRAIN = """import os, pathlib
text = pathlib.Path(os.environ["DATASIGIL_DATA"], "clauses/train.jsonl").read_text()
pathlib.Path("model").mkdir()
pathlib.Path("model/weights.json").write_text(str(len(text)))
"""


@pytest.fixture
def offline(monkeypatch, desk, project):
    """`datasigil-verify` that adds --offline, and the user's trust file."""
    monkeypatch.setenv("DATASIGIL_POLICY", str(desk.policy))
    program = Path(os.environ["PATH"].split(os.pathsep)[0]) / "datasigil-verify"
    program.write_text(
        f'#!/bin/sh\ncommand=$1; shift\nexec "{sys.executable}" -m verifier_cli "$command" --offline "$@"\n'
    )
    (project / "train.py").write_text(TRAIN)
    return project


def test_the_dvc_stages_run_in_order_and_leave_their_outputs(offline):
    stages = yaml.safe_load((SNIPPETS / "dvc.yaml").read_text("utf-8"))["stages"]
    for name, stage in stages.items():
        assert all(Path(dep).exists() for dep in stage["deps"]), name
        ran = bash(stage["cmd"])
        assert ran.returncode == 0, ran.stderr
        outs = [next(iter(one)) if isinstance(one, dict) else one for one in stage["outs"]]
        assert all(Path(one).exists() for one in outs), name
    (offline / "data/LICENSE").unlink()
    assert bash(stages["gate"]["cmd"]).returncode == 1
    assert bash("rm -r model offered.json; " + stages["train"]["cmd"]).returncode == 1
    assert not Path("model").exists()


def test_the_makefile_trains_behind_the_gate_and_not_otherwise(offline):
    make = f'make -f "{SNIPPETS / "Makefile"}"'
    ran = bash(f"{make} gate model")
    assert ran.returncode == 0, ran.stderr
    assert Path("model/weights.json").is_file()
    assert Path("offered.json").is_file()
    assert bash(f"{make} clean").returncode == 0
    (offline / "data/LICENSE").unlink()
    assert bash(f"{make} model").returncode != 0
    assert not Path("model").exists()
