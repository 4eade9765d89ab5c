"""The published schemas against an independent validator: both must say the same about every example and every mutation."""

import copy
import hashlib
import json
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry

from datasigil.credentials import contexts, envelope, kinds
from datasigil.credentials.compiled import compiled
from datasigil.credentials.generic import check_generic_credential
from datasigil.credentials.status_list import LIST_CREDENTIAL, new_status_list_credential
from datasigil.credentials.status_request import REQUEST, new_status_change_request
from datasigil.credentials.types import CREDENTIAL_TYPES, credential_type_table, parse_credential
from datasigil.credentials.values import Text, safe
from datasigil.errors import DatasigilError, MalformedError

EXAMPLES = ("card-review", "dataset-approval", "dataset-audit", "dataset-full", "dataset-lineage", "dataset-minimal", "dataset-observer",
            "license-grant", "model-training")  # fmt: skip

# What JSON Schema cannot say and the parser checks in addition.
STRICTER = ("sorted", "period", "calendar date", "not a timestamp", "schema that this version does not know")

REPLACEMENTS = (
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    "unknown",
    "2026-13-45",
    "9" * 40,
    [],
    {},
    ["x"],
    {"@value": "x"},
    "a\u0000b",
    "did:web:a.example",
)


def validator(repository, name: str) -> Draft202012Validator:
    schema = json.loads((repository / "schemas" / name).read_bytes())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, registry=Registry())


def mutations(document, path=()):
    """Every document that differs in one member: removed, replaced by each of REPLACEMENTS, doubled, or with one more."""
    if isinstance(document, dict):
        for name in document:
            yield (*path, name), "remove"
            for replacement in REPLACEMENTS:
                yield (*path, name), replacement
            yield from mutations(document[name], (*path, name))
        yield (*path, "unknownMember"), "x"
        yield (*path, "@id"), "urn:a:b"
    elif isinstance(document, list):
        for index, item in enumerate(document):
            yield (*path, index), "remove"
            yield (*path, index), 7
            yield from mutations(item, (*path, index))


def mutated(document, path, value):
    changed = copy.deepcopy(document)
    target = changed
    for step in path[:-1]:
        target = target[step]
    if value == "remove":
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return changed


@pytest.mark.parametrize("name", EXAMPLES)
def test_parser_and_published_schema_agree_on_every_mutation(repository, examples, name):
    example = examples[name]
    oracle = validator(repository, example["credentialSchema"]["id"].rsplit("/", 1)[-1])
    assert oracle.is_valid(example)
    assert parse_credential(example)
    count = 0
    for path, value in mutations(example):
        changed = mutated(example, path, value)
        try:
            parse_credential(changed)
            refused = ""
        except MalformedError as error:
            refused = str(error)
        valid = oracle.is_valid(changed)
        assert valid == (not refused) or (valid and any(reason in refused for reason in STRICTER)), (
            path,
            value,
            refused,
        )
        count += 1
    assert count > 300


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_fast_paths_and_the_explaining_path_decide_alike_on_every_mutation(examples, name):
    example = examples[name]
    table = credential_type_table(example["type"][1])
    walked, straight = safe(table.test), compiled(table)
    assert walked(example)
    assert straight(example)
    decided = {True: 0, False: 0}
    for path, value in mutations(example):
        changed = mutated(example, path, value)
        try:
            table.check(changed, None)
            passed = True
        except MalformedError:
            passed = False
        assert walked(changed) is passed, (path, value)
        assert straight(changed) is passed, (path, value)
        decided[passed] += 1
    assert decided[False] > 300
    assert decided[True] > 0


