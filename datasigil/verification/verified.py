"""What a VALID check hands out: a dataset whose every file was established, or a part of one.

Lives here: `VerifiedDataset` and `VerifiedSubset`, which only `verification.plan` constructs. Not here: hashing (`datasets`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from datasigil.errors import DatasigilError
from datasigil.record import dataclass

if TYPE_CHECKING:
    from datasigil.credentials.types import Credential
    from datasigil.datasets.entry import Manifest, ManifestEntry
    from datasigil.report import Report

Opener = Callable[["ManifestEntry"], BinaryIO]
"""Opens one file of the manifest and returns its bytes only if they are the stated ones; raises ManifestMismatchError."""

_KEY: Final = object()


@dataclass(frozen=True, slots=True)
class _Verified:
    """A dataset credential, its manifest and the VALID report about both."""

    credential: Credential
    manifest: Manifest
    report: Report
    opener: Opener | None
    key: Any

    def __post_init__(self) -> None:
        if self.key is not _KEY:
            raise TypeError(
                f"only datasigil.verification makes a {type(self).__name__}; call require_dataset or verify"
            )

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the manifest, relative, with `/`, sorted by their UTF-8 bytes."""
        return tuple(entry.path for entry in self.manifest.entries)

    @property
    def digest(self) -> str:
        """SHA-256 of the secured credential's JCS form, lower-case hexadecimal."""
        return self.credential.digest

    @property
    def root(self) -> str:
        """Root of the manifest, lower-case hexadecimal."""
        return self.manifest.root.hex()

    def open(self, path: str) -> BinaryIO:
        """Return one file's bytes as a readable binary stream, hashed again while they are read into it.

        Raises:
            ManifestMismatchError: when the bytes are no longer the verified ones.
            DatasigilError: UNKNOWN_PATH for a path that the manifest does not list; NO_DATA when the check had no data.
        """
        entry = self.manifest.find(path)
        if entry is None:
            raise DatasigilError(
                "UNKNOWN_PATH", "the manifest lists no such file", found=path, expected="one of `.files`"
            )
        if self.opener is None:
            raise DatasigilError(
                "NO_DATA",
                "this dataset was verified without a place to read it from",
                next_action="pass data= to require_dataset",
            )
        return self.opener(entry)


@dataclass(frozen=True, slots=True)
class VerifiedDataset(_Verified):
    """A dataset all of whose files were established; the one thing that training accepts."""

    def to_datasets(self, **options: Any) -> Any:
        """Return the data as a Hugging Face `datasets.DatasetDict` with one split per csv, jsonl, ndjson or parquet file.

        Raises:
            DatasigilError: EXTRA_MISSING when the package `datasets` is not installed; FORMAT when no file can be loaded.
        """
        from datasigil.verification.loading import to_datasets

        return to_datasets(self, **options)


@dataclass(frozen=True, slots=True)
class VerifiedSubset(_Verified):
    """A part of a dataset: what was there was established, and some files were not there. Training refuses it."""


def verified(
    credential: Credential, manifest: Manifest, report: Report, opener: Opener | None
) -> VerifiedDataset | VerifiedSubset:
    """Return the dataset of a VALID report; called by `verification.plan` and nobody else.

    Raises:
        TypeError: when the report is not VALID, or no file was checked.
    """
    if report.decision != "VALID" or report.mode != "now" or report.scope not in ("all files", "part"):
        raise TypeError("only a VALID report about files makes a dataset usable")
    kind = VerifiedDataset if report.scope == "all files" else VerifiedSubset
    return kind(credential, manifest, report, opener, _KEY)
