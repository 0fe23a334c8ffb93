"""What the tests of a real manager start with."""

import pathlib

import pytest

from tests.integration.manager import rig


@pytest.fixture
def installation(tmp_path: pathlib.Path) -> rig.Installation:
    return rig.install(tmp_path)
