"""A real manager and a real agent: a strategy reaches processes, survives both, and goes again."""

import pathlib
import shutil

from gthulhu.agent import config
from gthulhu.manager import app
from tests.integration.agent import rig as agents
from tests.integration.agent.rig import NODE, until
from tests.integration.manager import rig as managers


def settings(folder: pathlib.Path, port: int) -> config.AgentConfig:
    return config.AgentConfig(
        state_dir=folder,
        server=config.Server(grpc_address="127.0.0.1:0", metrics_address=""),
        manager=config.Manager(address=f"127.0.0.1:{port}"),
        node=config.Node(name=NODE),
        enforcement=config.Enforcement(enforcer="external"),
    )


async def test_a_strategy_reaches_processes_survives_the_manager_and_goes_again(tmp_path: pathlib.Path) -> None:
    installation = managers.install(tmp_path)
    installation.set_pods("web-0", node=NODE)
    folder = tmp_path / "agent"
    installation.authority.issue_agent(NODE, folder / "pki")
    (folder / "pki" / "node.token").write_text(installation.node_token(NODE))
    discovery = agents.MemoryDiscovery()
    discovery.put("uid-web-0", 10, 11)
    before = installation.config()
    async with app.build_manager(before) as manager:
        port = manager.grpc_port
        await managers.add_admin(manager.parts.store)
        async with agents.running(settings(folder, port), discovery=discovery) as node:
            await managers.put_strategy(manager.parts.store, priority=3)
            await until(lambda: node.enforcer.decided == {"uid-web-0": {10: 3, 11: 3}})
            await managers.put_strategy(manager.parts.store, priority=5)
            await until(lambda: node.enforcer.decided == {"uid-web-0": {10: 5, 11: 5}})

            async def reported() -> bool:
                return [(one.processes, one.failure) for one in await manager.parts.store.list_reports(node=NODE)] == [
                    (2, "")
                ]

            await managers.until(reported)
    # Both are gone; the agent comes back first, and holds what it held.
    async with agents.running(settings(folder, port), discovery=discovery) as node:
        await until(lambda: node.enforcer.decided == {"uid-web-0": {10: 5, 11: 5}})
        moments = len(node.enforcer.moments)
        listen = before.server.model_copy(update={"grpc_address": f"127.0.0.1:{port}"})
        async with app.build_manager(before.model_copy(update={"server": listen})) as manager:
            await until(lambda: node.agent.parts.presence.connected)
            assert len(node.enforcer.moments) == moments, "nothing is resent, and the kernel is not touched"
            await managers.delete_strategy(manager.parts.store)
            await until(lambda: not node.enforcer.decided)
    shutil.rmtree(folder)
