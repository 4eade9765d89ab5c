"""DatasetAuditCredential: a third party's audit, approval or review of a dataset, or review of a model card.

Lives here: the table of its subject, in the shape of the UN/CEFACT UNTP conformity credential (vocabulary.md, table 3). Not here:
which auditors count (`trust`).
"""

from __future__ import annotations

from datasigil.credentials.dataset import PURPOSES
from datasigil.credentials.envelope import credential_table
from datasigil.credentials.fields import Field, ListOf, Rule, SetOf, Table
from datasigil.credentials.kinds import BOOLEAN, CODE, COUNT, HEX_DIGEST, LINE, NAME, PARTY, PROSE, URI
from datasigil.credentials.values import Const, Enum

TARGET = Table(
    Field("credential", URI, "id of the credential that was assessed", "dsg:credential"),
    Field("credentialDigest", HEX_DIGEST, "digest of that secured credential", "dsg:credentialDigest"),
    Field("root", HEX_DIGEST, "manifest root of that dataset", "dsg:root"),
    Field("cardDigest", HEX_DIGEST, "SHA-256 of the canonical model card that was reviewed", "dsg:cardDigest"),
    any_of=("credentialDigest", "cardDigest"),
)

ASSESSMENT = Table(
    Field("standard", LINE, "standard or regulation, with its date", "dsg:standard", required=True),
    Field("criterion", LINE, "the criterion of it that was assessed", "dsg:criterion", required=True),
    Field("method", PROSE, "how it was assessed", "dsg:method", required=True),
    Field("sampleSize", COUNT, "records that were looked at", "dsg:sampleSize"),
    Field("declaredValue", LINE, "what was found", "dsg:declaredValue"),
    Field("conformance", BOOLEAN, "whether the criterion is met", "dsg:conformance", required=True),
    Field("exclusions", PROSE, "what was not looked at", "dsg:exclusions"),
)

EVIDENCE = Table(
    Field("id", URI, "where the evidence lies"),
    Field("name", NAME, "what it is", required=True),
    Field("digest", HEX_DIGEST, "its SHA-256", "dsg:digest", required=True),
)

SUBJECT = Table(
    Field("id", URI, "id of the attestation", required=True),
    Field("type", Const("DatasetAudit"), "always DatasetAudit", required=True),
    Field("attestationType", Enum("audit", "approval", "review"), "what kind of statement this is", "dsg:attestationType", required=True),
    Field("assessorLevel", Enum("self", "commercial", "buyer", "membership", "unspecified", "3rdParty"), "UNTP assessor level", "dsg:assessorLevel", required=True),
    Field(
        "assessmentLevel",
        Enum("authority-benchmark", "authority-mandate", "authority-globalmra", "authority-peer", "authority-extended-mra", "scheme-self", "scheme-cab",
             "scheme-gfsi", "no-endorsement"),
        "UNTP assurance level", "dsg:assessmentLevel", required=True,
    ),
    Field("assessor", PARTY, "who assessed", "dsg:assessor", required=True),
    Field("qualification", LINE, "qualification of the person who reviewed", "dsg:qualification"),
    Field("verdict", Enum("accepted", "accepted-with-conditions", "rejected"), "outcome of an approval or review", "dsg:verdict"),
    Field("conditions", PROSE, "conditions of an acceptance", "dsg:conditions"),
    Field("authorisation", ListOf(PARTY, maximum=20), "who authorises the assessor", "dsg:authorisation"),
    Field("target", TARGET, "what was assessed", "odrl:target", required=True),
    Field("approvedUse", SetOf(Enum(*PURPOSES)), "uses that an approval covers", "dsg:approvedUse"),
    Field("assessment", ListOf(ASSESSMENT, maximum=200), "criterion by criterion", "dsg:assessment"),
    Field("auditableEvidence", ListOf(EVIDENCE, maximum=200), "evidence, by digest", "dsg:auditableEvidence"),
    Field("scope", CODE, "code of the scheme", "dsg:scope"),
    rules=[
        # No "compliant" without a criterion.
        Rule(("attestationType",), ("audit",), ("assessment", "auditableEvidence")),
        Rule(("attestationType",), ("approval",), ("approvedUse", "verdict")),
        Rule(("attestationType",), ("review",), ("verdict", "qualification")),
        Rule(("verdict",), ("accepted-with-conditions",), ("conditions",)),
    ],
    doc="A third party's statement about one dataset or model card, with its own scope and expiry.",
)  # fmt: skip

# An approval names its expiry.
CREDENTIAL = credential_table(
    "DatasetAuditCredential",
    SUBJECT,
    rules=(Rule(("credentialSubject", "attestationType"), ("approval",), ("validUntil",)),),
)
