"""J: JSON parsing. One strict parser, before anything else is looked at."""

from __future__ import annotations

import json

from adversarial.stage import Build, Case, Given, Stage, case, signed, text

_NAME = '"name":"Contract clauses"'


def whole(change: object) -> Build:
    """Hand in other bytes than the bundle's: `change(text)` gives text or bytes."""

    def build(stage: Stage) -> Given:
        assert callable(change)
        return stage.given(change(stage.text()))

    return build


def value(literal: str) -> Build:
    """Put a literal in the place of the dataset's name."""
    return text(_NAME, f'"name":{literal}')


def many_files(stage: Stage) -> Given:
    """900 KB of empty arrays in the place of the manifest's files."""
    document = {**stage.document, "credentialSubject": {**stage.document["credentialSubject"], "files": [[]] * 300_000}}
    return stage.given(json.dumps(document, separators=(",", ":")))


def equal_after_nfc(stage: Stage) -> Given:
    """Two properties that are one after normalisation, in a document that is signed."""
    document = stage.unsigned()
    document["credentialSubject"] |= {"\u00e9": "1", "e\u0301": "2"}
    return stage.given(stage.publish(stage.signed(document)))


def issuer_twice(stage: Stage) -> Given:
    """The trusted issuer, then the attacker: parsers that take the last one see the attacker."""
    mallory = stage.world.new_publisher("mallory").did
    did = stage.world.publisher.did
    return text(f'"issuer":"{did}"', f'"issuer":"{did}","issuer":"{mallory}"')(stage)


