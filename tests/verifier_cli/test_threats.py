"""Group X of the threat model: what a command line says and does when it refuses, and that offline means offline."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import absent

from datasigil.bundle import bundle_bytes

ROOT = Path(__file__).parents[2]
SAYS_GOOD = re.compile(r"\b(valid|verified|ok to use)\b", re.IGNORECASE)


def spoil_proof(desk):
    desk.put(desk.bundle.read_bytes().replace(b'"name":"Contract', b'"name":"Contrast', 1))


FAILURES = {
    "signature": (spoil_proof, 1),
    "stranger": (lambda desk: desk.trust(publishers=()), 1),
    "revoked": (lambda desk: (desk.world.revoke(desk.document), desk.renew()), 1),
    "stale": (lambda desk: desk.put(old(desk)), 3),
    "file": (lambda desk: (desk.data / "LICENSE").write_text("x"), 1),
    "extra": (lambda desk: (desk.data / "more.txt").write_text("x"), 1),
    "no bundle": (lambda desk: desk.put(b""), 1),
    "no log": (lambda desk: desk.trust(log=False), 3),
}


def old(desk):
    desk.world.tick(days=-30)
    data = bundle_bytes(desk.world.bundle(desk.document))
    desk.world.tick(days=30)
    return data


@pytest.mark.parametrize("name", FAILURES)
def test_x01_whatever_fails_exits_otherwise_than_0_and_never_says_valid_or_verified(desk, name):
    spoil, code = FAILURES[name]
    spoil(desk)
    answer = desk.check("--data", desk.data)
    assert answer.code == code
    assert not SAYS_GOOD.search(answer.out + answer.err)
    gate = desk.gate()
    refused = desk.run("gate", gate, "--policy", desk.policy, "--offline")
    assert refused.code == code
    assert not SAYS_GOOD.search(refused.out + refused.err)


@pytest.mark.parametrize("name", ["a\x1b[2Jb.txt", "a\nVALID: all files.txt", "a\u202etxt.exe", "a\rb", "a\x07\x9b31m"])
def test_x04_a_file_s_name_cannot_write_to_the_terminal(desk, name):
    (desk.data / name).write_text("x")
    answer = desk.check("--data", desk.data)
    assert answer.code == 1
    assert name not in answer.out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", answer.out)
    assert not any(line.startswith("VALID") for line in answer.out.splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="strace is of Linux")
@pytest.mark.parametrize("words", [("check",), ("gate",), ("policy",)])
def test_x07_offline_connects_to_nobody_under_strace(desk, tmp_path, words):
    if shutil.which("strace") is None:
        absent("strace")
    gate, trace = desk.gate(), tmp_path / "trace"
    typed = {
        "check": ("check", desk.bundle, "--data", desk.data),
        "gate": ("gate", gate),
        "policy": ("policy", "plan", desk.bundle, "--use", "ai-training"),
    }[words[0]]
    command = [sys.executable, "-m", "verifier_cli", *map(str, typed), "--policy", str(desk.policy), "--offline"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=socket,connect,sendto", "-o", str(trace), *command],
        capture_output=True, check=False, env=environment, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "AF_INET" not in trace.read_text()
