"""The gate: every change, from whatever door, in one transaction a batch; and the sweep of what time brings.

1. A batch of commands is decided and written in one transaction; whoever sent them is answered after the commit.
2. If the transaction loses to another replica (a key is taken, a deadlock) or its connection is cut, it is decided
   again from what is there now: `again`, the one place where that is done.
3. If the database is away, that is no member's fault: the error goes to whoever called, and nothing is acknowledged.
4. If anything else goes wrong, the members are taken one by one, so that the bad one is found and delays no other.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

from sqlalchemy.ext.asyncio import AsyncConnection

from reporter import metrics
from reporter.catalog import Catalog
from reporter.core.command import Command, Message, Outcome, OutcomeKind, Problem
from reporter.core.decide import ENGINE, tick
from reporter.core.notice import ATTEMPT_MARK, RANKS, NoticeResult, written_note
from reporter.core.roster import Directory, FlawOf, UnitTree
from reporter.core.terms import FactKind, NoticeState
from reporter.core.tracked import Tracked
from reporter.engine.again import again
from reporter.engine.apart import Apart
from reporter.engine.atonce import Reserving, nothing_at_once
from reporter.engine.batch import Batch
from reporter.engine.signals import Signals, Units
from reporter.engine.unjudged import AGAIN, Unjudged
from reporter.store import inbox, incidents, notices, turns, waiting
from reporter.store.database import Database
from reporter.store.editions import Editions
from reporter.store.failures import is_database_trouble
from reporter.store.people import directory_at
from reporter.store.types import AnyRow
from reporter.store.waiting import Undecided, undecided
from reporter.timesource import TimeSource, sleep

log = logging.getLogger(__name__)

TICK_CLOCKS = 500
"""Clocks judged in one transaction, where nothing else is asked for."""
BREATH = 100  # incidents judged between two moments at which others may go on
STALE_AFTER = timedelta(minutes=15)


class Gate:
    """The only writer of incidents, clocks, ledger and notices.

    `flaw_of` tells which addresses can never work here; None: all of them work.
    """

    def __init__(
        self, database: Database, catalog: Catalog, time: TimeSource, flaw_of: FlawOf | None = None
    ) -> None:
        self.database = database
        self.time = time
        self.signals = Signals()
        self.unjudged = Unjudged()
        self._catalog = catalog
        self._flaw_of = flaw_of
        self._editions = Editions()
        self._units = Units()
        self._apart = Apart(self._units)
        self.skew_ms: Callable[[], int | None] = lambda: None
        """Asked for the skew that belongs on verdicts (`ClockWatch.telling_skew_ms`)."""
        self.reserving: Reserving = nothing_at_once
        """Around judging: which notices leave at once (`AtOnce.reserving`)."""
        self.stale_after: timedelta | None = STALE_AFTER
        """How long after an acknowledgement the report is awaited before that is said; None: for ever."""

    async def submit(self, commands: Sequence[Command]) -> list[Outcome]:
        """Decides on the commands and writes the result; the answers come after the commit, in the same order.

        Errors: those of the database, when it cannot be used; then nothing was written.
        """
        if not commands:
            return []
        try:
            outcomes = await again(partial(self._commit, commands))
        except Exception as error:
            if len(commands) == 1 or is_database_trouble(error):
                raise
            log.warning("a batch of %d commands failed and is taken one by one", len(commands), exc_info=True)
            outcomes = []
            for command in commands:
                outcomes += await self._alone(command)
        taken = Counter(
            (command.kind, outcome.kind) for command, outcome in zip(commands, outcomes, strict=True)
        )
        for (kind, became), count in taken.items():
            metrics.COMMANDS.labels(kind, became).inc(count)
        return outcomes

    async def _alone(self, command: Command) -> list[Outcome]:
        try:
            return await again(partial(self._commit, [command]))
        except Exception as error:
            if is_database_trouble(error):
                raise
            log.exception("the command %s %s could not be carried out", command.source, command.id)
            return [failed()]

    async def _commit(self, commands: Sequence[Command]) -> list[Outcome]:
        started = monotonic()
        async with self.database.transaction() as connection:
            now = self.time.now()
            tree = await self._units.tree(connection)
            directory = await directory_at(connection, tree, now, self._flaw_of)
            batch = self._batch(connection, tree, directory, now)
            outcomes = await batch.take(commands)
            await self._apart.announce(connection, directory, batch.spoiled, now)
        metrics.BATCH_SIZE.observe(len(commands))
        metrics.COMMIT_SPAN.observe(monotonic() - started)
        self._announce([work.tracked for work in batch.changed.values()])
        return outcomes

    async def tick(
        self, judged_through: datetime, limit: int = TICK_CLOCKS, *, is_reminder_due: bool = True
    ) -> int:
        """Records what is due: reminders up to now, all else up to `judged_through`. Returns how many clocks.

        `is_reminder_due`: False where that is known, so that the table is not asked.

        One transaction takes at most `limit`; call again until it returns 0. Clocks that another replica is
        judging at this moment are left to it: 0 does not say that nothing is due.
        """
        return await again(partial(self._tick, judged_through, limit, is_reminder_due))

    async def _tick(self, judged_through: datetime, limit: int, is_reminder_due: bool) -> int:
        async with self.reserving() as reserve, self.database.transaction() as connection:
            now = self.time.now()
            edition_of = partial(self._editions.of, connection)
            reminded_through = now if is_reminder_due else None
            due = await incidents.load_due(connection, edition_of, judged_through, reminded_through, limit)
            if not due:
                return 0
            tree = await self._units.tree(connection)
            directory = await directory_at(connection, tree, now, self._flaw_of)
            ticked = await self._ticked(due, now, judged_through, directory)
            await incidents.save_ticked(connection, ticked, now, reserve(ticked, now))
            broken = {each.number for each in due}.difference(tracked.number for tracked in ticked)
            await incidents.postpone(connection, broken, now + AGAIN)
        self.unjudged.note([tracked.number for tracked in ticked], broken, now)
        _measure(ticked, self.time.now())
        self._announce(ticked)
        return sum(len(each.clocks) for each in due)

    async def _ticked(
        self, due: Sequence[incidents.Due], now: datetime, judged_through: datetime, directory: Directory
    ) -> list[Tracked]:
        """What time brought about in these incidents; without those that cannot be judged, which is said loudly."""
        skew_ms, ticked = self.skew_ms(), list[Tracked]()
        for count, each in enumerate(due, start=1):
            if not count % BREATH:
                await sleep(0)
            try:
                tracked = each.read()
                tracked.skew_ms = skew_ms
                tick(tracked, now, judged_through, directory)
            except Exception:
                log.exception("the clocks of incident %s could not be judged; again in %s", each.id, AGAIN)
                continue
            ticked.append(tracked)
        return ticked

    async def receipts(self, results: Sequence[NoticeResult]) -> None:
        """Writes what channels said of notices; one `notified` line per incident for those that are final."""
        await again(partial(self._receive, results))

    async def _receive(self, results: Sequence[NoticeResult]) -> None:
        async with self.database.transaction() as connection:
            news = await notices.news(connection, {result.notice_id: result.attempts for result in results})
            told = [(news[each.notice_id], each) for each in results if each.notice_id in news]
            is_told = await self._write_results(connection, told)
        if is_told:
            self.signals.outbox.set()
            self.signals.notices.set()

    async def delivered(
        self, channel: str, reports: Mapping[str, tuple[NoticeState, str | None]]
    ) -> set[str]:
        """Writes what the next hop of a channel reports of notices it took: by id the state and a word about it.

        A state is only ever raised; a report that comes twice, or late, changes nothing. Returns the ids known.
        """
        return await again(partial(self._deliver, channel, reports))

    async def _deliver(self, channel: str, reports: Mapping[str, tuple[NoticeState, str | None]]) -> set[str]:
        async with self.database.transaction() as connection:
            rows = await notices.of_channel(connection, channel, list(reports))
            told = []
            for row in rows:
                state, detail = reports[row.id]
                if RANKS[state] > RANKS[NoticeState(row.state)]:
                    note = written_note(row.note) + (ATTEMPT_MARK + detail if detail else "") or None
                    attempts = max(row.attempts, 1)
                    result = NoticeResult(row.id, row.incident_id, channel, state, attempts, note)
                    told.append((row, result))
            is_told = await self._write_results(connection, told)
        if is_told:
            self.signals.outbox.set()
            self.signals.notices.set()
        return {row.id for row in rows}

    async def _write_results(
        self, connection: AsyncConnection, told: Sequence[tuple[AnyRow, NoticeResult]]
    ) -> bool:
        """Writes results beside the rows that they speak of. True if any ledger was written to."""
        now = self.time.now()
        ids = {each.incident_id for _, each in told if each.incident_id and each.retry_at is None}
        edition_of = partial(self._editions.of, connection)
        tracked = await incidents.load_heads(connection, edition_of, ids) if ids else {}
        results = [result for _, result in told]
        results += await self._in_turn(connection, told, now)
        final: dict[str, list[NoticeResult]] = {}
        for result in results:
            if result.incident_id is not None and result.retry_at is None:
                final.setdefault(result.incident_id, []).append(result)
        for id_, said in final.items():
            body = {"notices": [result.told for result in said]}
            tracked[id_].write(FactKind.NOTIFIED, now, now, body, ENGINE)
        if final:
            await incidents.save_heads(connection, [tracked[id_] for id_ in final], now)
        known_as = [(each.channel, each.provider_id, each.notice_id) for each in results if each.provider_id]
        await notices.save_provider_ids(connection, known_as, now)
        await notices.save_outcomes(
            connection,
            [
                {
                    "b_id": result.notice_id,
                    "n_state": result.state.value,
                    "n_attempts": result.made,
                    "n_note": result.note,
                    "n_next_try_at": result.retry_at,
                }
                for result in results
            ],
        )
        return bool(final)

    async def _in_turn(
        self, connection: AsyncConnection, told: Sequence[tuple[AnyRow, NoticeResult]], now: datetime
    ) -> list[NoticeResult]:
        """Results for the notices that waited for some of these and are not needed any more."""
        unneeded = await turns.settle(
            connection, [(row, each.state) for row, each in told if each.retry_at is None], now
        )
        queued = NoticeState.QUEUED
        return [
            NoticeResult(row.id, row.incident_id, row.channel, queued, row.attempts, turns.note_of(row))
            for row in unneeded
        ]

    async def reject(self, rejected: Sequence[tuple[Message, Sequence[Problem]]]) -> None:
        """Keeps messages that could not be understood, announces them, and notices the root's duty officer."""
        await again(partial(self._reject, rejected))
        self.signals.outbox.set()
        self.signals.notices.set()

    async def _reject(self, rejected: Sequence[tuple[Message, Sequence[Problem]]]) -> None:
        async with self.database.transaction() as connection:
            await self._apart.reject(connection, await self._directory(connection), rejected, self.time.now())

    async def sweep(self) -> None:
        """Notices what has been held for a minute, and rejections counted since the last notice of their subject."""
        async with self.database.glance() as connection:
            found = await waiting.look(connection, self.time.now())
        if found.applicable:
            await self._apply_waiting()
        if found.unsaid:
            await again(self._sweep)
            self.signals.notices.set()

    async def _sweep(self) -> None:
        async with self.database.transaction() as connection:
            await self._apart.sweep(connection, await self._directory(connection), self.time.now())

    async def _apply_waiting(self) -> None:
        """Applies commands that were held while, elsewhere, their incident was being opened.

        If that fails they are taken one by one: the bad one is kept among the rejected and holds up no other.
        """
        try:
            await again(self._apply)
            return
        except Exception as error:
            if is_database_trouble(error):
                raise
            log.warning("held messages could not be applied together and are taken one by one", exc_info=True)
        async with self.database.snapshot() as connection:
            ids = await inbox.applicable_ids(connection, TICK_CLOCKS)
        for id_ in ids:
            try:
                await again(partial(self._apply, id_))
            except Exception as error:
                if is_database_trouble(error):
                    raise
                log.exception("the held message %d could not be applied; it is rejected", id_)
                async with self.database.transaction() as connection:
                    await inbox.release(connection, id_, "rejected", failed().errors)

    async def _apply(self, only: int | None = None) -> None:
        async with self.database.transaction() as connection:
            now = self.time.now()
            directory = await self._directory(connection)
            tree = await self._units.tree(connection)
            batch = self._batch(connection, tree, directory, now)
            await batch.apply_waiting(await inbox.load_applicable(connection, TICK_CLOCKS, only))
            await self._apart.announce(connection, directory, batch.spoiled, now)
        self._announce([work.tracked for work in batch.changed.values()])

    def _batch(
        self, connection: AsyncConnection, tree: UnitTree, directory: Directory, now: datetime
    ) -> Batch:
        return Batch(
            connection,
            self._catalog,
            self._editions,
            tree,
            directory,
            now,
            self.skew_ms(),
            self.stale_after,
        )

    async def next_looks(self) -> tuple[datetime | None, datetime | None]:
        """The earliest reminder and the earliest judgement that any clock waits for."""
        async with self.database.glance() as connection:
            return await incidents.next_looks(connection)

    async def undecided(self, now: datetime) -> list[Undecided]:
        """The earliest of what is due at `now` and undecided."""
        async with self.database.glance() as connection:
            return await undecided(connection, now)

    async def _directory(self, connection: AsyncConnection) -> Directory:
        tree = await self._units.tree(connection)
        return await directory_at(connection, tree, self.time.now(), self._flaw_of)

    def _announce(self, changed: Sequence[Tracked]) -> None:
        if not changed:
            return
        self.signals.clocks.set()
        self.signals.outbox.set()
        self.signals.boards.set()
        if any(tracked.notices for tracked in changed):
            self.signals.notices.set()


def _measure(ticked: Sequence[Tracked], committed_at: datetime) -> None:
    """Counts steps, and how late the breaches of this commit are."""
    reasons = Counter(notice.reason for tracked in ticked for notice in tracked.notices)
    for reason, count in reasons.items():
        metrics.STEPS_FIRED.labels(reason).inc(count)
    dues = Counter(
        clock.due_at
        for tracked in ticked
        if any(line.kind is FactKind.BREACHED for line in tracked.lines)
        for clock in tracked.clocks
        if clock.breach_due_at is not None
    )
    for due_at, count in dues.items():
        metrics.BREACH_LATENESS.observe(max(0.0, (committed_at - due_at).total_seconds()), count)


def failed() -> Outcome:
    """The answer for a command that failed for a reason of ours: it is kept, with the rejected."""
    message = "内部错误，消息已保留 / internal error; the message is kept and can be replayed"
    return Outcome(OutcomeKind.REJECTED, errors=(Problem("", message),))
