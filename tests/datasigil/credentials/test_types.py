"""The closed parser of the five credential types: one change each, and the reason it gives."""

import copy
import json
from datetime import timedelta
from enum import Enum

import pytest

from datasigil.canonical import document_digest, jcs
from datasigil.credentials.did import did_key_resolver
from datasigil.credentials.proof import verify_proofs
from datasigil.credentials.types import (
    CREDENTIAL_TYPES,
    StatusEntry,
    credential_schema,
    is_profile,
    parse_credential,
)
from datasigil.encoding import parse_json
from datasigil.errors import MalformedError

DELETE = Enum("Sentinel", "DELETE").DELETE  # its text is the same in every worker
V2 = "https://www.w3.org/ns/credentials/v2"
OURS = "https://w3id.org/datasigil/v1"


def change(document, path: str, value) -> dict:
    """A copy of `document` in which the member at `path` (dots, numbers for items) is replaced or removed."""
    changed = copy.deepcopy(document)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    target = changed
    for step in steps:
        target = target[step]
    if value is DELETE:
        del target[last]
    else:
        target[last] = value
    return changed


def refusal(document) -> tuple[str, str]:
    with pytest.raises(MalformedError) as caught:
        parse_credential(document)
    return caught.value.code, caught.value.place


def test_every_published_example_parses(examples):
    assert {parse_credential(example).type for example in examples.values()} == set(CREDENTIAL_TYPES)


def test_a_parsed_credential_says_what_the_document_says(examples):
    credential = parse_credential(examples["dataset-full"])
    assert credential.issuer.startswith("did:key:")
    assert credential.issuer_name == "Example Legal Data Ltd"
    assert (str(credential.valid_from), str(credential.valid_until)) == ("2026-11-02T09:30:00Z", "2027-11-02T09:30:00Z")
    assert credential.status[0] == StatusEntry(
        "revocation", 90002, "https://registry.example/status-lists/example/revocation", "did:web:registry.example", 1
    )
    assert [entry.purpose for entry in credential.status] == ["revocation", "suspension"]
    assert (credential.log_origin, credential.log_url) == ("registry.example/log", "https://registry.example/log")
    assert credential.subject["profile"] == "full"
    assert len(credential.digest) == 64


@pytest.mark.parametrize("kept", [True, False])
def test_canonical_forms_are_those_of_the_whole_document(examples, secured, kept):
    for document in (*examples.values(), secured, {**secured, "proof": [secured["proof"]]}):
        credential = parse_credential(dict(reversed(document.items())))
        if kept:
            assert credential.unsecured_jcs == jcs({name: value for name, value in document.items() if name != "proof"})
        assert credential.secured_jcs == jcs(document)
        assert credential.digest == document_digest(document)


def test_the_digest_covers_the_proof(minimal, secured):
    assert parse_credential(minimal).digest != parse_credential(secured).digest


