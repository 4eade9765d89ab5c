"""On whose word a licence rests: told by every check, asked for by a policy, for parents as well."""

import hashlib
from dataclasses import replace

import pytest
from simulator import FILES, World, manifest_of

from datasigil.datasets.files import check_files
from datasigil.trust.policy import parse_policy
from datasigil.verification import verify
from datasigil.verification.license_evidence import license_evidence

TEXT = hashlib.sha256(FILES["LICENSE"]).hexdigest()
CC = {"expression": "CC-BY-4.0", "assurance": "declared"}
SEEN = {"role": "observer", "observation": {"sourceUrl": "https://example.org/x", "revision": "1", "time": "2026-11-01T00:00:00Z", "tool": "x"}}  # fmt: skip


@pytest.fixture
def world():
    return World()


def judged(world, bundle, evidence="", **options):
    extra = f'[requirements.licenses]\nevidence = "{evidence}"\n' if evidence else ""
    policy = parse_policy(world.policy_toml(extra=extra, roles=("publisher", "observer")).encode())
    return verify(bundle, policy=policy, at=world.now, offline=True, **options).report


def license_of(report):
    return next(check for check in report.checks if check.name == "licence")


@pytest.mark.parametrize(
    ("subject", "by_text", "words"),
    [
        ({"license": CC}, False, "no text, the signer's word alone"),
        ({"license": CC, **SEEN}, False, "no text, the observer's word alone"),
        ({"license": CC | {"textDigest": TEXT}}, True, f"sha256 {TEXT[:12]}"),
        ({"license": CC | {"textDigest": TEXT, "textPath": "LICENSE"}}, True, "LICENSE of the dataset"),
        ({"license": CC | {"textDigest": "a" * 64, "textPath": "LICENSE"}}, False, "is not that file"),
        ({"license": CC | {"textDigest": TEXT, "textPath": "gone"}}, False, "is not that file"),
        (
            {"license": CC, **SEEN, "observation": SEEN["observation"] | {"licenseTextDigest": TEXT}},
            True,
            "the observer captured",
        ),
    ],
)
def test_evidence_is_a_signed_text_that_nothing_contradicts(world, tmp_path, subject, by_text, words):
    bundle = world.publish(world.issue(subject=subject))
    found = license_evidence(bundle.credential["credentialSubject"], manifest_of(FILES))
    assert found.by_text == by_text
    assert words in found.words
    told = judged(world, bundle)
    assert told.decision == "VALID"
    assert words in license_of(told).found
    asked = judged(world, bundle, "text")
    assert (asked.decision, asked.code) == (("VALID", "") if by_text else ("INVALID", "LICENSE_EVIDENCE"))
    warned = judged(world, bundle, "warn")
    assert warned.decision == "VALID"
    assert any(one.code == "LICENSE_EVIDENCE" for one in warned.warnings) == (not by_text)


def test_a_check_with_data_holds_the_text_against_the_file_itself(world, tmp_path):
    folder = world.write_files(tmp_path / "data")
    bundle = world.publish(world.issue(subject={"license": CC | {"textDigest": TEXT, "textPath": "LICENSE"}}))
    report = judged(world, bundle, "text", data=lambda manifest: check_files(folder, manifest))
    assert (report.decision, report.scope) == ("VALID", "all files")


def test_without_the_manifest_a_signed_digest_is_what_there_is(world):
    subject = {"license": CC | {"textDigest": TEXT, "textPath": "LICENSE"}}
    bundle = replace(world.publish(world.issue(subject=subject)), manifest=None)
    assert "digest of its text is signed" in license_of(judged(world, bundle, "text")).found


def test_a_child_tells_on_what_each_parents_licence_rests_and_falls_with_the_weakest(world):
    text = {"license": CC | {"textDigest": TEXT}}
    strong = world.issue(subject=text)
    weak = world.issue(
        manifest_of({"other.txt": b"other"}), subject={"license": CC, "id": "urn:uuid:6f1e7c7e-32a6-4b8e-9e8b-0f4f6f1d2a77"}
    )  # fmt: skip
    world.publish(strong)
    world.publish(weak)
    bundle, _ = world.derive([strong, weak])
    told = [
        check.found for check in judged(world, bundle).checks if check.step == 10 and check.name.startswith("parent")
    ]
    assert any("sha256" in one for one in told)
    assert any("no text" in one for one in told)
    assert judged(world, bundle, "text").code == "LICENSE_EVIDENCE"
