"""`datasigil-verify policy plan`: allowed, or exactly which datasets stand in the way; and the gate refuses the same mixes."""

import json
from datetime import timedelta

import pytest
from simulator import manifest_of, proving_self, without
from subjects import grant_subject

from datasigil.bundle import bundle_bytes
from datasigil.trust import planner, policy_parser
from verifier_cli import arguments


@pytest.fixture
def mix(desk):
    """Write one dataset for each licence, with its folder and data; return how to type a plan about all of them."""
    typed = {}

    def lay(**licenses):
        lines = ['type = "GateFile"\nformatVersion = 1\n']
        for name, expression in licenses.items():
            files = {f"{name}.txt": f"{name}\n".encode()}
            stated = {"name": name, "license": {"expression": expression, "assurance": "declared"}}
            document = desk.world.issue(manifest_of(files), subject=stated)
            typed[name] = desk.folder / f"{name}.sigil.json"
            typed[name].write_bytes(bundle_bytes(desk.world.publish(document)))
            (desk.folder / name).mkdir()
            (desk.folder / name / f"{name}.txt").write_bytes(files[f"{name}.txt"])
            lines.append(f'[[datasets]]\nbundle = "{name}.sigil.json"\ndata = "{name}"\n')
        (desk.folder / "gate.toml").write_text("\n".join(lines))
        return lambda *words: plan(desk, *typed.values(), *words)

    return lay


def plan(desk, *words):
    return desk.run("policy", "plan", *words, "--policy", desk.policy, "--offline")


def names(answer):
    return [
        sorted(one.rsplit("/", 1)[-1].split(".")[0] for one in each["datasets"])
        for each in answer.document["conflicts"]
    ]


def test_datasets_that_go_together_are_allowed_with_their_duties(mix, no_sockets):
    typed = mix(leases="CC-BY-4.0", rulings="CC0-1.0")
    answer = typed("--use", "fine-tuning", "--commercial")
    assert answer.code == 0
    assert answer.out.startswith("ALLOWED: 2 datasets for fine-tuning, commercially")
    assert "leases.sigil.json: attribution (CC-BY-4.0)" in answer.out
    assert "not legal advice" in answer.out


def test_the_minimal_conflicting_set_is_named_with_what_to_drop_or_obtain(mix):
    typed = mix(leases="CC-BY-4.0", wiki="CC-BY-SA-4.0", maps="GPL-2.0-only")
    answer = typed("--use", "ai-training", "--share", "model", "--json")
    assert answer.code == answer.document["exitCode"] == 1
    assert names(answer) == [["maps", "wiki"]]
    dropped = [[one.rsplit("/", 1)[-1] for one in way["drop"]] for way in answer.document["waysOut"]]
    assert dropped == [["maps.sigil.json"], ["wiki.sigil.json"]]
    assert "a grant to you from publisher for ai-training" in answer.document["waysOut"][0]["orObtain"][0]
    text = typed("--use", "ai-training", "--share", "model").out
    for words in (
        "NOT ALLOWED",
        "maps.sigil.json",
        "together [LICENSE_CONFLICT]",
        "asks that the result be under",
        "Drop",
        "or obtain",
    ):
        assert words in text


def test_unknown_blocks_even_where_the_trust_file_lets_it_through(desk, mix):
    desk.trust(extra='[requirements.licenses]\nunknown = "warn"\n')
    answer = mix(leases="CC-BY-4.0", found="unknown")("--use", "ai-training", "--json")
    assert answer.code == 1
    assert [(one["codes"], one["unknown"]) for one in answer.document["conflicts"]] == [(["LICENSE_UNKNOWN"], True)]


def test_a_dataset_that_is_not_established_is_an_obstacle(desk, mix):
    typed = mix(leases="CC-BY-4.0")
    desk.trust(publishers=())
    answer = typed("--use", "ai-training", "--json")
    assert answer.code == 1
    assert answer.document["conflicts"][0]["codes"] == ["UNTRUSTED_ISSUER"]


def test_evidence_that_cannot_be_had_now_alone_is_exit_3(desk):
    desk.put(without(desk.world.bundle(desk.document), "status_lists"))
    answer = plan(desk, desk.bundle, "--use", "ai-training", "--json")
    assert answer.code == 3
    assert answer.document["conflicts"][0]["codes"] == ["STATUS_MISSING"]


