"""Judging with the broker's word (contract 3.13): how far in time everything stored has been read.

One question serves every clock: its cost does not grow with them. Instants here are the machine's and the broker's
own; `judged_through` gives the product's.
"""

import logging
from collections import deque
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
STALLED = timedelta(seconds=4)
"""How long to wait for a floor that does not advance: longer than the broker's redelivery of a dead reader's share."""
ADVANCING = timedelta(seconds=30)
"""How long to wait while the floor advances."""
SHOWN = timedelta(seconds=1)
"""A backlog that lasts longer is said on the board and on `/readyz`."""
CHECKPOINTS_MAX = 1024


class Broker(Protocol):
    """What is asked of the bus."""

    @property
    def is_connected(self) -> bool: ...

    async def intake_standing(self) -> Standing: ...

    async def last_sequence(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """All that the stream held at the broker's instant `at` had sequences up to `last`; noted at our `noted_at`."""

    at: datetime
    last: int
    noted_at: datetime


class Fence:
    """Knows through which instant all that the broker stored has been read."""

    def __init__(self, broker: Broker, time: TimeSource) -> None:
        self._broker = broker
        self._time = time
        self._proven = EPOCH
        self._floor = -1
        self._advanced_at = EPOCH
        self._asked_at = EPOCH
        self._unreachable_since: datetime | None = None
        self._checkpoints: deque[_Checkpoint] = deque(maxlen=CHECKPOINTS_MAX)

    async def judged_through(self) -> datetime:
        """The instant (the product's) through which judging is just now; asks the broker once.

        1. All read: the broker's own time less the margin.
        2. A backlog: the newest checkpoint that the acknowledged floor has reached, or that has been waited for
           as long as the bounds above allow, counted from when it was noted: after downtime nothing is judged
           before the backlog has had its time.
        3. No word for a second: a second ago.
        """
        through = await self._real_through()
        since = self.waiting_since
        metrics.BACKLOG_WAIT.set((self._real_now() - since).total_seconds() if since else 0)
        return self._time.from_real(through)

    @property
    def waiting_since(self) -> datetime | None:
        """Since when (the machine's time) a backlog has been keeping judgements waiting, once that is a second."""
        now = self._real_now()
        is_asking = now - self._asked_at < SHOWN
        if is_asking and self._checkpoints and now - self._checkpoints[0].noted_at >= SHOWN:
            return self._checkpoints[0].noted_at
        return None

    @property
    def has_word(self) -> bool:
        """Whether the broker answers, as far as it is being asked just now."""
        is_asking = self._real_now() - self._asked_at < SHOWN
        return self._unreachable_since is None or not is_asking

    def _real_now(self) -> datetime:
        return self._time.to_real(self._time.now())

    async def _real_through(self) -> datetime:
        asked_at = self._asked_at = self._real_now()
        try:
            if not self._broker.is_connected:
                raise ConnectionError("not connected")
            standing = await self._broker.intake_standing()
            last = standing.floor if standing.is_all_read else await self._broker.last_sequence()
        except BrokerError as error:
            log.debug("the broker gave no word: %s", error)
            return self._without_word(asked_at)
        self._unreachable_since = None
        now = self._real_now()
        if standing.is_all_read:
            self._checkpoints.clear()
            self._proven = max(self._proven, standing.at - MARGIN)
        else:
            self._note(standing, last, now)
        return min(now, self._proven)

    def _note(self, standing: Standing, last: int, now: datetime) -> None:
        if not self._checkpoints or standing.floor != self._floor:
            self._floor, self._advanced_at = standing.floor, now
        if not self._checkpoints or standing.at - self._checkpoints[-1].at >= MARGIN:
            self._checkpoints.append(_Checkpoint(standing.at, last, now))
        patience = STALLED if now - self._advanced_at >= STALLED else ADVANCING
        while self._checkpoints:
            oldest = self._checkpoints[0]
            if oldest.last > standing.floor and now - oldest.noted_at < patience:
                break
            self._proven = max(self._proven, self._checkpoints.popleft().at - MARGIN)

    def _without_word(self, asked_at: datetime) -> datetime:
        if self._unreachable_since is None:
            self._unreachable_since = asked_at
        now = self._real_now()
        if now - self._unreachable_since < UNREACHABLE:
            return min(now, self._proven)
        return max(self._proven, now - UNREACHABLE)
