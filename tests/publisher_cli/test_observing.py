"""`observe`: a consumer's own word about somebody else's dataset."""

import hashlib
import json
from pathlib import Path

import pytest

SOURCE = "https://data.example/leases"


@pytest.fixture
def observe(run, publisher, data):
    def sign(*options):
        run("observe", data, "--source", SOURCE, *options)
        return json.loads(Path("leases.observation.json").read_text())["credentialSubject"]

    return sign


def test_the_role_is_observer_and_the_source_is_captured(observe):
    subject = observe("--revision", "v2")
    assert (subject["role"], subject["observation"]["sourceUrl"], subject["observation"]["revision"]) == (
        "observer",
        SOURCE,
        "v2",
    )


def test_licence_text_and_card_are_carried_as_found(observe, data):
    subject = observe()
    text = (data / "LICENSE.txt").read_text()
    assert subject["observation"]["licenseText"] == text
    assert subject["observation"]["licenseTextDigest"] == hashlib.sha256(text.encode()).hexdigest()
    assert (subject["name"], subject["license"]["expression"]) == ("Small leases", "CC-BY-4.0")


def test_what_nobody_can_know_is_unknown(observe, data):
    (data / "LICENSE.txt").unlink()
    (data / "README.md").unlink()
    subject = observe()
    assert (subject["publisher"], subject["license"]["expression"], subject["observation"]["revision"]) == (
        {"name": "unknown"}, "unknown", "unknown",
    )  # fmt: skip
    assert "licenseText" not in subject["observation"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * 30_000])
def test_a_licence_text_that_cannot_be_carried_is_named_by_its_digest(observe, data, content):
    (data / "LICENSE.txt").write_bytes(content) if content[0] != 0xFF else (data / "LICENSE.txt").write_text("a\x1b\0")
    observation = observe("--license", "LicenseRef-Theirs")["observation"]
    assert "licenseText" not in observation
    assert observation["licenseTextDigest"] == hashlib.sha256((data / "LICENSE.txt").read_bytes()).hexdigest()


def test_the_same_source_has_the_same_identity(observe):
    assert observe()["id"] == observe()["id"]


def test_the_hubs_own_notes_are_left_out_and_named(observe, data):
    (data / ".cache/huggingface").mkdir(parents=True)
    (data / ".cache/huggingface/x.metadata").write_text("etag")
    assert observe()["manifest"]["ignored"] == [".cache/", ".datasigil/"]


def test_an_observation_is_published_like_any_credential(run, observe, publisher):
    observe()
    shown = run.json("publish", "leases.observation.json")
    assert shown["checkedAs"] == "VALID"
    hits = publisher.get("/credentials?role=observer&limit=100")["items"]
    assert shown["id"] in [one["id"] for one in hits]


@pytest.mark.parametrize(
    "option",
    [("--source", "somewhere"), ("--version", "a b"), ("--name", "a\nb"), ("--revision", "a\x1bb"), ("--license", "!")],
)
def test_an_option_that_does_not_fit_is_refused_before_anything_is_hashed(run, publisher, data, option, monkeypatch):
    monkeypatch.setattr("publisher_cli.observing.hash_folder", lambda *_, **__: pytest.fail("hashed"))
    words = {"--source": SOURCE, option[0]: option[1]}
    error = run.refused("observe", data, *(word for pair in words.items() for word in pair), code="USAGE", exit_code=2)
    assert error["place"]


def test_what_is_no_folder_is_refused(run, publisher):
    run.refused("observe", "nowhere", "--source", SOURCE, code="DATA_FOLDER", exit_code=2)
