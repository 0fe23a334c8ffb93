"""An orderly stop."""

import pytest

from gthulhu.agent import config
from gthulhu.common import errors
from tests.integration.agent import rig
from tests.integration.agent.rig import Installation, StubManager, intent, until


@pytest.mark.parametrize("restore", [False, True])
async def test_what_is_in_force_stays_so_unless_the_configuration_says_otherwise(
    installation: Installation, manager: StubManager, *, restore: bool
) -> None:
    discovery = rig.MemoryDiscovery()
    discovery.put("pod-a", 10)
    async with installation.manager(manager):
        settings = installation.config(enforcement=config.Enforcement(enforcer="external", restore_on_exit=restore))
        async with rig.running(settings, discovery=discovery) as node:
            await until(lambda: manager.hellos)
            await manager.delta("n1", [intent("a")])
            await until(lambda: manager.acks)
    assert node.enforcer.withdrawn is restore
    assert node.enforcer.decided == ({} if restore else {"pod-a": {10: 3}})
    assert not (settings.state_dir / "agent.sock").exists()


async def test_an_address_in_use_is_said_and_nothing_is_left_behind(installation: Installation) -> None:
    async with rig.running(installation.config()) as node:
        taken = config.Server(grpc_address=f"127.0.0.1:{node.agent.grpc_port}", socket="other.sock")
        with pytest.raises(errors.PreconditionError, match=str(node.agent.grpc_port)):
            async with rig.running(installation.config(server=taken)):
                pass
        taken = config.Server(
            grpc_address="", socket="other.sock", metrics_address=f"127.0.0.1:{node.agent.metrics_port}"
        )
        with pytest.raises(errors.PreconditionError, match=str(node.agent.metrics_port)):
            async with rig.running(installation.config(server=taken)):
                pass


async def test_a_socket_path_that_the_kernel_cannot_take_is_said(installation: Installation) -> None:
    server = config.Server(grpc_address="", metrics_address="", socket="s" * 200)
    with pytest.raises(errors.PreconditionError, match=r"server\.socket: .* more than 107 bytes"):
        async with rig.running(installation.config(server=server)):
            pass
