"""References between credentials: lineage, impact, model credentials."""

import pytest
from simulator import manifest_of
from subjects import lineage_subject, model_subject, reference

from datasigil.bundle import parse_bundle
from datasigil.canonical import document_digest


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
