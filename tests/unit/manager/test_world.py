"""What follows, for one replica, from changes of the store and of the inventory."""

import asyncio
import dataclasses
import datetime
from collections.abc import AsyncIterator

from gthulhu.common import clock as clocks
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.domain import access, scope
from gthulhu.manager.domain.pod import Node, Pod
from gthulhu.manager.domain.strategy import LabelSelector, Strategy, StrategyState
from gthulhu.manager.inventory import base as inventories
from gthulhu.manager.store import base as stores

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


class FrozenClock(clocks.SystemClock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime.datetime:
        return self.time


class Fixture:
    """A world that is synced, with what tests change of it, and the nodes that it has told of."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.world = worlds.World(clock=self.clock, denied_namespaces=["kube-system"])
        self.told: list[frozenset[str]] = []
        self.revision = 1
        self.version = 1
        self.world.apply_store(
            stores.Snapshot(revision=1, strategies=(), users=(user(),), roles=(role(),), paused=False)
        )
        self.world.apply_inventory(
            inventories.InventoryChange(version=1, pods=(pod(),), nodes=(Node(name="a"), Node(name="b")), complete=True)
        )
        self.world.subscribe(self.told.append)

    def store(self, **change: object) -> None:
        self.revision += 1
        kind = {
            "strategy": stores.StrategyChange,
            "user": stores.UserChange,
            "role": stores.RoleChange,
        }
        for name, value in change.items():
            if name == "paused":
                self.world.apply_store(stores.PauseChange(revision=self.revision, paused=bool(value)))
            else:
                self.world.apply_store(kind[name](revision=self.revision, id=value.id, value=value))

    def remove_strategy(self, strategy_id: str) -> None:
        self.revision += 1
        self.world.apply_store(stores.StrategyChange(revision=self.revision, id=strategy_id, value=None))

    def pods(self, *pods: Pod, removed: tuple[str, ...] = ()) -> None:
        self.version += 1
        self.world.apply_inventory(inventories.InventoryChange(version=self.version, pods=pods, removed_pods=removed))

    def podnames(self, node: str) -> list[str]:
        return sorted(one.pod_name for one in self.world.intents_of(node).values())


def pod(name: str = "web-1", **fields: object) -> Pod:
    given = {"namespace": "prod", "node": "a", "labels": {"app": "web"}} | fields
    return Pod(uid=str(given.pop("uid", f"uid-{name}")), name=name, **given)


def strategy(name: str = "one", **fields: object) -> Strategy:
    given = {"selectors": (LabelSelector(key="app", value="web"),), "priority": 3} | fields
    return Strategy(id=name, name=name, creator_id="ada", created_at=NOW, updated_at=NOW, **given)


def user(**fields: object) -> access.User:
    given = {"roles": ("writer",)} | fields
    return access.User(id="ada", username="ada", password_hash="", created_at=NOW, **given)


def role(*namespaces: str, permission: str = scope.CREATE) -> access.Role:
    policies = tuple(access.Policy(permission=permission, k8s_namespace=one) for one in namespaces or ("",))
    return access.Role(id="writer", name="writer", policies=policies, created_at=NOW, updated_at=NOW)


def test_is_synced_after_both_feeds_delivered_everything() -> None:
    world = worlds.World(clock=FrozenClock())
    assert not world.synced
    world.apply_store(stores.Snapshot(revision=0, strategies=(), users=(), roles=(), paused=False))
    assert not world.synced
    world.apply_inventory(inventories.InventoryChange(version=1, complete=True))
    assert world.synced


def test_a_strategy_becomes_intents_on_the_nodes_of_its_pods_and_only_they_are_told() -> None:
    fixture = Fixture()
    fixture.store(strategy=strategy())
    assert fixture.podnames("a") == ["web-1"]
    assert not fixture.world.intents_of("b")
    assert fixture.told == [{"a"}]
    fixture.remove_strategy("one")
    assert not fixture.world.intents_of("a")
    assert fixture.told == [{"a"}, {"a"}]


def test_a_change_of_content_gives_the_same_intent_another_version() -> None:
    fixture = Fixture()
    fixture.store(strategy=strategy())
    (before,) = fixture.world.intents_of("a").values()
    fixture.store(strategy=strategy(priority=4))
    (after,) = fixture.world.intents_of("a").values()
    assert (after.id, after.priority) == (before.id, 4)
    assert after.version != before.version


def test_a_strategy_that_selects_nothing_tells_nobody() -> None:
    fixture = Fixture()
    fixture.store(strategy=strategy(selectors=(LabelSelector(key="app", value="db"),)))
    fixture.pods(pod("db-1", namespace="kube-system", labels={"app": "db"}))
    assert fixture.told == []


def test_pods_come_get_a_node_change_labels_finish_and_go() -> None:
    fixture = Fixture()
    fixture.store(strategy=strategy())
    fixture.told.clear()
    fixture.pods(pod("web-2", node=""))
    assert fixture.podnames("") == ["web-2"]
    fixture.pods(pod("web-2", node="b"))
    assert (fixture.podnames(""), fixture.podnames("b")) == ([], ["web-2"])
    fixture.pods(pod("web-2", node="b", labels={"app": "db"}))
    assert fixture.podnames("b") == []
    fixture.pods(pod("web-2", node="b"))
    fixture.pods(pod("web-2", node="b", finished=True))
    assert fixture.podnames("b") == []
    fixture.pods(removed=("uid-web-1",))
    assert fixture.podnames("a") == []
    assert fixture.told == [{""}, {"", "b"}, {"b"}, {"b"}, {"b"}, {"a"}]


def test_an_unchanged_pod_tells_nobody() -> None:
    fixture = Fixture()
    fixture.store(strategy=strategy())
    fixture.told.clear()
    fixture.pods(pod())
    assert fixture.told == []


def test_a_pod_recreated_under_its_name_is_another_pod() -> None:
    fixture = Fixture()
    fixture.store(strategy=strategy())
    (before,) = fixture.world.intents_of("a")
    fixture.pods(pod(uid="uid-new"), removed=("uid-web-1",))
    (after,) = fixture.world.intents_of("a")
    assert after != before
    found = fixture.world.pod("prod", "web-1")
    assert found is not None
    assert found.uid == "uid-new"


def test_a_complete_change_removes_what_it_does_not_hold() -> None:
    fixture = Fixture()
    fixture.store(strategy=strategy())
    fixture.world.apply_inventory(
        inventories.InventoryChange(version=9, pods=(pod("web-2", node="b"),), nodes=(Node(name="b"),), complete=True)
    )
    assert (fixture.podnames("a"), fixture.podnames("b")) == ([], ["web-2"])
    assert list(fixture.world.nodes()) == ["b"]
    assert fixture.world.inventory_version == 9


def test_a_denied_namespace_is_never_selected() -> None:
    fixture = Fixture()
    fixture.pods(pod("dns", namespace="kube-system"))
    fixture.store(strategy=strategy(selectors=(), all_pods=True))
    assert fixture.podnames("a") == ["web-1"]


def test_suspended_and_paused_strategies_have_no_intents_and_keep_their_pods() -> None:
    fixture = Fixture()
    fixture.store(strategy=strategy())
    fixture.store(strategy=strategy(suspended=True))
    assert fixture.podnames("a") == []
    assert fixture.world.pods_of("one") == {"uid-web-1"}
    fixture.store(strategy=strategy())
    fixture.store(paused=True)
    assert fixture.podnames("a") == []
    assert fixture.world.state_of(strategy()) == (StrategyState.PAUSED, "")
    fixture.store(paused=False)
    assert fixture.podnames("a") == ["web-1"]
    assert fixture.told == [{"a"}] * 5


def test_a_strategy_expires() -> None:
    fixture = Fixture()
    fixture.store(strategy=strategy(expires_at=NOW + datetime.timedelta(minutes=1)))
    fixture.told.clear()
    fixture.world.expire(NOW)
    assert fixture.told == []
    fixture.clock.time += datetime.timedelta(minutes=1)
    fixture.world.expire(fixture.clock.time)
    assert fixture.podnames("a") == []
    assert fixture.told == [{"a"}]


def test_an_unlimited_strategy_follows_what_its_creator_may_select() -> None:
    fixture = Fixture()
    fixture.pods(pod("web-2", namespace="dev", node="b"))
    fixture.store(strategy=strategy())
    assert (fixture.podnames("a"), fixture.podnames("b")) == (["web-1"], ["web-2"])
    fixture.told.clear()
    fixture.store(role=role("dev"))
    assert (fixture.podnames("a"), fixture.podnames("b")) == ([], ["web-2"])
    assert fixture.world.state_of(strategy()) == (StrategyState.ACTIVE, "")
    fixture.store(role=role("prod", "dev"))
    assert (fixture.podnames("a"), fixture.podnames("b")) == (["web-1"], ["web-2"])


def test_a_permission_lost_suspends_and_regained_resumes() -> None:
    fixture = Fixture()
    its = strategy(k8s_namespaces=("prod",))
    fixture.store(strategy=its)
    for loss in (
        {"role": role("dev")},
        {"role": role(permission="schedule_strategy.read")},
        {"user": user(roles=())},
        {"user": user(status=access.UserStatus.DISABLED)},
    ):
        fixture.store(**loss)
        assert fixture.world.state_of(its) == (StrategyState.SUSPENDED, scope.CREATOR_NOT_ALLOWED)
        assert fixture.podnames("a") == []
        fixture.store(role=role())
        fixture.store(user=user())
        assert fixture.podnames("a") == ["web-1"]


def test_a_snapshot_replaces_everything() -> None:
    fixture = Fixture()
    fixture.store(strategy=strategy())
    fixture.told.clear()
    two = strategy("two", priority=5)
    fixture.world.apply_store(
        stores.Snapshot(revision=7, strategies=(two,), users=(user(),), roles=(role(),), paused=False)
    )
    assert [one.strategy_id for one in fixture.world.intents_of("a").values()] == ["two"]
    assert fixture.world.revision == 7
    assert fixture.told == [{"a"}]
    fixture.world.apply_store(
        stores.Snapshot(revision=8, strategies=(two,), users=(user(),), roles=(role(),), paused=False)
    )
    assert fixture.told == [{"a"}], "the same again tells nobody"


async def test_waiting_ends_when_the_revision_is_there_or_the_time_is_over() -> None:
    fixture = Fixture()
    assert await fixture.world.wait_for(1, timeout=0)
    assert not await fixture.world.wait_for(2, timeout=0.001)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = group.create_task(fixture.world.wait_for(2, inventory_version=2, timeout=5))
        await asyncio.sleep(0)
        fixture.pods(pod("web-2"))
        await asyncio.sleep(0)
        assert not waiting.done()
        fixture.store(user=dataclasses.replace(user(), email="ada@example.com"))
    assert waiting.result()


class OnceInventory:
    """Everything at once, then nothing more."""

    source = "once"

    def __init__(self, *pods: Pod) -> None:
        self._pods = pods

    async def watch(self) -> AsyncIterator[inventories.InventoryChange]:
        yield inventories.InventoryChange(version=2, pods=self._pods, nodes=(), complete=True)
        await asyncio.Event().wait()


async def test_much_at_once_is_taken_in_by_parts_and_counts_as_known_with_the_last_of_them() -> None:
    many = tuple(pod(f"web-{number}") for number in range(5_000))
    world = Fixture().world
    following = asyncio.create_task(world._follow_inventory(OnceInventory(*many)))
    seen = set()
    try:
        async with asyncio.timeout(5):
            while world.inventory_version < 2:
                await asyncio.sleep(0)
                seen.add(len(world.pods()))
    finally:
        following.cancel()
    assert len(seen) >= 10, "others had their turn again and again"
    assert len(world.pods()) == 5_000