TEXTS = {name: kind for module in (kinds, envelope) for name, kind in vars(module).items() if isinstance(kind, Text)}
SAMPLES = (
    "x", "unknown", "en", "de-AT", "zh-Hans-CN-x", "US", "US-CA", "0", "007", "-1.50", "99999", "1" * 9, "1" * 10, "a" * 64, "A" * 64,
    "sha384-" + "A" * 64, "sha384-" + "A" * 63, "did:key:z6Mk", "did:web:a.example:b", "did:web:a.example:", "did:web:a%3A8", "did:web:%3a", "urn:x",
    "urn:uuid:51ef992e-efac-5530-8857-298dd31e0901", "https://a.example", "https://a.example/b?c#d", "https://a.example:80/%7e[1]", "https:// a", "text/csv",
    "a/b", "/a", "a b", " a", "a\n", "a\tb", "\r", "\x00", "\x1f", "\x7f", "\x80", "\x9f", "\xa0", "é", "\u2027", "\u2028", "\u2029", "\u202a", "\ud7ff", "\ue000",
    "\uffff", "🙂", "\U0010ffff", "CC-BY-4.0 OR MIT", "(MIT)", "A", "R", "S", "",
)  # fmt: skip


def quickly(kind):
    """The test that a process makes for a kind which has seen many documents."""
    return safe(kind.make_quick_test(lambda one: one.fits))


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_shortened_patterns_let_through_what_the_published_pattern_does(name):
    kind = TEXTS[name]
    samples = [
        *SAMPLES,
        *(f"{sample}\n" for sample in SAMPLES),
        *(f"{one}{other}" for one in SAMPLES for other in SAMPLES),
    ]
    for length in (
        30,
        35,
        36,
        100,
        101,
        200,
        201,
        255,
        256,
        500,
        501,
        512,
        513,
        1000,
        1001,
        2048,
        2049,
        4096,
        4097,
        20_000,
        20_001,
    ):
        samples += [
            start + filler * (length - len(start))
            for start in ("", "a", "did:x:", "u:", "https://a/")
            for filler in "a1🙂"
        ]
    quick, decided = quickly(kind), {True: 0, False: 0}
    for sample in samples:
        try:
            kind.check(sample, None)
            passed = True
        except MalformedError:
            passed = False
        assert kind.fits(sample) is passed, sample[:80]
        assert quick(sample) is passed, sample[:80]
        decided[passed] += 1
    assert all(decided.values())


@pytest.mark.parametrize("value", [None, True, 0, 1.5, [], {}, ["x"], {"x": "y"}])
def test_no_text_is_anything_but_text(value):
    assert not any(kind.fits(value) or quickly(kind)(value) for kind in TEXTS.values())


@pytest.mark.parametrize("kind", ["StatusListCredential", "StatusChangeRequest"])
def test_status_documents_agree_with_their_schemas_too(repository, signer, now, kind):
    if kind == "StatusListCredential":
        table, name = LIST_CREDENTIAL, "status-list-credential-v1.json"
        document = new_status_list_credential(
            list_id="https://registry.example/l/revocation", issuer=signer.controller, purpose="revocation", bits=bytes(16384), valid_from=now,
            valid_until=now.replace(year=2027), replay=("registry.example/log", 5),
        )  # fmt: skip
    else:
        table, name = REQUEST, "status-change-request-v1.json"
        document = new_status_change_request(
            credential_id="urn:uuid:1", credential_digest="ab" * 32, purpose="revocation", value=True, reason="wrong labels", created=now, nonce="n" * 22,
            issuer=signer.controller,
        )  # fmt: skip
    oracle = validator(repository, name)
    assert oracle.is_valid(document)
    for path, value in mutations(document):
        changed = mutated(document, path, value)
        try:
            table.check(changed, None)
            refused = ""
        except MalformedError as error:
            refused = str(error)
        valid = oracle.is_valid(changed)
        assert valid == (not refused) or (valid and any(reason in refused for reason in STRICTER)), (
            path,
            value,
            refused,
        )


