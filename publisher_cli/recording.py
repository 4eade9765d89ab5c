"""`datasigil curate record -- CMD`: run any script and sign, on your word, that it made one dataset out of others.

Here: what can be established around a script that nobody here understands: its parents' files before and after, the digests of the files
on its command line, what lies in the result's folder at the end. Not here: what the script did, which is declared and never computed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from datasigil.bundle import sidecar_path
from datasigil.canonical import document_digest
from datasigil.datasets.building import build_manifest
from datasigil.datasets.entry import Manifest
from datasigil.datasets.files import check_files
from datasigil.datasets.manifest import manifest_bytes
from datasigil.datasets.records import count_records
from datasigil.encoding import Instant
from datasigil.errors import DatasigilError, ManifestMismatchError
from datasigil.transparency.durable import write_durably
from publisher_cli import envelope
from publisher_cli.curating import read_parent, require_usable, sign_lineage
from publisher_cli.issuing import dataset_folder, refuse_inside

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.credentials.types import Credential
    from datasigil.report.terminal import Console

ARGUMENTS_SHOWN_MAX = 40


@dataclass(frozen=True, slots=True)
class _Given:
    """One parent of the script: its credential, its manifest, where it lies."""

    credential: Credential
    manifest: Manifest
    data: Path

    def records(self) -> int | None:
        return count_records(self.data, [entry.path for entry in self.manifest.entries])


def run(given: Namespace, console: Console) -> int:
    """Run the script, then sign what was there before and what is there now; its exit code when it fails."""
    if not given.program:
        raise DatasigilError(
            "USAGE", "there is no script to run", expected="datasigil curate record … -- CMD…", next_action="put -- and the command at the end"
        )  # fmt: skip
    program = shutil.which(given.program[0])
    if program is None:
        raise DatasigilError(
            "USAGE", "there is no such program", place=given.program[0][:200], expected="a program on your PATH, or its path", next_action="check the spelling"
        )  # fmt: skip
    folder = Path(given.folder)
    output = envelope.output_path(given.output, f"{folder.absolute().name}.lineage.json")
    refuse_inside(output, folder)
    signer, login = envelope.signing_place(given)
    parents = [_parent(Path(credential), data, given, console) for credential, data in given.parent]
    _refuse_result(folder)
    for one in parents:
        _establish(one, "is not the signed one")
    script = _script_digest(given.program, folder)
    started = _now()
    code = subprocess.run([program, *given.program[1:]], env=_environment(parents, folder), check=False).returncode
    if code:
        console.say(f"the script ended with {code}; nothing was signed")
        return code if code > 0 else 128 - code
    for one in parents:
        _establish(one, "was changed while the script ran")
    built = _result(folder)
    subject = _subject(given, parents, built, script, started) | {
        "agent": {"id": signer.controller, "name": given.agent or signer.controller[:200]}
    }
    credential = sign_lineage(subject, signer, login, given, output)
    write_durably(sidecar_path(output), manifest_bytes(built))
    _show(credential, folder, output, console)
    console.say(
        f"declared, not computed: nobody can repeat it from this credential. Next: {envelope.next_step(given, output)}; datasigil issue {folder} --lineage {output}"
    )
    return 0


def _parent(path: Path, data: str, given: Namespace, console: Console) -> _Given:
    credential, manifest = read_parent(path, console)
    if given.policy:
        require_usable(path, given, console)
    return _Given(credential, manifest, dataset_folder(data))


def _refuse_result(folder: Path) -> None:
    if os.path.lexists(folder) and not (folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())):
        raise DatasigilError(
            "EXISTS", "something lies where the script's result should go", place=str(folder), expected="a folder that does not exist yet, or an empty one",
            next_action="remove it, or name another with --folder",
        )  # fmt: skip


def _establish(one: _Given, what: str) -> None:
    finding = check_files(one.data, one.manifest)
    if not finding.ok:
        first = finding.failures[0]
        raise ManifestMismatchError(
            first.code, f"a parent {what}: {first.message}", place=f"{one.data}: {first.path}", expected=first.expected, found=first.found,
            next_action="get the parent's data from its publisher again",
        )  # fmt: skip


def _environment(parents: Sequence[_Given], folder: Path) -> dict[str, str]:
    named = {f"DATASIGIL_DATA_{number}": str(one.data.absolute()) for number, one in enumerate(parents)}
    return {**os.environ, **named, "DATASIGIL_DATA": str(parents[0].data.absolute()), "DATASIGIL_RESULT": str(folder.absolute())}  # fmt: skip


def _script_digest(program: Sequence[str], folder: Path) -> str:
    """Return a digest over the command line with, for every argument that is a file, the SHA-256 of its bytes."""
    from hashlib import file_digest

    files = {}
    for word in program[1:]:
        path = Path(word)
        if path.is_file() and folder.absolute() not in path.absolute().parents:
            with open(path, "rb") as file:
                files[word] = file_digest(file, "sha256").hexdigest()
    return document_digest({"type": "RecordedScript", "formatVersion": 1, "arguments": list(program), "files": files})


def _now() -> Instant:
    return Instant.from_datetime(datetime.now(UTC).replace(microsecond=0))


def _result(folder: Path) -> Manifest:
    if not folder.is_dir():
        raise DatasigilError(
            "DATA_FOLDER", "the script left no result", place=str(folder), expected="a folder with files", found="nothing",
            next_action="let the script write to $DATASIGIL_RESULT, or name its folder with --folder",
        )  # fmt: skip
    built = build_manifest(folder)
    count = count_records(folder, [entry.path for entry in built.entries])
    return built if count is None else replace(built, record_count=count)


def _subject(
    given: Namespace, parents: Sequence[_Given], built: Manifest, script: str, started: Instant
) -> dict[str, Any]:
    """Return the subject: one step, net of whatever happened inside; files are counted where there are no tables on some side."""
    counts = [one.records() for one in parents]
    tables = built.record_count is not None and None not in counts
    before = sum(one or 0 for one in counts) if tables else sum(one.manifest.file_count for one in parents)
    after = (built.record_count or 0) if tables else built.file_count
    used = [
        {"credential": one.credential.id, "credentialDigest": one.credential.digest, "root": one.manifest.root.hex(), **({"recordsUsed": count} if tables and count is not None else {})}
        for one, count in zip(parents, counts, strict=True)
    ]  # fmt: skip
    unit = "records" if tables else "files"
    rule = f"a script, on its author's word: {given.program[0]} with {len(given.program) - 1} arguments; {unit}, net of what it did inside"
    return {
        "id": f"urn:uuid:{uuid4()}",
        "type": "DatasetLineage",
        **({"name": given.name} if given.name else {}),
        **({"description": given.about} if given.about else {}),
        "used": used,
        "generated": {
            "root": built.root.hex(),
            "digest": built.digest,
            "fileCount": built.file_count,
            "byteSize": built.byte_size,
            "recordCount": after,
        },
        "plan": {
            "codeDigest": script,
            "image": f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} {platform.machine()}",
        },
        "startedAt": str(started),
        "endedAt": str(_now()),
        "steps": [
            {
                "type": given.kind,
                "rule": "".join(one if one.isprintable() else "?" for one in rule),
                "recordsIn": before,
                "removed": max(0, before - after),
                "added": max(0, after - before),
                "recordsOut": after,
            }
        ],
        "assurance": "declared",
    }


def _show(credential: Credential, folder: Path, output: Path, console: Console) -> None:
    subject = credential.subject
    step = subject["steps"][0]
    shown = {
        "type": "RecordedCuration",
        "formatVersion": 1,
        "id": credential.id,
        "digest": credential.digest,
        "issuer": credential.issuer,
        "path": str(output),
        "folder": str(folder),
        "assurance": "declared",
        "steps": subject["steps"],
        "generated": subject["generated"],
        "used": subject["used"],
    }
    console.result(shown, f"in:     {step['recordsIn']}\nout:    {step['recordsOut']}\nwrote:  {output}\n")
