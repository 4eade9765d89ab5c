"""Strict decoding: each value has one accepted spelling, and every other one is refused with a stable code."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasigil import encoding
from datasigil.encoding import GENERIC, Instant, parse_json
from datasigil.errors import MalformedError


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"issuer":"did:a","issuer":"did:b"}', "DUP_KEY"),
        (b'{"a":{"b":1,"b":1}}', "DUP_KEY"),
        (b'{"a":1,"\\u0061":2}', "DUP_KEY"),
        (b'{"size":NaN}', "PARSE"),
        (b'{"size":-Infinity}', "PARSE"),
        (b'{"size":' + b"9" * 5000 + b"}", "NUMBER"),
        (b'{"size":9007199254740992}', "NUMBER"),
        (b'{"size":-0}', "NUMBER"),
        (b'{"size":1.0}', "NUMBER"),
        (b'{"size":1e3}', "NUMBER"),
        (b'{"size":01}', "PARSE"),
        (b'{"size":+1}', "PARSE"),
        (b'{"a":null}', "NULL"),
        (b'[[{"a":[null]}]]', "NULL"),
        (b"[" * 100_000, "DEPTH"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "DEPTH"),
        (b"[" * 33 + b"]" * 33, "DEPTH"),
        ('{"a":1}'.encode("utf-16-le"), "ENCODING"),
        ('{"a":1}'.encode("utf-16"), "ENCODING"),
        (b'\xef\xbb\xbf{"a":1}', "ENCODING"),
        (b'{"a":"\xff"}', "ENCODING"),
        (b'{"a":"\xed\xa0\x80"}', "ENCODING"),
        (b'{"a":"\\ud800"}', "ENCODING"),
        (b'{"\\udc00":1}', "ENCODING"),
        (b'{"a":1,}', "PARSE"),
        (b'{"a":1} // why', "PARSE"),
        (b"{'a':1}", "PARSE"),
        (b'{"a":"\n"}', "PARSE"),
        (b'{"a":1}{"b":2}', "PARSE"),
        (b'\x0b{"a":1}', "PARSE"),
        (b"", "PARSE"),
        (b" ", "PARSE"),
        (b"\xc2\xa01", "PARSE"),
    ],
)
def test_what_is_not_strict_json_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_json(data)
    assert caught.value.code == code


def test_a_document_over_the_size_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(MalformedError) as caught:
        parse_json(b"[" * 11, max_bytes=10)
    assert caught.value.code == "LIMIT"


@pytest.mark.parametrize("filler", ['\\"', '"', "\\", "[[],", '"[', "{", '\\u"', "[]", '{"":'])
def test_hostile_megabytes_stay_within_two_seconds_of_cpu(filler: str) -> None:
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_CPU, (2, 2))\n"
        "from datasigil.encoding import parse_json\n"
        "from datasigil.errors import MalformedError\n"
        "filler = sys.argv[1].encode()\n"
        "try: parse_json((b'\"' + filler * (1_000_000 // len(filler)))[:1_000_000])\n"
        "except MalformedError: sys.exit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, filler], check=False).returncode == 7


def test_brackets_inside_strings_do_not_count_as_depth() -> None:
    assert parse_json(json.dumps({"a": "[" * 100, "b": '\\"[[['}).encode()) == {"a": "[" * 100, "b": '\\"[[['}


def test_generic_documents_may_hold_null_and_finite_floats() -> None:
    assert parse_json(b'{"a":null,"b":1.5}', profile=GENERIC) == {"a": None, "b": 1.5}
    with pytest.raises(MalformedError):
        parse_json(b"[1e400]", profile=GENERIC)


def test_thirty_two_levels_are_allowed() -> None:
    assert parse_json(b"[" * 32 + b"]" * 32)


@given(
    st.recursive(
        st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_every_profile_value_round_trips(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


# Time


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-02",
        "2026-11-02T09:30Z",
        "2026-11-02T09:30:00",
        "2026-11-02t09:30:00Z",
        "2026-11-02T09:30:00z",
        "2026-11-02 09:30:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-02T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "2026-11-02T09:30:00.Z",
        "2026-11-02T09:30:00+00:00",
        "٢٠26-11-02T09:30:00Z",
        "2026-11-02T09:30:00Z\n",
        "soon",
        "",
    ],
)
def test_other_spellings_of_time_are_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Instant.parse(text)
    assert caught.value.code == "TIMESTAMP"


def test_twelve_fraction_digits_are_kept_and_compared() -> None:
    early = Instant.parse("2026-01-01T00:00:00.000000000001Z")
    late = Instant.parse("2026-01-01T00:00:00.000000000002Z")
    assert early < late
    assert str(late) == "2026-01-01T00:00:00.000000000002Z"
    assert Instant.parse("2026-01-01T00:00:00.5Z") == Instant.parse("2026-01-01T00:00:00.500Z")
    assert Instant.parse("2026-01-01T00:00:00.09Z") < Instant.parse("2026-01-01T00:00:00.1Z")


def test_offsets_are_converted_only_when_asked_for() -> None:
    assert Instant.parse("2026-01-01T02:00:00+02:00", any_offset=True) == Instant.parse("2026-01-01T00:00:00Z")
    with pytest.raises(MalformedError):
        Instant.parse("2026-01-01T02:00:00+24:00", any_offset=True)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))
def test_datetimes_round_trip_through_instants(moment: datetime) -> None:
    instant = Instant.from_datetime(moment)
    assert instant.datetime() == moment
    assert Instant.parse(str(instant)) == instant
    assert instant.plus(1).datetime() == moment + timedelta(seconds=1)


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        Instant.from_datetime(datetime(2026, 1, 1))


@pytest.mark.parametrize("text", ["2026-02-29", "2026-13-01", "2026-1-1", "20260101", "2026-01-01T00:00:00Z", ""])
def test_dates_that_name_no_day_are_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        encoding.parse_date(text)
    assert encoding.parse_date("2024-02-29") == "2024-02-29"


# Binary


@given(st.binary(max_size=80))
def test_binary_encodings_round_trip(data: bytes) -> None:
    assert encoding.b64_decode(encoding.b64_encode(data)) == data
    assert encoding.b64url_decode(encoding.b64url_encode(data)) == data
    assert encoding.base58_decode(encoding.base58_encode(data)) == data
    for prefix in "zu":
        assert encoding.multibase_decode(encoding.multibase_encode(data, prefix=prefix), prefix=prefix) == data


@pytest.mark.parametrize("text", ["QQ", "QR==", "QQ==\n", " QQ==", "Q Q=", "!!!!AAAA", "QQ===", "QUJD=", "Ä"])
def test_junk_or_non_canonical_base64_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        encoding.b64_decode(text)


@pytest.mark.parametrize("text", ["QQ==", "QR", "Q+", "Q/", "A", "QQ\n"])
def test_junk_or_non_canonical_base64url_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        encoding.b64url_decode(text)


@pytest.mark.parametrize("text", ["u1", "1", "z0", "zO", "zI", "zl", " z1", "z 1", ""])
def test_wrong_multibase_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        encoding.multibase_decode(text)


@pytest.mark.parametrize("text", ["A" * 64, "0" * 63, "0" * 65, "0x" + "0" * 62, "0" * 64 + "\n", "٠" * 64])
def test_digests_have_one_spelling(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        encoding.hex_digest(text)
    assert caught.value.code == "DIGEST"


def test_what_was_found_can_always_be_printed():
    with pytest.raises(MalformedError) as caught:
        encoding.multibase_decode("\udc83", place="/\udcff")
    assert str(caught.value).encode() == b"wrong multibase prefix; at /\\udcff; expected z; found \\udc83"


@pytest.mark.parametrize(
    ("data", "found"),
    [(b'{"a": "b', "Unterminated string starting;"), (b"", "Expecting value;"), (b"{} {}", "text follows")],
)
def test_what_is_no_json_is_told_in_a_whole_sentence(data, found):
    with pytest.raises(MalformedError) as caught:
        parse_json(data)
    assert found in f"{caught.value.message};"
    assert caught.value.expected
    assert caught.value.place
