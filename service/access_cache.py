"""A short memory of tokens that were found valid.

Lives here: the cache between bearer token and principal. Not here: what a principal may do (`access`). Entries live two
seconds, so that a token revoked by another process stops working within five; this process forgets it at once.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from service.limits import TOKEN_CACHE_ENTRIES, TOKEN_CACHE_SECONDS


@dataclass(frozen=True)
class Principal:
    """Who makes a request: a publisher, through one token."""

    publisher_id: int
    did: str
    slug: str
    role: str
    token_id: str
    scopes: frozenset[str]
    expires_at: int
    workload: bool = False  # an OIDC token of a CI job, not a token of ours


class TokenCache:
    """Principals by the hash of their token's secret."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, tuple[float, Principal]] = OrderedDict()

    def get(self, secret_hash: str, now: float) -> Principal | None:
        """The principal, if it was stored within the last two seconds of monotonic time."""
        found = self._entries.get(secret_hash)
        if found is None or now - found[0] > TOKEN_CACHE_SECONDS:
            return None
        return found[1]

    def put(self, secret_hash: str, principal: Principal, now: float) -> None:
        """Remember a principal."""
        self._entries[secret_hash] = (now, principal)
        self._entries.move_to_end(secret_hash)
        if len(self._entries) > TOKEN_CACHE_ENTRIES:
            self._entries.popitem(last=False)

    def forget(self, token_id: str) -> None:
        """Drop a token that was revoked here."""
        for secret_hash in [key for key, (_, one) in self._entries.items() if one.token_id == token_id]:
            del self._entries[secret_hash]
