"""What `datasigil-train` finds where, beside what every command line does (`command_line.places`).

Here: keys by name or path, and which process of several this is. Not here: what the files mean. Only the command line uses this
module.
"""

from __future__ import annotations

import os
from pathlib import Path

from datasigil.command_line.places import (
    config_folder,
    is_dev,
    load_policy,
    named_registry,
    passphrase,
    require_digest,
    state_folder,
)


def launch_rank() -> int:
    """Return which process of an `accelerate launch` or torchrun this is; 0 is the first, or the only one."""
    rank = os.environ.get("RANK", "0")
    return int(rank) if rank.isdecimal() else 0


def key_file(name_or_path: str) -> Path:
    """Return the file of a key given by name or by path."""
    if os.sep in name_or_path or name_or_path.endswith(".pem"):
        return Path(name_or_path)
    return config_folder() / "keys" / f"{name_or_path}.pem"


__all__ = [
    "config_folder",
    "is_dev",
    "key_file",
    "launch_rank",
    "load_policy",
    "named_registry",
    "passphrase",
    "require_digest",
    "state_folder",
]
