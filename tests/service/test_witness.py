"""The witness that we are, and the registry that asks witnesses.

Here: the C2SP tlog-witness protocol against a witness in this process, and one real witness process beside a real registry.
"""

import base64
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
import uvicorn
from registry_process import PASSPHRASE, REPOSITORY, LivePublisher, RegistryProcess, free_port
from simulator import NOW, signer_of
from starlette.testclient import TestClient

from datasigil.merkle import leaf_hash
from datasigil.signing import LocalSigner
from datasigil.transparency.checkpoint import EMPTY_ROOT, Checkpoint, add_signatures, open_checkpoint, sign_checkpoint
from datasigil.transparency.note import new_vkey, parse_signature_lines, parse_vkey
from datasigil.transparency.proofs import AddCheckpoint
from datasigil.transparency.tiles import MemoryTileStore, TileTree
from service.witnessing.app import create_witness_app
from service.witnessing.witness import Witness

ORIGIN = "log.example/one"


class Log:
    """A log in memory, honest or not."""

    def __init__(self, salt=b""):
        self.signer = signer_of("log")
        self.key = new_vkey(ORIGIN, self.signer.public_key.raw)
        self.store = MemoryTileStore()
        self.tree = TileTree.open(self.store, 0, EMPTY_ROOT)
        self.salt = salt

    def grow(self, size):
        append = self.tree.prepare([leaf_hash(self.salt + str(n).encode()) for n in range(self.tree.size, size)])
        self.store.write_tiles(append.tiles)
        self.tree.commit(append)
        return self

    def note(self, signer=None):
        key = new_vkey(ORIGIN, (signer or self.signer).public_key.raw)
        head = Checkpoint(ORIGIN, self.tree.size, self.tree.root_at(self.tree.size))
        return sign_checkpoint(head, key, (signer or self.signer).sign)

    def body(self, old, note=None):
        proof = tuple(self.tree.consistency(old, self.tree.size)) if 0 < old < self.tree.size else ()
        return AddCheckpoint(old, proof, note or self.note()).text().encode()


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def witness(tmp_path, log):
    return Witness(tmp_path, "witness.example", signer_of("witness"), [log.key], lambda: NOW)


@pytest.fixture
def http(witness):
    return TestClient(create_witness_app(witness))


def cosigned(witness, note, answer):
    assert answer.status_code == 200, answer.text
    lines = parse_signature_lines(answer.text)
    found = open_checkpoint(add_signatures(note, lines), Log().key, [witness.key])
    assert [one.time for one in found.cosignatures] == [NOW]


def test_a_growing_log_is_cosigned_step_by_step(witness, http, log):
    old = 0
    for size in (1, 2, 5, 256, 300):
        log.grow(size)
        cosigned(witness, log.note(), http.post("/add-checkpoint", content=log.body(old)))
        old = size
    cosigned(witness, log.note(), http.post("/add-checkpoint", content=log.body(old)))


def test_another_size_than_the_known_one_is_answered_with_the_known_one(http, log):
    http.post("/add-checkpoint", content=log.grow(3).body(0))
    log.grow(7)
    for old in (0, 1, 5, 7):
        answer = http.post("/add-checkpoint", content=log.body(old))
        assert (answer.status_code, answer.text, answer.headers["content-type"]) == (409, "3\n", "text/x.tlog.size")


def test_a_fork_is_never_cosigned(http, log):
    http.post("/add-checkpoint", content=log.grow(5).body(0))
    same = Log(b"other").grow(5)
    assert http.post("/add-checkpoint", content=same.body(5)).status_code == 409
    longer = Log(b"other").grow(9)
    assert http.post("/add-checkpoint", content=longer.body(5)).status_code == 422
    shorter = Log().grow(4)
    assert http.post("/add-checkpoint", content=shorter.body(4)).status_code == 409
    assert http.post("/add-checkpoint", content=shorter.body(5)).status_code == 400


def test_what_was_cosigned_is_remembered_by_the_next_process(witness, http, log, tmp_path):
    http.post("/add-checkpoint", content=log.grow(5).body(0))
    again = TestClient(
        create_witness_app(Witness(tmp_path, "witness.example", signer_of("witness"), [log.key], lambda: NOW))
    )
    fork = Log(b"other").grow(9)
    assert again.post("/add-checkpoint", content=fork.body(0)).status_code == 409
    assert again.post("/add-checkpoint", content=log.grow(9).body(5)).status_code == 200