MUTATIONS = [
    # Data model
    ("type", ["DatasetCredential"], "TYPE"),  # M01
    ("type", ["VerifiableCredential"], "TYPE"),
    ("type", "VerifiableCredential", "TYPE"),
    ("type", ["DatasetCredential", "VerifiableCredential"], "TYPE"),
    ("type", ["VerifiableCredential", "DatasetCredential", "Other"], "TYPE"),
    ("type", ["VerifiableCredential", "ModelTrainingCredential"], "SCHEMA"),
    ("type", ["VerifiablePresentation"], "TYPE"),  # M19
    ("type", DELETE, "TYPE"),
    ("type", None, "TYPE"),
    ("type", [], "TYPE"),
    ("credentialSubject", [], "SCHEMA"),
    ("credentialSubject", {}, "SCHEMA"),
    ("credentialSubject", "urn:a", "SCHEMA"),
    ("credentialSubject", DELETE, "SCHEMA"),
    ("id", "relative", "SCHEMA"),  # M07
    ("id", "not a url", "SCHEMA"),
    ("id", "https ://example.org", "SCHEMA"),
    ("id", "", "SCHEMA"),
    ("id", ["urn:uuid:1"], "SCHEMA"),
    ("id", None, "NULL"),
    ("id", DELETE, "SCHEMA"),
    ("issuer", "https://example.org", "SCHEMA"),
    ("issuer", "did:web:", "SCHEMA"),
    ("issuer", {"name": "x"}, "SCHEMA"),
    ("issuer", {"id": "did:web:a.example", "evil": 1}, "UNKNOWN_PROPERTY"),
    ("issuer", ["did:web:a.example"], "SCHEMA"),
    ("issuer", None, "NULL"),
    ("issuer", 5, "SCHEMA"),
    ("issuer", DELETE, "SCHEMA"),
    ("validFrom", DELETE, "SCHEMA"),  # M10
    ("validFrom", "2026-02-30T00:00:00Z", "SCHEMA"),
    ("validFrom", "2026-11-02", "SCHEMA"),
    ("validFrom", "2026-11-02T09:30:00+01:00", "SCHEMA"),
    ("validFrom", "2026-11-02t09:30:00z", "SCHEMA"),
    ("validFrom", "2026-11-02T09:30:60Z", "SCHEMA"),
    ("validFrom", 1762075800, "SCHEMA"),
    ("validUntil", "soon", "SCHEMA"),  # M13
    ("validUntil", "2026-11-02T09:30:00Z", "SCHEMA"),
    ("validUntil", "2025-11-02T09:30:00Z", "SCHEMA"),
    ("proof", "text", "SCHEMA"),
    ("proof", None, "NULL"),
    # Contexts
    ("@context", [V2, OURS, {"licence": "https://evil/x"}], "CONTEXT"),  # C01
    ("@context", [OURS, V2], "CONTEXT"),  # C04
    ("@context", [V2, OURS, {"@base": "https://evil/"}], "CONTEXT"),  # C16
    ("@context", [V2, OURS, {"@vocab": "https://evil/"}], "CONTEXT"),  # C16
    ("@context", [V2, OURS, "https://www.w3.org/ns/credentials/examples/v2"], "CONTEXT"),  # C28
    ("@context", [V2], "CONTEXT"),
    ("@context", [V2, V2, OURS], "CONTEXT"),
    ("@context", V2, "CONTEXT"),
    ("@context", {"@vocab": OURS}, "CONTEXT"),
    ("@context", None, "CONTEXT"),
    ("@context", DELETE, "CONTEXT"),
    ("credentialSubject.@context", None, "CONTEXT"),  # C07
    ("credentialSubject.@context", [V2], "CONTEXT"),
    ("credentialSubject.@id", "urn:a", "KEYWORD"),  # C13
    ("credentialSubject.@type", "Dataset", "KEYWORD"),
    ("@id", "urn:a", "KEYWORD"),
    ("@graph", [], "KEYWORD"),
    # Closed objects
    ("evil", 1, "UNKNOWN_PROPERTY"),
    ("files", [[], []], "UNKNOWN_PROPERTY"),  # J22
    ("termsOfUse", {"type": "x"}, "UNKNOWN_PROPERTY"),
    ("credentialSubject.proof", {"type": "DataIntegrityProof"}, "UNKNOWN_PROPERTY"),  # P35
    ("credentialSubject.licence", "x", "UNKNOWN_PROPERTY"),
    ("credentialSubject.namé", "x", "UNKNOWN_PROPERTY"),  # J25
    ("credentialSubject.manifest.size", 5, "UNKNOWN_PROPERTY"),
    ("credentialSubject", {"id": "urn:a:b"}, "SCHEMA"),
    # Values
    ("credentialSubject.name", "", "SCHEMA"),
    ("credentialSubject.name", "a\u001b[2Jb", "SCHEMA"),
    ("credentialSubject.name", "two\nlines", "SCHEMA"),
    ("credentialSubject.name", "x" * 201, "SCHEMA"),
    ("credentialSubject.name", {"@value": "x"}, "SCHEMA"),
    ("credentialSubject.name", None, "NULL"),
    ("credentialSubject.role", "owner", "SCHEMA"),
    ("credentialSubject.role", "observer", "SCHEMA"),  # without what was observed
    ("credentialSubject.profile", "full", "SCHEMA"),  # without what full requires
    ("credentialSubject.profile", True, "SCHEMA"),
    ("credentialSubject.issued", "yesterday", "SCHEMA"),
    ("credentialSubject.issued", "2026-02-29", "SCHEMA"),
    ("credentialSubject.publisher", "Acme", "SCHEMA"),
    ("credentialSubject.publisher", {}, "SCHEMA"),
    ("credentialSubject.license", "CC-BY-4.0", "SCHEMA"),
    ("credentialSubject.license.expression", "", "SCHEMA"),
    ("credentialSubject.license.expression", "CC\nBY", "SCHEMA"),
    ("credentialSubject.license.assurance", "certain", "SCHEMA"),
    ("credentialSubject.manifest.fileCount", True, "SCHEMA"),  # J10
    ("credentialSubject.manifest.fileCount", -1, "SCHEMA"),
    ("credentialSubject.manifest.fileCount", "3", "SCHEMA"),
    ("credentialSubject.manifest.fileCount", 3.0, "NUMBER"),  # C22
    ("credentialSubject.manifest.fileCount", 2**53, "SCHEMA"),
    ("credentialSubject.manifest.digest", "AB" * 32, "SCHEMA"),
    ("credentialSubject.manifest.digest", "https://github.com/mlcommons/croissant/issues/80", "SCHEMA"),
    ("credentialSubject.manifest.root", "0" * 63, "SCHEMA"),
    ("credentialSubject.manifest.root", DELETE, "SCHEMA"),
    ("credentialSubject.manifest.ignored", [], "SCHEMA"),
    ("credentialSubject.manifest.ignored", ["b", "a"], "SCHEMA"),
    ("credentialSubject.manifest.ignored", ["a", "a"], "SCHEMA"),
    ("credentialSubject.manifest.ignored", [5], "SCHEMA"),
    ("credentialSubject.manifest.assurance", "declared", "SCHEMA"),
    # Schema, status, log
    ("credentialSchema.digestSRI", "sha384-" + "A" * 64, "SCHEMA"),
    ("credentialSchema.digestSRI", "sha256-x", "SCHEMA"),
    ("credentialSchema.id", "https://evil.example/schema.json", "SCHEMA"),
    ("credentialSchema.type", "JsonSchemaCredential", "SCHEMA"),
    ("credentialSchema", DELETE, "SCHEMA"),
    ("credentialStatus", DELETE, "SCHEMA"),
    ("credentialStatus", [], "SCHEMA"),
    ("credentialStatus.0", DELETE, "SCHEMA"),
    ("credentialStatus.1.statusPurpose", "revocation", "SCHEMA"),
    ("credentialStatus.0.statusPurpose", "refresh", "SCHEMA"),
    ("credentialStatus.0.statusIssuer", DELETE, "SCHEMA"),
    ("credentialStatus.0.statusIssuer", "https://evil.example", "SCHEMA"),
    ("credentialStatus.0.statusListCredential", "file:///etc/passwd", "SCHEMA"),
    ("credentialStatus.0.statusListCredential", "https://user@evil.example/", "SCHEMA"),
    ("credentialStatus.0.statusSize", 0, "SCHEMA"),
    ("credentialStatus.0.statusSize", 9, "SCHEMA"),
    ("transparencyLog", DELETE, "SCHEMA"),
    ("transparencyLog.origin", "https://r.example/log", "SCHEMA"),
    ("transparencyLog.origin", "r.example/log\nsecond", "SCHEMA"),
    ("transparencyLog.type", "Log", "SCHEMA"),
    ("transparencyLog.url", "javascript:alert(1)", "SCHEMA"),
    *[("credentialStatus.0.statusListIndex", text, "STATUS_INDEX") for text in
      ("-1", "007", "1e3", " 5", "5 ", "٣", "5.0", "0x5", "", "+5")],  # S10
    ("credentialStatus.0.statusListIndex", 5, "STATUS_INDEX"),
    ("credentialStatus.0.statusListIndex", "18446744073709551621", "STATUS_INDEX"),
    ("credentialStatus.0.statusListIndex", True, "STATUS_INDEX"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "code"), MUTATIONS, ids=[f"{path}={str(value)[:24]!a}" for path, value, _ in MUTATIONS]
)
def test_each_changed_member_is_refused_at_its_place(secured, path, value, code):
    found, place = refusal(change(secured, path, value))
    assert found == code
    first = path.split(".")[0]
    # Another type's table is missed in the subject or its schema, not in the type.
    assert place.split("/")[1] == first or first == "type"


