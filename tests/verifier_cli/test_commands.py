"""What all commands of `datasigil-verify` have in common: help with an example, JSON, quiet, completion."""

from __future__ import annotations

import argparse
import subprocess

import pytest

from verifier_cli.arguments import parser
from verifier_cli.completing import run as completing  # the module a command names must exist


def commands(top, path=()):
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield from commands(one, (*path, name))
            return
    yield path, top


ALL = dict(commands(parser()))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_shows_an_example_of_itself_and_its_module_exists(path, desk):
    answer = desk.run(*path, "--help")
    assert answer.code == 0
    assert f"  datasigil-verify {' '.join(path)}" in answer.out
    from importlib import import_module

    module, _, function = ALL[path].get_default("run").partition(":")
    assert callable(getattr(import_module(f"verifier_cli.{module}"), function))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_takes_json_quiet_and_verbose(path):
    options = {word for action in ALL[path]._actions for word in action.option_strings}
    assert {"--json", "-q", "-v"} <= options


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_an_option_that_is_not_there_is_wrong_usage(path, desk):
    answer = desk.run(*path, "--no-such-option")
    assert (answer.code, answer.out) == (2, "")


def test_a_group_without_a_command_is_wrong_usage(desk):
    for group in ("trust", "policy", "log"):
        assert desk.run(group).code == 2


def test_the_version_is_the_packages(desk):
    from datasigil import __version__

    assert desk.run("--version").out == f"datasigil-verify {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_every_command(desk, shell):
    answer = desk.run("completion", shell)
    assert answer.code == 0
    for path in ALL:
        for word in path:
            assert word in answer.out
    assert desk.run("completion", shell, "--json").document["script"] == answer.out
    assert callable(completing)


def complete(desk, *words):
    script = desk.folder / "completion.bash"
    script.write_text(desk.run("completion", "bash").out)
    line = " ".join(f"'{word}'" for word in ("datasigil-verify", *words))
    code = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _datasigil_verify; echo ${{COMPREPLY[@]}}"
    return subprocess.run(["bash", "-c", code], capture_output=True, check=True, text=True, timeout=30).stdout.split()


def test_bash_completes_commands_and_their_options(desk):
    assert complete(desk, "ch") == ["check"]
    assert complete(desk, "trust", "") == ["-h", "--help", "add"]
    assert complete(desk, "check", "x", "--par") == ["--partial"]
    assert complete(desk, "trust", "add", "--with") == ["--with-parents"]


def test_an_error_names_place_expected_found_and_next(desk):
    answer = desk.run("check", desk.bundle, "--policy", desk.policy, "--at", "noon")
    for label in ("error:", "expected:", "found:", "next:"):
        assert label in answer.err
