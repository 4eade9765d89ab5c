"""Log entries: what the registry hashes and the verifier rebuilds."""

import json
from hashlib import sha256

import pytest

from datasigil.errors import MalformedError
from datasigil.transparency.entry import (
    KINDS,
    REQUEST_KINDS,
    LogEntry,
    entry_bundle,
    log_entry,
    parse_entry,
    parse_entry_bundle,
)

DIGEST = sha256(b"credential").hexdigest()
REQUEST = sha256(b"request").hexdigest()
ISSUER = "did:key:z6MkpTHR8VNsBxYAAWHut2Geadd9jSwuBV8xRoAnwWsdvktH"


def entry(**changes) -> bytes:
    document = json.loads(log_entry("issue", DIGEST, ISSUER, "DatasetCredential"))
    document.update(changes)
    kept = {name: value for name, value in document.items() if value is not None}
    return json.dumps(kept, separators=(",", ":"), sort_keys=True).encode()


def test_entry_is_canonical_and_holds_digests_only():
    data = log_entry("issue", DIGEST, ISSUER, "DatasetCredential")
    assert (
        data
        == (
            f'{{"credentialDigest":"{DIGEST}","issuerDigest":"{sha256(ISSUER.encode()).hexdigest()}",'
            f'"kind":"issue","typeDigest":"{sha256(b"DatasetCredential").hexdigest()}","v":1}}'
        ).encode()
    )
    assert b"did:" not in data


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_back_as_written(kind):
    request = REQUEST if kind in REQUEST_KINDS else None
    data = log_entry(kind, DIGEST, ISSUER, "DatasetCredential", request)
    parsed = parse_entry(data)
    assert parsed == LogEntry(
        kind, DIGEST, sha256(ISSUER.encode()).hexdigest(), sha256(b"DatasetCredential").hexdigest(), request
    )
    assert parsed.to_bytes() == data


@pytest.mark.parametrize("kind", REQUEST_KINDS)
def test_status_and_key_entries_need_the_digest_of_the_signed_request(kind):
    with pytest.raises(MalformedError) as caught:
        log_entry(kind, DIGEST, ISSUER, "DatasetCredential")
    assert (caught.value.code, caught.value.place) == ("ENTRY", "/requestDigest")


def test_issue_entry_with_a_request_digest_is_refused():
    with pytest.raises(MalformedError):
        log_entry("issue", DIGEST, ISSUER, "DatasetCredential", REQUEST)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "forget"}, "ENTRY"),
        ({"kind": 1}, "ENTRY"),
        ({"v": 2}, "ENTRY"),
        ({"v": True}, "ENTRY"),
        ({"v": "1"}, "ENTRY"),
        ({"v": None}, "ENTRY"),
        ({"extra": "x"}, "ENTRY"),
        ({"issuerDigest": None}, "ENTRY"),
        ({"credentialDigest": DIGEST.upper()}, "DIGEST"),
        ({"credentialDigest": DIGEST[:-2]}, "DIGEST"),
        ({"typeDigest": 7}, "DIGEST"),
        ({"requestDigest": REQUEST}, "ENTRY"),
    ],
)
def test_malformed_entries_are_refused(changes, code):
    with pytest.raises(MalformedError) as caught:
        parse_entry(entry(**changes))
    assert caught.value.code == code


def test_another_spelling_of_the_same_entry_is_refused():
    data = log_entry("issue", DIGEST, ISSUER, "DatasetCredential")
    for other in (data + b"\n", data.replace(b",", b", "), json.dumps(json.loads(data), sort_keys=False).encode()):
        with pytest.raises(MalformedError):
            parse_entry(other)


def test_entries_differ_when_any_part_differs():
    base = log_entry("revoke", DIGEST, ISSUER, "DatasetCredential", REQUEST)
    others = {
        log_entry("suspend", DIGEST, ISSUER, "DatasetCredential", REQUEST),
        log_entry("revoke", REQUEST, ISSUER, "DatasetCredential", REQUEST),
        log_entry("revoke", DIGEST, ISSUER + "x", "DatasetCredential", REQUEST),
        log_entry("revoke", DIGEST, ISSUER, "ModelTrainingCredential", REQUEST),
        log_entry("revoke", DIGEST, ISSUER, "DatasetCredential", DIGEST),
    }
    assert len(others) == 5
    assert base not in others


def test_entry_bundles_read_back_as_written():
    entries = [b"", b"a", b"b" * 300]
    assert entry_bundle(entries) == b"\x00\x00\x00\x01a\x01\x2c" + b"b" * 300
    assert parse_entry_bundle(entry_bundle(entries), 3) == entries


def test_entry_bundles_of_another_length_are_refused():
    data = entry_bundle([b"one", b"two"])
    for broken, width in [(data, 1), (data, 3), (b"", 1), *((data[:end], 2) for end in range(len(data)))]:
        with pytest.raises(MalformedError) as caught:
            parse_entry_bundle(broken, width)
        assert caught.value.code == "ENTRY_BUNDLE"