def test_a_second_subject_is_refused(secured):
    subject = secured["credentialSubject"]
    assert (
        refusal(change(secured, "credentialSubject", [subject, subject | {"id": "urn:uuid:other"}]))[0] == "SCHEMA"
    )  # M04


@pytest.mark.parametrize("document", [None, [], "text", 5, True, [[]]])
def test_what_is_no_object_is_no_credential(document):
    assert refusal(document)[0] == "SCHEMA"


def test_other_credentials_are_told_apart_from_bad_ones():
    foreign = {
        "@context": [V2],
        "type": ["VerifiableCredential", "AlumniCredential"],
        "issuer": "did:web:a.example",
        "credentialSubject": {"id": "did:a:b"},
    }
    assert not is_profile(foreign)
    assert refusal(foreign) == ("NOT_DATASET_PROFILE", "/type")
    assert is_profile(foreign | {"@context": [V2, OURS]})
    assert refusal(foreign | {"@context": [V2, OURS]})[0] == "TYPE"
    assert is_profile(foreign | {"type": ["VerifiableCredential", "DatasetCredential"]})
    assert refusal(foreign | {"type": ["VerifiableCredential", "DatasetCredential"]})[0] == "CONTEXT"


FULL = [
    ("classification.0.result", "maybe", "SCHEMA"),  # M16
    ("classification.0.regulation", "hipaa", "SCHEMA"),
    ("classification.0.evaluated", True, "SCHEMA"),  # evaluated, but by what and when?
    ("classification.1", DELETE, None),
    ("classification.1.regulation", "phi", "SCHEMA"),
    ("personalData.legalBasis", DELETE, "SCHEMA"),
    ("personalData.status", "absent", None),
    ("personalData", {"status": "unknown"}, None),
    ("deidentification.identifiersRemoved", ["S"], "SCHEMA"),
    ("deidentification.noActualKnowledge", DELETE, "SCHEMA"),
    ("deidentification.method", "expert-determination", "SCHEMA"),
    ("deidentification.residualRate", 0.001, "NUMBER"),
    ("deidentification.residualRate", "1e-3", "SCHEMA"),
    ("tdmReservation", DELETE, "SCHEMA"),  # the source category says it was crawled
    ("crawl", DELETE, "SCHEMA"),
    ("sourceCategory", ["2.1"], None),
    ("sourceCategory", ["2.7"], "SCHEMA"),
    ("sourceCategory", ["2.3", "2.1"], "SCHEMA"),
    ("ipContent.patent", "none", "SCHEMA"),
    ("rightsBasis", "mine", "SCHEMA"),
    ("hasPolicy.permission", [], "SCHEMA"),
    ("hasPolicy.type", "Set", "SCHEMA"),
    ("hasPolicy.permission.0.constraint.0.operator", "almost", "SCHEMA"),
    ("hasPolicy.permission.0.target", "x", "UNKNOWN_PROPERTY"),
    ("processingGeography", {}, "SCHEMA"),
    ("processingGeography.allowed", ["Germany"], "SCHEMA"),
    ("qualityMeasurement.0.value", "good", "SCHEMA"),
    ("qualityMeasurement.0.value", 0.998, "NUMBER"),
    ("qualityMeasurement.0.assurance", DELETE, "SCHEMA"),
    ("inLanguage", ["English"], "SCHEMA"),
    ("inLanguage", ["unknown"], None),
    ("modality", "text", "SCHEMA"),
    ("temporal.end", "unknown", None),
    ("temporal.start", "2015", "SCHEMA"),
    ("predecessor.added", DELETE, "SCHEMA"),
    ("derivedFrom.0.credentialDigest", "x", "SCHEMA"),
    ("derivedFrom", [], "SCHEMA"),
    ("synthetic.share", "unknown", None),
    ("limitations", "", "SCHEMA"),
    ("description", "Line one.\nLine two.\tTab.", None),
    ("description", "bell\u0007", "SCHEMA"),
]


