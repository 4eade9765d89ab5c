"""A registry under test, on SQLite and on PostgreSQL.

Here: an app in this process with a clock that tests turn, and what a publisher does over HTTP. Not here: databases
(`databases.py`) and real server processes (`registry_process.py`).
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from databases import BACKENDS, create_database, postgres_admin
from simulator import NOW, World
from sqlalchemy import make_url
from starlette.testclient import TestClient
from web_site import Site, site

from datasigil.canonical import document_digest
from datasigil.credentials.contexts import CREDENTIALS_V2, DATASIGIL_V1
from datasigil.credentials.status_request import new_status_change_request
from datasigil.credentials.types import credential_schema
from datasigil.encoding import Instant, parse_json
from datasigil.signing import LocalSigner, add_proof
from service.app import create_app
from service.migrating import migrate
from service.registry_keys import RegistryKeys, create_keys, load_keys
from service.settings import Settings

__all__ = ["postgres_admin", "site"]  # fixtures, the first shared with tests/durability

URL = "http://localhost:8800"
PASSPHRASE = "correct horse"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with keys and an empty migrated SQLite database, to copy from."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "passphrase").write_text(PASSPHRASE)
    settings = Settings(data_dir=folder, public_url=URL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datasigil.signing.SCRYPT_N", 2)  # its cost is `datasigil.signing`'s own test's to look at
        create_keys(settings.keys_dir, PASSPHRASE.encode(), hosted=True)
    settings.save()
    migrate(settings)
    return folder


@pytest.fixture(scope="session")
def postgres_template(template: Path, postgres_admin: str) -> str:
    """The name of a migrated PostgreSQL database without rows, to copy from: migrating anew takes several times as long."""
    url = create_database(postgres_admin)
    migrate(Settings(data_dir=template, public_url=URL, database_url=url))
    return str(make_url(url).database)


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest) -> str | None:
    """The URL of a migrated database without rows; None stands for SQLite in the data folder."""
    if request.param == "sqlite":
        return None
    return create_database(request.getfixturevalue("postgres_admin"), request.getfixturevalue("postgres_template"))


@pytest.fixture(scope="session")
def opened_keys(template: Path) -> RegistryKeys:
    """The template's keys, decrypted once."""
    return load_keys(
        template / "keys", PASSPHRASE.encode(), origin=Settings(data_dir=template, public_url=URL).log_origin
    )


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **duration: float) -> datetime:
        self.now += timedelta(**duration)
        return self.now


