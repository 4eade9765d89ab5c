"""A dataset in a tar or zip file, read where it lies: no member is ever written to the disk.

Here: `open_archive` and the members of zip (PKWARE APPNOTE 6.3.10) and tar (POSIX.1-2001 pax, GNU, ustar; also gzip, bzip2 and
xz). Refused: names given twice, links, special files, encrypted members, members that overlap, names whose encoding is not
stated, bytes after the end of a tar, and archives that expand without measure. Names are taken as they are, but for the
leading `./` that `tar .` writes. Not here: what a name may be (`paths`), comparison with a manifest (`source`).
"""

from __future__ import annotations

import io
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from datasigil.datasets.finding import FileFailure, failure
from datasigil.datasets.limits import (
    ARCHIVE_DIRECTORY_BYTES_MAX,
    ARCHIVE_FREE_BYTES,
    ARCHIVE_HEADER_BYTES_MAX,
    ARCHIVE_RATIO_MAX,
)
from datasigil.datasets.paths import display_path
from datasigil.datasets.source import Member, MemberError, ReadInto, Source
from datasigil.errors import DatasigilError

if TYPE_CHECKING:
    from tarfile import TarFile, TarInfo
    from zipfile import ZipFile, ZipInfo

_ENCRYPTED: Final = 0x1
_UTF8: Final = 0x800
_LOCAL_HEADER_BYTES: Final = 30
_END = struct.Struct("<4s4H2LH")
_END_MARK: Final = b"PK\5\6"
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_COMPRESSIONS: Final = ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ\0", "lzma"))


@contextmanager
def open_archive(path: Path) -> Iterator[Source]:
    """Open the tar or zip file at `path` as a source.

    Raises: DatasigilError ARCHIVE for what is neither, UNREADABLE when it cannot be opened.
    """
    try:
        stream = open(path, "rb")  # noqa: SIM115 - closed below; the error of opening is ours, later ones are not
    except OSError as error:
        raise DatasigilError(
            "UNREADABLE",
            f"the archive cannot be read: {error.strerror}",
            place=display_path(str(path)),
            expected="a readable tar or zip file",
            next_action="check its path and permissions",
        ) from None
    with stream:
        yield archive_in(stream, display_path(str(path)))


def archive_in(stream: BinaryIO, place: str) -> Source:
    """Return the archive in a stream that can be read from any place.

    Raises: DatasigilError ARCHIVE.
    """
    start = stream.read(8)
    if start.startswith((b"PK\3\4", _END_MARK)):
        return ZipSource(stream, place)
    compression = next((name for mark, name in _COMPRESSIONS if start.startswith(mark)), "")
    return TarSource(stream, place, compression)


class ZipSource:
    """The members of a zip file."""

    readers = 1

    def __init__(self, stream: BinaryIO, place: str) -> None:
        self._stream = stream
        self.place = place

    def members(self, failures: list[FileFailure]) -> Iterator[Member]:
        """Yield every file; see `Source`. Raises: DatasigilError ARCHIVE."""
        import zipfile

        _check_directory(self._stream, self.place)
        try:
            archive = zipfile.ZipFile(self._stream)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error) as error:
            raise _damaged(self.place, str(error)) from None
        with archive:
            infos = archive.infolist()
            _check_layout(infos, self.place)
            for info in infos:
                refused = _refused_zip_member(info)
                if refused is not None:
                    failures.append(refused)
                elif not info.orig_filename.endswith("/"):
                    yield Member(info.orig_filename, info.file_size, str(info.CRC), _zip_opener(archive, info))


