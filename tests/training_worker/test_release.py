"""From a draft to a release: people's words, an expert's sign-off, what voids it, and the pack for an auditor."""

import hashlib
import itertools
import json
import re
import shutil
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from model_cards import PEOPLE
from simulator import World
from trainees import Case, make_case

from datasigil.bundle import bundle_bytes
from datasigil.canonical import jcs
from datasigil.errors import DatasigilError
from datasigil.models.card import parse_card
from datasigil.models.reviews import parse_review
from datasigil.models.statements import parse_statements, statements_bytes
from datasigil.trust.policy import parse_policy
from training_worker import card_command
from training_worker.documents import read_card, write_documents
from training_worker.finished import check_run
from training_worker.main import main
from training_worker.pack import pack
from training_worker.release import release
from training_worker.sign_model import Registration, SignOff, review_credential, sign_credential

pytestmark = pytest.mark.training
INDICES = itertools.count(900)  # status indices: one review revoked in a test must not revoke another's


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_base) -> Case:
    case = make_case(tmp_path_factory.mktemp("trained"), base=tiny_base, epochs=1)
    case.train()
    return case


@pytest.fixture
def run(trained, tmp_path) -> Path:
    shutil.copytree(trained.folder / "run", tmp_path / "run")
    return tmp_path / "run"


def policy(world: World):
    return parse_policy(world.policy_toml(publishers=tuple(world.publishers.values())).encode())


def complete(run: Path, facts: dict[str, str] = PEOPLE, by: str = "Dr. A. Example") -> str:
    return card_command.take_answers(run, {"by": by, "facts": facts}, None)[1]


def review(world: World, run: Path, verdict: str = "accepted", *, number: int = 0, registered: bool = True, **changes) -> dict:  # fmt: skip
    """Sign a review of the card as the run has it now, and put it where the command would."""
    publisher = world.publisher
    lists = {purpose: publisher.list_id(purpose) for purpose in ("revocation", "suspension")}
    registration = Registration(publisher.did, lists, world.registry.controller, world.log.origin, f"{world.url}/log")
    conditions = {"conditions": "quarterly re-test"} if verdict == "accepted-with-conditions" else {}
    sign_off = SignOff("Dr. B. Reviewer", "attorney at law", verdict, **conditions)
    digest = changes.pop("digest", read_card(run).digest)
    unsigned = review_credential(sign_off, digest, registration=registration, at=world.now, index=next(INDICES))
    document = json.loads(sign_credential(unsigned, publisher.signer, at=world.now))
    (run / "reviews").mkdir(exist_ok=True)
    if registered:
        world.publish(document)
        (run / "reviews" / f"{number}.sigil.json").write_bytes(bundle_bytes(world.bundle(document)))
    else:
        (run / "reviews" / f"{number}.credential.json").write_bytes(jcs(document))
    write_documents(run)
    return document


def refused(run: Path, world: World, **changes) -> str:
    with pytest.raises(DatasigilError) as caught:
        release(run, changes.pop("policy", policy(world)), changes.pop("at", world.now), offline=True)
    assert not (run / "release.json").exists()
    return caught.value.code


def failed(run: Path) -> set[str]:
    finding = check_run(run)
    return {one.code for one in (*finding.findings, *finding.leaves) if one.outcome == "failed"}


# People ------------------------------------------------------------------------------------------------------------


def test_what_people_said_makes_a_draft_complete_and_is_cited_by_name(run):
    before = read_card(run)
    assert before.document["status"] == "draft"
    assert complete(run) != before.digest
    card = read_card(run)
    assert card.document["status"] == "complete"
    assert {leaf.source for leaf in card.leaves() if leaf.source.startswith("human")} == {"human:Dr. A. Example"}
    assert check_run(run).decision == "VALID"
    assert b"NOT PROVIDED" not in (run / "documents" / "annex-iv.html").read_bytes()


def test_the_last_word_about_a_fact_counts_and_every_word_is_kept(run):
    complete(run)
    complete(run, {"liability": "Another word."}, by="C. Counsel")
    leaf = read_card(run).document["sections"]["people"]["liability"]
    assert (leaf["value"], leaf["source"]) == ("Another word.", "human:C. Counsel")
    assert len(parse_statements((run / "statements.json").read_bytes())) == 2
    assert check_run(run).decision == "VALID"


