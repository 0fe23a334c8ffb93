"""The three kinds of things that the revision counts, as every store sees them: documents with a unique name."""

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import pydantic

from gthulhu.common import errors
from gthulhu.manager.domain import access, strategy
from gthulhu.manager.store import base

T = TypeVar("T", strategy.Strategy, access.User, access.Role)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """How to keep, name, sort and announce the things of one kind, and how to refuse what cannot be."""

    name: str
    adapter: pydantic.TypeAdapter[T]
    """Turns one into a document and back."""
    key: Callable[[T], str]
    """What must be unique among all of the kind."""
    order: Callable[[T], Any]
    """By what lists are sorted."""
    change: Callable[..., base.Change]
    """Makes the announcement from `revision`, `id` and `value`."""

    def exists(self, value: T) -> errors.ConflictError:
        """Return the error for a name that is taken."""
        text = f"there is a {self.name} named {self.key(value)!r} already"
        return errors.ConflictError(f"{self.name.upper()}_EXISTS", text)

    def not_found(self, thing_id: str) -> errors.NotFoundError:
        """Return the error for an id that is not there."""
        return errors.NotFoundError(f"{self.name.upper()}_NOT_FOUND", f"there is no {self.name} {thing_id!r}")

    def mismatch(self) -> errors.ConflictError:
        """Return the error for a lost race."""
        text = f"the {self.name} has been changed meanwhile: read it again, then change it"
        return errors.ConflictError("ETAG_MISMATCH", text)


def fold(name: str) -> str:
    """Return the form in which names of users are compared: `Admin` and `admin` are one user."""
    return name.casefold()


STRATEGY: Kind[strategy.Strategy] = Kind(
    name="strategy",
    adapter=pydantic.TypeAdapter(strategy.Strategy),
    key=lambda value: f"{value.namespace}/{value.name}",
    order=lambda value: (value.namespace, value.name),
    change=base.StrategyChange,
)
USER: Kind[access.User] = Kind(
    name="user",
    adapter=pydantic.TypeAdapter(access.User),
    key=lambda value: fold(value.username),
    order=lambda value: fold(value.username),
    change=base.UserChange,
)
ROLE: Kind[access.Role] = Kind(
    name="role",
    adapter=pydantic.TypeAdapter(access.Role),
    key=lambda value: value.name,
    order=lambda value: value.name,
    change=base.RoleChange,
)
ALL: dict[str, Kind[Any]] = {kind.name: kind for kind in (STRATEGY, USER, ROLE)}


def reassigned(value: strategy.Strategy, *, to: access.User, at: datetime.datetime) -> strategy.Strategy:
    """Return the strategy as it is when it has got another owner."""
    return dataclasses.replace(value, creator_id=to.id, creator=to.username, updated_at=at)


def email_taken(email: str) -> errors.ConflictError:
    """Return the error for an e-mail address that another user has."""
    return errors.ConflictError("USER_EXISTS", f"there is a user with the e-mail address {email!r} already")


def role_in_use(role: access.Role, users: int) -> errors.ConflictError:
    """Return the error for a role that is to be removed and that users have."""
    text = f"the role {role.name!r} is held by {users} user(s): delete it with force to take it from them"
    return errors.ConflictError("ROLE_IN_USE", text)
