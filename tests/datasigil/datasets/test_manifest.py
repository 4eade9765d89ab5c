"""Manifest v1: the bytes that are accepted, the ones that are refused and why, digest, root and claim."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasigil.canonical import jcs
from datasigil.datasets import manifest_parser
from datasigil.datasets.entry import (
    CHUNK_LEAF,
    FILE_LEAF,
    ChunkTree,
    Manifest,
    ManifestEntry,
    chunk_leaf,
    chunk_tree,
    entry_bytes,
    entry_leaf,
)
from datasigil.datasets.limits import ENTRIES_MAX
from datasigil.datasets.manifest import (
    ManifestClaim,
    manifest_bytes,
    manifest_digest,
    manifest_root,
    manifest_value,
    oms_root,
    parse_manifest,
    read_manifest,
    verify_manifest_claim,
)
from datasigil.datasets.table import EntryTable
from datasigil.errors import DatasigilError, MalformedError, ManifestMismatchError
from datasigil.merkle import leaf_hash

MIB = 1 << 20
HEX = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4


def entry(path, size=3, **changes):
    return ManifestEntry(path, size, HEX, OTHER)._replace(**changes)


def manifest(*paths, **changes):
    return replace(Manifest(tuple(entry(path) for path in paths)), **changes)


def document(*paths):
    return manifest_value(manifest(*(paths or ("a.txt", "b/c.txt"))))


def refused(data):
    if not isinstance(data, bytes):
        data = jcs(data)
    with pytest.raises(MalformedError) as caught:
        parse_manifest(data)
    return caught.value


def code(data):
    return refused(data).code


# What is accepted -----------------------------------------------------------------------------------------------------


def test_manifest_bytes_are_their_rfc_8785_form_and_parse_back():
    one = manifest("a.txt", "b/c.txt", 'd/"quoted"\t\x1f\\'.replace("\\", ""), record_count=7)
    data = manifest_bytes(one)
    assert data == jcs(json.loads(data)) == jcs(manifest_value(one))
    assert parse_manifest(data) == one
    assert read_manifest(json.loads(data)) == one
    assert manifest_digest(one) == sha256(data).hexdigest()


@pytest.mark.parametrize(
    "path",
    [
        "with space.txt",
        "emoji 👩‍💻/🧾.txt",
        "Ünïcödé/straße.txt",
        ".hidden/.file",
        "a..b/c...d",
        "...",
        "~user",
        "-rf",
        "trailing ",
        "tab\tnew\nline\x1b[31m",
        'quote".txt',
        "日本語/データ.jsonl",
        "CON",
        "a" * 255,
        "ab:c",
        "12:30.txt",
    ],
)
def test_unusual_but_honest_names_are_accepted(path):
    data = manifest_bytes(manifest(path))
    assert parse_manifest(data).entries[0].path == path
    assert data == jcs(json.loads(data))


def test_sha256_only_manifest_is_accepted():
    one = Manifest((ManifestEntry("a", 1, HEX),), digests=("sha256",))
    assert parse_manifest(manifest_bytes(one)) == one
    assert "blake3" not in manifest_bytes(one).decode()


def test_large_file_carries_a_chunk_tree_and_round_trips():
    tree = ChunkTree(3, OTHER)
    one = Manifest((entry("big.bin", 33 * MIB, chunks=tree), entry("small.bin")))
    assert parse_manifest(manifest_bytes(one)) == one
    assert read_manifest(manifest_value(one)) == one


@settings(deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="/\\\0:"), min_size=1, max_size=12).filter(
            lambda text: text not in {".", ".."}
        ),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
def test_any_manifest_that_is_written_parses_back_or_is_refused_by_a_path_rule(names):
    one = manifest(*sorted(names))
    data = manifest_bytes(one)
    assert data == jcs(json.loads(data))
    try:
        parsed = parse_manifest(data)
    except MalformedError as error:
        refusal = error.code
    else:
        refusal = ""
        assert parsed == one
    assert refusal in {"", "PATH", "COLLISION"}


@settings(deadline=None)
@given(st.data())
def test_any_single_byte_change_of_a_manifest_is_refused_or_changes_its_digest(data):
    good = manifest_bytes(manifest("a.txt", "b/ç.txt", "b/d.txt"))
    at = data.draw(st.integers(0, len(good) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != good[at]))
    changed = good[:at] + bytes([byte]) + good[at + 1 :]
    try:
        parsed = parse_manifest(changed)
    except MalformedError:
        return
    assert manifest_bytes(parsed) == changed
    assert manifest_digest(parsed) != sha256(good).hexdigest()


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_parser_leaks_no_other_exception(data):
    for candidate in (data, manifest_bytes(manifest("a"))[: len(data)] + data):
        with pytest.raises(MalformedError):
            parse_manifest(candidate)


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a/../../b",
        "a\\..\\b",
        "C:\\x",
        "\\\\host\\x",
        "C:/x",
        "c:x",
        "sub/C:x",
        "..",
        ".",
        "a/./b",
        "a//b",
        "a/",
        "/",
        "",
        "a/..",
        "nul\0byte",
        "e\u0301.txt",  # NFD alone
        "a" * 5000,
    ],
)
def test_path_that_could_leave_the_folder_or_be_misread_is_refused_at_parse(path):
    error = refused(document("ok.txt") | {"entries": [entry_json(path)]})
    assert error.code == "PATH"
    assert error.place == "/entries/0/path"


def entry_json(path, size=3, **more):
    return {"path": path, "size": size, "sha256": HEX, "blake3": OTHER} | more


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("\u00e9.txt", "e\u0301.txt"),  # NFC and NFD
        ("A.txt", "a.txt"),
        ("STRASSE", "stra\u00dfe"),  # full case folding
        ("Data/x", "data/y"),  # a folder spelled in two ways
        ("a", "a/b"),  # a file where a folder is
        ("A/b", "a"),
        ("\u212a.txt", "k.txt"),  # KELVIN SIGN
        ("\u03c3", "\u03c2"),  # both forms of small sigma
        ("x/Y/z", "x/y"),
    ],
)
def test_names_that_some_file_system_takes_for_one_are_a_collision(one, two):
    paths = sorted([one, two])
    assert code(document("ok.txt") | {"entries": [entry_json(path) for path in paths]}) == "COLLISION"


def test_same_path_listed_twice_is_refused():
    assert code(document() | {"entries": [entry_json("a"), entry_json("a", size=4)]}) == "DUP_PATH"


def test_unsorted_manifest_is_refused():
    error = refused(document() | {"entries": [entry_json("b"), entry_json("a")]})
    assert (error.code, error.place) == ("MANIFEST_FORM", "/entries/1/path")


def test_paths_are_sorted_by_utf8_bytes_and_not_by_utf16_units():
    astral, private = "\U0001f600", "\ufb01x"
    assert parse_manifest(manifest_bytes(manifest(private, astral))).entries[0].path == private
    assert code(document() | {"entries": [entry_json(astral), entry_json(private)]}) == "MANIFEST_FORM"


@given(
    st.sets(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=3), max_size=9),
    st.text(st.characters(codec="utf-8"), max_size=3),
)
def test_an_entry_is_found_by_its_path_alone(names, other):
    listed = tuple(entry(path) for path in sorted(names))
    for one in (Manifest(listed), Manifest(EntryTable.of(listed, ("blake3", "sha256")))):
        assert [one.find(path) for path in sorted(names)] == list(listed)
        assert (one.find(other) is None) == (other not in names)


def test_too_many_entries_are_refused_before_they_are_parsed():
    text = b'{"chunkSize":16777216,"digests":["sha256"],"entries":[' + b'{"path":"a","sha256":""}' * (ENTRIES_MAX + 1)
    assert code(text) == "LIMIT"


def test_too_many_entries_in_an_embedded_manifest_are_refused(monkeypatch):
    monkeypatch.setattr(manifest_parser, "ENTRIES_MAX", 2)
    with pytest.raises(MalformedError, match="too many files") as caught:
        read_manifest(document("a", "b", "c"))
    assert caught.value.code == "LIMIT"


def test_oversized_manifest_is_refused_before_it_is_parsed(monkeypatch):
    monkeypatch.setattr(manifest_parser, "MANIFEST_BYTES_MAX", 100)
    assert code(manifest_bytes(manifest("a"))) == "LIMIT"


def test_refusal_of_a_large_document_does_not_parse_it_as_json(monkeypatch):
    monkeypatch.setattr(manifest_parser, "MANIFEST_EXPLAINED_BYTES_MAX", 10)
    assert code(json.dumps(document()).encode()) == "MANIFEST_FORM"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"type": "Manifest"}, "MANIFEST_FORM"),
        ({"formatVersion": 2}, "MANIFEST_VERSION"),
        ({"formatVersion": True}, "MANIFEST_VERSION"),
        ({"formatVersion": "1"}, "MANIFEST_VERSION"),
        ({"surprise": 1}, "UNKNOWN_PROPERTY"),
        ({"digests": ["sha256"]}, "MANIFEST_FORM"),
        ({"digests": ["sha256", "blake3"]}, "MANIFEST_FORM"),
        ({"digests": ["md5"]}, "MANIFEST_FORM"),
        ({"digests": []}, "MANIFEST_FORM"),
        ({"digests": "sha256"}, "MANIFEST_FORM"),
        ({"digests": [1]}, "MANIFEST_FORM"),
        ({"chunkSize": 1024}, "MANIFEST_FORM"),
        ({"chunkSize": True}, "MANIFEST_FORM"),
        ({"ignored": []}, "MANIFEST_FORM"),
        ({"ignored": ["a/"]}, "MANIFEST_FORM"),
        ({"ignored": [".datasigil/", ".datasigil/"]}, "MANIFEST_FORM"),
        ({"ignored": [".git/", ".datasigil/"]}, "MANIFEST_FORM"),
        ({"ignored": ["../x/", ".datasigil/"]}, "PATH"),
        ({"ignored": [".datasigil/", "/x"]}, "PATH"),
        ({"ignored": [".datasigil/", "b/"]}, "MANIFEST_FORM"),  # b/c.txt would never be looked at
        ({"ignored": [".datasigil/", "a.txt"]}, "MANIFEST_FORM"),
        ({"ignored": [".datasigil/"] + [f"x{number:04}" for number in range(1000)]}, "LIMIT"),
        ({"entries": []}, "MANIFEST_FORM"),
        ({"entries": {}}, "MANIFEST_FORM"),
        ({"entries": ["a.txt"]}, "MANIFEST_FORM"),
        ({"recordCount": -1}, "MANIFEST_FORM"),
        ({"recordCount": True}, "MANIFEST_FORM"),
        ({"recordCount": "5"}, "MANIFEST_FORM"),
        ({"entries": [entry_json("a", size=-1)]}, "MANIFEST_FORM"),
        ({"entries": [entry_json("a", size=True)]}, "MANIFEST_FORM"),
        ({"entries": [entry_json("a", size="3")]}, "MANIFEST_FORM"),
        ({"entries": [entry_json("a", sha256=HEX.upper())]}, "DIGEST"),
        ({"entries": [entry_json("a", sha256=HEX[:-1])]}, "DIGEST"),
        ({"entries": [entry_json("a", blake3=5)]}, "DIGEST"),
        ({"entries": [entry_json("a", mode=420)]}, "UNKNOWN_PROPERTY"),
        ({"entries": [{"path": "a", "size": 3, "sha256": HEX}]}, "MANIFEST_FORM"),
        ({"entries": [{"path": "a", "sha256": HEX, "blake3": OTHER}]}, "MANIFEST_FORM"),
        ({"entries": [entry_json(5)]}, "MANIFEST_FORM"),
        ({"entries": [entry_json("a", chunks={"count": 1, "root": HEX})]}, "MANIFEST_FORM"),
        ({"entries": [entry_json("a", size=33 * MIB)]}, "MANIFEST_FORM"),
        ({"entries": [entry_json("a", size=33 * MIB, chunks={"count": 2, "root": HEX})]}, "MANIFEST_FORM"),
        ({"entries": [entry_json("a", size=33 * MIB, chunks={"count": 3, "root": HEX, "x": 1})]}, "UNKNOWN_PROPERTY"),
        ({"entries": [entry_json("a", size=33 * MIB, chunks=[])]}, "MANIFEST_FORM"),
    ],
)
def test_manifest_of_another_shape_is_refused(change, expected):
    value = document() | change
    error = refused(value)
    assert error.code == expected
    assert error.next_action or error.code in {"LIMIT", "DIGEST"}
    with pytest.raises(MalformedError):  # the same rules hold for one embedded in a bundle
        read_manifest(value)


def test_missing_member_is_refused():
    for name in document():
        value = document()
        del value[name]
        assert code(value) in {"MANIFEST_FORM", "MANIFEST_VERSION"}


def test_sizes_that_add_up_beyond_2_53_are_refused():
    size = (1 << 53) - 1
    chunks = {"count": -(-size // (16 * MIB)), "root": HEX}
    value = document() | {"entries": [entry_json(name, size=size, chunks=chunks) for name in "ab"]}
    assert code(value) == "LIMIT"


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        (lambda text: text.replace(b":", b": ", 1), "MANIFEST_FORM"),
        (lambda text: text + b"\n", "MANIFEST_FORM"),
        (lambda text: b" " + text, "MANIFEST_FORM"),
        (lambda text: text.replace(b"a.txt", b"\\u0061.txt"), "MANIFEST_FORM"),
        (lambda text: text.replace(b"b/c", b"b\\/c"), "MANIFEST_FORM"),
        (lambda text: text.replace(b'"size":3', b'"size":03', 1), "PARSE"),
        (lambda text: text.replace(b'"size":3', b'"size":3.0', 1), "NUMBER"),
        (lambda text: text.replace(b'"size":3', b'"size":3e0', 1), "NUMBER"),
        (lambda text: text.replace(b'"size":3', b'"size":NaN', 1), "PARSE"),
        (lambda text: text.replace(b'"size":3', b'"size":' + b"9" * 5000, 1), "NUMBER"),
        (lambda text: text.replace(b'"size":3', b'"size":null', 1), "NULL"),
        (lambda text: text.replace(b'"size":3', b'"size":3,"size":3', 1), "DUP_KEY"),
        (lambda text: text.replace(b"a.txt", b"a\xff.txt"), "ENCODING"),
        (lambda text: text.replace(b"a.txt", b"a\\ud800.txt"), "ENCODING"),
        (lambda text: text.decode().encode("utf-16-le"), "ENCODING"),
        (lambda text: b"\xef\xbb\xbf" + text, "ENCODING"),
        (lambda text: text[:-1], "PARSE"),
        (lambda text: text + text, "PARSE"),
        (lambda text: text.replace(b"]", b",]", 1), "PARSE"),
        (lambda text: b"[" * 100_000, "DEPTH"),
        (lambda text: b"", "PARSE"),
        (lambda text: b"[]", "MANIFEST_FORM"),
        (lambda text: text.replace(b'},{"blake3"', b'},"junk",{"blake3"'), "MANIFEST_FORM"),
    ],
)
def test_bytes_that_are_not_canonical_are_refused_with_the_reason(spelling, expected):
    good = manifest_bytes(manifest("a.txt", "b/c.txt"))
    changed = spelling(good)
    assert changed != good
    assert code(changed) == expected


def test_megabyte_of_nested_arrays_is_refused_quickly():
    assert code(b'{"entries":[' + b"[]," * 300_000 + b"[]]}") == "MANIFEST_FORM"


# Leaves and roots -----------------------------------------------------------------------------------------------------


def test_file_leaf_is_domain_separated():
    one = entry("a.txt")
    assert entry_leaf(one) == sha256(b"\0" + b"datasigil/file/v1\0" + entry_bytes(one)).digest()
    assert entry_leaf(one) != leaf_hash(entry_bytes(one))


def test_chunk_leaf_is_bound_to_index_length_and_digest():
    digest = bytes(32)
    expected = sha256(b"\0" + b"datasigil/chunk/v1\0" + b"\0\0\0\0\0\0\0\5" + b"\0\0\0\7" + digest).digest()
    assert chunk_leaf(5, 7, digest) == expected
    assert len({chunk_leaf(5, 7, digest), chunk_leaf(7, 5, digest), chunk_leaf(5, 7, bytes(31) + b"\1")}) == 3
    assert FILE_LEAF != CHUNK_LEAF


def test_chunk_tree_counts_a_short_last_chunk():
    tree = chunk_tree(33 * MIB, [bytes([number]) * 32 for number in range(3)])
    assert tree.count == 3
    assert tree != chunk_tree(34 * MIB, [bytes([number]) * 32 for number in range(3)])


def test_entries_that_concatenate_alike_have_different_roots():
    assert manifest_root(manifest("ab", "c")) != manifest_root(manifest("a", "bc"))


@settings(deadline=None)
@given(
    st.tuples(st.text("abc1", min_size=1, max_size=6), st.integers(0, 99), st.sampled_from([HEX, OTHER])),
    st.tuples(st.text("abc1", min_size=1, max_size=6), st.integers(0, 99), st.sampled_from([HEX, OTHER])),
)
def test_different_entries_have_different_leaves(one, two):
    leaves = {entry_leaf(ManifestEntry(*fields)) for fields in (one, two)}
    assert len(leaves) == len({one, two})


def test_root_of_a_manifest_does_not_depend_on_its_ignored_list_but_its_digest_does():
    one, two = manifest("a"), manifest("a", ignored=(".datasigil/", ".git/"))
    assert manifest_root(one) == manifest_root(two)
    assert manifest_digest(one) != manifest_digest(two)


def test_oms_root_is_the_digest_of_the_files_digests_in_order():
    one = Manifest((ManifestEntry("a", 1, HEX), ManifestEntry("b", 1, OTHER)), digests=("sha256",))
    assert oms_root(one) == sha256(bytes.fromhex(HEX + OTHER)).hexdigest()


def test_oms_root_orders_by_segments_as_the_openssf_tool_does():
    one = Manifest((ManifestEntry("a.txt", 1, HEX), ManifestEntry("a/b", 1, OTHER)), digests=("sha256",))
    assert oms_root(one) == sha256(bytes.fromhex(OTHER + HEX)).hexdigest()


# Claims ---------------------------------------------------------------------------------------------------------------


def test_claim_of_a_manifest_survives_the_credential_and_verifies():
    one = manifest("a.txt", "b/c.txt", record_count=12)
    claim = ManifestClaim.of(one)
    assert ManifestClaim.from_subject({"manifest": claim.to_subject()}) == claim
    assert claim.to_subject()["assurance"] == "computed"
    verify_manifest_claim(one, claim)


def test_claim_without_a_record_count_is_not_held_against_one():
    verify_manifest_claim(
        manifest("a", record_count=3), replace(ManifestClaim.of(manifest("a", record_count=3)), record_count=None)
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"digest": HEX}, "MANIFEST_DIGEST"),
        ({"root": HEX}, "MANIFEST_ROOT"),
        ({"file_count": 3}, "MANIFEST_FILE_COUNT"),
        ({"byte_size": 7}, "MANIFEST_BYTE_SIZE"),
        ({"record_count": 7}, "MANIFEST_RECORD_COUNT"),
        ({"chunk_size": 1024}, "MANIFEST_CHUNK_SIZE"),
        ({"ignored": (".datasigil/", "x")}, "MANIFEST_IGNORED"),
    ],
)
def test_claim_that_differs_in_one_figure_is_refused(change, expected):
    one = manifest("a.txt", "b/c.txt")
    with pytest.raises(ManifestMismatchError) as caught:
        verify_manifest_claim(one, replace(ManifestClaim.of(one), **change))
    assert caught.value.code == expected
    assert caught.value.expected
    assert caught.value.found
    assert caught.value.next_action


def test_manifest_of_another_dataset_is_refused():
    with pytest.raises(ManifestMismatchError) as caught:
        verify_manifest_claim(manifest("b.txt"), ManifestClaim.of(manifest("a.txt")))
    assert caught.value.code.startswith("MANIFEST_")


@pytest.mark.parametrize(
    "change",
    [
        {"digest": None},
        {"digest": HEX.upper()},
        {"root": 5},
        {"fileCount": "2"},
        {"fileCount": True},
        {"byteSize": -1},
        {"chunkSize": 1.5},
        {"ignored": "x"},
        {"ignored": [1]},
        {"recordCount": "1"},
    ],
)
def test_malformed_claim_is_refused(change):
    claim = ManifestClaim.of(manifest("a")).to_subject() | change
    with pytest.raises(DatasigilError) as caught:
        ManifestClaim.from_subject({"manifest": claim})
    assert caught.value.code in {"SCHEMA", "DIGEST"}
    assert caught.value.place.startswith("/manifest")


def test_subject_without_a_manifest_is_refused():
    with pytest.raises(MalformedError):
        ManifestClaim.from_subject({})
