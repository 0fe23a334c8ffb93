"""Files that a gateway serves: Swagger UI over our own document, and the web UI."""

import re

import openapi_spec_validator
import pytest

from gthulhu.common import assets
from gthulhu.gateway import openapi
from tests.integration.gateway import harness


async def test_the_openapi_document_is_served(manager: harness.Upstream, url: str) -> None:
    answer = await harness.call(url, "GET", "/swagger/doc.json")

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == openapi.document("manager")
    openapi_spec_validator.validate(answer.json)
    assert manager.requests == []


@pytest.mark.parametrize("page", ["swagger/index.html", "ui/index.html"])
async def test_a_page_has_all_that_it_refers_to(url: str, page: str) -> None:
    folder = page.split("/", maxsplit=1)[0]
    answer = await harness.call(url, "GET", f"/{page}")
    referred = re.findall(r'(?:src|href)="([^":]+)"', answer.body.decode())
    imported = re.findall(
        r'from "\./([^"]+)"', "".join(path.read_text() for path in assets.path("gateway/ui").glob("*.js"))
    )

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-cache"
    assert len(referred) >= 3
    for name in [*referred, *(imported if folder == "ui" else [])]:
        path = name if name.startswith("/") else f"/{folder}/{name}"
        assert (await harness.call(url, "GET", path)).status == 200, path


async def test_no_page_needs_inline_scripts() -> None:
    for page in ("gateway/swagger/index.html", "gateway/ui/index.html"):
        assert not re.search(r"<script>|\son\w+=", assets.path(page).read_text(encoding="utf-8"))


async def test_the_password_is_masked_and_may_be_pasted() -> None:
    page = assets.path("gateway/ui/index.html").read_text(encoding="utf-8")
    fields = re.findall(r'<input[^>]*name="\w*[pP]assword"[^>]*>', page)

    assert len(fields) >= 3
    assert all('type="password"' in field and 'autocomplete="' in field for field in fields)
    for script in assets.path("gateway/ui").glob("*.js"):
        assert not re.search(r"[\"']paste[\"']|onpaste", script.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("path", "target"),
    [("/", "/ui/"), ("/ui", "/ui/"), ("/swagger", "/swagger/")],
)
async def test_short_paths_lead_to_the_pages(url: str, path: str, target: str) -> None:
    answer = await harness.call(url, "GET", path)

    assert (answer.status, answer.headers["location"]) == (302, url + target)


@pytest.mark.parametrize(
    "path",
    [
        "/ui/../presentation.lua",
        "/ui/%2e%2e/presentation.lua",
        "/ui/..%2fpresentation.lua",
        "/swagger/..%5c..%5c__init__.py",
        "/swagger/../../../../../../../../etc/passwd",
        "/swagger/../envoy.yaml",
        "/swagger/assets/../../envoy.yaml",
    ],
)
async def test_nothing_outside_the_folders_is_served(url: str, path: str) -> None:
    answer = await harness.call(url, "GET", path)

    assert answer.status in (400, 404)
    assert answer.json["success"] is False
