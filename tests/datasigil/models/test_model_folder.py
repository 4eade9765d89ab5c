"""A model's folder: VALID as the worker wrote it, and INVALID for one change to anything that it cites."""

import json
from pathlib import Path

import pytest
from trainees import Case

from datasigil.bundle import bundle_bytes, parse_bundle
from datasigil.canonical import document_digest, jcs, sha256_hex
from datasigil.datasets.files import build_manifest
from datasigil.models.card import CardEvidence, card_bytes, check_card, parse_card
from datasigil.models.model_folder import ModelFinding, check_model
from datasigil.trust.policy import parse_policy
from training_worker.documents import write_documents

pytestmark = pytest.mark.training


def check(folder: Path, case: Case, *, policy: bool = True, **changes) -> ModelFinding:
    trust = parse_policy(case.world.policy_toml().encode()) if policy else None
    return check_model(
        build_manifest(folder), lambda name: (folder / name).read_bytes(), at=case.world.now, policy=trust, **changes
    )


def failed(finding: ModelFinding) -> set[str]:
    return {one.code for one in finding.findings if one.outcome == "failed"} | {
        leaf.code for leaf in finding.leaves if leaf.outcome == "failed"
    }


def edit(path: Path, change) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(jcs(document))


def recard(folder: Path, change) -> None:
    """Change the card and make its Markdown follow, as a forger would."""
    document = json.loads((folder / "card.json").read_bytes())
    change(document)
    (folder / "card.json").write_bytes(card_bytes(document))
    write_documents(folder)


def leaf_at(document, pointer: str):
    value = document
    for token in pointer.split("/")[1:]:
        value = value[int(token)] if isinstance(value, list) else value[token]
    return value


def test_the_folder_that_the_worker_wrote_is_valid(model, finished):
    finding = check(model, finished)
    assert finding.decision == "VALID", finding.render()
    assert sum(leaf.outcome == "passed" for leaf in finding.leaves) > 100
    assert finding.exit_code == 0


def test_without_a_trust_file_the_content_alone_is_compared(model, finished):
    finding = check(model, finished, policy=False)
    assert finding.decision == "VALID"
    assert not finding.reports


def test_every_fact_of_the_card_is_held_against_its_source(model, finished):
    data = (model / "card.json").read_bytes()
    receipt = check(model, finished, policy=False).receipt
    evidence = CardEvidence(receipt.document, _credentials(model), _files(model))
    cited = [leaf for leaf in parse_card(data).leaves() if leaf.assurance != "not-provided"]
    assert len(cited) > 100
    for leaf in cited:
        document = json.loads(data)
        leaf_at(document, leaf.pointer)["value"] = "forged"
        findings = check_card(parse_card(card_bytes(document)), evidence)
        assert [found.leaf.pointer for found in findings if found.outcome == "failed"] == [leaf.pointer]


def _credentials(folder: Path) -> dict:
    credential = parse_bundle((folder / "evidence" / "0.sigil.json").read_bytes()).credential
    return {document_digest(credential): credential}


