"""The monthly rehearsal: on the day set, once, whichever replica comes first."""

import logging
from typing import Final
from zoneinfo import ZoneInfo

from reporter.core.roster import ROOT, FlawOf
from reporter.engine.signals import Signals
from reporter.store import rehearsals
from reporter.store.database import Database
from reporter.timesource import TimeSource, sleep

log = logging.getLogger(__name__)

EVERY_S: Final = 60.0
HOURS: Final = range(10, 17)
"""Of the local day: when both those of the night and those of the day can be expected to look. A test at night costs
sleep, and says of nobody whether a call is heard."""


class MonthlyRehearsal:
    """Starts a rehearsal of the whole tree each month, at ten o'clock of day `day`.

    One that is late, since the service did not run or the day was set only then, begins within `HOURS` too, of that
    day or of the next one of the month.
    """

    def __init__(
        self,
        database: Database,
        time: TimeSource,
        signals: Signals,
        zone: str,
        flaw_of: FlawOf,
        day: int,
    ) -> None:
        self._database = database
        self._time = time
        self._signals = signals
        self._zone = ZoneInfo(zone)
        self._flaw_of = flaw_of
        self._day = day
        self._held: str | None = None

    async def run(self) -> None:
        """Looks every minute; never ends."""
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("the monthly rehearsal could not be started; again in %s s", EVERY_S)
            await sleep(EVERY_S)

    async def look(self) -> bool:
        """Looks once. True: a rehearsal has begun."""
        now = self._time.now()
        local = now.astimezone(self._zone)
        month = f"{local:%Y-%m}"
        if self._held == month or local.day < self._day or local.hour not in HOURS:
            return False
        try:
            started = await rehearsals.start(self._database, ROOT, "engine", now, self._flaw_of, month=month)
        except rehearsals.NothingToRehearse:
            return False
        self._held = month
        if started is None:
            return False
        log.info("rehearsal %d: %d people, %d tests", started.id, started.people, started.tests)
        self._signals.notices.set()
        return True
