"""What the tests of `datasigil` share: a real registry process, a publisher who is logged in, and commands run in this process.

Here: fixtures, and `Run` with the helpers that put a command line to `publisher_cli.main`. Not here: the registry's own tests.
"""

import json
import os
import shutil
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prepared_service import Prepared, run_prepared

from publisher_cli.main import main

PASSPHRASE = "correct horse battery staple"
START_SECONDS = 60.0
FILES = {
    "LICENSE.txt": "Creative Commons\nAttribution 4.0 International\n",
    "README.md": "---\nlicense: cc-by-4.0\nlanguage:\n- en\npretty_name: Small leases\n---\n# Leases\n\nTwo clauses of leases.\n",
    "train.jsonl": '{"text": "The tenant pays the rent monthly.", "label": "payment"}\n',
    "parts/Zürich – Ω.csv": "text,label\nEither party may end this lease.,termination\n",
}


@dataclass
class RegistryProcess:
    """A registry in a folder and on a port of its own; it can be killed and started again."""

    folder: Path
    port: int
    process: Prepared | None = None
    more: dict[str, str] = field(default_factory=dict)  # of its environment

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DATASIGIL_")}
        return {
            **kept,
            "DATASIGIL_PASSPHRASE_FILE": str(self.folder / "passphrase"),
            "DATASIGIL_RATE_PER_SECOND": "10000",
            "DATASIGIL_RATE_BURST": "10000",
            "XDG_STATE_HOME": str(self.folder / "state"),
            **self.more,
        }

    def create(self) -> None:
        passphrase = self.folder / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text(PASSPHRASE)
        self.service("init", "--public-url", self.url)

    def service(self, command: str, *options: str) -> str:
        ran = run_prepared([command, "--data-dir", str(self.folder / "data"), *options], self.environment)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def start(self) -> None:
        words = ["serve", "--data-dir", str(self.folder / "data"), "--port", str(self.port)]
        self.process = Prepared(words, self.environment, self.folder / "log", self.folder / "log")
        until = time.monotonic() + START_SECONDS
        while not self._ready():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)

    def _ready(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.url}/readyz", timeout=2) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self, with_signal: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(with_signal)
            self.process.wait(timeout=30)
            self.process = None

    def get(self, path: str) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url + path, timeout=10) as reply:
            return json.loads(reply.read())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    """One registry process for all tests that do not harm it."""
    one = RegistryProcess(tmp_path_factory.mktemp("registry"), free_port())
    one.create()
    one.start()
    yield one
    one.kill(signal.SIGTERM)


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> RegistryProcess:
    """A registry that was never started, to copy from."""
    one = RegistryProcess(tmp_path_factory.mktemp("initialised"), free_port())
    one.create()
    return one


@pytest.fixture
def own_registry(initialised: RegistryProcess, tmp_path: Path) -> Iterator[RegistryProcess]:
    """A registry process for one test, which may harm it."""
    shutil.copytree(initialised.folder, tmp_path / "registry")
    one = RegistryProcess(tmp_path / "registry", initialised.port)
    one.start()
    yield one
    one.kill()


@dataclass
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Run:
    """Runs commands of `datasigil` in this process."""

    capsys: pytest.CaptureFixture[str]
    said: list[Answer] = field(default_factory=list)

    def __call__(self, *words: object, expect: int | None = 0) -> Answer:
        self.capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        captured = self.capsys.readouterr()
        answer = Answer(code, captured.out, captured.err)
        assert "Traceback" not in answer.err
        if expect is not None:
            assert answer.code == expect, f"{words}\n{answer.out}{answer.err}"
        return answer

    def json(self, *words: object, expect: int = 0) -> Any:
        answer = self(*words, "--json", expect=expect)
        assert isinstance(answer.json["formatVersion"], int)
        return answer.json

    def refused(self, *words: object, code: str, exit_code: int) -> Any:
        """Run a command that must be refused, and return the error it writes as JSON."""
        answer = self(*words, "--json", expect=exit_code)
        error = answer.json
        assert (error["type"], error["code"], error["exitCode"]) == ("Error", code, exit_code), answer.err
        assert f"[{code}]" in answer.err
        return error


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command."""
    return Run(capsys)


@pytest.fixture(autouse=True)
def settings(private_homes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A passphrase file and development mode; return the passphrase file."""
    path = tmp_path / "passphrase"
    path.touch(mode=0o600)
    path.write_text(PASSPHRASE + "\n")
    monkeypatch.setenv("DATASIGIL_PASSPHRASE_FILE", str(path))
    monkeypatch.setenv("DATASIGIL_DEV", "1")
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture(autouse=True)
def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write key files with little scrypt work: its cost is `datasigil.signing`'s own test's to look at."""
    monkeypatch.setattr("datasigil.signing.SCRYPT_N", 2**4)


@pytest.fixture(scope="session")
def logged_in(registry: RegistryProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration folder with the key `me`, logged in to the session's registry; to copy from."""
    home = tmp_path_factory.mktemp("publisher")
    passphrase = home / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text(PASSPHRASE)
    environment = {
        **os.environ,
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "DATASIGIL_PASSPHRASE_FILE": str(passphrase),
        "DATASIGIL_DEV": "1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr("datasigil.signing.SCRYPT_N", 2**4)
        assert main(["key", "new", "--name", "me", "-q"]) == 0
        assert main(["login", "--registry", registry.url, "--key", "me", "-q"]) == 0
    return home / "config"


@pytest.fixture
def publisher(registry: RegistryProcess, logged_in: Path) -> RegistryProcess:
    """Be the publisher who is logged in; return the registry."""
    shutil.copytree(logged_in, Path(os.environ["XDG_CONFIG_HOME"]))
    return registry


MakeData = Callable[..., Path]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small dataset with card, licence text and a name beyond ASCII."""
    return write_files(tmp_path / "leases", FILES)


def write_files(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def issued(run: Run, publisher: RegistryProcess, data: Path, tmp_path: Path) -> Path:
    """A credential about the dataset, signed and not published."""
    run("init", data, "--yes")
    path = tmp_path / "credential.json"
    run("issue", data, "-o", path)
    return path


@pytest.fixture
def published(run: Run, issued: Path) -> dict[str, Any]:
    """A published credential."""
    run("publish", issued)
    document = json.loads(issued.read_text())
    assert isinstance(document, dict)
    return document
