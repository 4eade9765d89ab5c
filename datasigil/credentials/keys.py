"""Public keys: Multikey and JWK forms, and signature verification.

Lives here: Ed25519 (RFC 8032), ECDSA P-256 with SHA-256 and P-384 with SHA-384 (FIPS 186-5), Multikey (W3C Controlled
Identifiers 1.0, Recommendation of 15 May 2025, section 2.2.2) and public JWK (RFC 7517, RFC 8037). Not here: private keys
(`signing`), DIDs (`did`) and whose key it is (`trust`).
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from datasigil.encoding import b64url_decode, b64url_encode, multibase_decode, multibase_encode
from datasigil.errors import MalformedError, ProofError
from datasigil.faster import Faster
from datasigil.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from datasigil.encoding import JsonValue

ED25519 = "ed25519"
P256 = "p256"
P384 = "p384"

# Multicodec headers of Controlled Identifiers 1.0 section 2.2.2, and the sizes that follow them in bytes.
_HEADERS = {ED25519: b"\xed\x01", P256: b"\x80\x24", P384: b"\x81\x24"}
_RAW_SIZES = {ED25519: 32, P256: 33, P384: 49}
_SIGNATURE_SIZES = {ED25519: 64, P256: 64, P384: 96}
_CURVE_NAMES = {"P-256": P256, "P-384": P384}

# Edwards25519 (RFC 8032 section 5.1).
_FIELD = 2**255 - 19
_D = -121665 * pow(121666, -1, _FIELD) % _FIELD
_ORDER = 2**252 + 27742317777372353535851937790883648493
# The y coordinates of the eight points whose order divides 8: (±sqrt(-1), 0), (0, ±1) and the four of order 8.
_ORDER_8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, _FIELD - 1, _ORDER_8_Y, _FIELD - _ORDER_8_Y})


@dataclass(frozen=True)
class PublicKey:
    """A public key that has been checked to be a usable point of its curve.

    `raw` is the 32-byte Ed25519 encoding or the compressed SEC1 point (33 bytes for P-256, 49 for P-384).
    """

    kind: str
    raw: bytes

    @classmethod
    def from_raw(cls, kind: str, raw: bytes, *, place: str = "") -> PublicKey:
        """Return the key for the bytes of a point, whose validity is checked.

        Raises:
            MalformedError: KEY_TYPE for an unknown kind; KEY for a wrong size, a point off the curve, of small order or
                in a non-canonical encoding (RFC 8032 section 5.1.3, SEC1 section 2.3.4).
        """
        if kind not in _RAW_SIZES:
            raise _bad_type(kind, place)
        if len(raw) != _RAW_SIZES[kind]:
            raise MalformedError(
                "KEY",
                "a public key has the wrong size",
                place=place,
                expected=f"{_RAW_SIZES[kind]} bytes",
                found=f"{len(raw)} bytes",
            )
        if kind == ED25519:
            reason = _point_fault(raw) or _curve_fault(raw)
            if reason:
                raise MalformedError(
                    "KEY",
                    f"the Ed25519 public key is {reason}",
                    place=place,
                    expected="a canonical point of large order",
                )
        key = cls(kind, raw)
        try:
            _loaded(key)
        except ValueError:
            raise MalformedError(
                "KEY", "the public key is not a point of its curve", place=place, found=key.multibase
            ) from None
        return key

    @classmethod
    def from_multibase(cls, text: str, *, place: str = "") -> PublicKey:
        """Return the key of a `publicKeyMultibase` value: base58btc over multicodec header and point.

        Raises:
            MalformedError: ENCODING, KEY_TYPE or KEY (Controlled Identifiers 1.0 section 2.2.2).
        """
        data = multibase_decode(text, prefix="z", place=place)
        for kind, header in _HEADERS.items():
            if data.startswith(header):
                return cls.from_raw(kind, data[len(header) :], place=place)
        raise _bad_type("multicodec 0x" + data[:2].hex(), place)

    @classmethod
    def from_jwk(cls, jwk: JsonValue, *, place: str = "") -> PublicKey:
        """Return the key of a public JWK; one that carries private members is refused.

        Raises:
            MalformedError: JWK, KEY_TYPE, ENCODING or KEY (RFC 7517 section 4, RFC 7518 section 6.2, RFC 8037 section 2).
        """
        if not isinstance(jwk, dict):
            raise MalformedError("JWK", "a JWK must be an object", place=place)
        if "d" in jwk:
            raise MalformedError(
                "JWK",
                "a JWK in a public document holds a private key",
                place=f"{place}/d",
                next_action="revoke this key",
            )
        if jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519":
            return cls.from_raw(ED25519, b64url_decode(_member(jwk, "x", place), place=f"{place}/x"), place=place)
        kind = _CURVE_NAMES.get(str(jwk.get("crv"))) if jwk.get("kty") == "EC" else None
        if kind is None:
            raise _bad_type(f"kty {jwk.get('kty')!s:.20} crv {jwk.get('crv')!s:.20}", place)
        x, y = (b64url_decode(_member(jwk, name, place), place=f"{place}/{name}") for name in ("x", "y"))
        size = _RAW_SIZES[kind] - 1
        if len(x) != size or len(y) != size:
            raise MalformedError("KEY", "a JWK coordinate has the wrong size", place=place, expected=f"{size} bytes")
        key = cls.from_raw(kind, bytes([2 + (y[-1] & 1)]) + x, place=place)
        if key.jwk["y"] != jwk["y"]:
            raise MalformedError("KEY", "the JWK's coordinates are not a point of its curve", place=place)
        return key

    @cached_property
    def multibase(self) -> str:
        """The `publicKeyMultibase` form, which is also the method-specific part of the did:key."""
        return multibase_encode(_HEADERS[self.kind] + self.raw, prefix="z")

    @property
    def jwk(self) -> dict[str, str]:
        """The public JWK form (RFC 8037 for Ed25519, RFC 7518 section 6.2 for the NIST curves)."""
        if self.kind == ED25519:
            return {"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(self.raw)}
        numbers = _loaded(self).public_numbers()
        size = _RAW_SIZES[self.kind] - 1
        name = "P-256" if self.kind == P256 else "P-384"
        x, y = (b64url_encode(value.to_bytes(size, "big")) for value in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": name, "x": x, "y": y}

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return if `signature` over `data` verifies under this key.

        Ed25519 is decided as follows, for the 914 cases of C2SP CCTV as for any other: refused are R or A of small order, R
        or A in a non-canonical encoding (y >= p), and S >= L; then the cofactorless equation [S]B = R + [k]A of RFC 8032
        section 5.1.7 must hold. A and R of mixed order (a torsion component beside the large one) are accepted when that
        equation holds. ECDSA signatures are r||s of fixed width with 0 < r, s < n; both (r, s) and (r, n-s) verify, as in FIPS 186-5.

        Raises:
            ProofError: SIGNATURE.
        """
        from cryptography.exceptions import InvalidSignature

        if len(signature) != _SIGNATURE_SIZES[self.kind]:
            raise ProofError(
                "SIGNATURE",
                "the signature has the wrong size",
                expected=f"{_SIGNATURE_SIZES[self.kind]} bytes",
                found=f"{len(signature)} bytes",
            )
        try:
            if self.kind == ED25519:
                _check_ed25519(self.raw, signature)
                _verify_ed25519(self, signature, data)
            else:
                _verify_ecdsa(self, signature, data)
        except InvalidSignature:
            raise _mismatch(self) from None


