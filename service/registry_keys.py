"""The registry's own keys: one per duty, each in its own encrypted file.

Lives here: making, loading and naming the status key (whose did:key is the registry's DID), the checkpoint key, the time
key, the key of notices and, when asked for, a hosted issuing key. Not here: what is signed with them (`sequencer`, `status_lists`,
`credentials`) and key files themselves (`datasigil.signing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from datasigil.errors import DatasigilError
from datasigil.signing import LocalSigner
from datasigil.transparency.note import COSIGNATURE_V1, VerifierKey, new_vkey

REQUIRED_KEYS = ("status", "checkpoint", "time")
HOSTED_KEY = "hosted"
NOTICE_KEY = (
    "notices"  # signs webhooks and impact reports; registries made before it have none until `keys new notices`
)

OVERLAPPING = ("checkpoint", "time")  # an old one goes on signing beside the new one until it is retired


def overlapping(name: str) -> str:
    """The file name, without suffix, of the key that signs beside a new one."""
    return f"{name}-previous"


@dataclass(frozen=True)
class RegistryKeys:
    """The opened keys of one registry."""

    status: LocalSigner
    checkpoint: LocalSigner
    time: LocalSigner
    hosted: LocalSigner | None
    origin: str
    notices: LocalSigner | None = None
    old_checkpoint: LocalSigner | None = None  # signs beside the new one while verifiers change over
    old_time: LocalSigner | None = None

    @property
    def did(self) -> str:
        """The registry's DID, as which it signs status lists."""
        return self.status.controller

    @cached_property
    def log_key(self) -> VerifierKey:
        """The verifier key of checkpoints; its name is the log's origin."""
        return new_vkey(self.origin, self.checkpoint.public_key.raw)

    @cached_property
    def log_keys(self) -> tuple[tuple[VerifierKey, LocalSigner], ...]:
        """Every key that signs checkpoints now, the current one first."""
        signers = [one for one in (self.checkpoint, self.old_checkpoint) if one is not None]
        return tuple((new_vkey(self.origin, one.public_key.raw), one) for one in signers)

    @cached_property
    def time_keys(self) -> tuple[tuple[VerifierKey, LocalSigner], ...]:
        """Every key that cosigns with a time now, the current one first."""
        signers = [one for one in (self.time, self.old_time) if one is not None]
        name = f"{self.origin}/time"
        return tuple((new_vkey(name, one.public_key.raw, COSIGNATURE_V1), one) for one in signers)

    @cached_property
    def time_key(self) -> VerifierKey:
        """The verifier key of the timestamped cosignature."""
        return new_vkey(f"{self.origin}/time", self.time.public_key.raw, COSIGNATURE_V1)


def create_keys(folder: Path, passphrase: bytes, *, hosted: bool) -> None:
    """Make the keys that are not there yet; existing files are never touched."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (*REQUIRED_KEYS, NOTICE_KEY, *((HOSTED_KEY,) if hosted else ())):
        path = folder / f"{name}.pem"
        if not path.exists():
            LocalSigner.generate("ed25519").save(path, passphrase)


def load_keys(folder: Path, passphrase: bytes, *, origin: str) -> RegistryKeys:
    """Open the registry's keys.

    Raises:
        DatasigilError: NOT_INITIALISED, when a key file is missing; as `LocalSigner.load` otherwise.
    """
    for name in REQUIRED_KEYS:
        if not (folder / f"{name}.pem").is_file():
            raise DatasigilError(
                "NOT_INITIALISED",
                "a key of the registry is missing",
                place=str(folder / f"{name}.pem"),
                next_action="python -m service init, or restore the key from its backup",
            )
    status, checkpoint, time = (LocalSigner.load(folder / f"{name}.pem", passphrase) for name in REQUIRED_KEYS)
    optional = [folder / f"{name}.pem" for name in (HOSTED_KEY, NOTICE_KEY, *map(overlapping, OVERLAPPING))]
    more = [LocalSigner.load(file, passphrase) if file.is_file() else None for file in optional]
    for number, current in ((2, checkpoint), (3, time)):  # a change that never came to be leaves a key under both names
        if (previous := more[number]) is not None and previous.controller == current.controller:
            more[number] = None
    return RegistryKeys(status, checkpoint, time, more[0], origin, *more[1:])
