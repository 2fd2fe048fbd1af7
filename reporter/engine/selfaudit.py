"""Watching the watcher: whether what is due gets decided, asked of the table and not of the doorbell.

One indexed read every two seconds, whatever the number of clocks. It writes nothing and mends nothing.
"""

import asyncio
import logging
from datetime import datetime
from time import monotonic

from reporter import metrics
from reporter.bus import BrokerError, Bus
from reporter.clockwatch import LOOK_S, ClockWatch
from reporter.engine.record import Gate
from reporter.store.database import Database
from reporter.store.waiting import UNDECIDED_MAX, Undecided
from reporter.timesource import TimeSource, sleep

log = logging.getLogger(__name__)

EVERY_S = 2.0
AUDIT_TIMEOUT_S = 2.0
LATE_S_MAX = 5.0
"""A due instant that has been undecided for longer is an alarm; the broker's word takes a second at most."""
SILENCE_S_MAX = 10.0
"""A self-audit that has not been completed for so long is one too."""


class SelfAudit:
    """Asks since when the oldest due instant could have been decided and is not."""

    def __init__(self, gate: Gate, time: TimeSource) -> None:
        self._gate = gate
        self._time = time
        self._completed_s: float | None = None
        self._started_s = monotonic()
        self._saw_all_at: datetime | None = None
        """The last look, if it saw all that was due: what the next one finds besides has come since."""
        self._since: dict[tuple[int, str, datetime], datetime] = {}
        """Since when what the last look found could have been decided."""
        self.oldest_at: datetime | None = None
        """The earliest of them, at the last look; None if there was nothing."""

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            try:
                async with asyncio.timeout(AUDIT_TIMEOUT_S):
                    await self.look()
            except Exception as error:  # its silence is the alarm: `is_silent`
                log.warning("the self-audit could not be completed: %r", error)
            await sleep(EVERY_S)

    async def look(self) -> None:
        """One look."""
        now = self._time.now()
        found = await self._gate.undecided(now)
        known, self._since = self._since, {}
        for each in found:
            key = each.number, each.obligation, each.at
            self._since[key] = known.get(key) or self._decidable_at(each, now)
        self._saw_all_at = now if len(found) < UNDECIDED_MAX else None
        waiting = [*self._since.values(), self._gate.unjudged.oldest_at]
        self.oldest_at = min((at for at in waiting if at is not None and at <= now), default=None)
        self._completed_s = monotonic()
        metrics.UNDECIDED_OLDEST.set(self.oldest_s)
        metrics.SELF_AUDITS.inc()

    def _decidable_at(self, found: Undecided, now: datetime) -> datetime:
        """An old incident is due long before it is recorded; and what an amendment or a reopening made due long ago
        was not there at the look before.
        """
        known_at = max(found.recorded_at, self._saw_all_at or found.recorded_at)
        return max(found.at, min(known_at, now))  # `now`: a clock that was set back must not hide anything

    @property
    def oldest_s(self) -> float:
        """How many of the machine's seconds the oldest due instant has been undecided; 0 when there is none."""
        if self.oldest_at is None:
            return 0.0
        return (self._time.to_real(self._time.now()) - self._time.to_real(self.oldest_at)).total_seconds()

    @property
    def is_late(self) -> bool:
        """Whether something was due for too long at the last look."""
        return self.oldest_s > LATE_S_MAX

    @property
    def is_silent(self) -> bool:
        """Whether no look has been completed for too long."""
        since_s = self._started_s if self._completed_s is None else self._completed_s
        return monotonic() - since_s > SILENCE_S_MAX


async def watch_clock(watch: ClockWatch, bus: Bus) -> None:
    """Looks at the clock every second, and asks the broker for its time where nobody else does; never ends."""
    while True:
        watch.look()
        if bus.is_connected and not watch.is_comparing:
            try:
                await bus.intake_standing()
            except BrokerError as error:
                log.debug("the broker did not say its time: %s", error)
        await sleep(LOOK_S)


async def watch_writes(database: Database) -> None:
    """While the last write has failed and nobody tries again, tries every two seconds; runs until cancelled."""
    while True:
        if database.writes.needs_probe:
            try:
                await database.probe()
                log.warning("the database takes writes again")
            except Exception as error:
                log.error("the database takes no writes (%s): %s", database.writes.reason, error)
        await sleep(EVERY_S)
