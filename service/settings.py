"""Settings of one registry process: the only module of the service that reads the environment.

Lives here: `Settings` (flag > environment `DATASIGIL_*` > what `init` wrote) and the files below the data folder. Not
here: limits (`limits`) and private keys (`registry_keys`).
"""

from __future__ import annotations

import ipaddress
import json
import os
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from datasigil.errors import DatasigilError
from service.limits import JOB_LEASE_SECONDS


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("expected an http(s) URL without query, fragment or user")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("plain http is for loopback addresses only; put https in front")
    return text.rstrip("/")


def _collector(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("expected an http(s) URL such as http://127.0.0.1:4318, without query, fragment or user")
    return text.rstrip("/")


class Settings(BaseSettings):
    """What one registry process was told; no secret has a default."""

    model_config = SettingsConfigDict(env_prefix="DATASIGIL_", extra="ignore", frozen=True)

    data_dir: Path
    public_url: Annotated[str, AfterValidator(_public_url)]
    name: str = Field(default="datasigil registry", max_length=200)
    database_url: str | None = None
    passphrase_file: Path | None = None
    registration: Literal["open", "invited", "closed"] = "open"
    policy_file: Path | None = None
    dev: bool = False
    oidc_issuers: tuple[str, ...] = ()  # whose workload tokens are taken, such as a CI service's issuer URL
    witnesses: tuple[str, ...] = ()  # who is asked to cosign checkpoints: "URL VKEY" each
    webhook_origins: tuple[
        str, ...
    ] = ()  # origins that webhooks may reach although they are not public, such as https://ci.internal
    job_lease_seconds: int = Field(default=JOB_LEASE_SECONDS, ge=2, le=3_600)  # how long a silent worker keeps its job
    did_web_origins: tuple[
        str, ...
    ] = ()  # origins of did:web that may be reached although they are not public, such as https://data.internal
    otlp_endpoint: Annotated[str, AfterValidator(_collector)] | None = None  # where OpenTelemetry goes: off without it
    otlp_headers_file: Path | None = None  # what the collector wants to see, such as "Authorization: …"
    rate_per_second: float = Field(default=50.0, gt=0)
    rate_burst: int = Field(default=200, ge=1)

    @property
    def witnesses_on_loopback(self) -> bool:
        """Whether a witness may be on this machine: only where the registry itself is for this machine, or in development."""
        return self.dev or is_loopback(urlsplit(self.public_url).hostname or "")

    @property
    def sqlalchemy_url(self) -> str:
        """The database URL with its driver named; SQLite below the data folder when none was given."""
        if self.database_url is None:
            return f"sqlite:///{self.data_dir / 'registry.sqlite3'}"
        for plain in ("postgres://", "postgresql://"):
            if self.database_url.startswith(plain):
                return "postgresql+psycopg://" + self.database_url.removeprefix(plain)
        return self.database_url

    @property
    def log_url(self) -> str:
        """Where the log is served."""
        return f"{self.public_url}/log"

    @property
    def log_origin(self) -> str:
        """The log's origin line: its URL without the scheme (tlog-checkpoint)."""
        return self.log_url.split("://", 1)[1]

    @property
    def keys_dir(self) -> Path:
        """Folder of the registry's encrypted keys."""
        return self.data_dir / "keys"

    @property
    def high_water_file(self) -> Path:
        """File that remembers, outside the database, the largest tree that was ever released."""
        return self.data_dir / "high-water"

    @property
    def lock_file(self) -> Path:
        """File whose lock says that a process of this data folder is the writer."""
        return self.data_dir / "writer.lock"

    @property
    def passphrase(self) -> bytes:
        """The passphrase of the registry's keys, from its file.

        Raises:
            DatasigilError: PASSPHRASE_MISSING, when no file was named, or it is empty or unreadable.
        """
        return _read_passphrase(self.passphrase_file)

    def save(self) -> None:
        """Write what later commands need to know again to `registry.json` in the data folder."""
        kept = {"public_url": self.public_url, "name": self.name}
        (self.data_dir / "registry.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def fresh(cls, data_dir: Path, **given: object) -> Self:
        """Settings for a data folder that `init` is about to make.

        Raises:
            DatasigilError: SETTINGS, for a value that is not usable.
        """
        return cls._checked(data_dir, {}, given)

    @classmethod
    def _checked(cls, data_dir: Path, kept: dict[str, object], given: dict[str, object]) -> Self:
        flags = {key: value for key, value in given.items() if value is not None}
        try:
            return cls.model_validate({**kept, **_environment(cls), **flags, "data_dir": data_dir.resolve()})
        except ValidationError as error:
            first = error.errors()[0]
            raise DatasigilError(
                "SETTINGS",
                "a setting is not usable",
                place="/".join(map(str, first["loc"])),
                expected=str(first["msg"]),
            ) from None

    @classmethod
    def load(cls, data_dir: Path, **given: object) -> Self:
        """Settings of an initialised data folder; `given` (flags) win over the environment, that over the file.

        Raises:
            DatasigilError: NOT_INITIALISED, when `init` was never run on this folder.
        """
        file = data_dir / "registry.json"
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise DatasigilError(
                "NOT_INITIALISED",
                "the data folder holds no registry",
                place=str(file),
                next_action="python -m service init --data-dir DIR --public-url URL",
            ) from None
        return cls._checked(data_dir, kept, given)


def _environment(settings: type[BaseSettings]) -> dict[str, object]:
    """The fields that the environment sets, by field name."""
    found = EnvSettingsSource(settings)()
    return {key: value for key, value in found.items() if key in settings.model_fields}


def passphrase_of_environment() -> bytes:
    """The passphrase from the file that `DATASIGIL_PASSPHRASE_FILE` names, for commands without a registry's data folder.

    Raises:
        DatasigilError: PASSPHRASE_MISSING.
    """
    named = os.environ.get("DATASIGIL_PASSPHRASE_FILE")
    return _read_passphrase(Path(named) if named else None)


def _read_passphrase(file: Path | None) -> bytes:
    if file is None:
        raise _no_passphrase("DATASIGIL_PASSPHRASE_FILE is not set")
    try:
        text = file.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise _no_passphrase(f"{file}: {error.strerror}") from None
    if not text:
        raise _no_passphrase(f"{file} is empty")
    return text


def is_loopback(host: str) -> bool:
    """Whether a host name is a loopback address in its plain spelling."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _no_passphrase(message: str) -> DatasigilError:
    return DatasigilError(
        "PASSPHRASE_MISSING",
        message,
        expected="a file that holds the passphrase of the registry's keys",
        next_action="export DATASIGIL_PASSPHRASE_FILE=/path/to/file (mode 0600)",
    )
