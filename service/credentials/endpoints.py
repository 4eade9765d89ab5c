"""HTTP face of registered credentials: register, read, search, look up, bundles, manifests.

Lives here: parse, call, answer. Not here: checks (`registration`), SQL (`repository`), VCALM's issue and verify (`vcalm`).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request, Response

from service.access import PrincipalDep, principal_of, require_scope
from service.credentials.bundles import bundle_of
from service.credentials.idempotency import idempotency_key
from service.credentials.indexing import facet, words_of
from service.credentials.registration import Context, check, signed_in_jcs
from service.credentials.repository import CredentialRow, document_of, lookup, public_manifest
from service.credentials.schemas import (
    CredentialPage,
    CredentialSummary,
    LookupHit,
    LookupReply,
    PublishReply,
    PublishRequest,
)
from service.credentials.searching import Filter, search
from service.credentials.storing import RegisterCredential
from service.documentation import READ_PROBLEMS, WRITE_PROBLEMS, body_of, problems, signed_document
from service.express import Endpoint
from service.limits import (
    CURSOR_MAX_CHARACTERS,
    INLINE_MAX_BYTES,
    LOOKUP_MAX_ITEMS,
    PAGE_DEFAULT_ITEMS,
    PAGE_MAX_ITEMS,
    QUERY_MAX_CHARACTERS,
    QUERY_MAX_TERMS,
)
from service.problems import Problem
from service.publishers.endpoints import timestamp
from service.replies import credential_reply, json_reply, stored_reply
from service.requests import Whole, parse_body, read_body, to_model
from service.state import State, StateDep

router = APIRouter(tags=["credentials"])

Identifier = Annotated[str, Path(max_length=2048, description="A credential's id, or its digest in hex")]
Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
Limit = Annotated[Whole, Query(ge=1, le=PAGE_MAX_ITEMS)]
Cursor = Annotated[str, Query(max_length=CURSOR_MAX_CHARACTERS)]
Text = Annotated[str, Query(max_length=QUERY_MAX_CHARACTERS)]

_DAY = r"^$|^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_CODE = r"^$|^[A-Za-z0-9][A-Za-z0-9.+/_-]{0,99}$"
_EXAMPLE = {
    "credential": {
        "@context": ["https://www.w3.org/ns/credentials/v2", "https://w3id.org/datasigil/v1"],
        "id": "urn:uuid:6f1e7c7e-32a6-4b8e-9e8b-0f4f6f1d2a51",
        "type": ["VerifiableCredential", "DatasetCredential"],
    },
    "publicManifest": False,
}


@router.post(
    "/credentials",
    status_code=201,
    response_model=PublishReply,
    responses={
        200: {"model": PublishReply, "description": "It was registered before"},
        **WRITE_PROBLEMS,
        **problems(401, 403, 409),
    },
    openapi_extra={**body_of(PublishRequest, _EXAMPLE), "security": [{"token": []}]},
)
async def publish(request: Request, principal: PrincipalDep, state: StateDep) -> Response:
    """Register a locally signed credential; the answer leaves once a signed checkpoint covers its log entry."""
    require_scope(principal, "publish")
    raw = await read_body(request)
    body = to_model(parse_body(raw), PublishRequest)
    keys = state.did_documents.keys_of(principal.did)
    context = Context(state.settings.public_url, state.keys.origin, state.keys.did, state.clock(), keys)
    checking = functools.partial(
        check, body.credential, body.manifest, public=body.publicManifest, principal=principal, context=context
    )
    # Other DIDs' documents may have to be fetched.
    brief = principal.did.startswith("did:key:") and len(raw) <= INLINE_MAX_BYTES and signed_in_jcs(body.credential)
    checked = checking() if brief else await anyio.to_thread.run_sync(checking)
    key = idempotency_key(request, principal.publisher_id, raw)
    row, fresh = await state.sequencer.submit(RegisterCredential(checked, key))
    reply = PublishReply(
        id=row.id,
        digest=row.digest,
        logIndex=row.log_index,
        bundle=f"{state.settings.public_url}/credentials/{row.id}/bundle",
    )
    return json_reply(reply, status=201 if fresh else 200)


async def _publish(request: Request, state: State) -> Response:
    return await publish(request, await principal_of(request, state), state)


EXPRESS: Mapping[str, Endpoint] = {"/credentials": _publish}


@router.get("/credentials", response_model=CredentialPage, responses={**READ_PROBLEMS, **problems(400)})
async def search_credentials(
    state: StateDep,
    q: Text = "",
    type_: Annotated[str, Query(alias="type", max_length=QUERY_MAX_CHARACTERS)] = "",
    issuer: Annotated[str, Query(max_length=512)] = "",
    licence: Annotated[str, Query(alias="license", max_length=QUERY_MAX_CHARACTERS)] = "",
    role: Text = "",
    subject: Annotated[str, Query(max_length=2048)] = "",
    status: Literal["", "active", "suspended", "revoked"] = "",
    use: Annotated[str, Query(pattern=_CODE, description="Intended purpose (OASIS code) or use class")] = "",
    regulation: Annotated[
        str,
        Query(
            pattern=r"^$|^[a-z]{2,8}(:(present|absent|unknown))?$",
            description="`phi:absent`; `phi` alone: present, or not known",
        ),
    ] = "",
    format_: Annotated[str, Query(alias="format", pattern=_CODE, description="Media type, extension or modality")] = "",
    publisher: Annotated[str, Query(max_length=512, description="DID or slug")] = "",
    issued_from: Annotated[str, Query(alias="issuedFrom", pattern=_DAY, description="Claimed age")] = "",
    issued_to: Annotated[str, Query(alias="issuedTo", pattern=_DAY, description="Claimed age")] = "",
    proven_by: Annotated[
        str, Query(alias="provenBy", pattern=_DAY, description="Registered by the end of this day")
    ] = "",
    limit: Limit = PAGE_DEFAULT_ITEMS,
    cursor: Cursor = "",
) -> Response:
    """Search by words (each a prefix, all must match) and exact filters, which all must hold; newest first."""
    exact = {"use": use.lower(), "regulation": regulation, "format": format_.lower()}
    wanted = Filter(
        terms=query_terms(q),
        type=type_,
        issuer=issuer,
        license=licence,
        role=role,
        status=status,
        subject_id=subject,
        facets=tuple(facet(name, value) for name, value in exact.items() if value),
        publisher=publisher,
        issued_from=issued_from,
        issued_to=issued_to,
        proven_by=_end_of_day(proven_by) if proven_by else 0,
    )
    return json_reply(await search_page(state, wanted, limit=limit, cursor=cursor))


@router.get("/lookup", response_model=LookupReply, responses={**READ_PROBLEMS, **problems(400)})
async def lookup_digest(state: StateDep, sha256: Annotated[str, Query(pattern="^[0-9a-f]{64}$")]) -> Response:
    """Find by the SHA-256 of a file (where its manifest is public), manifest, credential, weights or model card."""
    rows = await state.database.read(lookup, sha256, LOOKUP_MAX_ITEMS + 1)
    hits = [
        LookupHit.model_validate({"kind": found.kind, "path": found.path or None, "credential": summary(row)})
        for found, row in rows[:LOOKUP_MAX_ITEMS]
    ]
    return json_reply(LookupReply(sha256=sha256, items=hits, complete=len(rows) <= LOOKUP_MAX_ITEMS))


@router.get(
    "/credentials/{credential_id}",
    response_class=Response,
    responses={
        **signed_document("The signed credential as registered", "application/vc", "application/json"),
        **READ_PROBLEMS,
        **problems(304, 404),
    },
)
async def read_credential(request: Request, credential_id: Identifier, state: StateDep) -> Response:
    """The signed bytes of a credential; they never change."""
    found = await state.database.point(document_of, credential_id)
    if found is None:
        raise _unknown()
    state.served.put(credential_id, *found)
    return credential_reply(request, found[0], etag=found[1])


@router.get(
    "/credentials/{credential_id}/bundle",
    response_class=Response,
    responses={**signed_document("The evidence bundle"), **READ_PROBLEMS, **problems(304, 404)},
)
async def read_bundle(request: Request, credential_id: Identifier, state: StateDep) -> Response:
    """Credential, log proof, checkpoint, status lists, parents and keys: all that an offline check needs."""
    data = await state.database.read(bundle_of, state, credential_id, state.released)
    return stored_reply(request, data, etag=hashlib.sha256(data).hexdigest())


@router.get(
    "/manifests/{digest}",
    response_class=Response,
    responses={**signed_document("The manifest"), **READ_PROBLEMS, **problems(304, 400, 404)},
)
async def read_manifest(request: Request, digest: Digest, state: StateDep) -> Response:
    """A manifest that its publisher made public."""
    body = await state.database.read(public_manifest, digest)
    if body is None:
        raise Problem("NOT_FOUND", "No public manifest has this digest")
    return stored_reply(request, body, etag=digest)


def _end_of_day(day: str) -> int:
    try:
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
        return int((start + timedelta(days=1)).timestamp()) - 1
    except (ValueError, OverflowError):
        raise Problem(
            "BAD_PARAMETER", "This day does not exist", pointer="/query/provenBy", expected="YYYY-MM-DD"
        ) from None


async def search_page(state: State, wanted: Filter, *, limit: int, cursor: str) -> CredentialPage:
    """One page of a search.

    Raises:
        Problem: BAD_CURSOR.
    """
    query = repr(wanted)
    before = state.cursors.read(query, cursor) if cursor else None
    rows = await state.database.read(search, wanted, before=before, count=limit + 1)
    more = state.cursors.make(query, rows[limit - 1].seq) if len(rows) > limit else None
    return CredentialPage(items=[summary(row) for row in rows[:limit]], next=more)


def query_terms(text: str) -> tuple[str, ...]:
    """The words that a search asks for.

    Raises:
        Problem: BAD_PARAMETER, for more than eight.
    """
    terms = tuple(dict.fromkeys(words_of(text)))
    if len(terms) > QUERY_MAX_TERMS:
        raise Problem(
            "BAD_PARAMETER", "The search has too many words", pointer="/query/q", expected=f"at most {QUERY_MAX_TERMS}"
        )
    return terms


def summary(row: CredentialRow) -> CredentialSummary:
    """What lists say about a credential."""
    return CredentialSummary(
        id=row.id,
        digest=row.digest,
        type=row.type,
        name=row.name,
        version=row.version,
        issuer=row.issuer,
        role=row.role,
        profile=row.profile,
        license=row.license,
        issued=row.issued,
        validFrom=timestamp(row.valid_from),
        validUntil=None if row.valid_until is None else timestamp(row.valid_until),
        registered=timestamp(row.registered_at),
        logIndex=row.log_index,
        status=row.status,
        subject=row.subject_id,
    )


def _unknown() -> Problem:
    return Problem(
        "NOT_FOUND",
        "No credential with this id is registered here",
        next_action="GET /lookup?sha256= finds by digest, GET /credentials?q= by words",
    )
