"""`search`, `lineage` and `impact`: what a registry knows of datasets, models and what lies between."""

from datetime import UTC, datetime

import pytest
from simulator import manifest_of
from subjects import model_subject, reference

from datasigil.client import RegistryClient
from datasigil.datasets.manifest import ManifestClaim
from publisher_cli import envelope
from publisher_cli.keys import load_signer
from publisher_cli.logins import find_login, registry_client


@pytest.fixture
def register(publisher):
    """Sign and register a credential of any type as the publisher who is logged in."""

    def sign_and_register(type_name, subject):
        signer, now = load_signer("me"), datetime.now(UTC)
        login = find_login(None, signer.controller)
        unsigned = envelope.unsigned(
            type_name,
            subject,
            issuer=signer.controller,
            login=login,
            now=now,
            days=None,
            index=envelope.draw_index(login),
        )
        document = dict(envelope.sign(unsigned, signer, now).document)
        registry_client(login.url, dev=True, token=login.token).register(document)
        return document

    return sign_and_register


@pytest.fixture
def family(published, register):
    """A dataset, one derived from it, and a model trained on the derived one."""
    derived = register(
        "DatasetCredential",
        {
            **published["credentialSubject"],
            "id": "urn:example:derived",
            "name": "Derived leases",
            "manifest": ManifestClaim.of(manifest_of({"a": b"a"})).to_subject(),
            "derivedFrom": [reference(published)],
        },
    )
    return published, derived, register("ModelTrainingCredential", model_subject([derived]))


def test_impact_names_the_model_although_only_the_derived_dataset_names_the_source(run, family):
    source, derived, model = family
    run("revoke", source["id"], "--reason", "consent withdrawn")
    shown = run.json("impact", source["id"])
    assert (shown["status"], shown["complete"]) == ("revoked", True)
    found = [(one["kind"], one["relations"], one["depth"], one["credential"]["id"]) for one in shown["items"]]
    assert found == [("dataset", ["derivedFrom"], 1, derived["id"]), ("model", ["trainingData"], 2, model["id"])]
    text = run("impact", source["id"]).out
    assert "model  Clause classifier 1.0.0  by trainingData  active" in text


def test_impact_of_what_nobody_names_says_so(run, published):
    assert "nothing registered here names it" in run("impact", published["id"]).out


def test_impact_reads_every_page(run, published, register):
    models = [register("ModelTrainingCredential", model_subject([published])) for _ in range(23)]
    shown = run.json("impact", published["id"])
    assert [one["credential"]["id"] for one in shown["items"]] == [model["id"] for model in models]


def test_a_walk_that_is_cut_short_says_so(run, family, monkeypatch):
    monkeypatch.setattr("publisher_cli.asking.FOLLOWED_MAX", 1)
    answer = run("impact", family[0]["id"], "--json")
    assert answer.json["complete"] is False
    assert "there is more" in answer.err


def test_lineage_is_a_tree_down_to_the_sources(run, family):
    source, derived, model = family
    lines = run("lineage", model["id"]).out.splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == ["  trainingData", "    derivedFrom"]
    assert [line.endswith(one["id"]) for line, one in zip(lines, (model, derived, source), strict=True)] == [True] * 3
    shown = run.json("lineage", model["id"])
    assert (len(shown["nodes"]), len(shown["edges"]), shown["complete"]) == (3, 2, True)


def test_a_parent_that_is_registered_nowhere_here_is_named_as_such(run, published, register):
    elsewhere = {**published, "id": "urn:example:elsewhere"}
    model = register("ModelTrainingCredential", model_subject([elsewhere]))
    answer = run("lineage", model["id"])
    assert "not registered here" in answer.out
    assert "sources are unknown" in answer.err


