"""The node's pods and processes, live: the cgroup tree first, events for freshness, a slow full walk as safety net.

What can be missed until the next walk: a fork without an exec, of a process that is itself being discovered in the
same microseconds. Everything else is seen within the settling time.
"""

import asyncio
import contextlib
import logging
import pathlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from gthulhu.agent import config as configs
from gthulhu.agent.discovery import cgroups, connector, connector_pyroute2, inotify, paths, reader
from gthulhu.agent.domain import process as processes
from gthulhu.agent.kernel import hierarchy as hierarchies
from gthulhu.agent.kernel import procfs

_logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.01
"""Changes that come within it are yielded together: a container's start is a burst of them."""

_WATCHED = inotify.CREATE | inotify.DELETE | inotify.MOVED | inotify.MODIFY
_TELLING_FILES = frozenset({"cgroup.procs", "cgroup.events", "tasks", "cpu.weight", "cpu.weight.nice", "cpu.shares"})
"""Written when a process enters, when the last one leaves, and when someone sets a weight."""


class NodeDiscovery:
    """Implements `base.Discovery`; `changes` is to be iterated once, `pod` may be called from one other thread."""

    def __init__(
        self,
        *,
        proc_root: pathlib.Path,
        hierarchy: hierarchies.Hierarchy,
        kubepods: Sequence[str],
        walk_seconds: float = 30.0,
        events: connector.ProcessEvents | None = None,
    ) -> None:
        """Take where to look.

        Args:
            proc_root: Where the host's procfs is mounted.
            hierarchy: The cpu controller's.
            kubepods: The kubelet's cgroups in it, existing or not (yet).
            walk_seconds: How often everything is walked.
            events: Forks, execs and exits; None: walks alone find new processes. Closed when `changes` ends.
        """
        self._proc = str(proc_root)
        self._hierarchy = hierarchy
        self._root = str(hierarchy.root)
        self._kubepods = tuple(kubepods)
        self._tree = cgroups.Tree(hierarchy=hierarchy, kubepods=self._kubepods)
        self._reader = reader.Reader(proc_root=self._proc)
        self._walk_seconds = walk_seconds
        self._events = events
        self._inotify: inotify.Inotify | None = None
        self._pods: Mapping[str, processes.Pod] | None = None
        self._tracked: frozenset[str] = frozenset()
        self._owners: dict[int, str] = {}
        self._changed: set[str] = set()
        self._walk_wanted = False
        self._signal = asyncio.Event()

    def pods(self) -> Sequence[processes.Pod]:
        """See `base.Discovery.pods`."""
        known = self._known()
        return [known[uid] for uid in sorted(known)]

    def track(self, uids: frozenset[str]) -> None:
        """See `base.Discovery.track`."""
        self._tracked = uids
        for pid, uid in tuple(self._owners.items()):
            if uid not in uids:
                self._owners.pop(pid, None)

    def pod(self, uid: str) -> processes.Pod | None:
        """See `base.Discovery.pod`."""
        known = self._known().get(uid)
        where = paths.parse(known.cgroup) if known else None
        if where is None or not self._hierarchy.exists(where.pod_cgroup):
            return None
        pod = self._tree.pod(where)
        found: list[processes.Process] = []
        for container in pod.containers:
            pids = self._hierarchy.pids(container.cgroup)
            if uid in self._tracked:
                self._owners.update(dict.fromkeys(pids, uid))
            found.extend(self._processes(container, pids))
        return processes.Pod(
            uid=uid,
            cgroup=pod.cgroup,
            qos=pod.qos,
            containers=pod.containers,
            processes=tuple(sorted(found, key=lambda one: one.key.pid)),
        )

    def _processes(self, container: processes.Container, pids: frozenset[int]) -> Iterator[processes.Process]:
        for pid in pids:
            process = self._reader.read(pid, container_id=container.id, alone=len(pids) == 1)
            if process is not None:
                yield process

    async def changes(self) -> AsyncIterator[frozenset[str]]:
        """See `base.Discovery.changes`."""
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            self._listen(loop, stack)
            self._walk_wanted = True
            walk_at = loop.time()
            while True:
                if self._walk_wanted or loop.time() >= walk_at:
                    if loop.time() >= walk_at:
                        self._changed |= self._tracked
                        if self._events is None:
                            self._reader.forget_all()
                        walk_at = loop.time() + self._walk_seconds
                    self._walk_wanted = False
                    self._changed |= await asyncio.to_thread(self._walk)
                if self._changed:
                    changed, self._changed = frozenset(self._changed), set()
                    yield changed
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(walk_at):
                        await self._signal.wait()
                        await asyncio.sleep(SETTLE_SECONDS)
                self._signal.clear()

    # The cgroup tree.

    def _known(self) -> Mapping[str, processes.Pod]:
        if self._pods is None:
            self._walk()
        return self._pods or {}

    def _walk(self) -> frozenset[str]:
        """Look at the whole tree; returns the pods that came, went, or have other containers.

        What appears between listing a folder and watching it would be missed: list again until nothing new is watched.
        """
        pods = self._tree.pods()
        while self._watch(pods):
            pods = self._tree.pods()
        before, self._pods = self._pods or {}, pods
        return frozenset(uid for uid in before.keys() | pods.keys() if before.get(uid) != pods.get(uid))

    def _watch(self, pods: Mapping[str, processes.Pod]) -> bool:
        """Watch all folders that matter; tells whether any is new."""
        if self._inotify is None:
            return False
        folders = [above for root in self._kubepods for above in _above(root)]
        folders += self._tree.folders()
        for pod in pods.values():
            folders += [pod.cgroup, *(container.cgroup for container in pod.containers)]
        new = False
        for folder in folders:
            try:
                new |= self._inotify.watch(f"{self._root}/{folder}", _WATCHED)
            except FileNotFoundError:
                continue
            except OSError as error:
                _logger.warning("cannot watch cgroups, walks alone must do", extra={"error": str(error)})
                return False
        return new

    def _listen(self, loop: asyncio.AbstractEventLoop, stack: contextlib.ExitStack) -> None:
        try:
            self._inotify = stack.enter_context(contextlib.closing(inotify.Inotify()))
        except OSError as error:
            _logger.warning("inotify is not to be had, walks alone must do", extra={"error": str(error)})
        else:
            loop.add_reader(self._inotify.fileno(), self._on_cgroups, self._inotify)
            stack.callback(loop.remove_reader, self._inotify.fileno())
        if self._events is not None:
            stack.enter_context(contextlib.closing(self._events))
            loop.add_reader(self._events.fileno(), self._on_processes, self._events)
            stack.callback(loop.remove_reader, self._events.fileno())

    def _on_cgroups(self, watched: inotify.Inotify) -> None:
        for event in watched.read():
            where = paths.parse(event.folder.removeprefix(self._root))
            in_container = where is not None and where.container_id
            if event.mask & inotify.OVERFLOW or (event.mask & inotify.IS_DIRECTORY and not in_container):
                self._walk_wanted = True
            elif where is not None and where.pod_uid in self._tracked and event.name in _TELLING_FILES:
                self._changed.add(where.pod_uid)
        self._wake()

    # Processes.

    def _on_processes(self, events: connector.ProcessEvents) -> None:
        try:
            for event in events.read():
                self._on_process(event)
        except connector.LostError:
            _logger.warning("process events came too fast; every selected pod is read again")
            self._reader.forget_all()
            self._changed |= self._tracked
        self._wake()

    def _on_process(self, event: connector.Event) -> None:
        match event.kind:
            case connector.Kind.FORK:
                uid = self._owners.get(event.parent)
                if uid is not None:
                    self._owners[event.pid] = uid
            case connector.Kind.EXEC:
                self._reader.changed(event.pid)
                uid = self._owners.get(event.pid) or self._owner(event.pid)
            case connector.Kind.EXIT:
                self._reader.changed(event.pid)
                uid = self._owners.pop(event.pid, None)
        if uid in self._tracked:
            self._changed.add(uid)

    def _owner(self, pid: int) -> str | None:
        """Return the pod of a process that came from elsewhere: of a runtime, or of `kubectl exec`."""
        try:
            where = paths.parse(procfs.cgroup(self._proc, pid, version=self._hierarchy.version))
        except ProcessLookupError:
            return None
        return where.pod_uid if where else None

    def _wake(self) -> None:
        if self._changed or self._walk_wanted:
            self._signal.set()


def _above(path: str) -> Iterator[str]:
    """Yield the hierarchy's root and each folder above a path: what the kubelet makes later appears in one of them."""
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(len(parts)))


def from_config(config: configs.AgentConfig) -> NodeDiscovery:
    """Return the discovery that the configuration describes.

    Raises:
        PreconditionError: `NO_CPU_CONTROLLER`: cgroups are not mounted where they should be.
    """
    return NodeDiscovery(
        proc_root=config.node.proc_root,
        hierarchy=hierarchies.find(config.node.cgroup_root),
        kubepods=config.node.kubepods,
        walk_seconds=config.enforcement.walk_seconds,
        events=_open_events(config.node.process_events),
    )


def _open_events(backend: str) -> connector.ProcessEvents | None:
    if backend == "none":
        return None
    try:
        return connector_pyroute2.Pyroute2Connector() if backend == "pyroute2" else connector.Connector()
    except OSError as error:
        _logger.warning("no process events, only walks find new processes", extra={"error": str(error)})
        return None
