"""The registry over HTTP beside a Node peer without a database, interleaved; and its own reads and searches.

    python benchmarks/registry/run.py [--rounds 5] [--seconds 3] [--credentials 2000] [--soak MINUTES] [--database-url URL]

Server on one core, load from a second process on another. Ours does everything: token, strict parse, closed schema, status index, signature,
insert, log, covering checkpoint, fsync, and for verify the decision as well. The peer parses, signs or verifies, and answers. A round asks every
row once, in turn; the table shows medians. The limits: bare Ed25519 operations a second on one core, and fsyncs a second of this disk.
Needs node and npm (exit 77 without); installs the peer's packages into a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY), str(HERE.parent)]

from machine import describe
from registry_process import LivePublisher, RegistryProcess
from simulator import World, signer_of

from datasigil.signing import LocalSigner

NOT_HERE = 77
CONNECTIONS = 32
GOALS = {"issue jcs": 1.5, "issue rdfc": 4.0, "verify jcs": 1.5, "verify rdfc": 3.0}
READS_GOAL, P99_ISSUE_GOAL_MS, P99_SEARCH_GOAL_MS = 8_000, 250.0, 100.0


class Load:
    """The process that asks."""

    def __init__(self, core: int | None) -> None:
        self._process = subprocess.Popen(
            [*pinned(core), sys.executable, str(HERE / "load.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, port: int, method: str, path: str, *, seconds: float, body: Any = None, token: str = "",
            connections: int = CONNECTIONS, rate: float = 0) -> dict[str, float]:  # fmt: skip
        """One round of load; fails on any refused request."""
        wanted = {
            "port": port, "method": method, "path": path, "token": token, "connections": connections, "seconds": seconds,
            "rate": rate, "body": "" if body is None else json.dumps(body),
        }  # fmt: skip
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(wanted) + "\n")
        stdin.flush()
        found: dict[str, float] = json.loads(stdout.readline())
        if found["errors"]:
            raise SystemExit(f"{method} {path}: {found['errors']:.0f} of {found['count']:.0f} requests were refused")
        return found

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def pinned(core: int | None) -> list[str]:
    """The words before a command that keep it on one core, where that can be done."""
    return ["taskset", "-c", str(core)] if core is not None and shutil.which("taskset") else []


def peer(folder: Path, core: int | None) -> tuple[subprocess.Popen[str], int]:
    """The Node server and its port."""
    shutil.copy(HERE.parent / "credentials" / "package.json", folder)
    shutil.copy(HERE / "peer.mjs", folder)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
    command = [*pinned(core), "node", "peer.mjs", str(REPOSITORY / "schemas" / "contexts")]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def operator(registry: RegistryProcess) -> str:
    """A token that may issue with the hosted key."""
    signer = LocalSigner.generate("ed25519")
    done = registry.run("admin", "operator", signer.controller)
    assert done.returncode == 0, done.stderr
    registry.start()
    import httpx

    body = {**registry.login_body(signer), "scopes": ["issue", "publish", "status"]}
    return str(httpx.post(f"{registry.url}/tokens", json=body, timeout=20).json()["token"])


def bare(seconds: float) -> dict[str, float]:
    """The physical limits: Ed25519 operations and fsyncs a second."""
    signer = signer_of("publisher")
    signature = signer.sign(bytes(64))
    with tempfile.TemporaryFile() as file:

        def sync() -> None:
            os.pwrite(file.fileno(), bytes(4096), 0)
            os.fsync(file.fileno())

        rates = {}
        for name, call in (
            ("sign", lambda: signer.sign(bytes(64))),
            ("verify", lambda: signer.public_key.verify(signature, bytes(64))),
            ("fsync", sync),
        ):
            end, count = time.perf_counter() + seconds, 0
            while time.perf_counter() < end:
                call()
                count += 1
            rates[name] = count / seconds
    return rates


def new_world() -> World:
    """A world whose clock is right now."""
    return World(now=datetime.now(UTC).replace(microsecond=0))


def issue_body(world: World) -> dict[str, Any]:
    """What a client sends to have a dataset credential issued with the hosted key."""
    return {"credential": {"type": ["VerifiableCredential", "DatasetCredential"], "credentialSubject": world.subject()}}


def interleaved(
    load: Load, registry: RegistryProcess, token: str, node: int, options: argparse.Namespace
) -> dict[str, list[float]]:
    """Rates of issuing and verifying, ours and the peer's, round by round."""
    world = new_world()
    unsigned = world.unsigned(world.subject())
    wanted = issue_body(world)
    publisher = LivePublisher(registry)
    document = publisher.publish()
    rows: dict[str, tuple[int, str, Any]] = {
        "issue": (registry.port, "/credentials/issue", wanted),
        "verify": (registry.port, "/credentials/verify", {"verifiableCredential": document, "options": {}}),
        "issue jcs": (node, "/issue/jcs", {"credential": unsigned}),
        "issue rdfc": (node, "/issue/rdfc", {"credential": unsigned}),
    }
    for suite in ("jcs", "rdfc"):
        rows[f"verify {suite}"] = (node, f"/verify/{suite}", {"verifiableCredential": _by_peer(node, suite, unsigned)})
    figures: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(options.rounds + 1):
        for name, (port, path, body) in rows.items():
            held = token if port == registry.port and path.endswith("issue") else ""
            found = load.ask(port, "POST", path, seconds=options.seconds if number else 1.0, body=body, token=held)
            if number:  # the first round warms everybody up
                figures[name].append(found["count"] / found["seconds"])
    return figures


