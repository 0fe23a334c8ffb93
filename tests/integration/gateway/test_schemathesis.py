"""What the OpenAPI documents allow, and what they do not, is answered as they say: not by 500, not in another shape.

`make fuzz` takes ten minutes for each document in place of half of one.
"""

import asyncio
import json
import os
import pathlib
import sys
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from gthulhu.gateway import openapi, routes
from tests.integration.gateway import installed

_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
_LEFT_OUT = (
    "/api/v1/intents/watch",  # does not end
    "/api/v1/auth/logout-all",  # this and the next end what the requests are made with
    "/api/v1/users/self/password",
)
_SECONDS = 600 if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 25


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def system(
    tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Callable[[], int]
) -> AsyncIterator[installed.Installed]:
    async with installed.running(tmp_path_factory.mktemp("o"), agent_port=unused_tcp_port_factory()) as running:
        yield running


@pytest.mark.hypothesis
@pytest.mark.timeout(4 * _SECONDS)
@pytest.mark.parametrize("kind", ["manager", "agent"])
async def test_answers_are_as_the_document_says(
    system: installed.Installed, tmp_path: pathlib.Path, kind: routes.Kind
) -> None:
    url = system.url if kind == "manager" else system.agent_url
    token = system.token("all") if kind == "manager" else await system.agent_token("manager")
    (tmp_path / "doc.json").write_text(json.dumps(openapi.document(kind)))

    process = await asyncio.create_subprocess_exec(
        str(pathlib.Path(sys.executable).with_name("schemathesis")),
        "run",
        "doc.json",
        *("--url", url, "--header", f"authorization: Bearer {token}"),
        *("--checks", ",".join(_CHECKS), "--phases", "coverage,fuzzing", "--mode", "all"),
        *("--max-time", str(_SECONDS), "--request-timeout", "20", "--no-color"),
        *(part for path in _LEFT_OUT for part in ("--exclude-path", path)),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert process.returncode == 0, output.decode()
    assert b"Fuzzing" in output
