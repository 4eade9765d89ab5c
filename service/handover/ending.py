"""The end of a registry that was handed over: it serves what it has and writes nothing more.

Lives here: who this registry is, as a handover names it, and the refusal. Not here: the handover itself (`exporting`).
"""

from __future__ import annotations

from datasigil.credentials.handover import RegistryName
from datasigil.encoding import parse_json
from datasigil.errors import DatasigilError
from service.handover.repository import HandoverRow
from service.registry_keys import RegistryKeys

HANDED_OVER = "HANDED_OVER"


def own_name(url: str, keys: RegistryKeys) -> RegistryName:
    """This registry, as a handover names it."""
    return RegistryName(keys.did, url, keys.origin, str(keys.log_key), str(keys.time_key))


def handed_over(row: HandoverRow) -> DatasigilError:
    """The refusal of everything that would write."""
    document = parse_json(row.document)
    after = document["to"]["url"] if isinstance(document, dict) else ""
    return DatasigilError(
        HANDED_OVER,
        "this registry has handed over to another one and signs nothing more",
        expected=f"the registry at {after}",
        next_action=f"send this to {after}",
    )
