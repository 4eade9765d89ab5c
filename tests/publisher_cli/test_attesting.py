"""`attest` and `grant`: what an auditor, a steward and a rightsholder sign, and what a checker makes of it."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from simulator import owned_by, signer_of

from datasigil.bundle import Bundle, parse_bundle
from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.types import CREDENTIAL_TYPES, parse_credential
from datasigil.encoding import Instant
from datasigil.transparency.note import parse_vkey
from datasigil.trust.rules import IssuerRule, LogRule, Requirements, TrustPolicy
from datasigil.verification import verify

OURS = signer_of("grantee")
GRANTEE = OURS.controller


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF the evidence")
    return path


@pytest.fixture
def audit(report):
    return ("--type", "audit", "--assessor", "Example Audits", "--standard", "ISO/IEC 5259-2:2024", "--criterion", "completeness",
            "--method", "random sample", "--sample-size", "200", "--result", "met", "--evidence", report)  # fmt: skip


APPROVAL = ("--type", "approval", "--assessor", "Our steward", "--use", "fine-tuning", "--valid-days", "365")


def read(name):
    document = json.loads(Path(name).read_text())
    assert verify_proofs(document, keys=did_key_resolver)
    return parse_credential(document)


def test_an_audit_names_standard_criterion_method_sample_result_and_evidence(run, published, audit, report):
    run("attest", published["id"], *audit, "-o", "audit.json")
    subject = read("audit.json").subject
    assert subject["assessment"] == [
        {
            "standard": "ISO/IEC 5259-2:2024",
            "criterion": "completeness",
            "method": "random sample",
            "sampleSize": 200,
            "conformance": True,
        }
    ]
    assert subject["auditableEvidence"] == [
        {"name": "report.pdf", "digest": hashlib.sha256(report.read_bytes()).hexdigest()}
    ]
    assert subject["target"]["root"] == published["credentialSubject"]["manifest"]["root"]


def test_who_audits_their_own_dataset_says_so_unasked(run, published, audit, registry):
    run("attest", published["id"], *audit, "-o", "own.json")
    assert read("own.json").subject["assessorLevel"] == "self"
    run("key", "new", "--name", "auditor")
    run("login", "--registry", registry.url, "--key", "auditor")
    run("attest", published["id"], *audit, "-o", "other.json", "--key", "auditor")
    assert read("other.json").subject["assessorLevel"] == "unspecified"


def test_an_attestation_is_published_and_named_by_impact(run, published, audit):
    run("attest", published["id"], *audit)
    assert run.json("publish", "audit.credential.json")["checkedAs"] == "VALID"
    (one,) = run.json("impact", published["id"])["items"]
    assert (one["kind"], one["relations"]) == ("audit", ["target"])


def policy_of(registry_process, published, **changes):
    log = registry_process.get("/.well-known/datasigil-registry.json")["log"]
    rule = LogRule(log["origin"], parse_vkey(log["key"]), parse_vkey(log["timeKey"]), log["url"])
    issuer = IssuerRule(published["issuer"], "publisher", CREDENTIAL_TYPES, ("publisher", "observer", "auditor"))
    return TrustPolicy(issuers=(issuer,), logs=(rule,), **changes)


def judged(bundle: Bundle, other: Bundle, policy: TrustPolicy):
    return verify(replace(bundle, parents=(other,)), policy=policy, at=datetime.now(UTC)).report


def bundles(run, attested):
    run("publish", attested, "-o", "attested.sigil.json")
    run("publish", "credential.json", "-o", "dataset.sigil.json")  # status lists that cover both
    return tuple(parse_bundle(Path(name).read_bytes()) for name in ("dataset.sigil.json", "attested.sigil.json"))


def test_an_approval_satisfies_a_policy_that_asks_for_one(run, published, publisher):
    run("attest", published["id"], *APPROVAL, "-o", "approval.json")
    assert read("approval.json").valid_until is not None
    dataset, approval = bundles(run, "approval.json")
    policy = policy_of(
        publisher, published, approvals="publisher AND auditor", requirements=Requirements(use="fine-tuning")
    )
    assert judged(dataset, approval, policy).decision == "VALID"
    assert judged(dataset, replace(dataset), policy).decision == "INVALID"


@pytest.mark.parametrize(
    ("requirements", "decision"),
    [
        ({"use": "fine-tuning", "approved_until": 30}, "VALID"),
        ({"use": "fine-tuning", "approved_until": 364}, "VALID"),
        ({"use": "fine-tuning", "approved_until": 366}, "INVALID"),  # it ends before the project does
        ({"use": "evaluation", "approved_until": 30}, "INVALID"),  # another use
        ({"use": "fine-tuning"}, "VALID"),
    ],
)
def test_a_policy_asks_for_our_stewards_approval_for_a_use_until_a_date(
    run, published, publisher, requirements, decision
):
    run("attest", published["id"], *APPROVAL, "-o", "approval.json")
    dataset, approval = bundles(run, "approval.json")
    days = requirements.get("approved_until")
    until = Instant.from_datetime(datetime.now(UTC) + timedelta(days=days)) if days else None
    asked = Requirements(**{**requirements, "approved_until": until})
    policy = policy_of(publisher, published, approvals="auditor", requirements=asked)
    report = judged(dataset, approval, policy)
    assert report.decision == decision
    assert ("APPROVAL_MISSING" in report.codes) == (decision == "INVALID")


def test_a_policy_asks_for_a_grant_to_us_by_name(run, published, publisher, report):
    run("grant", published["id"], "--to", GRANTEE, "--terms", report, "--permit", "ai-training", "-o", "grant.json")
    dataset, grant = bundles(run, "grant.json")
    asked = Requirements(use="fine-tuning", granted=True)
    policy = owned_by(OURS, policy_of(publisher, published, requirements=asked))
    assert judged(dataset, grant, policy).decision == "VALID"
    assert judged(dataset, grant, replace(policy, self_proof=None)).decision == "INDETERMINATE"
    for other in (
        replace(policy, self_did=published["issuer"]),
        replace(policy, requirements=replace(asked, use="gen-ai")),
    ):
        assert "GRANT_MISSING" in judged(dataset, grant, other).codes
    assert "GRANT_MISSING" in judged(dataset, dataset, policy).codes  # the public licence alone does not do


def test_a_review_names_who_reviewed_with_what_qualification_and_the_verdict(run, published):
    run(
        "attest",
        published["id"],
        "--type",
        "review",
        "--assessor",
        "A. Lawyer",
        "--qualification",
        "solicitor",
        "--verdict",
        "rejected",
    )
    subject = read("review.credential.json").subject
    assert (subject["attestationType"], subject["qualification"], subject["verdict"]) == (
        "review",
        "solicitor",
        "rejected",
    )
    error = run.refused("attest", published["id"], "--type", "review", "--assessor", "A", code="USAGE", exit_code=2)
    assert "--qualification" in error["found"]


def test_a_grant_lets_its_grantee_use_what_the_licence_alone_forbids(run, published, publisher, report, data):
    run("init", data, "--yes", "--force", "--license", "LicenseRef-Ours")
    run("issue", data, "-o", "credential.json")
    run("publish", "credential.json")
    run("grant", "credential.json", "--to", GRANTEE, "--terms", report, "--permit", "ai-training", "-o", "grant.json")
    dataset, grant = bundles(run, "grant.json")
    policy = owned_by(OURS, policy_of(publisher, published, requirements=Requirements(use="fine-tuning")))
    assert judged(dataset, grant, policy).decision == "VALID"
    assert judged(dataset, grant, replace(policy, self_did=published["issuer"])).decision == "INVALID"


def test_a_grant_names_its_terms_by_digest_and_its_limits(run, published, report):
    limits = (
        "--forbid",
        "distribute",
        "--jurisdiction",
        "DE",
        "--jurisdiction",
        "AT",
        "--reference",
        "2026/17",
        "--valid-days",
        "30",
    )
    run("grant", published["id"], "--to", GRANTEE, "--terms", report, *limits)
    credential = read("grant.credential.json")
    subject = credential.subject
    assert subject["termsDigest"] == hashlib.sha256(report.read_bytes()).hexdigest()
    assert (subject["permission"], subject["prohibition"]) == ([{"action": "ai-training"}], [{"action": "distribute"}])
    assert (subject["jurisdiction"], subject["reference"]) == (["AT", "DE"], "2026/17")


def test_a_grant_by_somebody_else_is_made_with_a_warning(run, published, registry, report):
    run("key", "new", "--name", "heir")
    run("login", "--registry", registry.url, "--key", "heir")
    answer = run("grant", published["id"], "--to", GRANTEE, "--terms", report, "--key", "heir")
    assert "counts only if it names you" in answer.err


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left_out", ["--standard", "--criterion", "--method", "--result", "--evidence"])
def test_an_audit_without_one_of_its_parts_is_refused(run, published, audit, left_out):
    at = audit.index(left_out)
    error = run.refused("attest", published["id"], *audit[:at], *audit[at + 2 :], code="USAGE", exit_code=2)
    assert left_out in error["found"]
    assert not Path("audit.credential.json").exists()


@pytest.mark.parametrize("left_out", ["--use", "--valid-days"])
def test_an_approval_without_use_or_end_is_refused(run, published, left_out):
    at = APPROVAL.index(left_out)
    error = run.refused("attest", published["id"], *APPROVAL[:at], *APPROVAL[at + 2 :], code="USAGE", exit_code=2)
    assert left_out in error["nextAction"]


@pytest.mark.parametrize(
    "option",
    [
        ("--use", "world-domination"),
        ("--assessor", ""),
        ("--assessor", "a\x1bb"),
        ("--verdict", "accepted-with-conditions"),
        ("--conditions", "a\0b"),
    ],
)
def test_an_approval_that_does_not_fit_the_vocabulary_is_refused(run, published, option):
    answer = run("attest", published["id"], *APPROVAL, *option, "--json", expect=1)
    assert answer.json["place"].startswith("/credentialSubject")
    assert answer.json["nextAction"]


@pytest.mark.parametrize(
    "option",
    [
        ("--to", "somebody"),
        ("--permit", "a b"),
        ("--jurisdiction", "Germany"),
        ("--terms-url", "not a url"),
        ("--reference", "a\nb"),
    ],
)
def test_a_grant_that_does_not_fit_the_vocabulary_is_refused(run, published, report, option):
    words = {"--to": GRANTEE, "--terms": str(report), option[0]: option[1]}
    answer = run("grant", published["id"], *(word for pair in words.items() for word in pair), "--json", expect=1)
    assert answer.json["place"].startswith("/credentialSubject")


@pytest.mark.parametrize("content", [None, b""])
def test_terms_that_are_not_there_or_empty_are_refused(run, published, tmp_path, content):
    path = tmp_path / "terms.txt"
    if content is not None:
        path.write_bytes(content)
    assert run.refused("grant", published["id"], "--to", GRANTEE, "--terms", path, code="UNREADABLE", exit_code=2)[
        "place"
    ] == str(path)


def test_only_datasets_are_attested(run, published, audit):
    run("attest", published["id"], *audit)
    run("publish", "audit.credential.json")
    error = run.refused("attest", "audit.credential.json", *audit, "-o", "x.json", code="USAGE", exit_code=2)
    assert error["found"] == "DatasetAuditCredential"


def test_a_changed_dataset_credential_is_not_attested(run, published, audit, tmp_path):
    path = tmp_path / "changed.json"
    path.write_text(json.dumps({**published, "validFrom": "2026-01-01T00:00:00Z"}))
    run.refused("attest", path, *audit, code="SIGNATURE", exit_code=1)