def _check_directory(stream: BinaryIO, place: str) -> None:
    """Refuse a zip file whose directory would not fit in memory, before it is read."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - (1 << 16) - _END.size - _END64_LOCATOR.size))
    tail = stream.read()
    at = tail.rfind(_END_MARK)
    if at < 0 or len(tail) < at + _END.size:
        raise _damaged(place, "it has no directory")
    length = _END.unpack_from(tail, at)[5]
    if length == 0xFFFFFFFF and at >= _END64_LOCATOR.size:
        mark, _, offset, _ = _END64_LOCATOR.unpack_from(tail, at - _END64_LOCATOR.size)
        stream.seek(min(offset, size))
        record = stream.read(_END64.size)
        if mark != b"PK\6\7" or len(record) != _END64.size:
            raise _damaged(place, "its directory is malformed")
        length = _END64.unpack(record)[8]
    if length > ARCHIVE_DIRECTORY_BYTES_MAX:
        raise _too_large(place, f"a directory of at most {ARCHIVE_DIRECTORY_BYTES_MAX} bytes", f"{length} bytes")
    stream.seek(0)


def _check_layout(infos: list[ZipInfo], place: str) -> None:
    """Refuse members that share bytes, which is how a small file holds a hundred times itself, and too great a sum."""
    end = 0
    for info in sorted(infos, key=lambda one: one.header_offset):
        if info.header_offset < end:
            raise _damaged(place, f"{display_path(info.orig_filename)} shares bytes with another member")
        end = info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size
    _check_expansion(sum(info.file_size for info in infos), sum(info.compress_size for info in infos), place)


def _check_expansion(expanded: int, packed: int, place: str) -> None:
    if expanded > ARCHIVE_FREE_BYTES + ARCHIVE_RATIO_MAX * packed:
        raise _too_large(
            place,
            f"at most {ARCHIVE_RATIO_MAX} times the packed size",
            f"{expanded} bytes out of {packed}",
        )


def _refused_zip_member(info: ZipInfo) -> FileFailure | None:
    path = info.orig_filename
    mode = info.external_attr >> 16 if info.create_system == 3 else 0
    if mode and stat.S_ISLNK(mode):
        return _link(path)
    if stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return _special(path)
    if info.flag_bits & _ENCRYPTED:
        return failure(
            "UNREADABLE", path, "it is encrypted", expected="members that can be read", found="an encrypted member"
        )
    if not path.isascii() and not info.flag_bits & _UTF8:
        why = "the archive does not say that its name is UTF-8"
        return failure("PATH", path, why, expected="names marked as UTF-8", found=display_path(path))
    return None


def _zip_opener(archive: ZipFile, info: ZipInfo) -> Any:
    def open_member() -> ReadInto:
        import zipfile
        import zlib

        def read(buffer: memoryview) -> int:
            try:
                return cast("int", member.readinto(buffer))
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
                raise MemberError(_unreadable(info.orig_filename, str(error))) from None

        try:
            member: Any = archive.open(info)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError) as error:
            raise MemberError(_unreadable(info.orig_filename, str(error))) from None
        return read

    return open_member


class TarSource:
    """The members of a tar file, compressed or not; each can be read only until the next one is asked for."""

    readers = 1

    def __init__(self, stream: BinaryIO, place: str, compression: str) -> None:
        self._stream = stream
        self._compression = compression
        self.place = place

    def members(self, failures: list[FileFailure]) -> Iterator[Member]:
        """Yield every file; see `Source`. Raises: DatasigilError ARCHIVE."""
        import tarfile

        bounded = self._bounded()
        try:
            archive = tarfile.open(fileobj=cast("Any", bounded), mode="r:", errors="surrogateescape")  # noqa: SIM115 - below
            with archive:
                while (info := archive.next()) is not None:
                    archive.members = []  # type: ignore[attr-defined]  # else every header ever read stays in memory
                    bounded.allow(info.size)
                    refused = _refused_tar_member(info)
                    if refused is not None:
                        failures.append(refused)
                    elif not info.isdir():
                        name = info.name.removeprefix("./")
                        yield Member(name, info.size, str(info.mtime), _tar_opener(archive, info, name))
                _check_end(bounded, archive.offset, self.place)
        except tar_errors() as error:
            raise _damaged(self.place, str(error) or type(error).__name__) from None

    def _bounded(self) -> _Bounded:
        packed = self._stream.seek(0, io.SEEK_END)
        self._stream.seek(0)
        stream: Any = self._stream
        if self._compression:
            import importlib

            module = importlib.import_module(self._compression)
            opened = {"gzip": "GzipFile", "bz2": "BZ2File", "lzma": "LZMAFile"}[self._compression]
            stream = (
                getattr(module, opened)(fileobj=stream) if opened == "GzipFile" else getattr(module, opened)(stream)
            )
        return _Bounded(stream, packed, self.place)


@cache
def tar_errors() -> tuple[type[Exception], ...]:
    """Return what the standard library raises for damaged archives; its modules are loaded with the first archive."""
    import lzma
    import tarfile
    import zlib

    return (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, OverflowError)


class _Bounded(io.RawIOBase):
    """A stream that refuses to be read further than an honest archive goes, or much at once."""

    def __init__(self, stream: BinaryIO, packed: int, place: str) -> None:
        super().__init__()
        self._inner = stream
        self._packed = packed
        self._place = place

    def allow(self, size: int) -> None:
        """Refuse a member that would take the archive past its bounds, before it is skipped or read."""
        _check_expansion(self._inner.tell() + size, self._packed, self._place)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= ARCHIVE_HEADER_BYTES_MAX:
            raise _too_large(self._place, f"headers of at most {ARCHIVE_HEADER_BYTES_MAX} bytes", f"{size} bytes")
        _check_expansion(self._inner.tell(), self._packed, self._place)
        return self._inner.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _check_end(stream: _Bounded, offset: int, place: str) -> None:
    """Refuse bytes after the end of a tar: another reader may find members in them."""
    stream.seek(offset)
    while data := stream.read(1 << 16):
        if data.strip(b"\0"):
            raise _damaged(place, "there are bytes after its end, or a damaged header in its middle")


def _refused_tar_member(info: TarInfo) -> FileFailure | None:
    path = info.name.removeprefix("./")
    if info.issym() or info.islnk():
        return _link(path)
    if not (info.isreg() or info.isdir()):
        return _special(path)
    return None


def _tar_opener(archive: TarFile, info: TarInfo, name: str) -> Any:
    def open_member() -> ReadInto:
        member: Any = archive.extractfile(info)

        def read(buffer: memoryview) -> int:
            try:
                return cast("int", member.readinto(buffer))
            except tar_errors() as error:
                raise MemberError(_unreadable(name, str(error) or type(error).__name__)) from None

        return read

    return open_member


def _link(path: str) -> FileFailure:
    why = "it is a link, which a dataset must not hold"
    return failure("SYMLINK", path, why, expected="a regular file", found="a link")


def _special(path: str) -> FileFailure:
    why = "it is a device, pipe or socket, which a dataset must not hold"
    return failure("SPECIAL_FILE", path, why, expected="a regular file", found="a special file")


def _unreadable(path: str, reason: str) -> FileFailure:
    why = f"it cannot be read out of the archive: {display_path(reason)}"
    return failure("UNREADABLE", path, why, expected="an undamaged archive")


def _damaged(place: str, reason: str) -> DatasigilError:
    return DatasigilError(
        "ARCHIVE",
        f"the archive is refused: {display_path(reason)}",
        place=place,
        expected="an undamaged tar or zip file",
        next_action="get the archive again, or pack the files anew",
    )


def _too_large(place: str, expected: str, found: str) -> DatasigilError:
    error = _damaged(place, "it would expand without measure")
    error.expected, error.found = expected, found
    return error
