"""Private keys and signatures: the only module of the core that sees a private key.

Lives here: `Signer` (the interface that PKCS#11 tokens and cloud KMS can implement as well), `LocalSigner` over an encrypted
PKCS#8 file (RFC 5958, PBES2 of RFC 8018 with scrypt of RFC 7914), and `add_proof` (W3C Verifiable Credential Data Integrity 1.0,
section 4.2 and 4.3). Not here: verification (`credentials.proof`) and what deserves a signature.

The DER encoder is written here because cryptography reads scrypt PKCS#8 and cannot write it; its own `BestAvailableEncryption`
is PBKDF2 with 2,048 iterations.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from datasigil.credentials.cryptosuites import RdfCanonicalizer, hash_data, isolated, suite_for_key, suites_for
from datasigil.credentials.did import did_key_method, split_did_url
from datasigil.credentials.keys import ED25519, P256, P384, PublicKey
from datasigil.credentials.proof import matching_proofs
from datasigil.credentials.types import Credential
from datasigil.encoding import Instant, JsonValue, b64_decode, b64_encode, multibase_encode
from datasigil.errors import DatasigilError, MalformedError, ProofError
from datasigil.limits import MIB, PROOFS_MAX

# scrypt cost of newly written key files, about a quarter of a second: of OWASP's equivalent settings the one whose memory
# (16 MiB) the openssl command line accepts, so that a key can be opened without datasigil.
SCRYPT_N = 2**14
SCRYPT_R = 8
SCRYPT_P = 5
KEY_FILE_MAX_BYTES = 64 * 1024
_SCRYPT_MEMORY_BYTES = 64 * MIB
_PEM_BEGIN = "-----BEGIN ENCRYPTED PRIVATE KEY-----"
_PEM_END = "-----END ENCRYPTED PRIVATE KEY-----"
# Object identifiers, DER-encoded: pbes2 (RFC 8018 A.4), scrypt (RFC 7914 section 7), aes256-CBC (RFC 8018 B.2.5).
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_AES256_CBC = bytes.fromhex("060960864801650304012a")


class Signer(Protocol):
    """Whatever can sign for one verification method: a local key, a PKCS#11 token, a cloud KMS."""

    @property
    def verification_method(self) -> str:
        """The id that proofs name, a DID URL with fragment."""

    @property
    def controller(self) -> str:
        """The DID part of the verification method."""

    @property
    def public_key(self) -> PublicKey:
        """The key under which signatures verify."""

    def sign(self, data: bytes) -> bytes:
        """Return the raw signature over `data`."""


