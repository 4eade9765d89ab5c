"""The evidence bundles of a static site, put together from its credentials and from what others handed in.

Here: which credentials belong below which. Not here: files (`folder`), the bundle's format (`datasigil.bundle`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datasigil.bundle import Bundle, LogEvidence
from datasigil.canonical import document_digest
from datasigil.credentials.contexts import PROFILE_CONTEXTS, context_digests
from datasigil.limits import PARENT_DEPTH_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasigil.credentials.types import Credential
    from datasigil.encoding import JsonObject
    from publisher_cli.site.folder import Site


def bundle_of(
    site: Site, credential: Credential, lists: Mapping[str, JsonObject], above: tuple[str, ...] = ()
) -> Bundle:
    """Return the bundle of one credential under the newest checkpoint, with all of the site's that belong below it."""
    index = site.index_of(credential.digest)
    assert index is not None
    path = (*above, credential.digest)
    deeper = len(path) <= PARENT_DEPTH_MAX
    parents = [
        bundle_of(site, one, lists, path)
        for one in site.credentials.values()
        if deeper and one.digest not in path and _belongs(credential, one.document, one.digest)
    ]
    parents += [
        one for one in site.evidence if deeper and _belongs(credential, one.credential, document_digest(one.credential))
    ]
    schema = credential.document["credentialSchema"]
    return Bundle(
        credential=dict(credential.document),
        log=LogEvidence(site.log.proof(index), tuple(str(key) for key in site.log.keys), site.address.log_url),
        status_lists=tuple(lists.values()),
        parents=tuple(parents),
        issuer_keys=(*((site.did_document(),) if site.document is not None else ()), *site.rotations()),
        contexts={url: context_digests()[url] for url in PROFILE_CONTEXTS},
        schemas={str(schema["id"]): str(schema["digestSRI"])},
    )


def _belongs(credential: Credential, other: Mapping[str, Any], digest: str) -> bool:
    """Whether another credential's bundle belongs below this one: it is about it, or is something that it was made from."""
    subject = other.get("credentialSubject")
    subject = subject if isinstance(subject, dict) else {}
    target = subject.get("target")
    if isinstance(target, dict) and target.get("credentialDigest") == credential.digest:
        return True
    made = subject.get("generated")
    manifest = credential.subject.get("manifest")
    if isinstance(made, dict) and isinstance(manifest, dict) and made.get("root") == manifest.get("root"):
        return True
    named = [*credential.subject.get("derivedFrom", ()), *credential.subject.get("used", ())]
    return any(isinstance(one, dict) and one.get("credentialDigest") == digest for one in named)
