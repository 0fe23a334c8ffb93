"""Swagger UI shows the API, logs in, and makes calls."""

import json
from typing import Any

from playwright import async_api
from playwright.async_api import expect

from gthulhu.gateway import routes
from tests.integration.gateway import installed


async def test_the_api_can_be_called_from_swagger_ui(page: async_api.Page) -> None:
    await page.goto("/swagger/")
    await expect(page.locator(".title").first).to_contain_text("Gthulhu")
    await expect(page.locator(".opblock")).to_have_count(len(routes.routes("manager")))
    list_nodes, login = await _open(page, "ClusterService_ListNodes"), await _open(page, "AuthService_Login")

    refused = await _execute(list_nodes)
    credentials = {"username": "admin", "password": installed.ADMIN_PASSWORD}
    await login.locator("textarea.body-param__text").fill(json.dumps(credentials))
    tokens = await _execute(login)
    await page.locator(".auth-wrapper .authorize").first.click()
    await page.locator(".auth-container input").fill(tokens["data"]["accessToken"])
    await page.locator(".auth-container button.authorize").click()
    await page.locator(".auth-container button.btn-done").click()
    await list_nodes.locator(".btn-clear").click()
    nodes = await _execute(list_nodes)

    assert refused["code"] == "TOKEN_MISSING"
    assert [node["name"] for node in nodes["data"]["nodes"]] == [installed.NODE]


async def _open(page: async_api.Page, operation: str) -> async_api.Locator:
    block = page.locator(f".opblock[id$='{operation}']")
    await block.locator(".opblock-summary-control").click()
    return block


async def _execute(block: async_api.Locator) -> dict[str, Any]:
    """Press the button, and return the body that is shown."""
    await block.locator("button.execute").click()
    shown = block.locator(".live-responses-table .response-col_description pre code").first
    return json.loads(await shown.inner_text())
