"""References between credentials: lineage, impact, model credentials."""

import pytest
from simulator import manifest_of
from subjects import audit_subject, grant_subject, lineage_subject, model_subject, reference

from datasigil.bundle import parse_bundle
from datasigil.canonical import document_digest
from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import verify_proofs
from datasigil.encoding import Instant
from datasigil.errors import ProofError


@pytest.fixture
def trained(registry, publisher):
    """A dataset, and a model that was trained on it."""
    dataset = publisher.publish()
    subject = model_subject([dataset])
    return dataset, publisher.publish(publisher.issue(subject, "ModelTrainingCredential"))


def test_impact_names_the_models_that_were_trained_on_a_dataset(registry, publisher, trained):
    dataset, model = trained
    publisher.change(dataset)
    found = registry.http.get(f"/credentials/{dataset['id']}/impact").json()
    assert found["status"] == "revoked"
    assert [(one["kind"], one["relations"], one["credential"]["id"]) for one in found["items"]] == [
        ("model", ["trainingData"], model["id"])
    ]


def test_impact_of_a_credential_that_nobody_names_is_empty(registry, trained):
    assert registry.http.get(f"/credentials/{trained[1]['id']}/impact").json()["items"] == []


def test_lineage_names_what_a_model_rests_on(registry, trained):
    dataset, model = trained
    found = registry.http.get(f"/credentials/{model['id']}/lineage").json()
    assert {node["id"] for node in found["nodes"]} == {dataset["id"], model["id"]}
    assert found["edges"] == [
        {"child": document_digest(model), "relation": "trainingData", "parent": document_digest(dataset)}
    ]
    assert (found["missing"], found["complete"]) == ([], True)


def test_the_bundle_of_a_model_carries_its_datasets_evidence(registry, trained):
    dataset, model = trained
    bundle = parse_bundle(registry.http.get(f"/credentials/{model['id']}/bundle").content)
    assert [parent.credential for parent in bundle.parents] == [dataset]
    assert bundle.parents[0].log is not None
    assert len(bundle.parents[0].status_lists) == 2


def test_a_parent_that_is_not_registered_here_is_named_as_missing(registry, publisher):
    elsewhere = publisher.issue()
    model = publisher.publish(publisher.issue(model_subject([elsewhere]), "ModelTrainingCredential"))
    found = registry.http.get(f"/credentials/{model['id']}/lineage").json()
    assert found["missing"] == [document_digest(elsewhere)]


def test_models_are_listed_and_looked_up_by_weights_and_card(registry, trained):
    model = trained[1]
    assert [item["id"] for item in registry.http.get("/models").json()["items"]] == [model["id"]]
    subject = model["credentialSubject"]
    for kind, digest in (("weights", subject["weights"]["sha256"]), ("card", subject["cardDigest"])):
        hits = registry.http.get("/lookup", params={"sha256": digest}).json()["items"]
        assert (kind, model["id"]) in [(hit["kind"], hit["credential"]["id"]) for hit in hits]


def test_impact_comes_in_pages(registry, publisher):
    dataset = publisher.publish()
    models = [publisher.publish(publisher.issue(model_subject([dataset]), "ModelTrainingCredential")) for _ in range(3)]
    url = f"/credentials/{dataset['id']}/impact"
    first = registry.http.get(url, params={"limit": 2}).json()
    second = registry.http.get(url, params={"limit": 2, "cursor": first["next"]}).json()
    ids = [one["credential"]["id"] for one in first["items"] + second["items"]]
    assert ids == [model["id"] for model in models]
    assert "next" not in second
    assert (
        registry.http.get(f"/credentials/{models[0]['id']}/impact", params={"cursor": first["next"]}).status_code == 400
    )


@pytest.mark.parametrize("what", ["lineage", "impact"])
def test_an_unknown_credential_has_neither(registry, what):
    assert registry.http.get(f"/credentials/urn:uuid:1/{what}").status_code == 404


def test_a_derived_datasets_bundle_carries_how_it_was_made_and_from_what(registry, publisher):
    source = publisher.publish()
    manifest = manifest_of({"clean.txt": b"clean"})
    derived = publisher.publish(publisher.issue(registry.world.subject(manifest, derivedFrom=[reference(source)])))
    lineage = publisher.publish(publisher.issue(lineage_subject([source], manifest), "DatasetLineageCredential"))
    bundle = parse_bundle(registry.http.get(f"/credentials/{derived['id']}/bundle").content)
    assert [parent.credential for parent in bundle.parents] == [lineage, source]
    assert [parent.credential for parent in bundle.parents[0].parents] == [source]


def test_a_strangers_lineage_credential_is_not_put_into_the_bundle(registry, publisher):
    source = publisher.publish()
    manifest = manifest_of({"clean.txt": b"clean"})
    derived = publisher.publish(publisher.issue(registry.world.subject(manifest)))
    stranger = registry.login()
    stranger.publish(stranger.issue(lineage_subject([source], manifest), "DatasetLineageCredential"))
    assert parse_bundle(registry.http.get(f"/credentials/{derived['id']}/bundle").content).parents == ()


