"""The pages: readable, escaped, without foreign assets."""

import re

import pytest
from subjects import model_subject

HOSTILE = '<script>alert(1)</script>" onload="x'


def test_the_front_page_searches(registry, publisher):
    publisher.publish(publisher.issue(registry.world.subject(name="Contract clauses")))
    publisher.publish(publisher.issue(registry.world.subject(name="Clinical notes")))
    everything = registry.http.get("/").text
    assert "Contract clauses" in everything
    assert "Clinical notes" in everything
    found = registry.http.get("/", params={"q": "clin"}).text
    assert "Clinical notes" in found
    assert "Contract clauses" not in found
    assert "Nothing registered here matches" in registry.http.get("/", params={"q": "zebra"}).text


def test_an_empty_registry_says_how_to_begin(registry):
    assert "datasigil publish" not in registry.http.get("/").text
    assert "five commands" in registry.http.get("/").text


def test_a_datasets_page_says_what_it_claims_and_its_status(registry, publisher):
    document = publisher.publish()
    page = registry.http.get(f"/datasets/{document['id']}").text
    for text in (
        "Contract clauses",
        "CC-BY-4.0",
        "active",
        publisher.did,
        document["credentialSubject"]["manifest"]["root"],
        "datasigil-verify check",
    ):
        assert text in page
    publisher.change(document)
    page = registry.http.get(f"/datasets/{document['id']}").text
    assert "Revoked by its issuer" in page
    assert "the source withdrew it" in page


def test_an_observed_dataset_is_never_shown_as_the_publishers_word(registry, publisher):
    observation = {"sourceUrl": "https://hub.example/x", "revision": "abc", "time": "2026-11-01T00:00:00Z"}
    document = publisher.issue(registry.world.subject(role="observer", observation=observation))
    publisher.publish(document)
    assert "has said nothing here" in registry.http.get(f"/datasets/{document['id']}").text
    assert "observed, not the publisher" in registry.http.get("/").text


def test_a_models_page_links_its_data_and_back(registry, publisher):
    dataset = publisher.publish()
    model = publisher.publish(publisher.issue(model_subject([dataset]), "ModelTrainingCredential"))
    assert f"/datasets/{dataset['id']}" in registry.http.get(f"/models/{model['id']}").text.replace("%3A", ":")
    assert f"/models/{model['id']}" in registry.http.get(f"/datasets/{dataset['id']}").text.replace("%3A", ":")


def test_the_log_page_shows_entries_and_pages_back(registry, publisher):
    document = publisher.publish()
    publisher.change(document)
    page = registry.http.get("/log/").text
    assert "registered" in page
    assert "revoked" in page
    assert "localhost:8800/log" in page
    assert "revoked" not in registry.http.get("/log/", params={"before": 1}).text.split("<h2>Entries")[1]


@pytest.mark.parametrize(("change", "text"), [(None, "active"), ("suspension", "suspended"), ("revocation", "revoked")])
def test_the_badge_shows_the_present_status(registry, publisher, change, text):
    document = publisher.publish()
    if change:
        publisher.change(document, change)
    answer = registry.http.get(f"/badge/{document['id']}.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert text in answer.text
    assert "unknown" in registry.http.get("/badge/urn:uuid:1.svg").text


def test_a_publishers_text_is_escaped_everywhere(registry, publisher):
    subject = registry.world.subject(name=HOSTILE, description=HOSTILE)
    document = publisher.publish(publisher.issue(subject))
    model = publisher.publish(publisher.issue(model_subject([document], name=HOSTILE), "ModelTrainingCredential"))
    for path in ("/", f"/?q={HOSTILE}", f"/datasets/{document['id']}", f"/models/{model['id']}", "/log/"):
        page = registry.http.get(path).text
        assert "<script" not in page
        assert 'onload="x' not in page


@pytest.mark.parametrize("path", ["/", "/log/", "/datasets/urn:uuid:1", "/?q=x"])
def test_pages_load_nothing_from_elsewhere(registry, publisher, path):
    answer = registry.http.get(path)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "unsafe" not in policy
    assert "script" not in policy
    assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.text)
    assert "<script" not in answer.text
    assert " style=" not in answer.text
    assert '<html lang="en">' in answer.text


def test_an_unknown_dataset_has_a_page_that_says_so(registry):
    answer = registry.http.get("/datasets/urn:uuid:1")
    assert answer.status_code == 404
    assert "No credential with this id" in answer.text


def test_a_bad_search_is_explained_on_the_page(registry):
    answer = registry.http.get("/", params={"q": "a b c d e f g h i"})
    assert answer.status_code == 400
    assert "too many words" in answer.text


def test_the_front_page_pages(registry, publisher):
    for _ in range(21):
        publisher.publish()
    first = registry.http.get("/").text
    link = re.search(r'rel="next" href="([^"]+)"', first)[1].replace("&amp;", "&")
    assert registry.http.get(link).text.count('class="title"') == 1
