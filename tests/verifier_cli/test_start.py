"""How `datasigil-verify` starts: what an offline check never imports, closed and full outputs, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "pydantic",
    "jsonschema",
    "httpx",
    "pyld",
    "fsspec",
    "torch",
    "requests",
    "asyncio",
    "license_expression",
    "ssl",
    "tempfile",
)
REACHED = "import sys; sys.argv = ['datasigil-verify', *sys.argv[1:]]; from verifier_cli.main import main; code = main(); print(code, *sorted(sys.modules), file=sys.stderr)"
ROOT = str(Path(__file__).parents[2])


def start(*words, program=("-m", "verifier_cli"), **options):
    environment = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.run(
        [sys.executable, *program, *map(str, words)],
        capture_output=True,
        check=False,
        env=environment,
        timeout=60,
        **options,
    )


def test_an_offline_check_starts_without_what_it_does_not_need(desk):
    answer = start("check", desk.bundle, "--policy", desk.policy, "--offline", program=("-c", REACHED))
    code, *modules = answer.stderr.decode().split()
    assert code == "0", answer
    assert [name for name in HEAVY if name in modules] == []
    assert [
        name for name in modules if name.startswith(("datasigil.client", "datasigil.fetch", "datasigil.signing"))
    ] == []


def test_help_imports_nothing_of_the_plan(desk):
    code = "import sys; sys.argv = ['x', '--help']\nfrom verifier_cli.main import main\ntry: main()\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    modules = start(program=("-c", code)).stderr.decode().split()
    assert "verifier_cli.main" in modules
    assert [
        name for name in modules if name.startswith(("datasigil.verification", "datasigil.trust", "cryptography"))
    ] == []


def test_no_command_reaches_a_private_key(desk):
    code = "import sys, pkgutil, importlib, verifier_cli\nfor m in pkgutil.iter_modules(verifier_cli.__path__):\n    if m.name != '__main__': importlib.import_module('verifier_cli.' + m.name)\nprint('datasigil.signing' in sys.modules)"
    assert start(program=("-c", code)).stdout.strip() == b"False"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full")
def test_a_verdict_that_cannot_be_written_is_no_success(desk):
    with open("/dev/full", "wb") as full:
        answer = subprocess.run(
            [sys.executable, "-m", "verifier_cli", "check", desk.bundle, "--policy", desk.policy, "--offline"],
            stdout=full, stderr=subprocess.PIPE, check=False, env={**os.environ, "PYTHONPATH": ROOT}, timeout=60,
        )  # fmt: skip
    assert answer.returncode == 2
    assert b"Traceback" not in answer.stderr
    assert b"No space left" in answer.stderr


def test_a_reader_that_goes_away_is_no_success_and_no_traceback(desk):
    command = f"{sys.executable} -m verifier_cli check {desk.bundle} --policy {desk.policy} --offline | true; exit ${{PIPESTATUS[0]}}"
    for _ in range(3):
        answer = subprocess.run(
            ["bash", "-c", command],
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONPATH": ROOT},
            timeout=60,
        )
        assert answer.returncode in (0, 2)  # 0 when the pipe took the whole report before its reader left
        assert b"Traceback" not in answer.stderr
        assert b"Exception ignored" not in answer.stderr


def test_closed_streams_are_no_traceback(desk):
    command = f"{sys.executable} -m verifier_cli check {desk.bundle} --policy {desk.policy} --offline >&- 2>&-"
    answer = subprocess.run(["bash", "-c", command], check=False, env={**os.environ, "PYTHONPATH": ROOT}, timeout=60)
    assert answer.returncode == 0


def test_ctrl_c_ends_with_130_and_writes_nothing(desk):
    os.mkfifo(desk.folder / "endless.sigil.json")
    process = subprocess.Popen(
        [sys.executable, "-m", "verifier_cli", "check", "endless.sigil.json", "--policy", desk.policy, "--offline"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": ROOT},
    )  # fmt: skip
    writer = os.open(desk.folder / "endless.sigil.json", os.O_WRONLY)  # returns once the check has opened the other end
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    os.close(writer)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def test_colour_is_for_terminals_without_no_color(desk):
    assert b"\x1b[" not in start("check", desk.bundle, "--policy", desk.policy, "--offline").stdout
    import pty

    for variable, coloured in ((None, True), ("1", False)):
        controller, terminal = pty.openpty()
        environment = {**os.environ, "PYTHONPATH": ROOT, "TERM": "xterm"} | ({"NO_COLOR": variable} if variable else {})
        environment.pop("NO_COLOR", None) if variable is None else None
        subprocess.run([sys.executable, "-m", "verifier_cli", "check", desk.bundle, "--policy", desk.policy, "--offline", "-q"],
            stdout=terminal, stderr=subprocess.DEVNULL, check=False, env=environment, timeout=60,
        )  # fmt: skip
        os.close(terminal)
        seen = os.read(controller, 65536)
        os.close(controller)
        assert (b"\x1b[" in seen) == coloured
