"""A headless Chromium, and pages of a gateway in front of a real manager with a real agent."""

import inspect
import pathlib
import shutil
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from playwright import async_api

from tests.integration.gateway import installed

_ARGUMENTS = [
    "--no-sandbox",  # it has none where tests run as root; it sees no page but ours
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS = 20
"""That anything a page does may take."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests here, and let them share the loop of the browser and the system."""
    here = pathlib.Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if inspect.iscoroutinefunction(getattr(item, "function", None)):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[async_api.Browser]:
    """Run the browser that scripts/setup.sh has installed."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("there is no chromium: `scripts/setup.sh tests` installs it, as root on Debian and Ubuntu")
    async_api.expect.set_options(timeout=SECONDS * 1000)
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def system(
    tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Callable[[], int]
) -> AsyncIterator[installed.Installed]:
    """Run manager, agent and gateways."""
    async with installed.running(tmp_path_factory.mktemp("b"), agent_port=unused_tcp_port_factory()) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: async_api.Browser, system: installed.Installed) -> AsyncIterator[async_api.Page]:
    """Open a tab of its own, at the gateway; no script in it may fail, and no content be refused by its policy."""
    context = await chromium.new_context(base_url=system.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(SECONDS * 1000)
    tab = await context.new_page()
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    yield tab
    await context.close()
    assert complaints == []
