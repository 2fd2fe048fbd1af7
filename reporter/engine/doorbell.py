"""The doorbell: one APScheduler alarm at the earliest instant any clock waits for, and a re-read as belt and braces.

The database is the schedule. The alarm only sets an event, and so does the re-read; a task of its own drains what
is due and arms the alarm again. A lost, early or late ring can never change a verdict. The re-read counts seconds that
only go forward: an APScheduler interval counts on the wall clock, and stood still for as long as that was set back.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from reporter import metrics
from reporter.engine.again import Trouble
from reporter.engine.fence import MARGIN, Fence
from reporter.engine.record import Gate
from reporter.timesource import EPOCH, TimeSource, sleep

log = logging.getLogger(__name__)

REREAD_S = 0.5
ALARM = "alarm"
ASK_AGAIN_S = 0.02
"""Pause before the broker is asked again while a judgement waits for its word."""
TICK_CLOCKS_MIN = 250
TICK_CLOCKS_MAX = 2_000
TICK_CLOCKS_MAX_TOLD = 1_000
"""When many are due at once, the first need not wait for a long transaction, and the last not for many short ones: each
takes half as many again as the one before, so that whoever tells people of these has work for as long as it lasts."""
GIVE_WAY_S_MAX = 0.1
"""How long notices may be taken before the next deadlines are judged."""
RING_LATER = timedelta(milliseconds=1)
"""Past the margin, so that the broker's clock has passed it too."""


class Doorbell:
    """Rings when a clock's time has come, and has it judged."""

    def __init__(self, gate: Gate, fence: Fence, time: TimeSource) -> None:
        self._gate = gate
        self._fence = fence
        self._time = time
        self._rung = gate.signals.clocks
        self._scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._armed_at: datetime | None = None
        self.looked_at: float | None = None
        """When (monotonic) the table was last read: what `/readyz` and the watch see of this loop."""
        self.caught_up = asyncio.Event()
        """Set once nothing is left that fell due before the start."""

    async def run(self) -> None:
        """Runs until cancelled."""
        self._scheduler.start()
        trouble = Trouble(log, "judging")
        self._rung.set()  # whatever fell due before the start
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(REREAD_S):
                        await self._rung.wait()
                self._rung.clear()
                try:
                    await self._drain()
                    self.caught_up.set()
                    trouble.over()
                except Exception as error:
                    await trouble.failed(error)
                    self._rung.set()
        finally:
            self._gate.signals.calm.set()
            self._scheduler.shutdown(wait=False)

    async def _drain(self) -> None:
        """Has everything judged that is due, then sets the alarm to what comes next."""
        while True:
            remind_at, judge_at = await self._gate.next_looks()
            now = self._time.now()
            self.looked_at = monotonic()
            overdue = [at for at in (remind_at, judge_at) if at is not None and at <= now]
            metrics.CLOCK_OVERDUE_OLDEST.set((now - min(overdue)).total_seconds() if overdue else 0)
            ring_at = self._ring_at(remind_at, judge_at)
            if ring_at is None or ring_at > self._time.to_real(now):
                self._gate.signals.calm.set()
                self._arm(ring_at)
                return
            self._gate.signals.calm.clear()
            through = EPOCH
            if judge_at is not None and judge_at <= now:
                through = await self._fence.judged_through()
            is_reminder_due = remind_at is not None and remind_at <= now
            if not is_reminder_due and (judge_at is None or judge_at > through):
                self._gate.signals.calm.set()
                await sleep(ASK_AGAIN_S)
                continue
            clocks, most = TICK_CLOCKS_MIN, TICK_CLOCKS_MAX
            if not await self._gate.tick(through, clocks):
                await sleep(ASK_AGAIN_S)  # another replica is judging them at this moment
                continue
            most = await self._gave_way(most)
            while await self._gate.tick(through, clocks := min(clocks * 3 // 2, most)):
                most = await self._gave_way(most)

    async def _gave_way(self, clocks_max: int) -> int:
        """Lets the notices of one commit leave before the next: else those who send would wait for all of them.

        Returns how many clocks to judge in one transaction: fewer once many people are being told.
        """
        await sleep(0)
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVE_WAY_S_MAX):
                await self._gate.signals.taken.wait()
        return clocks_max if self._gate.signals.told.is_set() else TICK_CLOCKS_MAX_TOLD

    def _ring_at(self, remind_at: datetime | None, judge_at: datetime | None) -> datetime | None:
        """When to ring, on the machine's clock: reminders at once, judgements past the broker's margin."""
        rings = []
        if remind_at is not None:
            rings.append(self._time.to_real(remind_at))
        if judge_at is not None:
            rings.append(self._time.to_real(judge_at) + MARGIN + RING_LATER)
        return min(rings, default=None)

    def _arm(self, at: datetime | None) -> None:
        if at == self._armed_at:
            return
        self._armed_at = at
        if at is not None:
            trigger = DateTrigger(run_date=at, timezone="UTC")
            self._scheduler.add_job(self._ring, trigger, id=ALARM, replace_existing=True)
        elif self._scheduler.get_job(ALARM):
            self._scheduler.remove_job(ALARM)

    def _ring(self) -> None:
        self._armed_at = None
        self._rung.set()
