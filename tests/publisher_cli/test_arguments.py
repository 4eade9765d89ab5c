"""The command line itself: help, usage, JSON, talk, and how it ends."""

import json
import re
import subprocess
import sys

import pytest

from publisher_cli.arguments import parse, parser


def commands():
    """Every command with its parser, groups left out."""
    found = []

    def walk(one, words):
        groups = [
            action for action in one._actions if getattr(action, "choices", None) and isinstance(action.choices, dict)
        ]
        for action in groups:
            for name, below in action.choices.items():
                walk(below, (*words, name))
        if not groups:
            found.append(words)

    walk(parser(), ())
    return sorted(found)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help_shows_an_example_that_parses(run, words):
    text = run(*words, "--help").out
    examples = re.findall(r"^  (datasigil .*)$", text.partition("example")[2], flags=re.MULTILINE)
    assert examples
    for line in examples:
        import shlex

        typed = shlex.split(line.partition(" | ")[0].partition(" > ")[0].partition(" -- ")[0])
        assert typed[1 : 1 + len(words)] == list(words)
        parse(typed[1:])


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_takes_the_same_manners(words, run):
    text = run(*words, "--help").out
    assert all(option in text for option in ("--json", "--quiet", "--verbose"))


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_names_a_function_that_exists(words):
    from importlib import import_module

    one = parser()
    for name in words:
        one = next(
            action.choices[name] for action in one._actions if isinstance(getattr(action, "choices", None), dict)
        )
    module, _, function = one.get_default("run").partition(":")
    assert callable(getattr(import_module(f"publisher_cli.{module}"), function))


@pytest.mark.parametrize(
    "words",
    [
        (), ("unknown",), ("init",), ("issue",), ("diff", "one"), ("key",), ("key", "new"), ("revoke", "x"), ("impact",),
        ("issue", "x", "--valid-days", "0"), ("issue", "x", "--valid-days", "1.5"), ("issue", "x", "--digest", "md5"),
        ("search", "--limit", "101"), ("search", "--limit", "-1"), ("search", "--status", "lost"), ("publish", "x", "--timeout", "soon"),
        ("init", "x", "--ye"), ("key", "new", "--name", "x", "--kind", "rsa"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_ends_with_two_and_says_what_was_expected(run, words):
    answer = run(*words, expect=2)
    assert answer.out == ""
    assert "usage: datasigil" in answer.err
    assert "error:" in answer.err


def test_the_version_is_the_packages(run):
    from datasigil import __version__

    assert run("--version").out == f"datasigil {__version__}\n"


def test_the_result_goes_to_standard_output_and_talk_to_standard_error(run, issued, data):
    answer = run("issue", data, "-o", "second.json", "--json")
    assert answer.json["type"] == "IssuedCredential"
    assert "nothing has left it" in answer.err
    assert run("issue", data, "-o", "second.json", "--json", "-q").err == ""


def test_names_from_outside_cannot_move_the_cursor(run, publisher, data, tmp_path):
    run("init", data, "--yes")
    path = tmp_path / "leases.dataset.toml"
    path.write_text(path.read_text().replace('"Small leases"', '"Small \\u202Eleases"'))
    run("issue", data, "-o", "c.json")
    run("publish", "c.json")
    text = run("search", "leases").out
    assert "\u202e" not in text
    assert "\\u202e" in text


def test_a_terminal_that_cannot_show_a_name_is_no_reason_to_fail(tmp_path, data):
    ran = subprocess.run(
        [sys.executable, "-m", "publisher_cli", "diff", str(tmp_path / "old"), str(data)],
        env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    old = tmp_path / "old"
    old.mkdir()
    (old / "a").write_text("a")
    ran = subprocess.run(
        [sys.executable, "-m", "publisher_cli", "diff", str(old), str(data)],
        env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    assert "parts/Z\\xfcrich" in ran.stdout


def test_a_reader_that_goes_away_is_not_complained_to(tmp_path, data):
    ran = subprocess.run(
        f"{sys.executable} -m publisher_cli manifest {data} --json | head -c 1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in ran.stderr


def test_progress_is_drawn_on_a_terminal_and_taken_away(tmp_path):
    import os
    import pty

    folder = tmp_path / "big"
    folder.mkdir()
    with (folder / "zeros").open("wb") as stream:
        stream.truncate(256 * 1024**2)
    leader, follower = pty.openpty()
    # Progress as it is drawn after the first quiet second, without waiting for it.
    program = "import sys, datasigil.report.terminal as t; t.QUIET_SECONDS = t.DRAW_SECONDS = 0.0; from publisher_cli.main import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "manifest", str(folder), "--json"], stdout=subprocess.PIPE, stderr=follower
    )
    os.close(follower)
    drawn = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        drawn += chunk
    out, _ = process.communicate(timeout=60)
    os.close(leader)
    assert json.loads(out)["fileCount"] == 1
    assert b"hashing" in drawn
    assert b"B/s  ETA" in drawn
    assert drawn.endswith(b"\r")