def test_words_put_into_somebodys_mouth_are_found(run):
    complete(run)
    document = json.loads((run / "card.json").read_bytes())
    document["sections"]["people"]["liability"]["value"] = "No risk at all."
    (run / "card.json").write_bytes(jcs(document))
    write_documents(run)
    assert "CARD_SOURCE" in failed(run) or "CARD_VALUE" in failed(run)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"liabillity": "typo"}, "UNKNOWN_FACT"),
        ({"modelRiskTier": "2"}, "UNKNOWN_FACT"),
        ({"liability": ""}, "SCHEMA"),
        ({"liability": "x" * 20_001}, "SCHEMA"),
        ({}, "SCHEMA"),
    ],
)
def test_answers_that_do_not_fit_change_nothing(run, tmp_path, facts, code):
    before = read_card(run).digest
    with pytest.raises(DatasigilError) as caught:
        complete(run, facts)
    assert caught.value.code == code
    assert read_card(run).digest == before
    assert check_run(run).decision == "VALID"


@pytest.mark.parametrize(
    "text",
    [
        "by: ''\nfacts: {liability: x}\n",
        "facts: {liability: x}\n",
        "by: A\nfacts: []\n",
        "by: A\nfacts: {liability: 3}\n",
        "by: A\nfacts: {liability: x}\nextra: 1\n",
        "by: A\nby: B\nfacts: {liability: x}\n",
        "by: A\nfacts: {}\n",
        "- a list\n",
        'by: "A\\nB"\nfacts: {liability: x}\n',
    ],
)  # fmt: skip
def test_a_file_of_answers_of_another_form_is_refused(tmp_path, text):
    (tmp_path / "answers.yaml").write_text(text)
    with pytest.raises(DatasigilError):
        card_command.read_answers(tmp_path / "answers.yaml")


def test_questions_filled_in_are_answers(run, tmp_path, capsys):
    assert main(["card", str(run), "--questions"]) == 0
    asked = capsys.readouterr().out
    assert "liability:" in asked
    answers = asked.replace('by: ""', 'by: "D. Person"').replace(': ""', ': "Said."')
    (tmp_path / "answers.yaml").write_text(answers)
    assert main(["card", str(run), "--facts", str(tmp_path / "answers.yaml")]) == 0
    assert read_card(run).document["status"] == "complete"
    capsys.readouterr()
    assert main(["card", str(run), "--questions", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing"] == []


def test_a_signed_card_is_not_changed_without_signing_it_anew(run, tmp_path, capsys):
    (run / "model-credential.json").write_bytes(b"{}")
    (tmp_path / "answers.yaml").write_text("by: A\nfacts: {liability: x}\n")
    assert main(["card", str(run), "--facts", str(tmp_path / "answers.yaml")]) == 2
    assert "CARD_SIGNED" in capsys.readouterr().err


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: document.update(formatVersion=2),
        lambda document: document.update(type="Statements"),
        lambda document: document.update(extra=1),
        lambda document: document["statements"][0].pop("time"),
        lambda document: document["statements"][0].update(time="today"),
        lambda document: document["statements"][0]["facts"].update(nothing="x"),
    ],
)
def test_statements_of_another_form_are_refused(damage):
    good = statements_bytes([{"by": "A", "time": "2026-11-02T09:00:00Z", "facts": {"liability": "x"}}])
    parse_statements(good)
    document = json.loads(good)
    damage(document)
    with pytest.raises(DatasigilError):
        parse_statements(jcs(document))


# Reviews -----------------------------------------------------------------------------------------------------------


def test_a_reviewed_card_is_released_and_every_document_says_so(trained, run):
    world = trained.world
    complete(run)
    review(world, run)
    release(run, policy(world), world.now, offline=True)
    finding = check_run(run)
    assert finding.decision == "VALID", finding.render()
    assert finding.shown.state.startswith("released ")
    for name in ("model-card", "annex-iv", "ab-2013", "privacy-card"):
        text = (run / "documents" / f"{name}.html").read_text()
        assert "Dr. B. Reviewer" in text
        assert "released 20" in text


@pytest.mark.parametrize("verdict", ["accepted", "accepted-with-conditions"])
def test_both_ways_of_accepting_release(trained, run, verdict):
    complete(run)
    review(trained.world, run, verdict)
    release(run, policy(trained.world), trained.world.now, offline=True)
    assert (run / "release.json").is_file()


def test_a_draft_is_not_released_however_well_reviewed(trained, run):
    review(trained.world, run)
    assert refused(run, trained.world) == "DRAFT"


def test_a_card_that_nobody_reviewed_is_not_released(trained, run):
    complete(run)
    assert refused(run, trained.world) == "NOT_REVIEWED"


