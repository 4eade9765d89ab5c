"""JSON Canonicalization Scheme and the digests taken over it.

Lives here: RFC 8785 (June 2020) serialisation and SHA-256 over it. Not here: RDF canonicalisation (`credentials/rdf`)
and strict parsing (`encoding`).
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from datasigil.errors import MalformedError
from datasigil.faster import Faster
from datasigil.limits import INTEGER_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datasigil.encoding import JsonValue

_ENCODE = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode

# Sorts keys by code points and escapes what JSON.stringify does: for what `_is_plain` lets through, RFC 8785 to the byte.
_ORJSON = Faster("orjson")


def jcs(value: JsonValue) -> bytes:
    """Return the RFC 8785 canonical bytes of a JSON value.

    Integers are bounded by 2^53-1; floats and keys outside the Basic Multilingual Plane take the slower reference
    implementation, everything else the standard library's encoder (in long-lived processes orjson, if it is installed),
    whose output for them is the same bytes.

    Raises:
        MalformedError: NUMBER or ENCODING, when the value has no canonical form (RFC 8785 section 3.2.2).
    """
    try:
        orjson = _ORJSON.module()
        if orjson is None:
            if _is_plain(value):
                return _ENCODE(value).encode("utf-8")
        elif _is_plain(value, names=False):
            found = _orjson_bytes(orjson, value)
            # Names of ASCII alone sort alike everywhere.
            if found.isascii() or _is_plain(value):
                return found
    except UnicodeEncodeError:
        raise MalformedError("ENCODING", "a string holds a lone surrogate", expected="Unicode scalar values") from None
    except RecursionError:
        raise MalformedError("DEPTH", "the value is nested too deeply to serialise") from None
    return _reference_jcs(value)


def jcs_of_checked(value: JsonValue) -> bytes:
    """Return what `jcs` returns, for a value that a closed field table has let through: no floats, no null, bounded integers, ASCII names.

    Raises:
        MalformedError: ENCODING, for a lone surrogate in a text.
    """
    orjson = _ORJSON.module()
    if orjson is not None:
        return _orjson_bytes(orjson, value)
    try:
        return _ENCODE(value).encode("utf-8")
    except UnicodeEncodeError:
        return jcs(value)  # which says so


def _orjson_bytes(orjson: Any, value: JsonValue) -> bytes:
    try:
        return bytes(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    except TypeError:  # a name that is no text, a lone surrogate, or deeper than it goes: the others say which
        return _ENCODE(value).encode("utf-8") if _is_plain(value) else _reference_jcs(value)


def _is_plain(value: JsonValue, *, names: bool = True) -> bool:
    """Say whether the standard encoder and RFC 8785 agree on `value`: no floats, and, if `names` are looked at, names that sort alike."""
    pending: list[Iterable[JsonValue]] = [(value,)]
    while pending:
        for item in pending.pop():
            kind = type(item)
            if kind is str or kind is bool or item is None:
                continue
            if kind is int:
                _check_integer(item)
            elif kind is dict:
                if names and not _sort_alike(item):
                    return False
                pending.append(item.values())
            elif kind is list or kind is tuple:
                pending.append(item)
            else:
                return False
    return True


def _sort_alike(names: Iterable[str]) -> bool:
    # RFC 8785 sorts by UTF-16 code units; code point order differs only past U+D7FF.
    try:
        text = "".join(names)
    except TypeError:  # a name that is no text
        return False
    return text.isascii() or max(text) <= "\ud7ff"


def _check_integer(value: int) -> None:
    if not -INTEGER_MAX <= value <= INTEGER_MAX:
        raise MalformedError("NUMBER", "an integer lies outside the I-JSON range", expected="at most 2^53-1")


def _reference_jcs(value: JsonValue) -> bytes:
    import rfc8785

    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        code = "NUMBER" if isinstance(error, (rfc8785.FloatDomainError, rfc8785.IntegerDomainError)) else "ENCODING"
        raise MalformedError(code, "the value has no canonical JSON form", found=type(error).__name__) from None


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def document_digest(document: JsonValue) -> str:
    """Return SHA-256 over the JCS form of a document, proofs included, as 64 lower-case hexadecimal digits."""
    return sha256_hex(jcs(document))