def _by_peer(port: int, suite: str, unsigned: dict[str, Any]) -> Any:
    """The document as the peer itself signs it, so that its own loader knows the key."""
    import httpx

    answer = httpx.post(f"http://127.0.0.1:{port}/issue/{suite}", json={"credential": unsigned}, timeout=20)
    assert answer.status_code == 201, answer.text
    return answer.json()["verifiableCredential"]


def report(figures: dict[str, list[float]], limits: dict[str, float]) -> None:
    """The table of ratios."""
    print(f"{'row':<12}{'ours/s':>9}{'Node/s':>9}{'ratio':>8}{'goal':>7}{'limit/s':>10}{'ours/limit':>12}")
    for name, goal in GOALS.items():
        kind = name.split()[0]
        mine, theirs = statistics.median(figures[kind]), statistics.median(figures[name])
        limit = limits["sign" if kind == "issue" else "verify"]
        print(
            f"{name:<12}{mine:>9.0f}{theirs:>9.0f}{mine / theirs:>7.2f}x{goal:>6.1f}x{limit:>10.0f}{mine / limit:>11.1%}"
        )
    print(f"fsyncs of this disk: {limits['fsync']:.0f}/s")


def reads(
    load: Load, registry: RegistryProcess, token: str, figures: dict[str, list[float]], options: argparse.Namespace
) -> None:
    """Reads, searches, and the wait for an issue at half load."""
    import httpx

    page = httpx.get(f"{registry.url}/credentials", timeout=20).json()
    target = f"/credentials/{page['items'][0]['id']}"
    found = load.ask(registry.port, "GET", target, seconds=options.seconds, connections=8)
    print(
        f"GET /credentials/ID: {found['count'] / found['seconds']:.0f}/s a core (goal {READS_GOAL}), p99 {found['p99']:.1f} ms"
    )
    wanted = issue_body(new_world())
    half = statistics.median(figures["issue"]) / 2
    held = load.ask(
        registry.port, "POST", "/credentials/issue", seconds=options.seconds * 2, body=wanted, token=token, rate=half
    )
    print(
        f"issue at half load ({half:.0f}/s): p50 {held['p50']:.1f} ms, p99 {held['p99']:.1f} ms (goal {P99_ISSUE_GOAL_MS:.0f} ms)"
    )
    total = registry_size(registry)
    for query in (
        "q=clause",
        "q=example&status=active",
        "license=CC-BY-4.0",
        "use=fine-tuning&regulation=phi:absent",
        "issuedTo=2020-01-01",
    ):
        asked = load.ask(registry.port, "GET", f"/credentials?{query}", seconds=options.seconds / 2, connections=4)
        print(
            f"search {query} in {total} credentials: p50 {asked['p50']:.1f} ms, p99 {asked['p99']:.1f} ms (goal {P99_SEARCH_GOAL_MS:.0f} ms)"
        )


def registry_size(registry: RegistryProcess) -> int:
    """How many entries the log has."""
    import httpx

    return int(httpx.get(f"{registry.url}/readyz", timeout=20).json()["logSize"])


def resident(registry: RegistryProcess) -> float:
    """The server's resident memory in MiB."""
    assert registry.process is not None
    text = Path(f"/proc/{registry.process.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def soak(load: Load, registry: RegistryProcess, token: str, minutes: float) -> None:
    """Issue without pause; print memory and rate once a minute."""
    wanted = issue_body(new_world())
    for minute in range(max(1, round(minutes))):
        found = load.ask(registry.port, "POST", "/credentials/issue", seconds=60, body=wanted, token=token)
        rate = found["count"] / found["seconds"]
        print(
            f"minute {minute + 1}: {rate:.0f}/s, p99 {found['p99']:.0f} ms, {resident(registry):.0f} MiB, {registry_size(registry)} entries",
            flush=True,
        )


def main() -> int:
    """Measure and print; 77 without Node."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="per row and round")
    parser.add_argument("--credentials", type=int, default=2_000, help="how many must be there before searching")
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES")
    parser.add_argument("--database-url")
    options = parser.parse_args()
    if not (shutil.which("node") and shutil.which("npm")):
        return NOT_HERE
    cores = sorted(os.sched_getaffinity(0))
    server, client = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        (folder / "peer").mkdir()
        registry = RegistryProcess(folder / "data", options.database_url).initialise("--hosted-key")
        token = operator(registry)
        if server is not None and registry.process is not None:
            for task in Path(f"/proc/{registry.process.pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), {server})
        node, port = peer(folder / "peer", server)
        load = Load(client)
        try:
            print(
                f"{describe()}; server on core {server}, load on core {client}; {CONNECTIONS} connections; medians of {options.rounds}"
            )
            figures = interleaved(load, registry, token, port, options)
            report(figures, bare(1.0))
            while registry_size(registry) < options.credentials:
                wanted = issue_body(new_world())
                load.ask(registry.port, "POST", "/credentials/issue", seconds=5, body=wanted, token=token)
            reads(load, registry, token, figures, options)
            if options.soak:
                soak(load, registry, token, options.soak)
        finally:
            load.stop()
            node.terminate()
            registry.__exit__()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
