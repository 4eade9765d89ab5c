"""Evidence bundles: the closed frame, its limits, its sidecar, and writing in one step."""

import json
import os

import pytest

from datasigil import bundle as bundle_module
from datasigil.bundle import (
    DATASET_BUNDLE,
    Bundle,
    LogEvidence,
    bundle_bytes,
    find_bundle,
    is_bundle,
    parse_bundle,
    read_bundle,
    sidecar_path,
    with_evidence,
    write_bundle,
)
from datasigil.canonical import document_digest
from datasigil.errors import DatasigilError, MalformedError
from datasigil.limits import CREDENTIAL_MAX_BYTES, MANIFEST_EMBED_MAX_BYTES

SHA256 = "ab" * 32
SHA384 = "sha384-" + "A" * 64


def sample(**changes) -> Bundle:
    values = {
        "credential": {"id": "urn:uuid:1", "type": ["VerifiableCredential"]},
        "manifest": {"type": "DatasetManifest", "entries": []},
        "log": LogEvidence("c2sp.org/tlog-proof@v1\n…", ("key",), "https://registry.example/log"),
        "status_lists": ({"id": "https://registry.example/l"},),
        "issuer_keys": ({"id": "did:key:z#z", "type": "Multikey"},),
        "contexts": {"https://www.w3.org/ns/credentials/v2": SHA256},
        "schemas": {"https://w3id.org/datasigil/schemas/x.json": SHA384},
    }
    return Bundle(**{**values, **changes})


def document(**changes) -> dict:
    base = sample().document()
    base.update(changes)
    return {name: value for name, value in base.items() if value is not Ellipsis}


def refuse(value, code: str, place: str = "") -> MalformedError:
    with pytest.raises(MalformedError) as caught:
        parse_bundle(value if isinstance(value, bytes) else json.dumps(value).encode())
    assert (caught.value.code, caught.value.place) == (code, place or caught.value.place)
    return caught.value


def test_bundle_reads_back_as_written():
    bundle = sample(parents=(sample(manifest=None, log=None),))
    assert parse_bundle(bundle_bytes(bundle)) == bundle


def test_smallest_bundle_holds_a_credential_only():
    small = parse_bundle(b'{"type":"EvidenceBundle","formatVersion":1,"credential":{}}')
    assert small == Bundle(credential={})
    assert small.log is None
    assert small.status_lists == ()


def test_bundle_bytes_do_not_depend_on_the_order_of_members():
    shuffled = dict(reversed(list(document().items())))
    assert bundle_bytes(parse_bundle(json.dumps(shuffled, indent=3).encode())) == bundle_bytes(sample())


