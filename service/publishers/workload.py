"""OIDC bearer tokens of workloads, such as CI jobs: signature, issuer, audience and times of a JWT.

Lives here: the keys of the issuers that the operator named, fetched and remembered; verification of a compact JWS. Not here: which subject acts
for which publisher (`workload_endpoints`, `repository`). Spec: OpenID Connect Core 1.0 section 3.1.3.7, RFC 7519, RFC 7518; RS256, ES256
and EdDSA, `none` and the HMAC family never. A key is taken from the issuer's own `jwks_uri` only, never from the token.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from datasigil.encoding import GENERIC, b64url_decode, parse_json
from datasigil.errors import DatasigilError, MalformedError
from datasigil.fetch import Fetcher
from service.limits import (
    JWKS_KEYS_MAX,
    JWKS_MAX_BYTES,
    JWKS_REFETCH_SECONDS,
    JWKS_VALID_SECONDS,
    JWT_LIFETIME_MAX_SECONDS,
    JWT_MAX_CHARACTERS,
    JWT_SKEW_SECONDS,
    RSA_BITS_MIN,
)

Verify = Callable[[bytes, bytes], None]
Keys = dict[tuple[str, str], Verify]  # (key id, algorithm) -> check of (signature, data)


class WorkloadError(DatasigilError):
    """A bearer token that is not a usable identity; the answer to its bearer never says why."""


@dataclass(frozen=True)
class Workload:
    """A verified token: who says so, of whom, until when."""

    issuer: str
    subject: str
    expires_at: int


@dataclass
class IssuerKeys:
    """The keys of the named issuers; used from several threads."""

    issuers: tuple[str, ...]
    fetcher: Fetcher
    _held: dict[str, tuple[float, Keys]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, issuer: str, key_id: str, algorithm: str) -> Verify:
        """The check of a key, fetched anew when it is not known and the last fetch is long enough ago.

        Raises:
            DatasigilError: OIDC, for an issuer that is not named, or a key that it does not publish; as `Fetcher.get`.
        """
        if issuer not in self.issuers:
            raise WorkloadError("OIDC", "the issuer is not one that the operator named")
        with self._lock:
            fetched, keys = self._held.get(issuer, (float("-inf"), {}))
            age = time.monotonic() - fetched
            if age > JWKS_VALID_SECONDS or ((key_id, algorithm) not in keys and age > JWKS_REFETCH_SECONDS):
                keys = self._fetch(issuer)
                self._held[issuer] = (time.monotonic(), keys)
        found = keys.get((key_id, algorithm))
        if found is None:
            raise WorkloadError("OIDC", "the issuer publishes no such key")
        return found

    def _fetch(self, issuer: str) -> Keys:
        description = self._document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if description.get("issuer") != issuer or not isinstance(description.get("jwks_uri"), str):
            raise WorkloadError("OIDC", "the issuer's description is of another issuer, or names no keys")
        listed = self._document(description["jwks_uri"]).get("keys")
        if not isinstance(listed, list) or len(listed) > JWKS_KEYS_MAX:
            raise WorkloadError("OIDC", "the issuer's keys are not a list", expected=f"at most {JWKS_KEYS_MAX}")
        keys: Keys = {}
        for one in listed:
            found = _key(one) if isinstance(one, dict) else None
            if found is not None:
                keys[(str(one.get("kid", "")), found[0])] = found[1]
        return keys

    def _document(self, url: str) -> dict[str, Any]:
        answer = self.fetcher.get(url, max_bytes=JWKS_MAX_BYTES)
        found = parse_json(answer.body, max_bytes=JWKS_MAX_BYTES, profile=GENERIC) if answer.status == 200 else None
        if not isinstance(found, dict):
            raise WorkloadError("OIDC", "the issuer did not answer with a JSON object")
        return found


def is_jwt(token: str) -> bool:
    """Whether a bearer token has the outer form of a compact JWS."""
    return len(token) <= JWT_MAX_CHARACTERS and token.count(".") == 2 and token.isascii()


def verify_workload(token: str, keys: IssuerKeys, *, audience: str, now: int) -> Workload:
    """Verify a JWT; fetches the issuer's keys where they are not known.

    Raises:
        DatasigilError: whatever is wrong with it.
    """
    header, claims, signature, signed = _parts(token)
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not isinstance(issuer, str) or not isinstance(subject, str) or not subject:
        raise WorkloadError("OIDC", "the token names no issuer or subject")
    if "crit" in header or header.get("alg") not in ("RS256", "ES256", "EdDSA"):
        raise WorkloadError("OIDC", "the token's algorithm is not one of RS256, ES256, EdDSA")
    expires = _times(claims, now)
    named = claims.get("aud")
    if audience not in (named if isinstance(named, list) else [named]):
        raise WorkloadError("OIDC", "the token is for another audience", expected=audience)
    check = keys.find(issuer, str(header.get("kid", "")), str(header["alg"]))
    try:
        check(signature, signed)
    except (InvalidSignature, ValueError):
        raise WorkloadError("OIDC", "the token's signature does not verify") from None
    return Workload(issuer, subject, expires)


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    if not is_jwt(token):
        raise WorkloadError("OIDC", "not a compact JWS")
    head, body, tail = token.split(".")
    try:
        header, claims = (parse_json(b64url_decode(part), profile=GENERIC) for part in (head, body))
        signature = b64url_decode(tail)
    except MalformedError:
        raise WorkloadError("OIDC", "not a compact JWS") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise WorkloadError("OIDC", "not a compact JWS")
    return header, claims, signature, f"{head}.{body}".encode()


def _times(claims: Mapping[str, Any], now: int) -> int:
    expires, issued, start = (_whole(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if expires is None or issued is None:
        raise WorkloadError("OIDC", "the token does not say when it was made and when it ends")
    if expires <= now or issued > now + JWT_SKEW_SECONDS or (start is not None and start > now + JWT_SKEW_SECONDS):
        raise WorkloadError("OIDC", "the token is not valid now")
    if expires - issued > JWT_LIFETIME_MAX_SECONDS:
        raise WorkloadError("OIDC", "the token lives too long", expected=f"at most {JWT_LIFETIME_MAX_SECONDS} s")
    return expires


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _key(jwk: Mapping[str, Any]) -> tuple[str, Verify] | None:
    """The algorithm and check of a public key that is for signatures; None for any other."""
    if jwk.get("use", "sig") != "sig":
        return None
    try:
        if jwk.get("kty") == "RSA":
            return "RS256", _rsa(_number(jwk["n"]), _number(jwk["e"]))
        if jwk.get("kty") == "EC" and jwk.get("crv") == "P-256":
            return "ES256", _p256(_number(jwk["x"]), _number(jwk["y"]))
        if jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519":
            key = ed25519.Ed25519PublicKey.from_public_bytes(b64url_decode(jwk["x"]))
            return "EdDSA", key.verify
    except (KeyError, ValueError, TypeError, AttributeError, MalformedError):
        return None
    return None


def _rsa(modulus: int, exponent: int) -> Verify:
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    if key.key_size < RSA_BITS_MIN:
        raise ValueError("the modulus is too short")

    def check(signature: bytes, data: bytes) -> None:
        key.verify(signature, data, padding.PKCS1v15(), SHA256())

    return check


def _p256(x: int, y: int) -> Verify:
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()

    def check(signature: bytes, data: bytes) -> None:
        if len(signature) != 64:
            raise InvalidSignature
        halves = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.verify(encode_dss_signature(*halves), data, ec.ECDSA(SHA256()))

    return check


def _number(text: str) -> int:
    return int.from_bytes(b64url_decode(text), "big")
