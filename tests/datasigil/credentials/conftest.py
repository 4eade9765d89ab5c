"""Documents and keys that the credential tests share."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from datasigil.credentials import rdf_worker
from datasigil.credentials.did import did_key_resolver
from datasigil.signing import LocalSigner, add_proof

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="session", autouse=True)
def no_child_left_behind():
    """End the canonicalising subprocess with the session."""
    yield
    rdf_worker.stop()


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def examples_folder() -> Path:
    return Path(__file__).resolve().parents[3] / "schemas" / "examples"


@pytest.fixture
def examples(examples_folder) -> dict:
    """Every published example by name, fresh for each test."""
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(examples_folder.glob("*.json"))}


@pytest.fixture(scope="session")
def signer() -> LocalSigner:
    return LocalSigner.from_seed(bytes(range(32)))


@pytest.fixture(scope="session")
def attacker() -> LocalSigner:
    return LocalSigner.from_seed(b"\xaa" * 32)


@pytest.fixture
def minimal(examples, signer) -> dict:
    """The minimal dataset credential, issued by `signer`, unsigned."""
    document = copy.deepcopy(examples["dataset-minimal"])
    document["issuer"] = signer.controller
    return document


@pytest.fixture
def secured(minimal, signer) -> dict:
    """The minimal dataset credential, signed by its issuer."""
    return add_proof(minimal, signer, created=NOW)


@pytest.fixture
def keys():
    """A resolver that knows did:key alone."""
    return did_key_resolver
