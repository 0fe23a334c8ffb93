"""What the tests of the manifests share."""

import pytest

from scripts import manifests


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[manifests.Object, ...]]:
    return manifests.everything(tmp_path_factory.mktemp("kustomize"))
