"""Pods and nodes from a YAML file: what stands in for a cluster on a laptop, in the demo and on bare hosts.

    nodes:
      - name: node-1
    pods:
      - {name: web-1, namespace: prod, uid: 6d9c…, node: node-1, labels: {app: web}, qosClass: Burstable}

The file is read again when it changes. It is looked at rather than watched by inotify: a look costs microseconds, and
works for bind mounts, ConfigMaps (symbolic links) and network file systems alike.
"""

import asyncio
import dataclasses
import difflib
import logging
import pathlib
import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

import yaml

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.domain import pod as pods
from gthulhu.manager.inventory import base

_LOG = logging.getLogger(__name__)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times as fast, where it is built in

_PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
_FINISHED = ("Succeeded", "Failed")
_TOP_KEYS = ("nodes", "pods")
_NODE_KEYS = ("name", "ready")
_POD_KEYS = ("name", "namespace", "uid", "node", "labels", "qosClass", "phase")

Signature = tuple[int, int, int]
"""What changes when a file is written or replaced: inode, size, time of the last change."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything that a file says."""

    nodes: Mapping[str, pods.Node]
    """By name."""
    pods: Mapping[str, pods.Pod]
    """By UID."""


class FileInventory:
    """See `base.Inventory`."""

    def __init__(self, *, path: pathlib.Path, clock: clocks.Clock, interval: float = 0.1) -> None:
        """Watch a file.

        Args:
            path: It need not exist yet.
            clock: Paces the looks.
            interval: Seconds between two looks; a change is taken when two looks in a row saw the same.
        """
        self.source = f"file:{path}#{uuid.uuid4().hex[:8]}"
        """Names this process too: a file has no version of its own that would mean the same to another one."""
        self._path = path
        self._clock = clock
        self._interval = interval
        self._version = 0

    async def watch(self) -> AsyncIterator[base.InventoryChange]:
        """See `base.Inventory.watch`."""
        last: View | None = None
        async for view in self._views():
            change = difference(before=last, after=view)
            if change is not None:
                self._version += 1
                yield dataclasses.replace(change, version=self._version)
            last = view

    async def _views(self) -> AsyncIterator[View]:
        """Yield what each new state of the file says; what cannot be read is logged once and passed over."""
        async for signature in self._signatures():
            try:
                text = await asyncio.to_thread(self._path.read_bytes)
                view = await asyncio.to_thread(parse, text)
            except (OSError, errors.InvalidInputError) as error:
                _LOG.warning("inventory file %s: %s; the last good view stays in use", self._path, error)
                continue
            if self._signature() == signature:  # else it was written while it was read, and comes again
                yield view

    async def _signatures(self) -> AsyncIterator[Signature | None]:
        """Yield the file's signature whenever it is another one, and has rested: half a file is not a change."""
        never = (0, 0, 0)
        seen: Signature | None = never
        done: Signature | None = never
        while True:
            now = self._signature()
            if now == seen and now != done:
                done = now
                yield now
            seen = now
            await self._clock.sleep(self._interval)

    def _signature(self) -> Signature | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns


def difference(*, before: View | None, after: View) -> base.InventoryChange | None:
    """Return what leads from one view to the next (version 0), None where that is nothing."""
    if before is None:
        return base.InventoryChange(
            version=0, pods=tuple(after.pods.values()), nodes=tuple(after.nodes.values()), complete=True
        )
    change = base.InventoryChange(
        version=0,
        pods=tuple(pod for uid, pod in after.pods.items() if before.pods.get(uid) != pod),
        removed_pods=tuple(before.pods.keys() - after.pods.keys()),
        nodes=tuple(node for name, node in after.nodes.items() if before.nodes.get(name) != node),
        removed_nodes=tuple(before.nodes.keys() - after.nodes.keys()),
    )
    return change if change != base.InventoryChange(version=0) else None


def parse(text: bytes | str) -> View:
    """Return what the text of an inventory file says; `InvalidInputError` names the place and what is allowed."""
    try:
        content = yaml.load(text, Loader=_LOADER)  # noqa: S506 - both loaders are the safe ones
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise errors.InvalidInputError("INVALID_INVENTORY", f"not valid YAML: {error}") from error
    top = _mapping("the file", {} if content is None else content, _TOP_KEYS)
    nodes = [_node(f"nodes[{index}]", item) for index, item in enumerate(_items(top, "nodes"))]
    its_pods = [_pod(f"pods[{index}]", item) for index, item in enumerate(_items(top, "pods"))]
    _unique("nodes", "name", [node.name for node in nodes])
    _unique("pods", "uid", [pod.uid for pod in its_pods])
    _unique("pods", "namespace/name", [f"{pod.namespace}/{pod.name}" for pod in its_pods])
    return View(nodes={node.name: node for node in nodes}, pods={pod.uid: pod for pod in its_pods})


def _node(where: str, item: object) -> pods.Node:
    fields = _mapping(where, item, _NODE_KEYS)
    ready = fields.get("ready", True)
    if not isinstance(ready, bool):
        raise _invalid(f"{where}.ready", f"{ready!r} is not true or false")
    return pods.Node(name=_text(where, fields, "name"), ready=ready)


def _pod(where: str, item: object) -> pods.Pod:
    fields = _mapping(where, item, _POD_KEYS)
    labels = fields.get("labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(one, str) for pair in labels.items() for one in pair):
        raise _invalid(f"{where}.labels", "must map text to text; quote numbers and true or false")
    return pods.Pod(
        uid=_text(where, fields, "uid"),
        name=_text(where, fields, "name"),
        namespace=_text(where, fields, "namespace", default="default"),
        node=_text(where, fields, "node", default=""),
        labels=labels,
        qos=pods.QosClass(_choice(where, fields, "qosClass", list(pods.QosClass), default="Burstable")),
        finished=_choice(where, fields, "phase", _PHASES, default="Running") in _FINISHED,
    )


def _items(top: Mapping[str, Any], key: str) -> Sequence[object]:
    items = top.get(key)
    if items is None:
        return ()
    if not isinstance(items, list):
        raise _invalid(key, "must be a list")
    return items


def _mapping(where: str, item: object, known: Collection[str]) -> Mapping[str, Any]:
    """Return the item, a mapping with known keys only."""
    if not isinstance(item, dict):
        raise _invalid(where, f"must be a mapping with the keys {', '.join(known)}")
    for key in item:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)[0]
            raise _invalid(where, f"unknown key {key!r}; did you mean {near!r}?")
    return item


def _text(where: str, fields: Mapping[str, Any], key: str, *, default: str | None = None) -> str:
    value = fields.get(key, default)
    if not isinstance(value, str) or (default is None and not value):
        raise _invalid(f"{where}.{key}", f"must be text that is not empty, not {value!r}" if value else "is missing")
    return value


def _choice(where: str, fields: Mapping[str, Any], key: str, allowed: Sequence[str], *, default: str) -> str:
    value = fields.get(key, default)
    if value not in allowed:
        raise _invalid(f"{where}.{key}", f"{value!r} is not one of {', '.join(allowed)}")
    return str(value)


def _unique(where: str, key: str, values: Sequence[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise _invalid(where, f"{key} {value!r} is there twice")
        seen.add(value)


def _invalid(where: str, description: str) -> errors.InvalidInputError:
    return errors.InvalidInputError(
        "INVALID_INVENTORY", f"{where}: {description}", fields=[errors.FieldViolation(where, description)]
    )
