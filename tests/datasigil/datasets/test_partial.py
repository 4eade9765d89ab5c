"""A part of a dataset with its proofs: what is established is said in files and bytes, and nothing else passes."""

import os

import pytest

from datasigil.canonical import jcs
from datasigil.datasets.entry import CHUNK_BYTES, leaves
from datasigil.datasets.files import build_manifest
from datasigil.datasets.manifest import ManifestClaim
from datasigil.datasets.partial import check_part, chunk_digests
from datasigil.datasets.parts import parse_part_proof, prove_part, verify_part
from datasigil.encoding import parse_json
from datasigil.errors import DatasigilError, MalformedError, ManifestMismatchError
from datasigil.merkle import Levels, inclusion_proof, verify_inclusion

MIB = 1 << 20


@pytest.fixture(scope="module", params=[("blake3", "sha256"), ("sha256",)], ids=["both", "sha256"])
def whole(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    (root / "big.bin").write_bytes(os.urandom(MIB) * 35)
    (root / "small").mkdir()
    for number in range(9):
        (root / f"small/{number}.txt").write_text(f"file {number}")
    return root, build_manifest(root, digests=request.param)


@pytest.fixture
def part(tmp_path):
    place = tmp_path / "part"
    place.mkdir()
    return place


def proof_of(whole, *paths, ranges=()):
    root, manifest = whole
    made = prove_part(manifest, paths, {"big.bin": ranges} if ranges else {}, lambda entry: chunk_digests(root, entry))
    again = parse_part_proof(parse_json(jcs(made.to_json())))
    assert again == made
    return again


def finding_of(whole, place, proof, **options):
    claim = ManifestClaim.of(whole[1])
    verify_part(proof, claim)
    return check_part(place, proof.manifest(claim), proof, **options)


def codes(finding):
    return {(one.code, one.path) for one in finding.failures}


def copy(whole, place, *paths):
    for path in paths:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes((whole[0] / path).read_bytes())


def copy_range(whole, place, *numbers):
    data = (whole[0] / "big.bin").read_bytes()
    with open(place / "big.bin", "wb") as file:
        for number in numbers:
            file.seek(number * CHUNK_BYTES)
            file.write(data[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES])


def test_some_whole_files_are_established(whole, part):
    copy(whole, part, "small/1.txt", "small/7.txt")
    finding = finding_of(whole, part, proof_of(whole, "small/1.txt", "small/7.txt"))
    assert finding.ok
    assert (finding.scope, finding.files, finding.bytes, finding.missing) == ("part", 2, 12, 0)


def test_a_large_file_may_be_whole(whole, part):
    copy(whole, part, "big.bin")
    finding = finding_of(whole, part, proof_of(whole, "big.bin"))
    assert finding.ok
    assert finding.bytes == 35 * MIB


@pytest.mark.parametrize("numbers", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_ranges_of_a_large_file_are_established_where_they_lie(whole, part, numbers):
    copy_range(whole, part, *numbers)
    finding = finding_of(whole, part, proof_of(whole, ranges=numbers))
    assert finding.ok
    assert (finding.scope, finding.files, finding.ranged_files) == ("part", 0, 1)
    assert finding.ranged_bytes == sum(min(CHUNK_BYTES, 35 * MIB - number * CHUNK_BYTES) for number in numbers)
    assert not finding.establishes("sha256")


def test_ranges_and_files_go_together(whole, part):
    copy(whole, part, "small/1.txt")
    copy_range(whole, part, 1)
    finding = finding_of(whole, part, proof_of(whole, "small/1.txt", "small/2.txt", ranges=(1,)))
    assert finding.ok
    assert (finding.files, finding.ranged_files, finding.missing) == (1, 1, 1)


def test_what_the_proofs_do_not_cover_is_not_looked_at_and_not_counted(whole, part):
    copy(whole, part, "big.bin")
    with open(part / "big.bin", "r+b") as file:
        file.write(b"another beginning")
    finding = finding_of(whole, part, proof_of(whole, ranges=(1, 2)))
    assert finding.ok
    assert finding.ranged_bytes == 19 * MIB


def changed_chunk(place):
    with open(place / "big.bin", "r+b") as file:
        file.seek(CHUNK_BYTES + 5)
        file.write(b"\0\1\2")


def short_chunk(place):
    os.truncate(place / "big.bin", 2 * CHUNK_BYTES - 1)


def linked(place):
    (place / "big.bin").rename(place.parent / "big.bin")
    (place / "big.bin").symlink_to(place.parent / "big.bin")


def pipe(place):
    (place / "big.bin").unlink()
    os.mkfifo(place / "big.bin")


def extra(place):
    (place / "extra").write_text("x")


def folder(place):
    (place / "big.bin").unlink()
    (place / "big.bin").mkdir()
    (place / "big.bin/x").write_text("x")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [(changed_chunk, "CHUNK"), (short_chunk, "CHUNK"), (linked, "SYMLINK"), (pipe, "SPECIAL_FILE"), (extra, "EXTRA_FILE"), (folder, "EXTRA_FILE")],
)  # fmt: skip
@pytest.mark.parametrize("others", [(), ("small/1.txt",)])
def test_anything_else_in_the_place_of_a_range_is_refused(whole, part, spoil, code, others):
    copy(whole, part, *others)
    copy_range(whole, part, 1)
    spoil(part)
    finding = finding_of(whole, part, proof_of(whole, *others, ranges=(1,)))
    assert code in {found for found, _ in codes(finding)}
    assert not finding.ok


def test_a_file_that_no_proof_lists_is_refused_although_the_dataset_has_it(whole, part):
    copy(whole, part, "small/1.txt", "small/2.txt")
    assert codes(finding_of(whole, part, proof_of(whole, "small/1.txt"))) == {("EXTRA_FILE", "small/2.txt")}


@pytest.mark.parametrize("ranges", [(), (0,)])
def test_an_empty_folder_establishes_nothing(whole, part, ranges):
    paths = ("small/1.txt",) if not ranges else ()
    finding = finding_of(whole, part, proof_of(whole, *paths, ranges=ranges))
    assert codes(finding) == {("FILE_MISSING", ".")}


def test_changed_bytes_of_a_whole_file_are_refused(whole, part):
    copy(whole, part, "small/1.txt")
    (part / "small/1.txt").write_text("file 2")
    assert codes(finding_of(whole, part, proof_of(whole, "small/1.txt"))) == {("FILE_DIGEST", "small/1.txt")}


# Proofs ---------------------------------------------------------------------------------------------------------------


def document(whole):
    return proof_of(whole, "small/1.txt", "small/7.txt", ranges=(0, 2)).to_json()


def swap_entry(doc):
    doc["files"][1]["entry"], doc["files"][2]["entry"] = doc["files"][2]["entry"], doc["files"][1]["entry"]


CHANGES = {
    "size": lambda doc: doc["files"][1]["entry"].update(size=7),
    "sha256": lambda doc: doc["files"][1]["entry"].update(sha256="0" * 64),
    "path": lambda doc: doc["files"][1]["entry"].update(path="small/11.txt"),
    "chunk root": lambda doc: doc["files"][0]["entry"]["chunks"].update(root="0" * 64),
    "index": lambda doc: doc["files"][2].update(index=doc["files"][2]["index"] + 1),
    "hash": lambda doc: doc["files"][1]["proof"].__setitem__(0, "A" * 43 + "="),
    "hash fewer": lambda doc: doc["files"][1]["proof"].pop(),
    "hash more": lambda doc: doc["files"][1]["proof"].append("A" * 43 + "="),
    "no hashes": lambda doc: doc["files"][1].update(proof=[]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_proof_with_one_thing_changed_does_not_lead_to_the_root(whole, change):
    doc = document(whole)
    change(doc)
    with pytest.raises(ManifestMismatchError) as caught:
        verify_part(parse_part_proof(doc), ManifestClaim.of(whole[1]))
    assert caught.value.code == "INCLUSION"


@pytest.mark.parametrize("at", [0, 1])
def test_a_chunks_proof_with_one_hash_changed_is_refused(whole, part, at):
    copy_range(whole, part, 0, 2)
    doc = proof_of(whole, ranges=(0, 2)).to_json()
    doc["files"][0]["chunks"][at]["proof"][0] = "A" * 43 + "="
    assert codes(finding_of(whole, part, parse_part_proof(doc))) == {("CHUNK", "big.bin")}


FORMS = {
    "type": lambda doc: doc.update(type="FileProof"),
    "version": lambda doc: doc.update(formatVersion=2),
    "version true": lambda doc: doc.update(formatVersion=True),
    "no files": lambda doc: doc.update(files=[]),
    "files no list": lambda doc: doc.update(files={}),
    "more": lambda doc: doc.update(more=1),
    "file no object": lambda doc: doc["files"].__setitem__(0, 1),
    "file more": lambda doc: doc["files"][0].update(more=1),
    "file less": lambda doc: doc["files"][0].pop("index"),
    "index negative": lambda doc: doc["files"][0].update(index=-1),
    "index text": lambda doc: doc["files"][0].update(index="0"),
    "index true": lambda doc: doc["files"][0].update(index=True),
    "file twice": lambda doc: doc["files"].append(doc["files"][-1]),
    "files unsorted": lambda doc: doc["files"].reverse(),
    "chunks empty": lambda doc: doc["files"][0].update(chunks=[]),
    "chunks of a small file": lambda doc: doc["files"][1].update(chunks=[{"index": 0, "proof": []}]),
    "chunk twice": lambda doc: doc["files"][0]["chunks"].append(doc["files"][0]["chunks"][-1]),
    "chunk more": lambda doc: doc["files"][0]["chunks"][0].update(more=1),
    "chunk no object": lambda doc: doc["files"][0]["chunks"].__setitem__(0, 0),
    "chunk index true": lambda doc: doc["files"][0]["chunks"][0].update(index=True),
    "chunk proof no list": lambda doc: doc["files"][0]["chunks"][0].update(proof="A"),
    "too many hashes": lambda doc: doc["files"][0].update(proof=["A" * 43 + "="] * 65),
    "not base64": lambda doc: doc["files"][0].update(proof=["!"]),
    "path up": lambda doc: doc["files"][1]["entry"].update(path="../x"),
    "no chunk tree": lambda doc: doc["files"][0]["entry"].pop("chunks"),
}


@pytest.mark.parametrize("change", FORMS.values(), ids=FORMS)
def test_a_malformed_document_is_refused_with_its_place(whole, change):
    doc = document(whole)
    change(doc)
    with pytest.raises(MalformedError) as caught:
        parse_part_proof(doc)
    assert caught.value.message


def test_unknown_files_and_chunks_cannot_be_proven(whole):
    with pytest.raises(DatasigilError) as caught:
        proof_of(whole, "none.txt")
    assert caught.value.code == "FILE_MISSING"
    with pytest.raises(MalformedError) as caught:
        proof_of(whole, ranges=(3,))
    assert caught.value.code == "CHUNK"
    with pytest.raises(MalformedError) as caught:
        proof_of(whole)
    assert caught.value.code == "LIMIT"


def test_ranges_are_proven_from_the_listed_file_only(whole, tmp_path):
    root, manifest = whole
    (tmp_path / "big.bin").write_bytes((root / "big.bin").read_bytes()[:-1] + b"\0")
    with pytest.raises(DatasigilError) as caught:
        chunk_digests(tmp_path, manifest.entries[0])
    assert caught.value.code == "FILE_DIGEST"
    (tmp_path / "big.bin").unlink()
    with pytest.raises(DatasigilError):
        chunk_digests(tmp_path, manifest.entries[0])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 33, 64, 100])
def test_all_levels_give_the_audit_paths_of_rfc_9162(size):
    hashes = [bytes([number]) * 32 for number in range(size)]
    levels = Levels(hashes)
    assert [levels.inclusion_proof(at) for at in range(size)] == [inclusion_proof(hashes, at) for at in range(size)]


def test_a_proof_of_one_file_among_many_is_short(whole):
    manifest = whole[1]
    for index, leaf in enumerate(leaves(manifest)):
        proof = proof_of(whole, manifest.entries[index].path).files[0].file
        verify_inclusion(leaf, index, manifest.file_count, proof.proof, manifest.root)
        assert len(proof.proof) <= 4
