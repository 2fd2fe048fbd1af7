"""Incidents, clocks and ledger lines: rows in, `core` values out, and back."""

import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any  # rows have no narrower type

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.incident import Entry
from reporter.core.ladder import recalled
from reporter.core.notice import Lease
from reporter.core.schedule import Edition
from reporter.core.terms import COMMAND_OF_FACT, FactKind, IncidentState, Mode
from reporter.core.tracked import Tracked
from reporter.store import models as m
from reporter.store import search
from reporter.store.bulk import Writing
from reporter.store.editions import Editions, EditionUnreadable
from reporter.store.onevisit import Row
from reporter.store.rows import (
    CLOCK_COLUMNS,
    KEY_COLUMNS,
    NOTICE_COLUMNS,
    TICKED_COLUMNS,
    clock_row,
    notice_row,
    read_clock,
    take_entry,
    ticked_row,
)
from reporter.store.types import as_stored, binder
from reporter.timesource import from_micros, micros

INCIDENT = m.table(m.Incident)
CLOCK = m.table(m.Clock)
LEDGER = m.table(m.Line)
OUTBOX = m.table(m.Outbox)
NOTICE = m.table(m.Notice)

LEDGER_COLUMNS = ("number", "version", "incident_id", "kind", "text", "hash")
OUTBOX_COLUMNS = ("subject", "message_id", "incident_id", "number", "version")
NO_LEASE = Lease()

EditionOf = Callable[[str], Awaitable[Edition]]
"""Finds the edition with a digest. Errors: EditionUnreadable."""


@dataclass(slots=True)
class Work:
    """An incident being worked on in one transaction."""

    tracked: Tracked
    opened_from: str
    survivor: str | None = None
    entries: list[Entry] = field(default_factory=list)
    row: dict[str, Any] = field(default_factory=dict)
    """The columns of `incidents` to write, besides version and head."""
    is_new: bool = False
    anomalies: list[str] = field(default_factory=list)


TRACKED_COLUMNS = (
    "number",
    "id",
    "unit",
    "mode",
    "state",
    "is_provisional",
    "closed_at",
    "withdrawn_at",
    "received_at",
    "edition_digest",
    "version",
    "head",
    "code",
    "title",
)
_MODES = {each.value: each for each in Mode}
_STATES = {each.value: each for each in IncidentState}
_DIGEST = TRACKED_COLUMNS.index("edition_digest")
_INCIDENT_COLUMNS = tuple(INCIDENT.c.keys())
_LAST_NUMBER = select(func.max(INCIDENT.c.number))
_NEXT_NUMBERS = select(func.nextval("incidents_number_seq")).select_from(
    func.generate_series(1, bindparam("count"))
)
_NEXT_LOOKS = select(
    *(
        select(column).where(column.is_not(None)).order_by(column).limit(1).scalar_subquery()
        for column in (CLOCK.c.remind_at, CLOCK.c.judge_at)
    )
)
_opened = binder(INCIDENT, _INCIDENT_COLUMNS)
_CLOCK = as_stored(CLOCK.c[name] for name in CLOCK_COLUMNS)
_TRACKED = as_stored(INCIDENT.c[name] for name in TRACKED_COLUMNS)
_TO_JUDGE, _TO_REMIND = (
    select(*_CLOCK, *_TRACKED)
    .join(INCIDENT, INCIDENT.c.number == CLOCK.c.number)
    .where(column <= bindparam("until"))
    .order_by(column)
    .limit(bindparam("most"))
    .with_for_update(of=(INCIDENT, CLOCK), skip_locked=True)
    for column in (CLOCK.c.judge_at, CLOCK.c.remind_at)
)
_WORK = (
    select(INCIDENT.c.opened_from, INCIDENT.c.survivor, INCIDENT.c.anomalies, *_TRACKED)
    .where(INCIDENT.c.id.in_(bindparam("ids")))
    .order_by(INCIDENT.c.id)
    .with_for_update()
)
_WORK_CLOCKS = select(*_CLOCK).where(CLOCK.c.number.in_(bindparam("numbers"))).order_by(CLOCK.c.position)
_WORK_LINES = (
    select(LEDGER.c.incident_id, LEDGER.c.kind, LEDGER.c.text)
    .where(
        LEDGER.c.number.in_(bindparam("numbers")),
        LEDGER.c.kind.in_([kind.value for kind in COMMAND_OF_FACT]),
    )
    .order_by(LEDGER.c.number, LEDGER.c.version)
)
_HEADS = (
    select(*_TRACKED).where(INCIDENT.c.id.in_(bindparam("ids"))).order_by(INCIDENT.c.id).with_for_update()
)
_TAKEN_CODES = select(INCIDENT.c.code).where(
    INCIDENT.c.code_day == bindparam("day"), INCIDENT.c.code.in_(bindparam("codes"))
)


