"""Bitstring status lists: bits, bounds, and the list credential."""

import copy
import gzip
import json
import resource
import subprocess
import sys
import zlib
from datetime import timedelta

import pytest

from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.status_list import decode_list, encode_list, new_status_list_credential, parse_status_list
from datasigil.encoding import b64url_decode, b64url_encode
from datasigil.errors import MalformedError, ProofError, StatusError
from datasigil.signing import add_proof

LIST_ID = "https://registry.example/status-lists/example/revocation"
# Bitstring Status List v1.0, section 4 (example 1): 16 KiB of zeros.
SPECIFICATION_EXAMPLE = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA"


@pytest.fixture
def document(signer, now):
    bits = bytearray(16384)
    bits[0] = 0x80
    return new_status_list_credential(
        list_id=LIST_ID, issuer=signer.controller, purpose="revocation", bits=bytes(bits), valid_from=now, valid_until=now + timedelta(days=7),
        replay=("registry.example/log", 12),
    )  # fmt: skip


def refusal(document):
    with pytest.raises((StatusError, MalformedError)) as caught:
        parse_status_list(document)
    return caught.value.code


def with_bits(document, bits: bytes) -> dict:
    changed = copy.deepcopy(document)
    changed["credentialSubject"]["encodedList"] = "u" + b64url_encode(gzip.compress(bits))
    return changed


def test_the_specifications_example_is_16_kib_of_zeros():
    assert decode_list(SPECIFICATION_EXAMPLE) == bytes(16384)


def test_bits_survive_encoding():
    bits = bytes(range(256)) * 64
    assert decode_list(encode_list(bits)) == bits
    assert encode_list(bits) == encode_list(bits)


def test_the_first_entry_is_the_highest_bit(document):
    status = parse_status_list(with_bits(document, b"\x80" + bytes(16383)))
    assert (status.bit(0), status.bit(7)) == (True, False)  # S23
    status = parse_status_list(with_bits(document, b"\x01" + bytes(16383)))
    assert (status.bit(0), status.bit(7)) == (False, True)  # S24


def test_entries_of_several_bits_are_read_whole(document):
    status = parse_status_list(with_bits(document, b"\xb1" + bytes(16383)))  # 1011 0001
    assert [status.value(index, 2) for index in range(4)] == [2, 3, 0, 1]
    assert [status.value(index, 4) for index in range(2)] == [11, 1]
    assert status.value(0, 8) == 0xB1


@pytest.mark.parametrize(("index", "size"), [(131072, 1), (-1, 1), (65536, 2), (16384, 8), (0, 0), (10**30, 1)])
def test_an_index_outside_the_list_is_an_error_and_never_clear(document, index, size):
    with pytest.raises(StatusError) as caught:
        parse_status_list(document).value(index, size)
    assert caught.value.code == "STATUS_RANGE"


def test_the_last_entry_is_inside(document):
    assert not parse_status_list(document).bit(131071)


def test_a_list_says_what_it_replays(document, signer):
    status = parse_status_list(document)
    assert (status.id, status.issuer, status.purpose) == (LIST_ID, signer.controller, "revocation")
    assert (status.length, status.replay) == (131072, ("registry.example/log", 12))
    assert str(status.valid_until) == "2026-11-09T09:30:00Z"


def test_a_signed_list_verifies_and_a_changed_bit_does_not(document, signer, now):
    secured = add_proof(document, signer, created=now)
    parse_status_list(secured)
    assert verify_proofs(secured, keys=did_key_resolver)
    with pytest.raises(ProofError):
        verify_proofs(with_bits(secured, bytes(16384)), keys=did_key_resolver)


