"""The envelope that all five credential types share: everything around `credentialSubject`.

Lives here: the table of W3C VC Data Model 2.0 members that the dataset profile admits, closed. Not here: the subjects.
"""

from __future__ import annotations

from functools import cache

from datasigil.credentials.contexts import PROFILE_CONTEXTS
from datasigil.credentials.fields import Field, ListOf, OneOf, Opaque, Rule, SetOf, Table
from datasigil.credentials.kinds import DID, HTTP_URL, LINE, MEDIA_TYPE, MOMENT, NAME, ORIGIN, SRI_384, URI
from datasigil.credentials.values import Const, Enum, Integer, Text
from datasigil.limits import STATUS_SIZE_MAX_BITS

SCHEMA_BASE = "https://w3id.org/datasigil/schemas/"

# Bitstring Status List v1.0 section 2.1: base 10, no sign, no leading zero; the list's size bounds it further.
STATUS_INDEX = Text(
    pattern="0|[1-9][0-9]{0,8}",
    max_length=9,
    expected="a decimal index as text, such as 94567",
    code="STATUS_INDEX",
    whole="0|[1-9][0-9]{0,8}",
)

STATUS_ENTRY = Table(
    Field("id", URI, "id of the entry itself"),
    Field("type", Const("BitstringStatusListEntry"), "always BitstringStatusListEntry", required=True),
    Field("statusPurpose", Enum("revocation", "suspension"), "what a set bit means", required=True),
    Field("statusListIndex", STATUS_INDEX, "position of this credential in the list", required=True),
    Field("statusListCredential", HTTP_URL, "id of the list; any mirror may serve it", required=True),
    Field(
        "statusIssuer", DID, "DID that the issuer consents to as signer of the list", "dsg:statusIssuer", required=True
    ),
    Field("statusSize", Integer(1, STATUS_SIZE_MAX_BITS), "bits per entry, 1 if absent"),
    Field(
        "statusMessage",
        ListOf(
            Table(
                Field(
                    "status",
                    Text(pattern="0x[0-9a-f]{1,2}", max_length=4, expected="such as 0x1"),
                    "the value",
                    required=True,
                ),
                Field("message", LINE, "what the value means", required=True),
            ),
            maximum=2**STATUS_SIZE_MAX_BITS,
        ),
        "meaning of each value",
    ),
    doc="BitstringStatusListEntry of Bitstring Status List v1.0, with the list's signer.",
)

STATUS_ENTRIES = SetOf(STATUS_ENTRY, key="statusPurpose", minimum=2, maximum=2)

LOG = Table(
    Field("type", Const("TransparencyLog"), "always TransparencyLog", required=True),
    Field("origin", ORIGIN, "origin line of the log's checkpoints (C2SP tlog-checkpoint)", "dsg:origin", required=True),
    Field("url", HTTP_URL, "where the log is served (C2SP tlog-tiles)", "dsg:url"),
    doc="The one log in which this credential must be found.",
)

ISSUER = OneOf(
    DID,
    Table(
        Field("id", DID, "DID of the issuer", required=True),
        Field("name", NAME, "what the issuer calls itself; not verified"),
    ),
)

RELATED_RESOURCE = Table(
    Field("id", URI, "where the resource lies", required=True),
    Field("digestSRI", SRI_384, "its SHA-384 in Subresource Integrity form", required=True),
    Field("mediaType", MEDIA_TYPE, "its media type"),
)


@cache
def schema_name(type_name: str) -> str:
    """Return the file name of a type's schema, such as `dataset-credential-v1.json` for `DatasetCredential`."""
    words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in type_name).lstrip("-")
    return f"{words}-v1.json"


def credential_table(type_name: str, subject: Table, *, rules: tuple[Rule, ...] = ()) -> Table:
    """Return the closed table of a whole credential of one type."""
    return Table(
        Field("@context", Const(PROFILE_CONTEXTS, code="CONTEXT"), "exactly these two contexts", required=True),
        Field("id", URI, "id of the credential, by convention urn:uuid", required=True),
        Field(
            "type", Const(["VerifiableCredential", type_name], code="TYPE"), "exactly these two types", required=True
        ),
        Field("issuer", ISSUER, "who signed, as a DID", required=True),
        Field("validFrom", MOMENT, "start of validity", required=True),
        Field("validUntil", MOMENT, "end of validity"),
        Field("credentialSchema", _schema_reference(type_name), "the schema of this type, by digest", required=True),
        Field("credentialStatus", STATUS_ENTRIES, "revocation and suspension entry", required=True),
        Field("transparencyLog", LOG, "the log that holds this credential", "dsg:transparencyLog", required=True),
        Field(
            "relatedResource",
            SetOf(RELATED_RESOURCE, key="id", maximum=100),
            "licence texts, Croissant files, reports, by digest",
        ),
        Field("credentialSubject", subject, "what the credential says", required=True),
        Field("proof", Opaque(), "one or more Data Integrity proofs"),
        rules=rules,
    )


def _schema_reference(type_name: str) -> Table:
    return Table(
        Field("id", Enum(SCHEMA_BASE + schema_name(type_name)), "id of the schema", required=True),
        Field("type", Const("JsonSchema"), "always JsonSchema", required=True),
        Field("digestSRI", SRI_384, "SHA-384 of the schema file", required=True),
    )
