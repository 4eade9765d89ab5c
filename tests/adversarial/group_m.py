"""M: the data model. The closed table of each type, member by member; everything is signed again unless it says otherwise."""

from __future__ import annotations

from adversarial.stage import REMOVED, Build, Case, Given, Stage, after, case, manifest_of, signed, signed_full
from subjects import audit_subject, grant_subject, lineage_subject, model_subject

SUBJECT = "/credentialSubject"


def second_subject(stage: Stage) -> Given:
    """Two subjects: the second says something about another dataset."""
    document = stage.unsigned()
    document["credentialSubject"] = [document["credentialSubject"], {**document["credentialSubject"], "name": "Other"}]
    return stage.given(stage.publish(stage.signed(document)))


def presentation(stage: Stage) -> Given:
    """A presentation around the good credential, where a credential is asked for."""
    holder = stage.world.publisher
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiablePresentation"],
        "holder": holder.did,
        "verifiableCredential": [stage.document],
    }
    return stage.given(stage.world.sign(document, holder.signer, purpose="authentication"))


def jwt_beside(stage: Stage) -> Given:
    """Outer fields changed, while `proof.jwt` holds a token of the original."""
    forged = {**stage.document, "validUntil": "2036-01-01T00:00:00Z"}
    return stage.given({**forged, "proof": {"type": "JwtProof2020", "jwt": "eyJhbGciOiJFZERTQSJ9.e30.AAAA"}})


def other_type(type_name: str, subject: object, **changes: object) -> Build:
    """A credential of another type whose subject is changed in one place."""

    def build(stage: Stage) -> Given:
        assert callable(subject)
        made = {**subject(stage), **changes}
        options = {"validUntil": "2027-11-02T00:00:00Z"} if type_name == "DatasetAuditCredential" else {}
        document = stage.world.unsigned({k: v for k, v in made.items() if v is not REMOVED}, type_name, **options)
        return stage.given(stage.publish(stage.signed(document)))

    return build


def lineage(stage: Stage, **changes: object) -> dict[str, object]:
    """The subject of a lineage credential over the baseline."""
    return lineage_subject([stage.document], manifest_of({"a": b"1"}), **changes)


def audit(kind: str, **changes: object) -> object:
    """The subject of an attestation about the baseline."""
    return lambda stage: audit_subject(stage.document, kind, **changes)


def grant(stage: Stage) -> dict[str, object]:
    """The subject of a grant over the baseline."""
    return grant_subject(
        stage.document, stage.world.publisher.did, "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
    )


def model(stage: Stage) -> dict[str, object]:
    """The subject of a model credential over the baseline."""
    return model_subject([stage.document])


ENVELOPE_REQUIRED = (
    "id",
    "issuer",
    "validFrom",
    "credentialSchema",
    "credentialStatus",
    "transparencyLog",
    "credentialSubject",
)
SUBJECT_REQUIRED = ("id", "type", "name", "version", "publisher", "issued", "role", "profile", "manifest", "license")
MANIFEST_REQUIRED = ("digest", "root", "fileCount", "byteSize", "chunkSize", "ignored", "assurance")
STATUS_REQUIRED = ("type", "statusPurpose", "statusListIndex", "statusListCredential", "statusIssuer")
FULL_REQUIRED = (
    "description", "creator", "temporal", "isLiveDataset", "modality", "dataTypes", "inLanguage", "rightsBasis", "ipContent", "sourceCategory", "generationMethod",
    "originGeography", "classification", "personalData", "synthetic", "qualityMeasurement", "representativeness", "dataBiases", "limitations", "intendedPurpose",
)  # fmt: skip

