"""Every case of the table, through the library."""

import os
import subprocess
import sys
import textwrap

import pytest
from adversarial.bad_files import BASE, CASES, ERRNOS, VALID, Case, write

from datasigil.datasets.files import build_manifest, check_files
from datasigil.datasets.finding import FILE_CODES
from datasigil.datasets.limits import READ_BUFFER_BYTES
from datasigil.datasets.manifest import manifest_bytes, parse_manifest
from datasigil.errors import DatasigilError
from datasigil.gate.snapshot import snapshot_files
from datasigil.report.codes import all_reasons

FOLDER_CASES = [case for case in CASES if case.face in ("check", "partial")]


@pytest.fixture
def base(tmp_path):
    for path, data in BASE.items():
        write(tmp_path / "dataset", path, data)
    assert len(BASE["blob.bin"]) > READ_BUFFER_BYTES
    return tmp_path / "dataset"


def checked(base, manifest, **options):
    """Return the codes of a check, or VALID; a finding says VALID only of what it counted."""
    finding = check_files(base, manifest, **options)
    if finding.ok:
        assert finding.bytes <= manifest.byte_size
        return {VALID}
    assert set(finding.failure_counts) <= set(FILE_CODES)
    for one in finding.failures:
        assert one.message.isprintable()
    return set(finding.failure_counts)


def run(case, base):
    """Return the codes that a case led to."""
    if case.face == "manifest":
        data = manifest_bytes(build_manifest(base))
        return refusal(lambda: parse_manifest(case.change(data)))
    if case.face == "build":
        case.change(base)
        codes = refusal(lambda: build_manifest(base))
        return checked(base, parse_manifest(manifest_bytes(build_manifest(base)))) if codes == {VALID} else codes
    manifest = build_manifest(base)
    case.change(base)
    return checked(base, manifest, partial=case.face == "partial", digest="all")


def refusal(work):
    try:
        work()
    except DatasigilError as error:
        refused = error
    else:
        return {VALID}
    assert refused.place or refused.expected or refused.next_action
    assert str(refused).isprintable()
    return {refused.code}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_refused_by_name_and_honest_input_is_not(case: Case, base):
    found = run(case, base)
    assert case.expected in found, found
    assert (case.expected == VALID) == (found == {VALID})


@pytest.mark.parametrize("digest", ["default", "sha256", "blake3"])
@pytest.mark.parametrize("case", [one for one in FOLDER_CASES if one.face == "check"], ids=lambda case: case.name)
def test_every_choice_of_digests_decides_alike(case: Case, base, digest):
    manifest = build_manifest(base)
    case.change(base)
    assert case.expected in checked(base, manifest, digest=digest)


@pytest.mark.parametrize(
    "case",
    [one for one in FOLDER_CASES if one.face == "check" and one.name != "sparse and huge"],
    ids=lambda case: case.name,
)
def test_the_gates_copy_decides_like_the_check(case: Case, base, tmp_path):
    manifest = build_manifest(base)
    case.change(base)
    finding, snapshot = snapshot_files(manifest, base, tmp_path / "copies" / "copy")
    assert (snapshot is not None) == (case.expected == VALID)
    assert case.expected in ({VALID} if finding.ok and snapshot else set(finding.failure_counts))
    if snapshot is None:
        assert not list((tmp_path / "copies").glob("*")) if (tmp_path / "copies").exists() else True


@pytest.mark.parametrize("name", ERRNOS)
@pytest.mark.parametrize("call", ["open", "preadv"])
def test_an_error_of_the_operating_system_is_named_and_never_a_match(base, monkeypatch, name, call):
    manifest = build_manifest(base)
    real = getattr(os, call)

    def failing(first, *rest, **options):
        if call == "preadv" or first in ("README.md", "blob.bin"):
            raise OSError(ERRNOS[name], os.strerror(ERRNOS[name]))
        return real(first, *rest, **options)

    monkeypatch.setattr(os, call, failing)
    found = checked(base, manifest)
    assert found == {"UNREADABLE"}
    assert refusal(lambda: build_manifest(base)) == {"UNREADABLE"}


@pytest.mark.parametrize("limit", [0, 1000, 300_000])
def test_a_disk_that_fills_up_leaves_no_copy(base, tmp_path, limit):
    program = """
        import resource, signal, sys
        from pathlib import Path
        from datasigil.datasets.files import build_manifest
        from datasigil.errors import DatasigilError
        from datasigil.gate.snapshot import snapshot_files
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        one = build_manifest(Path(sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
        try:
            snapshot_files(one, Path(sys.argv[1]), Path(sys.argv[2]))
        except DatasigilError as error:
            print(error.code)
    """
    words = [sys.executable, "-c", textwrap.dedent(program), base, tmp_path / "copies/copy", str(limit)]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() == "DISK_FULL"
    assert list((tmp_path / "copies").iterdir()) == []


def test_the_table_is_as_large_as_promised_and_names_codes_that_exist():
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert len(CASES) >= 120
    assert sum(case.expected == VALID for case in CASES) >= 20
    assert {case.expected for case in CASES} - {VALID} <= set(all_reasons())
