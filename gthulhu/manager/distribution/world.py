"""Everything one replica knows, in memory: the store's strategies and people, the inventory's pods, and what follows.

The world changes only by `apply_store`, `apply_inventory` and `expire`, which are synchronous: whoever reads it between
two awaits reads one consistent view. Single-threaded. A lost feed leaves the last good view in use. What a feed brings
at once is taken in by parts, with turns for others between them: then some pods are newer than others, as they are
anyway while changes come one by one.
"""

import asyncio
import datetime
import gc
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from gthulhu.common import batches
from gthulhu.common import clock as clocks
from gthulhu.manager.distribution import pods as podindex
from gthulhu.manager.domain import access, intent, matching, people, scope
from gthulhu.manager.domain.pod import Node, Pod
from gthulhu.manager.domain.strategy import Strategy, StrategyState
from gthulhu.manager.inventory import base as inventories
from gthulhu.manager.store import base as stores

Listener = Callable[[frozenset[str]], None]
"""Gets the names of the nodes whose intents may have changed; "" stands for the pods that have no node yet."""

EXPIRY_SECONDS = 0.5
"""How often `run` looks for strategies whose time is over: their effect ends within a second."""
_AT_ONCE = 250
"""So many pods are taken in before others get their turn: some 10 ms."""


class World:
    """See the module's docstring."""

    def __init__(self, *, clock: clocks.Clock, denied_namespaces: Iterable[str] = ()) -> None:
        """Start empty, and not `synced`.

        Args:
            clock: Tells when strategies expire.
            denied_namespaces: Kubernetes namespaces whose pods are never selected.
        """
        self._clock = clock
        self.denied_namespaces = frozenset(denied_namespaces)
        self._matcher = matching.Matcher(denied_namespaces=self.denied_namespaces)
        self._denied = matching.Matcher()
        """Holds the pods of denied namespaces, and no strategy: only for telling what is left out."""
        self._pods = podindex.PodIndex()
        self._people = people.People()
        self._strategies: dict[str, Strategy] = {}
        self._scopes: dict[str, scope.Scope] = {}
        self._active: set[str] = set()
        self._derived: dict[str, Mapping[str, intent.Intent]] = {}
        self._listeners: list[Listener] = []
        self._waiters: dict[asyncio.Future[None], tuple[int, int]] = {}
        self._store_synced = False
        self.inventory_synced = False
        """Whether the inventory has been read once."""
        self.paused = False
        self.revision = 0
        """Of the store: what the view holds at least."""
        self.inventory_version = 0
        self._inventory_seen = 0
        self.inventory_source = ""
        self._inventory_heard = clock.monotonic()

    # What is there.

    @property
    def synced(self) -> bool:
        """Tell whether both feeds have delivered everything once: before that nothing may be concluded."""
        return self._store_synced and self.inventory_synced

    @property
    def inventory_silence(self) -> float:
        """Return for how many seconds the inventory has said nothing."""
        return self._clock.monotonic() - self._inventory_heard

    def strategy(self, strategy_id: str) -> Strategy | None:
        """Return the strategy."""
        return self._strategies.get(strategy_id)

    def strategies(self) -> Collection[Strategy]:
        """Return all strategies, in no order."""
        return self._strategies.values()

    def pod(self, namespace: str, name: str) -> Pod | None:
        """Return the pod that has the name now."""
        return self._pods.by_name(namespace, name)

    def pod_by_uid(self, uid: str) -> Pod | None:
        """Return the pod."""
        return self._pods.get(uid)

    def pods(self) -> Collection[Pod]:
        """Return all pods, in no order, also those that are finished or in denied namespaces."""
        return self._pods.all()

    def pods_on(self, node: str) -> AbstractSet[str]:
        """Return the UIDs of a node's pods ("": of those that have none yet)."""
        return self._pods.on(node)

    def nodes(self) -> Mapping[str, Node]:
        """Return the nodes by name."""
        return self._pods.nodes

    def user(self, user_id: str) -> access.User | None:
        """Return the user."""
        return self._people.user(user_id)

    def principal(self, user_id: str) -> access.Principal | None:
        """Return a user with everything that the roles grant now; None: unknown or disabled."""
        return self._people.principal(user_id)

    # What follows from it.

    def scope_of(self, value: Strategy) -> scope.Scope:
        """Return where a strategy, known or not, may select pods now."""
        return scope.of(value, self.principal(value.creator_id))

    def state_of(self, value: Strategy) -> tuple[StrategyState, str]:
        """Return whether a strategy, known or not, has intents now, and the reason where it needs one."""
        return scope.state(value, scope=self.scope_of(value), paused=self.paused, now=self._clock.now())

    def select(self, value: Strategy) -> AbstractSet[str]:
        """Return the UIDs of the pods that a strategy, known or not, selects, whatever its state is."""
        return self._matcher.select(scope.rule(value, self.scope_of(value)))

    def select_denied(self, value: Strategy) -> AbstractSet[str]:
        """Return the UIDs of the pods that a strategy would select, were their namespaces not denied."""
        return self._denied.select(scope.rule(value, self.scope_of(value)))

    def pods_of(self, strategy_id: str) -> AbstractSet[str]:
        """Return the UIDs of the pods that a known strategy selects, whatever its state is."""
        return self._matcher.pods_of(strategy_id)

    def strategies_of(self, uid: str) -> AbstractSet[str]:
        """Return the ids of the strategies that select a pod, whatever their states are."""
        return self._matcher.strategies_of(uid)

    def is_active(self, strategy_id: str) -> bool:
        """Tell whether a known strategy is in force, and so has intents."""
        return strategy_id in self._active

    def count_intents(self, node: str) -> int:
        """Return how many intents a node has."""
        return sum(len(self._matcher.strategies_of(uid) & self._active) for uid in self._pods.on(node))

    def intents_of_pod(self, uid: str) -> Mapping[str, intent.Intent]:
        """Return a pod's intents by id: those of its active strategies."""
        derived = self._derived.get(uid)
        if derived is None:
            its = self._pods.get(uid)
            active = self._matcher.strategies_of(uid) & self._active
            if its is None or not active:
                return {}
            wanted = (intent.derive(strategy=self._strategies[one], pod=its) for one in active)
            derived = self._derived[uid] = {one.id: one for one in wanted}
        return derived

    def intents_of(self, node: str) -> Mapping[str, intent.Intent]:
        """Return a node's intents by id ("": those of pods that have no node yet)."""
        result: dict[str, intent.Intent] = {}
        for uid in self._pods.on(node):
            result.update(self.intents_of_pod(uid))
        return result

    # Following it.

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call the listener after each change that may change intents; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def wait_for(self, revision: int = 0, *, inventory_version: int = 0, timeout: float) -> bool:  # noqa: ASYNC109 - False, not an exception, is what callers want
        """Wait until the world is synced and holds these at least; False: not within `timeout` seconds."""
        if self._holds(revision, inventory_version):
            return True
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = revision, inventory_version
        try:
            async with asyncio.timeout(timeout):
                await waiter
        except TimeoutError:
            return False
        finally:
            del self._waiters[waiter]
        return True

    async def run(self, *, store: stores.Store, inventory: inventories.Inventory) -> None:
        """Follow both feeds, and the time, until cancelled."""
        self.inventory_source = inventory.source
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_store(store), name="world: store")
            group.create_task(self._follow_inventory(inventory), name="world: inventory")
            group.create_task(self._follow_time(), name="world: expiry")

    async def _follow_store(self, store: stores.Store) -> None:
        async for change in store.watch(since=-1):
            self.apply_store(change)

    async def _follow_inventory(self, inventory: inventories.Inventory) -> None:
        async for change in inventory.watch():
            first = not self.inventory_synced
            for _ in self._take_in(change):
                if first:
                    gc.freeze()  # what is here to stay: to go through 150,000 pods again and again takes 0.2 s each
                await asyncio.sleep(0)

    async def _follow_time(self) -> None:
        while True:
            await self._clock.sleep(EXPIRY_SECONDS)
            self.expire(self._clock.now())

    # Changing it.

    def apply_store(self, change: stores.Change | stores.Snapshot) -> None:
        """Take in a change of the store, or everything that it holds."""
        match change:
            case stores.StrategyChange(id=strategy_id, value=value):
                touched = self._set_strategy(strategy_id, value)
            case stores.UserChange(id=user_id, value=user):
                touched = self._rescope(self._people.set_user(user_id, user))
            case stores.RoleChange(id=role_id, value=role):
                touched = self._rescope(self._people.set_role(role_id, role))
            case stores.PauseChange(paused=paused):
                self.paused = paused
                touched = self._reconsider(self._strategies)
            case stores.Snapshot():
                touched = self._replace(change)
                self._store_synced = True
        self.revision = max(self.revision, change.revision)
        self._announce(touched)

    def apply_inventory(self, change: inventories.InventoryChange) -> None:
        """Take in a change of pods and nodes, or all of them."""
        for _ in self._take_in(change):
            pass

    def expire(self, now: datetime.datetime) -> None:
        """Withdraw the intents of strategies whose time is over."""
        over = [one for one in self._active if _is_over(self._strategies[one], now)]
        if over:
            self._announce(self._reconsider(over))

    def _take_in(self, change: inventories.InventoryChange) -> Iterator[None]:
        """Yields after each part; what the world is known to hold rises with the last one."""
        removed = list(change.removed_pods)
        if change.complete:
            kept = {one.uid for one in change.pods}
            removed.extend(one.uid for one in self._pods.all() if one.uid not in kept)
        filed = len(self._pods.all())
        for some in batches.of(change.pods, size=_AT_ONCE):
            self._tell(set().union(*map(self._set_pod, some)))
            if len(self._pods.all()) > 2 * filed:  # what was rare among few pods need not be among many
                filed = len(self._pods.all())
                self._matcher.refile()
            yield
        for uids in batches.of(removed, size=_AT_ONCE):
            self._tell(set().union(*map(self._remove_pod, uids)))
            yield
        self._pods.set_nodes(change.nodes, removed=change.removed_nodes, complete=change.complete)
        if change.complete:
            self._matcher.refile()
            self.inventory_synced = True
        self.inventory_version = change.version
        self._inventory_heard = self._clock.monotonic()
        self._inventory_seen = max(change.version, change.seen)
        self._tell(frozenset())

    def _set_strategy(self, strategy_id: str, value: Strategy | None) -> set[str]:
        """Returns the UIDs of the pods whose intents may have changed; so do the other methods here."""
        touched = self._touched_by(strategy_id)
        if value is None:
            self._active.discard(strategy_id)
            self._strategies.pop(strategy_id, None)
            self._scopes.pop(strategy_id, None)
            self._matcher.remove_rule(strategy_id)
            return touched
        self._strategies[strategy_id] = value
        its = self._scopes[strategy_id] = self.scope_of(value)
        self._matcher.set_rule(strategy_id, scope.rule(value, its))
        self._set_active(value)
        return touched | self._touched_by(strategy_id)

    def _touched_by(self, strategy_id: str) -> set[str]:
        return set(self._matcher.pods_of(strategy_id)) if strategy_id in self._active else set()

    def _set_active(self, value: Strategy) -> None:
        its = self._scopes[value.id]
        state, _ = scope.state(value, scope=its, paused=self.paused, now=self._clock.now())
        if state is StrategyState.ACTIVE:
            self._active.add(value.id)
        else:
            self._active.discard(value.id)

    def _rescope(self, creators: AbstractSet[str]) -> set[str]:
        touched: set[str] = set()
        for value in list(self._strategies.values()):
            if value.creator_id in creators and self.scope_of(value) != self._scopes[value.id]:
                touched |= self._set_strategy(value.id, value)
        return touched

    def _reconsider(self, strategy_ids: Iterable[str]) -> set[str]:
        touched: set[str] = set()
        for strategy_id in strategy_ids:
            was_active = strategy_id in self._active
            self._set_active(self._strategies[strategy_id])
            if was_active != (strategy_id in self._active):
                touched |= self._matcher.pods_of(strategy_id)
        return touched

    def _replace(self, snapshot: stores.Snapshot) -> set[str]:
        self._people.replace(users=snapshot.users, roles=snapshot.roles)
        kept = {value.id for value in snapshot.strategies}
        touched: set[str] = set()
        for strategy_id in [one for one in self._strategies if one not in kept]:
            touched |= self._set_strategy(strategy_id, None)
        for value in snapshot.strategies:
            if value != self._strategies.get(value.id) or self.scope_of(value) != self._scopes[value.id]:
                touched |= self._set_strategy(value.id, value)
        self.paused = snapshot.paused
        return touched | self._reconsider(self._strategies)

    def _set_pod(self, value: Pod) -> set[str]:
        """Returns the names of the nodes whose intents may have changed; so does the next method."""
        before = self._pods.get(value.uid)
        if before == value:
            return set()
        had = bool(self._matcher.strategies_of(value.uid))
        self._pods.set(value)
        self._matcher.set_pod(value)
        if value.namespace in self.denied_namespaces:
            self._denied.set_pod(value)
        self._derived.pop(value.uid, None)
        nodes = {value.node} if self._matcher.strategies_of(value.uid) else set()
        return nodes | {before.node} if had and before is not None else nodes

    def _remove_pod(self, uid: str) -> set[str]:
        before = self._pods.remove(uid)
        had = bool(self._matcher.strategies_of(uid))
        self._matcher.remove_pod(uid)
        self._denied.remove_pod(uid)
        self._derived.pop(uid, None)
        return {before.node} if had and before is not None else set()

    def _announce(self, touched: AbstractSet[str]) -> None:
        for uid in touched:
            self._derived.pop(uid, None)
        self._tell({its.node for its in map(self._pods.get, touched) if its is not None})

    def _tell(self, nodes: AbstractSet[str]) -> None:
        for waiter, wanted in self._waiters.items():
            if self._holds(*wanted) and not waiter.done():
                waiter.set_result(None)
        if nodes:
            for listener in tuple(self._listeners):
                listener(frozenset(nodes))

    def _holds(self, revision: int, inventory_version: int) -> bool:
        return self.synced and self.revision >= revision and self._inventory_seen >= inventory_version


def _is_over(value: Strategy, now: datetime.datetime) -> bool:
    return value.expires_at is not None and value.expires_at <= now
