"""The servers that are compared, and the process that asks them.

Lives here: the registry with a token, the Node peer, the empty app, processor time of a server, the load's other end. Not here: what is
asked (`run`), the load itself (`load`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY), str(HERE.parent)]

from registry_process import RegistryProcess

from datasigil.signing import LocalSigner

CONNECTIONS = 32


@dataclass
class Server:
    """A process that answers on a loopback port."""

    port: int
    pid: int
    process: subprocess.Popen[str] | None = None

    def spent(self) -> float:
        """Processor seconds that the process has used, all of its threads together."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> float:
        """Resident memory in MiB."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self) -> None:
        """End it, if it was started here."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)


@dataclass(frozen=True)
class Row:
    """One thing that is asked of one server."""

    server: Server
    method: str
    paths: list[str]
    bodies: list[str]
    token: str = ""
    connections: int = CONNECTIONS
    once: bool = False  # each body once: the round ends with the last of them


class Load:
    """The process that asks."""

    def __init__(self, core: int | None) -> None:
        self._process = subprocess.Popen(
            [*pinned(core), sys.executable, str(HERE / "load.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, row: Row, seconds: float, rate: float = 0) -> dict[str, float]:
        """One round of load, with the server's own seconds as `cpu`; fails on any refused request."""
        wanted = {
            "port": row.server.port, "method": row.method, "paths": row.paths, "bodies": row.bodies, "token": row.token,
            "connections": row.connections, "seconds": seconds, "rate": rate, "once": row.once,
        }  # fmt: skip
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        before = row.server.spent()
        stdin.write(json.dumps(wanted) + "\n")
        stdin.flush()
        found: dict[str, float] = json.loads(stdout.readline())
        if found["errors"]:
            path = row.paths[0]
            raise SystemExit(
                f"{row.method} {path}: {found['errors']:.0f} of {found['count']:.0f} requests were refused"
            )
        return {**found, "cpu": row.server.spent() - before}

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def pinned(core: int | None) -> list[str]:
    """The words before a command that keep it on one core, where that can be done."""
    return ["taskset", "-c", str(core)] if core is not None and shutil.which("taskset") else []


def _listening(command: list[str], folder: Path) -> Server:
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return Server(int(process.stdout.readline()), process.pid, process)


def start_peer(folder: Path, core: int | None) -> Server:
    """The Node server; its packages are installed into `folder`."""
    shutil.copy(HERE.parent / "credentials" / "package.json", folder)
    shutil.copy(HERE / "peer.mjs", folder)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
    return _listening([*pinned(core), "node", "peer.mjs", str(REPOSITORY / "schemas" / "contexts")], folder)


def start_empty(folder: Path, core: int | None, size: int) -> Server:
    """The app that does nothing, answering with `size` bytes."""
    return _listening([*pinned(core), sys.executable, str(HERE / "empty.py"), str(size)], folder)


def start_registry(registry: RegistryProcess, core: int | None) -> tuple[Server, str]:
    """The registry on one core, and a token that may issue with its hosted key."""
    import httpx

    registry.initialise("--hosted-key")
    signer = LocalSigner.generate("ed25519")
    done = registry.run("admin", "operator", signer.controller)
    assert done.returncode == 0, done.stderr
    registry.start()
    assert registry.process is not None
    pid = registry.process.pid
    if core is not None:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})
    body = {**registry.login_body(signer), "scopes": ["issue", "publish", "status"]}
    token = str(httpx.post(f"{registry.url}/tokens", json=body, timeout=20).json()["token"])
    return Server(registry.port, pid), token


def log_size(registry: RegistryProcess) -> int:
    """How many entries the log has."""
    import httpx

    return int(httpx.get(f"{registry.url}/readyz", timeout=20).json()["logSize"])
