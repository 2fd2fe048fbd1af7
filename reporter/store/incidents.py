"""Incidents, clocks and ledger lines: rows in, `core` values out, and back."""

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any  # rows have no narrower type

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.decide import Tracked
from reporter.core.incident import Entry
from reporter.core.schedule import Edition
from reporter.core.terms import COMMAND_OF_FACT, FactKind, IncidentState, Mode
from reporter.store import models as m
from reporter.store.bulk import insert_rows, update_rows
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
from reporter.store.types import AnyRow

INCIDENT = m.table(m.Incident)
CLOCK = m.table(m.Clock)
LEDGER = m.table(m.Line)
OUTBOX = m.table(m.Outbox)
NOTICE = m.table(m.Notice)

EditionOf = Callable[[str], Awaitable[Edition]]
"""Finds the edition with a digest."""


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


_TRACKED = (
    INCIDENT.c.unit,
    INCIDENT.c.mode,
    INCIDENT.c.state.label("incident_state"),
    INCIDENT.c.is_provisional,
    INCIDENT.c.closed_at,
    INCIDENT.c.withdrawn_at,
    INCIDENT.c.received_at,
    INCIDENT.c.edition_digest,
    INCIDENT.c.version,
    INCIDENT.c.head,
)


async def _tracked(row: AnyRow, id_: str, edition_of: EditionOf) -> Tracked:
    return Tracked(
        id=id_,
        unit=row.unit,
        mode=Mode(row.mode),
        state=IncidentState(row.incident_state),
        edition=await edition_of(row.edition_digest),
        is_provisional=row.is_provisional,
        closed_at=row.closed_at,
        withdrawn_at=row.withdrawn_at,
        version=row.version,
        head=row.head,
    )


async def load_due(
    connection: AsyncConnection, edition_of: EditionOf, now: datetime, judged_through: datetime, limit: int
) -> list[Tracked]:
    """Claims up to `limit` clocks whose time has come, earliest first, grouped by incident.

    On PostgreSQL incidents and clocks are locked, and those another replica holds are skipped: were only the
    incident locked, its fresh row could come with a clock as it was before the other replica's commit.
    """
    found: dict[str, Tracked] = {}
    seen: set[tuple[str, str]] = set()
    joined = select(CLOCK, *_TRACKED).join(INCIDENT, INCIDENT.c.id == CLOCK.c.incident_id)
    for column, until in ((CLOCK.c.judge_at, judged_through), (CLOCK.c.remind_at, now)):
        due = joined.where(column <= until).order_by(column).limit(limit)
        rows = await connection.execute(due.with_for_update(of=(INCIDENT, CLOCK), skip_locked=True))
        for row in rows:
            if (row.incident_id, row.obligation) in seen:
                continue
            seen.add((row.incident_id, row.obligation))
            tracked = found.get(row.incident_id)
            if tracked is None:
                tracked = found[row.incident_id] = await _tracked(row, row.incident_id, edition_of)
            if clock := read_clock(row, tracked.edition, row.received_at):
                tracked.clocks.append(clock)
    return list(found.values())


async def load_work(
    connection: AsyncConnection, edition_of: EditionOf, ids: Iterable[str]
) -> dict[str, Work]:
    """Loads incidents whole, with every clock and command, and locks them (in the order of their ids)."""
    wanted = sorted(set(ids))
    found: dict[str, Work] = {}
    received_at: dict[str, datetime] = {}
    if not wanted:
        return found
    locked = select(
        INCIDENT.c.id, INCIDENT.c.opened_from, INCIDENT.c.survivor, INCIDENT.c.anomalies, *_TRACKED
    )
    locked = locked.where(INCIDENT.c.id.in_(wanted)).order_by(INCIDENT.c.id).with_for_update()
    for row in await connection.execute(locked):
        received_at[row.id] = row.received_at
        found[row.id] = Work(
            await _tracked(row, row.id, edition_of), row.opened_from, row.survivor, anomalies=row.anomalies
        )
    if not found:
        return found
    clocks = select(CLOCK).where(CLOCK.c.incident_id.in_(found)).order_by(CLOCK.c.position)
    for each in await connection.execute(clocks):
        tracked = found[each.incident_id].tracked
        if clock := read_clock(each, tracked.edition, received_at[each.incident_id]):
            tracked.clocks.append(clock)
    lines = (
        select(LEDGER.c.incident_id, LEDGER.c.kind, LEDGER.c.text)
        .where(LEDGER.c.incident_id.in_(found), LEDGER.c.kind.in_([kind.value for kind in COMMAND_OF_FACT]))
        .order_by(LEDGER.c.incident_id, LEDGER.c.version)
    )
    for line in await connection.execute(lines):
        take_entry(found[line.incident_id].entries, FactKind(line.kind), json.loads(line.text)["body"])
    return found


