"""Keeping handovers: a snapshot is written once; entries are added one after the other, each checked by `core`.

Nothing here reads an incident: what a snapshot holds is handed in, and never looked up again.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final  # Any: documents are JSON

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.canonical import canonical
from reporter.core.handover import (
    Entry,
    EntryKind,
    HandoverStanding,
    HandoverState,
    Part,
    check_entry,
    entry_text,
    standing_of,
)
from reporter.core.instants import read_back
from reporter.store.database import Database
from reporter.store.models import HandoverEntry, HandoverSnapshot, table
from reporter.store.people import lock_people
from reporter.store.types import AnyRow

HANDOVER = table(HandoverSnapshot)
ENTRY = table(HandoverEntry)
PAGE: Final = 20


@dataclass(frozen=True, slots=True)
class Handover:
    """One handover. `is_sound`: snapshot and entries still have the sums that they were written with."""

    id: int
    unit: str
    frozen_at: datetime
    author: str
    text: str
    digest: str
    snapshot: dict[str, Any]
    entries: tuple[Entry, ...]
    standing: HandoverStanding
    is_sound: bool

    @property
    def items(self) -> tuple[str, ...]:
        """What the incoming shift confirms one by one."""
        return items_of(self.snapshot)


@dataclass(frozen=True, slots=True)
class HandoverLine:
    """A handover in a list; `counts` as the snapshot has them, `signed` the names by part."""

    id: int
    unit: str
    frozen_at: datetime
    state: HandoverState
    counts: dict[str, int]
    signed: dict[str, str]


def items_of(snapshot: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a snapshot's items."""
    return tuple(item["item"] for part in ("incidents", "troubles", "gaps") for item in snapshot[part])


async def freeze(
    database: Database,
    unit: str,
    snapshot: Mapping[str, object],
    author: str,
    key: str,
    now: datetime,
) -> tuple[int, bool]:
    """Writes a snapshot down and returns its number. False: the unit has an open handover already, which is meant,
    or the key stands for one.
    """
    text = canonical(snapshot)
    async with database.transaction() as connection:
        await lock_people(connection)
        by_key = select(HANDOVER.c.id).where(HANDOVER.c.key == f"{author}\n{key}")
        known = (await connection.execute(by_key)).scalar_one_or_none()
        if known is None:
            known = await open_one(connection, unit)
        if known is not None:
            return known, False
        made = await connection.execute(
            insert(HANDOVER)
            .values(
                unit=unit,
                frozen_at=now,
                author=author,
                text=text.decode(),
                digest=sha256(text).hexdigest(),
                key=f"{author}\n{key}",
            )
            .returning(HANDOVER.c.id)
        )
        number: int = made.scalar_one()
    return number, True


async def add(
    database: Database,
    handover: int,
    entries: Sequence[tuple[EntryKind, str, Mapping[str, object]]],
    actor: str,
    now: datetime,
    check: Callable[[Handover], None] | None = None,
) -> int:
    """Adds these entries in one transaction and returns how many were new. Errors: HandoverRefused: none is added.

    `check` may refuse by what the handover is at that moment. Errors: LookupError without such a handover.
    """
    async with database.transaction() as connection:
        await lock_people(connection)
        found = await load(connection, handover)
        if found is None:
            raise LookupError(handover)
        if check is not None:
            check(found)
        known = list(found.entries)
        rows = []
        for kind, subject, body in entries:
            if not check_entry(standing_of(known), found.items, kind, subject, body):
                continue
            prev = known[-1].hash if known else found.digest
            number = len(known) + 1
            text, hash_ = entry_text(handover, number, kind, now, actor, subject, body, prev)
            known.append(Entry(number, kind, now, actor, subject, body, hash_))
            rows.append(
                {
                    "handover": handover,
                    "number": number,
                    "kind": kind.value,
                    "subject": subject,
                    "text": text,
                    "hash": hash_,
                }
            )
        if rows:
            await connection.execute(insert(ENTRY), rows)
    return len(rows)


async def load(connection: AsyncConnection, handover: int) -> Handover | None:
    """One handover with all that was said over it: two queries."""
    row = (await connection.execute(select(HANDOVER).where(HANDOVER.c.id == handover))).one_or_none()
    if row is None:
        return None
    rows = await connection.execute(
        select(ENTRY).where(ENTRY.c.handover == handover).order_by(ENTRY.c.number)
    )
    return _handover(row, rows.all())


