"""Incidents, clocks and ledger lines: rows in, `core` values out, and back."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any  # rows have no narrower type

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.clock import Clock
from reporter.core.decide import Notice, Tracked
from reporter.core.incident import Entry, View
from reporter.core.instants import parse
from reporter.core.ladder import Ladder, Repetition
from reporter.core.ledger import Line
from reporter.core.schedule import Edition
from reporter.core.terms import (
    COMMAND_OF_FACT,
    Anomaly,
    ClockState,
    FactKind,
    IncidentState,
    Mode,
    NoticeReason,
    NoticeState,
    Verdict,
)
from reporter.store import models as m
from reporter.store.types import AnyRow
from reporter.timesource import from_micros, micros

INCIDENT = m.table(m.Incident)
CLOCK = m.table(m.Clock)
LEDGER = m.table(m.Line)
OUTBOX = m.table(m.Outbox)
NOTICE = m.table(m.Notice)

STICKY = frozenset(
    {
        Anomaly.UNIT_UNKNOWN,
        Anomaly.SCHEDULE_UNKNOWN,
        Anomaly.NO_EDITION_IN_FORCE,
        Anomaly.REPLY_REFUSED,
        Anomaly.FOREIGN_UNIT,
    }
)
"""Anomalies that the gate found; all others follow from the commands and are derived anew."""

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


def ladder_document(ladder: Ladder) -> list[Any] | None:
    """A ladder as stored: due time and arrival in microseconds, position, top, cause, repetitions.

    None while nothing of it has fired and nothing moved it: it then follows from the clock and the opening.
    """
    if ladder.position == 0 and ladder.cause is None and not ladder.repetitions and ladder.top < 0:
        return None
    return [
        micros(ladder.due_at),
        micros(ladder.known_at),
        ladder.position,
        ladder.top,
        ladder.cause and ladder.cause.value,
        [[r.step, r.count, r.next_at and micros(r.next_at)] for r in ladder.repetitions],
    ]


def _ladder(document: list[Any] | None, due_at: datetime, received_at: datetime) -> Ladder:
    if document is None:
        return Ladder(due_at, received_at)
    due, known, position, top, cause, repetitions = document
    return Ladder(
        from_micros(due),
        from_micros(known),
        position,
        top,
        cause and NoticeReason(cause),
        [Repetition(step, count, None if at is None else from_micros(at)) for step, count, at in repetitions],
    )


def _clock(row: AnyRow, edition: Edition, received_at: datetime) -> Clock | None:
    obligation = edition.obligation(row.obligation)
    if obligation is None:
        return None
    return Clock(
        obligation=obligation,
        position=row.position,
        starts_at=row.starts_at,
        due_at=row.due_at,
        ladder=_ladder(row.ladder, row.due_at, received_at),
        due_latest_at=row.due_latest_at,
        state=ClockState(row.state),
        met_at=row.met_at,
        met_by=row.met_by,
        missing_at=row.missing_at,
        verdict=row.verdict and Verdict(row.verdict),
        complete=row.complete,
        undeclared=row.undeclared or [],
        aware_due_at=row.aware_due_at,
        aware_verdict=row.aware_verdict and Verdict(row.aware_verdict),
        breach_due_at=row.breach_due_at,
        breach_certain=row.breach_certain,
        remind_at=row.remind_at,
        judge_at=row.judge_at,
    )


def clock_row(incident_id: str, clock: Clock) -> dict[str, Any]:
    """A clock as its row."""
    return {
        "incident_id": incident_id,
        "obligation": clock.obligation.id,
        "position": clock.position,
        "starts_at": clock.starts_at,
        "due_at": clock.due_at,
        "due_latest_at": clock.due_latest_at,
        "state": clock.state.value,
        "met_at": clock.met_at,
        "met_by": clock.met_by,
        "missing_at": clock.missing_at,
        "verdict": clock.verdict and clock.verdict.value,
        "complete": clock.complete,
        "undeclared": clock.undeclared or None,
        "aware_due_at": clock.aware_due_at,
        "aware_verdict": clock.aware_verdict and clock.aware_verdict.value,
        "breach_due_at": clock.breach_due_at,
        "breach_certain": clock.breach_certain,
        "ladder": ladder_document(clock.ladder),
        "remind_at": clock.remind_at,
        "judge_at": clock.judge_at,
    }


def incident_columns(view: View) -> dict[str, Any]:
    """The columns of `incidents` that follow from the commands."""
    facts = dict(view.facts)
    return {
        "state": view.state.value,
        "mode": view.mode.value,
        "title": facts.pop("title"),
        "category": facts.pop("category", None),
        "grade": facts.pop("grade", None),
        "sensitive": bool(facts.pop("sensitive", False)),
        "occurred_earliest_at": view.occurred.earliest,
        "occurred_latest_at": view.occurred.latest,
        "is_provisional": view.is_provisional,
        "aware_at": view.aware_at,
        "closed_at": view.closed_at,
        "survivor": view.survivor,
        "anomalies": view.anomalies,
        "facts": {**facts, "extra": view.extra} if view.extra else facts,
    }


_TRACKED = (
    INCIDENT.c.unit,
    INCIDENT.c.mode,
    INCIDENT.c.state.label("incident_state"),
    INCIDENT.c.is_provisional,
    INCIDENT.c.closed_at,
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
        version=row.version,
        head=row.head,
    )


async def load_due(
    connection: AsyncConnection, edition_of: EditionOf, now: datetime, judged_through: datetime, limit: int
) -> list[Tracked]:
    """Claims up to `limit` clocks whose time has come, earliest first, grouped by incident.

    On PostgreSQL the incidents are locked, and those another replica holds are skipped.
    """
    found: dict[str, Tracked] = {}
    seen: set[tuple[str, str]] = set()
    joined = select(CLOCK, *_TRACKED).join(INCIDENT, INCIDENT.c.id == CLOCK.c.incident_id)
    for column, until in ((CLOCK.c.judge_at, judged_through), (CLOCK.c.remind_at, now)):
        due = joined.where(column <= until).order_by(column).limit(limit)
        rows = await connection.execute(due.with_for_update(of=INCIDENT, skip_locked=True))
        for row in rows:
            if (row.incident_id, row.obligation) in seen:
                continue
            seen.add((row.incident_id, row.obligation))
            tracked = found.get(row.incident_id)
            if tracked is None:
                tracked = found[row.incident_id] = await _tracked(row, row.incident_id, edition_of)
            if clock := _clock(row, tracked.edition, row.received_at):
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
        if clock := _clock(each, tracked.edition, received_at[each.incident_id]):
            tracked.clocks.append(clock)
    lines = (
        select(LEDGER.c.incident_id, LEDGER.c.kind, LEDGER.c.text)
        .where(LEDGER.c.incident_id.in_(found), LEDGER.c.kind.in_([kind.value for kind in COMMAND_OF_FACT]))
        .order_by(LEDGER.c.incident_id, LEDGER.c.version)
    )
    for line in await connection.execute(lines):
        take_entry(found[line.incident_id].entries, FactKind(line.kind), json.loads(line.text)["body"])
    return found


def take_entry(entries: list[Entry], kind: FactKind, body: Mapping[str, Any]) -> None:
    """Adds the command told of by a ledger line; a line that says which reports `left` takes them away again."""
    if left := body.get("left"):
        entries[:] = [entry for entry in entries if entry.report not in left]
    entries.append(
        Entry(
            COMMAND_OF_FACT[kind],
            body["source"],
            body["id"],
            parse(body["received_at"]),
            body["data"],
            tuple(anomaly for anomaly in body["anomalies"] if anomaly in STICKY),
            body.get("report"),
        )
    )


_TICKED = ("state", "verdict", "aware_verdict", "breach_due_at", "breach_certain", "ladder", "remind_at", "judge_at")
_UPDATE_TICKED = (
    update(CLOCK)
    .where(CLOCK.c.incident_id == bindparam("b_incident"), CLOCK.c.obligation == bindparam("b_obligation"))
    .values({name: bindparam(f"n_{name}") for name in _TICKED})
)
_UPDATE_VERSION = (
    update(INCIDENT)
    .where(INCIDENT.c.id == bindparam("b_id"))
    .values(version=bindparam("n_version"), head=bindparam("n_head"))
)


async def save_ticked(connection: AsyncConnection, ticked: Sequence[Tracked], now: datetime) -> None:
    """Writes what time brought about: the clocks' changed columns, the lines, the notices, the outbox."""
    await connection.execute(
        _UPDATE_TICKED,
        [
            {
                "b_incident": tracked.id,
                "b_obligation": clock.obligation.id,
                "n_state": clock.state.value,
                "n_verdict": clock.verdict and clock.verdict.value,
                "n_aware_verdict": clock.aware_verdict and clock.aware_verdict.value,
                "n_breach_due_at": clock.breach_due_at,
                "n_breach_certain": clock.breach_certain,
                "n_ladder": ladder_document(clock.ladder),
                "n_remind_at": clock.remind_at,
                "n_judge_at": clock.judge_at,
            }
            for tracked in ticked
            for clock in tracked.clocks
        ],
    )
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
        if clocks:
            await connection.execute(insert(CLOCK), clocks)
    for work in old:
        id_ = work.tracked.id
        await connection.execute(
            update(INCIDENT)
            .where(INCIDENT.c.id == id_)
            .values(**work.row, version=work.tracked.version, head=work.tracked.head)
        )
        await connection.execute(delete(CLOCK).where(CLOCK.c.incident_id == id_))
        if work.tracked.clocks:
            await connection.execute(insert(CLOCK), [clock_row(id_, clock) for clock in work.tracked.clocks])
    await save_lines(connection, [work.tracked for work in works], now)


