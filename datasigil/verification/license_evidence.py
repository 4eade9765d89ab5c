"""What a stated licence rests on: a text whose digest is signed, or the signer's bare word.

Lives here: reading that off one credential, and holding it against the manifest where there is one. Not here: what a licence allows
(`trust.licensing`), grants (`attested`), whether the policy asks for evidence (`requirements`). Whether a text is the licence's own is for
people to read: a digest shows that there was a text, and which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datasigil.datasets.entry import Manifest
from datasigil.datasets.paths import display_path
from datasigil.record import dataclass

_SHOWN = 12  # characters of a digest


@dataclass(frozen=True, slots=True)
class LicenseEvidence:
    """`by_text`: a text's digest is signed with the licence and nothing contradicts it; `words` say so to people."""

    by_text: bool
    words: str


def license_evidence(subject: Mapping[str, Any], manifest: Manifest | None = None) -> LicenseEvidence:
    """Return what the licence of a dataset's `credentialSubject` rests on; a text said to lie in the dataset must be in its manifest."""
    stated = subject["license"]
    digest, path = stated.get("textDigest", ""), stated.get("textPath", "")
    if digest and path and manifest is not None:
        listed = manifest.find(path)
        if listed is not None and listed.sha256 == digest:
            return LicenseEvidence(True, f"its text is {display_path(path)} of the dataset")
        return LicenseEvidence(False, f"the text it names, {display_path(path)}, is not that file of the dataset")
    if digest:
        return LicenseEvidence(True, f"the digest of its text is signed, sha256 {digest[:_SHOWN]}…")
    captured = subject.get("observation", {}).get("licenseTextDigest", "")
    if captured:
        return LicenseEvidence(True, f"the observer captured a text, sha256 {captured[:_SHOWN]}…")
    who = "observer's" if subject.get("role") == "observer" else "signer's"
    return LicenseEvidence(False, f"no text, the {who} word alone")


__all__ = ["LicenseEvidence", "license_evidence"]
