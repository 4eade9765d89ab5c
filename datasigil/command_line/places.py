"""Where the command lines find what a user has: folders, the trust file, the passphrase, the development switch.

Here: flag, then `DATASIGIL_*`, then the XDG Base Directory folders. Not here: what the files mean. A trust file is never looked for
in the current folder or inside a dataset, and in CI it is not taken from the checked-out commit (DESIGN.md section 4).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from datasigil.errors import DatasigilError, MalformedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasigil.trust.policy import TrustPolicy

TRUST_FILE = "datasigil.toml"
PASSPHRASE_MAX_BYTES = 4096
PASSPHRASE_VARIABLE = "DATASIGIL_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable


def config_folder() -> Path:
    """Return the user's configuration folder of datasigil."""
    return _base("XDG_CONFIG_HOME", ".config") / "datasigil"


def state_folder() -> Path:
    """Return the user's state folder of datasigil."""
    return _base("XDG_STATE_HOME", ".local/state") / "datasigil"


def cache_folder() -> Path:
    """Return the user's cache folder of datasigil; losing it costs time and nothing else."""
    return _base("XDG_CACHE_HOME", ".cache") / "datasigil"


def hub_cache() -> Path:
    """Return the Hugging Face Hub's cache, found as its own client finds it: HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, the home folder."""
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return Path(named).expanduser()
    home = os.environ.get("HF_HOME")
    return (Path(home).expanduser() if home else _base("XDG_CACHE_HOME", ".cache") / "huggingface") / "hub"


def _base(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable, "")
    # The specification has relative values ignored.
    return Path(value) if os.path.isabs(value) else Path.home() / fallback


def is_dev(flag: object) -> bool:
    """Return whether loopback registries are admitted: `--dev` or DATASIGIL_DEV=1."""
    return bool(flag) or os.environ.get("DATASIGIL_DEV") == "1"


def named_registry(flag: str | None) -> str:
    """Return the registry that the flag or DATASIGIL_REGISTRY names, or the empty string."""
    return flag or os.environ.get("DATASIGIL_REGISTRY", "")


def policy_path(flag: str | None) -> tuple[Path, bool]:
    """Return the trust file's path and whether the user named it: flag, then DATASIGIL_POLICY, then the configuration folder."""
    named = flag or os.environ.get("DATASIGIL_POLICY", "")
    return (Path(named), True) if named else (config_folder() / TRUST_FILE, False)


def load_policy(flag: str | None, *, outside: Sequence[Path] = ()) -> TrustPolicy:
    """Return the trust policy; the shipped default, which trusts nobody, when the user named none and has none.

    A trust file that lies in one of the folders `outside`, which hold data to be judged, is refused.

    Raises:
        MalformedError: POLICY_FILE.
        DatasigilError: POLICY_FILE, for a file that cannot be read or lies among the data.
    """
    from datasigil.bundle import read_file
    from datasigil.limits import POLICY_MAX_BYTES
    from datasigil.trust.policy import default_policy, parse_policy

    path, named = policy_path(flag)
    try:
        data = read_file(path, POLICY_MAX_BYTES)
    except FileNotFoundError:
        if not named:
            return default_policy()
        raise _unreadable(path, "there is no such file") from None
    except OSError as error:
        raise _unreadable(path, error.strerror or type(error).__name__) from None
    except MalformedError as error:
        raise _unreadable(path, error.message) from None
    refuse_inside(path, outside)
    return parse_policy(data, source=str(path))


def refuse_inside(path: str | Path, folders: Sequence[Path]) -> None:
    """Return when a trust file lies in none of the folders, which hold data that it is to judge.

    Raises:
        DatasigilError: POLICY_FILE.
    """
    real = Path(os.path.realpath(path))
    for folder in folders:
        if real.is_relative_to(os.path.realpath(folder)):
            raise DatasigilError(
                "POLICY_FILE", "the trust file lies inside the data that it is to judge", place=str(path), expected=f"a file outside {folder}",
                next_action="move it out: whoever can change the data must not be able to change whom you trust",
            )  # fmt: skip


def _unreadable(path: Path, reason: str) -> DatasigilError:
    return DatasigilError(
        "POLICY_FILE", f"the trust file cannot be read: {reason}", place=str(path), expected="a datasigil.toml",
        next_action="name it with --policy; `datasigil-verify trust add BUNDLE` starts one",
    )  # fmt: skip


def require_digest(policy: TrustPolicy, flag: str | None) -> None:
    """Return when the policy is the pinned one: `--policy-digest` or DATASIGIL_POLICY_DIGEST, for pipelines.

    In CI (the variable CI is set, as on GitHub, GitLab and others) a trust file of the checked-out commit must be pinned: whoever may
    propose a change must not be able to change whom you trust. One that was taken from a protected branch lies elsewhere.

    Raises:
        DatasigilError: POLICY_FILE.
    """
    pinned = flag or os.environ.get("DATASIGIL_POLICY_DIGEST", "")
    if not pinned and _is_ci() and _is_of_commit(policy.source):
        raise DatasigilError(
            "POLICY_FILE", "in CI, the trust file may not come from the checked-out commit", place=policy.source,
            expected="one from the protected branch, or a pinned digest", found="a file that git tracks here",
            next_action="`git cat-file blob origin/BRANCH:PATH` takes it from a protected branch, or pin it with --policy-digest",
        )  # fmt: skip
    if pinned and pinned != policy.digest:
        raise DatasigilError(
            "POLICY_FILE", "the trust file is not the one that is pinned", place=policy.source, expected=pinned[:100], found=policy.digest,
            next_action="if the change was reviewed, pin its new digest; `datasigil-verify policy explain --json` shows it",
        )  # fmt: skip


def _is_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def _is_of_commit(source: str) -> bool:
    """Say whether a file is one that git tracks where it lies; where git cannot be asked, whatever lies in a work tree is."""
    path = Path(os.path.realpath(source))
    if not path.is_file() or not any((folder / ".git").exists() for folder in path.parents):
        return False
    from subprocess import DEVNULL, SubprocessError, run

    try:
        asked = run(
            ["git", "-C", str(path.parent), "ls-files", "--error-unmatch", "--", path.name], stdout=DEVNULL, stderr=DEVNULL, check=False, timeout=30,
        )  # fmt: skip
    except (OSError, SubprocessError):
        return True
    # 1: git does not know it; 0: it does; 128: git will not look, as at another user's folder
    return asked.returncode != 1


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
    from datasigil.bundle import read_file

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


__all__ = [
    "PASSPHRASE_VARIABLE",
    "TRUST_FILE",
    "cache_folder",
    "config_folder",
    "hub_cache",
    "is_dev",
    "load_policy",
    "named_registry",
    "passphrase",
    "policy_path",
    "refuse_inside",
    "require_digest",
    "state_folder",
]
