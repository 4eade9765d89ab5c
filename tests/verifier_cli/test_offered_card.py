"""A card for what any trainer left: it rests on exec's receipt, and holds only while files, offer, evidence and credentials do."""

import json
import shutil
import sys

import pytest

from datasigil.canonical import jcs
from training_worker.main import main as train_main

PROGRAM = """import os, pathlib
text = pathlib.Path(os.environ["DATASIGIL_DATA"], "clauses/train.jsonl").read_bytes()
out = pathlib.Path("model")
out.mkdir()
(out / "model.safetensors").write_bytes(text[::-1])
(out / "config.json").write_text("{}")
(out / "README.md").write_text("# What the trainer wrote\\n")
"""


@pytest.fixture
def offered(desk):
    """A desk where a program has run behind the gate and left a model."""
    desk.gate(roots="")
    words = ("--policy", desk.policy, "--offline", "-o", "offered.json", "--result", "model")
    assert desk.run("exec", "gate.toml", *words, "--", sys.executable, "-c", PROGRAM).code == 0
    return desk


@pytest.fixture
def card(offered, capsys):
    """Type `datasigil-train card`; return exit code, output and error."""

    def typed(*words):
        capsys.readouterr()
        code = train_main(["card", str(offered.folder / "model"), *map(str, words)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return typed


def make(card, offered, *more):
    return card("--offered", offered.folder / "offered.json", "--evidence", offered.bundle, *more)


def verify(desk):
    answer = desk.run("card", "model", "--policy", desk.policy, "--offline", "--json")
    return answer.code, answer.document


def test_the_card_says_what_was_offered_and_every_fact_has_its_source(offered, card):
    code, out, err = make(card, offered, "--name", "Clauses, fine-tuned")
    assert code == 0, out + err
    found, document = verify(offered)
    assert (found, document["decision"]) == (0, "VALID")
    made = json.loads((offered.folder / "model/card.json").read_bytes())
    data = made["sections"]["offeredData"][0]
    assert data["license"]["value"] == "CC-BY-4.0"
    assert data["license"]["source"].startswith("credential:sha256:")
    assert made["sections"]["gate"]["claim"]["value"].startswith("These bytes were verified and offered")
    assert made["status"] == "draft"
    readme = (offered.folder / "model/README.md").read_text("utf-8")
    assert "# Clauses, fine-tuned" in readme
    assert "Offered, not observed" in readme
    assert "trained on" not in readme.lower()
    assert (offered.folder / "model/evidence/trainer-README.md").read_text() == "# What the trainer wrote\n"
    assert card()[0] == 0  # datasigil-train looks at it as well


def rewritten(path, change):
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(jcs(document))


SPOILT = {
    "weights": (lambda desk, model: (model / "model.safetensors").write_bytes(b"other"), "FILE_DIGEST"),
    "one more file": (lambda desk, model: (model / "more.json").write_text("{}"), "FILE_DIGEST"),
    "a file less": (lambda desk, model: (model / "config.json").unlink(), "FILE_DIGEST"),
    "the trainer's own README": (lambda desk, model: (model / "evidence/trainer-README.md").write_text("x"), "FILE_DIGEST"),
    "a file among the evidence": (lambda desk, model: (model / "evidence/x.txt").write_text("x"), "EXTRA_FILE"),
    "the evidence": (lambda desk, model: (model / "evidence/0.sigil.json").write_bytes(b"{}"), "FILE_DIGEST"),
    "no evidence": (lambda desk, model: (model / "evidence/0.sigil.json").unlink(), "FILE_DIGEST"),
    "the README": (lambda desk, model: (model / "README.md").write_text("better"), "README"),
    "a fact of the card": (lambda desk, model: rewritten(model / "card.json", lambda one: one["sections"]["offeredData"][0]["license"].update(value="MIT")), "CARD_VALUE"),
    "a source of the card": (lambda desk, model: rewritten(model / "card.json", lambda one: one["sections"]["details"]["name"].update(source="run#/x")), "CARD_SOURCE"),
    "the receipt": (lambda desk, model: rewritten(model / "receipt.json", lambda one: one.update(name="x")), "CARD_RECEIPT"),
    "the claim": (lambda desk, model: rewritten(model / "receipt.json", lambda one: one.update(claim="It was trained on these bytes.")), "OFFER"),
    "the offer's claim": (lambda desk, model: rewritten(model / "receipt.json", lambda one: one["offer"].update(claim="x")), "OFFER"),
    "the offer's gate": (lambda desk, model: rewritten(model / "receipt.json", lambda one: one["offer"]["gate"].update(decision="INDETERMINATE")), "OFFER"),
    "the offer's exit code": (lambda desk, model: rewritten(model / "receipt.json", lambda one: one["offer"].update(exitCode=1)), "OFFER"),
    "an unknown member": (lambda desk, model: rewritten(model / "receipt.json", lambda one: one["offer"].update(trained=True)), "UNKNOWN_PROPERTY"),
    "a receipt that is no JSON": (lambda desk, model: (model / "receipt.json").write_bytes(b"{"), "PARSE"),
    "no card": (lambda desk, model: (model / "card.json").unlink(), "FILE_MISSING"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_a_card_over_an_offer_holds_only_while_everything_behind_it_does(offered, card, what):
    assert make(card, offered)[0] == 0
    spoil, code = SPOILT[what]
    spoil(offered, offered.folder / "model")
    found, document = verify(offered)
    codes = {one.get("code") for one in [*document["checks"], *document["leaves"]]}
    assert (found, document["decision"]) == (1, "INVALID")
    assert code in codes


def test_a_dataset_that_was_revoked_after_the_run_fails_the_card_under_a_trust_file(offered, card):
    offered.world.revoke(offered.document)
    offered.renew()
    assert make(card, offered)[0] == 0  # by digests and content alone
    found, document = verify(offered)
    assert (found, document["decision"]) == (1, "INVALID")
    assert "REVOKED" in {one.get("code") for one in document["checks"]}


REFUSED = {
    "a receipt without result": (lambda one: one.pop("result"), "OFFER"),
    "a program that failed": (lambda one: one.update(exitCode=3), "OFFER"),
    "a program that still runs": (lambda one: one.update(state="running"), "OFFER"),
    "another result": (lambda one: one["result"].update(root="0" * 64), "FILE_DIGEST"),
    "another dataset": (lambda one: one["datasets"][0].update(credentialDigest="0" * 64), "EVIDENCE_MISSING"),
    "another root": (lambda one: one["datasets"][0].update(manifestRoot="0" * 64), "OTHER_CREDENTIAL"),
    "another type": (lambda one: one.update(type="TrainingReceipt"), "SCHEMA"),
    "another version": (lambda one: one.update(formatVersion=2), "VERSION"),
    "a member too many": (lambda one: one.update(more=1), "UNKNOWN_PROPERTY"),
    "no datasets": (lambda one: one.update(datasets=[]), "OFFER"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_receipt_that_carries_no_card_is_refused_and_nothing_is_written(offered, card, what):
    change, code = REFUSED[what]
    path = offered.folder / "offered.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(jcs(document) + b"\n")
    before = sorted(offered.folder.rglob("*"))
    found, _, err = make(card, offered)
    assert found in (1, 2)
    assert f"[{code}]" in err
    assert sorted(offered.folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda model: (model / "training_args.bin").write_bytes(b"\x80\x02"), "FORMAT"),
        (lambda model: (model / "model.safetensors").write_bytes(b"other"), "FILE_DIGEST"),
        (lambda model: (model / "card.json").write_text("{}"), "EXISTS"),
        (shutil.rmtree, "NO_RUN"),
    ],
)
def test_a_folder_that_is_not_as_the_program_left_it_gets_no_card(offered, card, spoil, code):
    spoil(offered.folder / "model")
    found, _, err = make(card, offered)
    assert found in (1, 2)
    assert f"[{code}]" in err
    assert not (offered.folder / "model/receipt.json").exists()


def test_a_second_card_is_refused_in_words(offered, card):
    assert make(card, offered)[0] == 0
    code, _, err = card("--offered", offered.folder / "offered.json")
    assert code == 2
    assert "next:" in err


def answers(folder, **facts):
    path = folder / "answers.yaml"
    path.write_text(f"by: Ada\nfacts: {json.dumps(facts)}\n")
    return path


def test_what_people_say_goes_into_the_card_and_is_checked_like_the_rest(offered, card):
    assert make(card, offered)[0] == 0
    asked = card("--questions")[1]
    assert "intendedPurpose" in asked
    before = json.loads((offered.folder / "model/card.json").read_bytes())
    assert card("--facts", answers(offered.folder, intendedPurpose="Sorting clauses"))[0] == 0
    made = json.loads((offered.folder / "model/card.json").read_bytes())
    assert made["sections"]["people"]["intendedPurpose"] == {"value": "Sorting clauses", "source": "human:Ada", "assurance": "declared"}  # fmt: skip
    assert made["sections"]["details"] == before["sections"]["details"]
    assert "| Sorting clauses | Ada |" in (offered.folder / "model/README.md").read_text()
    assert verify(offered)[0] == 0
    (offered.folder / "model/README.md").write_text("x")
    assert verify(offered)[0] == 1
    assert card("--render")[0] == 0
    assert verify(offered)[0] == 0
    statements = offered.folder / "model/statements.json"
    statements.write_bytes(statements.read_bytes().replace(b"Sorting", b"Writing"))
    found, document = verify(offered)
    assert (found, "CARD_VALUE" in {one.get("code") for one in document["leaves"]}) == (1, True)


@pytest.mark.parametrize(
    ("facts", "code"),
    [({"favouriteColour": "blue"}, "UNKNOWN_FACT"), ({"hipaaDeidentification": "x"}, "UNKNOWN_FACT")],
)
def test_a_fact_that_nobody_asks_for_changes_nothing(offered, card, facts, code):
    assert make(card, offered)[0] == 0
    before = (offered.folder / "model/card.json").read_bytes()
    found, _, err = card("--facts", answers(offered.folder, **facts))
    assert found != 0
    assert f"[{code}]" in err
    assert (offered.folder / "model/card.json").read_bytes() == before


def test_a_folder_that_does_not_hold_takes_no_facts(offered, card):
    assert make(card, offered)[0] == 0
    (offered.folder / "model/model.safetensors").write_bytes(b"other")
    found, _, err = card("--facts", answers(offered.folder, intendedPurpose="x"))
    assert (found, "[RUN_CHANGED]" in err) == (1, True)
    assert not (offered.folder / "model/statements.json").exists()
