"""Envoy itself takes what is rendered."""

import asyncio
import pathlib

import pytest

from gthulhu.gateway import options, process
from tests.integration.gateway import harness


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "agent", "listen": "127.0.0.1:8080", "upstreams": ["unix:/run/agent.sock"]},
        {"kind": "manager", "listen": ":8081", "upstreams": ["manager-1:9443", "manager-2:9443"]},
        {"kind": "manager", "listen": "[::]:8081", "upstreams": ["10.0.0.1:9443", "[fd00::1]:9443"], "tls": True},
        {
            "kind": "manager",
            "listen": "127.0.0.1:8081",
            "upstreams": ["localhost:9443"],
            "admin": "127.0.0.1:9901",
            "access_log": "",
            "cors_origins": ["https://a.example", "https://b.example"],
            "reflection": False,
            "trusted_proxies": 2,
        },
    ],
    ids=["agent", "manager", "tls", "options"],
)
async def test_envoy_takes_every_rendering(
    identity: pathlib.Path, tmp_path: pathlib.Path, changes: dict[str, object]
) -> None:
    tls = (
        options.Certificate(chain=identity / "gateway.crt", key=identity / "gateway.key") if "tls" in changes else None
    )
    certificates = identity if changes["kind"] == "manager" else None
    settings = options.Options(
        **{**changes, "tls": tls, "certificates": certificates, "trust_domain": harness.TRUST_DOMAIN}
    )

    envoy = await asyncio.create_subprocess_exec(
        process.executable(),
        *("--mode", "validate", "--log-level", "error", "--config-path", str(process.write(settings, tmp_path))),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(envoy.communicate(), timeout=20)

    assert envoy.returncode == 0, output.decode()