NAMED: list[Case] = [
    case("M01", "/type without VerifiableCredential", "INVALID:TYPE", signed("/type", ["DatasetCredential"])),
    case("M01", "/type that is text", "INVALID:TYPE", signed("/type", "VerifiableCredential")),
    case("M01", "/type in the other order", "INVALID:TYPE", signed("/type", ["DatasetCredential", "VerifiableCredential"])),
    case("M01", "/type with a third", "INVALID:TYPE", signed("/type", ["VerifiableCredential", "DatasetCredential", "DatasetAuditCredential"])),
    case("M01", "/type twice the same", "INVALID:TYPE", signed("/type", ["VerifiableCredential", "DatasetCredential", "DatasetCredential"])),
    case("M01", "/type that nobody knows", "INVALID:TYPE", signed("/type", ["VerifiableCredential", "DatasetCredentialV2"])),
    case("M01", "/type of a status request", "INVALID:TYPE", signed("/type", ["VerifiableCredential", "StatusChangeRequest"])),
    case("M01", "/type gone", "INVALID:TYPE", signed("/type", REMOVED)),
    case("M01", "/type as another of ours", "INVALID:SCHEMA", signed("/type", ["VerifiableCredential", "DatasetAuditCredential"])),
    case("M04", "/credentialSubject with two", "INVALID:SCHEMA", second_subject),
    case("M04", "/credentialSubject as an array of one", "INVALID:SCHEMA", lambda stage: signed(SUBJECT, [stage.unsigned()["credentialSubject"]])(stage)),
    case("M07", "/id relative", "INVALID:SCHEMA", signed("/id", "credentials/1")),
    case("M07", "/id without scheme", "INVALID:SCHEMA", signed("/id", "//registry.example/1")),
    case("M07", "/id with a space", "INVALID:SCHEMA", signed("/id", "https://registry.example/a b")),
    case("M07", "/id empty", "INVALID:SCHEMA", signed("/id", "")),
    case("M07", "/id blank node", "INVALID:SCHEMA", signed("/id", "_:b0")),
    case("M07", "/id of 3,000 characters", "INVALID:SCHEMA", signed("/id", "urn:x:" + "a" * 3000)),
    case("M07", "/id with a newline at its end", "INVALID:SCHEMA", signed("/id", "urn:uuid:51ef992e-efac-5530-8857-298dd31e0901\n")),
    case("M07", "/id with a broken escape", "INVALID:SCHEMA", signed("/id", "https://registry.example/%zz")),
    case("M07", f"{SUBJECT}/id relative", "INVALID:SCHEMA", signed(f"{SUBJECT}/id", "dataset")),
    case("M10", "/validFrom as a date", "INVALID:SCHEMA", signed("/validFrom", "2026-11-02")),
    case("M10", "/validFrom as a number", "INVALID:SCHEMA", signed("/validFrom", 1793611800)),
    case("M10", "/issuanceDate in its place", "INVALID:UNKNOWN_PROPERTY", signed("/issuanceDate", "2026-11-02T09:30:00Z")),
    case("M13", "/validUntil soon", "INVALID:SCHEMA", signed("/validUntil", "soon")),
    case("M13", "/validUntil on 30 February", "INVALID:SCHEMA", signed("/validUntil", "2027-02-30T00:00:00Z")),
    case("M13", "/validUntil with a leap second", "INVALID:SCHEMA", signed("/validUntil", "2027-06-30T23:59:60Z")),
    case("M13", "/validUntil at 24:00", "INVALID:SCHEMA", signed("/validUntil", "2027-06-30T24:00:00Z")),
    case("M13", "/validUntil without zone", "INVALID:SCHEMA", signed("/validUntil", "2027-06-30T00:00:00")),
    case("M13", "/validUntil with an offset", "INVALID:SCHEMA", signed("/validUntil", "2027-06-30T00:00:00+02:00")),
    case("M13", "/validUntil with Arabic digits", "INVALID:SCHEMA", signed("/validUntil", "2027-06-3\u0660T00:00:00Z")),
    case("M13", "/validUntil in lower case", "INVALID:SCHEMA", signed("/validUntil", "2027-06-30t00:00:00z")),
    case("M13", "/validUntil before /validFrom", "INVALID:SCHEMA", signed("/validUntil", "2026-11-02T09:29:59Z")),
    case("M13", "/validUntil equal to /validFrom", "INVALID:SCHEMA", signed("/validUntil", "2026-11-02T09:30:00Z")),
    case("M13", f"{SUBJECT}/issued next Tuesday", "INVALID:SCHEMA", signed(f"{SUBJECT}/issued", "next Tuesday")),
    case("M13", f"{SUBJECT}/issued on 31 April", "INVALID:SCHEMA", signed(f"{SUBJECT}/issued", "2026-04-31")),
    case("M16", f"{SUBJECT}/classification/0/result outside the enumeration", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/classification/0/result", "none")),
    case("M16", f"{SUBJECT}/classification/0/regulation outside the enumeration", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/classification/0/regulation", "gdpr")),
    case("M16", f"{SUBJECT}/classification out of order", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/classification/0/regulation", "sx")),
    case("M16", f"{SUBJECT}/classification/1 about the same as the first", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/classification/1/regulation", "pi")),
    case("M16", f"{SUBJECT}/classification/0 evaluated by nothing", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/classification/0/tool", REMOVED)),
    case("M16", f"{SUBJECT}/classification/0/evaluated as text", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/classification/0/evaluated", "true")),
    case("M16", f"{SUBJECT}/personalData present, and nothing more", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/personalData/status", "present")),
    case("M16", f"{SUBJECT}/sourceCategory crawled, without the rest", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/sourceCategory", ["2.3"])),
    case("M16", f"{SUBJECT}/modality unsorted", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/modality", ["text", "audio"])),
    case("M16", f"{SUBJECT}/modality twice", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/modality", ["text", "text"])),
    case("M16", f"{SUBJECT}/modality empty", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/modality", [])),
    case("M16", f"{SUBJECT}/qualityMeasurement/0/value as a number", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/qualityMeasurement/0/value", 1)),
    case("M16", f"{SUBJECT}/qualityMeasurement/0/value with exponent", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/qualityMeasurement/0/value", "1e3")),
    case("M16", f"{SUBJECT}/inLanguage in capitals", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/inLanguage", ["EN"])),
    case("M16", f"{SUBJECT}/role of a third kind", "INVALID:SCHEMA", signed(f"{SUBJECT}/role", "curator")),
    case("M16", f"{SUBJECT}/role observer without observation", "INVALID:SCHEMA", signed(f"{SUBJECT}/role", "observer")),
    case("M16", f"{SUBJECT}/profile of a third kind", "INVALID:SCHEMA", signed(f"{SUBJECT}/profile", "medium")),
    case("M16", f"{SUBJECT}/profile full without the rest", "INVALID:SCHEMA", signed(f"{SUBJECT}/profile", "full")),
    case("M16", f"{SUBJECT}/license/assurance of a third kind", "INVALID:SCHEMA", signed(f"{SUBJECT}/license/assurance", "certain")),
    case("M16", f"{SUBJECT}/license/expression with a control character", "INVALID:SCHEMA", signed(f"{SUBJECT}/license/expression", "MIT\u0000")),
    case("M16", f"{SUBJECT}/name with a terminal escape", "INVALID:SCHEMA", signed(f"{SUBJECT}/name", "x\u001b[2J")),
    case("M16", f"{SUBJECT}/name of 201 characters", "INVALID:SCHEMA", signed(f"{SUBJECT}/name", "x" * 201)),
    case("M16", f"{SUBJECT}/version with a newline", "INVALID:SCHEMA", signed(f"{SUBJECT}/version", "1.0.0\n")),
    case("M16", f"{SUBJECT}/manifest/digest in capitals", "INVALID:SCHEMA", signed(f"{SUBJECT}/manifest/digest", "AB" * 32)),
    case("M16", f"{SUBJECT}/manifest/root of 63 digits", "INVALID:SCHEMA", signed(f"{SUBJECT}/manifest/root", "a" * 63)),
    case("M16", f"{SUBJECT}/manifest/fileCount below zero", "INVALID:SCHEMA", signed(f"{SUBJECT}/manifest/fileCount", -1)),
    case("M16", f"{SUBJECT}/manifest/fileCount as text", "INVALID:SCHEMA", signed(f"{SUBJECT}/manifest/fileCount", "3")),
    case("M16", f"{SUBJECT}/manifest/assurance declared", "INVALID:SCHEMA", signed(f"{SUBJECT}/manifest/assurance", "declared")),
    case("M16", f"{SUBJECT}/manifest/ignored unsorted", "INVALID:SCHEMA", signed(f"{SUBJECT}/manifest/ignored", ["b/", "a/"])),
    case("M16", f"{SUBJECT}/license as text", "INVALID:SCHEMA", signed(f"{SUBJECT}/license", "MIT")),
    case("M16", f"{SUBJECT}/publisher as text", "INVALID:SCHEMA", signed(f"{SUBJECT}/publisher", "Example Law Data")),
    case("M16", f"{SUBJECT}/derivedFrom of 257 datasets", "INVALID:SCHEMA", signed(f"{SUBJECT}/derivedFrom", [{"credential": f"urn:x:{n}", "credentialDigest": "a" * 64, "root": "b" * 64} for n in range(257)])),
    case("M16", f"{SUBJECT}/hasPolicy without permission", "INVALID:SCHEMA", signed(f"{SUBJECT}/hasPolicy", {"type": "Offer"})),
    case("M16", f"{SUBJECT}/processingGeography empty", "INVALID:SCHEMA", signed(f"{SUBJECT}/processingGeography", {})),
    case("M19", "a presentation in the place of the credential", "INVALID:TYPE", presentation),
    case("M19", "a status list in the place of the credential", "INVALID:TYPE", lambda stage: stage.given(stage.bundle.status_lists[0])),
    case("M22", "/proof/jwt of the original", "INVALID:UNSUPPORTED", jwt_beside),
    case("M25", "/credentialSchema/id of another type", "INVALID:SCHEMA", signed("/credentialSchema/id", "https://w3id.org/datasigil/schemas/dataset-audit-credential-v1.json")),
    case("M25", "/credentialSchema/digestSRI of another schema", "INVALID:SCHEMA", signed("/credentialSchema/digestSRI", "sha384-" + "A" * 64)),
    case("M25", "/credentialSchema/type of another kind", "INVALID:SCHEMA", signed("/credentialSchema/type", "JsonSchemaCredential")),
    case("M25", "/credentialStatus with one entry", "INVALID:SCHEMA", signed("/credentialStatus/1", REMOVED)),
    case("M25", "/credentialStatus as an object", "INVALID:SCHEMA", lambda stage: signed("/credentialStatus", stage.unsigned()["credentialStatus"][0])(stage)),
    case("M25", "/credentialStatus with revocation twice", "INVALID:SCHEMA", signed("/credentialStatus/1/statusPurpose", "revocation")),
    case("M25", "/credentialStatus for a message", "INVALID:SCHEMA", signed("/credentialStatus/1/statusPurpose", "message")),
    case("M25", "/credentialStatus/0/statusListCredential not on the web", "INVALID:SCHEMA", signed("/credentialStatus/0/statusListCredential", "file:///etc/passwd")),
    case("M25", "/credentialStatus/0/statusIssuer that is no DID", "INVALID:SCHEMA", signed("/credentialStatus/0/statusIssuer", "https://registry.example")),
    case("M25", "/credentialStatus/0/statusSize 9", "INVALID:SCHEMA", signed("/credentialStatus/0/statusSize", 9)),
    case("M25", "/credentialStatus/0/statusSize 0", "INVALID:SCHEMA", signed("/credentialStatus/0/statusSize", 0)),
    case("M25", "/transparencyLog/origin with a space", "INVALID:SCHEMA", signed("/transparencyLog/origin", "registry.example log")),
    case("M25", "/transparencyLog/url not on the web", "INVALID:SCHEMA", signed("/transparencyLog/url", "ftp://registry.example/log")),
    case("M25", "/issuer as a URL", "INVALID:SCHEMA", signed("/issuer", "https://publisher.example")),
    case("M25", "/issuer as an array", "INVALID:SCHEMA", signed("/issuer", ["did:web:publisher.example"])),
    case("M25", "/issuer object without id", "INVALID:SCHEMA", signed("/issuer", {"name": "Example Law Data"})),
    case("M25", "/relatedResource without digest", "INVALID:SCHEMA", signed("/relatedResource", [{"id": "https://publisher.example/license"}])),
    case("M28", "lineage /used empty", "INVALID:SCHEMA", other_type("DatasetLineageCredential", lineage, used=[])),
    case("M28", "lineage /steps/0/recordsIn as text", "INVALID:SCHEMA", other_type("DatasetLineageCredential", lambda stage: lineage(stage, steps=[{**lineage(stage)["steps"][0], "recordsIn": "100"}]))),
    case("M28", "lineage counts that do not balance", "INVALID:LINEAGE_UNBALANCED", other_type("DatasetLineageCredential", lambda stage: lineage(stage, steps=[{**lineage(stage)["steps"][0], "removed": 11}]))),
    case("M28", "audit of an unknown kind", "INVALID:SCHEMA", other_type("DatasetAuditCredential", audit("audit"), attestationType="blessing")),
    case("M28", "approval without verdict", "INVALID:SCHEMA", other_type("DatasetAuditCredential", audit("approval"), verdict=REMOVED)),
    case("M28", "approval with an unknown verdict", "INVALID:SCHEMA", other_type("DatasetAuditCredential", audit("approval"), verdict="maybe")),
    case("M28", "grant to nobody", "INVALID:SCHEMA", other_type("DatasetLicenseGrantCredential", grant, assignee=REMOVED)),
    case("M28", "grant without permission", "INVALID:SCHEMA", other_type("DatasetLicenseGrantCredential", grant, permission=REMOVED)),
    case("M28", "model without training data", "INVALID:SCHEMA", other_type("ModelTrainingCredential", model, trainingData=[])),
    case("M28", "model with an unknown member", "INVALID:UNKNOWN_PROPERTY", other_type("ModelTrainingCredential", model, accuracy="0.9")),
]  # fmt: skip

MISSING: list[Case] = [
    *(case("M10", f"/{name} absent", "INVALID:SCHEMA", signed(f"/{name}", REMOVED)) for name in ENVELOPE_REQUIRED),
    *(case("M31", f"{SUBJECT}/{name} absent", "INVALID:SCHEMA", signed(f"{SUBJECT}/{name}", REMOVED)) for name in SUBJECT_REQUIRED),
    *(case("M31", f"{SUBJECT}/manifest/{name} absent", "INVALID:SCHEMA", signed(f"{SUBJECT}/manifest/{name}", REMOVED)) for name in MANIFEST_REQUIRED),
    *(case("M31", f"/credentialStatus/0/{name} absent", "INVALID:SCHEMA", signed(f"/credentialStatus/0/{name}", REMOVED)) for name in STATUS_REQUIRED),
    *(case("M31", f"{SUBJECT}/{name} absent from the full profile", "INVALID:SCHEMA", signed_full(f"{SUBJECT}/{name}", REMOVED)) for name in FULL_REQUIRED),
]  # fmt: skip

UNKNOWN: list[Case] = [
    case("M34", f"{place} with an unknown member", "INVALID:UNKNOWN_PROPERTY", signed(f"{place}/trustLevel", "high"))
    for place in ("", SUBJECT, f"{SUBJECT}/manifest", f"{SUBJECT}/license", f"{SUBJECT}/publisher", "/credentialStatus/0", "/credentialSchema", "/transparencyLog")
]  # fmt: skip

# What a signature must cover: one change after signing in every part of the document.
UNSIGNED: list[Case] = [
    case("M37", f"{place} changed after signing", "INVALID:SIGNATURE", after(place, value))
    for place, value in (
        (f"{SUBJECT}/name", "Contract clauses (checked)"),
        (f"{SUBJECT}/version", "1.0.1"),
        (f"{SUBJECT}/license/expression", "CC0-1.0"),
        (f"{SUBJECT}/manifest/root", "0" * 64),
        (f"{SUBJECT}/manifest/fileCount", 4),
        (f"{SUBJECT}/issued", "2019-01-01"),
        (f"{SUBJECT}/description", "added"),
        ("/validFrom", "2026-01-01T00:00:00Z"),
        ("/validUntil", "2036-01-01T00:00:00Z"),
        ("/id", "urn:uuid:00000000-0000-4000-8000-000000000000"),
        ("/credentialStatus/0/statusListIndex", "4712"),
        ("/credentialStatus/0/statusListCredential", "https://registry.example/status-lists/other/revocation"),
        ("/transparencyLog/origin", "other.example/log"),
    )
]

CASES: list[Case] = [*NAMED, *MISSING, *UNKNOWN, *UNSIGNED]