# libsodium verifies in half of OpenSSL's time by the same equation; its own stricter checks of points are all among `_check_ed25519`'s.
_SODIUM = Faster("nacl.bindings")


def _verify_ed25519(key: PublicKey, signature: bytes, data: bytes) -> None:
    sodium = _SODIUM.module()
    if sodium is None:
        _loaded(key).verify(signature, data)
        return
    from nacl.exceptions import BadSignatureError

    try:
        sodium.crypto_sign_open(signature + data, key.raw)
    except BadSignatureError:
        raise _mismatch(key) from None


def _mismatch(key: PublicKey) -> ProofError:
    return ProofError(
        "SIGNATURE", "the signature does not match the signed bytes", expected=f"a signature by {key.multibase}"
    )


def _check_ed25519(point: bytes, signature: bytes) -> None:
    # A key built by hand, not by from_raw, is held to the same rules.
    for name, encoded in (("key", point), ("R", signature[:32])):
        reason = _point_fault(encoded)
        if reason:
            raise ProofError(
                "SIGNATURE", f"the signature's {name} is {reason}", expected="canonical points of large order"
            )
    if int.from_bytes(signature[32:], "little") >= _ORDER:
        raise ProofError("SIGNATURE", "the signature's S is not canonical", expected="S below the group order")


def _point_fault(encoded: bytes) -> str:
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    if y >= _FIELD:
        return "not canonically encoded"
    return "of small order" if y in _SMALL_ORDER_Y else ""


def _curve_fault(encoded: bytes) -> str:
    """OpenSSL takes any 32 bytes as a key; those that are no point would only ever fail to verify (RFC 8032 section 5.1.3 step 2)."""
    y_squared = (int.from_bytes(encoded, "little") & (2**255 - 1)) ** 2
    x_squared = (y_squared - 1) * pow(_D * y_squared + 1, -1, _FIELD) % _FIELD
    return "" if pow(x_squared, (_FIELD - 1) // 2, _FIELD) == 1 else "not on the curve"


def _verify_ecdsa(key: PublicKey, signature: bytes, data: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384

    half = len(signature) // 2
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    algorithm = ECDSA(SHA256() if key.kind == P256 else SHA384())
    _loaded(key).verify(encode_dss_signature(r, s), data, algorithm)


@lru_cache(maxsize=1024)
def _loaded(key: PublicKey) -> Any:
    """The library's object for a key: parsing a NIST point costs more than verifying with it."""
    return _load_ed25519(key.raw) if key.kind == ED25519 else _load_ec(key)


def _load_ed25519(raw: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(raw)


def _load_ec(key: PublicKey) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePublicKey

    # Multikey and did:key hold compressed points only; from_encoded_point would take uncompressed and hybrid ones too.
    if key.raw[0] not in (2, 3):
        raise ValueError("not a compressed point")
    return EllipticCurvePublicKey.from_encoded_point(SECP256R1() if key.kind == P256 else SECP384R1(), key.raw)


def _member(jwk: Mapping[str, JsonValue], name: str, place: str) -> str:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise MalformedError("JWK", f"the JWK lacks {name!r}", place=f"{place}/{name}", expected="base64url text")
    return value


def _bad_type(found: str, place: str) -> MalformedError:
    return MalformedError(
        "KEY_TYPE",
        "this kind of key cannot verify credentials",
        place=place,
        expected="Ed25519, P-256 or P-384",
        found=found,
    )