CASES: list[Case] = [
    case("J01", "issuer twice", "INVALID:DUP_KEY", issuer_twice),
    case("J01", "proof twice", "INVALID:DUP_KEY", text('"proof":{', '"proof":{},"proof":{')),
    case("J01", "name twice, alike", "INVALID:DUP_KEY", text(_NAME, f"{_NAME},{_NAME}")),
    case("J01", "name twice, once escaped", "INVALID:DUP_KEY", text(_NAME, f'{_NAME},"n\\u0061me":"x"')),
    case("J01", "credential twice in the bundle", "INVALID:DUP_KEY", text('"credential":{', '"credential":{},"credential":{')),
    case("J01", "id twice, deep inside a status entry", "INVALID:DUP_KEY", text('"statusPurpose":"revocation"', '"statusPurpose":"suspension","statusPurpose":"revocation"')),
    case("J04", "byteSize NaN", "INVALID:PARSE", text('"byteSize":302', '"byteSize":NaN')),
    case("J04", "byteSize Infinity", "INVALID:PARSE", text('"byteSize":302', '"byteSize":Infinity')),
    case("J04", "byteSize -Infinity", "INVALID:PARSE", text('"byteSize":302', '"byteSize":-Infinity')),
    case("J07", "byteSize of 5,000 digits", "INVALID:NUMBER", text('"byteSize":302', f'"byteSize":{"9" * 5000}')),
    case("J07", "byteSize of 33 digits", "INVALID:NUMBER", text('"byteSize":302', f'"byteSize":{"9" * 33}')),
    case("J07", "byteSize 2^53", "INVALID:NUMBER", text('"byteSize":302', '"byteSize":9007199254740992')),
    case("J07", "byteSize below -2^53+1", "INVALID:NUMBER", text('"byteSize":302', '"byteSize":-9007199254740992')),
    case("J07", "byteSize 302.0", "INVALID:NUMBER", text('"byteSize":302', '"byteSize":302.0')),
    case("J07", "byteSize 3.02e2", "INVALID:NUMBER", text('"byteSize":302', '"byteSize":3.02e2')),
    case("J07", "byteSize -0", "INVALID:NUMBER", text('"byteSize":302', '"byteSize":-0')),
    case("J07", "byteSize 1e400", "INVALID:NUMBER", text('"byteSize":302', '"byteSize":1e400')),
    case("J07", "byteSize 0302", "INVALID:PARSE", text('"byteSize":302', '"byteSize":0302')),
    case("J07", "byteSize +302", "INVALID:PARSE", text('"byteSize":302', '"byteSize":+302')),
    case("J07", "byteSize 0x12e", "INVALID:PARSE", text('"byteSize":302', '"byteSize":0x12e')),
    case("J10", "fileCount true", "INVALID:SCHEMA", signed("/credentialSubject/manifest/fileCount", True)),
    case("J10", "statusSize true", "INVALID:SCHEMA", signed("/credentialStatus/0/statusSize", True)),
    case("J13", "[ x 100,000", "INVALID:DEPTH", whole(lambda _: "[" * 100_000)),
    case("J13", "33 levels of arrays", "INVALID:DEPTH", value("[" * 33 + "]" * 33)),
    case("J13", "{ x 100,000", "INVALID:DEPTH", whole(lambda _: '{"a":' * 100_000)),
    case("J13", "arrays and objects in turn", "INVALID:DEPTH", value('[{"a":' * 20 + "1" + "}]" * 20)),
    case("J13", "[ x 100,000 behind an escape", "INVALID:DEPTH", whole(lambda _: '{"\\n":' + "[" * 100_000)),
    case("J16", "UTF-16LE", "INVALID:ENCODING", whole(lambda raw: raw.encode("utf-16-le"))),
    case("J16", "UTF-16 with BOM", "INVALID:ENCODING", whole(lambda raw: raw.encode("utf-16"))),
    case("J16", "UTF-32LE", "INVALID:ENCODING", whole(lambda raw: raw.encode("utf-32-le"))),
    case("J16", "UTF-8 with BOM", "INVALID:ENCODING", whole(lambda raw: b"\xef\xbb\xbf" + raw.encode())),
    case("J16", "Latin-1 byte in the name", "INVALID:ENCODING", whole(lambda raw: raw.encode().replace(b"Contract", b"Contr\xe9ct"))),
    case("J16", "overlong slash in the name", "INVALID:ENCODING", whole(lambda raw: raw.encode().replace(b"Contract", b"Contr\xc0\xafct"))),
    case("J16", "surrogate encoded as UTF-8", "INVALID:ENCODING", whole(lambda raw: raw.encode().replace(b"Contract", b"\xed\xa0\x80"))),
    case("J16", "lone surrogate escape in the name", "INVALID:ENCODING", value('"\\ud800"')),
    case("J16", "lone surrogate escape in a member's name", "INVALID:ENCODING", text(_NAME, f'{_NAME},"\\udfff":"x"')),
    case("J16", "surrogates in the wrong order", "INVALID:ENCODING", value('"\\udc00\\ud800"')),
    case("J16", "NUL byte after the document", "INVALID:ENCODING", whole(lambda raw: raw + "\0")),
    case("J19", "trailing comma", "INVALID:PARSE", text(_NAME, f"{_NAME},,")),
    case("J19", "comment", "INVALID:PARSE", text(_NAME, f"{_NAME} // the name")),
    case("J19", "single quotes", "INVALID:PARSE", value("'Contract clauses'")),
    case("J19", "member name without quotes", "INVALID:PARSE", text('"name":', "name:")),
    case("J19", "raw newline in a string", "INVALID:PARSE", value('"Contract\nclauses"')),
    case("J19", "unknown escape", "INVALID:PARSE", value('"\\x41"')),
    case("J19", "unfinished string", "INVALID:PARSE", value('"Contract')),
    case("J19", "second document behind the first", "INVALID:PARSE", whole(lambda raw: raw + "{}")),
    case("J19", "no-break space between members", "INVALID:PARSE", text(_NAME, f"\u00a0{_NAME}")),
    case("J19", "True in capitals", "INVALID:PARSE", value("True")),
    case("J19", "empty file", "INVALID:PARSE", whole(lambda _: b"")),
    case("J19", "white space alone", "INVALID:PARSE", whole(lambda _: b" \n\t")),
    case("J19", "first half of the bundle", "INVALID:PARSE", whole(lambda raw: raw[: len(raw) // 2])),
    case("J19", "all but the last byte", "INVALID:PARSE", whole(lambda raw: raw[:-1])),
    case("J22", "900 KB of empty arrays as files", "INVALID:UNKNOWN_PROPERTY", many_files),
    case("J22", "900 KB of empty arrays as distribution", "INVALID:SCHEMA", lambda stage: stage.given({**stage.document, "credentialSubject": {**stage.document["credentialSubject"], "distribution": [[]] * 300_000}})),
    case("J22", "array as document", "INVALID:SCHEMA", whole(lambda _: "[]")),
    case("J22", "text as document", "INVALID:SCHEMA", whole(lambda _: '"credential"')),
    case("J22", "number as document", "INVALID:SCHEMA", whole(lambda _: "7")),
    case("J22", "bare credential above 1 MiB", "INVALID:LIMIT", lambda stage: stage.given(stage.given(stage.document).raw + b" " * 1_048_576)),
    case("J22", "credential above 1 MiB in a bundle", "INVALID:LIMIT", signed("/credentialSubject/description", "x" * 1_048_576)),
    case("J25", "two properties equal after NFC", "INVALID:UNKNOWN_PROPERTY", equal_after_nfc),
    case("J25", "name in full-width letters", "INVALID:UNKNOWN_PROPERTY", signed("/credentialSubject/\uff4e\uff41\uff4d\uff45", "x")),
    case("J25", "property with a zero-width space", "INVALID:UNKNOWN_PROPERTY", signed("/credentialSubject/name\u200b", "x")),
    case("J25", "property in other case", "INVALID:UNKNOWN_PROPERTY", signed("/credentialSubject/Name", "x")),
    case("J28", "null as name", "INVALID:NULL", value("null")),
    case("J28", "null as an unknown member", "INVALID:NULL", text(_NAME, f'{_NAME},"x":null')),
    case("J28", "null inside an array", "INVALID:NULL", text('"ignored":[', '"ignored":[null,')),
    case("J31", "unknown member of the bundle", "INVALID:UNKNOWN_PROPERTY", text('"formatVersion":1', '"formatVersion":1,"confirmed":true')),
    case("J31", "bundle of version 2", "INVALID:VERSION", text('"formatVersion":1,"credential"', '"formatVersion":2,"credential"')),
    case("J31", "bundle of version 1.0", "INVALID:NUMBER", text('"formatVersion":1,"credential"', '"formatVersion":1.0,"credential"')),
    case("J31", "bundle of version true", "INVALID:VERSION", text('"formatVersion":1,"credential"', '"formatVersion":true,"credential"')),
    case("J31", "bundle without credential", "INVALID:SCHEMA", whole(lambda _: '{"type":"EvidenceBundle","formatVersion":1}')),
    case("J31", "credential that is text", "INVALID:SCHEMA", whole(lambda _: '{"type":"EvidenceBundle","formatVersion":1,"credential":"x"}')),
    case("J31", "status lists that are an object", "INVALID:SCHEMA", whole(lambda _: '{"type":"EvidenceBundle","formatVersion":1,"credential":{},"statusLists":{}}')),
    case("J31", "17 status lists", "INVALID:LIMIT", whole(lambda _: '{"type":"EvidenceBundle","formatVersion":1,"credential":{},"statusLists":[' + ",".join(["{}"] * 17) + "]}")),
    case("J31", "33 issuer keys", "INVALID:LIMIT", whole(lambda _: '{"type":"EvidenceBundle","formatVersion":1,"credential":{},"issuerKeys":[' + ",".join(["{}"] * 33) + "]}")),
    case("J31", "257 parents", "INVALID:LIMIT", whole(lambda _: '{"type":"EvidenceBundle","formatVersion":1,"credential":{},"parents":[' + ",".join(['{"type":"EvidenceBundle","formatVersion":1,"credential":{}}'] * 257) + "]}")),
    case("J31", "parents 17 deep", "INVALID:DEPTH", whole(lambda _: '{"type":"EvidenceBundle","formatVersion":1,"credential":{},"parents":[' * 18 + "]}" * 18)),
]  # fmt: skip
