"""What `datasigil-verify` reads from its environment beside what every command line does (`command_line.places`).

Here: the client's memory, the registry, a fetcher for what the user named, a CI job's summary. Not here: their content.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from datasigil.command_line.places import (
    hub_cache,
    is_dev,
    load_policy,
    named_registry,
    policy_path,
    require_digest,
    state_folder,
)
from datasigil.errors import DatasigilError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datasigil.fetch import Fetcher
    from datasigil.transparency.client_state import ClientState


def client_state() -> ClientState:
    """Return the client's memory."""
    from datasigil.transparency.client_state import ClientState

    return ClientState(state_folder())


def registry_url(flag: str | None) -> str:
    """Return the registry that the flag or DATASIGIL_REGISTRY names.

    Raises:
        DatasigilError: USAGE, when neither does.
    """
    named = named_registry(flag)
    if not named:
        raise DatasigilError(
            "USAGE", "no registry was named", expected="--registry URL, or DATASIGIL_REGISTRY", next_action="add --registry URL, or fetch by the full address",
        )  # fmt: skip
    return named.rstrip("/")


def fetcher(named: Iterable[str], *, dev: object) -> Fetcher:
    """Return a fetcher for which the origins of `named` are the user's own choice.

    Raises:
        BlockedError: FETCH_URL.
    """
    from datasigil.fetch import Fetcher

    return Fetcher.naming(named, dev=is_dev(dev))


def append_summary(text: str) -> None:
    """Append Markdown to the job's summary, which GITHUB_STEP_SUMMARY names; without it there is none.

    Raises:
        OSError: when the file cannot be written.
    """
    named = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if named:
        with open(named, "a", encoding="utf-8") as file:
            file.write(text)


__all__ = [
    "append_summary",
    "client_state",
    "fetcher",
    "hub_cache",
    "is_dev",
    "load_policy",
    "policy_path",
    "registry_url",
    "require_digest",
]
