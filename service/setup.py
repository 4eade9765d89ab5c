"""Making a registry: data folder, keys, settings file, tables.

Lives here: what `init` does. Not here: the command line (`__main__`). Running it again keeps keys and data.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir

from fastapi import FastAPI

from service.app import create_app
from service.migrating import migrate
from service.registry_keys import create_keys, load_keys
from service.settings import Settings


def initialise(settings: Settings, *, hosted: bool) -> str:
    """Make what is missing; return what the operator should note down.

    Raises:
        DatasigilError: PASSPHRASE_MISSING; as `load_keys` when existing keys do not open.
    """
    passphrase = settings.passphrase
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    create_keys(settings.keys_dir, passphrase, hosted=hosted)
    keys = load_keys(settings.keys_dir, passphrase, origin=settings.log_origin)
    settings.save()
    schema = migrate(settings)
    lines = [
        f"registry:   {settings.public_url}",
        f"DID:        {keys.did}",
        f"log origin: {keys.origin}",
        f"log key:    {keys.log_key}",
        f"time key:   {keys.time_key}",
        f"data:       {settings.data_dir}",
        schema,
        f"Back up {settings.keys_dir} and the passphrase: without them nothing can be signed again.",
    ]
    if keys.hosted is not None:
        lines.insert(2, f"hosted DID: {keys.hosted.controller}")
    return "\n".join(lines)


def app_for_export() -> FastAPI:
    """The app without any data, for its OpenAPI document."""
    return create_app(Settings(data_dir=Path(gettempdir()), public_url="http://localhost"))
