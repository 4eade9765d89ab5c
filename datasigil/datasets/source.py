"""Datasets that are not a folder on a disk: what an archive or a bucket has in common, and checking either against a manifest.

Here: `Source` and its members, `check_source`, `build_source_manifest`. A source is read, never unpacked; what a member may
be is what a file in a folder may be (DESIGN.md section 4). Not here: archives (`archives`), networks (`datasigil.remote`),
the verdict (`verification`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NamedTuple, Protocol, TypeVar

from datasigil.datasets.checking import DigestChoice, DigestPlan, compare_file, enter_differences
from datasigil.datasets.engine import Meter
from datasigil.datasets.entry import BOTH_DIGESTS, Manifest, ManifestEntry
from datasigil.datasets.finding import FileFailure, FilesFinding, FindingBuilder, Progress, failure
from datasigil.datasets.hashing import FileDigests, PieceHasher, new_buffer
from datasigil.datasets.limits import CHUNKED_FILE_MIN_BYTES, SOURCE_FILES_WAITING
from datasigil.datasets.manifest_parser import check_choices, check_manifest
from datasigil.datasets.paths import EVIDENCE_FOLDER, check_paths, display_path, is_ignored
from datasigil.datasets.small import wrong_size
from datasigil.datasets.table import EntryTable
from datasigil.errors import DatasigilError

T = TypeVar("T")
WAIT_SECONDS: Final = 0.5
"""seconds between two looks at the progress of threads; also how late Ctrl-C may be noticed."""
Keep = Callable[[ManifestEntry], AbstractContextManager[Callable[[memoryview], None]]]
"""Opens a place for one file's bytes, which are handed over as they are read; a second time for a file that is read again."""
ReadInto = Callable[[memoryview], int]
"""Fills a buffer with a member's next bytes and returns how many came; 0 at its end. Raises: MemberError."""


class MemberError(Exception):
    """A member that cannot be read as it should; `failure` says why."""

    def __init__(self, why: FileFailure) -> None:
        super().__init__(why.message)
        self.failure = why


class Member(NamedTuple):
    """One file of a source; `identity` changes when its bytes do, where the source can tell."""

    path: str
    size: int
    identity: str
    open: Callable[[], ReadInto]


class Source(Protocol):
    """Files that can be listed and read from their start."""

    @property
    def place(self) -> str:
        """What the user called it."""

    @property
    def readers(self) -> int:
        """How many members may be read at once; with 1, each is read before the next one is asked for."""

    def members(self, failures: list[FileFailure]) -> Iterator[Member]:
        """Yield every file, in any order; what a dataset must not hold is a failure. Names are taken as they are."""


def check_source(
    source: Source,
    manifest: Manifest,
    *,
    partial: bool = False,
    digest: DigestChoice = "default",
    progress: Progress | None = None,
    keep: Keep = lambda _: nullcontext(lambda _: None),
) -> FilesFinding:
    """Compare `source` with `manifest` as `files.check_files` does a folder; members that no manifest lists are not read.

    `keep` is handed the bytes of each file before it is known whether they are the stated ones.

    Raises: DatasigilError DIGEST_ABSENT, or what the source raises when it cannot be listed.
    """
    plan = DigestPlan.of(manifest, digest)
    table = EntryTable.of(manifest.entries, manifest.digests)
    builder, failures = FindingBuilder(), list[FileFailure]()
    present, unlisted = bytearray(len(table)), list[str]()
    meter = Meter(manifest.byte_size, progress)

    def wanted() -> Iterator[tuple[Member, ManifestEntry]]:
        for member in source.members(failures):
            if is_ignored(member.path, manifest.ignored):
                continue
            index = bisect_left(table.paths, member.path)
            if index == len(table) or table.paths[index] != member.path:
                unlisted.append(member.path)
            elif present[index]:
                failures.append(_twice(member.path))
            else:
                present[index] = 1
                yield member, table[index]

    def digests(one: tuple[Member, ManifestEntry], tick: Tick) -> FileDigests | FileFailure:
        member, entry = one
        if member.size != entry.size:
            return wrong_size(entry.path, entry.size, member.size)
        names, chunked = plan.of_entry(entry)
        with keep(entry) as sink:
            result = _hash(member, names, chunked, tick, sink)
        if source.readers == 1 or not isinstance(result, FileDigests) or plan.agrees(entry, result):
            return result
        # A network may have changed what a disk would not: only bytes that come twice are the source's own.
        with keep(entry) as sink:
            again = _hash(member, names, chunked, lambda _: None, sink)
        if isinstance(again, FileDigests) and again != result and not plan.agrees(entry, again):
            why = "it was read twice and was different each time"
            return failure("SOURCE_UNAVAILABLE", member.path, why, expected="the same bytes each time")
        return again

    for (_, entry), result in _each(source, wanted(), digests, meter):
        compare_file(entry, result, plan.labels(entry), builder)
    enter_differences(present, unlisted, failures, manifest, builder, partial=partial)
    if partial and not builder.files and not builder.failure_counts:
        builder.failed(failure("FILE_MISSING", ".", "none of the manifest's files is there"))
    return builder.finish("part" if partial else "all files", manifest.ignored)