def test_the_graph_is_written_for_graphviz_with_names_that_cannot_break_out(run, published, register):
    hostile = model_subject([published], name='"]; evil [label="\\')
    model = register("ModelTrainingCredential", hostile)
    text = run("lineage", model["id"], "--dot").out
    assert text.startswith("digraph lineage {\n")
    assert text.endswith("}\n")
    assert '[label="\\"]; evil [label=\\"\\\\ 1.0.0\\nactive"];' in text
    assert text.count("->") == 1


def test_search_finds_by_the_beginnings_of_words(run, publisher, published, register):
    register("ModelTrainingCredential", model_subject([published], name="Zweitverwertung Ähre"))
    (found,) = run.json("search", "zweitver", "ähre")["items"]
    assert found["type"] == "ModelTrainingCredential"
    assert run.json("search", "zweitver", "nothing-like-it")["items"] == []
    assert "nothing was found" in run("search", "nothing-like-it").out


def test_search_is_narrowed_by_type_licence_issuer_and_status(run, published):
    run("suspend", published["id"], "--reason", "x")
    narrowed = (
        "--type",
        "DatasetCredential",
        "--license",
        "CC-BY-4.0",
        "--issuer",
        published["issuer"],
        "--status",
        "suspended",
    )
    assert published["id"] in [one["id"] for one in run.json("search", "leases", *narrowed, "--limit", "100")["items"]]
    assert run.json("search", "leases", "--issuer", "did:key:zNobody")["items"] == []


def test_search_says_when_there_is_more(run, published, register):
    register("ModelTrainingCredential", model_subject([published]))
    answer = run("search", "--limit", "1", "--json")
    assert (len(answer.json["items"]), answer.json["more"]) == (1, True)
    assert "there is more" in answer.err


@pytest.mark.parametrize("command", ["lineage", "impact", "status"])
@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"a":1,"a":2}', b'{"pad": "' + b"x" * 2**20 + b'"}'])
def test_a_file_that_is_no_credential_is_refused_with_its_path(run, publisher, tmp_path, command, content):
    path = tmp_path / "c.json"
    path.write_bytes(content)
    error = run(command, path, "--json", expect=1).json
    assert error["place"].startswith(str(path))


@pytest.mark.parametrize("command", ["lineage", "impact"])
def test_what_is_not_registered_is_not_found(run, publisher, command):
    run.refused(command, "urn:uuid:00000000-0000-4000-8000-000000000000", code="NOT_FOUND", exit_code=1)


@pytest.mark.parametrize("words", [("search", "x"), ("lineage", "x"), ("impact", "x"), ("status", "x")])
def test_a_registry_that_is_away_can_be_had_later(run, words):
    run.refused(*words, "--registry", "http://127.0.0.1:9", code="FETCH_FAILED", exit_code=3)


def test_without_a_registry_the_command_asks_for_one(run):
    assert run.refused("search", "x", code="USAGE", exit_code=2)["nextAction"] == "add --registry URL"
    told = run.refused("lineage", "x", code="USAGE", exit_code=2)["nextAction"]
    assert told == "add --registry URL; `datasigil lineage BUNDLE --offline` needs none"


@pytest.mark.parametrize("items", [None, "text", {"a": 1}, [1]])
@pytest.mark.parametrize(("words", "method"), [(("search",), "search"), (("impact", "x"), "impact")])
def test_an_answer_of_another_form_is_refused(run, publisher, monkeypatch, words, method, items):
    monkeypatch.setattr(RegistryClient, method, lambda *_, **__: {"items": items})
    run.refused(*words, code="REGISTRY_ANSWER", exit_code=1)


def test_too_many_words_are_answered_by_the_registry(run, publisher):
    run.refused("search", *"abcdefghi", code="BAD_PARAMETER", exit_code=1)


def test_a_derived_credential_is_published_whatever_became_of_its_source(run, publisher, family, tmp_path):
    import json

    source, _, model = family
    run("revoke", source["id"], "--reason", "x")
    path = tmp_path / "model.json"
    path.write_text(json.dumps(model))
    answer = run("publish", path, "--json")
    assert answer.json["checkedAs"] == "INVALID"
    assert "does not hold as it stands" in answer.err
