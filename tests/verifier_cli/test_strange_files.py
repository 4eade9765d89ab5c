"""Files of the wrong kind and of no use, handed to every command that reads one: an answer, never a wait."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from datasigil.bundle import read_file

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")


@needs_pipes
@pytest.mark.parametrize("words", [("check",), ("inspect",), ("trust", "add", "--yes"), ("gate",), ("refresh",)])
def test_a_pipe_that_nobody_writes_to_is_answered_and_not_waited_for(desk, tmp_path, words):
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    answer = desk.run(*words, pipe, "--policy", desk.policy) if words[0] != "inspect" else desk.run(*words, pipe)
    assert answer.code in (1, 2)


@needs_pipes
def test_a_pipe_in_the_place_of_the_trust_file_is_refused(desk, tmp_path):
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    answer = desk.run("check", desk.bundle, "--policy", pipe, "--offline")
    assert answer.code == 2
    assert "POLICY_FILE" in answer.err


@needs_pipes
def test_a_pipe_with_a_writer_is_read_to_its_end(tmp_path):
    reader, writer = os.pipe()
    text = b"x" * 300_000  # more than a pipe holds at once
    thread = threading.Thread(target=lambda: (os.write(writer, text), os.close(writer)))
    thread.start()
    try:
        assert read_file(Path(f"/dev/fd/{reader}"), 1_000_000) == text
    finally:
        thread.join()
        os.close(reader)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b'type = "GateFile"\ntype = "GateFile"', b"#" * ((1 << 20) + 1), b"[1, 2]", b"\0"]
)
def test_whatever_is_wrong_with_a_gate_file_is_wrong_usage_with_its_name_and_what_to_do(desk, tmp_path, content):
    path = tmp_path / "strange-gate.toml"
    path.write_bytes(content)
    answer = desk.run("gate", path, "--policy", desk.policy)
    assert answer.code == 2
    assert "GATE_FILE" in answer.err
    assert "strange-gate.toml" in answer.err
    assert "next:" in answer.err