@pytest.mark.parametrize(
    ("path", "value", "code"), FULL, ids=[f"{path}={str(value)[:24]!a}" for path, value, _ in FULL]
)
def test_the_full_profile_is_held_to_its_enumerations_and_conditions(examples, path, value, code):
    document = change(examples["dataset-full"], f"credentialSubject.{path}", value)
    if code is None:
        assert parse_credential(document)
    else:
        found, place = refusal(document)
        assert found == code
        assert place.startswith("/credentialSubject/")


OTHERS = [
    ("dataset-observer", "credentialSubject.observation.sourceUrl", DELETE),
    ("dataset-observer", "credentialSubject.observation.time", "2026-10-30"),
    ("dataset-observer", "credentialSubject.observation", DELETE),
    ("dataset-lineage", "credentialSubject.used", []),
    ("dataset-lineage", "credentialSubject.used.0.root", DELETE),
    ("dataset-lineage", "credentialSubject.steps.0.type", "DataMagic"),
    ("dataset-lineage", "credentialSubject.steps.0.recordsOut", DELETE),
    ("dataset-lineage", "credentialSubject.plan.codeDigest", DELETE),
    ("dataset-lineage", "credentialSubject.assurance", "hoped"),
    ("dataset-audit", "credentialSubject.assessment", DELETE),
    ("dataset-audit", "credentialSubject.assessment.0.criterion", DELETE),
    ("dataset-audit", "credentialSubject.assessment.0.conformance", "yes"),
    ("dataset-audit", "credentialSubject.target", {}),
    ("dataset-audit", "credentialSubject.auditableEvidence.0.digest", DELETE),
    ("dataset-approval", "validUntil", DELETE),
    ("dataset-approval", "credentialSubject.approvedUse", DELETE),
    ("dataset-approval", "credentialSubject.verdict", "fine"),
    ("dataset-approval", "credentialSubject.conditions", DELETE),
    ("card-review", "credentialSubject.qualification", DELETE),
    ("license-grant", "credentialSubject.assignee", "Acme"),
    ("license-grant", "credentialSubject.target.root", DELETE),
    ("license-grant", "credentialSubject.termsDigest", DELETE),
    ("license-grant", "credentialSubject.permission.0.action", "do what you like"),
    ("license-grant", "credentialSubject.type", "Offer"),
    ("model-training", "credentialSubject.gateDecision.decision", "INDETERMINATE"),
    ("model-training", "credentialSubject.gateDecision.statusListDigests", DELETE),
    ("model-training", "credentialSubject.trainingData", []),
    ("model-training", "credentialSubject.trainingData.0.rowsUsed", "all"),
    ("model-training", "credentialSubject.weights.sha256", DELETE),
    ("model-training", "credentialSubject.baseModel.license", DELETE),
    ("model-training", "credentialSubject.evaluation.0.value", "0,713"),
    ("model-training", "credentialSubject.receiptDigest", DELETE),
    ("model-training", "credentialSubject.cardDigest", "x"),
    ("model-training", "credentialSubject.seed", -1),
]


