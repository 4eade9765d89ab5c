"""Where the command line finds the trust file, the client's memory, keys and registrations.

Here: paths and environment variables (flag, then `DATASIGIL_*`, then the XDG folders). Not here: what the files mean. Only the
command line uses this module.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from datasigil.bundle import open_without_waiting
from datasigil.errors import DatasigilError
from datasigil.limits import POLICY_MAX_BYTES
from datasigil.trust.policy import TrustPolicy, default_policy, parse_policy


def _xdg(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable, "")
    return (Path(base) if os.path.isabs(base) else Path.home() / fallback) / "datasigil"


def config_folder() -> Path:
    """Return $XDG_CONFIG_HOME/datasigil."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def state_folder() -> Path:
    """Return $XDG_STATE_HOME/datasigil."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def load_policy(flag: str | None) -> TrustPolicy:
    """Return the trust policy: the flag's file, DATASIGIL_POLICY, the user's own, or the default that trusts nobody.

    Raises:
        DatasigilError: POLICY_FILE, for a file that cannot be read.
        MalformedError: as `parse_policy`.
    """
    named = flag or os.environ.get("DATASIGIL_POLICY")
    path = Path(named) if named else config_folder() / "datasigil.toml"
    if not named and not path.is_file():
        return default_policy()
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            data = file.read(POLICY_MAX_BYTES + 1)
    except OSError as error:
        raise DatasigilError(
            "POLICY_FILE",
            "the trust file cannot be read",
            place=str(path),
            found=error.strerror or "",
            expected="a datasigil.toml",
            next_action="name it with --policy; `datasigil-verify trust add BUNDLE` starts one",
        ) from None
    return parse_policy(data, source=str(path))


def is_dev(flag: object) -> bool:
    """Return whether loopback registries are admitted: `--dev` or DATASIGIL_DEV=1."""
    return bool(flag) or os.environ.get("DATASIGIL_DEV") == "1"


def launch_rank() -> int:
    """Return which process of an `accelerate launch` or torchrun this is; 0 is the first, or the only one."""
    rank = os.environ.get("RANK", "0")
    return int(rank) if rank.isdecimal() else 0


def registry_url(flag: str | None) -> str | None:
    """Return the registry that the flag or DATASIGIL_REGISTRY names."""
    return flag or os.environ.get("DATASIGIL_REGISTRY") or None


def key_file(name_or_path: str) -> Path:
    """Return the file of a key given by name or by path."""
    if os.sep in name_or_path or name_or_path.endswith(".pem"):
        return Path(name_or_path)
    return config_folder() / "keys" / f"{name_or_path}.pem"


def passphrase() -> bytes:
    """Return the passphrase of the user's keys, from DATASIGIL_PASSPHRASE_FILE or the terminal.

    Raises:
        DatasigilError: PASSPHRASE, when there is neither, or the file is empty or unreadable.
    """
    named = os.environ.get("DATASIGIL_PASSPHRASE_FILE")
    if named:
        try:
            secret = Path(named).read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise DatasigilError(
                "PASSPHRASE", "the passphrase file cannot be read", place=named, found=error.strerror or ""
            ) from None
    elif sys.stdin.isatty():
        secret = getpass.getpass("passphrase: ").encode("utf-8")
    else:
        secret = b""
    if not secret:
        raise DatasigilError(
            "PASSPHRASE",
            "there is no passphrase to open the key with",
            next_action="set DATASIGIL_PASSPHRASE_FILE to a file that holds it",
        )
    return secret


__all__ = [
    "config_folder",
    "is_dev",
    "key_file",
    "launch_rank",
    "load_policy",
    "passphrase",
    "registry_url",
    "state_folder",
]
