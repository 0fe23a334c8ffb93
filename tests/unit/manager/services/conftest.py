"""What the tests of the manager's services share."""

import pathlib
from collections.abc import AsyncIterator

import pytest

from gthulhu.common.identity import tokens
from tests.unit.manager.services import harness


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tokens.KeyRing:
    """Return keys, made once because that is slow."""
    return tokens.KeyRing.load_or_create(tmp_path_factory.mktemp("jwt"))


@pytest.fixture
async def api(tmp_path: pathlib.Path, keys: tokens.KeyRing) -> AsyncIterator[harness.Api]:
    """Serve, with an administrator."""
    async with harness.serving(tmp_path, keys=keys) as served:
        yield served