@dataclass
class Publisher:
    """A publisher who logged in: key, token and the lists the registry keeps."""

    registry: "Registry"
    signer: LocalSigner
    reply: dict[str, Any]
    next_index: int = 0

    @property
    def did(self) -> str:
        return self.signer.controller

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.reply['token']}"}

    def unsigned(
        self, subject: dict[str, Any] | None = None, type_: str = "DatasetCredential", **changes: Any
    ) -> dict[str, Any]:
        self.next_index += 1
        document: dict[str, Any] = {
            "@context": [CREDENTIALS_V2, DATASIGIL_V1],
            "id": f"urn:uuid:{uuid4()}",
            "type": ["VerifiableCredential", type_],
            "issuer": self.did,
            "validFrom": str(Instant.from_datetime(self.registry.clock())),
            "credentialSchema": credential_schema(type_),
            "credentialStatus": [
                {
                    "type": "BitstringStatusListEntry",
                    "statusPurpose": purpose,
                    "statusListIndex": str(self.next_index),
                    "statusListCredential": self.reply["statusLists"][purpose],
                    "statusIssuer": self.reply["statusIssuer"],
                }
                for purpose in ("revocation", "suspension")
            ],
            "transparencyLog": {
                "type": "TransparencyLog",
                "origin": self.reply["log"]["origin"],
                "url": self.reply["log"]["url"],
            },
            "credentialSubject": subject or self.registry.world.subject(),
        }
        return {**document, **changes}

    def sign(self, document: dict[str, Any], **options: Any) -> dict[str, Any]:
        return add_proof(document, self.signer, created=self.registry.clock(), **options)

    def issue(
        self, subject: dict[str, Any] | None = None, type_: str = "DatasetCredential", **changes: Any
    ) -> dict[str, Any]:
        return self.sign(self.unsigned(subject, type_, **changes))

    def post(self, document: dict[str, Any], **body: Any) -> Any:
        headers = {**self.headers, **body.pop("headers", {})}
        return self.registry.http.post("/credentials", json={"credential": document, **body}, headers=headers)

    def publish(self, document: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
        document = document or self.issue()
        answer = self.post(document, **body)
        assert answer.status_code == 201, answer.text
        return document

    def status_request(
        self, document: dict[str, Any], purpose: str = "revocation", *, value: bool = True, **changes: Any
    ) -> dict[str, Any]:
        values: dict[str, Any] = {
            "credential_id": document["id"],
            "credential_digest": document_digest(document),
            "purpose": purpose,
            "value": value,
            "reason": "the source withdrew it",
            "created": self.registry.clock(),
            "nonce": uuid4().hex,
            "issuer": self.did,
        }
        return self.sign(new_status_change_request(**{**values, **changes}))

    def change(self, document: dict[str, Any], purpose: str = "revocation", *, value: bool = True) -> Any:
        return self.registry.http.post("/credentials/status", json=self.status_request(document, purpose, value=value))


@dataclass
class Registry:
    """A registry in this process, reached over ASGI."""

    settings: Settings
    clock: Clock
    http: TestClient
    world: World = field(default_factory=World)

    @property
    def state(self) -> Any:
        return self.http.app.state.registry

    def challenge(self) -> dict[str, Any]:
        answer = self.http.post("/challenges", json={})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def presentation(self, signer: LocalSigner, issued: dict[str, Any], **changes: Any) -> dict[str, Any]:
        options = {"purpose": "authentication", "challenge": issued["challenge"], "domain": issued["domain"], **changes}
        document = {"@context": [CREDENTIALS_V2], "type": ["VerifiablePresentation"], "holder": signer.controller}
        return add_proof(document, signer, created=self.clock(), **options)

    def login(self, signer: LocalSigner | None = None, **body: Any) -> Publisher:
        signer = signer or LocalSigner.generate("ed25519")
        presentation = self.presentation(signer, self.challenge())
        answer = self.http.post("/tokens", json={"verifiablePresentation": presentation, **body})
        assert answer.status_code == 201, answer.text
        return Publisher(self, signer, answer.json())

    def manifest(self, document: dict[str, Any]) -> dict[str, Any]:
        """The manifest that a credential about the world's files claims."""
        return parse_json(self.world._manifests[document["credentialSubject"]["manifest"]["digest"]])

    def settle(self) -> None:
        """Let the writer do one round, upkeep included."""
        self.state.sequencer.run(lambda batch: None)


OpenRegistry = Callable[..., Registry]


@pytest.fixture(scope="session")
def registry_parts() -> SimpleNamespace:
    """The classes above, for fixtures of modules that open one registry for all their tests."""
    return SimpleNamespace(Clock=Clock, Registry=Registry)


@pytest.fixture
def data_dir(template: Path, tmp_path: Path) -> Path:
    """A data folder of its own for one test."""
    folder = tmp_path / "registry"
    shutil.copytree(template, folder)
    return folder


@pytest.fixture
def open_registry(
    data_dir: Path, database_url: str | None, opened_keys: RegistryKeys, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenRegistry]:
    """Open the registry of this test's data folder, as often as the test closes it; keywords are settings."""
    monkeypatch.setattr("service.app.load_keys", lambda *_arguments, **_options: opened_keys)
    monkeypatch.setattr("service.fsck.load_keys", lambda *_arguments, **_options: opened_keys)
    clock = Clock(NOW)
    with ExitStack() as stack:

        def open_(**changes: Any) -> Registry:
            values: dict[str, Any] = {
                "data_dir": data_dir,
                "public_url": URL,
                "database_url": database_url,
                "passphrase_file": data_dir / "passphrase",
                "rate_per_second": 100_000.0,
                "rate_burst": 100_000,
            }
            settings = Settings(**{**values, **changes})
            client = TestClient(create_app(settings, clock=clock), base_url=URL, raise_server_exceptions=True)
            stack.enter_context(client)
            return Registry(settings, clock, client)

        yield open_


@pytest.fixture
def registry(open_registry: OpenRegistry) -> Registry:
    """An open registry."""
    return open_registry()


@pytest.fixture
def web(open_registry: OpenRegistry, site: Site) -> Registry:
    """An open registry in development, which may reach the site on loopback."""
    return open_registry(dev=True, did_web_origins=(f"http://localhost:{site.port}",))


@pytest.fixture
def publisher(registry: Registry) -> Publisher:
    """A publisher who logged in."""
    return registry.login()
