"""Finding what a check rests on: the bundle or credential, its manifest, and the folder with the data.

Here: paths and bytes. Not here: any verdict; a manifest found anywhere counts only because its digest is in the signed credential.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.bundle import DATASET_BUNDLE, parse_bundle, read_file, sidecar_path
from datasigil.canonical import jcs
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import BUNDLE_MAX_BYTES, MANIFEST_EMBED_MAX_BYTES, MANIFEST_MAX_BYTES
from datasigil.record import dataclass
from verifier_cli import places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datasigil.bundle import Bundle
    from datasigil.datasets.entry import Manifest
    from datasigil.datasets.finding import FilesFinding, Progress
    from datasigil.datasets.manifest import ManifestSource
    from datasigil.datasets.parts import PartProof
    from datasigil.datasets.tree import Tree
    from datasigil.verification.files import DataCheck

CARD_MAX_BYTES = 256 * 1024
_CARD_KEY = re.compile(r"datasigil:\s+(\S.*?)\s*\Z")


@dataclass(frozen=True, slots=True)
class Evidence:
    """The bytes that claim to be a bundle or a credential, where they lay, and the folder that goes with them."""

    path: Path
    data: bytes
    folder: Path | None
    source: str = ""  # an archive or a place in a bucket, instead of a folder


def find_evidence(target: str, data: str | None) -> Evidence:
    """Return the evidence for what the user named: a file, a folder with `.datasigil/bundle.sigil.json`, or a cached Hub dataset.

    A folder without that file is asked for its dataset card, which may name a bundle under the key `datasigil`.

    Raises:
        DatasigilError: NO_SUCH_PATH, UNREADABLE, NOT_CACHED or USAGE (wrong usage).
        MalformedError: NO_CREDENTIAL, for a folder without evidence; LIMIT, for a file of more than 64 MiB.
    """
    if "" in (target, data):  # as from an unset variable: a path would make it the current folder
        raise DatasigilError(
            "USAGE", "an empty text names nothing", place="--data" if target else "what to check", expected="a path or an address", found="nothing",
            next_action="name it; `.` is the current folder",
        )  # fmt: skip
    source = data if data is not None and ("://" in data or "::" in data or os.path.isfile(data)) else ""
    folder = Path(data) if data is not None and not source else None
    if target.startswith("hf://"):
        from datasigil.datasets.hub_cache import find_snapshot

        snapshot = find_snapshot(places.hub_cache(), target).folder
        helps = f"datasigil observe {target} signs what you see of it yourself"
        return _in_folder(snapshot, folder or (None if source else snapshot), helps, source)
    if "://" in target:
        raise DatasigilError(
            "NO_SUCH_PATH", "only evidence on this machine is checked", place=target[:200],
            next_action="`datasigil-verify fetch` gets a bundle from a registry; download the data with its own tool",
        )  # fmt: skip
    path = Path(target)
    if path.is_dir():
        return _in_folder(
            path,
            folder or (None if source else path),
            "ask the publisher for one; `datasigil-verify fetch` gets it from a registry",
            source,
        )
    return Evidence(path, read_evidence(path), folder, source)


def _in_folder(path: Path, folder: Path | None, helps: str, source: str = "") -> Evidence:
    """Return the evidence in a dataset's own folder, read through the same rules about links as its files.

    Raises:
        DatasigilError: UNREADABLE; MalformedError: NO_CREDENTIAL, LIMIT.
    """
    from datasigil.datasets.tree import open_tree

    with open_tree(path) as tree:
        named = _named_by_card(tree)
        for name in (DATASET_BUNDLE.as_posix(), named):
            if name and "://" not in name:
                data = _through(tree, name, BUNDLE_MAX_BYTES)
                if data is not None:
                    return Evidence(path / name, data, folder, source)
    if "://" in named:
        helps = f"its dataset card names one: datasigil-verify fetch {named}"
    raise MalformedError(
        "NO_CREDENTIAL", "this folder holds no credential", place=str(path / DATASET_BUNDLE), expected="an evidence bundle", next_action=helps,
    )  # fmt: skip


def _named_by_card(tree: Tree) -> str:
    """Return what the front matter of README.md says under `datasigil`: a path in the dataset or an https address, or the empty string."""
    from datasigil.datasets.paths import path_problem

    card = _through(tree, "README.md", CARD_MAX_BYTES, cut=True) or b""
    lines = card.decode("utf-8", "replace").splitlines()
    if not lines or lines[0].strip() != "---":
        return ""
    for line in lines[1:]:
        if line.strip() == "---":
            break
        found = _CARD_KEY.match(line)
        if found is not None:
            named = found[1].strip("'\"")
            return named if named.startswith("https://") or not path_problem(named) else ""
    return ""


def _through(tree: Tree, name: str, max_bytes: int, *, cut: bool = False) -> bytes | None:
    """Return a file's bytes through an open tree, None when it is not there; no link leads out of the dataset.

    Raises:
        DatasigilError: UNREADABLE; MalformedError: LIMIT, unless only the first bytes are wanted (`cut`).
    """
    try:
        with os.fdopen(tree.open(name), "rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        if cut:
            return None
        raise DatasigilError(
            "UNREADABLE", f"the file cannot be read: {error.strerror}", place=str(tree.path / name), expected="a regular file, and no link",
            next_action="put the file itself in its place, or name the bundle and --data",
        ) from None  # fmt: skip
    if len(data) > max_bytes and not cut:
        raise MalformedError(
            "LIMIT", "the file is too large", place=str(tree.path / name), expected=f"at most {max_bytes} bytes"
        )
    return data[:max_bytes]


def read_evidence(path: Path) -> bytes:
    """Return the bytes of a file that claims to be a bundle or a credential.

    Raises:
        DatasigilError: NO_SUCH_PATH, UNREADABLE; MalformedError LIMIT, for more than 64 MiB.
    """
    return _read(path, BUNDLE_MAX_BYTES)


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        return read_file(path, max_bytes)
    except FileNotFoundError:
        raise DatasigilError(
            "NO_SUCH_PATH", "there is no such file or folder", place=str(path), expected="a bundle, a credential or a dataset's folder",
            next_action="check the path",
        ) from None  # fmt: skip
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE",
            f"the file cannot be read: {error.strerror}",
            place=str(path),
            next_action="check its permissions",
        ) from None


def manifest_beside(path: Path) -> ManifestSource | None:
    """Return the manifest beside a bundle or credential, or None when there is none; a large one as a file, not read.

    Raises:
        DatasigilError: UNREADABLE; MalformedError LIMIT.
    """
    sidecar = sidecar_path(path)
    if not sidecar.is_file():
        return None
    from datasigil.datasets.manifest import ManifestFile

    large = sidecar.stat().st_size > MANIFEST_EMBED_MAX_BYTES
    return ManifestFile(sidecar) if large else _read(sidecar, MANIFEST_MAX_BYTES)


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Let an error about what a file holds name the file, and say what to do with a damaged one."""
    try:
        yield
    except MalformedError as error:
        error.place = f"{path}: {error.place}" if error.place else str(path)
        error.next_action = error.next_action or "get the file again from whoever gave it to you"
        raise


