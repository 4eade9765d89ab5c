"""Manifest v1 from bytes that are in their one canonical form, without a JSON parser and piece by piece.

Here: entries are picked out by one pattern, written again, and the result must equal the input byte for byte. Not here: what
is said about bytes that are in another form, and whether the values are allowed (`manifest_parser`, which hands in the
bounds and the last step).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, Final

from datasigil.datasets.entry import Manifest, frame
from datasigil.datasets.limits import IGNORED_MAX, PATH_BYTES_MAX
from datasigil.datasets.table import ChunkTree, EntryTable
from datasigil.encoding import parse_json
from datasigil.errors import MalformedError

_HEAD = re.compile(rb'\{"chunkSize":([0-9]{1,9}),"digests":\[((?:"[a-z0-9]{1,16}",?){1,8})\],"entries":\[')
_ENTRY = re.compile(
    rb'\{(?:"blake3":"([0-9a-f]{64})",)?(?:"chunks":\{"count":([0-9]{1,9}),"root":"([0-9a-f]{64})"\},)?'
    rb'"path":("[^"\\]*+(?:\\.[^"\\]*+)*+"),"sha256":"([0-9a-f]{64})","size":([0-9]{1,16})\}',
    re.DOTALL,
)
_WINDOW_BYTES: Final = 1 << 20
_ENTRY_BYTES_MAX = 8 * PATH_BYTES_MAX + 1024  # every character of the path escaped, and room for the rest
_TAIL_BYTES_MAX = IGNORED_MAX * (PATH_BYTES_MAX + 3) + 1024


class CanonicalReader:
    """Reads a manifest piece by piece; whatever is not in the one canonical form makes `read` return None."""

    def __init__(
        self,
        stream: BinaryIO,
        finish: Callable[[dict[str, Any], EntryTable], Manifest],
        check_size: Callable[[int], None],
        check_count: Callable[[int], None],
    ) -> None:
        self._stream = stream
        self._finish = finish
        self._check_size = check_size
        self._check_count = check_count
        self._window = b""
        self._at = 0  # what of the window has been read
        self._total = 0

    def read(self) -> Manifest | None:
        """Return the manifest whose canonical bytes the stream holds, or None when there is no such manifest."""
        self._fill()
        head = _HEAD.match(self._window)
        if head is None:
            return None
        table = EntryTable(blake3=b'"blake3"' in head.group(2))
        self._at = head.end()
        try:
            if not self._entries(table):
                return None
            while self._fill():
                if len(self._window) - self._at > _TAIL_BYTES_MAX:
                    return None
            tail = self._window[self._at :]
            rest = parse_json(b"{" + tail[2:], max_bytes=_TAIL_BYTES_MAX)
            rest |= parse_json(head.group() + b"]}")
            manifest = self._finish(rest, table)
        except (UnicodeDecodeError, MalformedError) as error:
            if isinstance(error, MalformedError) and error.code == "LIMIT":
                raise
            return None
        if ("blake3" in manifest.digests) is (table.blake3 is not None) and frame(manifest) == (head.group(), tail):
            return manifest
        return None

    def _entries(self, table: EntryTable) -> bool:
        """Read every entry into `table`; False when one is not written as `datasigil` writes it."""
        lead = b""
        while True:
            matches = list(_ENTRY.finditer(self._window, self._at))
            if not matches:
                if len(self._window) - self._at < _ENTRY_BYTES_MAX and self._fill():
                    continue
                return bool(len(table)) or self._window.startswith(b"]", self._at)
            start = len(table)
            if not _add(table, [match.groups() for match in matches]):
                return False
            text = lead + ",".join(table.texts(start, len(table))).encode("utf-8")
            end = matches[-1].end()
            if self._window[self._at : end] != text:
                return False
            self._at, lead = end, b","
            self._check_count(len(table))
            self._fill()

    def _fill(self) -> int:
        """Let go of what was read and read on; return how many bytes came."""
        more = self._stream.read(_WINDOW_BYTES)
        self._window = self._window[self._at :] + more
        self._at = 0
        self._total += len(more)
        self._check_size(self._total)
        return len(more)


def _add(table: EntryTable, groups: Sequence[tuple[bytes | None, ...]]) -> bool:
    both = table.blake3 is not None
    if any((blake3 is not None) is not both for blake3, *_ in groups):
        return False
    paths = [
        parse_json(path, max_bytes=len(path)) if b"\\" in path else path[1:-1].decode("utf-8")
        for *_, path, _, _ in groups
        if path
    ]
    if any("\0" in path for path in paths):
        return False
    trees = [
        (at, ChunkTree(int(count), root.decode("ascii")))
        for at, (_, count, root, *_) in enumerate(groups)
        if count and root
    ]
    table.add_hex(
        paths,
        [int(size) for *_, size in groups if size],
        b"".join(digest for *_, digest, _ in groups if digest).decode("ascii"),
        b"".join(blake3 for blake3, *_ in groups if blake3).decode("ascii"),
        trees,
    )
    return True
