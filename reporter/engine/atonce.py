"""Notices that leave as soon as they are written: on lease from their own commit, so that nobody looks for them.

Of ten thousand breaches at one instant each notice was found, taken and read back a moment after it had been written:
a quarter of all that the service did meanwhile. What there is no room for waits in the table, as does whatever a crash
leaves behind: the lease runs out.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import NamedTuple, Protocol

from reporter.core.notice import Lease, Taken, Words
from reporter.core.tracked import Notice, Tracked
from reporter.engine.share import Share
from reporter.engine.words import words_at_hand
from reporter.sending.sender import time_in
from reporter.store.sending import Due
from reporter.timesource import TimeSource

Reserve = Callable[[Sequence[Tracked], datetime], Lease]
"""Picks what leaves at once of the notices of these incidents, written now."""
Reserving = Callable[[], AbstractAsyncContextManager[Reserve]]
"""Around a transaction: what was picked leaves when it has been committed, and is let go when it has not."""


class Ready(Protocol):
    """Whoever sends notices."""

    @property
    def is_up(self) -> bool:
        """Whether anything can be handed over now."""
        ...


class Reserved(NamedTuple):
    """Notices that have been committed as taken, and are held in their channel's share."""

    share: Share
    taken: list[Taken]
    words: Words
    """What they speak of, without the units."""
    until: datetime
    """When the lease ends."""


@asynccontextmanager
async def nothing_at_once() -> AsyncIterator[Reserve]:
    """Where nobody sends."""
    yield lambda _ticked, _now: Lease()


class AtOnce:
    """What has been committed as taken and waits to be handed over; `wake` is set when there is any."""

    def __init__(
        self,
        shares: Mapping[str, Share],
        sender: Ready,
        time: TimeSource,
        lease_s: float,
        wake: asyncio.Event,
    ) -> None:
        self._shares = shares
        self._sender = sender
        self._time = time
        self._lease_s = lease_s
        self._wake = wake
        self._committed: deque[Reserved] = deque()
        self._is_closed = False

    @asynccontextmanager
    async def reserving(self) -> AsyncIterator[Reserve]:
        """See `Reserving`."""
        picked: list[Reserved] = []

        def reserve(ticked: Sequence[Tracked], now: datetime) -> Lease:
            until = time_in(self._time, self._lease_s)
            if self._sender.is_up and not self._is_closed:
                picked.extend(self._picked(ticked, now, until))
            return Lease(frozenset(notice.id for each in picked for notice in each.taken), until)

        try:
            yield reserve
        except BaseException:
            for each in picked:
                each.share.release(each.taken)
            raise
        if picked:
            self._committed += picked
            self._wake.set()

    def next(self) -> Reserved | None:
        """What is to be handed over next, if anything is; what is past its lease is let go."""
        while self._committed:
            reserved = self._committed.popleft()
            if reserved.until > self._time.now():
                return reserved
            reserved.share.release(reserved.taken)
        return None

    def close(self) -> list[str]:
        """Picks nothing more, and lets go what was not handed over: its ids, to be given back."""
        self._is_closed = True
        unsent = [notice.id for each in self._committed for notice in each.taken]
        for each in self._committed:
            each.share.release(each.taken)
        self._committed.clear()
        return unsent

    def _picked(self, ticked: Sequence[Tracked], now: datetime, until: datetime) -> Iterator[Reserved]:
        """What there is room for in each channel. Where some of what was due had to wait, nothing overtakes it."""
        leaving: dict[str, list[Notice]] = {}
        words: Words | None = None
        for tracked in ticked:
            for notice in tracked.notices:
                if not notice.wait and notice.recipient.channel in self._shares:
                    leaving.setdefault(notice.recipient.channel, []).append(notice)
        for channel, notices in leaving.items():
            share = self._shares[channel]
            if share.is_limited:
                continue
            notices.sort(key=_rank)
            ids = set(share.chosen([Due(notice.id, notice.recipient.address) for notice in notices]))
            if ids:
                taken = [_taken(notice, now) for notice in notices if notice.id in ids]
                words = words or words_at_hand(ticked)
                share.take(taken)
                yield Reserved(share, taken, words, until)


def _rank(notice: Notice) -> int:
    return notice.rank


def _taken(notice: Notice, now: datetime) -> Taken:
    """The notice as its row will say."""
    to = notice.recipient
    return Taken(
        notice.id,
        notice.incident,
        notice.unit,
        str(notice.mode),
        notice.obligation,
        notice.step,
        notice.repeat,
        str(notice.reason),
        to.to,
        to.person,
        to.phone,
        to.channel,
        to.address,
        notice.due_at,
        now,
        1,
        to.note,
        notice.rank,
    )
