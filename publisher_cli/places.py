"""Where `datasigil` keeps its files, and the only module of this command line that reads the environment.

Here: configuration, state and cache folders (XDG Base Directory), passphrases, the default registry, the development switch. Not here: what
the files hold (`keys`, `logins`, `records`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from datasigil.bundle import read_file
from datasigil.errors import DatasigilError, MalformedError
from datasigil.transparency.durable import sync_directory

PASSPHRASE_MAX_BYTES = 4096
PASSPHRASE_VARIABLE = "DATASIGIL_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable


def config_folder() -> Path:
    """Return the user's configuration folder of datasigil."""
    return _base("XDG_CONFIG_HOME", ".config") / "datasigil"


def state_folder() -> Path:
    """Return the user's state folder of datasigil."""
    return _base("XDG_STATE_HOME", ".local/state") / "datasigil"


def hash_cache_folder() -> Path:
    """Return the folder in which this machine remembers what it hashed; losing it costs time and nothing else."""
    return _base("XDG_CACHE_HOME", ".cache") / "datasigil" / "hashes"


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


def default_registry() -> str:
    """Return the registry that DATASIGIL_REGISTRY names, or the empty string."""
    return os.environ.get("DATASIGIL_REGISTRY", "")


def hub_cache() -> Path:
    """Return the Hugging Face Hub's cache, found as its own client finds it: HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, the home folder."""
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return Path(named).expanduser()
    home = os.environ.get("HF_HOME")
    return (Path(home).expanduser() if home else _base("XDG_CACHE_HOME", ".cache") / "huggingface") / "hub"


def is_dev(flag: object) -> bool:
    """Return whether loopback registries are admitted: `--dev` or DATASIGIL_DEV=1."""
    return bool(flag) or os.environ.get("DATASIGIL_DEV") == "1"


def passphrase(question: str, *, new: bool = False) -> bytes:
    """Return a passphrase from the file that DATASIGIL_PASSPHRASE_FILE names, or typed at a terminal (twice when `new`).

    Raises:
        DatasigilError: PASSPHRASE, when there is neither, or it is empty or too long, or the two differ.
    """
    named = os.environ.get(PASSPHRASE_VARIABLE, "")
    if named:
        return _from_file(Path(named))
    if not sys.stdin.isatty():
        raise DatasigilError(
            "PASSPHRASE", "there is nobody to ask for the passphrase", expected=f"a terminal, or a file that {PASSPHRASE_VARIABLE} names",
            next_action=f"export {PASSPHRASE_VARIABLE}=/path/to/file (mode 0600)",
        )  # fmt: skip
    from getpass import getpass

    first = getpass(f"{question}: ")
    if new and getpass("once more: ") != first:
        raise DatasigilError("PASSPHRASE", "the two passphrases differ", next_action="run the command again")
    if not first:
        raise DatasigilError("PASSPHRASE", "the passphrase is empty", expected="at least one character")
    return first.encode("utf-8")


def _from_file(path: Path) -> bytes:
    try:
        data = read_file(path, PASSPHRASE_MAX_BYTES).rstrip(b"\r\n")
    except (OSError, MalformedError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DatasigilError(
            "PASSPHRASE",
            f"the passphrase file cannot be read: {reason}",
            place=str(path),
            next_action=f"check {PASSPHRASE_VARIABLE}",
        ) from None
    if not data:
        raise DatasigilError("PASSPHRASE", "the passphrase file is empty", place=str(path), expected="one line")
    return data


def _base(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable, "")
    # The specification has relative values ignored.
    return Path(value) if os.path.isabs(value) else Path.home() / fallback
