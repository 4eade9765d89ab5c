"""The plan: eleven steps in their order, one mutation each; time, witnesses, memory, scope, and who may construct what."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from adversarial.group_k import pin, with_pins
from adversarial.stage import REMOVED, Stage, new_state, report_of
from simulator import FILES, World, manifest_of, mutate, without
from subjects import audit_subject, reference

from datasigil.api import NotUsableError, check_dataset, require_dataset
from datasigil.bundle import write_bundle
from datasigil.credentials.types import parse_credential
from datasigil.datasets.files import check_files
from datasigil.errors import DatasigilError, ManifestMismatchError
from datasigil.report.model import STEPS
from datasigil.signing import add_proof
from datasigil.trust.policy import parse_policy
from datasigil.verification import VerifiedDataset, VerifiedSubset, verify, verify_bytes
from datasigil.verification.verified import verified


def steps_of(report, outcome):
    return {check.step for check in report.checks if check.outcome == outcome}


# One mutation for each step: only that step fails (and those that stand on it).
MUTATIONS = {
    1: lambda stage: stage.given(stage.text() + "x"),
    2: lambda stage: stage.given(stage.reissued("/@context/-", "https://evil.example/")),
    3: lambda stage: stage.given(stage.reissued("/validFrom", REMOVED)),
    4: lambda stage: stage.given(policy=stage.world.policy_toml(publishers=())),
    5: lambda stage: stage.given(stage.tampered("/credentialSubject/name", "x")),
    6: lambda stage: stage.given(stage.publish(stage.signed({**stage.unsigned(), "validFrom": "2026-11-02T10:00:00Z"}))),
    7: lambda stage: stage.given(without(stage.bundle, "log")),
    8: lambda stage: (stage.world.revoke(stage.document), stage.given())[1],
    9: lambda stage: stage.given(files={**FILES, "more": b""}),
    10: lambda stage: stage.given(_logged_before_its_parent(stage)),
    11: lambda stage: stage.given(policy=stage.world.policy_toml(extra='[requirements.licenses]\ndeny = ["CC-BY-4.0"]\n')),
}  # fmt: skip


def _logged_before_its_parent(stage):
    parent = stage.world.issue()
    child = stage.world.issue(manifest_of({"c": b"1"}), subject={"derivedFrom": [reference(parent)]})
    stage.world.publish(child)
    stage.world.publish(parent)
    return stage.world.bundle(child, parents=(stage.world.bundle(parent),))


@pytest.mark.parametrize("step", MUTATIONS)
def test_each_step_refuses_its_own_mutation(step):
    report = report_of(MUTATIONS[step](Stage()))
    assert report.decision == "INVALID"
    # A changed document is also not the one that was logged.
    assert steps_of(report, "failed") - ({7} if step == 5 else set()) == {step}
    assert [check.step for check in report.checks] == sorted(check.step for check in report.checks)


def test_a_credential_parsed_before_is_judged_alike_and_that_of_another_document_not_at_all():
    stage = Stage()
    policy = parse_policy(stage.world.policy_toml().encode())
    other = parse_credential(stage.publish(stage.signed(stage.unsigned())).credential)
    for bundle in (
        stage.bundle,
        replace(stage.bundle, credential=mutate(stage.document, "/credentialSubject/name", "x")),
    ):
        plain = verify(bundle, policy=policy, at=stage.world.now, offline=True).report
        for parsed in (parse_credential(bundle.credential), other):
            assert verify(bundle, policy=policy, at=stage.world.now, offline=True, parsed=parsed).report == plain


def test_every_step_is_accounted_for_in_every_report():
    for build in (lambda stage: stage.given(), *MUTATIONS.values()):
        assert {check.step for check in report_of(build(Stage())).checks} == set(STEPS)


def test_an_issuer_who_is_not_trusted_does_not_keep_the_other_checks_from_running():
    stage = Stage()
    report = report_of(stage.given(policy=stage.world.policy_toml(publishers=())))
    assert steps_of(report, "passed") >= {1, 2, 3, 5, 6, 7, 8, 11}


# Time -----------------------------------------------------------------------------------------------------------


def as_of(stage, bundle, at):
    return report_of(replace(stage.given(bundle), at=at, as_of=True))


def test_as_of_says_that_it_is_no_statement_about_today_and_what_happened_since():
    stage = Stage()
    old, then = stage.bundle, stage.now
    stage.world.tick(days=30)
    stage.world.revoke(stage.document)
    new = stage.world.bundle(stage.document)
    report = as_of(stage, replace(old, status_lists=(*old.status_lists, *new.status_lists)), then)
    assert report.decision == "VALID"
    assert "not a statement about today" in report.headline
    assert "revoked by 2026-12-02T09:30:00Z since" in report.headline
    assert report.mode == "as of"
    assert [warning.code for warning in report.warnings] == ["REVOKED_SINCE"]
    assert report.to_json()["revokedSince"]


def test_an_old_bundle_verifies_years_later_as_of_its_own_time_and_not_as_of_now():
    stage = Stage()
    bundle, then = stage.bundle, stage.now
    stage.world.tick(days=3000)
    assert as_of(stage, bundle, then).decision == "VALID"
    assert report_of(stage.given(bundle)).decision == "INDETERMINATE"


def test_as_of_never_hands_out_a_dataset():
    stage = Stage()
    policy = parse_policy(stage.world.policy_toml().encode())
    outcome = verify(stage.bundle, policy=policy, at=stage.now, as_of=True, offline=True)
    assert outcome.report.decision == "VALID"
    assert outcome.dataset is None


def test_a_naive_time_is_a_programming_error():
    stage = Stage()
    with pytest.raises(ValueError, match="naive"):
        verify(stage.bundle, policy=parse_policy(stage.world.policy_toml().encode()), at=datetime(2026, 11, 2))


@pytest.mark.parametrize(("entry", "decision"), [(0, "INVALID"), (1, "VALID"), (2, "VALID")])
def test_a_compromise_divides_the_log_at_its_index(entry, decision):
    stage = Stage()
    mark = f'{{ origin = "registry.example/log", index = {entry} }}'
    report = report_of(
        stage.given(policy=with_pins(stage.world.policy_toml(), pin(stage.world.publisher, compromised=mark)))
    )
    assert report.decision == decision
    assert ("KEY_COMPROMISED_LATER" in [warning.code for warning in report.warnings]) == (decision == "VALID")


def test_created_is_no_evidence_of_time():
    stage = Stage()
    policy = with_pins(stage.world.policy_toml(), pin(stage.world.publisher, until="2026-11-02T09:30:00Z"))
    backdated = stage.world.publish(
        add_proof(stage.unsigned(), stage.world.publisher.signer, created=stage.now - timedelta(days=100))
    )
    assert report_of(stage.given(backdated, policy=policy)).code == "KEY_WINDOW"


# Witnesses ------------------------------------------------------------------------------------------------------


def test_the_default_says_that_nobody_had_to_witness():
    report = report_of(Stage().given())
    assert any("your policy asks for no witnesses" in check.message for check in report.checks)
    assert report.credential.time_basis == "registry-asserted"


def test_with_a_quorum_the_time_is_the_witnesses_and_principals_count():
    world = World(witnesses=3)
    bundle = world.publish(world.issue())
    for quorum in (1, 2, 3):
        report = verify(
            bundle, policy=parse_policy(world.policy_toml(quorum=quorum).encode()), at=world.now, offline=True
        ).report
        assert (report.decision, report.credential.time_basis) == ("VALID", "witnessed")
    shared = (
        world.policy_toml(quorum=2)
        .replace('"witness2.example"', '"witness1.example"')
        .replace('"witness3.example"', '"witness1.example"')
    )
    with pytest.raises(DatasigilError, match="trust file"):
        parse_policy(shared.encode())


# Memory ---------------------------------------------------------------------------------------------------------


def test_a_remembered_revocation_outlives_a_bundle_from_before():
    from adversarial.group_s import remember

    stage, state = Stage(), new_state()
    old = stage.bundle
    stage.world.tick(hours=1)
    stage.world.revoke(stage.document)
    remember(state, stage.world.bundle(stage.document))
    assert report_of(stage.given(old, state=state)).code == "REVOKED"
    assert report_of(stage.given(old)).decision == "VALID"


def test_only_trusted_keys_raise_the_clock_floor():
    stage, state = Stage(), new_state()
    assert report_of(stage.given(state=state, policy=stage.world.policy_toml(log=False))).decision == "INDETERMINATE"
    assert state.clock_floor() is None
    assert report_of(stage.given(state=state)).decision == "VALID"
    assert state.clock_floor() is not None
    assert report_of(replace(stage.given(state=state), at=stage.now - timedelta(hours=2))).decision != "VALID"


# Scope and what is handed out -----------------------------------------------------------------------------------


@pytest.fixture
def laid(tmp_path):
    stage = Stage()
    data = stage.world.write_files(tmp_path / "data")
    write_bundle(tmp_path / "x.sigil.json", stage.bundle)
    (tmp_path / "trust.toml").write_text(stage.world.policy_toml())
    return stage, data, tmp_path / "x.sigil.json", parse_policy(stage.world.policy_toml().encode())


def outcome_of(laid, *, partial=False):
    stage, data, path, policy = laid
    return verify_bytes(
        path.read_bytes(),
        policy=policy,
        at=stage.now,
        offline=True,
        data=lambda manifest: check_files(data, manifest, partial=partial),
    )


def test_all_files_give_a_dataset_and_a_part_gives_a_subset(laid):
    whole = outcome_of(laid)
    assert (whole.report.scope, type(whole.dataset)) == ("all files", VerifiedDataset)
    (laid[1] / "LICENSE").unlink()
    some = outcome_of(laid, partial=True)
    assert (some.report.decision, some.report.scope, type(some.dataset)) == ("VALID", "part", VerifiedSubset)
    assert "a part of its files" in some.report.headline
    assert "all files" not in some.report.headline
    refused = outcome_of(laid)
    assert (refused.report.code, refused.dataset) == ("FILE_MISSING", None)


def test_only_verification_constructs_what_it_verified(laid):
    whole = outcome_of(laid).dataset
    with pytest.raises(TypeError):
        VerifiedDataset(whole.credential, whole.manifest, whole.report, None, object())
    with pytest.raises(TypeError):
        verified(whole.credential, whole.manifest, replace(whole.report, decision="INVALID"), None)
    with pytest.raises(TypeError):
        verified(whole.credential, whole.manifest, replace(whole.report, mode="as of"), None)
    with pytest.raises(TypeError):
        verified(whole.credential, whole.manifest, replace(whole.report, scope="credential"), None)


def test_python_refuses_with_the_report_and_never_trusts_by_itself(laid):
    _, data, path, _ = laid
    with pytest.raises(NotUsableError) as caught:
        require_dataset(path, data=data)
    assert "UNTRUSTED_ISSUER" in caught.value.report.codes
    assert check_dataset(path).decision == "INVALID"


def test_opened_files_are_hashed_again(tmp_path):
    world = World(now=datetime.now().astimezone() - timedelta(seconds=2))
    data = world.write_files(tmp_path / "data")
    write_bundle(tmp_path / "x.sigil.json", world.publish(world.issue()))
    dataset = require_dataset(tmp_path / "x.sigil.json", data=data, policy=parse_policy(world.policy_toml().encode()))
    with dataset.open("LICENSE") as stream:
        assert stream.read() == FILES["LICENSE"]
    with pytest.raises(DatasigilError, match="lists no such file"):
        dataset.open("../x.sigil.json")
    (data / "LICENSE").write_bytes(b"changed")
    with pytest.raises(ManifestMismatchError):
        dataset.open("LICENSE")


# Lineage --------------------------------------------------------------------------------------------------------


def test_what_others_say_against_a_dataset_does_not_bind():
    stage = Stage()
    mallory = stage.world.new_publisher("mallory")
    bad = audit_subject(stage.document, "approval", verdict="rejected")
    rejection = stage.world.publish(
        stage.world.issue_as("DatasetAuditCredential", bad, publisher=mallory, validUntil="2027-01-01T00:00:00Z")
    )
    assert report_of(stage.given(replace(stage.bundle, parents=(rejection,)))).decision == "VALID"


def test_a_parent_that_does_not_hold_is_named_once_and_in_words():
    stage = Stage()
    parent = stage.document
    bundle, made = stage.world.derive([parent])
    stage.world.revoke(parent)
    now = stage.world.bundle
    report = report_of(stage.given(now(bundle.credential, parents=(now(made, parents=(now(parent),)),))))
    assert report.headline.count("INVALID") == 1
    assert "does not hold: its issuer has revoked it" in report.headline


def test_deep_lineage_ends_and_is_judged_once_per_credential():
    stage = Stage()
    chain, bundle = stage.document, stage.bundle
    for generation in range(12):
        child = stage.world.issue(manifest_of({f"{generation}": b"x"}), subject={"derivedFrom": [reference(chain)]})
        stage.world.publish(child)
        bundle = replace(stage.world.bundle(child), parents=(replace(bundle, parents=()), *bundle.parents))
        chain = child
    report = report_of(stage.given(bundle))
    assert report.decision == "VALID"
    broken = mutate(bundle.document(), "/parents/11/log", REMOVED)
    assert report_of(stage.given(broken)).code == "LOG_PROOF_MISSING"


def test_credentials_of_other_profiles_are_never_valid():
    stage = Stage()
    document = stage.world.sign(
        {
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "type": ["VerifiableCredential"],
            "issuer": stage.world.publisher.did,
            "credentialSubject": {"id": "did:web:a.example"},
        }
    )
    assert report_of(stage.given(document)).code == "NOT_DATASET_PROFILE"
    assert report_of(stage.given({**document, "credentialSubject": {"id": "did:web:b.example"}})).decision == "INVALID"


def test_a_trust_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DatasigilError) as caught:
        check_dataset(tmp_path, policy=tmp_path / "nothing.toml")
    assert (caught.value.code, caught.value.place) == ("POLICY_FILE", str(tmp_path / "nothing.toml"))
    assert caught.value.next_action
