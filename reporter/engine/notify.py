"""Notices to people: from the table to whoever sends them, and what came of it to the gate.

The table is the truth: a notice waits there from the commit that decided it. This loop takes what is due
on a lease, hands it over to be sent, and writes the results in batches. A crash between sending and recording lets the
lease run out: the notice is sent again under the same id, its attempts counted. Nothing sent is recalled.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Final, Protocol

from reporter import metrics
from reporter.channels.contract import NO_CHANNEL, Channel
from reporter.core.notice import NoticeResult, Taken, Words, result, written_note
from reporter.core.roster import DESK
from reporter.core.terms import NoticeState
from reporter.engine.again import Trouble
from reporter.engine.atonce import AtOnce, Ready, Reserving
from reporter.engine.channelwatch import ChannelWatch
from reporter.engine.share import Share
from reporter.engine.signals import Signals
from reporter.engine.words import is_moot, with_units, words_of
from reporter.sending.lane import Load
from reporter.sending.sender import Back, time_in
from reporter.store.database import Database
from reporter.store.editions import Editions
from reporter.store.failures import is_database_trouble
from reporter.store.keys import LINKS, signing_key
from reporter.store.sending import Due, channels_due, due, due_elsewhere, give_back, is_anything_due, take
from reporter.store.turns import not_needed
from reporter.timesource import TimeSource

log = logging.getLogger(__name__)

TROUBLE_S: Final = 1.0
UNSENT_BATCH: Final = 1000
UNSENT_GIVES_WAY_S: Final = 5.0
RESULTS_BATCH: Final = 1000
GATHER_LOOKS: Final = 4
GATHER_LOOK_S: Final = 1.0
"""How long results may gather while others are under way and all goes well: first people are told, then it is
recorded that they were. What failed is recorded at once, since another channel may wait for it."""
UNRECORDED_MAX: Final = 10_000
"""Results that wait for their commit; beyond that nothing more is sent."""
MANY: Final = 100
"""Notices on their way to which others give way."""
LEASE_MARGIN_S: Final = 15.0
UNDER_WAY_S_MAX: Final = 2.0
RECORDING_S_MAX: Final = 5.0
"""How long, at the end, what is under way may take to come back, and then to be recorded; what is not comes again."""


class Receiving(Protocol):
    """What this loop needs of the gate."""

    async def receipts(self, results: Sequence[NoticeResult]) -> None:
        """Writes the results, in one transaction."""
        ...


class Sends(Ready, Protocol):
    """Whoever sends notices: a `Sender`, or the process that has one."""

    async def run(self) -> None:
        """Sends until cancelled."""
        ...

    async def send(self, load: Load) -> None:
        """Takes charge of these notices: each will come back."""
        ...

    async def back(self) -> list[Back]:
        """Waits until something has come back, and gives all that came together."""
        ...

    async def stop(self) -> None:
        """Starts nothing more: what waits comes back at once, what is under way as it ends."""
        ...


class Notifier:
    """Has sent what is due, until cancelled. Any number of replicas share the work.

    The table is read when `signals.notices` is set. While deadlines are being judged, what only the desk shows gives
    way.
    `send_timeout_s` is the longest that one sending takes. `has_links`: notices carry links, which are signed.
    """

    def __init__(
        self,
        database: Database,
        gate: Receiving,
        channels: Mapping[str, Channel],
        sender: Sends,
        time: TimeSource,
        signals: Signals,
        *,
        send_timeout_s: float = 15.0,
        has_links: bool = False,
    ) -> None:
        self._database = database
        self._gate = gate
        self._shares = {name: Share(name, channel) for name, channel in channels.items() if name != DESK}
        self._sender = sender
        self._time = time
        self._signals = signals
        self._wake, self._calm, self._taken = signals.notices, signals.calm, signals.taken
        self._settling: asyncio.Task[None] | None = None
        self._gives_way_since_s: float | None = None
        """Since when (monotonic) what nobody sends has been giving way; None while it need not."""
        self._settling_trouble = Trouble(log, "settling notices that nobody sends", TROUBLE_S)
        self._lease_s = send_timeout_s + LEASE_MARGIN_S
        self._has_links = has_links
        self._link_key: bytes | None = None
        self._at_once = AtOnce(self._shares, sender, time, self._lease_s, self._wake)
        self._watch = ChannelWatch(database, time, channels)
        self._editions = Editions()
        self._results: asyncio.Queue[NoticeResult] = asyncio.Queue(UNRECORDED_MAX)
        self._is_pressing = asyncio.Event()
        """Whether results should be recorded now."""
        self._is_idle = asyncio.Event()
        """Whether nothing is on its way."""
        self._is_idle.set()

    async def run(self) -> None:
        """Runs until cancelled. What has been sent by then is recorded, as far as that is possible in a few seconds;
        the rest is sent again by whoever runs next."""
        async with asyncio.TaskGroup() as group:
            for task in (self._sender.run(), self._collect(), self._record()):
                group.create_task(task)
            try:
                await self._go_on(group)
            finally:
                await self._wind_up()

    async def _go_on(self, group: asyncio.TaskGroup) -> None:
        trouble = Trouble(log, "reading notices", TROUBLE_S)
        while True:
            self._wake.clear()
            self._taken.clear()
            try:
                goes_on = await self._pass(group)
                trouble.over()
            except Exception as error:
                self._taken.set()
                await trouble.failed(error)
                continue
            self._taken.set()
            if not goes_on:
                await self._wake.wait()

    @property
    def reserving(self) -> Reserving:
        """For the gate: around a transaction whose notices may leave at once."""
        return self._at_once.reserving

    async def _wind_up(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(UNDER_WAY_S_MAX):
                await self._sender.stop()
                await self._give_back(self._at_once.close())
                self._note_how_many()
                await self._is_idle.wait()
        self._is_pressing.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(RECORDING_S_MAX):
                await self._results.join()

    async def _pass(self, group: asyncio.TaskGroup) -> bool:
        """Takes what is due and can be taken now. True if there may be more at once.

        1. Each channel, as far as its bounds allow.
        2. What nobody sends, beside the rest: while channels are at work or deadlines are being judged it gives way,
           for `UNSENT_GIVES_WAY_S` at most.
        """
        while (reserved := self._at_once.next()) is not None:
            await self._leave(reserved.share, reserved.taken, reserved.words)
        self._note_how_many()
        now, found = self._time.now(), list[tuple[Share, list[Due]]]()
        async with self._database.glance() as connection:
            if not await is_anything_due(connection, now):
                self._gives_way_since_s = None
                return False
        async with self._database.snapshot() as connection:
            short = [name for name, share in self._shares.items() if share.is_short and self._sender.is_up]
            for name in await channels_due(connection, short, now):
                share = self._shares[name]
                found.append((share, await due(connection, name, now, 2 * share.free, share.busy)))
        goes_on = False
        for share, candidates in found:
            goes_on = await self._fill(share, candidates) or goes_on
        if not self._is_giving_way() and (self._settling is None or self._settling.done()):
            self._settling = group.create_task(self._settle_unsent())
        return goes_on

    def _is_giving_way(self) -> bool:
        """Whether what nobody sends should wait a little longer: once until all is calm, however a channel hangs."""
        if self._is_calm:
            self._gives_way_since_s = None
            return False
        self._gives_way_since_s = self._gives_way_since_s or monotonic()
        return monotonic() - self._gives_way_since_s < UNSENT_GIVES_WAY_S

    async def _settle_unsent(self) -> None:
        """Settles notices of the desk, which are on the board already; then fails those of channels not there."""
        known = {DESK, *self._shares}
        try:
            async with self._database.snapshot() as connection:
                at_desk = await due(connection, DESK, self._time.now(), UNSENT_BATCH)
                nowhere = await due_elsewhere(connection, known, self._time.now(), UNSENT_BATCH)
            await self._settle([each.id for each in at_desk], NoticeState.DELIVERED, None)
            await self._settle(nowhere, NoticeState.FAILED, NO_CHANNEL)
        except Exception as error:
            await self._settling_trouble.failed(error)
            return
        self._settling_trouble.over()
        if len(at_desk) == UNSENT_BATCH:
            self._wake.set()

    async def _settle(self, ids: Sequence[str], state: NoticeState, detail: str | None) -> None:
        """Takes these notices and records them as settled, without sending."""
        if not ids:
            return
        async with self._database.transaction() as connection:
            taken = await take(connection, ids, self._time.now(), time_in(self._time, self._lease_s))
        await self._hand_over([result(notice, state, detail) for notice in taken])

    async def _fill(self, share: Share, found: Sequence[Due]) -> bool:
        """Takes what there is room for, and hands it over. True if there may be more."""
        ids = share.chosen(found)
        if not ids:
            return False
        async with self._database.transaction() as connection:
            taken = await take(connection, ids, self._time.now(), time_in(self._time, self._lease_s))
        share.take(taken)
        await self._leave(share, taken)
        return len(taken) > 0 and len(found) > len(ids)

    async def _leave(self, share: Share, taken: Sequence[Taken], at_hand: Words | None = None) -> None:
        """Hands over what the share holds. What cannot be comes back after its lease.

        `at_hand`: what they speak of, but for the units, where that is known already.
        """
        try:
            if self._has_links and self._link_key is None:
                self._link_key = await signing_key(self._database, LINKS, self._time.now())
            async with self._database.snapshot() as connection:
                if at_hand is None:
                    words = await words_of(connection, self._editions, taken)
                else:
                    words = await with_units(connection, at_hand, taken)
        except BaseException as error:
            share.release(taken)
            if isinstance(error, Exception):
                await self._give_back([notice.id for notice in taken])
            raise
        leaving, moot = list[Taken](), list[Taken]()
        for notice in taken:
            (moot if is_moot(notice, words) else leaving).append(notice)
        share.release(moot)
        self._note_how_many()
        if leaving:
            await self._sender.send(Load(share.name, leaving, words, self._link_key))
        await self._hand_over([_unsent(notice) for notice in moot])

    async def _give_back(self, ids: Sequence[str]) -> None:
        """Gives back what was not handed over. If that fails, it comes back after its lease."""
        if not ids:
            return
        try:
            async with self._database.transaction() as connection:
                await give_back(connection, ids, self._time.now())
        except Exception:
            log.exception("%d notices could not be given back", len(ids))

    async def _collect(self) -> None:
        """Takes what comes back: results to be recorded, and what could not be started, which is given back."""
        trouble = Trouble(log, "giving notices back", TROUBLE_S)
        while True:
            backs = await self._sender.back()
            for back in backs:
                self._shares[back.channel].came(back)
                if back.result is not None:
                    await self._results.put(back.result)
            self._note_how_many()
            if any(back.result is not None and back.result.is_trouble for back in backs) or self._is_calm:
                self._is_pressing.set()
            if unstarted := [back.id for back in backs if back.result is None]:
                try:
                    async with self._database.transaction() as connection:
                        await give_back(connection, unstarted, self._time.now())
                    trouble.over()
                except Exception as error:  # then they come back after their lease
                    await trouble.failed(error)
            if any(self._shares[channel].is_short for channel in {back.channel for back in backs}):
                self._wake.set()

    async def _record(self) -> None:
        """Hands over all results that are there, again and again."""
        await self._watch_over([])  # what cannot be sent through any more is no trouble from now on
        while True:
            batch = [await self._results.get()]
            await self._gathered()
            if self._results.qsize() < RESULTS_BATCH:
                self._is_pressing.clear()
            while len(batch) < RESULTS_BATCH and not self._results.empty():
                batch.append(self._results.get_nowait())
            await self._hand_over(batch)
            for _ in batch:
                self._results.task_done()
            await self._watch_over(batch)
            self._wake.set()

    async def _gathered(self) -> None:
        """Returns when results should be recorded: when that presses, once all is calm, or after a while."""
        for _ in range(GATHER_LOOKS):
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_LOOK_S):
                    await self._is_pressing.wait()
            if self._is_pressing.is_set() or self._is_calm:
                return

    async def _watch_over(self, results: Sequence[NoticeResult]) -> None:
        """Notes which channels work. What cannot be noted is told by the log, and stops nothing."""
        try:
            await self._watch.came(results)
        except Exception:
            log.exception("how the channels fare could not be written down")

    async def _hand_over(self, results: Sequence[NoticeResult]) -> None:
        """Records results; while the database is away they wait for it, as long as the lease of their notices.

        If a batch fails otherwise, its members go one by one; one that fails alone comes back after its lease.
        """
        if not results:
            return
        trouble, given_up_at = Trouble(log, "recording notices", TROUBLE_S), monotonic() + self._lease_s
        while True:
            try:
                await self._gate.receipts(results)
            except Exception as error:
                if is_database_trouble(error) and monotonic() < given_up_at:
                    await trouble.failed(error)
                    continue
                log.exception("%d results of notices could not be recorded", len(results))
                for each in results if len(results) > 1 else ():
                    await self._hand_over([each])
            else:
                trouble.over()
                for each in results:
                    metrics.NOTICES.labels(each.channel, each.state).inc()
            return

    def _note_how_many(self) -> None:
        """Says whether many notices are on their way, and whether any is."""
        held = sum(share.held for share in self._shares.values())
        for event, is_true in ((self._is_idle, not held), (self._signals.told, held < MANY)):
            if is_true:
                event.set()
            else:
                event.clear()

    @property
    def _is_calm(self) -> bool:
        """Whether no deadline is being judged and no notice is on its way."""
        return self._calm.is_set() and self._is_idle.is_set()


def _unsent(notice: Taken) -> NoticeResult:
    """That it is not needed: it stays as it was, and its note says so."""
    note = not_needed(written_note(notice.note))
    return result(notice, NoticeState.QUEUED, None)._replace(note=note, was_sent=False)