def claimed_manifest(bundle: Bundle) -> str:
    """Return the manifest digest that the credential claims, or the empty string; nothing is checked here."""
    subject = bundle.credential.get("credentialSubject")
    claim = subject.get("manifest") if isinstance(subject, dict) else None
    digest = claim.get("digest") if isinstance(claim, dict) else None
    return digest if isinstance(digest, str) else ""


def manifest_for(bundle: Bundle, evidence: Evidence) -> ManifestSource | None:
    """Return the manifest when the bundle embeds none: from beside it, or from the data's own `.datasigil/` folder.

    Only bytes with the claimed digest are returned from the data's folder; those beside the bundle are returned as they are.
    """
    if bundle.manifest is not None:
        return None
    beside = manifest_beside(evidence.path)
    if beside is not None or evidence.folder is None:
        return beside
    own = evidence.folder / DATASET_BUNDLE
    claimed = claimed_manifest(bundle)
    try:
        candidates = [
            jcs(found) if (found := parse_bundle(_read(own, BUNDLE_MAX_BYTES)).manifest) else None,
            manifest_beside(own),
        ]
    except DatasigilError:
        return None  # what lies in the data's folder is a convenience and no evidence
    return next((one for one in candidates if one is not None and manifest_source_digest(one) == claimed), None)