def test_a_grant_to_oneself_opens_a_way_that_does_not_pass_data_on(desk):
    world = desk.world
    me = world.new_publisher("me")
    document = world.issue(subject={"license": {"expression": "CC-BY-NC-4.0", "assurance": "declared"}})
    world.publish(document)
    grant = world.issue_as("DatasetLicenseGrantCredential", grant_subject(document, world.publisher.did, me.did))
    granted = world.publish(grant)
    desk.put(world.bundle(document, parents=(granted,)))
    desk.policy.write_text(proving_self(world.policy_toml(), me.signer))
    words = (desk.bundle, "--use", "ai-training", "--commercial")
    assert plan(desk, *words).code == 0
    assert plan(desk, *words, "--share", "model").code == 0
    refused = plan(desk, *words, "--share", "data", "--json")
    assert refused.code == 1
    assert refused.document["conflicts"][0]["codes"] == ["LICENSE_CONFLICT"]
    desk.policy.write_text(f'self = "{me.did}"\n' + world.policy_toml())
    open_ = plan(desk, *words, "--json")
    assert (open_.code, open_.document["conflicts"][0]["codes"]) == (3, ["SELF_UNPROVEN"])


def test_terms_that_do_not_permit_passing_on_keep_the_data_in_the_house(desk):
    for permitted, code in ((("ai-training",), 1), (("ai-training", "distribute"), 0)):
        terms = {"id": "urn:example:offer:1", "type": "Offer", "permission": [{"action": one} for one in permitted]}
        document = desk.world.issue(subject={"hasPolicy": terms})
        desk.put(desk.world.publish(document))
        assert plan(desk, desk.bundle, "--use", "ai-training", "--share", "model").code == 0
        assert plan(desk, desk.bundle, "--use", "ai-training", "--share", "data").code == code


def test_what_a_dataset_was_made_from_counts_with_it(desk):
    world = desk.world
    source = world.issue(subject={"license": {"expression": "CC-BY-SA-4.0", "assurance": "declared"}})
    world.publish(source)
    bundle, _ = world.derive([source])
    desk.put(bundle)
    answer = plan(
        desk, desk.bundle, "--use", "ai-training", "--share", "data", "--result-license", "CC-BY-4.0", "--json"
    )
    assert answer.code == 1
    assert "Contract clauses 1.0.0" in answer.document["conflicts"][0]["reasons"][0]
    assert (
        plan(desk, desk.bundle, "--use", "ai-training", "--share", "data", "--result-license", "CC-BY-SA-4.0").code == 0
    )


def test_the_trust_file_states_the_use_and_the_gate_refuses_the_mix(desk, mix):
    mix(wiki="CC-BY-SA-4.0", maps="ODbL-1.0")
    gate = desk.folder / "gate.toml"
    words = ("gate", gate, "--policy", desk.policy, "--offline")
    desk.trust(extra='[requirements]\nuse = "ai-training"\n')
    assert desk.run(*words).code == 0
    desk.trust(extra='[requirements]\nuse = "ai-training"\nshare = "data"\n')
    answer = desk.run(*words)
    assert answer.code == 1
    assert "LICENSE_CONFLICT" in answer.out
    assert "2 of 2 datasets would pass for all files" in answer.out
    assert [len(one["datasets"]) for one in desk.run(*words, "--json").document["conflicts"]] == [2]
    assert names(plan(desk, gate, "--json")) == [["maps", "wiki"]]
    ran = desk.run("exec", gate, "--policy", desk.policy, "--offline", "--", "touch", desk.folder / "ran")
    assert ran.code == 1
    assert not (desk.folder / "ran").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--use USE"),
        (("--use", "ai-training", "--result-license", "MIT"), "--share model"),
        (("--use", "ai-training", "--share", "model", "--result-license", "mit"), "SPDX list"),
        (("--use", "world-peace"), "invalid choice"),
        (("nowhere.json", "--use", "ai-training"), "no such file"),
    ],
)
def test_wrong_usage_says_what_is_missing(desk, words, said):
    answer = plan(desk, desk.bundle, *words)
    assert answer.code == 2
    assert said in answer.err


def test_a_stale_dataset_is_an_obstacle_by_its_name(desk):
    desk.world.now -= timedelta(days=30)
    desk.put(desk.world.bundle(desk.document))
    answer = plan(desk, desk.bundle, "--use", "ai-training", "--json")
    assert answer.code == 3
    assert "LOG_STALE" in json.dumps(answer.document["conflicts"])


def test_the_command_line_knows_the_uses_and_shares_of_the_trust_file():
    assert arguments._USES == policy_parser.USES
    assert arguments._SHARES == policy_parser.SHARES == planner.SHARES