def test_bundles_and_credentials_are_told_apart():
    assert is_bundle(document())
    assert not is_bundle({"type": ["VerifiableCredential"]})
    assert not is_bundle(["EvidenceBundle"])


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"type": "Bundle"}, "SCHEMA", "/type"),
        ({"type": ["EvidenceBundle"]}, "SCHEMA", "/type"),
        ({"type": ...}, "SCHEMA", "/type"),
        ({"formatVersion": 2}, "VERSION", "/formatVersion"),
        ({"formatVersion": "1"}, "VERSION", "/formatVersion"),
        ({"formatVersion": True}, "VERSION", "/formatVersion"),
        ({"formatVersion": ...}, "VERSION", "/formatVersion"),
        ({"integratedTime": 1}, "UNKNOWN_PROPERTY", "/integratedTime"),
        ({"a/b~c": 1}, "UNKNOWN_PROPERTY", "/a~1b~0c"),
        ({"credential": ...}, "SCHEMA", "/credential"),
        ({"credential": []}, "SCHEMA", "/credential"),
        ({"credential": "jwt"}, "SCHEMA", "/credential"),
        ({"manifest": []}, "SCHEMA", "/manifest"),
        ({"log": "text"}, "SCHEMA", "/log"),
        ({"log": {}}, "SCHEMA", "/log/proof"),
        ({"log": {"proof": ""}}, "SCHEMA", "/log/proof"),
        ({"log": {"proof": 1}}, "SCHEMA", "/log/proof"),
        ({"log": {"proof": "x", "keys": "k"}}, "SCHEMA", "/log/keys"),
        ({"log": {"proof": "x", "keys": [1]}}, "SCHEMA", "/log/keys/0"),
        ({"log": {"proof": "x", "keys": ["k"] * 65}}, "SCHEMA", "/log/keys"),
        ({"log": {"proof": "x", "url": 1}}, "SCHEMA", "/log/url"),
        ({"log": {"proof": "x", "time": "now"}}, "UNKNOWN_PROPERTY", "/log/time"),
        ({"statusLists": {}}, "SCHEMA", "/statusLists"),
        ({"statusLists": ["x"]}, "SCHEMA", "/statusLists/0"),
        ({"statusLists": [{}] * 17}, "LIMIT", "/statusLists"),
        ({"issuerKeys": [{}] * 33}, "LIMIT", "/issuerKeys"),
        ({"issuerKeys": [[]]}, "SCHEMA", "/issuerKeys/0"),
        ({"parents": {}}, "SCHEMA", "/parents"),
        ({"parents": [1]}, "SCHEMA", "/parents/0"),
        ({"parents": [{}]}, "SCHEMA", "/parents/0/type"),
        ({"parents": [{"type": "EvidenceBundle", "formatVersion": 1}]}, "SCHEMA", "/parents/0/credential"),
        ({"contexts": []}, "SCHEMA", "/contexts"),
        ({"contexts": {"https://x": "AB" * 32}}, "DIGEST", "/contexts/https:~1~1x"),
        ({"contexts": {"https://x": 5}}, "DIGEST", "/contexts/https:~1~1x"),
        ({"schemas": {"https://x": SHA256}}, "DIGEST", "/schemas/https:~1~1x"),
        ({"schemas": {"https://x": {}}}, "SCHEMA", "/schemas/https:~1~1x"),
    ],
)
def test_other_shapes_are_refused_with_their_place(changes, code, place):
    refuse(document(**changes), code, place)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "PARSE"),
        (b"[]", "SCHEMA"),
        (b'"EvidenceBundle"', "SCHEMA"),
        (b'{"type":"EvidenceBundle","type":"EvidenceBundle"}', "DUP_KEY"),
        (b'{"type":"EvidenceBundle","formatVersion":1,"credential":{"a":null}}', "NULL"),
        (b'{"type":"EvidenceBundle","formatVersion":1.0,"credential":{}}', "NUMBER"),
        (b'{"type":"EvidenceBundle","formatVersion":1,"credential":{}}x', "PARSE"),
        (b"\xef\xbb\xbf{}", "ENCODING"),
        ('{"type":"EvidenceBundle"}'.encode("utf-16"), "ENCODING"),
        (b"[" * 100_000, "DEPTH"),
    ],
)
def test_bytes_that_are_no_strict_json_are_refused(data, code):
    refuse(data, code)


def test_every_prefix_of_a_bundle_is_refused():
    data = bundle_bytes(sample())
    for end in range(len(data)):
        with pytest.raises(MalformedError):
            parse_bundle(data[:end])


def test_credential_above_one_mebibyte_is_refused():
    fits = {"pad": "x" * (CREDENTIAL_MAX_BYTES - len('{"pad":""}'))}
    assert parse_bundle(json.dumps(document(credential=fits)).encode()).credential == fits
    refuse(document(credential={"pad": fits["pad"] + "x"}), "LIMIT", "/credential")


def test_embedded_manifest_above_eight_mebibytes_is_refused():
    refuse(document(manifest={"pad": "x" * MANIFEST_EMBED_MAX_BYTES}), "LIMIT", "/manifest")


def test_too_many_or_too_deep_parents_are_refused():
    parent = {"type": "EvidenceBundle", "formatVersion": 1, "credential": {}}
    refuse(document(parents=[parent] * 257), "LIMIT", "/parents")
    half = {**parent, "parents": [parent] * 128}
    assert refuse(document(parents=[half, half]), "LIMIT").place == "/parents"
    chain = parent
    for _ in range(20):
        chain = {**parent, "parents": [chain]}
    refuse(document(parents=[chain]), "DEPTH")


