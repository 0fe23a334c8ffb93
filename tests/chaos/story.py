"""Two managers on one MongoDB, agents on the loopback and behind a network, and what may befall all of them."""

import asyncio
import contextlib
import dataclasses
import pathlib
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping

import grpc

from gthulhu.common import clock as clocks
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.inventory import file as files
from gthulhu.manager.store import mongodb
from tests.chaos import history, network, recorded_manager, wire
from tests.fleet import installation as fleets
from tests.integration.store import mongod

AGENTS = 16
CHANGE_EVERY = 0.25
"""Seconds between changes while faults go on."""
SETTLE_SECONDS = 75.0
"""After the last fault; agents that were refused for a minute come back within 30 s."""
LABELS = ("web", "db", "cache")


@dataclasses.dataclass(kw_only=True)
class Outcome:
    """What is left when a story is over."""

    events: list[history.Event]
    faults: list[str]
    changes: int
    held: Mapping[str, Mapping[str, str]]
    wanted: Mapping[str, Mapping[str, str]]


class Story:
    """Draws what happens, and drives it."""

    def __init__(
        self,
        *,
        installed: fleets.Installation,
        server: mongod.Mongod,
        link: wire.Wire,
        net: network.Network,
        seed: int,
    ) -> None:
        self._draw = random.Random(seed)  # noqa: S311 - the same story for the same seed
        self._installed = installed
        self._server = server
        self._link = link
        self._net = net
        self._nodes = [f"node-{number:02}" for number in range(AGENTS)]
        self._mark = 1_000_000
        self._user: fleets.User | None = None
        self._strategies: dict[str, str] = {}
        self.changes = 0
        program = (sys.executable, "-m", recorded_manager.__name__)
        uris = (server.uri, server.uri.replace(f":{server.port}/", f":{link.port}/") + "&directConnection=true")
        self._one, self._other = (
            installed.add_manager(store=uri, program=program, host="0.0.0.0")  # noqa: S104 - the namespace is on another address
            for uri in uris
        )
        self._faults: dict[str, Callable[[], None]] = {
            "a manager is killed": self._kill_manager,
            "agents are killed": self._kill_agents,
            "a manager stands still": self._freeze_manager,
            "agents stand still": self._freeze_agents,
            "the store is killed": self._kill_store,
            "the network is cut": self._cut,
            "the network is slow": self._slow,
            "a clock jumps": self._jump,
            "a manager dies between write and send": self._die_before_send,
            "a manager is behind": self._fall_behind,
        }

    def run(self, *, faults: int) -> Outcome:
        """Let so many faults happen, one after the other, and everything settle; returns what was written down."""
        self._begin()
        left: list[str] = []
        happened = []
        for _ in range(faults):
            left = left or self._draw.sample([*self._faults], k=len(self._faults))
            happened.append(left.pop())
            self._faults[happened[-1]]()
            self._change_for(1.0)
        wanted = self._settle()
        return Outcome(events=self._events(), faults=happened, changes=self.changes, held=self._held(), wanted=wanted)

    def _begin(self) -> None:
        self._set_pods()
        self._one.start()
        self._other.start()
        half = AGENTS // 2
        ports = (self._one.port, self._other.port)
        for number, (nodes, host, name) in enumerate(
            ((self._nodes[:half], "127.0.0.1", ""), (self._nodes[half:], network.HOST, self._net.name))
        ):
            self._installed.add_fleet(
                nodes,
                targets=[f"{host}:{port}" for port in ports],
                record=self._installed.folder / f"agents-{number}",
                namespace=name,
            )
        for label in LABELS:
            self._put(label)
        self._await_sessions()

    # Changes.

    def _set_pods(self) -> None:
        """Let there be other pods; a pod that comes back has its name and UID again."""
        pods = {}
        for node in self._nodes:
            for label in self._draw.sample(LABELS, k=2):
                for number in range(self._draw.randint(0, 3)):
                    pods[f"{label}-{number}-{node}"] = {"node": node, "labels": {"app": label}}
        self._installed.set_pods(pods, nodes=self._nodes)

    def _put(self, label: str, *, manager: fleets.Manager | None = None) -> None:
        """Change a strategy by whichever manager takes it; may be called again where the answer was lost."""
        self._mark += 1
        for attempt in range(100):
            its = manager or (self._one, self._other)[attempt % 2]
            try:
                user = self._user = self._user or self._installed.user(its)
                made = user.put(
                    name=label,
                    labels={"app": label},
                    mark=self._mark,
                    strategy_id=self._strategies.get(label, ""),
                )
            except grpc.RpcError:
                if self._user is not None:
                    self._user.close()
                self._user = None
                if manager is not None:
                    return
                time.sleep(0.1)
            else:
                self._strategies[label] = made
                self.changes += 1
                return
        raise TimeoutError("no manager takes a change")

    def _change_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._draw.random() < 0.3:
                self._set_pods()
            self._put(self._draw.choice(LABELS))
            time.sleep(CHANGE_EVERY)

    # Faults.

    def _manager(self) -> fleets.Manager:
        return self._draw.choice((self._one, self._other))

    def _kill_manager(self) -> None:
        its = self._manager()
        its.kill()
        self._change_for(self._draw.uniform(0, 2))
        its.start()

    def _kill_agents(self) -> None:
        its = self._draw.choice(self._installed.fleets)
        its.kill()
        self._change_for(self._draw.uniform(0, 2))
        its.start()

    def _freeze_manager(self) -> None:
        its = self._manager()
        its.signal(signal.SIGSTOP)
        self._user = None
        self._change_by(self._one if its is self._other else self._other, seconds=self._draw.uniform(3, 6))
        its.signal(signal.SIGCONT)

    def _freeze_agents(self) -> None:
        its = self._draw.choice(self._installed.fleets)
        its.process.send_signal(signal.SIGSTOP)
        self._change_for(self._draw.uniform(3, 6))
        its.process.send_signal(signal.SIGCONT)

    def _kill_store(self) -> None:
        self._server.kill()
        time.sleep(self._draw.uniform(0.5, 2))
        self._server.start()

    def _cut(self) -> None:
        self._net.cut()
        self._change_for(self._draw.uniform(3, 6))
        self._net.mend()

    def _slow(self) -> None:
        self._net.slow()
        self._change_for(self._draw.uniform(3, 6))
        self._net.mend()

    def _jump(self) -> None:
        its = self._manager()
        (its.folder / "clock").write_text(str(self._draw.choice((-3600, -60, 60, 3600))))
        self._change_for(self._draw.uniform(1, 3))
        (its.folder / "clock").write_text("0")

    def _die_before_send(self) -> None:
        its = self._manager()
        self._user = None
        self._put(self._draw.choice(LABELS), manager=its)
        its.kill()
        its.start()

    def _fall_behind(self) -> None:
        """Its store's changes do not reach the other; the one goes, so that its agents try the other."""
        self._link.hold()
        self._user = None
        self._change_by(self._one, seconds=1.0)
        self._one.kill()
        time.sleep(self._draw.uniform(1, 3))
        self._one.start()
        self._change_by(self._one, seconds=1.0)
        self._link.release()

    def _change_by(self, manager: fleets.Manager, *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._put(self._draw.choice(LABELS), manager=manager)
            time.sleep(CHANGE_EVERY)

    # The end.

    def _await_sessions(self) -> None:
        def settled() -> bool:
            with contextlib.suppress(OSError, KeyError):
                found = [one.metrics() for one in (self._one, self._other)]
                return (
                    sum(one["sessions"] for one in found) == AGENTS
                    and not any(one["sessions_behind"] for one in found)
                    and len({one["store_revision"] for one in found}) == 1
                )
            return False

        fleets.until(settled, seconds=SETTLE_SECONDS, what="some agents have no session that is in sync", every=0.1)

    def _settle(self) -> Mapping[str, Mapping[str, str]]:
        """Return what the matcher has, once everybody holds that, or time is over."""
        self._await_sessions()
        wanted = asyncio.run(self._wanted())
        with contextlib.suppress(TimeoutError):
            fleets.until(lambda: self._held() == wanted, seconds=15, every=0.2)
        return wanted

    async def _wanted(self) -> Mapping[str, Mapping[str, str]]:
        clock = clocks.SystemClock()
        view = worlds.World(clock=clock)
        store = mongodb.MongoStore(self._server.uri, database="gthulhu", clock=clock)
        await store.open()
        try:
            view.apply_store(await store.snapshot())
        finally:
            await store.close()
        async for change in files.FileInventory(path=self._installed.inventory, clock=clock).watch():
            view.apply_inventory(change)
            break
        return {node: {one.id: one.version for one in view.intents_of(node).values()} for node in self._nodes}

    def _held(self) -> Mapping[str, Mapping[str, str]]:
        return {node: held for one in self._installed.fleets for node, held in one.tell(held=True)["held"].items()}

    def _events(self) -> list[history.Event]:
        folder = self._installed.folder
        return history.read([*folder.glob("agents-*"), *folder.glob("manager-*/history")])


@contextlib.contextmanager
def telling(folder: pathlib.Path, *, program: pathlib.Path, seed: int) -> Iterator[Story]:
    """Prepare a story below a folder."""
    with (
        mongod.running(folder / "mongod", program=program) as server,
        wire.wire(server.port) as link,
        network.network() as net,
        fleets.installed(folder, distribution={"digest_seconds": 1, "lease_seconds": 4}) as installed,
    ):
        yield Story(installed=installed, server=server, link=link, net=net, seed=seed)
