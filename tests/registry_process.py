"""A registry as a real process on a loopback port.

Here: `python -m service` started, waited for, killed and checked, and publishers who sign for it. Not here: databases
(`service/conftest.py`) and what is asked of it.
"""

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx
from prepared_service import Prepared, run_prepared
from simulator import World

from datasigil.canonical import document_digest
from datasigil.credentials.contexts import CREDENTIALS_V2, DATASIGIL_V1
from datasigil.credentials.status_request import new_status_change_request
from datasigil.credentials.types import credential_schema
from datasigil.encoding import Instant, parse_json
from datasigil.signing import LocalSigner, add_proof

REPOSITORY = Path(__file__).resolve().parent.parent
PASSPHRASE = "correct horse"
START_SECONDS = 60.0  # a loaded machine


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RegistryProcess:
    """One data folder and, while it runs, the process that serves it."""

    folder: Path
    database_url: str | None = None
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | Prepared | None = None
    scheme: str = "http"
    prepared: bool = True  # forked from a process that has everything imported; figures want one that has not

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def journal(self) -> Path:
        return self.folder.with_suffix(".journal")

    def variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DATASIGIL_")}
        given = {
            "DATASIGIL_PASSPHRASE_FILE": str(self.folder.with_suffix(".passphrase")),
            "DATASIGIL_RATE_PER_SECOND": "1000000",
            "DATASIGIL_RATE_BURST": "1000000",
        }
        if self.database_url is not None:
            given["DATASIGIL_DATABASE_URL"] = self.database_url
        return {**kept, **given, **self.environment}

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the service on the same data folder."""
        if self._is_forked:
            return run_prepared([command, "--data-dir", str(self.folder), *arguments], self.variables())
        return subprocess.run(
            [sys.executable, "-m", "service", command, "--data-dir", str(self.folder), *arguments],
            cwd=REPOSITORY,
            env=self.variables(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def _is_forked(self) -> bool:
        return self.prepared and "LD_PRELOAD" not in self.environment

    def initialise(self, *arguments: str) -> Self:
        self.folder.with_suffix(".passphrase").write_text(PASSPHRASE)
        done = self.run("init", "--public-url", self.url, *arguments)
        assert done.returncode == 0, done.stderr
        return self

    def start(self) -> Self:
        """Start serving and wait until it can write."""
        arguments = ["serve", "--data-dir", str(self.folder), "--port", str(self.port), *self.arguments]
        if self._is_forked:
            self.process = Prepared(arguments, self.variables(), self.journal, self.journal)
            self.wait_until_ready()
            return self
        with self.journal.open("ab") as journal:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", *arguments],
                cwd=REPOSITORY,
                env=self.variables(),
                stdout=journal,
                stderr=journal,
            )
        self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, self.journal.read_text()[-3000:]
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2, verify=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not ready within {START_SECONDS:.0f} s: {self.journal.read_text()[-3000:]}")

    def kill(self) -> None:
        """End the process as a power cut would end it, as far as the process can tell."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        """Ask the process to end; its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def __enter__(self) -> Self:
        return self if self.process is not None else self.start()

    def __exit__(self, *error: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def login_body(self, signer: LocalSigner, **body: Any) -> dict[str, Any]:
        """A body of POST /tokens that answers a fresh challenge; more members as given."""
        issued = httpx.post(f"{self.url}/challenges", json={}, timeout=20).json()
        unsigned = {"@context": [CREDENTIALS_V2], "type": ["VerifiablePresentation"], "holder": signer.controller}
        presentation = add_proof(
            unsigned,
            signer,
            created=datetime.now(UTC).replace(microsecond=0),
            purpose="authentication",
            challenge=issued["challenge"],
            domain=issued["domain"],
        )
        return {"verifiablePresentation": presentation, **body}

    def login(self, signer: LocalSigner, **body: Any) -> dict[str, Any]:
        """Prove control of a did:key over HTTP; the reply to POST /tokens."""
        answer = httpx.post(f"{self.url}/tokens", json=self.login_body(signer, **body), timeout=20)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


@dataclass
class LivePublisher:
    """A publisher of a registry process: signs credentials and status requests, which the caller sends."""

    registry: RegistryProcess
    signer: LocalSigner = field(default_factory=lambda: LocalSigner.generate("ed25519"))
    reply: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)  # at login: scopes, say
    indices: Iterator[int] = field(default_factory=itertools.count)
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.reply = self.registry.login(self.signer, **self.asked)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.reply['token']}"}

    def credential(self, **changes: Any) -> dict[str, Any]:
        """A signed DatasetCredential about the world's files, with the next free index."""
        index = str(next(self.indices))
        now = datetime.now(UTC).replace(microsecond=0)
        unsigned: dict[str, Any] = {
            "@context": [CREDENTIALS_V2, DATASIGIL_V1],
            "id": f"urn:uuid:{uuid4()}",
            "type": ["VerifiableCredential", "DatasetCredential"],
            "issuer": self.signer.controller,
            "validFrom": str(Instant.from_datetime(now)),
            "credentialSchema": credential_schema("DatasetCredential"),
            "credentialStatus": [
                {
                    "type": "BitstringStatusListEntry",
                    "statusPurpose": purpose,
                    "statusListIndex": index,
                    "statusListCredential": address,
                    "statusIssuer": self.reply["statusIssuer"],
                }
                for purpose, address in self.reply["statusLists"].items()
            ],
            "transparencyLog": {
                "type": "TransparencyLog",
                "origin": self.reply["log"]["origin"],
                "url": self.reply["log"]["url"],
            },
            "credentialSubject": self.world.subject(),
        }
        return add_proof({**unsigned, **changes}, self.signer, created=now)

    def manifest(self, document: dict[str, Any]) -> Any:
        """The manifest that a credential about the world's files claims."""
        return parse_json(self.world._manifests[document["credentialSubject"]["manifest"]["digest"]])

    def status_request(self, document: dict[str, Any], purpose: str, *, value: bool = True) -> dict[str, Any]:
        now = datetime.now(UTC).replace(microsecond=0)
        unsigned = new_status_change_request(
            credential_id=document["id"],
            credential_digest=document_digest(document),
            purpose=purpose,
            value=value,
            reason="the source withdrew it",
            created=now,
            nonce=uuid4().hex,
            issuer=self.signer.controller,
        )
        return add_proof(unsigned, self.signer, created=now)

    def publish(self, document: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
        document = document or self.credential()
        answer = httpx.post(
            f"{self.registry.url}/credentials",
            json={"credential": document, **body},
            headers=self.headers,
            timeout=20,
        )
        assert answer.status_code == 201, answer.text
        return document
