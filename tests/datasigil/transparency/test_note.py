"""Signed notes and verifier keys: published examples, and the spellings that lenient parsers let through."""

from base64 import b64encode
from hashlib import sha256

import pytest
from simulator import signer_of, vkey_of

from datasigil.errors import LogError, MalformedError
from datasigil.transparency.note import (
    COSIGNATURE_V1,
    ED25519,
    NoteSignature,
    VerifierKey,
    new_vkey,
    parse_note,
    parse_signature_lines,
    parse_vkey,
    sign_text,
    verify_signature,
)

# The example of the Go reference implementation's documentation (golang.org/x/mod/sumdb/note).
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
# The example of C2SP signed-note v1.0.0, "Verifier keys".
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n"
    "\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
SIGNATURE = b64encode(b"\x01\x02\x03\x04" + b"s" * 64).decode()


@pytest.mark.parametrize(("key", "note"), [(GO_KEY, GO_NOTE), (C2SP_KEY, C2SP_NOTE)])
def test_published_examples_verify_and_read_back(key, note):
    parsed, vkey = parse_note(note), parse_vkey(key)
    verify_signature(parsed, parsed.signatures[0], vkey)
    assert parsed.to_bytes() == note
    assert str(vkey) == key


@pytest.mark.parametrize(("key", "note"), [(GO_KEY, GO_NOTE), (C2SP_KEY, C2SP_NOTE)])
def test_every_changed_text_byte_breaks_the_signature(key, note):
    parsed, vkey = parse_note(note), parse_vkey(key)
    for at in range(0, len(parsed.text) - 1, 5):
        text = parsed.text[:at] + ("x" if parsed.text[at] != "x" else "y") + parsed.text[at + 1 :]
        other = parse_note(text.encode() + note[len(parsed.text.encode()) :])
        with pytest.raises(LogError) as caught:
            verify_signature(other, other.signatures[0], vkey)
        assert caught.value.code == "CHECKPOINT"


def test_cosignature_line_of_the_specification_is_framed_as_published():
    line = "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
    (signature,) = parse_signature_lines(line)
    assert signature.name == "witness.example.com/w1"
    assert signature.key_id.hex() == "8d66cf3f"
    assert int.from_bytes(signature.signature[:8], "big") == 1679315147
    assert len(signature.signature) == 72
    assert str(signature) == line


MALFORMED_NOTES = {
    "empty": b"",
    "no signatures": b"text\n",
    "no blank line": f"text\n— a {SIGNATURE}\n".encode(),
    "no text": f"\n\n— a {SIGNATURE}\n".encode()[1:],
    "blank line but no signature": b"text\n\n",
    "last line without newline": f"text\n\n— a {SIGNATURE}".encode(),
    "carriage returns": f"text\r\n\r\n— a {SIGNATURE}\r\n".encode(),
    "tab in text": f"te\txt\n\n— a {SIGNATURE}\n".encode(),
    "NUL in text": f"te\0xt\n\n— a {SIGNATURE}\n".encode(),
    "escape in name": f"text\n\n— a\x1b {SIGNATURE}\n".encode(),
    "not UTF-8": b"te\xffxt\n\n" + f"— a {SIGNATURE}\n".encode(),
    "UTF-16": f"text\n\n— a {SIGNATURE}\n".encode("utf-16-le"),
    "hyphen for em dash": f"text\n\n- a {SIGNATURE}\n".encode(),
    "en dash for em dash": f"text\n\n– a {SIGNATURE}\n".encode(),
    "no space after dash": f"text\n\n—a {SIGNATURE}\n".encode(),
    "leading space": f"text\n\n — a {SIGNATURE}\n".encode(),
    "trailing space": f"text\n\n— a {SIGNATURE} \n".encode(),
    "two spaces": f"text\n\n— a  {SIGNATURE}\n".encode(),
    "empty name": f"text\n\n—  {SIGNATURE}\n".encode(),
    "plus in name": f"text\n\n— a+b {SIGNATURE}\n".encode(),
    "no-break space in name": f"text\n\n— a\u00a0b {SIGNATURE}\n".encode(),
    "ideographic space in name": f"text\n\n— a\u3000b {SIGNATURE}\n".encode(),
    "name of 256 characters": f"text\n\n— {'a' * 256} {SIGNATURE}\n".encode(),
    "no base64": b"text\n\n\xe2\x80\x94 a\n",
    "base64 without padding": f"text\n\n— a {SIGNATURE.rstrip('=')}\n".encode(),
    "base64 with junk": f"text\n\n— a !!!!{SIGNATURE}\n".encode(),
    "base64 with inner newline escape": f"text\n\n— a {SIGNATURE[:40]}\\n{SIGNATURE[40:]}\n".encode(),
    "base64url": f"text\n\n— a {b64encode(bytes([1, 2, 3, 4]) + bytes([255]) * 64).decode().replace('/', '_')}\n".encode(),
    "stray bits in base64": b"text\n\n\xe2\x80\x94 a AQIDBAV=\n",
    "padding inside": f"text\n\n— a AQ=={SIGNATURE}\n".encode(),
    "key id without signature": b"text\n\n\xe2\x80\x94 a AQIDBA==\n",
    "empty line between signatures": f"text\n\n— a {SIGNATURE}\n\nx\n".encode(),
    "too many signatures": ("text\n\n" + f"— a {SIGNATURE}\n" * 65).encode(),
    "too large": b"t" * 65_536 + f"\n\n— a {SIGNATURE}\n".encode(),
}


