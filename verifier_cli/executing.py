"""`datasigil-verify exec`: run a program, unchanged, on verified read-only copies of a gate file's datasets, or not at all.

Here: the copies' place and end, the environment that names them, signals, the receipt of the bytes that were offered. Not here: the
decision (`gating`), and what the program reads: the receipt says "offered" and claims no more.

The receipt is written before the program starts and again when it has ended, so that a machine that dies in between leaves a receipt
that says so.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from datasigil.canonical import document_digest, jcs
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError
from datasigil.models.offered import CLAIM, FORMAT_VERSION, OFFER_TYPE
from datasigil.record import dataclass
from datasigil.report.terminal import INTERRUPTED
from datasigil.transparency.durable import write_durably
from verifier_cli import gating

if TYPE_CHECKING:
    from argparse import Namespace
    from types import FrameType

    from datasigil.encoding import JsonObject
    from datasigil.gate import GateOutcome, Snapshot
    from datasigil.report import Report
    from datasigil.report.terminal import Console

_SIGNALED: Final = 128  # a shell's convention for a program that a signal ended


@dataclass(frozen=True, slots=True)
class Offer:
    """One dataset as it was offered: the report on it and the verified copy."""

    report: Report
    snapshot: Snapshot
    data: Path


def run(given: Namespace, console: Console) -> int:
    """Pass the gate, run the program, keep the receipt; the program's exit code once it has started, else the gate's."""
    if not given.program:
        raise DatasigilError(
            "USAGE",
            "there is no program to run",
            expected="datasigil-verify exec GATE_FILE -- CMD…",
            next_action="put -- and the command at the end",
        )
    program = _found(given.program[0])
    gate, policy = gating.read(given)
    verifier = gating.Verifier.of(given, policy)
    receipt = _receipt_path(given.output, verifier.at)
    result = _result_path(given.result)
    folder = _new_folder(given.work)
    try:
        meter = console.meter("verifying")
        try:
            outcome = gating.decide(gate, verifier, snapshots=folder / "data", progress=meter)
        finally:
            if meter is not None:
                meter.close()
        if outcome.decision != "VALID":
            gating.show(outcome, console)
            return outcome.exit_code
        offers = _offers(outcome, verifier)
        console.say(f"{outcome.headline}; running {given.program[0]}")
        return _run(program, given.program, offers, folder, receipt, result, verifier, console)
    finally:
        _remove(folder)


def _found(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise DatasigilError(
            "USAGE",
            "there is no such program",
            place=name[:200],
            expected="a program on your PATH, or its path",
            next_action="check the spelling",
        )
    return found


def _receipt_path(flag: str | None, at: datetime) -> Path:
    """Return where the receipt goes; nothing that lies there is overwritten.

    Raises:
        DatasigilError: EXISTS.
    """
    path = Path(flag) if flag else Path(f"offered-{at:%Y%m%dT%H%M%SZ}-{os.getpid()}.json")
    if path.exists() or path.is_symlink():
        raise DatasigilError(
            "EXISTS", "something lies where the receipt should go", place=str(path), expected="a path that does not exist yet", next_action="name another with -o",
        )  # fmt: skip
    if not path.parent.is_dir():
        raise DatasigilError(
            "NO_SUCH_PATH",
            "the receipt's folder does not exist",
            place=str(path.parent),
            next_action="make it, or name another with -o",
        )
    return path


def _result_path(flag: str | None) -> Path | None:
    """Return where the program will leave its result; what lies there already would be taken for the program's work.

    Raises:
        DatasigilError: EXISTS.
    """
    if flag is None:
        return None
    path = Path(flag)
    if os.path.lexists(path) and not (path.is_dir() and not path.is_symlink() and not any(path.iterdir())):
        raise DatasigilError(
            "EXISTS", "something lies where the program's result should go", place=str(path), expected="a folder that does not exist yet, or an empty one",
            next_action="remove it, or name another with --result",
        )  # fmt: skip
    return path


def _new_folder(work: str | None) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="datasigil-exec-", dir=work))
    except OSError as error:
        raise DatasigilError(
            "SNAPSHOT_FAILED", f"there is no place for the verified copies: {error.strerror}", place=str(work or tempfile.gettempdir()),
            next_action="name a folder with --work",
        ) from None  # fmt: skip


def _offers(outcome: GateOutcome, verifier: gating.Verifier) -> list[Offer]:
    offers = []
    for result, (_, report) in zip(outcome.results, verifier.judged, strict=True):
        if result.snapshot is None:
            raise AssertionError("the gate is VALID and a copy is missing")
        offers.append(Offer(report, result.snapshot, result.dataset.data))
    return offers


def _run(
    program: str,
    arguments: list[str],
    offers: list[Offer],
    folder: Path,
    receipt: Path,
    result: Path | None,
    verifier: gating.Verifier,
    console: Console,
) -> int:
    document = _receipt(arguments, offers, verifier)
    _write(receipt, document)
    index = folder / "datasets.json"
    index.write_bytes(jcs(_index(offers)))
    for offer in offers:
        _chmod_folders(offer.snapshot.root, 0o500)
    code = _wait([program, *arguments[1:]], {**os.environ, **_variables(offers, index)})
    document |= {"state": "finished", "endedAt": str(Instant.from_datetime(datetime.now(UTC))), "exitCode": code}
    made = _made(result) if result is not None and code == 0 else None
    if made is not None:
        document["result"] = made
    _write(receipt, document)
    console.say(f"the program ended with {code}; what it was offered: {receipt}")
    if result is not None and code == 0 and made is None:
        raise DatasigilError(
            "DATA_FOLDER", "the program ended well and left no result", place=str(result), expected="a folder with files in it",
            next_action="name with --result the folder that the program writes; the receipt names none",
        )  # fmt: skip
    return code


def _made(result: Path) -> JsonObject | None:
    """Return the figures of what the program left, or None when there is nothing."""
    from datasigil.datasets.files import build_manifest

    if not result.is_dir():
        return None
    try:
        built = build_manifest(result)
    except DatasigilError as error:
        if error.code == "EMPTY_DATASET":
            return None
        raise
    return {"root": built.root.hex(), "digest": built.digest, "files": built.file_count, "bytes": built.byte_size}


def _variables(offers: list[Offer], index: Path) -> dict[str, str]:
    """Return the environment that names the copies."""
    named = {f"DATASIGIL_DATA_{number}": str(offer.snapshot.root) for number, offer in enumerate(offers)}
    return {**named, "DATASIGIL_DATA": str(offers[0].snapshot.root), "DATASIGIL_DATASETS": str(index)}


def _index(offers: list[Offer]) -> JsonObject:
    entries = [{**_dataset(number, offer), "path": str(offer.snapshot.root)} for number, offer in enumerate(offers)]
    return {"type": "OfferedDatasets", "formatVersion": 1, "datasets": entries}


def _dataset(number: int, offer: Offer) -> JsonObject:
    said = offer.report.credential
    assert said is not None
    return {
        "variable": f"DATASIGIL_DATA_{number}", "name": said.name, "credential": said.id, "credentialDigest": said.digest, "issuer": said.issuer,
        "license": said.license, "manifestDigest": offer.snapshot.manifest_digest, "manifestRoot": said.manifest_root, "files": offer.snapshot.files,
        "bytes": offer.snapshot.bytes,
    }  # fmt: skip


def _receipt(arguments: list[str], offers: list[Offer], verifier: gating.Verifier) -> dict[str, Any]:
    """Return the receipt; arguments may hold secrets, so that only their digest goes in."""
    reports = [offer.report for offer in offers]
    return {
        "type": OFFER_TYPE,
        "formatVersion": FORMAT_VERSION,
        "claim": CLAIM,
        "state": "running",
        "startedAt": str(Instant.from_datetime(datetime.now(UTC))),
        "program": arguments[0],
        "argumentsDigest": document_digest({"arguments": arguments[1:]}),
        "gate": {
            "decision": "VALID",
            "scope": "all files",
            "mode": "now",
            "time": str(Instant.from_datetime(verifier.at)),
            "offline": verifier.offline,
            "policyDigest": verifier.policy.digest,
            "statusListDigests": sorted({digest for report in reports for digest in report.status_list_digests}),
            "checkpointDigests": sorted({digest for report in reports for digest in report.checkpoint_digests}),
        },
        "datasets": [_dataset(number, offer) for number, offer in enumerate(offers)],
    }


def _write(path: Path, document: dict[str, Any]) -> None:
    write_durably(path, jcs(document) + b"\n")


def _wait(command: list[str], environment: dict[str, str]) -> int:
    """Run the program to its end; Ctrl-C reaches it as well and is its to answer, SIGTERM is passed on.

    Returns its exit code, 128 and the signal's number when one ended it, 130 for Ctrl-C.

    Raises:
        DatasigilError: USAGE, when it cannot be started.
    """
    try:
        process = subprocess.Popen(command, env=environment)
    except OSError as error:
        raise DatasigilError(
            "USAGE",
            f"the program cannot be started: {error.strerror}",
            place=command[0][:200],
            next_action="check its permissions",
        ) from None
    with _answering(process) as interrupted:
        code = process.wait()
    if interrupted and code < 0:
        return INTERRUPTED
    return _SIGNALED - code if code < 0 else code


@contextlib.contextmanager
def _answering(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Pass SIGTERM on to the program and count Ctrl-C, so that the program ends first and the receipt says how.

    Nothing is raised while the program is waited for: an exception between the end of the wait and its result would lose the exit code.
    """
    interrupted: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        if process.poll() is None:
            process.send_signal(number)

    def count(number: int, _frame: FrameType | None) -> None:
        interrupted.append(number)
        if len(interrupted) > 1 and process.poll() is None:
            process.kill() if len(interrupted) > 2 else process.terminate()

    before: list[tuple[int, Any]] = []
    with contextlib.suppress(ValueError):  # not in the main thread: the caller has its own way to end us
        before += [
            (number, signal.signal(number, answer))
            for number, answer in ((signal.SIGTERM, forward), (signal.SIGINT, count))
        ]
    try:
        yield interrupted
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _chmod_folders(folder: Path, mode: int) -> None:
    """Set the mode of a folder and all folders below it; the files in a copy are read-only already."""
    for path, _, _ in os.walk(folder, topdown=mode & 0o200 != 0):
        os.chmod(path, mode)


def _remove(folder: Path) -> None:
    """Delete the copies, whatever the program has made of them."""
    for path, folders, _ in os.walk(folder):
        for name in folders:
            if not os.path.islink(os.path.join(path, name)):
                os.chmod(os.path.join(path, name), 0o700)
    shutil.rmtree(folder, onerror=_writable_first)


def _writable_first(function: Callable[[str], object], path: str, _: object) -> None:
    # Windows keeps read-only files from being removed.
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700)
        function(path)
