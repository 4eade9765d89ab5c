"""The policy under which this registry decides.

Lives here: the operator's trust file when one is set, else a policy that trusts each active publisher for its own DID, this
registry's log and those that it continues. Not here: deciding (`credentials.decision`). The answer names the policy's digest; a client's own policy stands
above it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection

from datasigil.credentials.types import CREDENTIAL_TYPES
from datasigil.transparency.note import parse_vkey
from datasigil.trust.policy import IssuerRule, LogRule, TrustPolicy, parse_policy
from service.publishers.repository import publisher_by_did
from service.state import State

_ROLES = ("publisher", "observer")


def registry_policy(connection: Connection, state: State, issuer: str) -> TrustPolicy:
    """The policy for documents by one DID; without a trust file it names that issuer, if it is an active publisher here.

    Raises:
        PolicyError: when the operator's trust file cannot be parsed.
    """
    if state.settings.policy_file is not None:
        return _from_file(state.settings.policy_file)
    publisher = publisher_by_did(connection, issuer) if issuer else None
    rules: tuple[IssuerRule, ...] = ()
    if publisher is not None and publisher.active:
        rules = (IssuerRule(publisher.did, publisher.name or publisher.slug, CREDENTIAL_TYPES, _ROLES),)
    log = LogRule(state.keys.origin, state.keys.log_key, state.keys.time_key, state.settings.log_url)
    return TrustPolicy(issuers=rules, logs=(log, *_continued(connection, state)), source="registry")


def _continued(connection: Connection, state: State) -> tuple[LogRule, ...]:
    """The logs of registries that handed over to this one, by the keys that an import checked."""
    names = [one.handover.before for one in state.handovers.before(connection)]
    return tuple(
        LogRule(one.origin, parse_vkey(one.log_key), parse_vkey(one.time_key), f"{one.url}/log") for one in names
    )


@lru_cache(maxsize=1)
def _from_file(path: Path) -> TrustPolicy:
    return parse_policy(path.read_bytes(), source=str(path))
