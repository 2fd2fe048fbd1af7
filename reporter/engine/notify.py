"""Notices to people: from the table, through a channel, and what came of it to the gate.

The table is the truth: a notice waits there from the commit that decided it. This loop takes what is due
on a lease, sends it, and hands the results over in batches. A crash between sending and recording lets the
lease run out: the notice is sent again under the same id, its attempts counted. Nothing sent is recalled.
One who hangs delays nobody else: each channel has its own bound of sendings under way, and so has each
address.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Final, Protocol

from reporter import metrics
from reporter.channels.contract import Channel, ChannelError, Message
from reporter.core.roster import DESK
from reporter.core.terms import NoticeState
from reporter.engine import links
from reporter.engine.again import Trouble
from reporter.engine.channelwatch import ChannelWatch
from reporter.engine.lane import Lane
from reporter.engine.patience import ATTEMPTS_MAX, next_step_at, retry_after_s
from reporter.engine.results import NoticeResult
from reporter.engine.texts import Renders, Texts
from reporter.engine.wording import ATTEMPT_MARK, Words, is_moot, message, words_of, written_note
from reporter.store.database import Database
from reporter.store.editions import Editions
from reporter.store.failures import is_database_trouble
from reporter.store.keys import LINKS, signing_key
from reporter.store.sending import (
    Due,
    Taken,
    channels_due,
    due,
    due_elsewhere,
    give_back,
    is_anything_due,
    take,
)
from reporter.store.turns import not_needed
from reporter.timesource import TimeSource

log = logging.getLogger(__name__)

REREAD_S: Final = 1.0
UNSENT_BATCH: Final = 1000
UNSENT_GIVES_WAY_S: Final = 5.0
RESULTS_BATCH: Final = 1000
GATHER_S: Final = 2.0
"""How long results may gather while others are under way and all goes well: first people are told, then it is
recorded that they were. What failed is recorded at once, since another channel may wait for it."""
UNRECORDED_MAX: Final = 10_000
"""Results that wait for their commit; beyond that nothing more is sent."""
LEASE_MARGIN_S: Final = 15.0
NOTE_CHARS_MAX: Final = 300


class Receiving(Protocol):
    """What this loop needs of the gate."""

    async def receipts(self, results: Sequence[NoticeResult]) -> None:
        """Writes the results, in one transaction."""
        ...


class Notifier:
    """Sends what is due, until cancelled. Any number of replicas share the work.

    `wake` is set by whoever has committed new notices; besides, the table is read again every `REREAD_S`.
    While `calm` is not set deadlines are being judged, and what only the desk shows gives way.
    `send_timeout_s` bounds one sending, above the channel's own limit. `public_url` is where links lead.
    """

    def __init__(
        self,
        database: Database,
        gate: Receiving,
        channels: Mapping[str, Channel],
        renderer: Renders,
        time: TimeSource,
        wake: asyncio.Event,
        calm: asyncio.Event,
        *,
        send_timeout_s: float = 15.0,
        public_url: str | None = None,
    ) -> None:
        self._database = database
        self._gate = gate
        self._lanes = [Lane(name, channel) for name, channel in channels.items() if name != DESK]
        self._texts = Texts(renderer)
        self._time = time
        self._wake = wake
        self._calm = calm
        self._settling: asyncio.Task[None] | None = None
        self._gave_way_s = 0.0
        """Since when (monotonic) what nobody sends has been giving way."""
        self._settling_trouble = Trouble(log, "settling notices that nobody sends", REREAD_S)
        self._send_timeout_s = send_timeout_s
        self._public_url = public_url
        self._link_key: bytes | None = None
        self._watch = ChannelWatch(database, time)
        self._editions = Editions()
        self._results: asyncio.Queue[NoticeResult] = asyncio.Queue(UNRECORDED_MAX)
        self._is_pressing = asyncio.Event()
        """Whether results should be recorded now."""

    async def run(self) -> None:
        """Runs until cancelled; sendings under way then are sent again by whoever runs next."""
        trouble = Trouble(log, "reading notices", REREAD_S)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._record())
            while True:
                self._wake.clear()
                try:
                    goes_on = await self._pass(group)
                    trouble.over()
                except Exception as error:
                    await trouble.failed(error)
                    continue
                if not goes_on:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(REREAD_S):
                            await self._wake.wait()

    async def _pass(self, group: asyncio.TaskGroup) -> bool:
        """Takes what is due and can be taken now. True if there may be more at once.

        1. Each channel, as far as its bounds allow.
        2. What nobody sends, beside the rest: while channels are at work or deadlines are being judged it gives way,
           for `UNSENT_GIVES_WAY_S` at most.
        """
        for lane in self._lanes:
            if late := lane.overdue():
                async with self._database.transaction() as connection:
                    await give_back(connection, [notice.id for notice in late], self._time.now())
        now, found = self._time.now(), list[tuple[Lane, list[Due]]]()
        async with self._database.snapshot() as connection:
            if not await is_anything_due(connection, now):
                self._gave_way_s = monotonic()
                return False
            short = {lane.name: lane for lane in self._lanes if lane.is_short}
            for name in await channels_due(connection, short, now):
                lane = short[name]
                found.append((lane, await due(connection, name, now, 2 * lane.free, lane.busy)))
        goes_on = False
        for lane, candidates in found:
            goes_on = await self._fill(group, lane, candidates) or goes_on
        is_calm = self._calm.is_set() and not any(lane.is_busy for lane in self._lanes)
        if is_calm or monotonic() - self._gave_way_s >= UNSENT_GIVES_WAY_S:
            self._gave_way_s = monotonic()
            if self._settling is None or self._settling.done():
                self._settling = group.create_task(self._settle_unsent())
        return goes_on

    async def _settle_unsent(self) -> None:
        """Settles notices of the desk, which are on the board already; then fails those of channels not there."""
        known = {DESK, *(lane.name for lane in self._lanes)}
        try:
            async with self._database.snapshot() as connection:
                at_desk = await due(connection, DESK, self._time.now(), UNSENT_BATCH)
                nowhere = await due_elsewhere(connection, known, self._time.now(), UNSENT_BATCH)
            await self._settle([each.id for each in at_desk], NoticeState.DELIVERED, None)
            await self._settle(nowhere, NoticeState.FAILED, "there is no such channel here")
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
            taken = await take(connection, ids, self._time.now(), self._time_in(self._lease_s))
        await self._hand_over([_result(notice, state, detail) for notice in taken])

    async def _fill(self, group: asyncio.TaskGroup, lane: Lane, found: Sequence[Due]) -> bool:
        """Takes what a lane has room for, and starts what may be started. True if there may be more."""
        ids = lane.chosen(found)
        if not ids:
            return False
        if self._public_url is not None and self._link_key is None:
            self._link_key = await signing_key(self._database, LINKS, self._time.now())
        async with self._database.transaction() as connection:
            taken = await take(connection, ids, self._time.now(), self._time_in(self._lease_s))
        async with self._database.snapshot() as connection:
            words = await words_of(connection, self._editions, taken)
        moot = [notice for notice in taken if is_moot(notice, words)]
        await self._hand_over([_unsent(notice) for notice in moot])
        lane.add([notice for notice in taken if notice not in moot] if moot else taken, words)
        self._start(group, lane)
        return len(taken) > 0 and len(found) > len(ids)

    def _start(self, group: asyncio.TaskGroup, lane: Lane) -> None:
        for ready in lane.start():
            group.create_task(self._send(group, lane, ready.notice, ready.words))

    async def _send(self, group: asyncio.TaskGroup, lane: Lane, notice: Taken, words: Words) -> None:
        """One attempt; whatever happens, there is a result. What comes next in the lane starts then."""
        started_s = monotonic()
        try:
            now, ack_url = self._time.now(), None
            if self._public_url is not None and self._link_key is not None and notice.person is not None:
                ack_url = links.url(self._public_url, self._link_key, notice.id, now)
            text = message(notice, words, self._texts, now, public_url=self._public_url, ack_url=ack_url)
            result = await self._attempt(lane.channel, notice, text, words)
        except Exception as error:
            log.exception("notice %s of incident %s was not sent", notice.id, notice.incident_id)
            result = self._again(notice, words, f"internal error: {type(error).__name__}")
        await self._results.put(result)
        lane.ended(notice.address, monotonic() - started_s)
        self._start(group, lane)
        if result.is_trouble or not any(lane.is_busy for lane in self._lanes):
            self._is_pressing.set()
        if lane.is_short:
            self._wake.set()

    async def _attempt(self, channel: Channel, notice: Taken, text: Message, words: Words) -> NoticeResult:
        try:
            async with asyncio.timeout(self._send_timeout_s):
                receipt = await channel.send(text)
        except ChannelError as error:
            if error.permanent:
                return _result(notice, NoticeState.FAILED, str(error))
            return self._again(notice, words, str(error), error.retry_after_s)
        except TimeoutError:
            return self._again(notice, words, f"no answer within {self._send_timeout_s:g} s")
        details = [part for part in (receipt.detail, receipt.provider_id) if part]
        return _result(notice, receipt.state, " ".join(details), provider_id=receipt.provider_id)

    def _again(self, notice: Taken, words: Words, detail: str, not_before_s: float = 0.0) -> NoticeResult:
        """Another attempt later, unless this was the last; not before the other side asked for it."""
        if notice.attempts >= ATTEMPTS_MAX:
            return _result(notice, NoticeState.FAILED, f"given up after {notice.attempts} attempts: {detail}")
        now = self._time.now()
        speaks_at, left_s = next_step_at(notice, words, now), None
        if speaks_at is not None:
            left_s = (self._time.to_real(speaks_at) - self._time.to_real(now)).total_seconds()
        wait_s = retry_after_s(notice, left_s, not_before_s)
        return _result(notice, NoticeState.QUEUED, detail, self._time_in(wait_s))

    async def _record(self) -> None:
        """Hands over all results that are there, again and again."""
        while True:
            batch = [await self._results.get()]
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_S):
                    await self._is_pressing.wait()
            if self._results.qsize() < RESULTS_BATCH:
                self._is_pressing.clear()
            while len(batch) < RESULTS_BATCH and not self._results.empty():
                batch.append(self._results.get_nowait())
            await self._hand_over(batch)
            await self._watch_over(batch)
            self._wake.set()

    async def _watch_over(self, results: Sequence[NoticeResult]) -> None:
        """Notes which channels work. What cannot be noted is told by the log, and stops nothing."""
        try:
            for result in results:
                said = (result.note or "").rpartition(ATTEMPT_MARK)[2]
                await self._watch.note(result.channel, said if result.is_trouble else None)
            await self._watch.save()
        except Exception:
            log.exception("how the channels fare could not be written down")

    async def _hand_over(self, results: Sequence[NoticeResult]) -> None:
        """Records results; while the database is away they wait for it, as long as the lease of their notices.

        If a batch fails otherwise, its members go one by one; one that fails alone comes back after its lease.
        """
        if not results:
            return
        trouble, given_up_at = Trouble(log, "recording notices", REREAD_S), monotonic() + self._lease_s
        while True:
            try:
                await self._gate.receipts(results)
            except Exception as error:
                if is_database_trouble(error) and monotonic() < given_up_at:
                    await trouble.failed(error)
                    continue
                log.exception("%d results of notices could not be recorded", len(results))
                for result in results if len(results) > 1 else ():
                    await self._hand_over([result])
            else:
                trouble.over()
                for result in results:
                    metrics.NOTICES.labels(result.channel, result.state).inc()
            return

    @property
    def _lease_s(self) -> float:
        return self._send_timeout_s + LEASE_MARGIN_S

    def _time_in(self, seconds: float) -> datetime:
        """The product's instant after `seconds` of the machine's time: other machines know no demo."""
        return self._time.from_real(self._time.to_real(self._time.now()) + timedelta(seconds=seconds))


def _unsent(notice: Taken) -> NoticeResult:
    """That it is not needed: it stays as it was, and its note says so."""
    note = not_needed(written_note(notice.note))
    return replace(_result(notice, NoticeState.QUEUED, None), note=note, was_sent=False)


def _result(
    notice: Taken,
    state: NoticeState,
    detail: str | None,
    retry_at: datetime | None = None,
    provider_id: str | None = None,
) -> NoticeResult:
    note = written_note(notice.note)
    result = NoticeResult(
        notice_id=notice.id,
        incident_id=notice.incident_id,
        channel=notice.channel,
        state=state,
        attempts=notice.attempts,
        note=note or None,
        retry_at=retry_at,
        provider_id=provider_id,
    )
    if result.is_trouble and (said := " ".join((detail or "").split())[:NOTE_CHARS_MAX]):
        return replace(result, note=note + ATTEMPT_MARK + said)
    return result
