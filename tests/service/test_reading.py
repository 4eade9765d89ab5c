"""Reading: bytes, conditional requests, search, lookup, bundles, pages of results."""

import hashlib
import itertools
import json

import pytest

from datasigil.bundle import parse_bundle
from datasigil.canonical import document_digest, jcs
from datasigil.transparency.entry import log_entry
from datasigil.transparency.note import parse_vkey
from datasigil.transparency.proofs import parse_log_proof, verify_log_proof
from service.credentials.served import ServedCredentials


def test_a_credential_is_served_untouched_by_id_and_by_digest(registry, publisher):
    document = publisher.publish()
    by_id = registry.http.get(f"/credentials/{document['id']}")
    by_digest = registry.http.get(f"/credentials/{document_digest(document)}")
    assert by_id.content == by_digest.content == jcs(document)
    assert by_id.headers["content-type"] == "application/vc"


def test_an_unknown_credential_is_not_found(registry):
    answer = registry.http.get("/credentials/urn:uuid:00000000-0000-4000-8000-000000000000")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("header", ['"{}"', 'W/"{}"', '"x", "{}"', "*"])
def test_a_known_etag_is_answered_with_304(registry, publisher, header):
    document = publisher.publish()
    url = f"/credentials/{document['id']}"
    etag = registry.http.get(url).headers["etag"].removeprefix("W/").strip('"')
    answer = registry.http.get(url, headers={"If-None-Match": header.format(etag)})
    assert (answer.status_code, answer.content) == (304, b"")
    assert registry.http.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_credential_in_memory_is_answered_like_one_from_the_database(registry, publisher):
    document = publisher.publish()
    digest = document_digest(document)
    accepted = ["*/*", "application/json", "application/vc", "application/vc, application/json", "text/html"]
    tags = {"": 200, "*": 304, f'"{digest}"': 304, f'"a", W/"{digest}"': 304, '"another"': 200}
    for accept, encoding, tag in itertools.product(accepted, ["identity", "gzip", "br, gzip"], tags):
        headers = {"Accept": accept, "Accept-Encoding": encoding, **({"If-None-Match": tag} if tag else {})}
        registry.state.served.forget()
        stored, remembered = (registry.http.get(f"/credentials/{document['id']}", headers=headers) for _ in range(2))
        assert remembered.status_code == stored.status_code == tags[tag]
        assert remembered.content == stored.content
        assert _lasting(remembered) == _lasting(stored)


