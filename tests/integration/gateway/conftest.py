"""One gateway in front of one manager, and one in front of one agent, for all tests here."""

import inspect
import pathlib
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from gthulhu.common.identity import pki
from gthulhu.gateway import options, process
from tests.integration.gateway import harness


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let all tests here share the loop that the gateways' fixtures live in."""
    here = pathlib.Path(__file__).parent
    for item in items:
        function = getattr(item, "function", None)
        function = getattr(getattr(function, "hypothesis", None), "inner_test", function)  # a property's own function
        if here in item.path.parents and inspect.iscoroutinefunction(function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a folder with the certificates of a manager and of a gateway."""
    folder = tmp_path_factory.mktemp("pki")
    authority = pki.Authority.create(folder, trust_domain=harness.TRUST_DOMAIN)
    authority.issue("manager", folder, ips=["127.0.0.1"])
    authority.issue("gateway", folder, ips=["127.0.0.1"])
    return folder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running_manager(
    identity: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[harness.Upstream, str]]:
    """Serve a manager whose answers tests decide, behind a gateway; yields it and the gateway's URL."""
    upstream = harness.Upstream()
    folder = tmp_path_factory.mktemp("manager-gateway")
    async with harness.serving(upstream, identity=identity) as address:
        settings = options.Options(
            kind="manager",
            listen="127.0.0.1:0",
            upstreams=[address],
            certificates=identity,
            trust_domain=harness.TRUST_DOMAIN,
            cors_origins=["https://ui.example"],
            login_attempts=1_000_000,
            access_log=str(folder / "access.log"),
        )
        async with process.Gateway(settings, folder=folder) as gateway:
            yield upstream, gateway.url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running_agent(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[harness.Upstream, str]]:
    """Do the same for an agent on a unix socket."""
    upstream = harness.Upstream()
    folder = tmp_path_factory.mktemp("agent")
    async with harness.serving(upstream, socket=folder / "a.sock") as address:
        settings = options.Options(kind="agent", listen="127.0.0.1:0", upstreams=[address], access_log="")
        async with process.Gateway(settings, folder=folder / "gateway") as gateway:
            yield upstream, gateway.url


@pytest.fixture
def manager(running_manager: tuple[harness.Upstream, str]) -> Iterator[harness.Upstream]:
    """Return the manager behind the gateway; it forgets its answers after the test."""
    upstream, _ = running_manager
    yield upstream
    upstream.forget()


@pytest.fixture
def url(running_manager: tuple[harness.Upstream, str]) -> str:
    """Return the URL of the manager's gateway."""
    return running_manager[1]


@pytest.fixture
def agent(running_agent: tuple[harness.Upstream, str]) -> Iterator[harness.Upstream]:
    """Return the agent behind its gateway; it forgets its answers after the test."""
    upstream, _ = running_agent
    yield upstream
    upstream.forget()


@pytest.fixture
def agent_url(running_agent: tuple[harness.Upstream, str]) -> str:
    """Return the URL of the agent's gateway."""
    return running_agent[1]
