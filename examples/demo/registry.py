"""The demo's registry: one uvicorn process on a loopback port that stays the same from one start to the next.

Here: choosing the port, making the registry's keys, starting, waiting, stopping. Not here: what the registry does.
The port is part of the log's name, so it is remembered beside the data and never changed afterwards.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stage import ROOT, StoryFailed, clean_environment

START_LIMIT = 60.0  # seconds, on a busy machine with cold caches


@dataclass(frozen=True)
class Registry:
    """Where a registry's data lies and where it listens."""

    data: Path
    port: int

    @property
    def url(self) -> str:
        """The address that clients and signed documents use."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def passphrase(self) -> Path:
        """The file whose content opens the registry's keys."""
        return self.data.parent / "registry-passphrase"

    @property
    def log_file(self) -> Path:
        """Where the process's own words go."""
        return self.data.parent / "registry.log"

    def environment(self) -> dict[str, str]:
        """Return the variables for every command of this registry."""
        # Nothing of a developer's mode: the registry trusts nobody more for being on the loopback interface.
        inherited = {name: value for name, value in clean_environment().items() if not name.startswith("DATASIGIL_")}
        return {
            **inherited,
            "DATASIGIL_PASSPHRASE_FILE": str(self.passphrase),
            "XDG_STATE_HOME": str(self.data / "state"),
        }

    def answers(self, path: str = "/readyz") -> bool:
        """Whether the registry answers on its port."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.url + path, timeout=2) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def create(folder: Path) -> Registry:
    """Make a registry's keys and remember its port.

    Raises:
        StoryFailed: the registry could not be initialised.
    """
    registry = Registry(folder / "registry", free_port())
    registry.passphrase.touch(mode=0o600)
    registry.passphrase.write_text(secrets.token_urlsafe(24) + "\n")
    command = [sys.executable, "-m", "service", "init", "--data-dir", str(registry.data), "--public-url", registry.url]
    made = subprocess.run(command, cwd=ROOT, env=registry.environment(), capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise StoryFailed(f"the registry could not be initialised: {made.stdout}{made.stderr}")
    (folder / "registry.json").write_text(json.dumps({"port": registry.port}) + "\n")
    return registry


def remembered(folder: Path) -> Registry | None:
    """Return the registry that an earlier demo left in this folder."""
    try:
        port = int(json.loads((folder / "registry.json").read_text())["port"])
    except (OSError, ValueError, KeyError):
        return None
    return Registry(folder / "registry", port) if (folder / "registry").is_dir() else None


def serve_command(registry: Registry) -> list[str]:
    """Return the command line of the registry's process."""
    return [
        sys.executable, "-m", "service", "serve", "--data-dir", str(registry.data),
        "--host", "127.0.0.1", "--port", str(registry.port),
    ]  # fmt: skip


@contextlib.contextmanager
def running(registry: Registry) -> Iterator[subprocess.Popen[bytes]]:
    """Run the registry for as long as the block lasts.

    Raises:
        StoryFailed: it does not answer in time, or ends by itself.
    """
    with registry.log_file.open("ab") as log:
        process = subprocess.Popen(
            serve_command(registry),
            cwd=ROOT,
            env=registry.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        await_answer(registry, process)
        yield process
    finally:
        stop(process)


def await_answer(registry: Registry, process: subprocess.Popen[bytes]) -> None:
    """Wait until the registry is ready.

    Raises:
        StoryFailed: it does not answer in time, or ends by itself.
    """
    until = time.monotonic() + START_LIMIT
    while not registry.answers():
        if process.poll() is not None or time.monotonic() > until:
            raise StoryFailed(f"the registry did not start; its last words:\n{registry.log_file.read_text()[-2000:]}")
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process, gently first."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM if os.name == "posix" else signal.CTRL_BREAK_EVENT)  # type: ignore[attr-defined,unused-ignore]
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
