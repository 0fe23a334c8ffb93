"""The accepted set of intents on disk: what an agent holds on to while no manager, or no agent, is there.

A file is either the old set or the new one, never a mixture: the new one is written beside it, flushed to the disk,
and renamed over it, and the folder is flushed too. Its first line tells format, version and digest of the rest, so
that a torn or foreign file is known for what it is.
"""

import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any, NoReturn

from gthulhu.agent.domain import intent as domain

FORMAT = "gthulhu-held-intents"
VERSION = 1


class HeldFileError(Exception):
    """The file is not what this program wrote: torn, foreign, or of a newer release."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """What a set of intents was computed from."""

    store: int = 0
    inventory: int = 0
    inventory_source: str = ""

    def raised_to(self, other: "Revisions") -> "Revisions":
        """Return the highest of both; inventory versions of another source replace ours: they cannot be compared."""
        same_source = self.inventory_source == other.inventory_source
        return Revisions(
            store=max(self.store, other.store),
            inventory=max(self.inventory, other.inventory) if same_source else other.inventory,
            inventory_source=other.inventory_source,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A set of intents that is in force as a whole."""

    intents: Mapping[str, domain.Intent] = dataclasses.field(default_factory=dict)
    """By id."""
    revisions: Revisions = Revisions()
    """The highest that came with it."""

    def versions(self) -> dict[str, str]:
        """Return intent id → version."""
        return {one.id: one.version for one in self.intents.values()}


class HeldFile:
    """Keeps one set in one file. Its methods block: call them in a thread."""

    def __init__(self, path: pathlib.Path) -> None:
        """Take the file's path; its folder is made when something is saved."""
        self.path = path

    def load(self) -> Held | None:
        """Return the set that was saved last; None where none ever was.

        Raises:
            HeldFileError: What is there cannot be used; says why.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._refuse(f"cannot be read: {error}")
        header_line, _, body = content.partition(b"\n")
        try:
            header = json.loads(header_line)
        except ValueError:
            header = None
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            self._refuse("is no file of this program")
        if header.get("version") != VERSION:
            self._refuse(f"has version {header.get('version')!r}, this release reads version {VERSION}")
        if header.get("sha256") != hashlib.sha256(body).hexdigest():
            self._refuse("is torn: its digest does not match")
        return _parse(json.loads(body))

    def save(self, held: Held) -> None:
        """Put a set in the place of the one before; when this returns it is on the disk.

        Raises:
            OSError: It could not be written; the set before is still there.
        """
        body = json.dumps(_dump(held), ensure_ascii=False, separators=(",", ":")).encode()
        header = {"format": FORMAT, "version": VERSION, "sha256": hashlib.sha256(body).hexdigest()}
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self.path.with_name(self.path.name + ".new")
        with beside.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(json.dumps(header).encode() + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def set_aside(self) -> pathlib.Path:
        """Rename a file that cannot be used, for people to look at; returns its new path."""
        aside = self.path.with_name(self.path.name + ".unusable")
        self.path.replace(aside)
        return aside

    def _refuse(self, what: str) -> NoReturn:
        raise HeldFileError(f"{self.path} {what}")


def _dump(held: Held) -> dict[str, Any]:
    return {
        "revisions": dataclasses.asdict(held.revisions),
        "intents": [
            {
                **dataclasses.asdict(one),
                "strategy_created_at": one.strategy_created_at.isoformat(),
                "labels": dict(one.labels),
            }
            for one in held.intents.values()
        ],
    }


def _parse(body: dict[str, Any]) -> Held:
    parsed = (
        domain.Intent(**{**one, "strategy_created_at": datetime.datetime.fromisoformat(one["strategy_created_at"])})
        for one in body["intents"]
    )
    return Held(intents={one.id: one for one in parsed}, revisions=Revisions(**body["revisions"]))
