"""A real manager behind Envoy, with every limit on attempts out of the way, for all tests here."""

import dataclasses
import pathlib
from collections.abc import AsyncIterator

import pydantic
import pytest
import pytest_asyncio

from gthulhu.gateway import options, process
from gthulhu.manager import app, config
from tests.integration.gateway import harness
from tests.integration.manager import rig

PASSWORD = "correct-horse-battery-7"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests here, and let them share the loop that the fixtures live in."""
    here = pathlib.Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.fuzz)
            item.add_marker(pytest.mark.timeout(1800))
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@dataclasses.dataclass(frozen=True)
class Target:
    """What is attacked."""

    url: str
    manager: app.Manager
    folder: pathlib.Path

    async def still_works(self) -> None:
        """Show that an honest user is served as if nothing had been."""
        answer = await harness.call(
            self.url, "POST", "/api/v1/auth/login", json_body={"username": "admin", "password": PASSWORD}
        )
        assert answer.status == 200, answer.body
        token = answer.json["data"]["accessToken"]
        shown = await harness.call(self.url, "GET", "/api/v1/users/self", headers={"authorization": f"Bearer {token}"})
        assert shown.status == 200, shown.body


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    folder = tmp_path_factory.mktemp("fuzz")
    installation = rig.install(folder)
    installation.authority.issue("gateway", folder / "pki")
    plain = installation.config()
    settings = plain.model_copy(
        update={
            "server": plain.server.model_copy(update={"enrollment_address": "127.0.0.1:0"}),
            "identity": plain.identity.model_copy(update={"ca_key": folder / "ca" / "ca.key"}),
            "account": config.Account(admin_password=pydantic.SecretStr(PASSWORD)),
            "passwords": config.Passwords(time_cost=1, memory_kib=8, failures=1000),
        }
    )
    async with app.build_manager(settings) as manager:
        gateway_settings = options.Options(
            kind="manager",
            listen="127.0.0.1:0",
            upstreams=[f"127.0.0.1:{manager.grpc_port}"],
            certificates=folder / "pki",
            trust_domain=rig.TRUST_DOMAIN,
            login_attempts=1_000_000,
            access_log="",
        )
        async with process.Gateway(gateway_settings, folder=folder / "gateway") as gateway:
            yield Target(gateway.url, manager, folder)
