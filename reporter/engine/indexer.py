"""The indexer: makes what the gate has noted findable, a moment later and never in anybody's way."""

import asyncio
import logging
from time import monotonic

from reporter.engine.again import Trouble
from reporter.engine.signals import Signals
from reporter.store import search
from reporter.store.database import Database
from reporter.timesource import sleep

log = logging.getLogger(__name__)

GIVE_WAY_S_MAX = 20.0
CALM_S_MAX = 2.0
LOOK_S = 0.05


class Indexer:
    """Takes the notes of `store.search.mark` one page after the other."""

    def __init__(self, database: Database, signals: Signals) -> None:
        self._database = database
        self._signals = signals

    async def run(self) -> None:
        """Runs until cancelled."""
        trouble = Trouble(log, "indexing")
        while True:
            try:
                await self._signals.unfindable.wait()
                await self._give_way()
                if await search.index_pending(self._database) < search.PAGE:
                    self._signals.unfindable.clear()  # what a trickle brings is gathered until the next look
                trouble.over()
            except Exception as error:
                await trouble.failed(error)

    async def _give_way(self) -> None:
        """Lets messages and deadlines go first, for a while: a search may wait a little, an emergency may not."""
        given_up_at = monotonic() + GIVE_WAY_S_MAX
        while monotonic() < given_up_at:
            if self._signals.backlog:
                await sleep(LOOK_S)
                continue
            try:
                async with asyncio.timeout(CALM_S_MAX):
                    await self._signals.calm.wait()
            except TimeoutError:
                pass
            return
