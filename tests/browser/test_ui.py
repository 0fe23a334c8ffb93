"""The web UI: logging in, seeing what there is, changing strategies, and being told what goes wrong."""

import re
import uuid

from playwright import async_api
from playwright.async_api import expect

from tests.integration.gateway import installed


async def log_in(page: async_api.Page, username: str = "admin", password: str = installed.ADMIN_PASSWORD) -> None:
    await page.goto("/")
    await _submit_login(page, username, password)


async def _submit_login(page: async_api.Page, username: str, password: str) -> None:
    form = page.locator("#login")
    await form.get_by_label("User").fill(username)
    await form.get_by_label("Password").fill(password)
    await form.get_by_role("button", name="Log in").click()


async def create(page: async_api.Page, **fields: str) -> None:
    """Fill in the form, and press Create."""
    await page.get_by_text("New strategy").click()
    for name, value in fields.items():
        await page.locator(f"#strategy [name={name}]").fill(value)
    await page.get_by_role("button", name="Create").click()


async def test_it_shows_nodes_strategies_and_intents_and_follows_them(
    page: async_api.Page, system: installed.Installed
) -> None:
    body = {"name": "seen", "labelSelectors": [{"key": "app", "value": "web"}], "priority": 4}
    made = await system.call("POST", "/api/v1/strategies", body, token=system.token("all"))

    await log_in(page)

    await expect(page.locator("#nodes tbody tr")).to_contain_text(re.compile(f"{installed.NODE}.*SYNCED.*external"))
    await expect(page.locator("#strategies tbody tr", has_text="seen")).to_contain_text(
        re.compile("default/seen.*app=web in all namespaces.*every process.*4.*default.*ACTIVE.*2")
    )
    intents = page.locator("#intents tbody tr")
    await expect(intents.first).to_contain_text(re.compile(f"default/web-1.*{installed.NODE}.*4.*APPLIED.*1.*1"))
    await expect(intents).to_have_count(2)
    await expect(page.locator("#live")).to_have_text("live")

    body = {"strategyId": made.json["data"]["id"]}
    await system.call("DELETE", "/api/v1/strategies", body, token=system.token("all"))
    await expect(intents).to_have_count(0)


async def test_a_strategy_is_previewed_created_and_deleted(page: async_api.Page) -> None:
    name = f"made-{uuid.uuid4().hex[:8]}"
    await log_in(page)
    await page.get_by_text("New strategy").click()
    form = page.locator("#strategy")
    await form.get_by_label("Name", exact=True).fill(name)
    await form.get_by_label("Labels").fill("app=web")
    await form.get_by_label("Command").fill("nginx.*")
    await form.get_by_label("Priority").fill("2")
    await form.get_by_label("Slice").fill("5")

    await form.get_by_role("button", name="Preview").click()
    await expect(form.locator("output")).to_contain_text(f"2 pods\ndefault/web-1 on {installed.NODE}")
    row = page.locator("#strategies tbody tr", has_text=name)
    await expect(row).to_have_count(0)

    await form.get_by_role("button", name="Create").click()
    await expect(row).to_contain_text(re.compile("nginx.*2.*5 ms.*ACTIVE"))
    await expect(form.locator("output")).to_contain_text(f"{name} selects 2 pods")

    page.once("dialog", lambda dialog: dialog.dismiss())
    await row.get_by_role("button", name="Delete").click()
    await expect(row).to_have_count(1)
    page.once("dialog", lambda dialog: dialog.accept())
    await row.get_by_role("button", name="Delete").click()
    await expect(row).to_have_count(0)


async def test_a_wrong_password_is_said_to_be_wrong(page: async_api.Page) -> None:
    await log_in(page, password="wrong")

    await expect(page.get_by_role("alert")).to_have_text("wrong user name or password")
    await expect(page.locator("main")).to_be_hidden()


async def test_a_refusal_names_the_field(page: async_api.Page) -> None:
    await log_in(page)

    await create(page, labels="app=web", commandRegex="(")

    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("strategy.commandRegex")
    await expect(alert).to_be_in_viewport()


async def test_names_are_text_and_never_markup(page: async_api.Page, system: installed.Installed) -> None:
    body = {"name": "markup", "labelSelectors": [{"key": "app"}], "commandRegex": "<img src=x onerror=alert(1)>"}
    await system.call("POST", "/api/v1/strategies", body, token=system.token("all"))

    await log_in(page)

    await expect(page.locator("#strategies tbody tr", has_text="markup")).to_contain_text("<img src=x")
    await expect(page.locator("img")).to_have_count(0)


async def test_whoever_may_not_see_something_is_told(page: async_api.Page, system: installed.Installed) -> None:
    name = await _user(system, roles=[])
    await _change_password(page, name)
    await _submit_login(page, name, "another-" + installed.PASSWORD)

    await expect(page.get_by_role("alert")).to_contain_text("needs the permission")


async def test_a_first_login_changes_the_password(page: async_api.Page, system: installed.Installed) -> None:
    name = await _user(system, roles=["viewer"])

    await _change_password(page, name)

    await expect(page.get_by_role("alert")).to_contain_text("The password is changed")
    await _submit_login(page, name, "another-" + installed.PASSWORD)
    await expect(page.locator("#nodes tbody tr")).to_contain_text(installed.NODE)


async def test_a_session_goes_on_when_its_token_ends_and_ends_when_it_is_ended(page: async_api.Page) -> None:
    await log_in(page)
    await expect(page.locator("#live")).to_have_text("live")
    await page.evaluate(
        """() => {
            const session = JSON.parse(sessionStorage.getItem("gthulhu.session"));
            sessionStorage.setItem("gthulhu.session", JSON.stringify({ ...session, access: "ended" }));
        }"""
    )

    await page.reload()

    await expect(page.locator("#live")).to_have_text("live")
    await expect(page.locator("#nodes tbody tr")).to_contain_text(installed.NODE)
    await page.get_by_role("button", name="Log out").click()
    await expect(page.locator("#login")).to_be_visible()
    await page.reload()
    await expect(page.locator("#login")).to_be_visible()


async def test_a_small_screen_scrolls_tables_only(page: async_api.Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})
    await log_in(page)
    await expect(page.locator("#nodes tbody tr")).to_contain_text(installed.NODE)

    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def _user(system: installed.Installed, *, roles: list[str]) -> str:
    """Add a user who has to change the password first."""
    name = f"u-{uuid.uuid4().hex[:8]}"
    body = {"username": name, "password": installed.PASSWORD, "roles": roles}
    answer = await system.call("POST", "/api/v1/users", body, token=system.token("all"))
    assert answer.status == 200, answer.body
    return name


async def _change_password(page: async_api.Page, name: str) -> None:
    await log_in(page, name, installed.PASSWORD)
    form = page.locator("#change")
    await form.get_by_label("Old password").fill(installed.PASSWORD)
    await form.get_by_label("New password").fill("another-" + installed.PASSWORD)
    await form.get_by_role("button", name="Change it").click()
    await expect(page.locator("#login")).to_be_visible()