@pytest.fixture
def story(registry, publisher):
    """A dataset, what was curated from it with its lineage, a model trained on that, and an audit of the first."""
    source = publisher.publish()
    files = {"part.txt": b"what was kept"}
    manifest = manifest_of(files)
    lineage = publisher.publish(publisher.issue(lineage_subject([source], manifest), "DatasetLineageCredential"))
    derived = publisher.publish(publisher.issue(registry.world.subject(manifest)))
    model = publisher.publish(publisher.issue(model_subject([derived]), "ModelTrainingCredential"))
    audit = publisher.publish(publisher.issue(audit_subject(source), "DatasetAuditCredential"))
    return source, lineage, derived, model, audit


def test_the_impact_report_follows_lineage_to_models_and_cards_and_is_signed(registry, publisher, story):
    source, lineage, derived, model, audit = story
    publisher.change(source)
    report = registry.http.get(f"/credentials/{source['id']}/impact/report").json()
    named = {one["id"]: one for one in report["affected"]}
    assert set(named) == {one["id"] for one in (lineage, derived, model, audit)}
    assert [named[one["id"]]["depth"] for one in (lineage, audit, derived, model)] == [1, 1, 2, 3]
    assert named[derived["id"]]["relations"] == ["generated"]
    assert named[derived["id"]]["through"] == document_digest(lineage)
    assert named[model["id"]]["cardDigest"] == model["credentialSubject"]["cardDigest"]
    assert report["credential"]["status"] == "revoked"
    assert report["complete"] is True
    assert report["log"]["treeSize"] == registry.state.released.size
    key = registry.http.get("/.well-known/datasigil-registry.json").json()["noticeKey"]
    assert report["issuer"] == key
    at = Instant.from_datetime(registry.clock())
    assert [proof.controller for proof in verify_proofs(report, keys=did_key_resolver, at=at)] == [key]
    report["affected"].pop()
    with pytest.raises(ProofError):
        verify_proofs(report, keys=did_key_resolver, at=at)


def test_a_large_impact_says_that_it_is_not_complete(registry, publisher, story, monkeypatch):
    monkeypatch.setattr("service.lineage.impact.IMPACT_NODES_MAX", 2)
    report = registry.http.get(f"/credentials/{story[0]['id']}/impact/report").json()
    assert len(report["affected"]) == 2
    assert report["complete"] is False


def test_a_registry_without_a_notice_key_signs_no_report(registry, publisher, story, monkeypatch):
    monkeypatch.setitem(vars(registry.state.keys), "notices", None)
    answer = registry.http.get(f"/credentials/{story[0]['id']}/impact/report")
    assert answer.status_code == 404
    assert "keys new notices" in answer.json()["nextAction"]


def test_attestations_are_listed_with_their_verdicts(registry, publisher, story):
    source = story[0]
    approval = publisher.issue(
        audit_subject(source, "approval"), "DatasetAuditCredential", validUntil="2027-01-01T00:00:00Z"
    )
    grant = publisher.issue(
        grant_subject(source, publisher.did, "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"),
        "DatasetLicenseGrantCredential",
    )
    for one in (approval, grant):
        publisher.publish(one)
    found = registry.http.get(f"/credentials/{source['id']}/attestations").json()["items"]
    assert [(one["attestationType"], one.get("verdict")) for one in found] == [
        ("grant", None), ("approval", "accepted"), ("audit", None)
    ]  # fmt: skip


def test_versions_are_those_that_the_same_issuer_registered_about_the_same_dataset(registry, publisher):
    def version(number: str, by=publisher):
        return by.publish(by.issue(registry.world.subject(id=first["credentialSubject"]["id"], version=number)))

    first = publisher.publish()
    second, third = version("2.0.0"), version("3.0.0")
    other = version("9.9.9", registry.login())  # who says something about it does not make a version of it
    publisher.publish()  # another dataset
    publisher.change(third)

    def listed(document):
        found = registry.http.get(f"/credentials/{document['id']}/versions").json()
        return found.get("newest"), [(one["version"], one["status"]) for one in found["items"]], found["complete"]

    own = [("3.0.0", "revoked"), ("2.0.0", "active"), ("1.0.0", "active")]
    assert {listed(one)[0] for one in (first, second, third)} == {second["id"]}
    assert [listed(one)[1:] for one in (first, second, third)] == [(own, True)] * 3
    assert listed(other) == (other["id"], [("9.9.9", "active")], True)
    pages = [registry.http.get(f"/datasets/{one['id']}").text for one in (first, second, other)]
    assert ["A newer version is registered" in page for page in pages] == [True, False, False]
    assert ["Versions by this issuer" in page for page in pages] == [True, True, False]
    for one in (first, second):
        publisher.change(one)
    assert listed(first)[0] is None
    assert "A newer version" not in registry.http.get(f"/datasets/{first['id']}").text