async def open_one(connection: AsyncConnection, unit: str) -> int | None:
    """The unit's handover that is neither complete nor cancelled. There is one at most."""
    ended = ENTRY.alias("ended")
    is_cancelled = select(ended.c.number).where(
        ended.c.handover == HANDOVER.c.id, ended.c.kind == EntryKind.CANCELLED.value
    )
    query = (
        select(HANDOVER.c.id)
        .where(HANDOVER.c.unit == unit, ~is_cancelled.exists(), _signatures() < len(Part))
        .order_by(HANDOVER.c.id.desc())
        .limit(1)
    )
    return (await connection.execute(query)).scalar_one_or_none()


async def last_signed(connection: AsyncConnection, unit: str) -> datetime | None:
    """When the unit's last complete handover was frozen: where the present shift begins."""
    query = (
        select(HANDOVER.c.frozen_at)
        .where(HANDOVER.c.unit == unit, _signatures() == len(Part))
        .order_by(HANDOVER.c.id.desc())
        .limit(1)
    )
    return (await connection.execute(query)).scalar_one_or_none()


async def listed(
    connection: AsyncConnection, units: Collection[str] | None, before: int | None = None, limit: int = PAGE
) -> list[HandoverLine]:
    """Handovers of these units, the newest first: two queries. `before`: only those with a smaller number."""
    query = select(HANDOVER).order_by(HANDOVER.c.id.desc()).limit(limit)
    if units is not None:
        query = query.where(HANDOVER.c.unit.in_(sorted(units)))
    if before is not None:
        query = query.where(HANDOVER.c.id < before)
    rows = (await connection.execute(query)).all()
    kinds = (EntryKind.SIGNED.value, EntryKind.CANCELLED.value)
    ends = await connection.execute(
        select(ENTRY)
        .where(ENTRY.c.handover.in_([row.id for row in rows]), ENTRY.c.kind.in_(kinds))
        .order_by(ENTRY.c.number)
    )
    said: dict[int, list[Entry]] = {}
    for row in ends:
        said.setdefault(row.handover, []).append(_entry(row))
    return [_line(row, standing_of(said.get(row.id, []))) for row in rows]


def _signatures() -> Any:  # a scalar subquery of counts, which SQLAlchemy types by column
    signed = ENTRY.alias("signed")
    return (
        select(func.count())
        .where(signed.c.handover == HANDOVER.c.id, signed.c.kind == EntryKind.SIGNED.value)
        .scalar_subquery()
    )


def _line(row: AnyRow, standing: HandoverStanding) -> HandoverLine:
    signed = {part: str(entry.body.get("name") or "") for part, entry in standing.signed.items()}
    counts = json.loads(row.text)["counts"]
    return HandoverLine(row.id, row.unit, row.frozen_at, standing.state, counts, signed)


def _handover(row: AnyRow, entries: Sequence[AnyRow]) -> Handover:
    known = tuple(_entry(each) for each in entries)
    return Handover(
        row.id,
        row.unit,
        row.frozen_at,
        row.author,
        row.text,
        row.digest,
        json.loads(row.text),
        known,
        standing_of(known),
        _is_sound(row, entries),
    )


def _entry(row: AnyRow) -> Entry:
    said = json.loads(row.text)
    return Entry(
        row.number,
        EntryKind(row.kind),
        read_back(said["at"]),
        said["actor"],
        said["subject"],
        said["body"],
        row.hash,
    )


def _is_sound(row: AnyRow, entries: Sequence[AnyRow]) -> bool:
    prev = sha256(row.text.encode()).hexdigest()
    is_sound: bool = prev == row.digest
    for number, entry in enumerate(entries, 1):
        said = json.loads(entry.text)
        is_sound = (
            is_sound
            and entry.number == said["number"] == number
            and (entry.kind, entry.subject) == (said["kind"], said["subject"])
            and said["prev"] == prev
            and sha256(entry.text.encode()).hexdigest() == entry.hash
        )
        prev = entry.hash
    return is_sound
