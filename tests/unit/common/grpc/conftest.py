"""One authority for all tests of gRPC."""

import pytest

from tests.unit.common.grpc import servers


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> servers.Pki:
    return servers.Pki(tmp_path_factory.mktemp("pki"))
