"""Cold start: one process that verifies one credential and ends. Ours from the installed wheel, Node.js, and model_signing, interleaved.

    python benchmarks/cold_start/run.py [--rounds 15]

Needs node, npm and a package index; builds the wheel and installs each program into a temporary environment of its own. Ours checks
the frozen evidence bundle of tests/vectors/transparency, complete and without files: parse, schema, trust, proof, log proof,
cosignatures, status lists, policy. Node verifies one proof of one dataset credential, model_signing one signature with a public key
over one small file. Each round runs every program once; the table shows medians of CPU time (user and system) and of wall time.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY), str(HERE.parent)]

from machine import describe, one_core
from simulator import World, signer_of

from datasigil.signing import add_proof

VECTORS = REPOSITORY / "tests/vectors/transparency"
AT = "2026-11-02T09:30:00Z"
PEER = "model-signing==1.1.1"
# model_signing imports it and does not ask for it.
PEER_NEEDS = "pyOpenSSL"


def pip(folder: Path, *arguments: str) -> Path:
    """Make an environment in `folder`, install into it with bytecode, and return its folder of programs."""
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    command = [
        programs / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--compile",
        *arguments,
    ]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return programs


def ours(folder: Path) -> Sequence[str | Path]:
    """The command that checks the frozen bundle with the installed wheel."""
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder / "dist", REPOSITORY]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (wheel,) = (folder / "dist").glob("*.whl")
    programs = pip(folder / "ours", "-c", str(REPOSITORY / "constraints.txt"), str(wheel))
    bundle, policy = VECTORS / "bundle-v1.sigil.json", VECTORS / "bundle-v1.datasigil.toml"
    return [programs / "datasigil-verify", "check", bundle, "--policy", policy, "--offline", "--at", AT]


def node(folder: Path) -> Mapping[str, Sequence[str | Path]]:
    """The peer's commands by suite, over one credential of ours."""
    for file in (HERE.parent / "credentials/package.json", HERE / "cold.mjs"):
        shutil.copy(file, folder)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
    now = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
    world, signer = World(now=now), signer_of("publisher")
    commands = {}
    for short in ("jcs", "rdfc"):
        signed = add_proof(world.unsigned(world.subject()), signer, created=now, cryptosuite=f"eddsa-{short}-2022")
        (folder / f"{short}.json").write_text(json.dumps(signed))
        commands[f"Node verify {short}"] = ["node", "cold.mjs", f"{short}.json", REPOSITORY / "schemas/contexts", short]
    return commands


def model_signing(folder: Path) -> Sequence[str | Path]:
    """The command that verifies a model_signing signature over one small file."""
    programs = pip(folder / "peer", PEER, PEER_NEEDS)
    model, signature = folder / "model", folder / "model.sig"
    model.mkdir()
    (model / "weights.bin").write_bytes(bytes(1000))
    for arguments in (
        ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem"],
        ["ec", "-in", "key.pem", "-pubout", "-out", "key.pub"],
    ):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, stderr=subprocess.DEVNULL)
    tool = programs / "model_signing"
    subprocess.run(
        [tool, "sign", "key", model, "--private_key", folder / "key.pem", "--signature", signature],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return [tool, "verify", "key", model, "--public_key", folder / "key.pub", "--signature", signature]


def run(command: Sequence[str | Path], folder: Path) -> tuple[float, float]:
    """CPU and wall milliseconds of one process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime), 1e3 * wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        checking = ours(folder)
        commands = {
            "datasigil-verify check": checking,
            "limit: python -c pass": [Path(checking[0]).parent / "python", "-c", "pass"],
            **node(folder),
            "model_signing verify": model_signing(folder),
        }
        pinned = one_core()
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for turn in range(options.rounds + 1):
            for name, command in commands.items():
                found = run(command, folder)
                if turn:  # the first round fills caches
                    figures[name].append(found)
    print(f"{describe()}; {pinned}; medians of {options.rounds} rounds")
    print(f"{'one process':<26}{'CPU ms':>9}{'wall ms':>9}{'times ours':>12}")
    mine = statistics.median(cpu for cpu, _ in figures["datasigil-verify check"])
    for name, found in figures.items():
        cpu, wall = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"{name:<26}{cpu:>9.0f}{wall:>9.0f}{cpu / mine:>11.2f}x")


if __name__ == "__main__":
    main()
