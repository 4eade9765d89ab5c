"""The hashing engine as a process: forked workers, Ctrl-C, files it may not read, bounded memory."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasigil.datasets import workers
from datasigil.datasets.finding import FileFailure
from datasigil.datasets.limits import BATCH_BYTES, BATCH_FILES, FORK_FILES_MIN
from datasigil.datasets.small import Batch, plan_batches
from datasigil.datasets.workers import decode_batch, encode_batch

REPOSITORY = Path(__file__).resolve().parents[3]
HEAD = """
import blake3, json, os, signal, sys, threading, time
from pathlib import Path
from datasigil.datasets import workers
from datasigil.datasets.files import build_manifest, check_files
from datasigil.errors import DatasigilError
root = Path(sys.argv[1])
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")


def start(code, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
        **options,
    )


def run(code, *arguments, **options):
    process = start(code, *arguments, **options)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Enough small files for several batches and for workers to be forked, some larger than a buffer."""
    root = tmp_path_factory.mktemp("many")
    for folder in range(10):
        (root / f"d{folder}/sub").mkdir(parents=True)
        for number in range(FORK_FILES_MIN // 10 + 50):
            place = root / f"d{folder}" / ("sub" if number % 3 else "") / f"f{number:05}"
            place.write_bytes(f"{folder} {number}".encode() * (number % 40 if number % 400 else 40_000))
    return root


FORKED = """
        forked = []
        real = os.fork
        def fork():
            forked.append(1)
            return real()
        os.fork = fork
"""


@linux
def test_forked_workers_find_what_one_process_finds(many, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(many, root)
    result = run(
        FORKED
        + """
        assert workers.can_fork()
        one = build_manifest(root, workers=1)
        assert not forked
        three = build_manifest(root, workers=3)
        assert len(forked) == 3 and one == three
        (root / "d3/sub/f00001").write_bytes(b"changed")
        (root / "d4/sub/f00002").unlink()
        (root / "d5/sub/new").write_bytes(b"")
        def check(**arguments):
            found = check_files(root, one, **arguments)
            return [found.files, found.bytes, found.established, [(f.code, f.path, f.expected, f.found) for f in found.failures]]
        alone, together = check(workers=1, digest="all"), check(workers=3, digest="all")
        assert alone == together
        try:
            os.waitpid(-1, os.WNOHANG)
            left = True
        except ChildProcessError:
            left = False
        print(json.dumps([len(forked), left, alone]))
        """,
        root,
    )
    forks, children_left, (files, _, established, failures) = result
    assert forks == 6
    assert not children_left
    assert files == established["sha256"] == established["blake3"]
    assert {(code, path) for code, path, _, _ in failures} == {
        ("FILE_DIGEST", "d3/sub/f00001"),
        ("FILE_MISSING", "d4/sub/f00002"),
        ("EXTRA_FILE", "d5/sub/new"),
    }


@linux
def test_process_with_threads_does_not_fork(many):
    assert run(
        FORKED
        + """
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait)
        thread.start()
        assert not workers.can_fork()
        found = check_files(root, build_manifest(root))
        stop.set()
        thread.join()
        print(json.dumps([len(forked), found.ok]))
        """,
        many,
    ) == [0, True]


@linux
def test_killed_worker_is_an_error_and_never_a_result(many):
    assert run(
        """
        real = workers.BatchReader.read
        parent = os.getpid()
        def read(self, start, stop):
            if os.getpid() != parent and start > 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(self, start, stop)
        workers.BatchReader.read = read
        try:
            build_manifest(root, workers=2)
        except DatasigilError as error:
            print(json.dumps([error.code, error.found, bool(error.next_action)]))
        """,
        many,
    ) == ["WORKER_LOST", "a process ended by signal 9", True]


@linux
@pytest.mark.parametrize("files", [1, 3, 40])
def test_every_share_is_taken_once_however_many_take_them(many, files):
    assert (
        run(
            """
        from datasigil.datasets import small
        one = build_manifest(root, workers=1)
        small.BATCH_FILES = int(sys.argv[2])
        print(json.dumps([build_manifest(root, workers=8) == one for _ in range(6)]))
        """,
            many,
            files,
        )
        == [True] * 6
    )


@linux
@pytest.mark.parametrize("twice", [True, False])
def test_a_share_that_is_taken_twice_or_never_is_an_error_and_never_a_result(many, twice):
    code, found = run(
        """
        real = workers._shared_list
        def wrong(ranges):
            receiving, sending = os.pipe()
            shares = [workers._SHARE.pack(at, at + 1) for at in range(ranges)]
            os.write(sending, b"".join([shares[0], *shares] if sys.argv[2] == "True" else shares[1:]))
            os.close(sending)
            return receiving
        workers._shared_list = wrong
        try:
            build_manifest(root, workers=2)
        except DatasigilError as error:
            print(json.dumps([error.code, error.found]))
        """,
        many,
        twice,
    )
    assert code == "WORKER_LOST"
    assert found == ("one share finished twice" if twice else "a process that ended with status 0")


def is_gone(group):
    """Whether a process group is empty; who was orphaned stays in it until the system's first process has collected it."""
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@linux
@pytest.mark.parametrize("kind", ["forked", "threads"])
def test_ctrl_c_ends_the_run_and_every_worker(many, tmp_path, kind):
    root = many
    if kind == "threads":
        root = tmp_path
        for name in "abcd":
            with open(root / name, "wb") as file:
                file.truncate(64 << 20)
    process = start(
        """
        from datasigil.datasets import chunked
        def slow(function):
            def inner(*arguments, **keywords):
                time.sleep(0.2)
                return function(*arguments, **keywords)
            return inner
        workers.BatchReader.read = slow(workers.BatchReader.read)
        chunked.stream_digests = slow(chunked.stream_digests)
        print("started", flush=True)
        for _ in range(100):
            build_manifest(root, workers=3)
        """,
        root,
    )
    assert process.stdout.readline() == "started\n"
    time.sleep(0.6)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert err.count("Traceback") == 1  # the workers say nothing
    assert is_gone(process.pid)


