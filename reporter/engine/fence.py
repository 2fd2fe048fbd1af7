"""Judging with the broker's word (contract 3.13): how far in time everything stored has been read.

One question serves every clock: its cost does not grow with them. Instants here are the machine's and the broker's
own; `judged_through` gives the product's. Waits are counted in seconds that only go forward, so that a clock that is
set cuts none short and draws none out.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from reporter import metrics
from reporter.bus import BrokerError, Standing
from reporter.timesource import EPOCH, TimeSource

log = logging.getLogger(__name__)

MARGIN = timedelta(milliseconds=50)
"""How far past a due time the broker's clock must be before its word counts."""
UNREACHABLE = timedelta(seconds=1)
STALLED_S = 4.0
"""How long to wait for a floor that does not advance: longer than the broker's redelivery of a dead reader's share."""
ADVANCING_S = 30.0
"""How long to wait while the floor advances."""
SHOWN_S = 1.0
"""A backlog that lasts longer is said on the board and on `/readyz`."""
CHECKPOINTS_MAX = 1024


class Broker(Protocol):
    """What is asked of the bus."""

    @property
    def is_connected(self) -> bool: ...

    async def intake_standing(self) -> Standing: ...

    async def last_sequence(self) -> int: ...


@dataclass(slots=True)
class _Checkpoint:
    """All that the stream held at the broker's instant `at` had sequences up to `last`; noted at `noted_s`."""

    at: datetime
    last: int
    noted_s: float


class Fence:
    """Knows through which instant all that the broker stored has been read."""

    def __init__(
        self,
        broker: Broker,
        time: TimeSource,
        elapsed: Callable[[], float] | None = None,
        can_write: Callable[[], bool] = lambda: True,
    ) -> None:
        """`elapsed` counts seconds that only go forward; without it they are those of `time`.

        `can_write` says whether the database takes anything just now.
        """
        self._broker = broker
        self._can_write = can_write
        self._time = time
        self._elapsed = elapsed or self._seconds_of_time
        self._proven = EPOCH
        self._heard_at = EPOCH
        self._floor = -1
        self._advanced_s = 0.0
        self._asked_s = -SHOWN_S
        self._answered_s = 0.0
        self._unreachable_s: float | None = None
        self._checkpoints: deque[_Checkpoint] = deque(maxlen=CHECKPOINTS_MAX)

    async def judged_through(self) -> datetime:
        """The instant (the product's) through which judging is just now; asks the broker once.

        1. All read: the broker's own time less the margin.
        2. A backlog: the newest checkpoint that the acknowledged floor has reached, or that has been waited for
           as long as the bounds above allow, counted from when it was noted: after downtime nothing is judged
           before the backlog has had its time. Seconds in which the database takes nothing do not count: what was
           read cannot be acknowledged then, and a judgement could not be recorded either. Nor do those in which
           nobody asked, but for the first: the process was stopped, or could not read what is due.
        3. No word for a second: a second ago.
        """
        self._waits_on(self._elapsed())
        through = await self._real_through()
        self._answered_s = self._elapsed()
        metrics.BACKLOG_WAIT.set(self._waited_s)
        return self._time.from_real(through)

    @property
    def waiting_since(self) -> datetime | None:
        """Since when (the machine's time) a backlog has been keeping judgements waiting, once that is a second."""
        waited_s = self._waited_s
        return self._real_now() - timedelta(seconds=waited_s) if waited_s else None

    @property
    def has_word(self) -> bool:
        """Whether the broker answers within the second that is waited for it, as far as it is being asked just now."""
        now_s = self._elapsed()
        is_asking = now_s - self._asked_s < SHOWN_S
        return self._unreachable_s is None or not is_asking or now_s - self._unreachable_s < SHOWN_S

    @property
    def _waited_s(self) -> float:
        now_s = self._elapsed()
        is_asking = now_s - self._asked_s < SHOWN_S
        if is_asking and self._checkpoints and now_s - self._checkpoints[0].noted_s >= SHOWN_S:
            return now_s - self._checkpoints[0].noted_s
        return 0.0

    def _real_now(self) -> datetime:
        return self._time.to_real(self._time.now())

    def _seconds_of_time(self) -> float:
        return (self._real_now() - EPOCH).total_seconds()

    async def _real_through(self) -> datetime:
        asked_s = self._asked_s = self._elapsed()
        try:
            if not self._broker.is_connected:
                raise ConnectionError("not connected")
            standing = await self._broker.intake_standing()
            last = standing.floor if standing.is_all_read else await self._broker.last_sequence()
        except BrokerError as error:
            log.debug("the broker gave no word: %s", error)
            return self._without_word(asked_s)
        self._unreachable_s = None
        self._hear(standing.at)
        if standing.is_all_read:
            self._checkpoints.clear()
            self._proven = standing.at - MARGIN
        else:
            self._note(standing, last, self._elapsed())
        return min(self._real_now(), self._proven)

    def _hear(self, at: datetime) -> None:
        """Forgets all that was proven when the broker's clock was set back: it stamps the same instants again."""
        if at < self._heard_at:
            self._proven = EPOCH
            while self._checkpoints and self._checkpoints[-1].at > at:
                self._checkpoints.pop()
        self._heard_at = at

    def _waits_on(self, asked_s: float) -> None:
        """Goes on waiting after a while in which nobody asked: that was none."""
        idle_s = asked_s - self._answered_s - SHOWN_S
        if idle_s > 0:
            self._advanced_s += idle_s
            for checkpoint in self._checkpoints:
                checkpoint.noted_s += idle_s

    def _note(self, standing: Standing, last: int, now_s: float) -> None:
        if not self._checkpoints or standing.floor != self._floor:
            self._floor, self._advanced_s = standing.floor, now_s
        if not self._checkpoints or standing.at - self._checkpoints[-1].at >= MARGIN:
            self._checkpoints.append(_Checkpoint(standing.at, last, now_s))
        if not self._can_write():
            self._advanced_s = now_s
            for checkpoint in self._checkpoints:
                checkpoint.noted_s = now_s
        patience_s = STALLED_S if now_s - self._advanced_s >= STALLED_S else ADVANCING_S
        while self._checkpoints:
            oldest = self._checkpoints[0]
            if oldest.last > standing.floor and now_s - oldest.noted_s < patience_s:
                break
            self._proven = max(self._proven, self._checkpoints.popleft().at - MARGIN)

    def _without_word(self, asked_s: float) -> datetime:
        if self._unreachable_s is None:
            self._unreachable_s = asked_s
        now = self._real_now()
        if self._elapsed() - self._unreachable_s < UNREACHABLE.total_seconds():
            return min(now, self._proven)
        return max(self._proven, now - UNREACHABLE)