@pytest.mark.parametrize(
    ("name", "path", "value"), OTHERS, ids=[f"{name}:{path.split('.', 1)[-1]}" for name, path, _ in OTHERS]
)
def test_the_other_types_are_closed_too(examples, name, path, value):
    assert refusal(change(examples[name], path, value))[0] == "SCHEMA"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("credentialSubject.name", "Verträge – 契約 🙂"),  # V03, V19
        ("credentialSubject.issued", "unknown"),
        ("credentialSubject.license.expression", "unknown"),
        ("credentialSubject.license.expression", "(MIT OR Apache-2.0) AND CC-BY-4.0+ WITH x"),
        ("credentialStatus.0.statusSize", 2),  # V10
        ("credentialStatus.0.statusListIndex", "0"),
        ("issuer", {"id": "did:web:example.org:team%20a", "name": "Team A"}),
        ("validUntil", "2026-11-02T09:30:00.000000000001Z"),  # T12: decided on the full value
        ("validFrom", "0001-01-01T00:00:00Z"),
        ("transparencyLog.url", DELETE),
        ("credentialSubject.manifest.fileCount", 2**53 - 1),
        ("credentialSubject.manifest.fileCount", 0),
    ],
)
def test_unusual_but_correct_values_stay_good(secured, path, value):
    assert parse_credential(change(secured, path, value))


