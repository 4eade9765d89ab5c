"""A tiny base model, made once, and a case around it for each test."""

from pathlib import Path

import pytest
from trainees import Case, make_case, write_tiny_base


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


@pytest.fixture
def trainable(tmp_path: Path, tiny_base: Path) -> Case:
    return make_case(tmp_path, base=tiny_base)
