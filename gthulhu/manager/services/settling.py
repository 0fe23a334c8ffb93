"""After a write: until this replica shows it."""

from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.store import base

SECONDS = 2.0


async def settle(world: worlds.World, store: base.Store) -> None:
    """Wait until the world has what the store has now, `SECONDS` at most: the write is durable in any case."""
    await world.wait_for(await store.revision(), timeout=SECONDS)
