"""What is derived from a parsed credential: search words, digests to look up, references to other credentials.

Lives here: pure functions over the signed content. Not here: storing them (`repository`, `lineage.repository`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from datasigil.credentials.types import Credential
from datasigil.datasets.manifest import Manifest
from service.credentials.repository import DigestRow
from service.limits import (
    EDGES_PER_CREDENTIAL_MAX,
    FACETS_PER_CREDENTIAL_MAX,
    LOOKUP_FILES_PER_MANIFEST_MAX,
    TERM_MAX_CHARACTERS,
    TERMS_PER_CREDENTIAL_MAX,
)
from service.problems import Problem

_WORD = re.compile(r"\w+")
_SEARCHED = (
    "name",
    "description",
    "version",
    "modality",
    "dataTypes",
    "inLanguage",
    "intendedPurpose",
    "annotationProtocol",
)
_NOT_REFERENCES = frozenset({"manifest", "weights", "baseModel"})


def words_of(text: str) -> list[str]:
    """The words of a text as they are indexed and searched: NFKC, case-folded, at most 64 characters each."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [word[:TERM_MAX_CHARACTERS] for word in _WORD.findall(folded)]


def search_terms(credential: Credential) -> set[str]:
    """The words under which a credential is found, and `facet=value` words for exact filters."""
    subject = credential.subject
    texts = [text for name in _SEARCHED for text in _texts(subject.get(name))]
    texts += _texts(subject.get("publisher")) + _texts(subject.get("license")) + [credential.issuer_name or ""]
    words = [word for text in texts for word in words_of(text)]
    return set(list(dict.fromkeys(words))[:TERMS_PER_CREDENTIAL_MAX]) | facets(credential)


def facet(name: str, value: str) -> str:
    """The word of an exact filter; no word of a text holds `=`."""
    return f"{name}={value}"[:TERM_MAX_CHARACTERS]


def facets(credential: Credential) -> set[str]:
    """The exact filters that a credential meets: `use`, `regulation` and `format`.

    A prohibited purpose takes the intended one back. A regulation's facet carries the result (`phi:absent`), and stands alone (`phi`) where
    the data has it or nobody knows: what was not looked at counts as there.
    """
    subject = credential.subject
    found = {facet("use", code) for code in _listed(subject.get("intendedPurpose"))}
    found -= {facet("use", code) for code in _listed(subject.get("prohibitedPurpose"))}
    use_class = subject.get("useClass")
    if isinstance(use_class, Mapping):
        found.add(facet("use", str(use_class.get("use"))))
    for one in _listed(subject.get("classification")):
        found.add(facet("regulation", f"{one['regulation']}:{one['result']}"))
        if one["result"] != "absent":
            found.add(facet("regulation", one["regulation"]))
    for name in ("modality", "format"):
        found |= {facet("format", code) for code in _listed(subject.get(name))}
    for one in _listed(subject.get("distribution")):
        path, media_type = str(one["path"]), one.get("mediaType")
        found |= {facet("format", str(media_type).lower())} if media_type else set()
        found |= {facet("format", path.rpartition(".")[2].lower())} if "." in path.rpartition("/")[2] else set()
    return set(sorted(found)[:FACETS_PER_CREDENTIAL_MAX])


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def known_digests(credential: Credential, manifest: Manifest | None) -> list[DigestRow]:
    """The digests by which a credential is found; `manifest` is given only when its publisher made it public."""
    subject = credential.subject
    claim, weights, made = (subject.get(name, {}) for name in ("manifest", "weights", "generated"))
    named = [
        ("credential", credential.digest),
        ("manifest", claim.get("digest")),
        ("root", claim.get("root")),
        ("weights", weights.get("sha256")),
        ("root", weights.get("root")),
        ("card", subject.get("cardDigest")),
        ("receipt", subject.get("receiptDigest")),
        ("generated", made.get("root")),
    ]
    rows = [DigestRow(digest, kind) for kind, digest in named if isinstance(digest, str)]
    if manifest is not None:
        entries = manifest.entries[:LOOKUP_FILES_PER_MANIFEST_MAX]
        rows += [DigestRow(entry.sha256, "file", entry.path) for entry in entries]
    return rows


def references(credential: Credential) -> set[tuple[str, str]]:
    """The (relation, credential digest) pairs that a credential's signed content names.

    A relation is the subject's member that holds the reference, such as `trainingData`.

    Raises:
        Problem: LIMIT, for more than 1,000.
    """
    found: set[tuple[str, str]] = set()
    for name, value in credential.subject.items():
        if name not in _NOT_REFERENCES:
            found.update((name, digest) for digest in _digests(value))
    if len(found) > EDGES_PER_CREDENTIAL_MAX:
        raise Problem(
            "LIMIT",
            "The credential names too many other credentials",
            status=422,
            pointer="/credential/credentialSubject",
            expected=f"at most {EDGES_PER_CREDENTIAL_MAX}",
        )
    return found


def _digests(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            digest = one.get("credentialDigest")
            if isinstance(digest, str):
                yield digest
            pending.extend(one.values())
        elif isinstance(one, (list, tuple)):
            pending.extend(one)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in _texts(item)]
    return []
