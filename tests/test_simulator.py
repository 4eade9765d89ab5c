"""The simulated world is what it claims: everything in it parses and verifies, until a test bends it."""

import tomllib
from datetime import timedelta

import pytest
from simulator import (
    FILES,
    NOW,
    REMOVED,
    World,
    entry_of,
    flip_bit,
    issuer_of,
    manifest_of,
    mutate,
    resign,
    with_credential,
    with_proof_text,
    without,
)
from subjects import audit_subject, grant_subject, lineage_subject, model_subject

from datasigil.bundle import bundle_bytes, parse_bundle
from datasigil.canonical import document_digest, jcs
from datasigil.credentials.keys import PublicKey
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.status_list import parse_status_list
from datasigil.credentials.status_request import parse_status_change_request
from datasigil.credentials.types import CREDENTIAL_TYPES, parse_credential
from datasigil.datasets.files import build_manifest
from datasigil.datasets.lineage import check_balance, parse_lineage
from datasigil.datasets.manifest import ManifestClaim, parse_manifest, verify_manifest_claim
from datasigil.errors import ProofError, VerificationError
from datasigil.transparency.checkpoint import Witness, require_quorum
from datasigil.transparency.note import COSIGNATURE_V1, ED25519, parse_vkey
from datasigil.transparency.proofs import parse_log_proof, verify_log_proof


@pytest.fixture
def world() -> World:
    return World(witnesses=2)


def keys(method: str, purpose: str) -> PublicKey:
    return PublicKey.from_multibase(method.partition("#")[2])


def test_two_worlds_are_equal_to_the_byte():
    first, second = World(), World()
    assert bundle_bytes(first.publish(first.issue())) == bundle_bytes(second.publish(second.issue()))


def test_issued_credential_parses_and_its_proof_verifies(world):
    document = world.issue()
    credential = parse_credential(document)
    assert credential.issuer == world.publisher.did
    verify_proofs(document, keys=keys)


def test_published_bundle_holds_all_evidence_and_it_verifies(world):
    document = world.issue()
    bundle = world.publish(document)
    assert parse_bundle(bundle_bytes(bundle)) == bundle
    verified = verify_log_proof(
        parse_log_proof(bundle.log.proof), entry_of("issue", document), world.log.key,
        (world.log.time_key, *(one.key for one in world.witnesses)),
    )  # fmt: skip
    assert verified.checkpoint.times_by(world.log.time_key) == (NOW,)
    witnesses = [Witness(one.principal, one.key) for one in world.witnesses]
    assert require_quorum(verified.checkpoint, witnesses, 2) == NOW
    for one in bundle.status_lists:
        verify_proofs(one, keys=keys)
        assert parse_status_list(one).issuer == world.registry.controller
    manifest = parse_manifest(jcs(bundle.manifest))
    verify_manifest_claim(manifest, ManifestClaim.from_subject(document["credentialSubject"]))


def test_files_on_disk_match_the_manifest(world, tmp_path):
    manifest = build_manifest(world.write_files(tmp_path))
    assert manifest.root.hex() == world.issue()["credentialSubject"]["manifest"]["root"]
    assert {entry.path for entry in manifest.entries} == set(FILES)


@pytest.mark.parametrize(
    ("act", "purpose", "kind"), [("revoke", "revocation", "revoke"), ("suspend", "suspension", "suspend")]
)
def test_status_change_is_logged_on_a_signed_request_and_sets_the_bit(world, act, purpose, kind):
    document = world.issue()
    before = world.publish(document)
    request = getattr(world, act)(document)
    parse_status_change_request(request)
    verify_proofs(request, keys=keys)
    assert world.log.entries[-1] == entry_of(kind, document, document_digest(request))
    after = world.bundle(document)
    for bundle, value in ((before, False), (after, True)):
        one = next(one for one in map(parse_status_list, bundle.status_lists) if one.purpose == purpose)
        assert one.bit(parse_credential(document).status[0].index) is value
    assert parse_status_list(after.status_lists[0]).replay == (world.log.origin, 2)


def test_resumed_credential_is_no_longer_suspended(world):
    document = world.issue()
    world.publish(document)
    world.suspend(document)
    world.resume(document)
    one = next(
        one for one in map(parse_status_list, world.bundle(document).status_lists) if one.purpose == "suspension"
    )
    assert not one.bit(parse_credential(document).status[1].index)
    assert len(world.log.entries) == 3


