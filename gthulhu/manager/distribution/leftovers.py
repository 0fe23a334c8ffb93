"""Removes what nodes that do not come back have left in the store."""

import datetime
import logging

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.distribution import world
from gthulhu.manager.store import base

_LOG = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
OVER = datetime.timedelta(minutes=5)
"""A session that has been over for so long is not about to be resumed: its reports go with their intents."""
FORGOTTEN = datetime.timedelta(days=1)
"""After so long nothing is kept of a node that is not in the inventory either."""


class Leftovers:
    """Looks now and then; several replicas may do so at once."""

    def __init__(self, *, view: world.World, store: base.Store, clock: clocks.Clock) -> None:
        """Remove from a store what a view does not know any more."""
        self._view = view
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            await self._clock.sleep(EVERY_SECONDS)
            try:
                await self.remove()
            except errors.UnavailableError as error:
                _LOG.warning("what is left of nodes stays for now: %s", error.message)

    async def remove(self) -> None:
        """Look once. While the view is not complete nothing may be concluded from what it lacks."""
        if not self._view.synced:
            return
        now = self._clock.now()
        over = [one for one in await self._store.list_sessions() if one.lease_until < now - OVER]
        reported: dict[str, list[str]] = {}
        for report in await self._store.list_reports() if over else ():
            reported.setdefault(report.node, []).append(report.intent_id)
        updates = []
        for one in over:
            known = self._view.intents_of(one.node)
            if gone := tuple(key for key in reported.get(one.node, ()) if key not in known):
                updates.append(base.SessionUpdate(session=one, removed=gone))
        if updates:
            await self._store.save_sessions(updates)
        gone = tuple(
            one.node for one in over if one.lease_until < now - FORGOTTEN and one.node not in self._view.nodes()
        )
        if gone:
            await self._store.forget_nodes(gone, over_since=now - FORGOTTEN)
            _LOG.info("nothing is kept any more of %d nodes that have been gone for a day", len(gone))
