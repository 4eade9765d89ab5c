"""Public keys: which points, encodings and signatures are accepted."""

import json
from collections import Counter

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from datasigil.credentials.keys import PublicKey
from datasigil.encoding import multibase_encode
from datasigil.errors import MalformedError, ProofError, VerificationError
from datasigil.signing import LocalSigner

IDENTITY = bytes([1]) + bytes(31)
REFUSED_FLAGS = {"low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue"}


def test_all_914_ed25519_edge_cases_are_decided_as_documented(shared):
    cases = json.loads((shared / "vectors/ed25519/ed25519vectors.json").read_text())
    decisions = Counter()
    for case in cases:
        flags = set(case["flags"] or [])
        try:
            key = PublicKey.from_raw("ed25519", bytes.fromhex(case["key"]))
            key.verify(bytes.fromhex(case["sig"]), case["msg"].encode())
            accepted = True
        except (MalformedError, ProofError):
            accepted = False
        assert accepted == (not flags & REFUSED_FLAGS), case
        decisions[accepted] += 1
    assert decisions == {True: 43, False: 871}


def test_a_key_built_without_checks_still_verifies_nothing_under_a_small_order_point():
    # cryptography accepts this signature for every message: R = identity, S = 0 under the identity key.
    forged = IDENTITY + bytes(32)
    with pytest.raises(ProofError, match="small order"):
        PublicKey("ed25519", IDENTITY).verify(forged, b"anything")


def test_small_order_r_is_refused_under_a_good_key(signer):
    with pytest.raises(ProofError, match="small order"):
        signer.public_key.verify(IDENTITY + bytes(32), b"anything")


def test_s_plus_the_group_order_is_refused(signer):
    signature = signer.sign(b"data")
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(signature[32:], "little") + order
    with pytest.raises(ProofError, match="S is not canonical"):
        signer.public_key.verify(signature[:32] + s.to_bytes(32, "little"), b"data")


@pytest.mark.parametrize("kind", ["ed25519", "p256", "p384"])
def test_every_kind_signs_verifies_and_refuses_other_bytes(kind):
    signer = LocalSigner.generate(kind)
    signature = signer.sign(b"data")
    signer.public_key.verify(signature, b"data")
    for bad, data in (
        (signature, b"Data"),
        (signature[:-1], b"data"),
        (signature + b"\0", b"data"),
        (bytes(len(signature)), b"data"),
    ):
        with pytest.raises(VerificationError) as caught:
            signer.public_key.verify(bad, data)
        assert caught.value.code == "SIGNATURE"


@pytest.mark.parametrize("kind", ["ed25519", "p256", "p384"])
def test_multibase_and_jwk_forms_give_the_same_key_back(kind):
    key = LocalSigner.generate(kind).public_key
    assert PublicKey.from_multibase(key.multibase) == key
    assert PublicKey.from_jwk(key.jwk) == key


def test_published_key_pairs_are_read(shared):
    folder = shared / "vectors/data-integrity"
    kinds = [
        ("eddsa/keyPair.json", "ed25519", "z6Mk"),
        ("ecdsa/p256KeyPair.json", "p256", "zDn"),
        ("ecdsa/p384KeyPair.json", "p384", "z82"),
    ]
    for name, kind, prefix in kinds:
        text = json.loads((folder / name).read_text())["publicKeyMultibase"]
        assert text.startswith(prefix)
        assert PublicKey.from_multibase(text).kind == kind


def test_the_ed25519_jwk_of_rfc_8037_is_read():
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert PublicKey.from_jwk(jwk).raw.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (multibase_encode(b"\xec\x01" + bytes(32)), "KEY_TYPE"),  # K01: X25519
        (multibase_encode(b"\xe7\x01" + b"\x02" + bytes(32)), "KEY_TYPE"),  # secp256k1
        (multibase_encode(b"\xed\x01" + bytes(31)), "KEY"),
        (multibase_encode(b"\xed\x01" + bytes(33)), "KEY"),
        (multibase_encode(b"\xed\x01" + IDENTITY), "KEY"),
        (multibase_encode(b"\xed\x01" + b"\xff" * 32), "KEY"),  # y >= p
        (multibase_encode(b"\xed\x01" + bytes([2]) + bytes(31)), "KEY"),  # not on the curve
        (multibase_encode(b"\x80\x24" + b"\x02" + b"\xff" * 32), "KEY"),
        (multibase_encode(b"\x80\x24" + b"\x04" + bytes(32)), "KEY"),
        (multibase_encode(b"\xed\x01" + bytes([4]) + bytes(31), prefix="u"), "ENCODING"),
        ("", "ENCODING"),
        ("z", "KEY_TYPE"),
        ("z0OIl", "ENCODING"),
    ],
)
def test_other_multibase_keys_are_refused(text, code):
    with pytest.raises(MalformedError) as caught:
        PublicKey.from_multibase(text, place="/publicKeyMultibase")
    assert caught.value.code == code


def test_uncompressed_points_are_no_multikey():
    point = (
        ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    )
    with pytest.raises(MalformedError):
        PublicKey.from_multibase(multibase_encode(b"\x80\x24" + point))


def _jwk(**changes) -> dict:
    jwk = LocalSigner.generate("p256").public_key.jwk | changes
    return {name: value for name, value in jwk.items() if value is not None}


@pytest.mark.parametrize(
    ("jwk", "code"),
    [
        ("text", "JWK"),
        ({}, "KEY_TYPE"),
        (_jwk(d="AAAA"), "JWK"),
        (_jwk(crv="P-521"), "KEY_TYPE"),
        (_jwk(kty="RSA"), "KEY_TYPE"),
        (_jwk(x=None), "JWK"),
        (_jwk(y="AA"), "KEY"),
        (_jwk(y=5), "JWK"),
        (_jwk(x="!"), "ENCODING"),
        ({"kty": "OKP", "crv": "X25519", "x": "AA"}, "KEY_TYPE"),
        ({"kty": "OKP", "crv": "Ed25519"}, "JWK"),
    ],
)
def test_other_jwks_are_refused(jwk, code):
    with pytest.raises(MalformedError) as caught:
        PublicKey.from_jwk(jwk)
    assert caught.value.code == code


def test_jwk_coordinates_that_are_no_point_are_refused():
    first, second = LocalSigner.generate("p256").public_key.jwk, LocalSigner.generate("p256").public_key.jwk
    with pytest.raises(MalformedError):
        PublicKey.from_jwk(first | {"y": second["y"]})


def test_high_and_low_s_both_verify_as_in_fips_186_5():
    signer = LocalSigner.generate("p256")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    signature = signer.sign(b"data")
    other = signature[:32] + (order - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    signer.public_key.verify(other, b"data")