def test_time_passes_only_when_told(world):
    document = world.issue()
    old = world.publish(document)
    assert world.tick(hours=25) == NOW + timedelta(hours=25)
    new = world.bundle(document)
    assert parse_status_list(new.status_lists[0]).valid_from > parse_status_list(old.status_lists[0]).valid_from


def test_publishers_have_their_own_keys_and_lists(world):
    mallory = world.new_publisher("mallory")
    document = world.issue(publisher=mallory)
    assert issuer_of(document) == mallory.did != world.publisher.did
    verify_proofs(document, keys=keys)
    assert parse_credential(document).status[0].list_id == mallory.list_id("revocation")
    assert mallory.did not in world.policy_toml()


def test_derived_dataset_carries_its_lineage_and_its_parents(world):
    parents = [world.issue(), world.issue(publisher=world.new_publisher("second"))]
    for parent in parents:
        world.publish(parent)
    bundle, lineage = world.derive(parents)
    check_balance(parse_lineage(parse_credential(lineage).subject))
    for parent in (*parents, lineage):
        assert bundle.find(document_digest(parent)).credential == parent
    unbalanced = world.derive(parents, removed=3, steps=world.derive(parents)[1]["credentialSubject"]["steps"])[1]
    with pytest.raises(VerificationError):
        check_balance(parse_lineage(unbalanced["credentialSubject"]))


@pytest.mark.parametrize("type_", CREDENTIAL_TYPES)
def test_every_type_of_credential_can_be_issued(world, type_):
    dataset = world.issue()
    subject = {
        "DatasetCredential": world.subject(),
        "DatasetLineageCredential": lineage_subject([dataset], manifest_of(FILES)),
        "DatasetAuditCredential": audit_subject(dataset),
        "DatasetLicenseGrantCredential": grant_subject(dataset, world.publisher.did, world.registry.controller),
        "ModelTrainingCredential": model_subject([dataset]),
    }[type_]
    document = world.issue_as(type_, subject)
    assert parse_credential(document).type == type_
    verify_proofs(document, keys=keys)
    bundle = world.publish(document)
    assert parse_bundle(bundle_bytes(bundle)) == bundle


@pytest.mark.parametrize("kind", ["audit", "approval", "review"])
def test_every_kind_of_attestation_can_be_issued(world, kind):
    document = world.issue_as(
        "DatasetAuditCredential", audit_subject(world.issue(), kind), validUntil="2027-11-02T00:00:00Z"
    )
    assert parse_credential(document).subject["attestationType"] == kind


def test_trust_file_names_issuer_log_and_witnesses(world):
    policy = tomllib.loads(world.policy_toml(quorum=2, extra="[freshness]\nonlineHours = 1\n"))
    assert policy["issuers"][0]["did"] == world.publisher.did
    assert parse_vkey(policy["logs"][0]["key"], algorithm=ED25519).name == world.log.origin
    assert parse_vkey(policy["logs"][0]["timeKey"], algorithm=COSIGNATURE_V1) == world.log.time_key
    assert len(policy["witnesses"]) == policy["witness"]["quorum"] == 2


def test_mutations_change_one_place_of_a_copy(world):
    document = world.issue()
    changed = mutate(document, "/credentialSubject/license/expression", "MIT")
    assert document["credentialSubject"]["license"]["expression"] == "CC-BY-4.0"
    assert changed["credentialSubject"]["license"]["expression"] == "MIT"
    assert "proof" not in mutate(document, "/proof", REMOVED)
    assert len(mutate(document, "/type/-", "Extra")["type"]) == 3
    assert mutate(document, "/type/0", REMOVED)["type"] == ["DatasetCredential"]
    with pytest.raises(ProofError):
        verify_proofs(changed, keys=keys)
    verify_proofs(resign(changed, world.publisher.signer), keys=keys)


def test_evidence_can_be_removed_swapped_and_damaged(world):
    document = world.issue()
    bundle = world.publish(document)
    assert without(bundle, "log").log is None
    assert without(bundle, "status_lists", "manifest").status_lists == ()
    other = world.issue()
    swapped = with_credential(bundle, other)
    with pytest.raises(VerificationError):
        verify_log_proof(parse_log_proof(swapped.log.proof), entry_of("issue", other), world.log.key)
    assert with_proof_text(bundle, "index 0", "index 1").log.proof != bundle.log.proof
    assert flip_bit(b"\x00\x00", 9) == b"\x00\x40"
