"""One finished run of a tiny model, signed by a simulated publisher, that every test here takes a copy of."""

import shutil
from pathlib import Path

import pytest
from trainees import Case, make_case, write_tiny_base


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Case:
    from training_worker.sign_model import Registration, model_credential, sign_credential

    folder = tmp_path_factory.mktemp("model")
    case = make_case(folder / "case", base=write_tiny_base(folder / "base"), epochs=1)
    world = case.world
    publisher = world.publisher
    registration = Registration(
        publisher.did,
        {purpose: publisher.list_id(purpose) for purpose in ("revocation", "suspension")},
        world.registry.controller,
        world.log.origin,
        f"{world.url}/log",
    )

    def sign(receipt, receipt_digest, card_digest):
        document = model_credential(
            receipt, receipt_digest, card_digest, registration=registration, publisher="Tests", at=world.now, index=77
        )
        return {"model-credential.json": sign_credential(document, publisher.signer, at=world.now)}

    case.train(sign=sign)
    return case


@pytest.fixture
def model(finished: Case, tmp_path: Path) -> Path:
    target = tmp_path / "run"
    shutil.copytree(finished.folder / "run", target)
    return target
