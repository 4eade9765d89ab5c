"""Evidence bundles of registered credentials, put together when asked for.

Lives here: which evidence belongs into a bundle, read in one transaction. Not here: the bundle's format
(`datasigil.bundle`) and what it proves (`datasigil.verification`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection

from datasigil.bundle import ISSUER_KEYS_MAX, Bundle, LogEvidence, bundle_bytes
from datasigil.credentials.contexts import PROFILE_CONTEXTS, context_digests
from datasigil.credentials.did import resolve_did_key
from datasigil.encoding import JsonObject, parse_json
from datasigil.limits import MANIFEST_EMBED_MAX_BYTES
from service.credentials.repository import CredentialRow, by_id, document_of, lineage_about, public_manifest
from service.limits import LINEAGE_DEPTH_MAX, LINEAGE_NODES_MAX
from service.lineage.repository import parents_of
from service.problems import Problem
from service.publishers.key_rotations import frame_of, rotations_before
from service.state import State
from service.status_lists.repository import indices_of, signed_list
from service.transparency_log.endpoints import first_proof_text, proof_text
from service.transparency_log.writing import Released


def bundle_of(connection: Connection, state: State, identifier: str, released: Released) -> bytes:
    """The bundle of a credential given by id or digest, with parents that are registered here.

    Raises:
        Problem: NOT_FOUND; BUSY, when the released checkpoint does not cover it yet.
    """
    row = by_id(connection, identifier)
    if row is None:
        raise Problem("NOT_FOUND", "No credential with this id is registered here")
    return bundle_bytes(_Assembly(connection, state, released).bundle(row, 0))


class _Assembly:
    """One bundle being put together; it stops at 16 levels and 256 credentials, as the format does."""

    def __init__(self, connection: Connection, state: State, released: Released) -> None:
        self._connection = connection
        self._state = state
        self._released = released
        self._path: list[str] = []
        self._count = 0

    def bundle(self, row: CredentialRow, depth: int) -> Bundle:
        """The bundle of one credential."""
        self._count += 1
        found = document_of(self._connection, row.digest)
        assert found is not None
        document = parse_json(found[0])
        return Bundle(
            credential=document,
            manifest=self._manifest(row),
            log=log_evidence(self._connection, self._state, row.log_index, self._released, document),
            status_lists=self._lists(row),
            parents=self._parents(row, depth),
            issuer_keys=presented_keys(
                self._connection, self._state, self._released, row.issuer, row.log_index, document
            ),
            contexts=contexts(),
            schemas=schemas(document),
        )

    def _manifest(self, row: CredentialRow) -> Any:
        if not row.manifest_public:
            return None
        body = public_manifest(self._connection, row.manifest_digest)
        if body is None or len(body) > MANIFEST_EMBED_MAX_BYTES:
            return None
        return parse_json(body, max_bytes=MANIFEST_EMBED_MAX_BYTES)

    def _lists(self, row: CredentialRow) -> tuple[Any, ...]:
        held = (signed_list(self._connection, one.list_url) for one in indices_of(self._connection, row.seq))
        return tuple(parse_json(one[0]) for one in held if one is not None)

    def _parents(self, row: CredentialRow, depth: int) -> tuple[Bundle, ...]:
        if depth == LINEAGE_DEPTH_MAX:
            return ()
        self._path.append(row.digest)
        parents: dict[str, Bundle] = {}
        named = [parent for _, _, parent in parents_of(self._connection, row.seq) if parent is not None]
        for parent in [*lineage_about(self._connection, row), *named]:
            if parent.digest not in parents and parent.digest not in self._path and self._count < LINEAGE_NODES_MAX:
                parents[parent.digest] = self.bundle(parent, depth + 1)
        self._path.pop()
        return tuple(parents.values())


def log_evidence(
    connection: Connection,
    state: State,
    index: int,
    released: Released,
    document: JsonObject,
    *,
    first_note: bytes | None = None,
) -> LogEvidence:
    """The first proof that the log held the entry with this index, which shows by when, and the one under the released checkpoint.

    `first_note` is the first checkpoint that covered the entry, where it has been read already.
    For a log that ended in this one, it is the one under that log's last checkpoint.

    Raises:
        Problem: BUSY, when the released checkpoint does not cover it yet.
    """
    ended = state.handovers.of(connection, _origin(document))
    if ended is not None:
        before, last = ended.handover.before, ended.proof(connection, index, released)
        proof = ended.first_proof(connection, index, released)
        named = (before.log_key, before.time_key)
        if proof is None:
            return LogEvidence(last, named, f"{before.url}/log")
        return LogEvidence(proof, named, f"{before.url}/log", current=last)
    if index >= released.size:
        raise Problem("BUSY", "The credential's log entry is being signed", next_action="retry", retry_after=1)
    text = proof_text(connection, state, index, released)
    keys = (str(state.keys.log_key), str(state.keys.time_key))
    first = first_proof_text(connection, state, index, released, first_note)
    if first is None:
        return LogEvidence(text, keys, state.settings.log_url)
    return LogEvidence(first, keys, state.settings.log_url, current=text)


def presented_keys(
    connection: Connection, state: State, released: Released, issuer: str, index: int, document: JsonObject
) -> tuple[JsonObject, ...]:
    """The issuer's keys, the logged rotations that led to them and, when the log that the credential names has ended, the handovers since."""
    keys: tuple[JsonObject, ...] = issuer_keys(issuer)
    if state.handovers.of(connection, _origin(document)) is not None:
        keys = (*keys, *state.handovers.frames(connection, state.proofs, released))
    room = ISSUER_KEYS_MAX - len(keys)
    for one in rotations_before(connection, issuer, document, index, room):
        shown = log_evidence(connection, state, one.log_index, released, document)
        keys = (*keys, frame_of(one, shown.proof, shown.current))
    return keys


def _origin(document: JsonObject) -> str:
    """The origin of the log that a credential names; other registries' logs may have ended in this one's."""
    log = document.get("transparencyLog")
    return str(log.get("origin")) if isinstance(log, dict) else ""


@cache
def contexts() -> Mapping[str, str]:
    """The digests of the profile's contexts, by URL."""
    known = context_digests()
    return MappingProxyType({url: known[url] for url in PROFILE_CONTEXTS})


def issuer_keys(issuer: str) -> tuple[dict[str, Any], ...]:
    """The keys that a did:key is made of; none for other DIDs."""
    if not issuer.startswith("did:key:"):
        return ()
    return tuple(
        {
            "id": method.id,
            "type": "Multikey",
            "controller": method.controller,
            "publicKeyMultibase": method.key.multibase,
        }
        for method in resolve_did_key(issuer).methods.values()
    )


def schemas(document: dict[str, Any]) -> dict[str, str]:
    """The integrity digest of the schema that a credential names, by its id."""
    schema = document.get("credentialSchema")
    if isinstance(schema, dict) and isinstance(schema.get("id"), str) and isinstance(schema.get("digestSRI"), str):
        return {schema["id"]: schema["digestSRI"]}
    return {}
