"""What `datasigil` keeps where, beside what every command line does (`command_line.places`).

Here: the folder of remembered hashes, and private folders. Not here: what the files hold (`keys`, `logins`, `records`).
"""

from __future__ import annotations

from pathlib import Path

from datasigil.command_line.places import (
    PASSPHRASE_VARIABLE,
    cache_folder,
    config_folder,
    hub_cache,
    is_dev,
    named_registry,
    passphrase,
    state_folder,
)
from datasigil.errors import DatasigilError
from datasigil.transparency.durable import sync_directory


def hash_cache_folder() -> Path:
    """Return the folder in which this machine remembers what it hashed; losing it costs time and nothing else."""
    return cache_folder() / "hashes"


def make_folder(folder: Path) -> Path:
    """Make a folder that only its owner can enter, and return it.

    Raises:
        DatasigilError: FOLDER.
    """
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync_directory(folder.parent)
    except OSError as error:
        raise DatasigilError(
            "FOLDER", f"the folder cannot be made: {error.strerror}", place=str(folder),
            next_action="check its permissions, or set XDG_CONFIG_HOME and XDG_STATE_HOME",
        ) from None  # fmt: skip
    return folder


__all__ = [
    "PASSPHRASE_VARIABLE",
    "config_folder",
    "hash_cache_folder",
    "hub_cache",
    "is_dev",
    "make_folder",
    "named_registry",
    "passphrase",
    "state_folder",
]
