"""The gate: every change, from whatever door, in one transaction a batch; and the sweep of what time brings.

1. A batch of commands is decided and written in one transaction; whoever sent them is answered after the commit.
2. If the transaction loses to another replica (a unique key of ledger or inbox is taken), it is decided again from
   what is there now, at most `ATTEMPTS_MAX` times.
3. If anything else goes wrong, the members are taken one by one, so that the bad one is found and delays no other.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter import metrics
from reporter.catalog import Catalog
from reporter.core.command import Command, Message, Outcome, OutcomeKind, Problem
from reporter.core.decide import ENGINE, tick
from reporter.core.roster import Directory
from reporter.core.terms import FactKind, NoticeState
from reporter.core.tracked import Tracked
from reporter.engine.apart import Apart
from reporter.engine.batch import Batch
from reporter.engine.signals import Signals, Units
from reporter.store import inbox, incidents, notices
from reporter.store.database import Database
from reporter.store.editions import Editions
from reporter.store.people import on_duty
from reporter.timesource import TimeSource

log = logging.getLogger(__name__)

ATTEMPTS_MAX = 5
TICK_CLOCKS_MAX = 500
"""Clocks judged in one transaction: beyond that nothing is gained and the first wait longer."""
BROKEN_AGAIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NoticeResult:
    """What a channel said of one notice. With `retry_at` it stays queued until then."""

    notice_id: str
    incident_id: str | None
    channel: str
    state: NoticeState
    attempts: int
    note: str | None = None
    retry_at: datetime | None = None


class Gate:
    """The only writer of incidents, clocks, ledger and notices."""

    def __init__(
        self, database: Database, catalog: Catalog, time: TimeSource, channels: Sequence[str] = ()
    ) -> None:
        self.database = database
        self.time = time
        self.signals = Signals()
        self._catalog = catalog
        self._channels = frozenset(channels) or None
        self._editions = Editions()
        self._units = Units()
        self._apart = Apart(self._units)

    async def submit(self, commands: Sequence[Command]) -> list[Outcome]:
        """Decides on the commands and writes the result; the answers come after the commit, in the same order.

        Errors: those of the database, when it cannot be used; then nothing was written.
        """
        if not commands:
            return []
        try:
            outcomes = await self._retried(commands)
        except OperationalError:
            raise
        except Exception:
            if len(commands) == 1:
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
            return await self._retried([command])
        except OperationalError:
            raise
        except Exception:
            log.exception("the command %s %s could not be carried out", command.source, command.id)
            return [failed()]

    async def _retried(self, commands: Sequence[Command]) -> list[Outcome]:
        for attempt in range(ATTEMPTS_MAX):
            try:
                return await self._commit(commands)
            except IntegrityError:
                if attempt == ATTEMPTS_MAX - 1:
                    raise
        raise AssertionError("unreachable")

    async def _commit(self, commands: Sequence[Command]) -> list[Outcome]:
        started = monotonic()
        async with self.database.transaction() as connection:
            now = self.time.now()
            tree = await self._units.tree(connection)
            directory = Directory(tree, await on_duty(connection, now), self._channels)
            batch = Batch(connection, self._catalog, self._editions, tree, directory, now)
            outcomes = await batch.take(commands)
            await self._apart.announce(connection, directory, batch.spoiled, now)
        metrics.BATCH_SIZE.observe(len(commands))
        metrics.COMMIT_SPAN.observe(monotonic() - started)
        self._announce([work.tracked for work in batch.changed.values()])
        return outcomes

    async def tick(self, judged_through: datetime) -> int:
        """Records what is due: reminders up to now, all else up to `judged_through`. Returns how many clocks.

        One transaction takes at most `TICK_CLOCKS_MAX`; call again until it returns 0.
        """
        async with self.database.transaction() as connection:
            now = self.time.now()
            edition_of = partial(self._editions.of, connection)
            due = await incidents.load_due(connection, edition_of, now, judged_through, TICK_CLOCKS_MAX)
            if not due:
                return 0
            directory = Directory(
                await self._units.tree(connection), await on_duty(connection, now), self._channels
            )
            ticked, broken = [], []
            for tracked in due:
                if _is_ticked(tracked, now, judged_through, directory):
                    ticked.append(tracked)
                else:
                    broken.append(tracked.id)
            await incidents.save_ticked(connection, ticked, now)
            await incidents.postpone(connection, broken, now + BROKEN_AGAIN)
        _measure(ticked, self.time.now())
        self._announce(ticked)
        return sum(len(tracked.clocks) for tracked in due)

    async def receipts(self, results: Sequence[NoticeResult]) -> None:
        """Writes what channels said of notices; one `notified` line per incident for those that are final."""
        for attempt in range(ATTEMPTS_MAX):
            try:
                await self._receive(results)
            except IntegrityError:
                if attempt == ATTEMPTS_MAX - 1:
                    raise
            else:
                return

    async def _receive(self, results: Sequence[NoticeResult]) -> None:
        final: dict[str, list[NoticeResult]] = {}
        for result in results:
            if result.incident_id is not None and result.retry_at is None:
                final.setdefault(result.incident_id, []).append(result)
        async with self.database.transaction() as connection:
            now = self.time.now()
            edition_of = partial(self._editions.of, connection)
            tracked = await incidents.load_heads(connection, edition_of, final) if final else {}
            for id_, told in final.items():
                body = {"notices": [_told(result) for result in told]}
                tracked[id_].write(FactKind.NOTIFIED, now, now, body, ENGINE)
            if tracked:
                await incidents.save_heads(connection, list(tracked.values()), now)
            await notices.save_outcomes(
                connection,
                [
                    {
                        "b_id": result.notice_id,
                        "n_state": result.state.value,
                        "n_attempts": result.attempts,
                        "n_note": result.note,
                        "n_next_try_at": result.retry_at,
                    }
                    for result in results
                ],
            )
        if tracked:
            self.signals.outbox.set()
            self.signals.boards.set()

    async def reject(self, rejected: Sequence[tuple[Message, Sequence[Problem]]]) -> None:
        """Keeps messages that could not be understood, announces them, and notices the root's duty officer."""
        async with self.database.transaction() as connection:
            await self._apart.reject(connection, await self._directory(connection), rejected, self.time.now())
        self.signals.outbox.set()
        self.signals.notices.set()

    async def sweep(self) -> None:
        """Notices what has been held for a minute, and rejections counted since the last notice of their subject."""
        async with self.database.snapshot() as connection:
            is_due = await self._apart.is_due(connection, self.time.now())
            waiting = await inbox.load_applicable(connection, 1)
        if waiting:
            await self._apply_waiting()
        if not is_due:
            return
        async with self.database.transaction() as connection:
            await self._apart.sweep(connection, await self._directory(connection), self.time.now())
        self.signals.notices.set()

    async def _apply_waiting(self) -> None:
        """Applies commands that were held while, elsewhere, their incident was being opened."""
        async with self.database.transaction() as connection:
            now = self.time.now()
            directory = await self._directory(connection)
            tree = await self._units.tree(connection)
            batch = Batch(connection, self._catalog, self._editions, tree, directory, now)
            await batch.apply_waiting(await inbox.load_applicable(connection, TICK_CLOCKS_MAX))
            await self._apart.announce(connection, directory, batch.spoiled, now)
        self._announce([work.tracked for work in batch.changed.values()])

    async def next_looks(self) -> tuple[datetime | None, datetime | None]:
        """The earliest reminder and the earliest judgement that any clock waits for."""
        async with self.database.snapshot() as connection:
            return await incidents.next_looks(connection)

    async def _directory(self, connection: AsyncConnection) -> Directory:
        tree = await self._units.tree(connection)
        return Directory(tree, await on_duty(connection, self.time.now()), self._channels)

    def _announce(self, changed: Sequence[Tracked]) -> None:
        if not changed:
            return
        self.signals.clocks.set()
        self.signals.outbox.set()
        self.signals.boards.set()
        if any(tracked.notices for tracked in changed):
            self.signals.notices.set()


