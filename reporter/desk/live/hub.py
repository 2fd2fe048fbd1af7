"""One hub a process: it sees what was committed, here or by another process, and tells every open board.

1. Commits of this process ring `changed`; those of others are seen by a token of the database, read twice a
   second at a cost that depends on nothing.
2. The situation is brought up to date once, whoever is looking.
3. For each view that anybody has open, what is new is rendered once, and the same bytes go to all its boards.
4. A board whose queue is full is dropped: its browser comes back and is sent everything.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Final

from reporter.desk.live.alarms import Alarm
from reporter.desk.live.cards import changes_at
from reporter.desk.live.listing import Board, Cards, View, board_of, call_of
from reporter.desk.live.situation import Open, Situation, Watch
from reporter.desk.live.telling import REPLAY_OVERLAP, Shown, Teller
from reporter.engine.troubles import Trouble
from reporter.render import Renderer
from reporter.store.database import Database
from reporter.store.editions import Editions
from reporter.timesource import EPOCH, TimeSource, sleep

LOOK_S: Final = 0.5
BEAT_S: Final = 5.0
AGE_S_MAX: Final = 15.0
"""Shifts begin and end without a commit, so the situation is read again at least so often."""
GAP_S: Final = 0.05
"""Between two updates: commits that come close together are one update."""
QUEUE_MAX: Final = 32
CLIENTS_MAX: Final = 800
"""Of the connections a server takes, some are left for those who log and report."""
ALARMS_MAX: Final = 20
RETRY_MS: Final = 2000

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Client:
    """One open board. `None` in its queue ends it."""

    view: View
    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_MAX))
    is_over: bool = False

    def tell(self, message: bytes) -> None:
        """Hands over what is to be sent; what is too slow to take it is dropped."""
        if self.is_over:
            return
        if self.queue.full():
            self.end()
        else:
            self.queue.put_nowait(message)

    def end(self) -> None:
        """Ends the stream: nothing that still waits is worth sending."""
        self.is_over = True
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


@dataclass(slots=True)
class _Group:
    """The boards with one view, and what they have been sent."""

    clients: set[Client] = field(default_factory=set)
    shown: Shown = field(default_factory=Shown)


class Hub:
    """Tells open boards what changes. `run()` until cancelled; `close()` ends every stream at once."""

    def __init__(
        self,
        database: Database,
        time: TimeSource,
        renderer: Renderer,
        editions: Editions,
        troubles: Callable[[], Awaitable[tuple[Trouble, ...]]],
        changed: asyncio.Event,
    ) -> None:
        self._database = database
        self._time = time
        self._ask_troubles = troubles
        self._changed = changed
        self._watch = Watch(database, time, editions)
        self._cards = Cards()
        self._groups: dict[View, _Group] = {}
        self._told: set[str] = set()
        self._cursor = EPOCH
        self._troubles: tuple[Trouble, ...] = ()
        self._next_tone_at: datetime | None = None
        self._is_closed = False
        self.teller = Teller(renderer, time)

    @property
    def is_full(self) -> bool:
        """Whether no board can join: there are as many as may be, or the service is stopping."""
        return self._is_closed or self.clients >= CLIENTS_MAX

    @property
    def clients(self) -> int:
        """How many boards are open."""
        return sum(len(group.clients) for group in self._groups.values())

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What was wrong with the service when that was last asked: seconds ago, while `run` runs."""
        return self._troubles

    async def situation(self) -> Situation:
        """All that is open as committed by now: for a page that freezes or counts what the board shows."""
        return await self._watch.fresh()

    async def board(self, view: View) -> tuple[Board, tuple[Trouble, ...], datetime]:
        """A page of the board as committed by now, what is wrong with the service, and the server's time."""
        situation = await self._watch.fresh()
        troubles = await self._ask_troubles()
        now = self._time.now()
        return board_of(situation, view, now, self._cards), (*troubles, *situation.troubles), now

    async def join(self, view: View, after: datetime | None) -> Client:
        """A new board: it is sent the whole page, and what has fired since `after`."""
        client = Client(view)
        group = self._groups.setdefault(view, _Group())
        is_first = not self.clients
        situation = await self._watch.fresh()
        if is_first:
            self._note_alarms(situation)
        now = self._time.now()
        board = board_of(situation, view, now, self._cards)
        data, shown = self.teller.board(board, (*self._troubles, *situation.troubles), now, Shown())
        if after is not None:
            missed = [each for each in _alarms(view, situation) if each[1].at > after - REPLAY_OVERLAP]
            if missed:
                client.tell(self._alarm_event(view, missed, is_missed=True))
        client.tell(self.teller.event("board", data or {}, self._cursor, RETRY_MS))
        if not group.clients:
            group.shown = shown
        elif group.shown.order != shown.order or group.shown.sums != shown.sums:
            self._changed.set()  # the others of this view have not been told yet
        self._groups[view] = group
        group.clients.add(client)
        return client

    def leave(self, client: Client) -> None:
        """The board has gone."""
        group = self._groups.get(client.view)
        if group is not None:
            group.clients.discard(client)
            if not group.clients:
                del self._groups[client.view]

    def close(self) -> None:
        """Ends every stream at once; no board can join any more."""
        self._is_closed = True
        for client in self._all():
            client.end()

    async def run(self) -> None:
        """Watches and tells, until cancelled. What fails is logged and tried again: no board dies of it."""
        token = ""
        updated_at = beaten_at = asked_at = -AGE_S_MAX
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._changed.wait()
            try:
                is_beat = monotonic() - beaten_at >= BEAT_S
                if monotonic() - asked_at >= BEAT_S:  # every page shows it, so no board need be open
                    self._troubles = await self._ask_troubles()
                    asked_at = monotonic()
                if not self._groups:
                    self._changed.clear()
                    continue
                is_rung = self._changed.is_set()
                self._changed.clear()
                seen = await self._database.change_token()
                is_old = monotonic() - updated_at > AGE_S_MAX
                is_turning = self._next_tone_at is not None and self._time.now() >= self._next_tone_at
                if is_rung or seen != token or is_old or is_turning or is_beat:
                    await self._update()
                    token, updated_at = seen, monotonic()
                if is_beat:
                    self._beat()
                    beaten_at = monotonic()
                await sleep(GAP_S)
            except Exception:
                log.exception("the boards could not be brought up to date; it is tried again")
                await sleep(LOOK_S)

    async def _update(self) -> None:
        situation = await self._watch.fresh()
        self._cards.forget(situation)
        self.teller.forget(situation.opens)
        now = self._time.now()
        turns = (at for each in situation.opens.values() if (at := changes_at(each, now)) is not None)
        self._next_tone_at = min(turns, default=None)
        new_ids = self._note_alarms(situation)
        for view, group in list(self._groups.items()):
            if new_ids:
                fired = [each for each in _alarms(view, situation) if each[1].id in new_ids]
                if fired:
                    self._send(group, self._alarm_event(view, fired, is_missed=False))
            board = board_of(situation, view, now, self._cards)
            troubles = (*self._troubles, *situation.troubles)
            data, group.shown = self.teller.board(board, troubles, now, group.shown)
            if data is not None:
                self._send(group, self.teller.event("board", data, self._cursor))
            await sleep(0)  # a page that somebody waits for goes between

    def _beat(self) -> None:
        message = self.teller.event("hb", self.teller.clock(), self._cursor)
        for client in self._all():
            client.tell(message)

    def _send(self, group: _Group, message: bytes) -> None:
        for client in list(group.clients):
            client.tell(message)

    def _all(self) -> Iterator[Client]:
        return (client for group in list(self._groups.values()) for client in list(group.clients))

    def _note_alarms(self, situation: Situation) -> set[str]:
        """Remembers every alarm as told, and returns those that are new."""
        ids: set[str] = set()
        for open_ in situation.opens.values():
            for alarm in open_.alarms:
                ids.add(alarm.id)
                self._cursor = max(self._cursor, alarm.at)
        new = ids - self._told
        self._told = ids
        return new

    def _alarm_event(self, view: View, fired: Sequence[tuple[Open, Alarm]], *, is_missed: bool) -> bytes:
        newest = sorted(fired, key=lambda each: each[1].at)[-ALARMS_MAX:]
        told = [self.teller.call(call_of(open_, alarm), view.language) for open_, alarm in newest]
        data = {"alarms": told, "missed": is_missed, "more": len(fired) - len(newest)}
        return self.teller.event("alarm", data, self._cursor)


def _alarms(view: View, situation: Situation) -> Iterator[tuple[Open, Alarm]]:
    """The alarms of everything that the view's readers may see."""
    for open_ in situation.opens.values():
        if open_.alarms and open_.is_within(view.scope):
            for alarm in open_.alarms:
                yield open_, alarm
