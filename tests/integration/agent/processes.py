"""An agent or a manager in a process of its own, for tests that kill or freeze it."""

import asyncio
import pathlib
import sys

from gthulhu.agent import app, config
from gthulhu.common.grpc import channel
from gthulhu.common.identity import tls
from gthulhu.v1 import metric_pb2_grpc, session_pb2_grpc
from tests.integration.agent import rig


async def _agent(folder: pathlib.Path, port: int) -> None:
    settings = config.AgentConfig(
        state_dir=folder,
        server=config.Server(grpc_address="127.0.0.1:0", metrics_address=""),
        manager=config.Manager(address=f"127.0.0.1:{port}"),
        node=config.Node(name=rig.NODE),
    )
    agent = app.build_agent(
        settings,
        discovery=rig.MemoryDiscovery(),
        enforcer=rig.RecordingEnforcer(),
        collector=rig.MemoryCollector(),
    )
    async with agent:
        await agent.serve()


async def _manager(folder: pathlib.Path, port_file: pathlib.Path) -> None:
    manager = rig.StubManager()
    server = channel.create_server(())
    session_pb2_grpc.add_SessionServiceServicer_to_server(manager, server)
    metric_pb2_grpc.add_MetricServiceServicer_to_server(manager, server)
    credentials = tls.server_credentials(
        folder / "manager.crt", folder / "manager.key", folder / "ca.crt", require_client=True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    beside = port_file.with_suffix(".new")
    beside.write_text(str(port))
    beside.replace(port_file)
    await server.wait_for_termination()


if __name__ == "__main__":
    kind, folder, argument = sys.argv[1:]
    if kind == "agent":
        asyncio.run(_agent(pathlib.Path(folder), int(argument)))
    else:
        asyncio.run(_manager(pathlib.Path(folder), pathlib.Path(argument)))
