"""`datasigil-verify inspect`: every kind of file shown, never a judgement, never a traceback."""

from __future__ import annotations

import json

import pytest
from simulator import without

from datasigil.bundle import bundle_bytes
from datasigil.canonical import jcs


def test_the_first_line_says_that_nothing_was_checked(desk, no_sockets):
    answer = desk.run("inspect", desk.bundle)
    assert answer.code == 0
    assert answer.out.splitlines()[0].startswith("Nothing here has been checked")
    for word in ("VALID", "verified", "trusted"):
        assert word not in answer.out


def test_a_bundle_is_shown_with_everything_in_it(desk):
    said = desk.run("inspect", desk.bundle, "--json").document
    assert (said["kind"], said["checked"]) == ("evidence bundle", False)
    assert said["says"]["credential"]["id"] == desk.document["id"]
    assert said["says"]["log proof"]["entry"] == 0
    assert len(said["says"]["status lists"]) == 2


@pytest.mark.parametrize("evidence", ["log", "manifest", "status_lists"])
def test_a_bundle_that_lacks_something_says_so(desk, evidence):
    desk.put(without(desk.world.bundle(desk.document), evidence))
    answer = desk.run("inspect", desk.bundle)
    assert answer.code == 0
    assert "none" in answer.out or "not in it" in answer.out


def kinds(desk):
    bundle = desk.world.bundle(desk.document)
    return {
        "credential": jcs(desk.document),
        "manifest": jcs(bundle.manifest),
        "status list": jcs(bundle.status_lists[0]),
        "log proof": bundle.log.proof.encode(),
        "checkpoint": desk.world.log.checkpoint(desk.world.now),
    }


@pytest.mark.parametrize("kind", ["credential", "manifest", "status list", "log proof", "checkpoint"])
def test_a_single_document_is_recognised(desk, kind):
    path = desk.folder / "file"
    path.write_bytes(kinds(desk)[kind])
    assert desk.run("inspect", path, "--json").document["kind"] == kind


def test_a_report_that_was_saved_is_recognised(desk):
    path = desk.folder / "report.json"
    path.write_text(desk.check("--json").out)
    assert desk.run("inspect", path).code == 0


def test_an_altered_credential_is_shown_all_the_same(desk):
    altered = {
        **desk.document,
        "credentialSubject": {"name": ["not", "a", "text"], "manifest": 7},
        "issuer": 7,
        "proof": "x",
    }
    path = desk.folder / "odd.json"
    path.write_bytes(jcs(altered))
    assert desk.run("inspect", path).code == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x00\x01",
        b"[1]",
        b'{"a"',
        b'{"a":1,"a":2}',
        b"\xff{",
        b'{"type":"EvidenceBundle"}',
        b"[" * 5000,
    ],
)
def test_what_is_of_no_known_kind_is_refused_with_a_code(desk, data):
    path = desk.folder / "file"
    path.write_bytes(data)
    answer = desk.run("inspect", path, "--json")
    assert answer.code == 1
    assert answer.document["code"]


def test_a_file_that_is_not_there_or_a_folder_is_wrong_usage(desk):
    assert desk.run("inspect", "nowhere").code == 2
    assert desk.run("inspect", desk.data).code == 2


def test_what_a_file_says_cannot_reach_the_terminal(desk):
    path = desk.folder / "file"
    path.write_bytes(
        json.dumps({"type": "VerifiableCredential", "credentialSubject": {"name": "\x1b[31m\u202e"}}).encode()
    )
    out = desk.run("inspect", path).out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_inspecting_and_parsing_read_the_same_bytes(desk):
    assert desk.run("inspect", desk.bundle, "--json").document["says"]["credential"]["digest"]
    assert desk.bundle.read_bytes() == bundle_bytes(desk.world.bundle(desk.document))


def test_a_rotated_and_renewed_bundle_shows_both_log_proofs_and_the_rotation(desk, repository):
    frozen = repository / "tests/vectors/transparency/rotated-v1.sigil.json"
    says = desk.run("inspect", frozen, "--json").document["says"]
    assert says["log proof"] != says["current log proof"]
    assert says["key rotations"] == [
        {
            "from": "did:web:publisher.example#key-1",
            "to": "did:web:publisher.example#key-2",
            "issuer": "did:web:publisher.example",
            "reason": "yearly rotation",
        }
    ]


def test_a_handover_is_shown_in_a_bundle_and_by_itself(desk, repository):
    frozen = repository / "tests/vectors/transparency/handed-over-v1.sigil.json"
    (shown,) = desk.run("inspect", frozen, "--json").document["says"]["handovers of the registry"]
    assert (shown["from"]["url"], shown["to"]["url"]) == ("https://registry.example", "https://new.example")
    assert shown["to"]["did"].startswith("did:key:")
    assert (shown["after"], shown["reason"]) == ("1 entries", "we end")
    (frame,) = (one for one in json.loads(frozen.read_bytes())["issuerKeys"] if "handover" in one)
    for statement, kind in (
        (frame["handover"], "handover of a registry to another one"),
        (
            {"type": "RegistryHandoverOffer", "registry": frame["handover"]["to"]},
            "offer of a registry to go on for another one",
        ),
        (
            {"type": "RegistryHandover", "from": 7, "to": [], "treeSize": {}, "reason": None},
            "handover of a registry to another one",
        ),
    ):
        path = desk.folder / "statement.json"
        path.write_bytes(json.dumps(statement).encode())
        answer = desk.run("inspect", path, "--json")
        assert (answer.code, answer.document["kind"]) == (0, kind)


@pytest.mark.parametrize("value", [None, [], {}, {"newKey": 1}, {"newKey": {"id": []}}, "x"])
def test_a_rotation_that_is_none_is_shown_without_a_traceback(desk, value):
    document = desk.world.bundle(desk.document).document()
    document["issuerKeys"] = [{"type": "LoggedKeyRotation", "request": value}] if value is not None else [{}]
    desk.bundle.write_text(json.dumps(document))
    assert desk.run("inspect", desk.bundle, "--json").code == 0
