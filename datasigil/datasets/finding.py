"""What comparing a folder with a manifest found: values only, no disk.

Here: `FileFailure` with its reason code, and `FilesFinding`, which the verification plan turns into its step 9.
Not here: the comparison itself (`files`) and the verdict (`verification`).
"""

from collections.abc import Callable, Mapping
from typing import Literal

from datasigil.datasets.limits import FAILURES_KEPT
from datasigil.datasets.paths import display_path, storable_path
from datasigil.record import dataclass, field

Progress = Callable[[int, int, str], None]
"""Called in the caller's thread with (bytes done, bytes in all, path last finished); may raise to stop the work."""

Scope = Literal["all files", "part"]

FILE_CODES = (
    "FILE_DIGEST",
    "FILE_MISSING",
    "EXTRA_FILE",
    "SYMLINK",
    "SPECIAL_FILE",
    "COLLISION",
    "PATH",
    "UNREADABLE",
    "FILE_CHANGED",
    "MANIFEST_EQUIVOCATION",
    "DUP_PATH",
    "ARCHIVE",
    "SOURCE_UNAVAILABLE",
    "CHUNK",
)
"""Every reason code a finding can hold."""


@dataclass(frozen=True, slots=True)
class FileFailure:
    """One file that is not what the manifest says; `path` is encodable but raw: escape it before showing it, all else is safe to show."""

    code: str
    path: str
    message: str
    expected: str = ""
    found: str = ""


def failure(code: str, path: str, why: str, *, expected: str = "", found: str = "") -> FileFailure:
    """Make a failure whose message names `path` in a form that is safe to show."""
    return FileFailure(code, storable_path(path), f"{display_path(path)}: {why}", expected, found)


@dataclass(frozen=True, slots=True)
class FilesFinding:
    """The result of one check of files: what was established, and every way in which the folder differs.

    `files` and `bytes` count what matched. `established` says for how many of these files each digest was
    computed (`sha256`, `blake3`, or `sha256-chunks`/`blake3-chunks` for a chunk tree). `failures` holds at most
    `FAILURES_KEPT`; `failure_counts` counts them all. `ranged_files` and `ranged_bytes` count files of which ranges matched.
    """

    scope: Scope
    files: int
    bytes: int
    established: Mapping[str, int]
    failures: tuple[FileFailure, ...] = ()
    failure_counts: Mapping[str, int] = field(default_factory=dict)
    missing: int = 0
    ignored: tuple[str, ...] = ()
    ranged_files: int = 0
    ranged_bytes: int = 0

    @property
    def ok(self) -> bool:
        """True when nothing differs and at least one file, or a range of one, was established."""
        return not self.failure_counts and (self.files > 0 or self.ranged_files > 0)

    @property
    def digests(self) -> tuple[str, ...]:
        """The names of the digests that were computed, sorted."""
        return tuple(sorted(name for name, count in self.established.items() if count))

    def establishes(self, digest: str) -> bool:
        """Tell whether `digest` (`sha256` or `blake3`, of whole files) was computed for every matching file."""
        return self.files > 0 and not self.ranged_files and self.established.get(digest, 0) == self.files


class FindingBuilder:
    """Gathers matches and failures while files are compared, keeping memory bounded."""

    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0
        self.missing = 0
        self.established: dict[str, int] = {}
        self.failures: list[FileFailure] = []
        self.failure_counts: dict[str, int] = {}

    def matched(self, size: int, digests: tuple[str, ...], *, files: int = 1) -> None:
        """Count `files` files of `size` bytes together, whose `digests` all agree."""
        self.files += files
        self.bytes += size
        for name in digests:
            self.established[name] = self.established.get(name, 0) + files

    def failed(self, found: FileFailure) -> None:
        """Record one failure."""
        self.failure_counts[found.code] = self.failure_counts.get(found.code, 0) + 1
        if len(self.failures) < FAILURES_KEPT:
            self.failures.append(found)

    def finish(self, scope: Scope, ignored: tuple[str, ...]) -> FilesFinding:
        """Close the books; failures come out sorted by path, so that two runs read alike."""
        return FilesFinding(
            scope=scope,
            files=self.files,
            bytes=self.bytes,
            established=dict(sorted(self.established.items())),
            failures=tuple(sorted(self.failures, key=lambda one: (one.path, one.code))),
            failure_counts=dict(sorted(self.failure_counts.items())),
            missing=self.missing,
            ignored=ignored,
        )
