"""`datasigil-verify card`: a run folder that is none, or does not hold together, never passes. (A good one: the story, tests/e2e.)"""

from __future__ import annotations

import pytest

from datasigil.bundle import bundle_bytes


@pytest.fixture
def model(desk):
    folder = desk.folder / "run"
    (folder / "evidence").mkdir(parents=True)
    (folder / "evidence" / "0.sigil.json").write_bytes(bundle_bytes(desk.world.bundle(desk.document)))
    (folder / "receipt.json").write_bytes(b"{}")
    (folder / "card.json").write_bytes(b"{}")
    return folder


def card(desk, folder, *words):
    return desk.run("card", folder, "--policy", desk.policy, "--offline", *words)


def test_a_folder_that_is_not_there_or_is_a_file_is_wrong_usage(desk):
    for path in ("nowhere", desk.bundle):
        answer = card(desk, path, "--json")
        assert (answer.code, answer.document["code"]) == (2, "NO_SUCH_PATH")


def test_a_folder_without_receipt_and_card_is_invalid(desk, no_sockets):
    answer = card(desk, desk.data, "--json")
    assert (answer.code, answer.document["decision"]) == (1, "INVALID")
    assert {one["code"] for one in answer.document["checks"]} == {"FILE_MISSING"}
    assert answer.document["type"] == "ModelCardReport"


@pytest.mark.parametrize("name", ["receipt.json", "card.json"])
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "PARSE"),
        (b"[]", "SCHEMA"),
        (b"\xff", "ENCODING"),
        (b'{"a":1,"a":1}', "DUP_KEY"),
        (b'{"type":1.5}', "NUMBER"),
    ],
)
def test_a_receipt_or_card_that_is_none_is_invalid_with_its_code(desk, model, name, data, code):
    (model / name).write_bytes(data)
    answer = card(desk, model, "--json")
    assert answer.code == 1
    assert code in {one.get("code") for one in answer.document["checks"] if one["name"] == name.removesuffix(".json")}


def test_a_trust_file_inside_the_run_folder_is_refused(desk, model):
    inside = model / "datasigil.toml"
    inside.write_bytes(desk.policy.read_bytes())
    answer = desk.run("card", model, "--policy", inside, "--offline", "--json")
    assert (answer.code, answer.document["code"]) == (2, "POLICY_FILE")


def test_a_folder_is_left_as_it_was(desk, model):
    before = {path: path.read_bytes() for path in model.rglob("*") if path.is_file()}
    card(desk, model)
    assert {path: path.read_bytes() for path in model.rglob("*") if path.is_file()} == before


def test_online_evidence_of_now_that_cannot_be_had_is_told(online, registry):
    folder = online.folder / "run" / "evidence"
    folder.mkdir(parents=True)
    (folder / "0.sigil.json").write_bytes(online.bundle.read_bytes())
    registry.close()
    answer = online.run("card", folder.parent, "--policy", online.policy, "--json")
    assert answer.code == 1
    undecided = [one for one in answer.document["checks"] if one["name"] == "evidence of now"]
    assert undecided
    assert {one["outcome"] for one in undecided} == {"undetermined"}


def test_a_split_view_met_on_the_way_is_a_failure(online, registry):
    folder = online.folder / "run" / "evidence"
    folder.mkdir(parents=True)
    (folder / "0.sigil.json").write_bytes(online.bundle.read_bytes())
    assert online.run("refresh", online.bundle, "--policy", online.policy).code == 0
    world = registry.world
    size = world.log.tree.size
    world.log.__post_init__()
    world.log.store.tiles.clear()
    world.log.entries.clear()
    while world.log.tree.size < size:
        world.publish(world.issue())
    answer = online.run("card", folder.parent, "--policy", online.policy, "--json")
    found = {one.get("code"): one["outcome"] for one in answer.document["checks"]}
    assert found.get("SPLIT_VIEW") == "failed"
