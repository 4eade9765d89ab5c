"""What a client asks of the network: a registry's API (`registry`), and evidence as of now (`evidence`).

Not here: sockets (`fetch`), verdicts (`verification`).
"""

from datasigil.client.evidence import (
    HttpTiles,
    Refreshed,
    check_online,
    fetcher_for,
    is_proven,
    proven_credentials,
    refresh_evidence,
)
from datasigil.client.jobs import JobClient
from datasigil.client.registry import RegistryClient, RegistryError

__all__ = [
    "HttpTiles",
    "JobClient",
    "Refreshed",
    "RegistryClient",
    "RegistryError",
    "check_online",
    "fetcher_for",
    "is_proven",
    "proven_credentials",
    "refresh_evidence",
]
