"""What is seen of many files without opening them, as columns.

Here: `Seen`, from what Python's `stat` returns, or straight from Linux's statx(2), whose answers stand in a buffer of ours and never
become objects: of a hundred thousand files that is a fifth of the time. Not here: which files are looked at (`tree`), what is
concluded from it (`walk`).
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable, Sequence
from functools import cache
from itertools import repeat
from typing import Any, Final, cast

NANOSECONDS: Final = 1_000_000_000
LOOKED_AT_ONCE: Final = 4096
"""files whose answers stand in the buffer together, 256 bytes each."""

# struct statx of linux/stat.h, the same on every processor: offsets in bytes.
_STATX_BYTES: Final = 256
_INODE, _SIZE, _CHANGED, _CHANGED_NS, _MODIFIED, _MODIFIED_NS = 32, 40, 96, 104, 112, 120
_STATX_BASIC_STATS: Final = 0x7FF
_AT_SYMLINK_NOFOLLOW: Final = 0x100


class Seen:
    """Sizes, inodes, and times of modification and of change of files, as columns: 40 bytes each.

    A time is a column of seconds and one of the nanoseconds beyond them, as the kernel has it.
    """

    __slots__ = ("changed", "changed_ns", "inodes", "modified", "modified_ns", "sizes")
    COLUMNS: Final = ("sizes", "inodes", "modified", "modified_ns", "changed", "changed_ns")

    def __init__(self) -> None:
        self.sizes = array("Q")
        self.inodes = array("Q")
        self.modified = array("q")
        self.modified_ns = array("I")
        self.changed = array("q")
        self.changed_ns = array("I")

    @classmethod
    def of(cls, looked: Sequence[os.stat_result]) -> Seen:
        """Return what stat results say."""
        seen = cls()
        # An array that is made of a list knows its length at once; one that is extended by a list grows item by item.
        seen.sizes = array("Q", [one.st_size for one in looked])
        seen.inodes = array("Q", [one.st_ino for one in looked])
        modified, changed = [one.st_mtime_ns for one in looked], [one.st_ctime_ns for one in looked]
        seen.modified = array("q", [time // NANOSECONDS for time in modified])
        seen.modified_ns = array("I", [time % NANOSECONDS for time in modified])
        seen.changed = array("q", [time // NANOSECONDS for time in changed])
        seen.changed_ns = array("I", [time % NANOSECONDS for time in changed])
        return seen


def look_at(folder: int, names: Sequence[str]) -> Seen | None:
    """Look at files in the folder of a descriptor, following no link; None where statx is absent or one cannot be looked at.

    At most `LOOKED_AT_ONCE` names.
    """
    looker = _looker()
    return None if looker is None else looker(folder, names)


@cache
def _looker() -> Callable[[int, Sequence[str]], Seen | None] | None:
    if sys.platform != "linux":
        return None
    try:
        import ctypes

        # Not by a library of our own: the C library that this process runs on has it, or it does not.
        statx = ctypes.PyDLL(None).statx
    except (ImportError, OSError, AttributeError):
        return None
    return _Statx(ctypes, statx).look


class _Statx:
    def __init__(self, ctypes: Any, statx: Any) -> None:
        self._statx = statx
        self._buffer = ctypes.create_string_buffer(_STATX_BYTES * LOOKED_AT_ONCE)
        # Arguments as ctypes wants them: what it has to convert costs a fifth of a call.
        self._places = [ctypes.byref(self._buffer, number * _STATX_BYTES) for number in range(LOOKED_AT_ONCE)]
        self._bytes = memoryview(self._buffer).cast("B")

    def look(self, folder: int, names: Sequence[str]) -> Seen | None:
        if not names:
            return Seen()
        encoded = os.fsencode("\0".join(names)).split(b"\0")
        flags, mask = repeat(_AT_SYMLINK_NOFOLLOW), repeat(_STATX_BASIC_STATS)
        refusals = map(self._statx, repeat(folder), encoded, flags, mask, self._places)
        if any(refusals):
            return None
        seen = Seen()
        for column, offset in (
            (seen.sizes, _SIZE), (seen.inodes, _INODE), (seen.modified, _MODIFIED), (seen.modified_ns, _MODIFIED_NS),
            (seen.changed, _CHANGED), (seen.changed_ns, _CHANGED_NS),
        ):  # fmt: skip
            self._take(column, offset, len(names))
        return seen

    def _take(self, column: array[int], offset: int, count: int) -> None:
        width = column.itemsize
        each = _STATX_BYTES // width
        numbers = self._bytes[: count * _STATX_BYTES].cast(cast("Any", column.typecode))
        column.frombytes(numbers[offset // width :: each].tobytes())