def _files(folder: Path) -> dict[str, bytes]:
    data = (folder / "evidence" / "base-README.md").read_bytes()
    return {sha256_hex(data): data}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/sections/evaluation/test/macroF1", "0.990000"),
        ("/sections/evaluation/test/majorityMacroF1", "0.000001"),
        ("/sections/trainingData/0/license", "MIT"),
        ("/sections/trainingData/0/name", "Something nicer"),
        ("/sections/details/baseLicense", "mit"),
        ("/sections/details/baseTrainingData", "public domain"),
        ("/sections/gate/policyDigest", "0" * 64),
        ("/sections/procedure/seed", 8),
    ],
)
def test_a_forged_fact_is_found_even_when_the_markdown_follows_it(model, finished, pointer, value):
    recard(model, lambda document: leaf_at(document, pointer).update(value=value))
    finding = check(model, finished)
    assert finding.decision == "INVALID"
    assert {"CARD_VALUE", "MODEL_BINDING"} <= failed(finding)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda leaf: leaf.update(source="run#/nowhere"), "CARD_SOURCE"),
        (lambda leaf: leaf.update(source="rumour:somebody"), "CARD_SOURCE"),
        (lambda leaf: leaf.update(source="human:Nobody", assurance="declared"), "CARD_SOURCE"),
        (lambda leaf: leaf.update(source=f"credential:sha256:{'0' * 64}#/id"), "CARD_SOURCE"),
        (lambda leaf: leaf.update(source=f"file:sha256:{'0' * 64}#license"), "CARD_SOURCE"),
        (lambda leaf: leaf.update(assurance="attested"), "CARD_ASSURANCE"),
    ],
)
def test_a_source_that_does_not_carry_its_fact_is_found(model, finished, change, code):
    recard(model, lambda document: change(document["sections"]["procedure"]["seed"]))
    assert code in failed(check(model, finished))


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "head.safetensors", "classifier.json", "examples.json"])
def test_one_changed_byte_in_a_file_of_the_model_is_found(model, finished, name):
    data = bytearray((model / name).read_bytes())
    data[len(data) // 2] ^= 1
    (model / name).write_bytes(data)
    assert check(model, finished).decision == "INVALID"


@pytest.mark.parametrize(
    "name",
    ["receipt.json", "card.json", "README.md", "examples.json", "evidence/0.sigil.json", "evidence/base-README.md",
     "adapter_model.safetensors", "adapter_config.json"],
)  # fmt: skip
def test_a_missing_file_is_found(model, finished, name):
    (model / name).unlink()
    assert check(model, finished).decision == "INVALID"


@pytest.mark.parametrize("name", ["training_args.bin", "evidence/extra.json", "modeling.py"])
def test_a_file_that_nothing_vouches_for_is_found(model, finished, name):
    (model / name).write_bytes(b"x")
    assert "EXTRA_FILE" in failed(check(model, finished))


def test_markdown_that_says_more_than_the_card_is_found(model, finished):
    readme = model / "README.md"
    readme.write_bytes(readme.read_bytes() + b"\nCompliant with everything.\n")
    assert failed(check(model, finished)) == {"README"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda receipt: receipt["training"].update(examplesRoot="0" * 64), "EXAMPLES"),
        (lambda receipt: receipt["training"].update(steps=5), "EXAMPLES"),
        (lambda receipt: receipt["recipe"]["document"].update(name="other"), "RECIPE_DIGEST"),
        (lambda receipt: receipt["datasets"][0].update(evidenceDigest="0" * 64), "FILE_DIGEST"),
        (lambda receipt: receipt["datasets"][0].update(credentialDigest="0" * 64), "OTHER_CREDENTIAL"),
        (lambda receipt: receipt["artefacts"]["files"].pop(), "EXTRA_FILE"),
        (lambda receipt: receipt["run"].update(durationSeconds=99_999), "MODEL_BINDING"),
        (lambda receipt: receipt.update(extra=1), "UNKNOWN_PROPERTY"),
    ],
)
def test_a_changed_receipt_is_found(model, finished, change, code):
    edit(model / "receipt.json", change)
    assert code in failed(check(model, finished))


@pytest.mark.parametrize("member", ["receiptDigest", "cardDigest", "configDigest", "examplesRoot"])
def test_a_model_credential_about_another_run_is_found(model, finished, member):
    edit(model / "model-credential.json", lambda document: document["credentialSubject"].update({member: "0" * 64}))
    assert "MODEL_BINDING" in failed(check(model, finished))


def test_evidence_that_says_suspended_makes_the_model_invalid(model, finished):
    world, document = finished.world, finished.document
    world.suspend(document)
    try:
        # What lies in the folder is older than the suspension; the receipt vouches for it byte by byte.
        assert check(model, finished).decision == "VALID"
        (model / "evidence" / "0.sigil.json").write_bytes(bundle_bytes(world.bundle(document)))
        finding = check(model, finished)
        assert finding.decision == "INVALID"
        assert "SUSPENDED" in failed(finding)
    finally:
        world.resume(document)


def test_an_issuer_outside_the_trust_file_makes_the_model_invalid(model, finished):
    from datasigil.trust.policy import default_policy

    finding = check_model(
        build_manifest(model), lambda name: (model / name).read_bytes(), at=finished.world.now, policy=default_policy()
    )
    assert finding.decision == "INVALID"


def test_the_result_is_versioned_json_that_names_every_leaf(model, finished):
    document = check(model, finished).document()
    assert (document["type"], document["formatVersion"]) == ("ModelCardReport", 1)
    assert len(document["leaves"]) > 100
    json.dumps(document, allow_nan=False)