def gzipped(data: bytes) -> str:
    return "u" + b64url_encode(gzip.compress(data, mtime=0))


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (gzipped(bytes(16383)), "STATUS_SIZE"),
        (gzipped(bytes(8 * 1024 * 1024 + 1)), "STATUS_SIZE"),
        (gzipped(b""), "STATUS_SIZE"),
        (gzipped(bytes(16384))[1:], "STATUS_ENCODING"),
        ("z" + gzipped(bytes(16384))[1:], "STATUS_ENCODING"),
        (gzipped(bytes(16384)) + "=", "STATUS_ENCODING"),
        (gzipped(bytes(16384)) + " ", "STATUS_ENCODING"),
        (gzipped(bytes(16384))[:-8], "STATUS_ENCODING"),
        ("u" + b64url_encode(gzip.compress(bytes(16384), mtime=0) * 2), "STATUS_ENCODING"),
        ("u" + b64url_encode(gzip.compress(bytes(16384), mtime=0) + b"x"), "STATUS_ENCODING"),
        ("u" + b64url_encode(zlib.compress(bytes(16384))), "STATUS_ENCODING"),
        ("u" + b64url_encode(bytes(16384)), "STATUS_ENCODING"),
        ("u", "STATUS_ENCODING"),
        ("", "STATUS_ENCODING"),
        ("u" + "A" * 13_000_000, "STATUS_ENCODING"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_lists_of_other_sizes_and_encodings_are_refused(encoded, code):
    with pytest.raises(StatusError) as caught:
        decode_list(encoded)
    assert caught.value.code == code


def test_other_gzip_headers_are_accepted(document):
    plain = gzip.compress(bytes(16384))
    named = plain[:3] + b"\x08" + plain[4:10] + b"list.bin\0" + plain[10:]  # V08: FNAME
    changed = copy.deepcopy(document)
    changed["credentialSubject"]["encodedList"] = "u" + b64url_encode(named)
    assert parse_status_list(changed).length == 131072


def test_a_list_of_a_million_entries_is_accepted(document):
    assert parse_status_list(with_bits(document, bytes(2**17))).length == 2**20  # V09


BOMB = """
import resource, zlib, sys
from datasigil.credentials.status_list import decode_list
from datasigil.encoding import b64url_encode
from datasigil.errors import StatusError
bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
data = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(256)) + bomb.flush()
text = "u" + b64url_encode(data)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode_list(text)
except StatusError as error:
    assert error.code == "STATUS_SIZE", error.code
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_bomb_is_refused_before_it_fills_memory():
    run = subprocess.run(
        [sys.executable, "-c", BOMB],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (20, 20)),
    )
    assert int(run.stdout) < 32 * 1024  # S17: kilobytes


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: d | {"credentialStatus": {"type": "BitstringStatusListEntry"}}, "STATUS_RECURSION"),  # S39
        (lambda d: d | {"type": ["VerifiableCredential"]}, "TYPE"),
        (lambda d: d | {"type": "BitstringStatusListCredential"}, "TYPE"),
        (lambda d: d | {"type": ["VerifiableCredential", "BitstringStatusListCredential", "Other"]}, "TYPE"),
        (lambda d: d | {"@context": ["https://w3id.org/datasigil/v1"]}, "CONTEXT"),
        (lambda d: d | {"@context": ["https://www.w3.org/ns/credentials/v2"]}, "CONTEXT"),  # `replay` needs our context
        (lambda d: d | {"id": "relative"}, "SCHEMA"),
        (lambda d: d | {"issuer": "https://example.org"}, "SCHEMA"),
        (lambda d: d | {"validUntil": d["validFrom"]}, "SCHEMA"),
        (lambda d: {name: value for name, value in d.items() if name != "validFrom"}, "SCHEMA"),
        (lambda d: d | {"evil": 1}, "UNKNOWN_PROPERTY"),
        (lambda d: d | {"credentialSubject": d["credentialSubject"] | {"statusPurpose": "message"}}, "SCHEMA"),
        (lambda d: d | {"credentialSubject": d["credentialSubject"] | {"statusPurpose": ["revocation"]}}, "SCHEMA"),
        (lambda d: d | {"credentialSubject": d["credentialSubject"] | {"type": "StatusList2021"}}, "SCHEMA"),
        (lambda d: d | {"credentialSubject": d["credentialSubject"] | {"encodedList": 5}}, "STATUS_ENCODING"),
        (lambda d: d | {"credentialSubject": d["credentialSubject"] | {"ttl": -1}}, "SCHEMA"),
        (lambda d: d | {"credentialSubject": d["credentialSubject"] | {"replay": {"origin": "x"}}}, "SCHEMA"),
        (lambda d: d | {"credentialSubject": [d["credentialSubject"]]}, "SCHEMA"),
        (lambda d: [d], "SCHEMA"),
        (lambda d: None, "SCHEMA"),
    ],
)
def test_each_changed_member_is_refused(document, change, code):
    assert refusal(change(document)) == code


def test_a_plain_w3c_list_is_accepted(document):
    changed = copy.deepcopy(document)
    del changed["credentialSubject"]["replay"]
    changed["@context"] = ["https://www.w3.org/ns/credentials/v2"]
    changed["credentialSubject"]["ttl"] = 300000
    assert parse_status_list(changed).replay is None


def test_new_lists_are_bounded_too(signer, now):
    for size in (16383, 8 * 1024 * 1024 + 1):
        with pytest.raises(StatusError):
            new_status_list_credential(
                list_id=LIST_ID,
                issuer=signer.controller,
                purpose="revocation",
                bits=bytes(size),
                valid_from=now,
                valid_until=now,
            )


def test_a_status_list_is_no_dataset_credential(document):
    from datasigil.credentials.types import parse_credential

    with pytest.raises(MalformedError) as caught:
        parse_credential(json.loads(json.dumps(document)))
    assert caught.value.code == "TYPE"


def test_base64url_is_what_the_list_holds(document):
    assert gzip.decompress(b64url_decode(document["credentialSubject"]["encodedList"][1:]))[0] == 0x80
