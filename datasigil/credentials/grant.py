"""DatasetLicenseGrantCredential: a rightsholder's licence to a named grantee.

Lives here: the table of its subject, an ODRL 2.2 Agreement in a closed world (vocabulary.md, table 4). Not here: whether assigner and
assignee are the right ones and what a rule permits (`trust.licensing`).
"""

from __future__ import annotations

from datasigil.credentials.envelope import credential_table
from datasigil.credentials.fields import Field, ListOf, SetOf, Table
from datasigil.credentials.kinds import DATASET_REFERENCE, DID, DUTY, HEX_DIGEST, LINE, POLICY_RULE, PROSE, REGION, URI
from datasigil.credentials.values import Const

AGREEMENT = Table(
    Field("id", URI, "id of the agreement", required=True),
    Field("type", Const("Agreement"), "always Agreement", required=True),
    Field("assigner", DID, "who grants", "odrl:assigner", required=True),
    Field("assignee", DID, "to whom", "odrl:assignee", required=True),
    Field("target", Table(*DATASET_REFERENCE), "the dataset", "odrl:target", required=True),
    Field(
        "permission",
        ListOf(POLICY_RULE, maximum=100),
        "what is allowed; everything else is not",
        "odrl:permission",
        required=True,
    ),
    Field(
        "prohibition",
        ListOf(POLICY_RULE, maximum=100),
        "what is forbidden; it wins over permissions",
        "odrl:prohibition",
    ),
    Field("obligation", ListOf(DUTY, maximum=100), "what the grantee owes in any case", "odrl:obligation"),
    Field(
        "vocabularyDigest",
        HEX_DIGEST,
        "SHA-256 of the ODRL vocabulary in which the actions are meant",
        "dsg:vocabularyDigest",
    ),
    Field("fieldOfUse", PROSE, "field of use", "dsg:fieldOfUse"),
    Field("jurisdiction", SetOf(REGION), "where it holds", "dsg:jurisdiction"),
    Field("modelOutputTerms", PROSE, "what holds for the outputs of models trained on it", "dsg:modelOutputTerms"),
    Field("survivalTerms", PROSE, "what holds for trained models after it ends", "dsg:survivalTerms"),
    Field("termsDigest", HEX_DIGEST, "SHA-256 of the full terms", "dsg:termsDigest", required=True),
    Field("termsUrl", URI, "where the full terms lie", "dsg:termsUrl"),
    Field("reference", LINE, "contract number or the like", "dsg:reference"),
    doc="A licence from a rightsholder to one grantee for one dataset.",
)

CREDENTIAL = credential_table("DatasetLicenseGrantCredential", AGREEMENT)