def _lasting(answer) -> dict[str, str]:
    """The headers that two answers to one request share, with the order of Vary's names left out."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return {**headers, "vary": ", ".join(sorted(headers["vary"].split(", ")))}


def test_reads_from_memory_are_limited_and_counted_like_all_others(registry, publisher):
    document = publisher.publish()
    answers = [registry.http.get(f"/credentials/{document['id']}") for _ in range(3)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    counted = 'datasigil_requests_total{method="GET",route="/credentials/{credential_id}",status="200"} 3.0'
    assert counted in registry.http.get("/metrics").text


def test_other_methods_on_a_credential_in_memory_are_refused(registry, publisher):
    url = f"/credentials/{publisher.publish()['id']}"
    registry.http.get(url)
    assert {registry.http.request(method, url).status_code for method in ("POST", "PUT", "DELETE")} == {405}


def test_the_memory_of_credentials_stays_within_its_bound():
    memory = ServedCredentials(max_bytes=10_000)
    for number in range(20):
        memory.put(str(number), bytes(1_000), "etag")
    assert [name for name in map(str, range(20)) if memory.get(name)] == ["17", "18", "19"]
    memory.put("huge", bytes(10_000), "etag")
    assert memory.get("huge") is None


def test_the_etag_of_a_status_list_changes_with_its_bits(registry, publisher):
    document = publisher.publish()
    url = publisher.reply["statusLists"]["revocation"]
    before = registry.http.get(url).headers["etag"]
    assert registry.http.get(url, headers={"If-None-Match": before}).status_code == 304
    publisher.change(document)
    assert registry.http.get(url, headers={"If-None-Match": before}).status_code == 200


def test_a_bundle_proves_its_credential_with_the_registrys_keys(registry, publisher):
    for _ in range(5):
        document = publisher.publish()
    bundle = parse_bundle(registry.http.get(f"/credentials/{document['id']}/bundle").content)
    assert bundle.credential == document
    entry = log_entry("issue", document_digest(document), publisher.did, "DatasetCredential")
    log_key, time_key = map(parse_vkey, bundle.log.keys)
    proven = verify_log_proof(parse_log_proof(bundle.log.proof), entry, log_key, [time_key])
    assert proven.index == 4
    assert proven.checkpoint.times_by(time_key) == (registry.clock.now,)
    assert {one["id"] for one in bundle.status_lists} == set(publisher.reply["statusLists"].values())
    assert bundle.issuer_keys[0]["controller"] == publisher.did
    assert set(bundle.contexts) == set(document["@context"])
    assert bundle.schemas == {document["credentialSchema"]["id"]: document["credentialSchema"]["digestSRI"]}


def test_the_bundle_of_an_unknown_credential_is_not_found(registry):
    assert registry.http.get("/credentials/urn:uuid:1/bundle").status_code == 404


def names(answer):
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


@pytest.fixture
def three(registry, publisher):
    rows = [("Contract clauses", "CC-BY-4.0"), ("Clinical notes, Köln", "unknown"), ("Contract law cases", "MIT")]
    return [
        publisher.publish(
            publisher.issue(registry.world.subject(name=name, license={"expression": text, "assurance": "declared"}))
        )
        for name, text in rows
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["Contract law cases", "Clinical notes, Köln", "Contract clauses"]),
        ({"q": "contract"}, ["Contract law cases", "Contract clauses"]),
        ({"q": "CONTR claus"}, ["Contract clauses"]),
        ({"q": "köln"}, ["Clinical notes, Köln"]),
        ({"q": "KÖLN"}, ["Clinical notes, Köln"]),
        ({"q": "nothing"}, []),
        ({"q": "100%_'\"; DROP TABLE credential"}, []),
        ({"license": "MIT"}, ["Contract law cases"]),
        ({"license": "unknown"}, ["Clinical notes, Köln"]),
        ({"type": "ModelTrainingCredential"}, []),
        ({"status": "revoked"}, ["Clinical notes, Köln"]),
        ({"status": "active", "q": "c"}, ["Contract law cases", "Contract clauses"]),
        ({"role": "observer"}, []),
    ],
)
def test_search_finds_by_word_prefix_and_exact_filters(registry, publisher, three, query, expected):
    publisher.change(three[1])
    assert names(registry.http.get("/credentials", params=query)) == expected


def test_search_finds_by_issuer_and_subject(registry, publisher, three):
    other = registry.login()
    mine = other.publish()
    assert len(names(registry.http.get("/credentials", params={"issuer": other.did}))) == 1
    subject = mine["credentialSubject"]["id"]
    assert registry.http.get("/credentials", params={"subject": subject}).json()["items"][0]["id"] == mine["id"]


def test_pages_follow_one_another_without_gap_or_overlap(registry, publisher):
    ids = [publisher.publish()["id"] for _ in range(7)]
    seen, cursor = [], ""
    while True:
        page = registry.http.get("/credentials", params={"limit": 3, "cursor": cursor}).json()
        seen += [item["id"] for item in page["items"]]
        if "next" not in page:
            break
        cursor = page["next"]
        if len(seen) == 3:
            publisher.publish()  # what comes later does not shift the pages
    assert seen == ids[::-1]


@pytest.mark.parametrize("limit", ["0", "-1", "101", "1000000000", "x", "1.5", "", "９"])
def test_a_bad_limit_is_refused(registry, limit):
    answer = registry.http.get("/credentials", params={"limit": limit})
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_PARAMETER")
    assert answer.json()["pointer"] == "/query/limit"


def test_a_cursor_of_another_query_or_an_altered_one_is_refused(registry, publisher):
    for _ in range(3):
        publisher.publish()
    cursor = registry.http.get("/credentials", params={"limit": 1}).json()["next"]
    flipped = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    for bad in (
        {"cursor": cursor, "q": "contract"},
        {"cursor": flipped},
        {"cursor": "!"},
        {"cursor": cursor * 9},
        {"cursor": "AAAA"},
        {"cursor": cursor + "A"},
    ):
        answer = registry.http.get("/credentials", params={"limit": 1, **bad})
        assert answer.status_code == 400, bad
    assert registry.http.get("/credentials", params={"limit": 1, "cursor": cursor}).status_code == 200


def test_a_search_of_too_many_words_is_refused(registry):
    answer = registry.http.get("/credentials", params={"q": "a b c d e f g h i"})
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/query/q")


def test_lookup_finds_by_credential_manifest_root_and_public_files(registry, publisher):
    document = publisher.issue()
    manifest = registry.manifest(document)
    publisher.publish(document, manifest=manifest, publicManifest=True)
    claim = document["credentialSubject"]["manifest"]
    wanted = {
        "credential": document_digest(document),
        "manifest": claim["digest"],
        "root": claim["root"],
        "file": manifest["entries"][0]["sha256"],
    }
    for kind, digest in wanted.items():
        found = registry.http.get("/lookup", params={"sha256": digest}).json()
        assert [(hit["kind"], hit["credential"]["id"]) for hit in found["items"]] == [(kind, document["id"])]
        assert found["complete"]
    assert found["items"][0]["path"] == manifest["entries"][0]["path"]


def test_files_of_a_manifest_that_is_not_public_are_not_found(registry, publisher):
    document = publisher.issue()
    manifest = registry.manifest(document)
    publisher.publish(document, manifest=manifest)
    assert registry.http.get("/lookup", params={"sha256": manifest["entries"][0]["sha256"]}).json()["items"] == []


def test_a_file_becomes_findable_when_its_manifest_is_made_public_later(registry, publisher):
    document = publisher.issue()
    manifest = registry.manifest(document)
    publisher.publish(document)
    publisher.post(document, manifest=manifest, publicManifest=True)
    publisher.post(document, manifest=manifest, publicManifest=True)
    found = registry.http.get("/lookup", params={"sha256": manifest["entries"][0]["sha256"]}).json()
    assert len(found["items"]) == 1


@pytest.mark.parametrize("digest", ["", "x", "A" * 64, "0" * 63, "0" * 65])
def test_lookup_of_something_that_is_no_digest_is_refused(registry, digest):
    assert registry.http.get("/lookup", params={"sha256": digest}).status_code == 400


def test_lookup_of_an_unknown_digest_is_an_empty_answer(registry):
    assert registry.http.get("/lookup", params={"sha256": "0" * 64}).json() == {
        "sha256": "0" * 64,
        "items": [],
        "complete": True,
    }


def test_a_manifest_is_served_under_its_own_digest(registry, publisher):
    document = publisher.issue()
    publisher.publish(document, manifest=registry.manifest(document), publicManifest=True)
    digest = document["credentialSubject"]["manifest"]["digest"]
    answer = registry.http.get(f"/manifests/{digest}")
    assert hashlib.sha256(answer.content).hexdigest() == digest
    assert json.loads(answer.content)["type"] == "DatasetManifest"
