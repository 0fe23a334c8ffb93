"""Runs or renders a gateway as the configuration of the part behind it says."""

import asyncio
import logging
import pathlib
import signal

from gthulhu.agent import config as agent_config
from gthulhu.cli import settings
from gthulhu.cli.local import children
from gthulhu.common import errors, logs
from gthulhu.gateway import options, process
from gthulhu.gateway import render as renderer
from gthulhu.manager import config as manager_config

_log = logging.getLogger(__name__)
_ANYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to


def run(
    *,
    kind: str,
    config: str | None,
    state_dir: pathlib.Path | None,
    upstreams: list[str],
    certificates: pathlib.Path | None,
) -> None:
    """Run Envoy until SIGTERM or SIGINT."""
    children.follow_parent()
    wanted, folder = _options(
        kind=kind, config=config, state_dir=state_dir, upstreams=upstreams, certificates=certificates
    )
    if wanted.exposed:
        _log.warning(
            "the gateway speaks plain HTTP on %s: whoever can listen in reads passwords and tokens. "
            "Set gateway.tls_certificate and gateway.tls_key, or listen on loopback behind something that ends TLS",
            wanted.listen,
        )
    try:
        asyncio.run(_serve(process.Gateway(wanted, folder=folder / "envoy")))
    except process.GatewayError as error:
        raise errors.PreconditionError("GATEWAY_FAILED", str(error)) from error


def render(
    *,
    kind: str,
    config: str | None,
    state_dir: pathlib.Path | None,
    upstreams: list[str],
    certificates: pathlib.Path | None,
    folder: pathlib.Path | None,
) -> None:
    """Print Envoy's configuration, or write it to a folder with the files that are made for it."""
    wanted, _ = _options(kind=kind, config=config, state_dir=state_dir, upstreams=upstreams, certificates=certificates)
    if folder is None:
        print(renderer.render(wanted), end="")
    else:
        print(process.write(wanted, folder))


async def _serve(gateway: process.Gateway) -> None:
    loop = asyncio.get_running_loop()
    async with gateway, asyncio.TaskGroup() as group:
        print(f"gateway listens on {gateway.url}", flush=True)
        waiting = group.create_task(gateway.wait())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, waiting.cancel)


def _options(
    *,
    kind: str,
    config: str | None,
    state_dir: pathlib.Path | None,
    upstreams: list[str],
    certificates: pathlib.Path | None,
) -> tuple[options.Options, pathlib.Path]:
    loaded = settings.of_kind(kind, config=config, state_dir=state_dir).settings
    logs.configure(level=loaded.logging.level, format=loaded.logging.format)
    try:
        if isinstance(loaded, manager_config.ManagerConfig):
            wanted = options.Options(
                kind="manager",
                listen=loaded.server.host,
                upstreams=upstreams or [_reachable(loaded.server.grpc_address)],
                certificates=certificates or loaded.path(loaded.identity.folder),
                trust_domain=loaded.identity.trust_domain,
                tls=_certificate(loaded, loaded.gateway),
                cors_origins=loaded.gateway.cors_origins,
                login_attempts=loaded.gateway.login_attempts,
                trusted_proxies=loaded.gateway.trusted_proxies,
                request_timeout=loaded.gateway.request_seconds,
                access_log=loaded.gateway.access_log,
            )
        else:
            wanted = options.Options(
                kind="agent",
                listen=loaded.server.host,
                upstreams=upstreams or [f"unix:{loaded.path(loaded.server.socket)}"],
                tls=_certificate(loaded, loaded.gateway),
                open_to=loaded.gateway.open_to,
                access_log=loaded.gateway.access_log,
            )
    except ValueError as error:
        raise errors.InvalidInputError("GATEWAY_INVALID", str(error)) from None
    return wanted, loaded.state_dir


def _certificate(
    loaded: manager_config.ManagerConfig | agent_config.AgentConfig,
    given: manager_config.Gateway | agent_config.Gateway,
) -> options.Certificate | None:
    chain, key = given.tls_certificate, given.tls_key
    if (chain is None) != (key is None):
        raise ValueError("gateway.tls_certificate and gateway.tls_key: set both or none")
    return options.Certificate(chain=loaded.path(chain), key=loaded.path(key)) if chain and key else None


def _reachable(address: str) -> str:
    host, port = options.split(address)
    return f"127.0.0.1:{port}" if host in _ANYWHERE else address
