"""The optional libraries give the required ones' answers, and are not imported by a process that would not gain."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasigil import canonical, encoding, faster
from datasigil.credentials import keys
from datasigil.errors import DatasigilError, MalformedError
from datasigil.faster import USES_BEFORE_IMPORT, Faster
from datasigil.signing import LocalSigner

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["\x00\x1f\x7f", '"\\/\b\f\n\r\t', "\u2028\u2029", "é", "\ud7ff", "\ue000", "🙂", ""]
)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(params=["required", "faster"])
def both(request, monkeypatch):
    """Runs a test with the required libraries alone, then with the faster ones."""
    for holder, name, module in (
        (canonical, "_ORJSON", "orjson"),
        (encoding, "_ORJSON", "orjson"),
        (keys, "_SODIUM", "nacl.bindings"),
    ):
        library = Faster(module)
        if request.param == "faster":
            assert library.load()
        else:
            library.forget()
        monkeypatch.setattr(holder, name, library)
    return request.param


@given(VALUES)
def test_canonical_bytes_are_the_same(value):
    library, none = Faster("orjson"), Faster("orjson")
    assert library.load()
    none.forget()
    found = []
    before = canonical._ORJSON
    try:
        for one in (library, none):
            canonical._ORJSON = one
            found.append(canonical.jcs(value))
    finally:
        canonical._ORJSON = before
    assert found[0] == found[1]
    assert json.loads(found[0]) == value


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        {"\udfff": 1},
        ["a", {"b": "\ud800"}],
        2**53,
        {1: 2},
        {"a": {None: 1}},
        {1.5: 2},
        {"a": float("nan")},
        object(),
        b"x",
    ],
)
def test_values_without_canonical_form_are_refused_alike(both, value):
    with pytest.raises(MalformedError):
        canonical.jcs(value)


DOCUMENTS = [
    (b'{"a":1,"a":2}', "DUP_KEY"),
    (b'{"a":"x","a" :"x"}', "DUP_KEY"),
    (b'{"a":{"b":1,"b":{}}}', "DUP_KEY"),
    (b'{"a":1,"b":":","a":1}', "DUP_KEY"),
    (b'{"a":"\\"","b":1,"b":2}', "DUP_KEY"),
    (b'{"a\\"":1,"a\\"":1}', "DUP_KEY"),
    (b'{"\\\\":1,"\\\\":1}', "DUP_KEY"),
    (b'{"a":1,"\\u0061":1}', "DUP_KEY"),
    (b'{"a":-0}', "NUMBER"),
    (b"[-0]", "NUMBER"),
    (b"-0", "NUMBER"),
    (b"[1 , -0\n]", "NUMBER"),
    (b"[0.0]", "NUMBER"),
    (b"[-0.0]", "NUMBER"),
    (b"[1e3]", "NUMBER"),
    (b"[9007199254740992]", "NUMBER"),
    (b"[18446744073709551616]", "NUMBER"),
    (b"[" + b"9" * 5000 + b"]", "NUMBER"),
    (b"[null]", "NULL"),
    (b"[NaN]", "PARSE"),
    (b"[Infinity]", "PARSE"),
    (b"[1,]", "PARSE"),
    (b"[1] x", "PARSE"),
    (b"[01]", "PARSE"),
    (b"['a']", "PARSE"),
    (b'"\t"', "PARSE"),
    (b'"\\x"', "PARSE"),
    (b'"\\ud800"', "ENCODING"),
    (b'"\x00"', "ENCODING"),
    (b'"\xff"', "ENCODING"),
    (b"\xef\xbb\xbf[]", "ENCODING"),
    (b"", "PARSE"),
    (b"[" * 33 + b"]" * 33, "DEPTH"),
    (b'{"a":' * 33 + b"1" + b"}" * 33, "DEPTH"),
    (b"[" * 100_000, "DEPTH"),
]


@pytest.mark.parametrize(("data", "code"), DOCUMENTS, ids=[repr(data[:30]) for data, _ in DOCUMENTS])
def test_documents_are_refused_alike(both, data, code):
    with pytest.raises(MalformedError) as caught:
        encoding.parse_json(data)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "data",
    [
        b"0",
        b"[0]",
        b'{"a":0,"day":"2026-01-02"}',
        b"[" * 32 + b"]" * 32,
        b' {"a" : [ true , false , 1 , "\\n\\"x\\"" ] } ',
        b'{"a":"-0"}',
        b'"\xc3\xa9"',
        b"[9007199254740991,-9007199254740991]",
        b'{"":""}',
    ],
)
def test_documents_are_read_alike(both, data):
    assert encoding.parse_json(data) == json.loads(data)


@given(st.lists(st.sampled_from(['"a"', '"b"', ":", ",", "{", "}", "[", "]", "1", " ", '"\\""', "true"]), max_size=14))
def test_the_short_way_of_parsing_takes_nothing_that_the_strict_way_refuses(tokens):
    text = "".join(tokens)
    library, none = Faster("orjson"), Faster("orjson")
    assert library.load()
    none.forget()
    before = encoding._ORJSON
    try:
        for one in (library, none):
            encoding._ORJSON = one
            short = encoding._load_plain(text.encode(), text, encoding._without_escapes(text)[0])
            if short is not encoding._UNDECIDED:
                assert encoding._load(text, encoding.I_JSON) == short
    finally:
        encoding._ORJSON = before


@pytest.mark.parametrize("escapes", [0, 1, 32, 33, 500])
def test_names_are_counted_rightly_however_many_escapes_there_are(both, escapes):
    text = '\\"\\\\ \\n:,{' * escapes
    good = f'{{"a":"{text}","b{text}":[{{"a":"x"}}]}}'.encode()
    assert encoding.parse_json(good) == json.loads(good)
    for name in ("a", f"b{text}"):
        with pytest.raises(MalformedError) as caught:
            encoding.parse_json(good[:-1] + f',"{name}":1}}'.encode())
        assert caught.value.code == "DUP_KEY"


def test_all_914_ed25519_cases_are_decided_alike(both, shared):
    cases = json.loads((shared / "vectors/ed25519/ed25519vectors.json").read_text())
    accepted = 0
    for case in cases:
        try:
            keys.PublicKey.from_raw("ed25519", bytes.fromhex(case["key"])).verify(
                bytes.fromhex(case["sig"]), case["msg"].encode()
            )
            accepted += 1
        except DatasigilError:
            continue
    assert accepted == 43


def test_signatures_verify_and_are_refused_alike(both):
    signer = LocalSigner.generate()
    signature = signer.sign(b"data")
    signer.public_key.verify(signature, b"data")
    for bad, data in (
        (signature, b"Data"),
        (signature[:-1] + bytes([signature[-1] ^ 1]), b"data"),
        (bytes(64), b"data"),
    ):
        with pytest.raises(DatasigilError) as caught:
            signer.public_key.verify(bad, data)
        assert caught.value.code == "SIGNATURE"


def test_a_library_is_imported_at_the_hundredth_use_and_not_before():
    library = Faster("json")
    assert [library.module() for _ in range(USES_BEFORE_IMPORT - 1)] == [None] * (USES_BEFORE_IMPORT - 1)
    assert library.module() is json


def test_a_library_that_is_not_there_is_done_without():
    library = Faster("no_such_library_anywhere")
    assert not library.load()
    assert library.module() is None


def test_one_check_imports_neither(repository):
    code = (
        "import sys\nfrom verifier_cli.main import main\n"
        f"folder = {str(repository / 'tests/vectors/transparency')!r}\n"
        "code = main(['check', folder + '/bundle-v1.sigil.json', '--policy', folder + '/bundle-v1.datasigil.toml', '--offline', '--at', '2026-11-02T09:30:00Z'])\n"
        "sys.exit(code or 10 * ('orjson' in sys.modules or 'nacl' in sys.modules))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert faster.USES_BEFORE_IMPORT > 50
