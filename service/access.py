"""Who may do what: the one layer of checks, deny by default.

Lives here: bearer tokens to principals, scopes, and object checks. Not here: how control of a DID is proven
(`publishers.presentations`) and what an issuer's signature allows (`status_lists.changes`).

A token is 256 random bits; only its SHA-256 is stored. Every reason why a token does not work gives one and the same answer.
"""

from __future__ import annotations

import hashlib
import re
import time
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, Request

from datasigil.errors import DatasigilError
from service.access_cache import Principal
from service.clock import seconds_of
from service.problems import Problem
from service.publishers.repository import identity_by_subject, token_by_secret
from service.publishers.workload import WorkloadError, verify_workload
from service.state import State, StateDep

TOKEN_PREFIX = "dsr_"  # noqa: S105 - the public prefix by which secret scanners find leaked tokens
SCOPES = ("publish", "status", "issue", "train", "work")
_TOKEN = re.compile(r"dsr_[A-Za-z0-9_-]{43}\Z", re.ASCII)


def secret_hash(token: str) -> str:
    """SHA-256 of a token in hex: what is stored and looked up."""
    return hashlib.sha256(token.encode()).hexdigest()


def bearer_token(headers_value: str | None) -> str | None:
    """The token of an Authorization header; None when there is none of ours."""
    scheme, _, value = (headers_value or "").partition(" ")
    token = value.strip()
    return token if scheme.lower() == "bearer" and _TOKEN.match(token) else None


async def principal_of(request: Request, state: State) -> Principal:
    """The principal behind a request.

    Raises:
        Problem: UNAUTHENTICATED, for no token, a wrong, revoked or expired one, or a publisher that was locked out.
    """
    header = request.headers.get("authorization")
    token = bearer_token(header)
    if token is None and state.settings.oidc_issuers:
        return await _workload(header or "", state)
    # A malformed token takes the same road as a wrong one, so that both take the same time.
    digest = secret_hash(token or "")
    principal = state.tokens.get(digest, time.monotonic())
    if principal is None:
        principal = await _look_up(state, digest)
    if principal is None or token is None or principal.expires_at <= seconds_of(state.clock()):
        raise _unauthenticated()
    return principal


async def _workload(header: str, state: State) -> Principal:
    """The principal behind a CI job's own token, mapped by its publisher; asked anew each time, so that a removal bites at once."""
    scheme, _, value = header.partition(" ")
    now = seconds_of(state.clock())
    try:
        if scheme.lower() != "bearer":
            raise WorkloadError("OIDC", "no bearer token")
        found = await anyio.to_thread.run_sync(
            lambda: verify_workload(value.strip(), state.workload_keys, audience=state.settings.public_url, now=now)
        )
    except DatasigilError:
        raise _unauthenticated() from None
    mapped = await state.database.point(identity_by_subject, found.issuer, found.subject)
    if mapped is None or not mapped[1].active:
        raise _unauthenticated()
    identity, publisher = mapped
    scopes = frozenset(identity.scopes)
    return Principal(
        publisher.id,
        publisher.did,
        publisher.slug,
        publisher.role,
        identity.id,
        scopes,
        found.expires_at,
        workload=True,
    )


def _unauthenticated() -> Problem:
    return Problem(
        "UNAUTHENTICATED", "This needs a valid token", next_action="datasigil login --registry URL --key KEY"
    )


async def _look_up(state: State, digest: str) -> Principal | None:
    found = await state.database.point(token_by_secret, digest)
    if found is None:
        return None
    token, publisher = found
    if token.revoked_at is not None or not publisher.active:
        return None
    principal = Principal(
        publisher.id, publisher.did, publisher.slug, publisher.role, token.id, frozenset(token.scopes), token.expires_at
    )
    state.tokens.put(digest, principal, time.monotonic())
    return principal


async def _any_principal(request: Request, state: StateDep) -> Principal:
    return await principal_of(request, state)


PrincipalDep = Annotated[Principal, Depends(_any_principal)]


def require_scope(principal: Principal, scope: str) -> None:
    """Refuse a token that was not given `scope`.

    Raises:
        Problem: SCOPE_MISSING.
    """
    if scope not in principal.scopes:
        raise Problem(
            "SCOPE_MISSING",
            "The token does not have the scope that this needs",
            expected=scope,
            next_action=f"log in again and ask for the scope {scope}",
        )


def require_session(principal: Principal) -> None:
    """Refuse a workload: it must not give its rights to others.

    Raises:
        Problem: FORBIDDEN.
    """
    if principal.workload:
        raise Problem(
            "FORBIDDEN",
            "A workload cannot change who acts for its publisher",
            expected="a token from `datasigil login`",
        )


def require_role(principal: Principal, *roles: str) -> None:
    """Refuse a principal of another role.

    Raises:
        Problem: FORBIDDEN.
    """
    if principal.role not in roles:
        raise Problem(
            "FORBIDDEN",
            "Your role does not allow this",
            expected=" or ".join(roles),
            next_action="ask the registry's operator for the role",
        )


def require_publishable(principal: Principal, type_: str) -> None:
    """Refuse what a role may not publish: an auditor speaks about the datasets of others, in audits alone.

    Raises:
        Problem: FORBIDDEN.
    """
    if principal.role == "auditor" and type_ != "DatasetAuditCredential":
        raise Problem(
            "FORBIDDEN",
            "An auditor publishes audits, approvals and reviews only",
            pointer="/credential/type",
            expected="DatasetAuditCredential",
            next_action="publish it under another DID",
        )


def may_see_job(principal: Principal | None, *, owner: str, worker: str, public: bool) -> bool:
    """Whether a training job may be shown: to everybody if it is public, else to who asked, who trains, and operators."""
    return public or (principal is not None and (principal.did in (owner, worker) or principal.role == "operator"))


def may_cancel_job(principal: Principal, *, owner: str) -> bool:
    """Whether a training job may be called off: by who asked for it, and by operators."""
    return principal.did == owner or principal.role == "operator"


def require_issuer(principal: Principal, issuer: str) -> None:
    """Refuse to act for any DID but the one whose control the principal proved.

    Raises:
        Problem: NOT_YOURS.
    """
    if issuer != principal.did:
        raise Problem(
            "NOT_YOURS",
            "The credential's issuer is not the DID that this token is bound to",
            pointer="/credential/issuer",
            expected="the DID that logged in",
            next_action="log in with the issuer's key",
        )
