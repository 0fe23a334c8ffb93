"""Finds out whose token a call was made with, and whether that still holds."""

import dataclasses
import datetime

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.common.identity import tokens
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.domain import access
from gthulhu.manager.store import base

AUDIENCE = "gthulhu-api"
GENERATION = "gen"
"""Claim of access tokens: the user's token generation when they were issued."""

STALE_AFTER = 5.0
"""Seconds of silence of the change feed after which the store itself is asked on each call."""
READ_ONLY_AFTER = 30.0
"""Seconds of silence after which nothing may be changed any more."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a valid access token says."""

    user_id: str
    generation: int
    expires_at: datetime.datetime


class Callers:
    """Knows users by their access tokens.

    The world answers, unless it is behind: a user who is newer than the world's view, or a view that is too old, is
    looked up in the store.
    """

    def __init__(self, *, keys: tokens.KeyRing, world: worlds.World, store: base.Store, clock: clocks.Clock) -> None:
        """Accept tokens that the keys have signed, of users of the store that the world follows."""
        self._keys = keys
        self._world = world
        self._store = store
        self._clock = clock

    def credentials(self, token: str) -> Credentials:
        """Return what a token says, or raise `UnauthenticatedError` (`TOKEN_EXPIRED`, `TOKEN_INVALID`)."""
        claims = self._keys.verify(token, audience=AUDIENCE, kind="access", now=self._clock.now())
        generation = claims.claims.get(GENERATION)
        if not isinstance(generation, int):
            raise errors.UnauthenticatedError("TOKEN_INVALID", "the token is not valid")
        return Credentials(user_id=claims.subject, generation=generation, expires_at=claims.expires_at)

    async def principal(self, credentials: Credentials) -> access.Principal:
        """Return what the token's user may do now.

        Raises:
            UnauthenticatedError: `TOKEN_EXPIRED`; `TOKEN_REVOKED`: the user is gone or disabled, or has ended the
                logins that the token comes from.
        """
        if self._clock.now() >= credentials.expires_at:
            raise errors.UnauthenticatedError("TOKEN_EXPIRED", "the token has expired")
        user, principal = await self._look_up(credentials)
        if user is None or principal is None or user.token_generation != credentials.generation:
            raise errors.UnauthenticatedError("TOKEN_REVOKED", "the token has been revoked: log in again")
        return principal

    async def changed(self, *, until: datetime.datetime, at_most: float) -> None:
        """Return when the world has changed, at a time, or after so many seconds, whichever comes first."""
        left = (until - self._clock.now()).total_seconds()
        await self._world.wait_for(self._world.revision + 1, timeout=max(0.0, min(left, at_most)))

    def require_writable(self) -> None:
        """Raise `UnavailableError` where permissions are too old to change anything by."""
        if self._store.feed_age() > READ_ONLY_AFTER:
            raise errors.UnavailableError(
                "STORE_BEHIND",
                "this manager has lost sight of the store: until it is back nothing can be changed here",
                retry_after=STALE_AFTER,
            )

    async def _look_up(self, credentials: Credentials) -> tuple[access.User | None, access.Principal | None]:
        known = self._world.user(credentials.user_id)
        ahead = known is None or known.token_generation < credentials.generation
        if not ahead and self._store.feed_age() <= STALE_AFTER:
            return known, self._world.principal(credentials.user_id)
        user = await self._store.get_user(credentials.user_id)
        if user is None:
            return None, None
        roles = {role.id: role for role in await self._store.list_roles()}
        return user, access.principal_of(user, roles=roles)