def test_an_unknown_member_names_its_nearest_neighbour(secured):
    with pytest.raises(MalformedError) as caught:
        parse_credential(change(secured, "credentialSubject.licence", "x"))
    assert caught.value.expected == "license"
    assert caught.value.place == "/credentialSubject/licence"


def test_hostile_member_names_do_not_flood_the_error(secured):
    with pytest.raises(MalformedError) as caught:
        parse_credential(secured | {"x" * 100_000: 1})
    assert len(str(caught.value)) < 1000


def test_a_large_hostile_array_is_refused_quickly_and_once(secured):
    raw = json.dumps(change(secured, "credentialSubject.distribution", [[]] * 240_000)).encode()
    with pytest.raises(MalformedError) as caught:
        parse_credential(parse_json(raw))
    assert caught.value.code == "SCHEMA"  # J22


def test_the_schema_reference_of_each_type_is_the_committed_file(repository):
    import base64
    import hashlib

    for name in CREDENTIAL_TYPES:
        reference = credential_schema(name)
        data = (repository / "schemas" / reference["id"].rsplit("/", 1)[-1]).read_bytes()
        assert reference["digestSRI"] == "sha384-" + base64.b64encode(hashlib.sha384(data).digest()).decode()
        assert json.loads(data)["$id"] == reference["id"]


def test_parsing_changes_nothing(secured):
    before = json.dumps(secured)
    parse_credential(secured)
    assert json.dumps(secured) == before


def test_the_period_may_not_end_before_it_starts(secured, now):
    start = (now + timedelta(microseconds=1)).isoformat().replace("+00:00", "Z")
    assert refusal(secured | {"validFrom": start, "validUntil": "2026-11-02T09:30:00Z"}) == ("SCHEMA", "/validUntil")


def test_names_that_are_no_text_are_refused_too(secured):
    # No JSON has them; a Python program may.
    assert refusal({**secured, 1: 2})[0] == "UNKNOWN_PROPERTY"
    assert (
        refusal({**secured, "credentialSubject": {**secured["credentialSubject"], None: "x"}})[0] == "UNKNOWN_PROPERTY"
    )
    with pytest.raises(MalformedError) as caught:
        verify_proofs({**secured, "proof": {**secured["proof"], 1: 2, "x": 3}}, keys=did_key_resolver)
    assert caught.value.code == "UNKNOWN_PROPERTY"
