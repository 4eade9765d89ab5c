"""The JSON-LD contexts that are known, pinned by SHA-256; no other is ever used and none is ever fetched.

Lives here: the table of W3C's contexts, whose bytes are normative constants, and our own `datasigil/v1`. Not here: JSON-LD
processing (`rdf`). Specs: VC Data Model 2.0 appendix B.1, Data Integrity 1.0 section 2.4, Controlled Identifiers 1.0 section 5.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from datasigil.credentials.pins import DATASIGIL_V1_SHA256
from datasigil.encoding import GENERIC, JsonObject, parse_json
from datasigil.errors import DatasigilError, MalformedError

CREDENTIALS_V1 = "https://www.w3.org/2018/credentials/v1"
CREDENTIALS_V2 = "https://www.w3.org/ns/credentials/v2"
DATA_INTEGRITY_V2 = "https://w3id.org/security/data-integrity/v2"
DATASIGIL_V1 = "https://w3id.org/datasigil/v1"
PROFILE_CONTEXTS = [CREDENTIALS_V2, DATASIGIL_V1]

# URL: (file below schemas/contexts, SHA-256 of its bytes)
PINNED = {
    CREDENTIALS_V1: ("credentials-v1.jsonld", "ab4ddd9a531758807a79a5b450510d61ae8d147eab966cc9a200c07095b0cdcc"),
    CREDENTIALS_V2: ("credentials-v2.jsonld", "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734"),
    "https://www.w3.org/ns/credentials/examples/v2": ("examples-v2.jsonld", "57393fbc69d6efb9b9b5dc9cb6b9880b0944360abfe2eaf459c9e58cf2279d7c"),
    "https://www.w3.org/ns/credentials/undefined-terms/v2": (
        "undefined-terms-v2.jsonld", "82dab514ba44eb18f5d1b0f638c5e140c6a556fbfb5089601bdc0fa5eb8b2581"
    ),
    "https://www.w3.org/ns/credentials/status/v1": (
        "bitstring-status-list-v1.jsonld", "fda5add353231e6a6884a46b12e6c75464281900cb348284d9c360f62381d9f7"
    ),
    "https://w3id.org/security/data-integrity/v1": ("data-integrity-v1.jsonld", "b5d829bd09aa7c42abc6efa0c8ed7635313b5487f37ccfce3ecd149ca9418554"),
    DATA_INTEGRITY_V2: ("data-integrity-v2.jsonld", "67f21e6e33a6c14e5ccfd2fc7865f7474fb71a04af7e94136cb399dfac8ae8f4"),
    "https://w3id.org/security/multikey/v1": ("multikey-v1.jsonld", "ba2c182de2d92f7e47184bcca8fcf0beaee6d3986c527bf664c195bbc7c58597"),
    "https://www.w3.org/ns/did/v1": ("did-v1.jsonld", "62c1054bf404d6dd3a4b26b64f830fd72095f6a26edc4469908c94351352ce5f"),
    "https://www.w3.org/ns/cid/v1": ("cid-v1.jsonld", "ea216ecc1cb02cd39b693dba2250141e270ba0bf95890be107dd9a9e8e43de85"),
    "https://w3id.org/citizenship/v4rc1": ("citizenship-v4rc1.jsonld", "5038c7383afd7ab2158f1b997913a8f60978a0abcf96e0b0d08e29f146d2db1e"),
    "https://w3id.org/security/suites/ed25519-2020/v1": ("ed25519-2020-v1.jsonld", "b9e1ab971fd8bf2c7553e0c4a9438e0b9450afde1ea1ca5b2492368b9f549588"),
    DATASIGIL_V1: ("datasigil-v1.jsonld", DATASIGIL_V1_SHA256),
}  # fmt: skip

_LINK = Path(__file__).resolve().parent.parent / "_schemas"
# Where a checkout cannot hold symbolic links, git writes the link's text into a plain file (docs/adr/0002).
SCHEMAS_FOLDER = _LINK.parent / _LINK.read_text("utf-8").strip() if _LINK.is_file() else _LINK


@cache
def context_bytes(url: str) -> bytes:
    """Return the pinned bytes of a known context.

    Raises:
        MalformedError: CONTEXT for a URL that is not in the table.
        DatasigilError: CONTEXT_ALTERED when the installed file is missing or differs from its pin.
    """
    if url not in PINNED:
        raise MalformedError(
            "CONTEXT",
            "an unknown JSON-LD context",
            place="/@context",
            expected="a context that is shipped and pinned",
            found=url[:120],
        )
    name, pin = PINNED[url]
    try:
        data = (SCHEMAS_FOLDER / "contexts" / name).read_bytes()
    except OSError as error:
        raise _altered(name, str(error.strerror)) from None
    found = hashlib.sha256(data).hexdigest()
    if found != pin:
        raise _altered(name, found, pin)
    return data


@cache
def context_document(url: str) -> JsonObject:
    """Return a known context as JSON; callers must not change it.  Raises: as `context_bytes`."""
    document: JsonObject = parse_json(context_bytes(url), profile=GENERIC)
    return document


def context_digests() -> dict[str, str]:
    """Return URL and SHA-256 of every known context, for bundles to name."""
    return {url: pin for url, (_, pin) in PINNED.items()}


def check_installed() -> None:
    """Check every installed context file against its pin.

    Raises:
        DatasigilError: CONTEXT_ALTERED; command lines exit 2.
    """
    for url in PINNED:
        context_bytes.cache_clear()
        context_bytes(url)


def _altered(name: str, found: str, expected: str = "the file that was shipped") -> DatasigilError:
    return DatasigilError(
        "CONTEXT_ALTERED", "an installed context file is not the one that was shipped", place=f"schemas/contexts/{name}", expected=expected, found=found,
        next_action="reinstall datasigil",
    )  # fmt: skip
