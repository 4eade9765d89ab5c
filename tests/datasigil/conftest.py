"""What tests of the core leave behind is taken away: the RDF subprocess."""

from collections.abc import Iterator

import pytest

from datasigil.credentials import rdf_worker


@pytest.fixture(scope="session", autouse=True)
def no_child_left() -> Iterator[None]:
    yield
    rdf_worker.stop()