def build_source_manifest(
    source: Source,
    *,
    digests: Sequence[str] = BOTH_DIGESTS,
    ignored: Sequence[str] = (EVIDENCE_FOLDER,),
    progress: Progress | None = None,
) -> Manifest:
    """Hash every file of `source` into a manifest; a source that can change is listed again at the end.

    Raises: DatasigilError EMPTY_DATASET, or with the code of the first thing that stands in the way; MalformedError as
    `files.build_manifest`.
    """
    names = tuple(sorted(set(digests)))
    skipped = tuple(sorted({*ignored, EVIDENCE_FOLDER}))
    check_choices(names, skipped)
    failures: list[FileFailure] = []
    seen: dict[str, str] = {}

    def wanted() -> Iterator[Member]:
        for member in source.members(failures):
            if not is_ignored(member.path, skipped):
                if member.path in seen:
                    failures.append(_twice(member.path))
                    continue
                check_paths([member.path], place="")
                seen[member.path] = f"{member.size} {member.identity}"
                yield member

    def hashed(member: Member, tick: Tick) -> FileDigests | FileFailure:
        chunked = names[0] if member.size >= CHUNKED_FILE_MIN_BYTES else ""
        result = _hash(member, names, chunked, tick)
        if isinstance(result, FileDigests) and result.size != member.size:
            return wrong_size(member.path, member.size, result.size)
        return result

    entries = []
    for member, result in _each(source, wanted(), hashed, Meter(0, progress)):
        if isinstance(result, FileFailure):
            failures.append(result)
        elif not failures:
            blake3 = result.digests.get("blake3")
            entries.append(
                ManifestEntry(
                    member.path,
                    member.size,
                    result.digests["sha256"].hex(),
                    blake3.hex() if blake3 else None,
                    result.chunks,
                )
            )
    _raise_first(source, failures, empty=not seen)
    if source.readers > 1:
        _refuse_changes(source, skipped, seen)
    manifest = Manifest(EntryTable.of(sorted(entries), names), names, skipped)
    check_manifest(manifest)
    return manifest


def _refuse_changes(source: Source, skipped: Sequence[str], seen: dict[str, str]) -> None:
    failures: list[FileFailure] = []
    again = {one.path: f"{one.size} {one.identity}" for one in source.members(failures)}
    paths = sorted({path for path in {*again, *seen} if again.get(path) != seen.get(path)})
    changed = [path for path in paths if not is_ignored(path, skipped)]
    failures += [failure("FILE_CHANGED", path, "it changed while the files were hashed") for path in changed]
    _raise_first(source, failures, empty=False)


Tick = Callable[[int], None]


def _hash(
    member: Member,
    names: tuple[str, ...],
    chunked: str,
    tick: Tick,
    sink: Callable[[memoryview], None] = lambda _: None,
) -> FileDigests | FileFailure:
    """Read a member to its end, or one byte past the size it says it has."""
    hasher = PieceHasher(names, chunked)
    buffer = new_buffer()
    try:
        read = member.open()
        while hasher.size <= member.size:
            count = read(buffer)
            if not count:
                break
            hasher.take(buffer[:count])
            sink(buffer[:count])
            tick(count)
    except MemberError as error:
        return error.failure
    return hasher.finish()


def _each(
    source: Source, wanted: Iterator[T], work: Callable[[T, Tick], FileDigests | FileFailure], meter: Meter
) -> Iterator[tuple[T, FileDigests | FileFailure]]:
    """Do the work on everything wanted, in order or over threads, and yield each with its result."""
    if source.readers == 1:
        for one in wanted:
            yield one, work(one, lambda count: meter.add(count, source.place))
        return
    from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

    progress = _Counter()
    pool = ThreadPoolExecutor(source.readers, thread_name_prefix="reading")
    running: dict[Future[FileDigests | FileFailure], T] = {}
    try:
        more = True
        while more or running:
            while more and len(running) < SOURCE_FILES_WAITING:
                coming = next(wanted, None)
                more = coming is not None
                if coming is not None:
                    running[pool.submit(work, coming, progress.tick)] = coming
            done, _ = wait(running, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
            meter.add(progress.taken(), source.place)
            for future in done:
                yield running.pop(future), future.result()
    finally:
        progress.stopped = True
        pool.shutdown(cancel_futures=True)


class _Counter:
    """Bytes read by threads, on their way to the thread that reports them."""

    def __init__(self) -> None:
        self._count = 0
        self.stopped = False

    def tick(self, count: int) -> None:
        """Count bytes; raises when the run is called off."""
        if self.stopped:
            raise _StoppedError
        self._count += count  # a figure for people: two threads at once may lose a piece of it

    def taken(self) -> int:
        """Return what was counted since the last call."""
        count, self._count = self._count, 0
        return count


class _StoppedError(Exception):
    """Raised inside a thread when the run is called off."""


def _twice(path: str) -> FileFailure:
    return failure("DUP_PATH", path, "it is there twice", expected="every name once", found="two files of one name")


def _raise_first(source: Source, failures: Sequence[FileFailure], *, empty: bool) -> None:
    if failures:
        first = min(failures, key=lambda one: one.path)
        others = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise DatasigilError(
            first.code,
            first.message + others,
            place=f"{source.place}: {display_path(first.path)}",
            expected=first.expected,
            found=first.found,
            next_action="take it out, or make it a regular file, then run the command again",
        )
    if empty:
        raise DatasigilError(
            "EMPTY_DATASET",
            "there is no file",
            place=source.place,
            expected="at least one file that is not ignored",
            next_action="name the archive, or the folder, that holds the dataset's files",
        )
