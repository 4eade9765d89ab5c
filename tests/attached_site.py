"""A registry process, a dataset registered in it, and everything that attached workers need to train on it.

Here: keys, logins, trust file, data, a tiny base model, jobs asked for, workers in this process or as processes of their own. Not here: what goes wrong.
"""

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from registry_process import PASSPHRASE, RegistryProcess
from trainees import jsonl, recipe_text, rows, write_tiny_base
from warm_process import WarmProcess, command

import publisher_cli.main
import verifier_cli.main
from datasigil.client import JobClient
from training_worker.attached.command import job_client
from training_worker.attached.lease import TellingProgress
from training_worker.attached.work_folder import WorkFolder
from training_worker.attached.worker import AttachedWorker
from training_worker.gate import GateSettings
from training_worker.online import Publishing
from training_worker.strict_yaml import parse_yaml

SCOPES = ("publish", "status", "train", "work")
WAIT_SECONDS = 120.0  # a loaded machine


@dataclass
class Site:
    """One registry with one trainer, whose data, base model and trust file lie below `root`."""

    folder: Path
    registry: RegistryProcess
    did: str = ""
    credential: str = ""
    workers: list[WarmProcess] = field(default_factory=list)
    opened: list[Publishing] = field(default_factory=list)  # once: a key's scrypt is slow on purpose

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def variables(self) -> dict[str, str]:
        """The environment of this site's commands."""
        return {
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "DATASIGIL_PASSPHRASE_FILE": str(self.folder / "passphrase"),
            "DATASIGIL_POLICY": str(self.folder / "datasigil.toml"),
            "DATASIGIL_DEV": "1",
        }

    def build(self) -> "Site":
        """Make a key, log in, register a dataset and trust it."""
        (self.root / "data").mkdir(parents=True)
        (self.folder / "passphrase").write_text(PASSPHRASE)
        for split, count in (("train", 48), ("validation", 15), ("test", 15)):
            (self.root / "data" / f"{split}.jsonl").write_bytes(jsonl(rows(split, count)))
        (self.root / "data" / "LICENSE").write_text("MIT License\n")
        write_tiny_base(self.root / "base")
        described, issued = self.folder / "root" / "data.dataset.toml", self.folder / "c.json"
        url = self.registry.url
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.variables().items():
                patch.setenv(name, value)
            patch.delenv("CI", raising=False)
            made = self.publisher("key", "new", "--name", "me")
            assert made == 0
            scopes = [word for one in SCOPES for word in ("--scope", one)]
            assert self.publisher("login", "--registry", url, "--key", "me", *scopes) == 0
            data = str(self.root / "data")
            assert self.publisher("init", data, "--yes", "--license", "MIT", "--publisher", "Tests") == 0
            assert self.publisher("issue", data, "--description", str(described), "--key", "me", "-o", str(issued)) == 0
            assert self.publisher("publish", str(issued), "--registry", url, "--public-manifest") == 0
            document = json.loads(issued.read_text())
            self.did, self.credential = document["issuer"], document["id"]
            found = [self.root / "data" / ".datasigil" / "bundle.sigil.json", self.folder / "c.sigil.json"]
            bundle = next(path for path in found if path.is_file())
            trusted = ["trust", "add", str(bundle), "--policy", str(self.folder / "datasigil.toml"), "--yes"]
            assert verifier_cli.main.main(trusted) == 0
        return self

    @staticmethod
    def publisher(*words: str) -> int:
        return publisher_cli.main.main([*words, "-q"])

    # Jobs -----------------------------------------------------------------------------------------------------------

    def client(self) -> JobClient:
        return job_client(self.registry.url, self.did, dev=True)

    def recipe(self, epochs: int = 1, seed: int = 7) -> dict[str, Any]:
        text = recipe_text(self.credential, Path("base"), epochs).replace(
            "  threads: 1\n", f"  threads: 1\n  seed: {seed}\n"
        )
        return parse_yaml(text.encode())

    def submit(self, recipe: dict[str, Any] | None = None, **how: Any) -> str:
        return str(self.client().submit(recipe or self.recipe(), **how)["id"])

    def state(self, job: str) -> dict[str, Any]:
        return self.client().job(job)

    def until(self, job: str, *states: str, step: int = 0) -> dict[str, Any]:
        """Wait until a job is in one of these states, and past a step."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            found = self.state(job)
            if found["state"] in states and found.get("progress", {}).get("step", 0) >= step:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{job} is {found}\n{self.journal()}")

    # Workers --------------------------------------------------------------------------------------------------------

    def worker(self, identity: str, folder: WorkFolder, gate: GateSettings, **how: Any) -> AttachedWorker:
        """A worker in this process."""
        if not self.opened:
            self.opened.append(Publishing.open(self.registry.url, "me", None, dev=True))
        said: list[str] = []
        made = AttachedWorker(
            self.client(), self.opened[0], folder, identity, self.root.resolve(), lambda: gate, lambda: TellingProgress("quiet"),
            how.pop("stop", lambda: False), said.append, until_empty=True, **how,
        )  # fmt: skip
        made.said = said  # type: ignore[attr-defined]  # what tests read
        return made

    def start(self, name: str, *arguments: str) -> WarmProcess:
        """A worker as a process of its own."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DATASIGIL_")}
        process = WarmProcess(
            command, "work", "--registry", self.registry.url, "--key", "me", "--data", str(self.root),
            "--runs", str(self.runs / name), "--worker", name, *arguments,
            output=self.folder / f"{name}.journal", environment={**kept, **self.variables()},
        )  # fmt: skip
        self.workers.append(process)
        return process

    def journal(self) -> str:
        return "\n".join(f"{path.name}:\n{path.read_text()[-3000:]}" for path in self.folder.glob("*.journal"))

    def stop(self) -> None:
        """End what still runs of this site."""
        for process in self.workers:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait(30)


def wait_for(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