class LocalSigner:
    """A private key in memory, read from or written to an encrypted PKCS#8 file."""

    def __init__(self, private_key: Any, verification_method: str | None = None) -> None:
        self._private_key = private_key
        self.public_key = _public(private_key)
        self.verification_method = verification_method or did_key_method(self.public_key)
        self.controller, _ = split_did_url(self.verification_method)
        self.cryptosuites = suites_for(self.public_key.kind)

    def __repr__(self) -> str:
        return f"LocalSigner({self.verification_method!r})"

    @classmethod
    def generate(cls, kind: str = ED25519) -> LocalSigner:
        """Return a new key of `kind` (`ed25519`, `p256` or `p384`) that signs as its did:key."""
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519

        if kind == ED25519:
            return cls(ed25519.Ed25519PrivateKey.generate())
        if kind in (P256, P384):
            return cls(ec.generate_private_key(ec.SECP256R1() if kind == P256 else ec.SECP384R1()))
        raise MalformedError("KEY_TYPE", "unknown kind of key", expected="ed25519, p256 or p384", found=kind)

    @classmethod
    def from_seed(cls, seed: bytes) -> LocalSigner:
        """Return the Ed25519 key of a 32-byte seed (RFC 8032 section 5.1.5), for published test vectors and key derivation."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def load(cls, path: Path, passphrase: bytes) -> LocalSigner:
        """Read an encrypted PKCS#8 file that only its owner can read.

        Raises:
            DatasigilError: KEY_FILE (missing, unreadable, a link or not a file), KEY_FILE_MODE, PASSPHRASE.
            MalformedError: KEY_FILE, KEY_TYPE, ENCODING.
        """
        return cls.from_pem(_read_private(path), passphrase, place=str(path))

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: bytes, *, place: str = "") -> LocalSigner:
        """Return the key of a PKCS#8 PEM that is encrypted with scrypt; other and absent encryptions are refused.

        Raises:
            DatasigilError: PASSPHRASE.
            MalformedError: KEY_FILE, KEY_TYPE, ENCODING.
        """
        from cryptography.exceptions import InternalError, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_der_private_key

        der = _decode_pem(pem, place)
        if not (_PBES2 in der[:64] and _SCRYPT in der[:64]):
            raise MalformedError(
                "KEY_FILE", "the key file is not encrypted with scrypt", place=place, expected="PKCS#8 with PBES2 and scrypt",
                next_action="openssl pkcs8 -topk8 -scrypt -in OLD.pem -out NEW.pem",
            )  # fmt: skip
        try:
            private_key = load_der_private_key(der, passphrase)
        except (ValueError, TypeError):
            raise DatasigilError(
                "PASSPHRASE",
                "the passphrase does not open the key file",
                place=place,
                next_action="check the passphrase",
            ) from None
        except (UnsupportedAlgorithm, InternalError):  # OpenSSL's own answer to parameters out of bounds
            raise MalformedError(
                "KEY_FILE", "the key file uses an unknown encryption", place=place, expected="scrypt and AES-256"
            ) from None
        return cls(private_key)

    def as_method(self, verification_method: str) -> LocalSigner:
        """Return the same key under another verification method, such as one of a did:web document."""
        return LocalSigner(self._private_key, verification_method)

    def pem(self, passphrase: bytes, *, cost: int | None = None) -> bytes:
        """Return the key as PKCS#8 PEM encrypted with scrypt (`cost` is N, a power of two) and AES-256-CBC.

        Raises:
            DatasigilError: PASSPHRASE for an empty one.
        """
        if not passphrase:
            raise DatasigilError(
                "PASSPHRASE", "a key is not written without a passphrase", expected="at least one byte"
            )
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        plain = self._private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        der = _encrypt_pkcs8(
            plain, passphrase, salt=secrets.token_bytes(16), iv=secrets.token_bytes(16), cost=cost or SCRYPT_N
        )
        text = b64_encode(der)
        lines = [text[start : start + 64] for start in range(0, len(text), 64)]
        return "\n".join([_PEM_BEGIN, *lines, _PEM_END, ""]).encode("ascii")

    def save(self, path: Path, passphrase: bytes) -> None:
        """Write the encrypted key to a new file with mode 0600: whole and durable, or not at all.

        Raises:
            DatasigilError: PASSPHRASE; KEY_FILE when `path` exists or cannot be written.
        """
        _write_private(path, self.pem(passphrase))

    def sign(self, data: bytes) -> bytes:
        """Return the raw signature: Ed25519 64 bytes; ECDSA r||s, SHA-256 under P-256 and SHA-384 under P-384."""
        if self.public_key.kind == ED25519:
            return bytes(self._private_key.sign(data))
        return _sign_ecdsa(self._private_key, self.public_key.kind, data)

    def sign_der(self, data: bytes) -> bytes:
        """Return an ECDSA signature in ASN.1 DER (RFC 3279 section 2.2.3), the form that X.509, DSSE and Sigstore use.

        Raises:
            MalformedError: KEY_TYPE, for a key that is not of an elliptic curve.
        """
        if self.public_key.kind == ED25519:
            raise MalformedError(
                "KEY_TYPE", "only ECDSA signatures have a DER form", expected="p256 or p384", found=ED25519
            )
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        raw = self.sign(data)
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def add_proof(
    document: Mapping[str, JsonValue] | Credential,
    signer: Signer,
    *,
    created: datetime,
    cryptosuite: str | None = None,
    purpose: str = "assertionMethod",
    challenge: str | None = None,
    domain: str | None = None,
    previous_proof: str | Sequence[str] | None = None,
    proof_id: str | None = None,
    expires: datetime | None = None,
    canonicalize: RdfCanonicalizer = isolated,
) -> dict[str, JsonValue]:
    """Return a copy of `document` with one more Data Integrity proof (default suite: the key's JCS suite).

    Proofs already there stay, so that calling it again makes a proof set, or with `previous_proof` a chain. Nothing is signed
    in an rdfc suite whose terms a context does not define.

    `created` is written in whole seconds.

    Raises:
        ProofError: UNSUPPORTED, KEY_TYPE, PREVIOUS_PROOF, LIMIT.
        MalformedError: the codes of `canonical` and, for the rdfc suites, of `rdf`.

    Not checked: the document's schema; parse it before signing. A parsed `Credential` is its document, whose canonical form is at hand.
    """
    parsed, document = (document, document.document) if isinstance(document, Credential) else (None, document)
    suite = suite_for_key(cryptosuite or suites_for(signer.public_key.kind)[0], signer.public_key.kind)
    options: dict[str, JsonValue] = {
        "type": "DataIntegrityProof",
        "cryptosuite": suite.name,
        "created": str(Instant.from_datetime(created.replace(microsecond=0))),
        "verificationMethod": signer.verification_method,
        "proofPurpose": purpose,
    }
    if expires is not None:
        options["expires"] = str(Instant.from_datetime(expires))
    extra = {"id": proof_id, "challenge": challenge, "domain": domain}
    options |= {name: value for name, value in extra.items() if value is not None}
    present = document.get("proof", [])
    proofs = list(present) if isinstance(present, list) else [present]
    if len(proofs) >= PROOFS_MAX:
        raise ProofError("LIMIT", "the document carries too many proofs", expected=f"at most {PROOFS_MAX}")
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    signed: dict[str, JsonValue] = unsecured
    if previous_proof is not None:
        options["previousProof"] = previous_proof if isinstance(previous_proof, str) else list(previous_proof)
        wanted = [previous_proof] if isinstance(previous_proof, str) else list(previous_proof)
        known = {proof["id"]: proof for proof in proofs if "id" in proof}
        signed = {**unsecured, "proof": matching_proofs(wanted, known)}
    if not suite.rdf and "@context" in document:
        options["@context"] = document["@context"]
    canonical = parsed.unsecured_jcs if parsed is not None and previous_proof is None and not suite.rdf else None
    value = signer.sign(hash_data(suite, signed, options, signer.public_key.kind, canonicalize, canonical=canonical))
    proof = {**options, "proofValue": multibase_encode(value, prefix="z")}
    return {**unsecured, "proof": [*proofs, proof] if proofs else proof}


def _public(private_key: Any) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = private_key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return PublicKey.from_raw(ED25519, public.public_bytes_raw())
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in ("secp256r1", "secp384r1"):
        kind = P256 if public.curve.name == "secp256r1" else P384
        return PublicKey.from_raw(kind, public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))
    raise MalformedError(
        "KEY_TYPE",
        "the file holds another kind of key",
        expected="Ed25519, P-256 or P-384",
        found=type(public).__name__,
    )


def _sign_ecdsa(private_key: Any, kind: str, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384

    # RFC 6979 nonces: a signature then depends on key and message alone, and never on the machine's randomness.
    algorithm = ECDSA(SHA256() if kind == P256 else SHA384(), deterministic_signing=True)
    r, s = decode_dss_signature(private_key.sign(data, algorithm))
    size = 32 if kind == P256 else 48
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _encrypt_pkcs8(plain: bytes, passphrase: bytes, *, salt: bytes, iv: bytes, cost: int) -> bytes:
    """Return EncryptedPrivateKeyInfo (RFC 5958 section 3) under PBES2 with scrypt and AES-256-CBC."""
    import hashlib

    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    key = hashlib.scrypt(passphrase, salt=salt, n=cost, r=SCRYPT_R, p=SCRYPT_P, dklen=32, maxmem=_SCRYPT_MEMORY_BYTES)
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    sealed = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    numbers = b"".join(_integer(value) for value in (cost, SCRYPT_R, SCRYPT_P, 32))
    derivation = _sequence(_SCRYPT + _sequence(_octets(salt) + numbers))
    encryption = _sequence(_AES256_CBC + _octets(iv))
    return _sequence(_sequence(_PBES2 + _sequence(derivation + encryption)) + _octets(sealed))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _sequence(content: bytes) -> bytes:
    return _der(0x30, content)


def _octets(content: bytes) -> bytes:
    return _der(0x04, content)


def _integer(value: int) -> bytes:
    # One more bit than the number needs: DER integers are signed.
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _decode_pem(pem: bytes, place: str) -> bytes:
    lines = pem.decode("ascii", "replace").strip().splitlines()
    if len(lines) < 3 or lines[0] != _PEM_BEGIN or lines[-1] != _PEM_END:
        raise MalformedError(
            "KEY_FILE", "not an encrypted private key", place=place, expected=_PEM_BEGIN, found=(lines or [""])[0][:40]
        )
    return b64_decode("".join(lines[1:-1]), place=place)


def _read_private(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise DatasigilError(
            "KEY_FILE",
            f"the key file cannot be opened: {error.strerror}",
            place=str(path),
            expected="a regular file, not a link",
        ) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > KEY_FILE_MAX_BYTES:
            raise DatasigilError("KEY_FILE", "the key file is not a small regular file", place=str(path))
        # Windows keeps access in ACLs; st_mode there says nothing about other users.
        if os.name == "posix" and (stat.S_IMODE(status.st_mode) & 0o177 or status.st_uid not in (os.geteuid(), 0)):
            raise DatasigilError(
                "KEY_FILE_MODE", "others could read or replace the key file", place=str(path), expected="mode 0600, owned by you",
                found=f"mode {stat.S_IMODE(status.st_mode):04o}", next_action=f"chmod 600 {path}",
            )  # fmt: skip
        return os.read(descriptor, KEY_FILE_MAX_BYTES)
    finally:
        os.close(descriptor)


def _write_private(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # A hard link fails if the name is taken: a key is never overwritten, even by two processes at once.
        os.link(draft, path)
        _sync_directory(path.parent)
    except FileExistsError:
        raise DatasigilError(
            "KEY_FILE",
            "a file of that name exists",
            place=str(path),
            next_action="choose another name or move the old key away",
        ) from None
    except OSError as error:
        raise DatasigilError("KEY_FILE", f"the key file cannot be written: {error.strerror}", place=str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(draft)


def _sync_directory(directory: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