def test_one_rejection_outweighs_an_acceptance(trained, run):
    complete(run)
    review(trained.world, run)
    review(trained.world, run, "rejected", number=1)
    assert refused(run, trained.world) == "REVIEW_REJECTED"


def test_a_review_of_another_card_is_void_and_releases_nothing(trained, run):
    complete(run)
    review(trained.world, run, digest="0" * 64)
    assert failed(run) == {"REVIEW_VOID"}
    assert refused(run, trained.world) == "NOT_VALID"


def test_a_new_word_voids_the_review_and_withdraws_the_release(trained, run):
    complete(run)
    review(trained.world, run)
    release(run, policy(trained.world), trained.world.now, offline=True)
    complete(run, {"liability": "Otherwise."})
    assert check_run(run).decision == "VALID"
    assert [path.name for path in (run / "reviews" / "void").iterdir()] == ["0.sigil.json"]
    assert not (run / "release.json").exists()
    assert refused(run, trained.world) == "NOT_REVIEWED"


def test_one_byte_of_the_card_voids_the_review(trained, run):
    complete(run)
    review(trained.world, run)
    document = json.loads((run / "card.json").read_bytes())
    document["sections"]["people"]["liability"]["value"] += "."
    (run / "card.json").write_bytes(jcs(document))
    write_documents(run)
    assert "REVIEW_VOID" in failed(run)


def test_a_revoked_review_releases_nothing(trained, run):
    complete(run)
    document = review(trained.world, run)
    trained.world.revoke(document)
    (run / "reviews" / "0.sigil.json").write_bytes(bundle_bytes(trained.world.bundle(document)))
    assert refused(run, trained.world) == "NOT_VALID"


def test_a_reviewer_outside_the_trust_file_releases_nothing(trained, run):
    complete(run)
    review(trained.world, run)
    narrow = parse_policy(trained.world.policy_toml(types=("DatasetCredential",)).encode())
    assert refused(run, trained.world, policy=narrow) == "NOT_VALID"


def test_a_review_that_was_signed_but_not_registered_releases_nothing(trained, run):
    complete(run)
    review(trained.world, run, registered=False)
    assert check_run(run).decision == "VALID"
    assert refused(run, trained.world) == "NOT_VALID"


def test_evidence_that_is_too_old_releases_nothing(trained, run):
    complete(run)
    review(trained.world, run)
    assert refused(run, trained.world, at=trained.world.now + timedelta(days=30)) == "NOT_VALID"


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(cardDigest="0" * 64),
        lambda document: document.update(receiptDigest="0" * 64),
        lambda document: document.update(reviews=[]),
        lambda document: document["reviews"][0].update(credentialDigest="0" * 64),
    ],
)
def test_a_release_of_something_else_is_found(trained, run, change):
    complete(run)
    review(trained.world, run)
    release(run, policy(trained.world), trained.world.now, offline=True)
    document = json.loads((run / "release.json").read_bytes())
    change(document)
    (run / "release.json").write_bytes(jcs(document))
    write_documents(run)
    assert "RELEASE_VOID" in failed(run)


def test_another_kind_of_credential_is_no_review(trained, run):
    complete(run)
    (run / "reviews").mkdir()
    (run / "reviews" / "0.sigil.json").write_bytes((trained.folder / "data.sigil.json").read_bytes())
    assert "NOT_A_REVIEW" in failed(run)
    with pytest.raises(DatasigilError):
        parse_review((trained.folder / "data.sigil.json").read_bytes(), "reviews/0.sigil.json")


@pytest.mark.parametrize(
    "name", ["reviews/notes.txt", "documents/extra.html", "documents/mrm-memo.html", "plots/x.png"]
)
def test_a_file_that_nothing_vouches_for_is_found(run, name):
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).write_bytes(b"x")
    assert "EXTRA_FILE" in failed(run)


@pytest.mark.parametrize("name", ["documents/annex-iv.html", "documents/ab-2013.md", "mlbom.cdx.json", "README.md"])
def test_a_document_that_says_more_than_the_card_is_found(run, name):
    (run / name).write_bytes((run / name).read_bytes() + b"\nFit for every purpose.\n")
    assert failed(run) == {"README"}


@pytest.mark.parametrize("name", ["plots/loss.svg", "plots/per-class-f1.png"])
def test_another_plot_is_found(run, name):
    (run / name).write_bytes(b"<svg/>")
    assert "FILE_DIGEST" in failed(run)