@pytest.mark.parametrize("name", MALFORMED_NOTES)
def test_malformed_notes_are_refused(name):
    with pytest.raises(MalformedError) as caught:
        parse_note(MALFORMED_NOTES[name])
    assert caught.value.code == "CHECKPOINT"


def test_text_may_hold_empty_lines_and_sixty_four_signatures():
    note = parse_note(("one\n\ntwo\n\n" + f"— a {SIGNATURE}\n" * 64).encode())
    assert note.text == "one\n\ntwo\n"
    assert len(note.signatures) == 64


def test_every_prefix_of_a_note_is_refused():
    for end in range(len(GO_NOTE)):
        with pytest.raises(MalformedError):
            parse_note(GO_NOTE[:end])


MALFORMED_KEYS = {
    "empty": "",
    "no parts": "PeterNeumann",
    "two parts": "PeterNeumann+c74f20a3",
    "upper-case id": GO_KEY.replace("c74f20a3", "C74F20A3"),
    "short id": GO_KEY.replace("c74f20a3", "c74f20a"),
    "id of another key": GO_KEY.replace("c74f20a3", "c74f20a4"),
    "id with spaces": GO_KEY.replace("c74f20a3", "c7 4f 20"),
    "full-width digit in id": GO_KEY.replace("c74f20a3", "c74f20a\uff13"),
    "other name": GO_KEY.replace("Peter", "peter"),
    "empty name": GO_KEY.removeprefix("PeterNeumann"),
    "space in name": GO_KEY.replace("PeterN", "Peter N"),
    "extra padding": GO_KEY + "=",
    "trailing newline": GO_KEY + "\n",
    "leading space": " " + GO_KEY,
    "short key": f"n+00000000+{b64encode(bytes([1]) + b'k' * 31).decode()}",
    "long key": f"n+00000000+{b64encode(bytes([1]) + b'k' * 33).decode()}",
    "ECDSA type": f"n+00000000+{b64encode(bytes([2]) + b'k' * 32).decode()}",
    "ML-DSA type": f"n+00000000+{b64encode(bytes([6]) + b'k' * 32).decode()}",
    "no material": "n+00000000+",
}


@pytest.mark.parametrize("name", MALFORMED_KEYS)
def test_malformed_verifier_keys_are_refused(name):
    with pytest.raises(MalformedError) as caught:
        parse_vkey(MALFORMED_KEYS[name])
    assert caught.value.code == "VKEY"


def test_key_of_the_wrong_signature_type_is_refused():
    time_key = vkey_of("log/time", signer_of("time"), COSIGNATURE_V1)
    assert parse_vkey(str(time_key), algorithm=COSIGNATURE_V1) == time_key
    with pytest.raises(MalformedError):
        parse_vkey(str(time_key), algorithm=ED25519)


def test_one_public_key_has_another_id_under_another_name_or_type():
    raw = signer_of("log").public_key.raw
    ids = {new_vkey(name, raw, type_).key_id for name in ("a", "b") for type_ in (ED25519, COSIGNATURE_V1)}
    assert len(ids) == 4
    assert new_vkey("a", raw).key_id == sha256(b"a\n\x01" + raw).digest()[:4]


SMALL_ORDER = [
    "00" * 32,
    "01" + "00" * 31,
    "ec" + "ff" * 30 + "7f",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "00" * 31 + "80",
]
NON_CANONICAL = ["ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f", "ff" * 32, "01" + "00" * 30 + "80"]


@pytest.mark.parametrize("point", [*SMALL_ORDER, *NON_CANONICAL])
def test_keys_under_which_anyone_can_sign_are_refused(point):
    with pytest.raises(MalformedError) as caught:
        VerifierKey("log", ED25519, bytes.fromhex(point))
    assert caught.value.code == "VKEY"


def test_signature_with_s_plus_the_group_order_is_refused():
    order = 2**252 + 27742317777372353535851937790883648493
    parsed, key = parse_note(GO_NOTE), parse_vkey(GO_KEY)
    good = parsed.signatures[0]
    s = int.from_bytes(good.signature[32:], "little") + order
    twisted = NoteSignature(good.name, good.key_id, good.signature[:32] + s.to_bytes(32, "little"))
    with pytest.raises(LogError):
        verify_signature(parsed, twisted, key)


@pytest.mark.parametrize("length", [0, 1, 63, 65, 72])
def test_signature_of_another_length_is_refused(length):
    parsed, key = parse_note(GO_NOTE), parse_vkey(GO_KEY)
    with pytest.raises(LogError):
        verify_signature(parsed, NoteSignature(key.name, key.key_id, b"s" * length), key)


def test_signing_with_another_key_than_the_named_one_is_refused():
    key = vkey_of("log", signer_of("log"))
    assert sign_text("text\n", key, signer_of("log").sign).is_by(key)
    with pytest.raises(LogError):
        sign_text("text\n", key, signer_of("somebody else").sign)


def test_a_cosigners_key_does_not_sign_plain_notes():
    key = vkey_of("witness", signer_of("witness"), COSIGNATURE_V1)
    with pytest.raises(LogError):
        sign_text("text\n", key, signer_of("witness").sign)
