"""The node's token, from a file that somebody else keeps fresh."""

import asyncio
import dataclasses
import pathlib

import jwt

from gthulhu.common import clock as clocks
from gthulhu.common.backoff import Random

RENEW_AT = 2 / 3
"""Part of a token's life after which the next one is given to the manager."""
SPREAD = 0.1
"""Part of the life by which agents differ, so that a thousand of them do not come at once."""
LOOK_AGAIN = 0.05
"""Part of the life between looks at a file that still holds the old token."""
LOOK_AGAIN_LEAST = 1.0
"""Seconds."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeToken:
    """A token, and when it is good for."""

    text: str
    issued_at: float
    """Unix seconds; 0 where the token does not say."""
    expires_at: float
    """Unix seconds; 0: never."""

    @property
    def life(self) -> float:
        """Return the token's whole life in seconds; 0: without end."""
        return self.expires_at - self.issued_at if self.expires_at else 0.0


class TokenError(Exception):
    """There is no usable token; says where it was looked for."""


def parse(text: str) -> NodeToken:
    """Return what a token says of itself. Only managers can verify it; they do.

    Raises:
        TokenError: It is no JWT.
    """
    try:
        claims = jwt.decode(text, options={"verify_signature": False})
        return NodeToken(text=text, issued_at=float(claims.get("iat", 0)), expires_at=float(claims.get("exp", 0)))
    except (jwt.InvalidTokenError, TypeError, ValueError) as error:
        raise TokenError(f"is no token: {error}") from None


class TokenFile:
    """Reads the token, and tells when it is to be replaced."""

    def __init__(self, path: pathlib.Path, *, clock: clocks.Clock, random: Random) -> None:
        """Take the file, and what tells the time and spreads it."""
        self._path = path
        self._clock = clock
        self._random = random

    async def read(self) -> NodeToken:
        """Return the token that is in the file now.

        Raises:
            TokenError: There is none.
        """
        try:
            return parse((await asyncio.to_thread(self._path.read_text)).strip())
        except OSError as error:
            raise TokenError(f"{self._path} cannot be read: {error.strerror}") from None
        except (TokenError, UnicodeDecodeError) as error:
            raise TokenError(f"{self._path} {error}") from None

    async def successor(self, token: NodeToken) -> NodeToken:
        """Return the token that follows, once this one has lived two thirds of its life and there is another."""
        at = token.issued_at + token.life * (RENEW_AT + self._random.uniform(-SPREAD, SPREAD))
        await self._clock.sleep(max(0.0, at - self._clock.now().timestamp()))
        while True:
            try:
                found = await self.read()
            except TokenError:  # being replaced just now: looked at again below
                found = token
            if found.text != token.text:
                return found
            await self._clock.sleep(max(LOOK_AGAIN_LEAST, token.life * LOOK_AGAIN))
