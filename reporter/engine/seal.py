"""Sealing: once an hour, however many replicas there are, and whenever somebody asks.

1. Every replica looks now and then whether the present hour has its seal. The first to see that it has not computes
   one; the seal's number and its hour are unique in the database, so of several only one is ever written.
2. After hours of downtime there is one seal, for the present hour: seals say what was at an instant, and cannot be
   made up afterwards.
3. The heads are read in a snapshot that takes no lock; deadlines go first, since reading gives way to them.
"""

import logging
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError

from reporter import metrics
from reporter.core.seal import Seal
from reporter.engine.signals import Signals
from reporter.store import seals
from reporter.store.database import Database
from reporter.timesource import TimeSource, sleep

log = logging.getLogger(__name__)

HOUR = timedelta(hours=1)
FIRST_LOOK_S = 10.0
"""A service that starts has deadlines to catch up with first."""
LOOK_S_MAX = 30.0
LOOK_S_MIN = 0.05
TROUBLE_S = 60.0
GIVE_WAY_S = 0.05
GIVE_WAY_LOOKS_MAX = 200
"""Ten seconds in all for one seal: a snapshot must not stay open for long."""
ATTEMPTS_MAX = 20


class Sealer:
    """Makes seals. Without `signals` nobody needs to be given way to, or told: as in a verb."""

    def __init__(self, database: Database, time: TimeSource, signals: Signals | None = None) -> None:
        self._database = database
        self._time = time
        self._signals = signals
        self._looks = 0

    async def run(self) -> None:
        """Seals every hour; runs until cancelled."""
        wait_s = FIRST_LOOK_S
        while True:
            await sleep(wait_s)
            try:
                await self.hourly()
                wait_s = self._until_next_hour_s()
            except Exception:
                log.exception("the ledger could not be sealed; trying again in %.0f s", TROUBLE_S)
                wait_s = TROUBLE_S

    async def hourly(self) -> Seal | None:
        """Makes the seal of the present hour; None when that hour, or a later one, has its seal."""
        return await self._seal(by_hour=True)

    async def seal(self) -> Seal:
        """Makes a seal now. Errors: IntegrityError when others were faster, again and again."""
        made = await self._seal(by_hour=False)
        if made is None:
            raise AssertionError("a seal on demand is never found made")
        return made

    async def _seal(self, *, by_hour: bool) -> Seal | None:
        for attempt in range(ATTEMPTS_MAX):
            self._looks = 0
            hour = _hour_of(self._time.now()) if by_hour else None
            made = await seals.draft(self._database, self._time, hour, self._breathe)
            if made is None:
                return None
            try:
                async with self._database.transaction() as connection:
                    await seals.save(connection, made)
            except IntegrityError:  # another replica was first; whether one is still wanted is seen anew
                if attempt == ATTEMPTS_MAX - 1:
                    raise
                continue
            finally:
                made.close()
            metrics.SEALS.inc()
            log.info("the ledger is sealed: seal %d, %s", made.seal.number, made.seal.hash)
            if self._signals is not None:
                self._signals.outbox.set()
            return made.seal
        raise AssertionError("unreachable")

    async def _breathe(self) -> None:
        """Lets others go on; while deadlines are being judged, for longer, within a bound."""
        await sleep(0)
        while (
            self._signals is not None and not self._signals.calm.is_set() and self._looks < GIVE_WAY_LOOKS_MAX
        ):
            self._looks += 1
            await sleep(GIVE_WAY_S)

    def _until_next_hour_s(self) -> float:
        """Seconds of the machine until the next hour begins, and no more than a regular look."""
        now = self._time.now()
        span = self._time.to_real(_hour_of(now) + HOUR) - self._time.to_real(now)
        return min(LOOK_S_MAX, max(LOOK_S_MIN, span.total_seconds()))


def _hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