@dataclass(slots=True)
class Due:
    """An incident whose time has come, as its rows are stored: its own, and those of the clocks concerned."""

    incident: Row
    edition: Edition | None
    """None where it cannot be read."""
    clocks: list[Row] = field(default_factory=list)

    @property
    def number(self) -> int:
        return int(self.incident[0])

    @property
    def id(self) -> str:
        return str(self.incident[1])

    def read(self) -> Tracked:
        """The incident with those clocks. Errors: LookupError, ValueError for rows that this version cannot read."""
        if (edition := self.edition) is None:
            raise LookupError(f"its edition {self.incident[_DIGEST]} cannot be read")
        tracked, received_at = _tracked(self.incident, edition)
        tracked.clocks = [read_clock(clock, edition, received_at) for clock in self.clocks]
        return tracked


def _tracked(row: Row, edition: Edition) -> tuple[Tracked, datetime]:
    """The incident of a row as it is stored, `TRACKED_COLUMNS`, and its arrival."""
    number, id_, unit, mode, state, is_provisional, closed, withdrawn, received, _, *rest = row
    version, head, code, title = rest
    tracked = Tracked(
        id=id_,
        number=number,
        code=code,
        title=title,
        unit=unit,
        mode=_MODES[mode],
        state=_STATES[state],
        edition=edition,
        is_provisional=bool(is_provisional),
        closed_at=None if closed is None else from_micros(closed),
        withdrawn_at=None if withdrawn is None else from_micros(withdrawn),
        version=version,
        head=head,
    )
    return tracked, from_micros(received)


async def load_due(
    connection: AsyncConnection,
    edition_of: EditionOf,
    judged_through: datetime,
    reminded_through: datetime | None,
    limit: int,
) -> list[Due]:
    """Claims up to `limit` clocks whose time has come, earliest first, grouped by incident.

    `reminded_through`: None where no reminder is due, so that none is asked for.
    On PostgreSQL incidents and clocks are locked, and those another replica holds are skipped: were only the
    incident locked, its fresh row could come with a clock as it was before the other replica's commit.
    """
    found: dict[int, Due] = {}
    editions: dict[str, Edition | None] = {}
    seen: set[Row] = set()
    for asked, until in ((_TO_JUDGE, judged_through), (_TO_REMIND, reminded_through)):
        if until is None:
            continue
        rows = await connection.execute(asked, {"until": until, "most": limit})
        for row in rows.all():
            clock, incident = row[: len(_CLOCK)], row[len(_CLOCK) :]
            key = clock[8:10]
            if key in seen:
                continue
            seen.add(key)
            if key[0] not in found:
                if (digest := incident[_DIGEST]) not in editions:
                    editions[digest] = await _edition(edition_of, digest)
                found[key[0]] = Due(incident, editions[digest])
            found[key[0]].clocks.append(clock)
    return list(found.values())


async def _edition(edition_of: EditionOf, digest: str) -> Edition | None:
    try:
        return await edition_of(digest)
    except EditionUnreadable:  # who is bound to it cannot be judged; all others are
        return None


async def postpone(connection: AsyncConnection, numbers: Collection[int], until: datetime) -> None:
    """Looks at the clocks of these incidents again only then: what cannot be judged must not hold up the rest."""
    for column in (CLOCK.c.judge_at, CLOCK.c.remind_at) if numbers else ():
        waiting = update(CLOCK).where(CLOCK.c.number.in_(numbers), column < until)
        await connection.execute(waiting.values({column: until}))


async def load_work(
    connection: AsyncConnection, edition_of: EditionOf, ids: Iterable[str]
) -> dict[str, Work]:
    """Loads incidents whole, with every clock and command, and locks them (in the order of their ids)."""
    wanted = sorted(set(ids))
    found: dict[str, Work] = {}
    tracked_by: dict[int, Tracked] = {}
    received_at: dict[int, datetime] = {}
    if not wanted:
        return found
    for opened_from, survivor, anomalies, *incident in await connection.execute(_WORK, {"ids": wanted}):
        edition = await edition_of(incident[_DIGEST])
        tracked, received_at[incident[0]] = _tracked(tuple(incident), edition)
        found[tracked.id] = Work(tracked, opened_from, survivor, anomalies=anomalies)
        tracked_by[tracked.number] = tracked
    if not found:
        return found
    numbers = {"numbers": list(tracked_by)}
    for clock in await connection.execute(_WORK_CLOCKS, numbers):
        tracked = tracked_by[clock[8]]
        tracked.clocks.append(read_clock(clock, tracked.edition, received_at[tracked.number]))
    for line in await connection.execute(_WORK_LINES, numbers):
        work, body = found[line.incident_id], json.loads(line.text)["body"]
        take_entry(work.entries, FactKind(line.kind), body)
        for ended in body.get("ended", ()):
            work.tracked.ended[ended["obligation"]] = recalled(ended["ladder"])
    return found