def test_ancestors_are_found_by_credential_digest_wherever_they_are():
    grandparent = Bundle(credential={"id": "urn:uuid:grandparent"})
    parent = Bundle(credential={"id": "urn:uuid:parent"}, parents=(grandparent,))
    bundle = sample(parents=(parent,))
    assert bundle.find(document_digest(grandparent.credential)) is grandparent
    assert bundle.find(SHA256) is None
    assert [one.credential["id"] for one in bundle.walk()] == ["urn:uuid:1", "urn:uuid:parent", "urn:uuid:grandparent"]


def test_refreshed_bundle_has_new_evidence_and_the_same_credential():
    old = sample()
    new = with_evidence(old, log=LogEvidence("newer"), status_lists=[{"id": "newer"}])
    assert (new.log.proof, new.status_lists) == ("newer", ({"id": "newer"},))
    assert (new.credential, new.manifest, new.issuer_keys) == (old.credential, old.manifest, old.issuer_keys)
    assert with_evidence(old) == old


def test_values_that_form_no_bundle_are_not_written():
    with pytest.raises(MalformedError):
        bundle_bytes(sample(contexts={"https://x": "no digest"}))


# On disk ------------------------------------------------------------------------------------------------------------


def test_small_manifest_is_embedded(tmp_path):
    path = tmp_path / "data.sigil.json"
    write_bundle(path, sample(manifest=None), b'{"entries":[],"type":"DatasetManifest"}')
    bundle, sidecar = read_bundle(path)
    assert bundle == sample()
    assert sidecar is None
    assert [file.name for file in tmp_path.iterdir()] == ["data.sigil.json"]


def test_large_manifest_lies_beside_the_bundle(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_module, "MANIFEST_EMBED_MAX_BYTES", 10)
    path, manifest = tmp_path / "data.sigil.json", b'{"type":"DatasetManifest"}'
    write_bundle(path, sample(manifest=None), manifest)
    bundle, sidecar = read_bundle(path)
    assert bundle.manifest is None
    assert sidecar == manifest
    assert sidecar_path(path).name == "data.manifest.json"


def test_bundle_without_manifest_and_sidecar_reads_as_such(tmp_path):
    path = tmp_path / "data.sigil.json"
    write_bundle(path, sample(manifest=None))
    assert read_bundle(path)[1] is None


def test_dataset_folder_holds_its_bundle(tmp_path):
    write_bundle(tmp_path / DATASET_BUNDLE, sample())
    assert find_bundle(tmp_path) == tmp_path / ".datasigil" / "bundle.sigil.json"
    assert find_bundle(find_bundle(tmp_path)) == find_bundle(tmp_path)


def test_folder_without_a_bundle_is_an_error_that_says_what_to_do(tmp_path):
    for path in (tmp_path, tmp_path / "none.sigil.json"):
        with pytest.raises(DatasigilError) as caught:
            find_bundle(path)
        assert caught.value.code == "NO_BUNDLE"
        assert caught.value.next_action


def test_file_above_the_limit_is_not_read_whole(tmp_path):
    path = tmp_path / "huge.sigil.json"
    with path.open("wb") as stream:
        stream.truncate(10 * 1024**3)
    with pytest.raises(MalformedError) as caught:
        read_bundle(path)
    assert caught.value.code == "LIMIT"


def test_disk_full_while_writing_leaves_the_old_bundle(tmp_path, monkeypatch):
    path = tmp_path / "data.sigil.json"
    write_bundle(path, sample())
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_bundle(path, sample(manifest=None))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["data.sigil.json"]


def test_frozen_bundle_of_version_one_still_reads(repository):
    data = (repository / "tests/vectors/transparency/bundle-v1.sigil.json").read_bytes()
    assert bundle_bytes(parse_bundle(data)) == data
