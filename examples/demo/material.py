"""The data the story is told on: the committed example, or a user's own folder.

Here: copying it into `.demo/` (the original is only ever read), altered copies for the refusals, and the licence question.
Not here: what is done with it.
"""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stage import ROOT, StoryFailed

EXAMPLE = ROOT / "examples" / "contract-clauses"
EXAMPLE_LICENSE = "CC-BY-4.0"
EXAMPLE_PUBLISHER = "The datasigil project"
EXAMPLE_ISSUED = "2026-11-02"
UNKNOWN = "unknown"
SPARE = 2.5  # times the data's size: the copy, the snapshot of the training run, and room to spare
LIST_AT_MOST = 200_000  # files; the demo walks the folder several times


@dataclass(frozen=True)
class Matter:
    """One dataset in the story."""

    name: str
    source: Path
    data: Path
    license: str
    is_example: bool

    @property
    def license_known(self) -> bool:
        """Whether anybody said what the licence is."""
        return self.license != UNKNOWN


def choose(folder: Path, data: str, license_expression: str) -> Matter:
    """Copy the chosen data into the demo's folder.

    Raises:
        StoryFailed: the path is no folder, is empty, is part of the demo, or does not fit on the disk.
    """
    source = Path(data).expanduser().resolve() if data else EXAMPLE
    if not source.is_dir():
        kind = "a file" if source.is_file() else "nothing"
        raise StoryFailed(f"DATA must be a folder with your dataset; expected a folder, found {kind} at {source}")
    if source == folder or source in folder.parents or folder in source.parents:
        raise StoryFailed(f"DATA must lie outside {folder} and not contain it; found {source}")
    measure(source, folder)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", source.name).strip("-.") or "dataset"
    target = folder / "data" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    copy(source, target)
    license_known = license_expression or (EXAMPLE_LICENSE if not data else ask_license(name))
    return Matter(name, source, target, license_known, not data)


def measure(source: Path, folder: Path) -> None:
    """Look at the folder's size before anything is copied.

    Raises:
        StoryFailed: nothing is in it, too much is, or the disk has no room.
    """
    count = size = 0
    for path in walk(source):
        count += 1
        size += path.lstat().st_size
        if count > LIST_AT_MOST:
            raise StoryFailed(
                f"{source} holds more than {LIST_AT_MOST:,} files: too many for a demo; use the commands themselves"
            )
    if count == 0:
        raise StoryFailed(f"{source} is empty: expected at least one file")
    free = shutil.disk_usage(folder).free
    if size * SPARE > free:
        raise StoryFailed(
            f"{source} is {size / 1e9:.1f} GB; the demo needs {SPARE} times that, {folder} has {free / 1e9:.1f} GB free"
        )


def walk(source: Path) -> Iterator[Path]:
    """Yield everything below a folder that is not a folder itself, links unfollowed, in a fixed order.

    Raises:
        StoryFailed: a folder cannot be read.
    """

    def stop(error: OSError) -> None:
        raise StoryFailed(f"cannot read {error.filename}: {error.strerror}")

    for parent, folders, files in os.walk(source, onerror=stop, followlinks=False):
        folders.sort()
        yield from (Path(parent) / name for name in sorted(files))


def copy(source: Path, target: Path) -> None:
    """Copy a folder, links as links (the manifest refuses them later, with a reason).

    Raises:
        StoryFailed: a file cannot be read or written.
    """
    try:
        shutil.copytree(source, target, symlinks=True)
    except shutil.Error as error:
        place, _, reason = error.args[0][0]
        raise StoryFailed(f"cannot copy {place}: {reason}") from None
    except OSError as error:
        raise StoryFailed(f"cannot copy {error.filename}: {error.strerror}") from None
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o700 if path.is_dir() else 0o600))


def fingerprint(source: Path) -> dict[str, tuple[int, int]]:
    """Return size and modification time of every file, to show later that the original was left alone."""
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in walk(source)}


def with_a_byte_changed(matter: Matter, target: Path) -> Path:
    """Copy the data with one byte of one file changed; return that file."""
    shutil.copytree(matter.data, target, symlinks=True)
    victim = max(
        (path for path in walk(target) if not path.is_symlink()), key=lambda path: (path.stat().st_size, str(path))
    )
    content = bytearray(victim.read_bytes())
    middle = len(content) // 2
    if content:
        content[middle] ^= 0x01
    else:
        content += b"!"
    victim.write_bytes(content)
    return victim


def with_a_file_added(matter: Matter, target: Path) -> Path:
    """Copy the data with one more file in it; return that file."""
    shutil.copytree(matter.data, target, symlinks=True)
    extra = target / "extra.jsonl"
    extra.write_text('{"text": "This clause came from somewhere else.", "label": "termination"}\n', encoding="utf-8")
    return extra


def ask_license(name: str) -> str:
    """Ask at a terminal for the licence; in a script there is nobody to ask, and it stays unknown."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return UNKNOWN
    print(f"\nUnder which licence may {name} be used? An SPDX expression such as CC-BY-4.0, MIT or LicenseRef-Ours;")
    print("it goes into the signed credential as your statement. Enter alone: unknown.")
    return input("LICENSE: ").strip() or UNKNOWN


def describe(matter: Matter) -> str:
    """Say in plain words what the data is."""
    files = list(walk(matter.data))
    size = sum(path.lstat().st_size for path in files)
    if matter.is_example:
        return (
            f"The dataset is examples/contract-clauses: {len(files)} files, {size / 1e3:.0f} kB of labelled contract clauses, "
            "synthetic and made for this project. The publisher describes it, hashes it, signs, and publishes the signature."
        )
    return (
        f"The dataset is yours: {matter.source}, {len(files):,} files, {size / 1e6:.1f} MB, copied so that the original is only "
        f"read. Licence: {matter.license}. You act as its publisher, under a key made for this demo."
    )


def stated(matter: Matter) -> list[str]:
    """Return what the publisher tells `datasigil init` beside what it finds in the folder."""
    if matter.is_example:
        return ["--publisher", EXAMPLE_PUBLISHER, "--issued", EXAMPLE_ISSUED]
    return ["--license", matter.license] if matter.license_known else []


def license_missing(matter: Matter) -> StoryFailed:
    """Say what a script must add."""
    return StoryFailed(
        f"the licence of {matter.source} is unknown, and the trust file refuses data without a known licence (report above). "
        f"Missing: LICENSE. Next: make demo DATA={shlex.quote(str(matter.source))} LICENSE=SPDX-EXPRESSION, for example LICENSE=CC-BY-4.0"
    )