async def save_lines(connection: AsyncConnection, written: Iterable[Tracked], now: datetime) -> None:
    """Writes the new ledger lines of these incidents, an outbox row for each, and their notices."""
    lines: list[tuple[Tracked, Line]] = [(tracked, line) for tracked in written for line in tracked.lines]
    if lines:
        await connection.execute(
            insert(LEDGER),
            [
                {"incident_id": l.incident, "version": l.version, "kind": l.kind.value, "text": l.text, "hash": l.hash}
                for _, l in lines
            ],
        )
        await connection.execute(
            insert(OUTBOX),
            [
                {
                    "subject": f"reporter.out.{l.kind.value}.{tracked.unit}",
                    "message_id": f"{l.incident}/{l.version}",
                    "incident_id": l.incident,
                    "version": l.version,
                }
                for tracked, l in lines
            ],
        )
    notices = [notice_row(notice, now) for tracked in written for notice in tracked.notices]
    if notices:
        await connection.execute(insert(NOTICE), notices)


def notice_row(notice: Notice, now: datetime) -> dict[str, Any]:
    """A notice as its row, waiting to be sent at once."""
    recipient = notice.recipient
    return {
        "id": notice.id,
        "incident_id": notice.incident,
        "unit": notice.unit,
        "mode": notice.mode.value,
        "obligation": notice.obligation,
        "step": notice.step,
        "repeat": notice.repeat,
        "reason": notice.reason.value,
        "to_role": recipient.to,
        "person": recipient.person,
        "phone": recipient.phone,
        "channel": recipient.channel,
        "address": recipient.address,
        "state": NoticeState.QUEUED.value,
        "due_at": notice.due_at,
        "recorded_at": now,
        "attempts": 0,
        "note": recipient.note,
        "next_try_at": now,
    }


async def load_heads(
    connection: AsyncConnection, edition_of: EditionOf, ids: Iterable[str]
) -> dict[str, Tracked]:
    """Loads and locks incidents without their clocks, for lines that concern none."""
    locked = select(INCIDENT.c.id, *_TRACKED).where(INCIDENT.c.id.in_(sorted(set(ids))))
    rows = await connection.execute(locked.order_by(INCIDENT.c.id).with_for_update())
    return {row.id: await _tracked(row, row.id, edition_of) for row in rows}


async def save_heads(connection: AsyncConnection, written: Sequence[Tracked], now: datetime) -> None:
    """Writes the new lines of incidents whose clocks did not change."""
    await connection.execute(
        _UPDATE_VERSION,
        [{"b_id": tracked.id, "n_version": tracked.version, "n_head": tracked.head} for tracked in written],
    )
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
