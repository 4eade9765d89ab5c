"""Datasets in object stores, read through fsspec: `s3://`, `gs://` and `hf://` by one code.

Here: which places are admitted, listing, and reading in ranges that are asked for again when the network fails. Places come
from the user alone, never from a credential. Tested against an S3 server behind a proxy that injects faults; `gs://` and `hf://`
are the same code over another library and are not tested here. Not here: what the bytes must be (`datasets.source`),
HTTP of our own (`fetch`).

What cannot be had is not what is wrong: an object that cannot be read after `ATTEMPTS_MAX` tries is SOURCE_UNAVAILABLE, which
makes a check INDETERMINATE.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from datasigil.datasets.archives import archive_in, open_archive
from datasigil.datasets.checking import DigestChoice
from datasigil.datasets.entry import Manifest
from datasigil.datasets.finding import FileFailure, FilesFinding, Progress, failure
from datasigil.datasets.limits import ENTRIES_MAX, PATH_BYTES_MAX, SOURCE_READERS
from datasigil.datasets.paths import display_path
from datasigil.datasets.source import Member, MemberError, ReadInto, Source, check_source
from datasigil.errors import DatasigilError
from datasigil.limits import FETCH_TIMEOUT_SECONDS, MIB
from datasigil.record import dataclass

T = TypeVar("T")
SCHEMES: Final = {"s3": "s3fs", "gs": "gcsfs", "hf": "huggingface_hub"}
"""The admitted schemes and the package that each needs; no `file:`, no chained `::` places."""
RANGE_BYTES: Final = 4 * MIB
"""bytes asked for at once; with the readers of `SOURCE_READERS`, 32 MiB stand in memory."""
ATTEMPTS_MAX: Final = 4
PAUSE_SECONDS: Final = 0.2  # doubled at each attempt
_ARCHIVES: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# What object stores call the thing that changes with an object's bytes.
_IDENTITIES: Final = ("ETag", "etag", "generation", "md5Hash", "blob_id", "LastModified", "last_modified")


def is_remote(place: str) -> bool:
    """Tell whether `place` is a URL and not a path."""
    return "://" in place


def is_source(place: str) -> bool:
    """Tell whether `place` is read as a source: a URL, or a file, which must then be an archive."""
    return is_remote(place) or os.path.isfile(place)


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """Step 9 for a source, handed to the plan, which calls it with the manifest that the credential signs."""

    place: str
    partial: bool
    digest: DigestChoice
    progress: Progress | None = None

    @property
    def needs_network(self) -> bool:
        """Whether reading asks another machine, which the plan allows only once steps 1 to 5 have passed."""
        return is_remote(self.place)

    def __call__(self, manifest: Manifest) -> FilesFinding:
        """Compare the source with the manifest.

        Raises: as `open_source`; DatasigilError DIGEST_ABSENT.
        """
        with open_source(self.place) as source:
            return check_source(source, manifest, partial=self.partial, digest=self.digest, progress=self.progress)


@contextmanager
def open_source(place: str) -> Iterator[Source]:
    """Open a bucket's folder, an archive in a bucket, or an archive on this machine as a source.

    Raises: DatasigilError REMOTE_PLACE, EXTRA_MISSING, SOURCE_UNAVAILABLE; ARCHIVE or UNREADABLE for archives.
    """
    if not is_remote(place):
        with open_archive(Path(place)) as source:
            yield source
        return
    files, root = _file_system(place)
    if root.lower().endswith(_ARCHIVES):
        size = int(_attempt(lambda: files.info(root), place)["size"])
        yield archive_in(io.BufferedReader(_RemoteFile(files, root, size, place), RANGE_BYTES), place)
        return
    yield RemoteFolder(files, root, place)


def check_place(place: str) -> None:
    """Refuse a URL that data is not read from; a path is let pass.

    Raises: DatasigilError REMOTE_PLACE.
    """
    if not is_remote(place):
        return
    try:
        parts = urlsplit(place)
    except ValueError:
        parts = urlsplit("")
    if "::" in place or parts.scheme not in SCHEMES or not parts.netloc or parts.query or parts.fragment:
        raise DatasigilError(
            "REMOTE_PLACE",
            "data is not read from such a place",
            place=display_path(place)[:200],
            expected=", ".join(f"{scheme}://BUCKET/FOLDER" for scheme in SCHEMES),
            next_action="download the data with its own tool, and name the folder",
        )


def _file_system(place: str) -> tuple[Any, str]:
    check_place(place)
    parts = urlsplit(place)
    package = SCHEMES[parts.scheme]
    try:
        import fsspec

        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if parts.scheme == "s3":
            seconds = FETCH_TIMEOUT_SECONDS
            options["config_kwargs"] = {
                "connect_timeout": seconds,
                "read_timeout": seconds,
                "retries": {"max_attempts": 1},
            }
        files = fsspec.filesystem(parts.scheme, **options)
    except ImportError:
        raise DatasigilError(
            "EXTRA_MISSING",
            f"{parts.scheme}:// needs the package {package}",
            place=display_path(place)[:200],
            next_action=f"pip install {'datasigil[s3]' if parts.scheme == 's3' else package}",
        ) from None
    if hasattr(files, "retries"):
        files.retries = 1  # one try at a time: the attempts are counted here, for every library alike
    root = (parts.netloc + parts.path).rstrip("/")
    if parts.scheme == "hf" and not root.startswith(("datasets/", "spaces/", "buckets/")):
        root = f"datasets/{root}"
    return files, root


class RemoteFolder:
    """The objects below one prefix."""

    readers = SOURCE_READERS

    def __init__(self, files: Any, root: str, place: str) -> None:
        self._files = files
        self._root = root
        self.place = place

    def members(self, failures: list[FileFailure]) -> Iterator[Member]:
        """Yield every object; see `Source`. Names that lie outside the prefix or have no name of their own are failures.

        Raises: DatasigilError SOURCE_UNAVAILABLE, LIMIT.
        """
        pending = [self._root]
        count = 0
        while pending:
            folder = pending.pop()
            for info in self._list(folder):
                name, kind = str(info["name"]), info.get("type")
                own = name[len(folder) + 1 :].rstrip("/") if name.startswith(f"{folder}/") else ""
                if kind == "directory" and own and "/" not in own:
                    pending.append(f"{folder}/{own}")
                elif kind == "file" and own and "/" not in own and not name.endswith("/"):
                    count += 1
                    yield self._member(name, info)
                elif not (kind == "file" and name.rstrip("/") == folder and not info.get("size")):
                    # All but the mark that some tools leave for an empty folder.
                    failures.append(_strange(name[len(self._root) + 1 :] or name))
                if count + len(pending) + len(failures) > 2 * ENTRIES_MAX or len(name) > 8 * PATH_BYTES_MAX:
                    raise _too_many(self.place)

    def _list(self, folder: str) -> list[dict[str, Any]]:
        found = _attempt(lambda: self._files.ls(folder, detail=True, refresh=True), f"{self.place}: {folder}")
        return list(found)

    def _member(self, name: str, info: dict[str, Any]) -> Member:
        path, size = name[len(self._root) + 1 :], int(info.get("size") or 0)
        identity = next((str(info[key]) for key in _IDENTITIES if info.get(key)), "")

        def open_member() -> ReadInto:
            stream = _RemoteFile(self._files, name, size, path)

            def read(buffer: memoryview) -> int:
                try:
                    return stream.readinto(buffer)
                except DatasigilError as error:
                    raise MemberError(_unavailable(path, error.found)) from None

            return read

        return Member(path, size, identity, open_member)


class _ShortError(Exception):
    """A range that came with fewer bytes than it has."""


class _RemoteFile(io.RawIOBase):
    """One object as a file, fetched range by range; a range that comes short or not at all is asked for again.

    What cannot be had is a DatasigilError and no OSError, so that no reader of archives takes it for damage.
    """

    def __init__(self, files: Any, name: str, size: int, shown: str) -> None:
        super().__init__()
        self._files = files
        self._name = name
        self._size = size
        self._shown = shown
        self._at = 0
        self._range = b""
        self._start = 0

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._at >= self._size or not len(view):
            return 0
        if not self._start <= self._at < self._start + len(self._range):
            self._range = self._fetch(self._at, min(self._at + RANGE_BYTES, self._size))
            self._start = self._at
        offset = self._at - self._start
        piece = self._range[offset : offset + len(view)]
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _fetch(self, start: int, stop: int) -> bytes:
        def ask() -> bytes:
            data = bytes(self._files.cat_file(self._name, start=start, end=stop))
            if len(data) != stop - start:
                raise _ShortError(f"{len(data)} bytes came instead of {stop - start}")
            return data

        return _attempt(ask, self._shown)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _attempt(work: Callable[[], T], place: str) -> T:
    """Do something over the network, and again after a pause when it fails.

    Raises: DatasigilError SOURCE_UNAVAILABLE, at once where asking again cannot help.
    """
    pause = PAUSE_SECONDS
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return work()
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            raise _not_to_be_had(place, error) from None
        except Exception as error:  # noqa: BLE001 - each library behind fsspec has errors of its own, none of them shared
            if attempt == ATTEMPTS_MAX:
                raise _not_to_be_had(place, error) from None
        time.sleep(pause)
        pause *= 2
    raise AssertionError("the last attempt returns or raises")


def _not_to_be_had(place: str, error: Exception) -> DatasigilError:
    reason = display_path(" ".join(str(error).split()) or type(error).__name__)[:300]
    return DatasigilError(
        "SOURCE_UNAVAILABLE",
        "the data could not be read from where it lies",
        place=display_path(place)[:300],
        expected="an object or folder that can be read",
        found=f"{type(error).__name__}: {reason}",
        next_action="check the place, your access to it and the network, then try again",
    )


def _unavailable(path: str, reason: str) -> FileFailure:
    return failure(
        "SOURCE_UNAVAILABLE", path, "it could not be read", expected="an object that can be read", found=reason
    )


def _strange(path: str) -> FileFailure:
    why = "no manifest can list this name: an empty segment, or one outside the folder"
    return failure("PATH", path, why, found=display_path(path))


def _too_many(place: str) -> DatasigilError:
    return DatasigilError(
        "LIMIT",
        "the place holds more objects than a manifest can list",
        place=place,
        expected=f"at most {ENTRIES_MAX} files with paths of at most {PATH_BYTES_MAX} bytes",
        next_action="check that you named the dataset's own folder",
    )
