"""Runs one part of the system in this process until SIGTERM or SIGINT."""

import asyncio
import pathlib
import signal
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gthulhu.cli import settings
from gthulhu.cli.local import children
from gthulhu.common import clock, logs
from gthulhu.common import config as configs


class Part(Protocol):
    """As `build_manager` and `build_agent` return it, entered."""

    async def serve(self) -> None:
        """Serve until cancelled."""


def manager(*, config: str | None, state_dir: pathlib.Path | None, level: str | None) -> None:
    """Run a manager."""
    from gthulhu.manager import app

    children.follow_parent()
    loaded = settings.manager(config=config, state_dir=state_dir, level=level).settings
    logs.configure(level=loaded.logging.level, format=loaded.logging.format)
    part = app.build_manager(loaded)
    asyncio.run(_until_signal(part, part))


def agent(*, config: str | None, state_dir: pathlib.Path | None, level: str | None) -> None:
    """Run an agent."""
    from gthulhu.agent import app

    children.follow_parent()
    loaded = settings.agent(config=config, state_dir=state_dir, level=level).settings
    logs.configure(level=loaded.logging.level, format=loaded.logging.format)
    part = app.build_agent(loaded)
    asyncio.run(_until_signal(part, part))


def restore(*, config: str | None, state_dir: pathlib.Path | None) -> None:
    """Put back everything that an agent, which is not running, has changed on this node."""
    from gthulhu.agent.enforcement import probe

    loaded = settings.agent(config=config, state_dir=state_dir).settings
    logs.configure(level=loaded.logging.level, format="text")
    count = probe.restore(loaded, clock=clock.SystemClock())
    print(f"everything is as the agent found it ({count} pods put back)")


def show_config(*, kind: str, config: str | None, state_dir: pathlib.Path | None) -> Iterator[str]:
    """Yield the effective configuration of a manager or an agent, a line a setting."""
    rows = configs.show(settings.of_kind(kind, config=config, state_dir=state_dir))
    width = max(len(key) for key, _, _ in rows)
    for key, value, origin in rows:
        yield f"{key:<{width}}  {value or '(empty)'}  ({origin})"


async def _until_signal(context: AbstractAsyncContextManager[object], part: Part) -> None:
    loop = asyncio.get_running_loop()
    async with context, asyncio.TaskGroup() as group:
        serving = group.create_task(part.serve())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, serving.cancel)