async def save_ticked(
    connection: AsyncConnection, ticked: Sequence[Tracked], now: datetime, lease: Lease = NO_LEASE
) -> None:
    """Writes what time brought about: the clocks' changed columns, the lines, the notices, the outbox."""
    clocks = [ticked_row(tracked.number, clock) for tracked in ticked for clock in tracked.clocks]
    writing = Writing(connection)
    writing.update(CLOCK, TICKED_COLUMNS, KEY_COLUMNS, clocks)
    _write_heads(writing, [tracked for tracked in ticked if tracked.lines], now, lease)
    await writing.done()


def write_work(writing: Writing, editions: Editions, works: Sequence[Work], now: datetime) -> None:
    """Writes incidents that commands opened or changed, with their clocks, lines, notices and outbox rows; and the
    editions that the new ones are bound to.
    """
    new = [work for work in works if work.is_new]
    old = [work for work in works if not work.is_new and work.row]
    editions.keep(writing, (work.tracked.edition for work in new))
    writing.insert(INCIDENT, _INCIDENT_COLUMNS, [_opened(_row(work)) for work in new])
    if old:
        columns = (*old[0].row, "version", "head")  # those of all: what follows from the commands
        changed = binder(INCIDENT, (*columns, "number"))
        writing.update(INCIDENT, columns, ("number",), [changed(_row(work)) for work in old])
    writing.delete(CLOCK, ("number",), [(work.tracked.number,) for work in old])
    written = [work.tracked for work in (*new, *old)]
    clocks = [clock_row(tracked.number, clock) for tracked in written for clock in tracked.clocks]
    writing.insert(CLOCK, CLOCK_COLUMNS, clocks)
    search.mark(writing, [tracked.number for tracked in written])
    _write_lines(writing, [work.tracked for work in works], now)


def _row(work: Work) -> dict[str, Any]:
    tracked = work.tracked
    return work.row | {
        "number": tracked.number,
        "id": tracked.id,
        "version": tracked.version,
        "head": tracked.head,
    }


async def next_numbers(connection: AsyncConnection, count: int) -> list[int]:
    """Numbers for so many incidents about to be opened, the first of them last."""
    if connection.dialect.name == "sqlite":  # where nobody else can write meanwhile
        last = (await connection.execute(_LAST_NUMBER)).scalar_one() or 0
        return list(range(last + count, last, -1))
    return sorted((await connection.execute(_NEXT_NUMBERS, {"count": count})).scalars(), reverse=True)


def _write_lines(
    writing: Writing, written: Sequence[Tracked], now: datetime, lease: Lease = NO_LEASE
) -> None:
    """Writes the new ledger lines of these incidents, an outbox row for each, and their notices."""
    lines = [
        (tracked.number, line.version, line.incident, str(line.kind), line.text, line.hash)
        for tracked in written
        for line in tracked.lines
    ]
    writing.insert(LEDGER, LEDGER_COLUMNS, lines)
    sendings = [
        (
            f"reporter.out.{line.kind}.{tracked.unit}",
            f"{line.incident}/{line.version}",
            line.incident,
            tracked.number,
            line.version,
        )
        for tracked in written
        for line in tracked.lines
    ]
    writing.insert(OUTBOX, OUTBOX_COLUMNS, sendings)
    at = micros(now)
    notices = [
        notice_row(tracked.number, notice, now, at, lease)
        for tracked in written
        for notice in tracked.notices
    ]
    writing.insert(NOTICE, NOTICE_COLUMNS, notices)


async def load_heads(
    connection: AsyncConnection, edition_of: EditionOf, ids: Iterable[str]
) -> dict[str, Tracked]:
    """Loads and locks incidents without their clocks, for lines that concern none."""
    rows = await connection.execute(_HEADS, {"ids": sorted(set(ids))})
    found = [_tracked(row, await edition_of(row[_DIGEST]))[0] for row in rows.all()]
    return {tracked.id: tracked for tracked in found}


async def save_heads(connection: AsyncConnection, written: Sequence[Tracked], now: datetime) -> None:
    """Writes the new lines of incidents whose clocks did not change."""
    writing = Writing(connection)
    _write_heads(writing, written, now)
    await writing.done()


def _write_heads(
    writing: Writing, written: Sequence[Tracked], now: datetime, lease: Lease = NO_LEASE
) -> None:
    versions = [(tracked.version, tracked.head, tracked.number) for tracked in written]
    writing.update(INCIDENT, ("version", "head"), ("number",), versions)
    _write_lines(writing, written, now, lease)


async def taken_codes(connection: AsyncConnection, day: str, codes: Sequence[str]) -> set[str]:
    """Those of `codes` that an incident of that day has."""
    return set((await connection.execute(_TAKEN_CODES, {"day": day, "codes": list(codes)})).scalars())


async def next_looks(connection: AsyncConnection) -> tuple[datetime | None, datetime | None]:
    """The earliest reminder and the earliest judgement that any clock waits for."""
    remind_at, judge_at = (await connection.execute(_NEXT_LOOKS)).one()
    return remind_at, judge_at
