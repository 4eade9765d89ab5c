"""Strict decoders: the only place where bytes from outside become values.

Lives here: I-JSON (RFC 7493) with the bounds of `limits`, RFC 3339 instants, base64, base64url, base58btc, multibase and
hexadecimal, each with one accepted spelling per value. Not here: what the values mean, and canonical output (`canonical`).

One module, though past 400 lines: a reader who asks "what do you accept?" finds every answer here. Lenient standard
decoders inside parsers are this field's recurring fault, so nothing else in the core calls `json.loads`, `base64.b64decode` or
`datetime.fromisoformat`.
"""

from __future__ import annotations

import binascii
import json
import re
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from datasigil.errors import MalformedError
from datasigil.faster import Faster
from datasigil.limits import CREDENTIAL_MAX_BYTES, INTEGER_MAX, JSON_MAX_DEPTH, NUMBER_MAX_CHARACTERS
from datasigil.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

# `Any` and not a recursive alias: parsed JSON is checked value by value by the field tables, not by the type checker.
JsonValue: TypeAlias = Any
JsonObject: TypeAlias = "dict[str, Any]"


@dataclass(frozen=True, slots=True)
class JsonProfile:
    """Which JSON a parser accepts beyond the common bounds."""

    allow_null: bool
    allow_floats: bool


I_JSON = JsonProfile(allow_null=False, allow_floats=False)
"""The datasigil profile: no null, no floats (decimals are strings)."""

GENERIC = JsonProfile(allow_null=True, allow_floats=True)
"""Any I-JSON document, for credentials of other profiles."""

