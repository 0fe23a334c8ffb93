"""Envoy lives exactly as long as its owner wants."""

import asyncio
import os
import pathlib
import signal
import sys

import pytest

from gthulhu.gateway import options, process


def settings(**changes: object) -> options.Options:
    return options.Options(
        **{
            "kind": "agent",
            "listen": "127.0.0.1:0",
            "upstreams": ["unix:nobody.sock"],
            "access_log": "",
            **changes,
        }
    )


async def test_it_listens_inside_its_context_and_is_gone_after(tmp_path: pathlib.Path) -> None:
    async with process.Gateway(settings(), folder=tmp_path) as gateway:
        host, port = gateway.address
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
        pid = _child(gateway)

    assert port
    assert not _running(pid)
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(host, port)


async def test_its_folder_may_be_deep(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / ("x" * 60) / ("y" * 60)

    async with process.Gateway(settings(), folder=folder) as gateway:
        assert gateway.url.startswith("http://127.0.0.1:")


async def test_its_admin_socket_is_for_its_owner_only(tmp_path: pathlib.Path) -> None:
    async with process.Gateway(settings(), folder=tmp_path):
        assert (tmp_path / "admin.sock").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "admin.sock").exists(), "nothing is left behind"


async def test_a_configuration_that_envoy_refuses_is_an_error(tmp_path: pathlib.Path) -> None:
    missing = options.Files(descriptors=tmp_path / "missing.binpb")

    with pytest.raises(process.GatewayError, match="before it was ready"):
        async with process.Gateway(settings(files=missing), folder=tmp_path):
            pass


async def test_a_port_that_is_taken_is_an_error(tmp_path: pathlib.Path) -> None:
    async with process.Gateway(settings(), folder=tmp_path / "a") as first:
        taken = f"127.0.0.1:{first.address[1]}"
        with pytest.raises(process.GatewayError):
            async with process.Gateway(settings(listen=taken), folder=tmp_path / "b"):
                pass


async def test_its_owner_is_told_when_it_ends_by_itself(tmp_path: pathlib.Path) -> None:
    async with process.Gateway(settings(), folder=tmp_path) as gateway:
        os.kill(_child(gateway), signal.SIGKILL)
        with pytest.raises(process.GatewayError, match="-9"):
            await asyncio.wait_for(gateway.wait(), timeout=5)


async def test_it_is_stopped_when_the_body_fails(tmp_path: pathlib.Path) -> None:
    gateway = process.Gateway(settings(), folder=tmp_path)

    async def fail() -> None:
        async with gateway:
            raise RuntimeError("body")

    with pytest.raises(RuntimeError, match="body"):
        await fail()

    assert not _running(_child(gateway))


async def test_it_ends_when_its_owner_is_killed(tmp_path: pathlib.Path) -> None:
    program = f"""
import asyncio, pathlib
from gthulhu.gateway import options, process

async def main():
    settings = options.Options(kind="agent", listen="127.0.0.1:0", upstreams=["unix:nobody.sock"], access_log="")
    async with process.Gateway(settings, folder=pathlib.Path({str(tmp_path)!r})) as gateway:
        print(gateway._process.pid, flush=True)
        await gateway.wait()

asyncio.run(main())
"""
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert owner.stdout
    envoy = int(await asyncio.wait_for(owner.stdout.readline(), timeout=20))
    assert _running(envoy)

    owner.kill()
    await owner.wait()

    async with asyncio.timeout(5):
        while _running(envoy):  # noqa: ASYNC110 - nobody tells of the end of a process that is no child of ours
            await asyncio.sleep(0.02)


def _running(pid: int) -> bool:
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return "State:\tZ" not in status


def _child(gateway: process.Gateway) -> int:
    assert gateway._process
    return gateway._process.pid