@linux
def test_workers_end_when_their_parent_is_killed(many):
    process = start(
        """
        real = workers.BatchReader.read
        def read(self, start, stop):
            time.sleep(0.3)
            return real(self, start, stop)
        workers.BatchReader.read = read
        print("started", flush=True)
        build_manifest(root, workers=2)
        """,
        many,
    )
    assert process.stdout.readline() == "started\n"
    time.sleep(0.5)
    process.kill()
    process.communicate(timeout=20)
    for _ in range(100):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("a worker outlived its parent by ten seconds")


def test_unreadable_files_and_folders_are_named():
    # Not below tmp_path: root's children could not enter it once they are nobody.
    root = Path(tempfile.mkdtemp(prefix="datasigil-unreadable-"))
    try:
        for path in ("open/a", "open/b", "shut/c"):
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_text(path)
        root.chmod(0o755)
        (root / "open").chmod(0o755)
        error, files, failures = run(
            """
            one = build_manifest(root)
            (root / "open/b").chmod(0)
            (root / "shut").chmod(0)
            if os.geteuid() == 0:
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            found = check_files(root, one)
            try:
                build_manifest(root)
            except DatasigilError as raised:
                error = [raised.code, raised.place, bool(raised.next_action)]
            print(json.dumps([error, found.files, [(f.code, f.path) for f in found.failures]]))
            """,
            root,
        )
        assert error == ["UNREADABLE", "shut", True]
        assert files == 1
        assert failures == [["UNREADABLE", "open/b"], ["UNREADABLE", "shut"]]
    finally:
        (root / "shut").chmod(0o700)
        shutil.rmtree(root)


@linux
def test_memory_does_not_grow_with_the_size_of_a_file(tmp_path):
    with open(tmp_path / "big", "wb") as file:
        file.truncate(1 << 30)
    grown = run(
        """
        import resource
        from datasigil.datasets.entry import Manifest, ManifestEntry, ChunkTree
        from hashlib import sha256
        import blake3
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        one = Manifest((ManifestEntry("big", 1 << 30, "0" * 64, "0" * 64, ChunkTree(64, "0" * 64)),))
        found = check_files(root, one)
        assert found.failure_counts == {"FILE_DIGEST": 1}
        print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
        """,
        tmp_path,
    )
    assert grown < 16 * 1024  # KiB


@linux
@pytest.mark.parametrize(
    ("count", "mib"), [(50_000, 16), pytest.param(1_000_000, 165, marks=[pytest.mark.long, pytest.mark.timeout(600)])]
)
def test_memory_of_a_manifest_is_its_paths_and_its_digests(tmp_path, count, mib):
    from array import array

    from datasigil.datasets.entry import Manifest, canonical_parts
    from datasigil.datasets.table import EntryTable, PathColumn

    paths = PathColumn()
    paths.extend([f"part-{number // 1000:04}/record-{number:07}.txt" for number in range(count)])
    with open(tmp_path / "manifest.json", "wb") as file:
        file.writelines(canonical_parts(Manifest(EntryTable.blank(paths, array("Q", [5] * count), blake3=True))))
    grown = run(
        """
        import resource
        from datasigil.datasets.manifest import ManifestFile, parse_manifest
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        one = parse_manifest(ManifestFile(root / "manifest.json"))
        assert one.digest and one.root and one.find("part-0001/record-0001234.txt").size == 5
        print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
        """,
        tmp_path,
    )
    assert grown < mib * 1024  # KiB


@linux
def test_too_few_file_descriptors_is_an_error_and_never_a_pass(dataset, manifest):
    code = """
    import resource
    from datasigil.datasets.manifest import parse_manifest
    one = parse_manifest(bytes.fromhex(sys.argv[2]))
    resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))
    try:
        found = check_files(root, one)
        print(json.dumps([found.ok, sorted(found.failure_counts)]))
    except DatasigilError as error:
        print(json.dumps([False, [error.code]]))
    """
    from datasigil.datasets.manifest import manifest_bytes

    ok, found = run(code, dataset, manifest_bytes(manifest).hex())
    assert not ok
    assert found[0] == "UNREADABLE"


# Pieces ---------------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3 * BATCH_BYTES), max_size=50))
def test_batches_cover_every_file_once_in_order(sizes):
    ranges = plan_batches(sizes)
    assert [index for start, stop in ranges for index in range(start, stop)] == list(range(len(sizes)))
    for start, stop in ranges:
        assert stop - start <= BATCH_FILES
        assert stop - start == 1 or sum(sizes[start:stop]) <= BATCH_BYTES


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)
FAILURES = st.builds(FileFailure, TEXT, TEXT, TEXT, TEXT, TEXT)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), FAILURES), max_size=4), st.integers(1, 40))
def test_batches_survive_a_pipe_in_pieces(parts, step):
    names = ("blake3", "sha256")
    batches = [
        Batch(start, start + count, {name: os.urandom(32 * count) for name in names}, {start: found} if count else {})
        for start, count, found in parts
    ]
    wire = b"".join(map(encode_batch, batches))
    buffer, received = bytearray(), []
    for at in range(0, len(wire), step):
        buffer += wire[at : at + step]
        while (batch := decode_batch(buffer, names, 64)) is not None:
            received.append(batch)
    assert received == batches
    assert not buffer


def test_number_of_workers_follows_the_processors_this_process_may_use():
    assert 1 <= workers.cores() <= 16