def test_a_card_without_the_facts_it_should_ask_for_is_refused(run):
    document = json.loads((run / "card.json").read_bytes())
    for key in list(document["sections"]["people"]):
        if key != "liability":
            del document["sections"]["people"][key]
    with pytest.raises(DatasigilError) as caught:
        parse_card(jcs(document))
    assert caught.value.place == "/sections/people"


# Command lines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["review", "RUN", "--key", "me", "--name", "A", "--qualification", "q", "--verdict", "accepted"], "--registry"),
        (["review", "RUN", "--key", "me", "--name", " ", "--qualification", "q", "--verdict", "accepted"], "--name"),
        (["review", "RUN", "--key", "me", "--name", "A\nB", "--qualification", "q", "--verdict", "accepted"], "--name"),
        (["review", "RUN", "--key", "me", "--name", "A", "--qualification", "q", "--verdict", "accepted-with-conditions"], "--conditions"),
        (["review", "RUN", "--key", "me", "--name", "A", "--qualification", "q", "--verdict", "accepted", "--conditions", "c"], "--conditions"),
        (["review", "nowhere", "--key", "me", "--name", "A", "--qualification", "q", "--verdict", "accepted"], "no run folder"),
        (["release", "nowhere"], "no model card"),
        (["release", "RUN", "--policy", "none.toml"], "trust file"),
        (["pack", "nowhere"], "no run folder"),
        (["pack", "RUN", "-o", "RUN/inside.zip"], "inside"),
        (["card", "nowhere", "--questions"], "no model card"),
        (["card", "RUN", "--facts", "none.yaml"], "cannot be read"),
        (["export", "nowhere", "onnx", "--recipe", "none.yaml"], "cannot be read"),
    ],
)  # fmt: skip
def test_bad_input_is_told_with_its_place_and_leaves_the_run_alone(run, arguments, said, capsys):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main([word.replace("RUN", str(run)) for word in arguments]) in (1, 2)
    told = capsys.readouterr().err
    assert said in told
    assert told.startswith("error: ")
    assert "Traceback" not in told
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("verdict", ["fine", "", "ACCEPTED"])
def test_a_verdict_is_one_of_three_words(run, verdict):
    with pytest.raises(SystemExit) as caught:
        main(["review", str(run), "--key", "me", "--name", "A", "--qualification", "q", "--verdict", verdict])
    assert caught.value.code == 2


# Pack --------------------------------------------------------------------------------------------------------------


def test_a_pack_holds_the_whole_folder_a_first_page_and_the_sums(run, tmp_path):
    _, digest = pack(run, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "out")
    packed = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {name.removeprefix("model/") for name in names if name.startswith("model/")} == packed
    assert {"index.html", "SHA256SUMS"} < set(names)
    assert check_run(tmp_path / "out" / "model").decision == "VALID"
    for line in (tmp_path / "out" / "SHA256SUMS").read_text().splitlines():
        expected, _, name = line.partition("  ")
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == expected
    page = (tmp_path / "out" / "index.html").read_text()
    for link in re.findall(r'href="([^"]+)"', page):
        assert (tmp_path / "out" / link).is_file()
    assert len(digest) == 64


def test_the_same_folder_makes_the_same_pack(run, tmp_path):
    assert pack(run, tmp_path / "a.zip")[1] == pack(run, tmp_path / "b.zip")[1]


def test_an_existing_pack_is_not_overwritten(run, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"mine")
    with pytest.raises(DatasigilError) as caught:
        pack(run, tmp_path / "a.zip")
    assert caught.value.code == "OUT_EXISTS"
    assert (tmp_path / "a.zip").read_bytes() == b"mine"


def test_a_folder_that_does_not_hold_together_is_not_packed(run, tmp_path):
    (run / "head.safetensors").write_bytes(b"x")
    with pytest.raises(DatasigilError) as caught:
        pack(run, tmp_path / "a.zip")
    assert caught.value.code == "NOT_WHOLE"
    assert list(tmp_path.glob("*.zip*")) == []


def test_a_full_disk_leaves_no_half_pack(run, tmp_path, monkeypatch):
    import errno

    def full(self, *arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(DatasigilError) as caught:
        pack(run, tmp_path / "a.zip")
    assert caught.value.code == "DISK_FULL"
    assert list(tmp_path.glob("*zip*")) == []


def test_render_writes_what_was_there(run, capsys):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    shutil.rmtree(run / "documents")
    (run / "mlbom.cdx.json").unlink()
    assert main(["card", str(run), "--render"]) == 0
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    capsys.readouterr()