def test_the_committed_files_are_what_the_tables_emit(repository):
    run = subprocess.run(
        [sys.executable, "-m", "datasigil.credentials.emit_schemas", "--check"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_w3c_contexts_are_the_published_bytes(shared, repository):
    published = {path.name: path.read_bytes() for path in (shared / "vectors/contexts").glob("*.jsonld")}
    assert len(published) == 11
    pins = dict(contexts.PINNED.values())
    for name, data in published.items():
        assert (repository / "schemas/contexts" / name).read_bytes() == data
        assert pins[name] == hashlib.sha256(data).hexdigest()


def test_every_context_on_disk_is_pinned_and_every_pin_on_disk(repository):
    files = {path.name for path in (repository / "schemas/contexts").glob("*.jsonld")}
    assert files == {name for name, _ in contexts.PINNED.values()}
    contexts.check_installed()


def test_an_altered_context_file_is_refused(tmp_path, monkeypatch, repository):
    folder = tmp_path / "contexts"
    folder.mkdir()
    for path in (repository / "schemas/contexts").glob("*.jsonld"):
        (folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(contexts, "SCHEMAS_FOLDER", tmp_path)
    contexts.check_installed()
    altered = folder / "credentials-v2.jsonld"
    altered.write_bytes(altered.read_bytes().replace(b"https://schema.org/name", b"https://evil.example/nam"))
    with pytest.raises(DatasigilError) as caught:
        contexts.check_installed()
    assert (caught.value.code, caught.value.place) == (
        "CONTEXT_ALTERED",
        "schemas/contexts/credentials-v2.jsonld",
    )  # C19
    altered.unlink()
    with pytest.raises(DatasigilError) as caught:
        contexts.check_installed()
    assert caught.value.code == "CONTEXT_ALTERED"
    contexts.context_bytes.cache_clear()


def test_our_context_defines_every_member_of_every_example(examples):
    from datasigil.credentials.rdf import to_quads

    for name, example in examples.items():
        assert to_quads(example), name


def test_no_term_of_ours_redefines_one_of_the_credentials_context():
    w3c = contexts.context_document(contexts.CREDENTIALS_V2)["@context"]
    scoped = {
        term
        for definition in w3c.values()
        if isinstance(definition, dict)
        for term in (definition.get("@context") or {})
    }
    ours = contexts.context_document(contexts.DATASIGIL_V1)["@context"]
    assert not (set(w3c) | scoped) & {term for term in ours if not term.startswith("@")}
    assert ours["@protected"] is True


def test_every_array_that_is_ordered_is_a_list_in_the_context():
    ours = contexts.context_document(contexts.DATASIGIL_V1)["@context"]
    for term in (
        "trainingData",
        "evaluation",
        "steps",
        "derivedFrom",
        "qualityMeasurement",
        "permission",
        "constraint",
        "used",
    ):
        assert ours[term]["@container"] == "@list", term


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_the_closed_parser_takes_meets_the_open_rules_with_the_same_period(examples, name):
    """So the registry need not ask the open rules again; those about related resources compare digests, which the closed ones do not."""
    document = {key: value for key, value in examples[name].items() if key != "relatedResource"}
    taken = 0
    for path, value in ((("id",), document["id"]), *mutations(document)):
        changed = mutated(document, path, value)
        try:
            parsed = parse_credential(changed)
        except DatasigilError:
            continue
        taken += 1
        open_ = check_generic_credential(changed, check_terms=lambda _: None)
        assert (open_.valid_from, open_.valid_until) == (parsed.valid_from, parsed.valid_until), (path, value)
    assert taken > 1


def test_every_member_around_the_subject_is_one_that_the_open_rules_were_held_against():
    """A new one here needs a look at `check_generic_credential` first: the registry does not ask it about these."""
    known = {
        "@context", "id", "type", "issuer", "validFrom", "validUntil", "credentialSchema", "credentialStatus", "transparencyLog", "relatedResource",
        "credentialSubject", "proof",
    }  # fmt: skip
    for name in CREDENTIAL_TYPES:
        assert {field.name for field in credential_type_table(name).fields} == known
        (subject,) = (field.kind for field in credential_type_table(name).fields if field.name == "credentialSubject")
        assert next(field.kind for field in subject.fields if field.name == "id") in (kinds.URI, kinds.DID)
