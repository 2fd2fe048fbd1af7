"""Notices to people: from the table, through a channel, and what came of it to the gate.

The table is the truth: a notice waits there from the commit that decided it. This loop takes what is due
on a lease, sends it, and hands the results over in batches. A crash between sending and recording lets the
lease run out: the notice is sent again under the same id, its attempts counted. Nothing sent is recalled.
One who hangs delays nobody else: each channel has its own bound of sendings under way, and so has each
address.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Final, Protocol

from reporter import metrics
from reporter.channels.contract import Bounded, Channel, ChannelError, Message
from reporter.core.roster import DESK
from reporter.core.terms import NoticeState
from reporter.engine.again import Trouble
from reporter.engine.record import NoticeResult
from reporter.engine.wording import ATTEMPT_MARK, Renders, Words, message, words_of, written_note
from reporter.store.database import Database
from reporter.store.editions import Editions
from reporter.store.failures import is_database_trouble
from reporter.store.sending import Due, Taken, due, due_elsewhere, is_anything_due, take
from reporter.timesource import TimeSource

log = logging.getLogger(__name__)

REREAD_S: Final = 1.0
DESK_BATCH: Final = 1000
CANDIDATES: Final = 200
RESULTS_BATCH: Final = 200
UNDER_WAY_MAX: Final = 32
"""Sendings under way in one channel, and of those …"""
UNDER_WAY_PER_ADDRESS_MAX: Final = 8
LEASE_MARGIN_S: Final = 15.0
RETRY_AFTER_S: Final = (2, 6, 18, 54, 160, 300, 600)
"""Waits between the attempts, each ±20 %: eight attempts within half an hour, then the notice has failed."""
ATTEMPTS_MAX: Final = len(RETRY_AFTER_S) + 1
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
        self._channels = {name: channel for name, channel in channels.items() if name != DESK}
        self._renderer = renderer
        self._time = time
        self._wake = wake
        self._calm = calm
        self._settled_desk_at = 0.0
        self._send_timeout_s = send_timeout_s
        self._public_url = public_url
        self._editions = Editions()
        self._under_way: dict[str, Counter[str]] = {name: Counter() for name in self._channels}
        self._results: asyncio.Queue[tuple[Taken, NoticeResult]] = (
            asyncio.Queue()
        )  # bounded by what is under way

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

        1. The desk first and in bulk: a burst of thousands is on the board whatever the other channels do.
        2. Each channel, as far as its bounds allow.
        3. When all that is quiet, what is addressed to a channel that is not there fails for good.
        """
        async with self._database.snapshot() as connection:
            if not await is_anything_due(connection, self._time.now()):
                return False
        goes_on = await self._settle_desk()
        for name, channel in self._channels.items():
            goes_on = await self._start(group, name, channel) or goes_on
        if not goes_on and self._calm.is_set():
            await self._fail_unknown()
        return goes_on

    async def _settle_desk(self) -> bool:
        if not self._calm.is_set() and monotonic() - self._settled_desk_at < REREAD_S:
            return False  # a desk notice is on the board already: deadlines still to judge go first
        self._settled_desk_at = monotonic()
        async with self._database.snapshot() as connection:
            found = await due(connection, DESK, self._time.now(), DESK_BATCH)
        taken = await self._settle([each.id for each in found], NoticeState.DELIVERED, None)
        return taken > 0 and len(found) == DESK_BATCH

    async def _fail_unknown(self) -> None:
        known = {DESK, *self._channels}
        async with self._database.snapshot() as connection:
            ids = await due_elsewhere(connection, known, self._time.now(), CANDIDATES)
        await self._settle(ids, NoticeState.FAILED, "there is no such channel here")

    async def _settle(self, ids: Sequence[str], state: NoticeState, detail: str | None) -> int:
        """Takes these notices and records them as settled, without sending. Returns how many were taken."""
        if not ids:
            return 0
        async with self._database.transaction() as connection:
            taken = await take(connection, ids, self._time.now(), self._time_in(self._lease_s))
        await self._hand_over([_result(notice, state, detail) for notice in taken])
        return len(taken)

    async def _start(self, group: asyncio.TaskGroup, name: str, channel: Channel) -> bool:
        """Starts as many sendings of a channel as its bounds allow. True if more could be started."""
        under_way = self._under_way[name]
        bound = min(UNDER_WAY_MAX, channel.at_once) if isinstance(channel, Bounded) else UNDER_WAY_MAX
        free = bound - under_way.total()
        if free <= 0:
            return False
        busy = [address for address, count in under_way.items() if count >= UNDER_WAY_PER_ADDRESS_MAX]
        async with self._database.snapshot() as connection:
            found = await due(connection, name, self._time.now(), CANDIDATES, busy)
        ids = self._chosen(found, under_way, free)
        if not ids:
            return False
        async with self._database.transaction() as connection:
            taken = await take(connection, ids, self._time.now(), self._time_in(self._lease_s))
            words = await words_of(connection, self._editions, taken)
        for notice in taken:
            under_way[notice.address] += 1
            group.create_task(self._send(channel, notice, words))
        return len(taken) > 0 and len(ids) < min(free, len(found))

    def _chosen(self, found: Sequence[Due], under_way: Counter[str], free: int) -> list[str]:
        """The ids to take, in order, so that neither the channel's bound nor an address's is passed."""
        counts: Counter[str] = Counter(under_way)
        ids: list[str] = []
        for each in found:
            if len(ids) < free and counts[each.address] < UNDER_WAY_PER_ADDRESS_MAX:
                counts[each.address] += 1
                ids.append(each.id)
        return ids

    async def _send(self, channel: Channel, notice: Taken, words: Words) -> None:
        """One attempt; whatever happens, there is a result."""
        try:
            text = message(notice, words, self._renderer, self._time.now(), public_url=self._public_url)
            result = await self._attempt(channel, notice, text)
        except Exception as error:
            log.exception("notice %s of incident %s was not sent", notice.id, notice.incident_id)
            result = self._again(notice, f"internal error: {type(error).__name__}")
        await self._results.put((notice, result))

    async def _attempt(self, channel: Channel, notice: Taken, text: Message) -> NoticeResult:
        try:
            async with asyncio.timeout(self._send_timeout_s):
                receipt = await channel.send(text)
        except ChannelError as error:
            if error.permanent:
                return _result(notice, NoticeState.FAILED, str(error))
            return self._again(notice, str(error), error.retry_after_s)
        except TimeoutError:
            return self._again(notice, f"no answer within {self._send_timeout_s:g} s")
        details = [part for part in (receipt.detail, receipt.provider_id) if part]
        return _result(notice, receipt.state, " ".join(details))

    def _again(self, notice: Taken, detail: str, not_before_s: float = 0.0) -> NoticeResult:
        """Another attempt later, unless this was the last; not before the other side asked for it."""
        if notice.attempts >= ATTEMPTS_MAX:
            return _result(notice, NoticeState.FAILED, f"given up after {notice.attempts} attempts: {detail}")
        wait_s = RETRY_AFTER_S[notice.attempts - 1] * random.uniform(0.8, 1.2)
        wait_s = max(wait_s, min(not_before_s, RETRY_AFTER_S[-1]))
        return _result(notice, NoticeState.QUEUED, detail, self._time_in(wait_s))

    async def _record(self) -> None:
        """Hands over all results that are there: while one commit is under way the next batch gathers."""
        while True:
            batch = [await self._results.get()]
            while len(batch) < RESULTS_BATCH and not self._results.empty():
                batch.append(self._results.get_nowait())
            await self._hand_over([result for _, result in batch])
            for notice, _ in batch:
                under_way = self._under_way[notice.channel]
                under_way[notice.address] -= 1
                if not under_way[notice.address]:
                    del under_way[notice.address]
            self._wake.set()

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


def _result(
    notice: Taken, state: NoticeState, detail: str | None, retry_at: datetime | None = None
) -> NoticeResult:
    said = " ".join((detail or "").split())[:NOTE_CHARS_MAX]
    is_trouble = state is NoticeState.FAILED or retry_at is not None
    note = written_note(notice.note) + (ATTEMPT_MARK + said if said and is_trouble else "")
    return NoticeResult(
        notice_id=notice.id,
        incident_id=notice.incident_id,
        channel=notice.channel,
        state=state,
        attempts=notice.attempts,
        note=note or None,
        retry_at=retry_at,
    )