async def save_ticked(connection: AsyncConnection, ticked: Sequence[Tracked], now: datetime) -> None:
    """Writes what time brought about: the clocks' changed columns, the lines, the notices, the outbox."""
    clocks = [ticked_row(tracked.id, clock) for tracked in ticked for clock in tracked.clocks]
    await update_rows(connection, CLOCK, TICKED_COLUMNS, KEY_COLUMNS, clocks)
    written = [tracked for tracked in ticked if tracked.lines]
    if not written:
        return
    await save_heads(connection, written, now)


async def save_work(connection: AsyncConnection, works: Sequence[Work], now: datetime) -> None:
    """Writes incidents that commands opened or changed, with their clocks, lines, notices and outbox rows."""
    new = [work for work in works if work.is_new]
    old = [work for work in works if not work.is_new and work.row]
    if new:
        await connection.execute(
            insert(INCIDENT),
            [{**w.row, "id": w.tracked.id, "version": w.tracked.version, "head": w.tracked.head} for w in new],
        )
        clocks = [clock_row(work.tracked.id, clock) for work in new for clock in work.tracked.clocks]
        await insert_rows(connection, CLOCK, CLOCK_COLUMNS, clocks)
    for work in old:
        id_ = work.tracked.id
        await connection.execute(
            update(INCIDENT)
            .where(INCIDENT.c.id == id_)
            .values(**work.row, version=work.tracked.version, head=work.tracked.head)
        )
        await connection.execute(delete(CLOCK).where(CLOCK.c.incident_id == id_))
        clocks = [clock_row(id_, clock) for clock in work.tracked.clocks]
        await insert_rows(connection, CLOCK, CLOCK_COLUMNS, clocks)
    await save_lines(connection, [work.tracked for work in works], now)


async def save_lines(connection: AsyncConnection, written: Iterable[Tracked], now: datetime) -> None:
    """Writes the new ledger lines of these incidents, an outbox row for each, and their notices."""
    written = list(written)
    lines = [
        (line.incident, line.version, line.kind.value, line.text, line.hash)
        for tracked in written
        for line in tracked.lines
    ]
    await insert_rows(connection, LEDGER, ("incident_id", "version", "kind", "text", "hash"), lines)
    sendings = [
        (f"reporter.out.{line.kind.value}.{tracked.unit}", f"{line.incident}/{line.version}", line.incident, line.version)
        for tracked in written
        for line in tracked.lines
    ]
    await insert_rows(connection, OUTBOX, ("subject", "message_id", "incident_id", "version"), sendings)
    notices = [notice_row(notice, now) for tracked in written for notice in tracked.notices]
    await insert_rows(connection, NOTICE, NOTICE_COLUMNS, notices)


async def load_heads(
    connection: AsyncConnection, edition_of: EditionOf, ids: Iterable[str]
) -> dict[str, Tracked]:
    """Loads and locks incidents without their clocks, for lines that concern none."""
    locked = select(INCIDENT.c.id, *_TRACKED).where(INCIDENT.c.id.in_(sorted(set(ids))))
    rows = await connection.execute(locked.order_by(INCIDENT.c.id).with_for_update())
    return {row.id: await _tracked(row, row.id, edition_of) for row in rows}


async def save_heads(connection: AsyncConnection, written: Sequence[Tracked], now: datetime) -> None:
    """Writes the new lines of incidents whose clocks did not change."""
    versions = [(tracked.version, tracked.head, tracked.id) for tracked in written]
    await update_rows(connection, INCIDENT, ("version", "head"), ("id",), versions)
    await save_lines(connection, written, now)


async def taken_codes(connection: AsyncConnection, day: str, codes: Sequence[str]) -> set[str]:
    """Those of `codes` that an incident of that day has."""
    taken = select(INCIDENT.c.code).where(INCIDENT.c.code_day == day, INCIDENT.c.code.in_(codes))
    return set((await connection.execute(taken)).scalars())


async def next_looks(connection: AsyncConnection) -> tuple[datetime | None, datetime | None]:
    """The earliest reminder and the earliest judgement that any clock waits for."""
    first = []
    for column in (CLOCK.c.remind_at, CLOCK.c.judge_at):
        at = select(column).where(column.is_not(None)).order_by(column).limit(1)
        first.append((await connection.execute(at)).scalar_one_or_none())
    return first[0], first[1]