def _is_ticked(tracked: Tracked, now: datetime, judged_through: datetime, directory: Directory) -> bool:
    """Ticks one incident; one that cannot be is said loudly and looked at again later, so that it delays no other."""
    try:
        tick(tracked, now, judged_through, directory)
    except Exception:
        log.exception("the clocks of incident %s could not be judged; again in %s", tracked.id, BROKEN_AGAIN)
        return False
    return True


def _measure(ticked: Sequence[Tracked], committed_at: datetime) -> None:
    """Counts steps, and how late the breaches of this commit are."""
    reasons = Counter(notice.reason for tracked in ticked for notice in tracked.notices)
    for reason, count in reasons.items():
        metrics.STEPS_FIRED.labels(reason).inc(count)
    for tracked in ticked:
        if any(line.kind is FactKind.BREACHED for line in tracked.lines):
            for clock in tracked.clocks:
                if clock.breach_due_at is not None:
                    metrics.BREACH_LATENESS.observe(max(0.0, (committed_at - clock.due_at).total_seconds()))


def failed() -> Outcome:
    """The answer for a command that failed for a reason of ours: it is kept, with the rejected."""
    message = "内部错误，消息已保留 / internal error; the message is kept and can be replayed"
    return Outcome(OutcomeKind.REJECTED, errors=(Problem("", message),))


def _told(result: NoticeResult) -> dict[str, object]:
    return {
        "id": result.notice_id,
        "state": result.state,
        "channel": result.channel,
        "attempts": result.attempts,
        "note": result.note,
    }
