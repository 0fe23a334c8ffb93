"""What both ends of sessions wrote down: one JSON object a line, each with its time."""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hello:
    """An agent began a session."""

    node: str
    held: Mapping[str, str]
    """Intent id → version."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Accepted:
    """An agent took in a delta."""

    node: str
    nonce: str
    chunks: tuple[tuple[int, int], ...]
    """Number and count, as they came."""
    set: Mapping[str, tuple[str, int]]
    """Intent id → version, and the mark by which versions of a strategy are ordered."""
    removed: tuple[str, ...]
    revision: int
    """The store's."""
    held: Mapping[str, str]
    """What it holds now."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compared:
    """An agent compared a digest with what it holds."""

    node: str
    equal: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sent:
    """A manager sent a chunk of a delta."""

    node: str
    session: str
    nonce: str
    set: Mapping[str, str]
    removed: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Acknowledged:
    """A manager got the answer to a delta."""

    node: str
    session: str
    nonce: str


Event = Hello | Accepted | Compared | Sent | Acknowledged


def read(paths: Iterable[pathlib.Path]) -> list[Event]:
    """Return what is in the files, in order of time."""
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines() if line.endswith("}")]
    found = (_event(line) for line in sorted(lines, key=lambda line: float(line["t"])))
    return [one for one in found if one is not None]


def _event(line: Mapping[str, Any]) -> Event | None:
    node = line["node"]
    match line["kind"]:
        case "hello":
            return Hello(node=node, held=line["held"])
        case "delta":
            return Accepted(
                node=node,
                nonce=line["nonce"],
                chunks=tuple((number, count) for number, count in line["chunks"]),
                set={key: (version, mark) for key, (version, mark) in line["set"].items()},
                removed=tuple(line["removed"]),
                revision=line["revisions"][0],
                held=line["held"],
            )
        case "digest":
            return Compared(node=node, equal=line["equal"])
        case "sent":
            removed = tuple(line["removed"])
            return Sent(node=node, session=line["session"], nonce=line["nonce"], set=line["set"], removed=removed)
        case "ack":
            return Acknowledged(node=node, session=line["session"], nonce=line["nonce"])
    return None
