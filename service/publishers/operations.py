"""What logging in changes: challenges used up, publishers and their lists created, tokens stored.

Lives here: operations for the writer. Not here: verification of presentations (`presentations`), SQL (`repository`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from service.access import secret_hash
from service.audit_trail.trail import record
from service.batch import Batch
from service.limits import CHALLENGE_SECONDS, CHALLENGES_LIVE_MAX, TOKENS_PER_PUBLISHER_MAX
from service.problems import UNAUTHENTICATED, Problem
from service.publishers.repository import (
    PublisherRow,
    TokenRow,
    insert_challenge,
    insert_publisher,
    insert_token,
    live_challenges,
    publisher_by_did,
    revoke_token,
    tokens_of,
    use_challenge,
)
from service.status_lists.signing import create_lists


def slug_of(did: str) -> str:
    """The path segment under which a DID's lists stand: 80 bits of its SHA-256."""
    return hashlib.sha256(did.encode()).hexdigest()[:20]


@dataclass(frozen=True)
class IssueChallenge:
    """Store a challenge."""

    value: str

    def __call__(self, batch: Batch) -> int:
        """Return when the challenge expires.

        Raises:
            Problem: BUSY, while too many are unanswered.
        """
        if live_challenges(batch.connection, batch.seconds) >= CHALLENGES_LIVE_MAX:
            raise Problem("BUSY", "Too many challenges are unanswered", retry_after=CHALLENGE_SECONDS)
        expires = batch.seconds + CHALLENGE_SECONDS
        insert_challenge(batch.connection, value_hash=secret_hash(self.value), expires_at=expires)
        return expires


def challenge_refused() -> Problem:
    """The answer to a challenge that is not ours, or not any more."""
    return Problem(
        "PRESENTATION_REFUSED",
        "The challenge is unknown, expired or was used before",
        status=UNAUTHENTICATED,
        next_action="ask for a new challenge",
    )


@dataclass(frozen=True)
class IssueToken:
    """Use a challenge up and store a token for the DID that answered it."""

    did: str
    challenge: str
    token: str
    token_id: str
    name: str
    scopes: tuple[str, ...]
    seconds: int
    registration: str

    def __call__(self, batch: Batch) -> tuple[PublisherRow, TokenRow]:
        """Return the publisher and the token.

        Raises:
            Problem: PRESENTATION_REFUSED, REGISTRATION_CLOSED, PUBLISHER_INACTIVE, SCOPE_MISSING or TOKEN_LIMIT.
        """
        if not use_challenge(batch.connection, secret_hash(self.challenge), batch.seconds):
            raise challenge_refused()
        publisher = self._publisher(batch)
        if "issue" in self.scopes and publisher.role != "operator":
            raise Problem(
                "SCOPE_MISSING",
                "Only operators may issue with the registry's hosted key",
                expected="the scopes publish and status",
            )
        if len(tokens_of(batch.connection, publisher.id, batch.seconds)) >= TOKENS_PER_PUBLISHER_MAX:
            raise Problem(
                "TOKEN_LIMIT",
                "This publisher has too many live tokens",
                expected=f"at most {TOKENS_PER_PUBLISHER_MAX}",
                next_action="revoke one: DELETE /tokens/ID",
            )
        row = TokenRow(
            self.token_id, publisher.id, self.name, self.scopes, batch.seconds, batch.seconds + self.seconds, None
        )
        insert_token(batch.connection, row, secret_hash(self.token))
        record(batch, actor=self.did, action="token.issued", target=f"{row.id} {' '.join(row.scopes)}")
        return publisher, row

    def _publisher(self, batch: Batch) -> PublisherRow:
        found = publisher_by_did(batch.connection, self.did)
        if found is None:
            if self.registration != "open":
                raise Problem(
                    "REGISTRATION_CLOSED",
                    "This registry takes no new publishers without invitation",
                    next_action="ask its operator for an invitation of your DID",
                )
            return register(batch, did=self.did, name=self.name, role="publisher")
        if not found.active:
            raise Problem(
                "PUBLISHER_INACTIVE", "This publisher was locked out", next_action="ask the registry's operator"
            )
        return found


def register(batch: Batch, *, did: str, name: str, role: str, actor: str = "") -> PublisherRow:
    """Store a publisher and give them a pair of status lists; `actor` is who did it, if not the publisher."""
    publisher = insert_publisher(batch.connection, did=did, slug=slug_of(did), name=name, role=role, now=batch.seconds)
    create_lists(batch, slug=publisher.slug, publisher_id=publisher.id)
    record(batch, actor=actor or did, action="publisher.registered", target=f"{did} {role}")
    return publisher


@dataclass(frozen=True)
class RevokeToken:
    """Revoke one of a publisher's own tokens."""

    token_id: str
    publisher_id: int
    actor: str

    def __call__(self, batch: Batch) -> None:
        """Revoke it, or find it revoked.

        Raises:
            Problem: NOT_FOUND, also for somebody else's token.
        """
        if not revoke_token(
            batch.connection, token_id=self.token_id, publisher_id=self.publisher_id, now=batch.seconds
        ):
            raise Problem("NOT_FOUND", "You have no token with this id")
        record(batch, actor=self.actor, action="token.revoked", target=self.token_id)
