"""The exported OpenAPI document, held against a running registry by schemathesis: no 5xx and no answer that is not documented.

Here: the runs, bounded in time. Not here: what a right answer says (the other tests of the service).
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_spec_validator import validate
from registry_process import RegistryProcess

from datasigil.signing import LocalSigner

HERE = Path(__file__).parent
OPERATOR_SEED = "the operator of a test registry."
# Tile paths are rare among random text; that says nothing about the registry.
LENIENT = ("--suppress-health-check", "filter_too_much")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryProcess]:
    """A served registry with a hosted key, whose one publisher is an operator, so that no role stands before an answer."""
    made = RegistryProcess(tmp_path / "data").initialise("--hosted-key")
    done = made.run("admin", "operator", LocalSigner.from_seed(OPERATOR_SEED.encode()).controller)
    assert done.returncode == 0, done.stderr
    with made as running:
        yield running


def run(registry: RegistryProcess, repository: Path, *arguments: str) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{repository}:{repository / 'tests'}:{HERE}",
        "SCHEMATHESIS_HOOKS": "hooks",
        "REGISTRY_FOLDER": str(registry.folder),
        "REGISTRY_PORT": str(registry.port),
        "REGISTRY_OPERATOR_SEED": OPERATOR_SEED,
    }
    program = [str(Path(sys.executable).parent / "st"), "--config-file", str(HERE / "schemathesis.toml")]
    done = subprocess.run(
        [*program, "run", str(repository / "openapi/openapi.json"), "--url", registry.url, *LENIENT, *arguments],
        env=environment,
        cwd=registry.folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-4_000:]


def test_the_document_is_valid_openapi(repository: Path) -> None:
    document = json.loads((repository / "openapi/openapi.json").read_text("utf-8"))
    assert document["openapi"] == "3.1.0"
    validate(document)


def test_every_write_has_an_example(repository: Path) -> None:
    document = json.loads((repository / "openapi/openapi.json").read_text("utf-8"))
    bodies = [
        content
        for path in document["paths"].values()
        for operation in path.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]
    assert len(bodies) >= 7
    assert all("example" in body for body in bodies)


@pytest.mark.slow
@pytest.mark.timeout(300)  # half a minute on two free cores
def test_the_registry_answers_as_its_document_says(registry: RegistryProcess, repository: Path) -> None:
    run(registry, repository, "--max-examples", "20", "--seed", "20261125", "--no-shrink")
    assert registry.run("fsck").returncode == 0


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_registry_answers_so_for_half_an_hour(registry: RegistryProcess, repository: Path) -> None:
    run(registry, repository, "--max-examples", "1000", "--max-time", "1800")
    assert registry.run("fsck").returncode == 0
