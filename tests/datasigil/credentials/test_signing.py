"""Private keys: kept under scrypt, in files that nobody else can read, whole or not at all."""

import os
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from datasigil import signing
from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.types import parse_credential
from datasigil.encoding import b64_decode
from datasigil.errors import DatasigilError, MalformedError, ProofError
from datasigil.signing import LocalSigner, add_proof

KINDS = ("ed25519", "p256", "p384")


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch):
    monkeypatch.setattr(signing, "SCRYPT_N", 2**4)


def refusal(call) -> str:
    with pytest.raises(DatasigilError) as caught:
        call()
    return caught.value.code


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_key_is_read_back(tmp_path, kind):
    signer = LocalSigner.generate(kind)
    signer.save(tmp_path / "key.pem", b"passphrase")
    loaded = LocalSigner.load(tmp_path / "key.pem", b"passphrase")
    assert loaded.verification_method == signer.verification_method
    signer.public_key.verify(loaded.sign(b"data"), b"data")


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_opens_the_file(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(signing, "SCRYPT_N", 2**14)
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command here")
    LocalSigner.generate(kind).save(tmp_path / "key.pem", b"passphrase")
    run = subprocess.run(
        ["openssl", "pkey", "-in", tmp_path / "key.pem", "-passin", "pass:passphrase", "-noout", "-text"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "Private-Key" in run.stdout


def test_a_key_that_openssl_wrote_is_read(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command here")
    plain = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-scrypt", "-passout", "pass:secret", "-out", path],
        input=plain,
        check=True,
        capture_output=True,
    )
    path.chmod(0o600)
    assert LocalSigner.load(path, b"secret").public_key.kind == "ed25519"


def test_the_parameters_are_scrypt_with_the_cost_that_is_stated(monkeypatch):
    monkeypatch.setattr(signing, "SCRYPT_N", 2**14)
    der = b64_decode("".join(LocalSigner.generate().pem(b"x").decode().splitlines()[1:-1]))
    assert bytes.fromhex("06092b06010401da47040b") in der  # 1.3.6.1.4.1.11591.4.11
    assert bytes.fromhex("02024000020108020105020120") in der  # N=16384, r=8, p=5, 32-byte key


def test_the_file_is_private_from_the_first_byte(tmp_path):
    previous = os.umask(0)
    try:
        LocalSigner.generate().save(tmp_path / "key.pem", b"x")
    finally:
        os.umask(previous)
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o700, 0o602])
def test_a_file_that_others_can_reach_is_refused(tmp_path, mode):
    path = tmp_path / "key.pem"
    LocalSigner.generate().save(path, b"x")
    path.chmod(mode)
    with pytest.raises(DatasigilError) as caught:
        LocalSigner.load(path, b"x")
    assert caught.value.code == "KEY_FILE_MODE"
    assert caught.value.next_action == f"chmod 600 {path}"


def test_a_read_only_file_is_fine(tmp_path):
    path = tmp_path / "key.pem"
    LocalSigner.generate().save(path, b"x")
    path.chmod(0o400)
    assert LocalSigner.load(path, b"x")


def test_the_wrong_passphrase_says_so(tmp_path):
    path = tmp_path / "key.pem"
    LocalSigner.generate().save(path, b"right")
    assert refusal(lambda: LocalSigner.load(path, b"wrong")) == "PASSPHRASE"
    assert refusal(lambda: LocalSigner.load(path, b"")) == "PASSPHRASE"


def test_no_key_is_written_without_a_passphrase(tmp_path):
    assert refusal(lambda: LocalSigner.generate().save(tmp_path / "key.pem", b"")) == "PASSPHRASE"
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_never_overwritten(tmp_path):
    path = tmp_path / "key.pem"
    LocalSigner.generate().save(path, b"x")
    before = path.read_bytes()
    assert refusal(lambda: LocalSigner.generate().save(path, b"x")) == "KEY_FILE"
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["key.pem"]


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(signing.os, "fsync", full)
    assert refusal(lambda: LocalSigner.generate().save(tmp_path / "key.pem", b"x")) == "KEY_FILE"
    assert not list(tmp_path.iterdir())


def test_missing_folders_links_and_other_things_are_no_key_files(tmp_path):
    path = tmp_path / "key.pem"
    LocalSigner.generate().save(path, b"x")
    (tmp_path / "link.pem").symlink_to(path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").write_bytes(bytes(100_000))
    (tmp_path / "large").chmod(0o600)
    for name in ("missing.pem", "link.pem", "folder", "large"):
        assert refusal(lambda name=name: LocalSigner.load(tmp_path / name, b"x")) == "KEY_FILE"
    assert refusal(lambda: LocalSigner.generate().save(tmp_path / "none" / "key.pem", b"x")) == "KEY_FILE"


def test_every_truncated_key_file_is_refused():
    pem = LocalSigner.generate().pem(b"x").rstrip()
    for size in range(len(pem)):
        assert refusal(lambda size=size: LocalSigner.from_pem(pem[:size], b"x")) in (
            "KEY_FILE",
            "ENCODING",
            "PASSPHRASE",
        )


def test_unencrypted_and_weakly_encrypted_keys_are_refused():
    key = ed25519.Ed25519PrivateKey.generate()
    for protection in (NoEncryption(), BestAvailableEncryption(b"x")):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
        with pytest.raises(MalformedError) as caught:
            LocalSigner.from_pem(pem, b"x")
        assert caught.value.code == "KEY_FILE"


@pytest.mark.parametrize(
    "key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256K1())], ids=["rsa", "secp256k1"]
)
def test_other_kinds_of_key_are_refused(key):
    assert refusal(lambda: LocalSigner(key)) == "KEY_TYPE"


def test_an_unknown_kind_is_refused():
    assert refusal(lambda: LocalSigner.generate("rsa")) == "KEY_TYPE"


def test_a_signer_does_not_show_its_key():
    signer = LocalSigner.from_seed(b"\x07" * 32)
    assert repr(signer) == f"LocalSigner('{signer.verification_method}')"
    assert (b"\x07" * 32).hex() not in repr(vars(signer))


def test_a_key_can_sign_as_a_did_web_method():
    signer = LocalSigner.generate().as_method("did:web:example.org#key-1")
    assert (signer.controller, signer.verification_method) == ("did:web:example.org", "did:web:example.org#key-1")
    document = add_proof({"issuer": signer.controller}, signer, created=datetime(2026, 11, 2, tzinfo=UTC))
    assert document["proof"]["verificationMethod"] == "did:web:example.org#key-1"
    with pytest.raises(MalformedError):
        signer.as_method("not a did")


def test_signing_leaves_the_document_alone_and_writes_whole_seconds(signer):
    document = {"issuer": signer.controller}
    secured = add_proof(document, signer, created=datetime(2026, 11, 2, 9, 30, 1, 999999, tzinfo=UTC))
    assert document == {"issuer": signer.controller}
    assert secured["proof"]["created"] == "2026-11-02T09:30:01Z"


def test_a_naive_time_is_refused(signer):
    with pytest.raises(ValueError, match="naive"):
        add_proof({"issuer": signer.controller}, signer, created=datetime(2026, 11, 2))


def test_ecdsa_signatures_depend_on_key_and_message_alone():
    signer = LocalSigner.generate("p256")
    assert signer.sign(b"data") == signer.sign(b"data")


def test_the_seed_of_rfc_8032_gives_its_public_key():
    signer = LocalSigner.from_seed(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert signer.public_key.raw.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def test_a_parsed_credential_is_signed_and_verified_as_its_document_is(minimal, signer, now):
    for suite in ("eddsa-jcs-2022", "eddsa-rdfc-2022"):
        first = add_proof(minimal, signer, created=now, cryptosuite=suite, proof_id="urn:uuid:1")
        assert (
            add_proof(parse_credential(minimal), signer, created=now, cryptosuite=suite, proof_id="urn:uuid:1") == first
        )
        chained = add_proof(
            parse_credential(first), signer, created=now, cryptosuite=suite, previous_proof="urn:uuid:1"
        )
        assert chained == add_proof(first, signer, created=now, cryptosuite=suite, previous_proof="urn:uuid:1")
        for document in (first, chained):
            proofs = verify_proofs(parse_credential(document), keys=did_key_resolver)
            assert proofs == verify_proofs(document, keys=did_key_resolver)
        broken = {**first, "credentialSubject": {**first["credentialSubject"], "name": "Another"}}
        with pytest.raises(ProofError):
            verify_proofs(parse_credential(broken), keys=did_key_resolver)


def test_what_was_parsed_and_then_signed_is_what_would_be_parsed_again(minimal, signer, now):
    unsigned = parse_credential(minimal)
    for document in (signed := add_proof(unsigned, signer, created=now), add_proof(signed, signer, created=now)):
        secured, parsed = unsigned.secured(document), parse_credential(document)
        assert secured == parsed
        assert (secured.unsecured_jcs, secured.secured_jcs) == (parsed.unsecured_jcs, parsed.secured_jcs)
        assert (secured.digest, secured.status) == (parsed.digest, parsed.status)


def test_two_equal_lists_of_three_hundred_datasets_are_signed_and_verified_in_rdf(examples, signer, now):
    credential = {name: value for name, value in examples["model-training"].items() if name != "proof"}
    [used, *_] = credential["credentialSubject"]["trainingData"]
    rows = [{**used, "rowsUsed": index} for index in range(300)]
    subject = {**credential["credentialSubject"], "trainingData": rows, "validationData": rows}
    document = {**credential, "issuer": signer.controller, "credentialSubject": subject}
    secured = add_proof(parse_credential(document), signer, created=now, cryptosuite="eddsa-rdfc-2022")
    assert verify_proofs(parse_credential(secured), keys=did_key_resolver)
    swapped = {**secured, "credentialSubject": {**subject, "trainingData": [rows[1], rows[0], *rows[2:]]}}
    with pytest.raises(ProofError):
        verify_proofs(parse_credential(swapped), keys=did_key_resolver)
