"""The kinds of text and the small shared objects of which the credential tables are made.

Lives here: names, URIs, DIDs, digests, decimals, tri-states, parties. Not here: the machinery (`fields`) and the tables.
"""

from __future__ import annotations

from datasigil.credentials.fields import Field, ListOf, OneOf, Rule, SetOf, Table
from datasigil.credentials.values import Boolean, Day, Enum, Integer, Moment, Text

# Control characters could rewrite a terminal; U+2028 and U+2029 end lines. Lone surrogates never leave the strict JSON parser.
_PRINTABLE = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]"
_PRINTABLE_LINES = r"[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]"
# The same two, said by what they admit: a charset of ranges is searched in order, and most characters are in the first.
_LINE_OF = r"[ -~\u00a0-\u2027\u202a-\U0010ffff]"
_PROSE_OF = r"[ -~\t\n\u00a0-\U0010ffff]"

NAME = Text(
    pattern=f"{_PRINTABLE}+",
    max_length=200,
    expected="one line of text, at most 200 characters",
    whole=f"{_LINE_OF}{{1,200}}",
)
LINE = Text(pattern=f"{_PRINTABLE}+", max_length=1000, expected="one line of text", whole=f"{_LINE_OF}{{1,1000}}")
PROSE = Text(
    pattern=f"{_PRINTABLE_LINES}+",
    max_length=20_000,
    expected="text without control characters",
    whole=f"{_PROSE_OF}{{1,20000}}",
)
VERSION = Text(
    pattern=r"[A-Za-z0-9][A-Za-z0-9._+:@/-]*",
    max_length=100,
    expected="a version such as 1.0.0",
    whole="[A-Za-z0-9][A-Za-z0-9._+:@/-]{0,99}",
)
CODE = Text(
    pattern=r"[A-Za-z0-9][A-Za-z0-9._:/+-]*",
    max_length=100,
    expected="a short code without spaces",
    whole="[A-Za-z0-9][A-Za-z0-9._:/+-]{0,99}",
)
URI = Text(
    pattern=r"[a-z][a-z0-9+.-]{0,30}:(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]|\[|\]|%[0-9A-Fa-f]{2})+",
    max_length=2048,
    expected="an absolute URI",
    coercion="@id",
    quick=r"[a-z][a-z0-9+.-]{0,30}:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]{1,2000}",
)
HTTP_URL = Text(
    pattern=r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/(?:[A-Za-z0-9._~:/@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?(?:\?(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?",
    max_length=2048,
    expected="an https URL",
    coercion="@id",
    quick=r"https?://[A-Za-z0-9.-]{1,255}/[A-Za-z0-9._~:/@!$&'()*+,;=-]{0,1700}",
)
DID = Text(
    pattern=r"did:[a-z0-9]{1,32}:(?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})",
    max_length=512,
    expected="a DID",
    coercion="@id",
    quick=r"did:[a-z0-9]{1,32}:[A-Za-z0-9._-]{1,400}",
)
HEX_DIGEST = Text(
    pattern="[0-9a-f]{64}", max_length=64, expected="64 lower-case hexadecimal digits", whole="[0-9a-f]{64}"
)
SRI_384 = Text(
    pattern="sha384-[A-Za-z0-9+/]{64}",
    max_length=71,
    expected="sha384- and 64 base64 characters",
    whole="sha384-[A-Za-z0-9+/]{64}",
)
DECIMAL = Text(
    pattern=r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?",
    max_length=40,
    expected="a decimal number as text, such as 0.713",
    whole=r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?",
)
LANGUAGE = Text(
    pattern="[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*",
    max_length=35,
    expected="a BCP 47 language tag such as en",
    quick="[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}",
)
REGION = Text(
    pattern="[A-Z]{2}(?:-[A-Z0-9]{1,3})?|unknown",
    max_length=7,
    expected="an ISO 3166 code such as US, or unknown",
    whole="[A-Z]{2}(?:-[A-Z0-9]{1,3})?|unknown",
)
MEDIA_TYPE = Text(
    pattern=r"[a-z]+/[A-Za-z0-9][A-Za-z0-9.+-]*", max_length=127, expected="a media type such as text/csv"
)
ORIGIN = Text(
    pattern=r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*",
    max_length=255,
    expected="a log origin such as example.org/log",
)
# Grammar only: NFC, traversal and collisions are the manifest's rules (`datasets.manifest`).
PATH = Text(
    pattern=f"(?!/){_PRINTABLE}+",
    max_length=4096,
    expected="a relative path",
    whole=f"(?!/){_LINE_OF}{{1,4096}}",
)
SPDX = Text(
    pattern=r"unknown|[A-Za-z0-9(][A-Za-z0-9.()+: -]*",
    max_length=500,
    expected="an SPDX expression, or unknown",
    whole=r"[A-Za-z0-9(][A-Za-z0-9.()+: -]{0,499}",
)

MOMENT = Moment()
DAY = Day()
# No coercion: "unknown" is not an xsd:date, and a term has one coercion wherever it stands.
PLAIN_DAY = Day(coercion="")
DAY_OR_UNKNOWN = OneOf(Enum("unknown"), PLAIN_DAY)
COUNT = Integer()
BOOLEAN = Boolean()

TRI_STATE = Enum("present", "absent", "unknown")
ASSURANCE = Enum("declared", "computed", "attested")

PARTY = Table(
    Field("id", URI, "DID or URL of the person or organisation"),
    Field("name", NAME, "name of the person or organisation", required=True),
)

DATASET_REFERENCE = (
    Field("credential", URI, "id of the credential", "dsg:credential", required=True),
    Field(
        "credentialDigest",
        HEX_DIGEST,
        "SHA-256 of the JCS form of that secured credential",
        "dsg:credentialDigest",
        required=True,
    ),
    Field("root", HEX_DIGEST, "manifest root of that dataset", "dsg:root", required=True),
)

CONSTRAINT = Table(
    Field("leftOperand", CODE, "what is constrained, an ODRL left operand", "odrl:leftOperand", required=True),
    Field(
        "operator",
        Enum("eq", "neq", "lt", "lteq", "gt", "gteq", "isAnyOf", "isNoneOf", "isPartOf"),
        "ODRL operator",
        "odrl:operator",
        required=True,
    ),
    Field(
        "rightOperand",
        OneOf(LINE, SetOf(LINE)),
        "the value or values it is compared with",
        "odrl:rightOperand",
        required=True,
    ),
)
DUTY = Table(
    Field("action", CODE, "ODRL action", "odrl:action", required=True),
    Field("constraint", ListOf(CONSTRAINT, maximum=50), "constraints on the duty", "odrl:constraint"),
)
POLICY_RULE = Table(
    Field("action", CODE, "ODRL action such as ai-training; an unknown action is denied", "odrl:action", required=True),
    Field(
        "constraint",
        ListOf(CONSTRAINT, maximum=50),
        "all of these must hold; an unknown operand denies",
        "odrl:constraint",
    ),
    Field("duty", ListOf(DUTY, maximum=50), "what the user must do in return", "odrl:duty"),
)

__all__ = [
    "ASSURANCE", "BOOLEAN", "CODE", "COUNT", "DATASET_REFERENCE", "DAY", "DAY_OR_UNKNOWN", "DECIMAL", "DID", "DUTY", "HEX_DIGEST", "HTTP_URL",
    "LANGUAGE", "LINE", "MEDIA_TYPE", "MOMENT", "NAME", "ORIGIN", "PARTY", "PATH", "PLAIN_DAY", "POLICY_RULE", "PROSE", "REGION", "SPDX", "SRI_384", "TRI_STATE",
    "URI", "VERSION", "Boolean", "Enum", "Field", "Integer", "ListOf", "OneOf", "Rule", "SetOf", "Table", "Text",
]  # fmt: skip
