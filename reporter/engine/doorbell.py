"""The doorbell: one APScheduler alarm at the earliest instant any clock waits for, and a re-read as belt and braces.

The database is the schedule. The alarm only sets an event, and so does the re-read; a task of its own drains what
is due and arms the alarm again. A lost, early or late ring can never change a verdict. The re-read counts seconds that
only go forward: an APScheduler interval counts on the wall clock, and stood still for as long as that was set back.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime
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
ASK_AGAIN_S_MIN = 0.001
LOOK_S_MIN = MARGIN.total_seconds()
"""Between two looks after commits: what one of them arms is judged no earlier than that after it."""


Looks = tuple[datetime | None, datetime | None]
"""The earliest reminder and the earliest judgement that any clock waits for."""


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
        self._armed_for: Looks = (None, None)
        """What the alarm is set to: the earliest reminder and the earliest judgement."""
        self._alarmed = asyncio.Event()
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
                await self._rings()
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

    async def _rings(self) -> None:
        """Returns at the alarm, after a commit, and for the re-read; after many commits not at each of them."""
        with suppress(TimeoutError):
            async with asyncio.timeout(REREAD_S):
                await self._rung.wait()
        if self.looked_at is not None and (rest_s := self.looked_at + LOOK_S_MIN - monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(rest_s):
                    await self._alarmed.wait()
        self._rung.clear()

    async def _drain(self) -> None:
        """Has everything judged that is due, then sets the alarm to what comes next."""
        while True:
            remind_at, judge_at = await self._looks()
            now = self._time.now()
            overdue = [at for at in (remind_at, judge_at) if at is not None and at <= now]
            metrics.CLOCK_OVERDUE_OLDEST.set((now - min(overdue)).total_seconds() if overdue else 0)
            ring_at = self._ring_at(remind_at, judge_at)
            if ring_at is None or ring_at > self._time.to_real(now):
                self._gate.signals.calm.set()
                self._arm(ring_at, (remind_at, judge_at))
                return
            self._gate.signals.calm.clear()
            through = EPOCH
            if judge_at is not None and judge_at <= now:
                through = await self._fence.judged_through()
            is_reminder_due = remind_at is not None and remind_at <= now
            if not is_reminder_due and (judge_at is None or judge_at > through):
                self._gate.signals.calm.set()
                await sleep(until_asked_again(judge_at, through))
                continue
            clocks, most = TICK_CLOCKS_MIN, TICK_CLOCKS_MAX
            done = await self._gate.tick(through, clocks, is_reminder_due=is_reminder_due)
            if not done:
                await sleep(ASK_AGAIN_S)  # another replica is judging them at this moment
                continue
            most = await self._gave_way(most)
            while done >= clocks:
                clocks = min(clocks * 3 // 2, most)
                done = await self._gate.tick(through, clocks)
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
            rings.append(self._time.to_real(judge_at) + MARGIN)
        return min(rings, default=None)

    async def _looks(self) -> Looks:
        """What clocks wait for. When the alarm has just rung that is known: what it was set to is due."""
        if self._alarmed.is_set():
            self._alarmed.clear()
            at = self._ring_at(*self._armed_for)
            if at is not None and at <= self._time.to_real(self._time.now()):
                return self._armed_for
        found = await self._gate.next_looks()
        self.looked_at = monotonic()
        return found

    def _arm(self, at: datetime | None, looks: Looks) -> None:
        self._armed_for = looks
        if at == self._armed_at:
            return
        self._armed_at = at
        if at is not None:
            trigger = DateTrigger(run_date=at, timezone="UTC")
            self._scheduler.add_job(self._ring, trigger, id=ALARM, replace_existing=True)
        elif self._scheduler.get_job(ALARM):
            self._scheduler.remove_job(ALARM)

    async def _ring(self) -> None:
        """A coroutine, since APScheduler calls what is none in another thread."""
        self._armed_at = None
        self._alarmed.set()
        self._rung.set()


def until_asked_again(judge_at: datetime | None, through: datetime) -> float:
    """Seconds until the broker is asked again: fewer when only its clock has still to get there."""
    if judge_at is None:
        return ASK_AGAIN_S
    return min(max((judge_at - through).total_seconds(), ASK_AGAIN_S_MIN), ASK_AGAIN_S)