def manifest_source_digest(source: ManifestSource) -> str:
    """Return the SHA-256 of a manifest's bytes, wherever they are, in lower-case hexadecimal."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with open(source.path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def part_of(path: str | None) -> PartProof | None:
    """Return the proofs in a file that `datasigil prove` wrote, or None when none was named.

    Raises:
        MalformedError: as `parts.parse_part_proof`, naming the file; DatasigilError NO_SUCH_PATH, UNREADABLE.
    """
    if path is None:
        return None
    from datasigil.datasets.limits import PART_BYTES_MAX
    from datasigil.datasets.parts import parse_part_proof
    from datasigil.encoding import parse_json

    with naming(path):
        return parse_part_proof(parse_json(_read(Path(path), PART_BYTES_MAX), max_bytes=PART_BYTES_MAX))


def data_check(evidence: Evidence, digest: str, progress: Progress | None, *, partial: bool) -> DataCheck | None:
    """Return what compares the data that the user named with a manifest, or None when no data was named."""
    if evidence.source:
        from datasigil.remote import SourceCheck, check_place

        check_place(evidence.source)
        return SourceCheck(evidence.source, partial, digest, progress)  # type: ignore[arg-type]  # argparse admits only the four choices
    return None if evidence.folder is None else FolderCheck(evidence.folder, partial, digest, progress)


@dataclass(slots=True)
class FolderCheck:
    """Step 9 for a folder, handed to the plan, which calls it with the manifest that the credential signs."""

    folder: Path
    partial: bool
    digest: str
    progress: Progress | None

    def __call__(self, manifest: Manifest) -> FilesFinding:
        """Compare the folder with the manifest.

        Raises:
            DatasigilError: DATA_FOLDER, DIGEST_ABSENT or WORKER_LOST.
        """
        from datasigil.datasets.files import check_files

        return check_files(self.folder, manifest, partial=self.partial, digest=self.digest, progress=self.progress)  # type: ignore[arg-type]  # argparse admits only the four choices


def manifest_of_folder(folder: Path, bundle: Bundle, progress: Progress | None) -> bytes | None:
    """Return the manifest made from the folder itself, for a bundle whose manifest is nowhere to be found.

    If its digest is the signed one, every file is the stated one; if not, the plan says which figure differs, and cannot say which
    file. Returns None when the credential claims no manifest that a folder could have.

    Raises:
        DatasigilError: as `build_manifest`.
    """
    from datasigil.datasets.files import build_manifest
    from datasigil.datasets.manifest import ManifestClaim, manifest_bytes

    try:
        claim = ManifestClaim.from_subject(bundle.credential["credentialSubject"])
    except (MalformedError, KeyError, TypeError, AttributeError):
        return None
    built = build_manifest(folder, ignored=claim.ignored, record_count=claim.record_count, progress=progress)
    if built.digest == claim.digest:
        return manifest_bytes(built)
    plain = _sha256_only(built)
    return manifest_bytes(plain if plain is not None and plain.digest == claim.digest else built)


def _sha256_only(built: Manifest) -> Manifest | None:
    """Return the manifest as `--digest sha256` would have written it; None when chunk trees stand in the way."""
    from datasigil.record import replace

    if any(entry.chunks is not None for entry in built.entries):
        return None
    return replace(built, entries=tuple(entry._replace(blake3=None) for entry in built.entries), digests=("sha256",))
