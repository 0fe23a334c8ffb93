"""What the tests of a real agent start with."""

import pathlib

import pytest

from tests.integration.agent import rig


@pytest.fixture
def installation(tmp_path: pathlib.Path) -> rig.Installation:
    return rig.install(tmp_path)


@pytest.fixture
def manager() -> rig.StubManager:
    return rig.StubManager()