def test_nothing_is_signed_when_the_state_cannot_be_stored(witness, http, log, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("service.high_water.os.fsync", full)
    answer = http.post("/add-checkpoint", content=log.grow(5).body(0))
    assert answer.status_code == 507
    assert "— " not in answer.text


BAD = {
    "empty": b"",
    "no blank line": b"old 0\n",
    "no old": b"new 0\n\nx",
    "old in hex": b"old 0x1\n\n",
    "old with sign": b"old +1\n\n",
    "old with zeros": b"old 01\n\n",
    "negative": b"old -1\n\n",
    "huge": b"old " + b"9" * 400 + b"\n\n",
    "latin-1": b"old 0\n\n\xff",
    "64 hashes": b"old 1\n" + (base64.b64encode(b"x" * 32) + b"\n") * 64 + b"\n",
    "short hash": b"old 1\n" + base64.b64encode(b"x" * 31) + b"\n\n",
    "hash with spaces": b"old 1\n " + base64.b64encode(b"x" * 32) + b"\n\n",
    "no note": b"old 0\n\nhello\n",
}


@pytest.mark.parametrize("name", list(BAD))
def test_a_request_of_another_form_is_400(http, name):
    assert http.post("/add-checkpoint", content=BAD[name]).status_code == 400


def test_other_refusals_have_their_own_status(http, log):
    log.grow(3)
    assert http.post("/add-checkpoint", content=log.body(0, log.note(signer_of("thief")))).status_code == 403
    other = new_vkey("log.example/two", log.signer.public_key.raw)
    note = sign_checkpoint(Checkpoint("log.example/two", 3, bytes(32)), other, log.signer.sign)
    assert http.post("/add-checkpoint", content=log.body(0, note)).status_code == 404
    assert http.post("/add-checkpoint", content=b"x" * 200_000).status_code == 413
    assert http.get("/add-checkpoint").status_code == 405
    body = log.body(0).replace(b"old 0\n", b"old 0\n" + base64.b64encode(bytes(32)) + b"\n")
    assert http.post("/add-checkpoint", content=body).status_code == 422


class Served:
    """A witness on a loopback port, in a thread."""

    def __init__(self, app):
        self.port = free_port()
        self.server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_config=None, access_log=False))
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        deadline = time.monotonic() + 30
        while not self.server.started:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(30)


def test_the_registry_serves_the_cosignatures_of_its_witnesses(open_registry, opened_keys, tmp_path, monkeypatch):
    monkeypatch.setattr("service.transparency_log.cosigning.Cosigner.start", lambda self: None)
    made = [
        Witness(tmp_path / name, name, LocalSigner.generate("ed25519"), [opened_keys.log_key], lambda: NOW)
        for name in ("one.example", "two.example")
    ]
    for one in made:
        one._folder.mkdir()
    with Served(create_witness_app(made[0])) as first, Served(create_witness_app(made[1])) as second:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            away = f"http://127.0.0.1:{nobody.getsockname()[1]} {made[0].key}"
        links = [f"http://127.0.0.1:{one.port} {key.key}" for one, key in zip((first, second), made, strict=True)]
        registry = open_registry(witnesses=(*links, away))
        publisher = registry.login()
        cosigner = registry.state.cosigner
        for count in (1, 3):
            for _ in range(count):
                document = publisher.publish()
            assert cosigner.round() == 2
            note = registry.http.get("/log/checkpoint").content
            keys = [opened_keys.time_key, *(one.key for one in made)]
            found = open_checkpoint(note, opened_keys.log_key, keys)
            assert {one.key.name for one in found.cosignatures} == {key.name for key in keys}
        bundle = registry.http.get(f"/credentials/{document['id']}/bundle").text
        assert "one.example" in bundle
        assert "two.example" in bundle
        document = publisher.publish()
        assert b"one.example" not in registry.http.get("/log/checkpoint").content, "not cosigned yet"


def test_a_line_that_does_not_verify_is_not_served(open_registry, opened_keys, tmp_path, monkeypatch):
    monkeypatch.setattr("service.transparency_log.cosigning.Cosigner.start", lambda self: None)
    tmp_path.joinpath("w").mkdir()
    liar = Witness(tmp_path / "w", "one.example", LocalSigner.generate("ed25519"), [opened_keys.log_key], lambda: NOW)
    named = new_vkey("one.example", LocalSigner.generate("ed25519").public_key.raw, 4)
    with Served(create_witness_app(liar)) as served:
        registry = open_registry(witnesses=(f"http://127.0.0.1:{served.port} {named}",))
        registry.login().publish()
        assert registry.state.cosigner.round() == 0
        assert b"one.example" not in registry.http.get("/log/checkpoint").content


@pytest.mark.timeout(180)
def test_a_witness_process_cosigns_for_a_registry_process(tmp_path):
    registry = RegistryProcess(tmp_path / "data").initialise()
    variables, port = registry.variables(), free_port()
    command = [sys.executable, "-m", "service", "witness"]
    folder = ["--data-dir", str(tmp_path / "witness"), "--name", "witness.example"]
    made = subprocess.run(
        [*command, "init", *folder], env=variables, cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    vkey = made.stdout.strip()
    assert PASSPHRASE not in made.stdout
    with registry.start():
        log_key = LivePublisher(registry).reply["log"]["key"]
        registry.stop()
    serve = [*command, "serve", *folder, "--log", log_key, "--port", str(port)]
    with (tmp_path / "witness.log").open("wb") as journal:
        process = subprocess.Popen(serve, env=variables, cwd=REPOSITORY, stdout=journal, stderr=journal)
    try:
        registry.environment["DATASIGIL_WITNESSES"] = f'["http://127.0.0.1:{port} {vkey}"]'
        with registry.start():
            LivePublisher(registry).publish()
            deadline = time.monotonic() + 60
            while b"witness.example" not in (note := httpx.get(f"{registry.url}/log/checkpoint", timeout=20).content):
                assert time.monotonic() < deadline, (tmp_path / "witness.log").read_text()[-2000:]
                time.sleep(0.2)
        assert open_checkpoint(note, parse_vkey(log_key), [parse_vkey(vkey)]).cosignatures
    finally:
        process.terminate()
        process.wait(30)
