"""Judging with the broker's word (contract 3.13): how far in time everything stored has been read.

One question serves every clock: its cost does not grow with them. Instants here are the machine's and the broker's
own; `judged_through` gives the product's.
"""

import logging
from collections import deque
from datetime import datetime, timedelta
from typing import Protocol

from reporter import metrics
from reporter.bus import BrokerError, Standing
from reporter.timesource import TimeSource

log = logging.getLogger(__name__)

MARGIN = timedelta(milliseconds=50)
"""How far past a due time the broker's clock must be before its word counts."""
UNREACHABLE = timedelta(seconds=1)
STALLED = timedelta(seconds=4)
"""How long to wait for a floor that does not advance: longer than the broker's redelivery of a dead reader's share."""
ADVANCING = timedelta(seconds=30)
"""How long to wait while the floor advances."""
CHECKPOINTS_MAX = 256


class Broker(Protocol):
    """What is asked of the bus."""

    @property
    def is_connected(self) -> bool: ...

    async def intake_standing(self) -> Standing: ...

    async def last_sequence(self) -> int: ...


class Fence:
    """Knows through which instant all that the broker stored has been read."""

    def __init__(self, broker: Broker, time: TimeSource) -> None:
        self._broker = broker
        self._time = time
        self._proven: datetime | None = None
        self._floor = -1
        self._advanced_at: datetime | None = None
        self._checkpoints: deque[tuple[datetime, int]] = deque(maxlen=CHECKPOINTS_MAX)
        self.waiting_since: datetime | None = None
        """Since when (the machine's time) a backlog has been keeping judgements waiting; None while none does."""

    async def judged_through(self) -> datetime:
        """The instant (the product's) through which judging is just now; asks the broker once.

        Broker unreachable: a second ago. All read: its own time less the margin. Otherwise the newest checkpoint
        that the acknowledged floor has reached, within the bounds above.
        """
        through = await self._real_through()
        now = self._real_now()
        if now - through > UNREACHABLE + MARGIN:
            self.waiting_since = self.waiting_since or now
        else:
            self.waiting_since = None
        metrics.BACKLOG_WAIT.set((now - self.waiting_since).total_seconds() if self.waiting_since else 0)
        return self._time.from_real(through)

    def _real_now(self) -> datetime:
        return self._time.to_real(self._time.now())

    async def _real_through(self) -> datetime:
        if not self._broker.is_connected:
            return self._real_now() - UNREACHABLE
        try:
            standing = await self._broker.intake_standing()
            last = standing.floor if standing.is_all_read else await self._broker.last_sequence()
        except BrokerError as error:
            log.debug("the broker gave no word: %s", error)
            return self._real_now() - UNREACHABLE
        now = self._real_now()
        if standing.floor != self._floor or self._advanced_at is None or standing.is_all_read:
            self._floor, self._advanced_at = standing.floor, now
        if standing.is_all_read:
            self._checkpoints.clear()
            self._prove(standing.at - MARGIN)
        else:
            if not self._checkpoints or standing.at - self._checkpoints[-1][0] >= MARGIN:
                self._checkpoints.append((standing.at, last))
            while self._checkpoints and self._checkpoints[0][1] <= standing.floor:
                self._prove(self._checkpoints.popleft()[0] - MARGIN)
        bound = STALLED if now - self._advanced_at >= STALLED else ADVANCING
        return min(now, max(self._proven or now - bound, now - bound))

    def _prove(self, at: datetime) -> None:
        if self._proven is None or at > self._proven:
            self._proven = at
