"""What others say about a dataset gets into the card only where it counts, with its own source, and is checked again like the rest."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from simulator import World, manifest_of
from subjects import audit_subject, lineage_subject, reference
from trainees import Case, make_case

from datasigil.bundle import bundle_bytes
from datasigil.canonical import jcs
from datasigil.datasets.files import build_manifest
from datasigil.models.model_folder import check_model
from datasigil.trust.policy import parse_policy
from training_worker.card_command import take_answers
from training_worker.documents import write_documents
from training_worker.finished import check_run

pytestmark = pytest.mark.training

SAFE_HARBOR = {
    "standard": "45 CFR 164.514(b)(2), 2013-01-25", "criterion": "identifiers A to R removed", "method": "sample inspection", "conformance": True, "sampleSize": 400,
}  # fmt: skip


@pytest.fixture(scope="module")
def audited(tmp_path_factory, tiny_base) -> Case:
    """A derived dataset with an audit that counts, one by a stranger, and the lineage it came by."""
    case = make_case(tmp_path_factory.mktemp("others"), base=tiny_base, epochs=1)
    world = case.world
    parent = world.issue(manifest_of({"raw.txt": b"as it was found"}), subject={"name": "Raw clauses"})
    world.publish(parent)
    manifest = build_manifest(case.data)
    first = case.document["id"]
    case.document = world.issue(manifest, subject={"derivedFrom": [reference(parent)]})
    world.publish(case.document)
    lineage = world.issue_as("DatasetLineageCredential", lineage_subject([parent], manifest))
    auditor, stranger = world.new_publisher("auditor"), world.new_publisher("stranger")
    audits = []
    for publisher, name in ((auditor, "Auditors Ltd"), (stranger, "Nobody Inc")):
        subject = audit_subject(case.document, assessment=[SAFE_HARBOR], assessor={"id": publisher.did, "name": name})
        audits.append(world.issue_as("DatasetAuditCredential", subject, publisher=publisher))
    for one in (lineage, *audits):
        world.publish(one)
    made = world.bundle(lineage, parents=(world.bundle(parent),))
    whole = world.bundle(case.document, parents=(made, *map(world.bundle, audits)))
    (case.folder / "data.sigil.json").write_bytes(bundle_bytes(whole))
    case.recipe_path.write_text(case.recipe_path.read_text().replace(first, case.document["id"]))
    case.train(gate=case.settings(policy=policy_of(world, auditor)))
    return case


def policy_of(world: World, *others):
    return parse_policy(world.policy_toml(publishers=(world.publisher, *others)).encode())


@pytest.fixture
def run(audited, tmp_path) -> Path:
    shutil.copytree(audited.folder / "run", tmp_path / "run")
    return tmp_path / "run"


def dataset(run: Path) -> dict:
    return json.loads((run / "card.json").read_bytes())["sections"]["trainingData"][0]


def check(run: Path, case: Case, policy, **changes):
    at = changes.pop("at", case.world.now)
    return check_model(build_manifest(run), lambda name: (run / name).read_bytes(), at=at, policy=policy)


def test_an_audit_that_counts_is_told_with_assessor_criterion_and_outcome(run):
    (audit,) = dataset(run)["audits"]
    assert audit["assessor"]["value"] == "Auditors Ltd"
    assert audit["criterion"]["value"] == "identifiers A to R removed"
    assert audit["conformance"]["value"] is True
    assert audit["conformance"]["assurance"] == "attested"
    assert "Auditors Ltd" in (run / "documents" / "privacy-card.html").read_text()


def test_a_strangers_audit_is_not_told(run):
    assert b"Nobody Inc" not in (run / "card.json").read_bytes()


def test_the_steps_that_made_the_dataset_are_told_from_its_lineage_credential(run):
    (step,) = dataset(run)["lineageSteps"]
    assert (step["rule"]["value"], step["recordsIn"]["value"], step["removed"]["value"]) == ("drop duplicates", 100, 10)
    assert "drop duplicates" in (run / "documents" / "ab-2013.md").read_text()


def test_every_cited_credential_is_verified_again(run, audited):
    finding = check(run, audited, policy_of(audited.world, *list(audited.world.publishers.values())[1:]))
    assert finding.decision == "VALID", finding.render()
    assert sum(one.name.startswith("cited credential") for one in finding.findings) == 2


def test_a_cited_audit_whose_issuer_the_reader_does_not_trust_is_not_valid(run, audited):
    finding = check(run, audited, policy_of(audited.world))
    assert finding.decision == "INVALID"
    assert [one.code for one in finding.findings if one.name.startswith("cited") and one.outcome == "failed"] == ["UNTRUSTED_ISSUER"]  # fmt: skip


def test_a_card_that_cites_the_strangers_audit_is_found_under_a_trust_file(run, audited):
    document = json.loads((run / "card.json").read_bytes())
    bundle = json.loads((run / "evidence" / "0.sigil.json").read_bytes())
    from datasigil.canonical import document_digest

    stranger = next(one["credential"] for one in bundle["parents"] if one["credential"]["credentialSubject"].get("assessor", {}).get("name") == "Nobody Inc")  # fmt: skip
    leaf = {"value": "Nobody Inc", "source": f"credential:sha256:{document_digest(stranger)}#/credentialSubject/assessor/name", "assurance": "attested"}  # fmt: skip
    document["sections"]["trainingData"][0]["audits"][0]["assessor"] = leaf
    (run / "card.json").write_bytes(jcs(document))
    write_documents(run)
    finding = check(run, audited, policy_of(audited.world, next(one for one in audited.world.publishers.values() if one.name == "auditor")))  # fmt: skip
    assert finding.decision == "INVALID"
    assert "UNTRUSTED_ISSUER" in {one.code for one in finding.findings}


def test_a_word_of_people_afterwards_leaves_what_others_said(run):
    before = dataset(run)
    take_answers(run, {"by": "A", "facts": {"liability": "said"}}, None)
    assert dataset(run) == before
    assert check_run(run).decision == "VALID"


def test_old_evidence_of_a_cited_audit_decides_nothing(run, audited):
    policy = policy_of(audited.world, *list(audited.world.publishers.values())[1:])
    assert check(run, audited, policy, at=audited.world.now + timedelta(days=30)).decision == "INDETERMINATE"