_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def parse_json(data: bytes, *, max_bytes: int = CREDENTIAL_MAX_BYTES, profile: JsonProfile = I_JSON) -> JsonValue:
    """Parse strict UTF-8 JSON of at most `max_bytes` bytes and 32 levels; does not check any schema.

    Raises:
        MalformedError: LIMIT, ENCODING, DEPTH, DUP_KEY, NUMBER, NULL or PARSE (RFC 7493 section 2, RFC 8259).
    """
    if len(data) > max_bytes:
        raise MalformedError(
            "LIMIT", "the document is too large", expected=f"at most {max_bytes} bytes", found=f"{len(data)} bytes"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("ENCODING", "the document is not UTF-8", place=f"byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise MalformedError("ENCODING", "the document starts with a byte order mark", expected="UTF-8 without BOM")
    if "\x00" in text:
        raise MalformedError("ENCODING", "the document holds NUL bytes", expected="UTF-8 text")
    unescaped, halves = _without_escapes(text)
    if profile is I_JSON and not halves:
        value = _load_plain(data, text, unescaped)
        if value is not _UNDECIDED:
            return value
    _check_depth(_outside_texts(unescaped))
    return _load(text, profile)


_FEW_ESCAPES = 32


def _without_escapes(text: str) -> tuple[str, bool]:
    """Return a document without its escape sequences, and whether one of them may stand for half a character.

    What they leave may be wrong inside texts, but every quotation mark is a text's first or last. Outside texts a backslash ends the parse.
    """
    if "\\" not in text:
        return text, False
    if text.count("\\") > _FEW_ESCAPES:
        text = text.replace("\\\\", "").replace('\\"', "")
        return text, "\\u" in text
    kept, start, halves = [], 0, False
    while (at := text.find("\\", start)) >= 0:
        kept.append(text[start:at])
        start = at + 2
        halves = halves or text[at + 1 : start] == "u"
    kept.append(text[start:])
    return "".join(kept), halves


def _outside_texts(unescaped: str) -> str:
    """What stands outside the texts of a document: brackets, colons, commas, numbers, literals, space."""
    return "".join(unescaped.split('"')[::2])


_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def _check_depth(outside: str) -> None:
    """Refuse deep nesting before the recursive parser sees it."""
    brackets = outside.encode("utf-8", "surrogatepass").translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(JSON_MAX_DEPTH):
        # Each pass takes the innermost level away; what is left over does not match, or is too deep.
        inner, brackets = brackets, brackets.replace(b"[]", b"")
        if len(inner) == len(brackets):
            break
    if brackets.count(b"[") > JSON_MAX_DEPTH or b"[]" in brackets:
        raise MalformedError("DEPTH", "the document is nested too deeply", expected=f"at most {JSON_MAX_DEPTH} levels")


_UNDECIDED: Any = object()
# Parses what `_load_walked` accepts to the same values as the standard library.
_ORJSON = Faster("orjson")
_MINUS_ZERO = re.compile(rb"(?:\A|[\s:,\[])-0\s*(?:[,\]}]|\Z)")


def _load_plain(data: bytes, text: str, unescaped: str) -> JsonValue:
    """Return the value of a document whose members are text, true, false, small integers and containers of them, at most 32 deep.

    Anything else, every error included, is left undecided for the decoder that calls Python for each object and words the errors.
    """
    orjson = _ORJSON.module()
    try:
        return _load_counted(text, unescaped) if orjson is None else _load_walked(orjson.loads(data), data, unescaped)
    except (ValueError, RecursionError, MalformedError):
        return _UNDECIDED


def _load_counted(text: str, unescaped: str) -> JsonValue:
    """That no name stands twice in an object is seen by counting: a colon outside the texts for each name that an object has in the end."""
    outside = _outside_texts(unescaped)
    if "n" in outside:  # null: no other word of JSON has that letter
        return _UNDECIDED
    _check_depth(outside)
    names = 0

    def count(value: JsonObject) -> JsonObject:
        nonlocal names
        names += len(value)
        return value

    decoder = json.JSONDecoder(object_hook=count, parse_int=_integer, parse_float=_no_float, parse_constant=_constant)
    value, end = decoder.raw_decode(text, _skip_space(text, 0))
    complete = end == len(text) or _skip_space(text, end) == len(text)
    return value if complete and outside.count(":") == names else _UNDECIDED


def _load_walked(value: JsonValue, data: bytes, unescaped: str) -> JsonValue:
    """That no name stands twice in an object is seen by counting: two quotation marks for each name and each text that there is in the end."""
    texts = levels = 0
    level: list[Any] = [(value,)]
    while level and levels <= JSON_MAX_DEPTH:
        levels += 1
        below = []
        for container in level:
            for item in container:
                kind = type(item)
                if kind is str:
                    texts += 1
                elif kind is dict:
                    texts += len(item)
                    below.append(item.values())
                elif kind is list:
                    below.append(item)
                elif kind is int:
                    if not -INTEGER_MAX <= item <= INTEGER_MAX or (item == 0 and _MINUS_ZERO.search(data)):
                        return _UNDECIDED
                elif kind is not bool:
                    return _UNDECIDED
        level = below
    return value if not level and unescaped.count('"') == 2 * texts else _UNDECIDED


def _load(text: str, profile: JsonProfile) -> JsonValue:
    try:
        value, end = _DECODERS[profile.allow_floats].raw_decode(text, _skip_space(text, 0))
    except json.JSONDecodeError as error:
        raise MalformedError(
            "PARSE", f"not JSON: {error.msg.removesuffix(' at')}", place=f"line {error.lineno} column {error.colno}",
            expected="a complete JSON document",
        ) from None  # fmt: skip
    except RecursionError:
        raise MalformedError("DEPTH", "the document is nested too deeply") from None
    if _skip_space(text, end) != len(text):
        raise MalformedError(
            "PARSE", "text follows the JSON value", place=f"character {end}", expected="one JSON document"
        )
    # \ud800 escapes parse, and null may hide anywhere: both are looked for only when the text can hold them.
    if not profile.allow_null and "null" in text:
        _refuse_null(value, "")
    if "\\u" in text:
        _refuse_surrogates(value, "")
    return value


_SPACE = re.compile(r"[ \t\n\r]*")


def _skip_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start


def _object(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise MalformedError("DUP_KEY", "an object names one member twice", place=f"member {key!r}"[:200])
            seen.add(key)
    return result


def _integer(token: str) -> int:
    if len(token) > NUMBER_MAX_CHARACTERS:
        raise MalformedError("NUMBER", "a number is too long", expected="an integer within 2^53-1")
    if token == "-0":  # noqa: S105 - a number, not a password
        raise MalformedError("NUMBER", "minus zero has no exact canonical form", expected="0")
    value = int(token)
    if not -INTEGER_MAX <= value <= INTEGER_MAX:
        raise MalformedError(
            "NUMBER", "an integer lies outside the I-JSON range", expected="within 2^53-1", found=token
        )
    return value


def _no_float(token: str) -> NoReturn:
    raise MalformedError(
        "NUMBER",
        "numbers with a fraction or exponent are not allowed",
        found=token[:NUMBER_MAX_CHARACTERS],
        expected="an integer, or the decimal as a string",
    )


def _float(token: str) -> float:
    if len(token) > 2 * NUMBER_MAX_CHARACTERS:
        raise MalformedError("NUMBER", "a number is too long", expected="a double")
    value = float(token)
    if value in (float("inf"), float("-inf")):
        raise MalformedError("NUMBER", "a number overflows", found=token, expected="a finite double")
    return value


def _constant(token: str) -> NoReturn:
    raise MalformedError("PARSE", "NaN and Infinity are not JSON", found=token)


def _decoder(parse_float: Callable[[str], float]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_object, parse_int=_integer, parse_constant=_constant, parse_float=parse_float
    )


_DECODERS = {True: _decoder(_float), False: _decoder(_no_float)}


def _refuse_null(value: JsonValue, place: str) -> None:
    if value is None:
        raise MalformedError("NULL", "null is not allowed", place=place or "/", expected="leave the member out")
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_null(item, f"{place}/{pointer_token(key)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_null(item, f"{place}/{index}")


def _refuse_surrogates(value: JsonValue, place: str) -> None:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise MalformedError("ENCODING", "a string holds a lone surrogate", place=place or "/")
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_surrogates(key, place)
            _refuse_surrogates(item, f"{place}/{pointer_token(key)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_surrogates(item, f"{place}/{index}")


def pointer_token(key: str) -> str:
    """Return `key` escaped for one step of a JSON pointer (RFC 6901 section 3), shortened to 100 characters."""
    token = key.replace("~", "~0").replace("/", "~1")[:100]
    return token.encode("utf-8", "backslashreplace").decode("utf-8")


# RFC 3339 -----------------------------------------------------------------------------------------------------------

_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,24}))?(Z|[+-][0-9]{2}:[0-9]{2})\Z",
    re.ASCII,
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
# Years 1 to 9999, which `datetime` can hold.
_FIRST_SECOND = (1 - _EPOCH_DAY) * 86_400
_LAST_SECOND = (date(9999, 12, 31).toordinal() - _EPOCH_DAY + 1) * 86_400 - 1


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """A point in time, exact to any number of fraction digits: whole seconds since 1970 UTC, then the fraction's digits.

    `fraction` has no trailing zeros, so comparing it as text compares it as a number.
    """

    seconds: int
    fraction: str = ""

    @classmethod
    def parse(cls, text: JsonValue, *, place: str = "", any_offset: bool = False) -> Instant:
        """Parse an RFC 3339 timestamp; only `Z` is accepted unless `any_offset` (xsd:dateTimeStamp).

        Raises:
            MalformedError: TIMESTAMP (RFC 3339 section 5.6; leap seconds are refused).
        """
        match = _TIMESTAMP.match(text) if isinstance(text, str) else None
        if match is None or not (any_offset or match[8] == "Z"):
            raise _bad_time(place, text)
        try:
            hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
            if hour > 23 or minute > 59 or second > 59:
                raise ValueError(text)
            seconds = _day(text[:10]) * 86_400 + hour * 3600 + minute * 60 + second - _offset(match[8])
            if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
                raise ValueError(text)
        except ValueError:
            raise _bad_time(place, text) from None
        return cls(seconds, (match[7] or "").rstrip("0"))

    @classmethod
    def from_datetime(cls, moment: datetime) -> Instant:
        """Return the instant of an aware datetime, microseconds kept.

        Raises:
            ValueError: for a naive datetime, which names no instant.
        """
        if moment.tzinfo is None:
            raise ValueError("a naive datetime names no instant; pass one with tzinfo")
        elapsed = moment - _EPOCH  # of which only the days can be negative
        micro = elapsed.microseconds
        return cls(elapsed.days * 86_400 + elapsed.seconds, f"{micro:06d}".rstrip("0") if micro else "")

    def datetime(self) -> datetime:
        """Return the aware UTC datetime, truncated to microseconds."""
        return _EPOCH + timedelta(seconds=self.seconds, microseconds=int(self.fraction[:6].ljust(6, "0") or "0"))

    def plus(self, seconds: int) -> Instant:
        """Return the instant that lies `seconds` later."""
        return Instant(self.seconds + seconds, self.fraction)

    def __str__(self) -> str:
        return f"{_whole_seconds(self.seconds)}{'.' + self.fraction if self.fraction else ''}Z"


@lru_cache(maxsize=256)  # what is checked in one process was signed on few days
def _day(text: str) -> int:
    """Days since 1970 of a date in digits.  Raises: ValueError for a day that does not exist."""
    return date(int(text[:4]), int(text[5:7]), int(text[8:10])).toordinal() - _EPOCH_DAY


@lru_cache(maxsize=256)  # one check writes the same few times down again and again
def _whole_seconds(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]


def _offset(text: str) -> int:
    """Seconds that a time with this offset lies ahead of UTC."""
    if text == "Z":
        return 0
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(text)
    shift = hours * 3600 + minutes * 60
    return -shift if text[0] == "-" else shift


def _bad_time(place: str, text: object) -> MalformedError:
    return MalformedError(
        "TIMESTAMP",
        "not an RFC 3339 time in UTC",
        place=place,
        expected="such as 2026-11-02T09:30:00Z",
        found=str(text)[:60],
    )


def parse_date(text: JsonValue, *, place: str = "") -> str:
    """Return a full-date of RFC 3339 that names a real day.

    Raises:
        MalformedError: DATE (RFC 3339 section 5.6).
    """
    try:
        if not isinstance(text, str) or not _DATE.match(text):
            raise ValueError
        datetime(int(text[:4]), int(text[5:7]), int(text[8:10]))  # noqa: DTZ001 - only the calendar is checked
    except ValueError:
        raise MalformedError(
            "DATE", "not a calendar date", place=place, expected="YYYY-MM-DD", found=str(text)[:60]
        ) from None
    return str(text)


# Binary to text -----------------------------------------------------------------------------------------------------

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# Each ASCII character's value, 255 for what is no digit (bytes past ASCII among them).
_BASE58_DIGITS = bytes(_BASE58.find(chr(byte)) & 0xFF if byte < 0x80 else 0xFF for byte in range(256))
_BASE58_MAX_CHARACTERS = 1024
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z", re.ASCII)


def hex_digest(text: JsonValue, *, place: str = "") -> bytes:
    """Return the 32 bytes of a SHA-256 or BLAKE3 digest written as 64 lower-case hexadecimal digits.

    Raises:
        MalformedError: DIGEST.
    """
    if not isinstance(text, str) or not _HEX_DIGEST.match(text):
        raise MalformedError(
            "DIGEST", "not a digest", place=place, expected="64 lower-case hexadecimal digits", found=str(text)[:80]
        )
    return bytes.fromhex(text)


def b64_encode(data: bytes) -> str:
    """Return standard padded base64 (RFC 4648 section 4)."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def b64_decode(text: str, *, place: str = "") -> bytes:
    """Return the bytes of standard padded base64 in its one canonical spelling.

    Raises:
        MalformedError: ENCODING, for junk, missing padding or stray bits (RFC 4648 sections 3.2, 3.3, 3.5).
    """
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        raise MalformedError("ENCODING", "not base64", place=place, expected="padded base64") from None
    if b64_encode(data) != text:
        raise MalformedError("ENCODING", "base64 in a non-canonical spelling", place=place)
    return data


def b64url_encode(data: bytes) -> str:
    """Return unpadded base64url (RFC 4648 section 5)."""
    return b64_encode(data).rstrip("=").replace("+", "-").replace("/", "_")


def b64url_decode(text: JsonValue, *, place: str = "") -> bytes:
    """Return the bytes of unpadded base64url in its one canonical spelling.

    Raises:
        MalformedError: ENCODING (RFC 4648 section 5).
    """
    if not isinstance(text, str) or not _BASE64URL.match(text):
        raise MalformedError("ENCODING", "not base64url", place=place, expected="unpadded base64url")
    padded = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
    return b64_decode(padded, place=place)


def base58_encode(data: bytes) -> str:
    """Return base58btc text (draft-msporny-base58-03)."""
    zeros = len(data) - len(data.lstrip(b"\x00"))
    number, pairs, found = int.from_bytes(data, "big"), _base58_pairs(), []
    while number:
        # A stride fits a machine word, so the long number is divided rarely.
        number, stride = divmod(number, 3364**5)
        for _ in range(5):
            stride, pair = divmod(stride, 3364)
            found.append(pairs[pair])
    return "1" * zeros + "".join(reversed(found)).lstrip("1")


@cache
def _base58_pairs() -> list[str]:
    """Every two digits, by their value below 58^2 = 3364."""
    return [first + second for first in _BASE58 for second in _BASE58]


def base58_decode(text: str, *, place: str = "") -> bytes:
    """Return the bytes of base58btc text of at most 1,024 characters.

    Raises:
        MalformedError: ENCODING (draft-msporny-base58-03).
    """
    if len(text) > _BASE58_MAX_CHARACTERS:
        raise MalformedError("ENCODING", "base58 text is too long", place=place)
    digits = text.encode("utf-8", "surrogatepass").translate(_BASE58_DIGITS)
    if b"\xff" in digits:
        stray = next(character for character in text if character not in _BASE58)
        raise MalformedError("ENCODING", "not base58btc", place=place, found=repr(stray))
    number = int.from_bytes(digits, "big")
    for bits, lanes, scale in _base58_joins((len(digits) - 1).bit_length()):
        number = (number & lanes) + ((number >> bits) & lanes) * scale
    zeros = len(text) - len(text.lstrip("1"))
    return b"\x00" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


@lru_cache(maxsize=16)
def _base58_joins(doublings: int) -> list[tuple[int, int, int]]:
    """Lane width, mask of every second lane and 58^n for each step that joins neighbouring lanes of an integer, all lanes at once.

    One digit a byte at first, then base 58^2 in two bytes, 58^4 in four; a lane never overflows, because 58 is below 256.
    """
    steps = []
    for step in range(doublings):
        bits = 8 << step
        lanes = sum(((1 << bits) - 1) << at for at in range(0, 8 << doublings, 2 * bits))
        steps.append((bits, lanes, 58 ** (1 << step)))
    return steps


def multibase_decode(text: JsonValue, *, prefix: str = "z", place: str = "") -> bytes:
    """Return the bytes of a multibase string whose base must be `prefix`: `z` (base58btc) or `u` (base64url).

    Raises:
        MalformedError: ENCODING (Controlled Identifiers 1.0 section 2.4).
    """
    if not isinstance(text, str) or not text.startswith(prefix):
        raise MalformedError("ENCODING", "wrong multibase prefix", place=place, expected=prefix, found=str(text)[:1])
    decode = base58_decode if prefix == "z" else b64url_decode
    return decode(text[1:], place=place)


def multibase_encode(data: bytes, *, prefix: str = "z") -> str:
    """Return `data` as multibase text, base58btc (`z`) or base64url (`u`)."""
    return prefix + (base58_encode(data) if prefix == "z" else b64url_encode(data))
