"""Rehearsals of reaching people: everybody on duty gets a marked test on every channel, and who answered is kept.

They belong to no incident. What was sent are notices like any other (leases, retries, receipts, links); who was
called and who answered stands in tables that only grow.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.roster import FlawOf, channel_of
from reporter.core.terms import Mode, NoticeReason, NoticeState
from reporter.core.turns import SHOWN_AT_ONCE, Rank
from reporter.store.database import Database
from reporter.store.models import Notice, Rehearsal, RehearsalAnswer, RehearsalCall
from reporter.store.people import load_tree, on_duty

CALLED_MAX: Final = 20_000


class NothingToRehearse(ValueError):
    """No such unit, or nobody is on duty there."""


@dataclass(frozen=True, slots=True)
class Started:
    """A rehearsal as it began: how many people are on duty, how many tests may arrive, whom none can reach."""

    id: int
    people: int
    tests: int
    unreachable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Called:
    """One person on one channel: `state` of the test (None: nothing is sent there), and the answer to it."""

    unit: str
    role: str
    person: str
    channel: str
    state: str | None
    note: str | None
    sent_at: datetime | None
    answered_at: datetime | None
    via: str | None

    @property
    def answered_after_s(self) -> float | None:
        """Seconds from the sending to the answer."""
        if self.answered_at is None or self.sent_at is None:
            return None
        return (self.answered_at - self.sent_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Report:
    """A rehearsal and everybody called in it, by unit and person."""

    id: int
    unit: str
    author: str
    started_at: datetime
    called: tuple[Called, ...]


async def start(
    database: Database,
    unit: str,
    author: str,
    now: datetime,
    flaw_of: FlawOf,
    *,
    month: str | None = None,
) -> Started | None:
    """Writes a test for everybody on duty now in the unit and below it; running services send them.

    One to an address that can never work (`flaw_of`) is written too: it fails for good, and the report says why.
    `month` (`2026-11`): the monthly one, of which there is one only; None if it has been held already. Somebody on
    duty twice at the same address is sent one. Errors: NothingToRehearse.
    """
    try:
        async with database.transaction() as connection:
            return await _start(connection, unit, author, now, flaw_of, month)
    except IntegrityError:
        if month is None:
            raise
        return None


async def _start(
    connection: AsyncConnection,
    unit: str,
    author: str,
    now: datetime,
    flaw_of: FlawOf,
    month: str | None,
) -> Started | None:
    if month is not None:
        held = select(Rehearsal.id).where(Rehearsal.month == month)
        if (await connection.execute(held)).first() is not None:
            return None
    tree = await load_tree(connection)
    code = tree.resolve(unit)
    if code is None:
        raise NothingToRehearse(unit)
    below = tree.subtree(code)
    calls: dict[tuple[str, str, str, str], dict[str, object]] = {}
    notices = []
    reached: dict[tuple[str, str], int] = {}
    for (where, role), duties in sorted((await on_duty(connection, now)).items()):
        for duty in duties if where in below else ():
            if duty.is_absent:
                continue
            who = duty.person, duty.phone
            reached.setdefault(who, 0)
            for address in duty.channels or ("desk",):
                channel, target = channel_of(address)
                if (*who, channel, target) in calls:
                    continue
                is_sent = channel not in SHOWN_AT_ONCE
                id_ = str(uuid4()) if is_sent else None
                calls[*who, channel, target] = {
                    "unit": where,
                    "role": role,
                    "person": duty.person,
                    "channel": channel,
                    "notice_id": id_,
                }
                if is_sent:
                    reached[who] += flaw_of(address) is None
                    notices.append(
                        {
                            "id": id_,
                            "unit": where,
                            "mode": Mode.TEST.value,
                            "repeat": 1,
                            "rank": Rank.LATER.value,
                            "reason": NoticeReason.REHEARSAL.value,
                            "to_role": f"unit.{role}",
                            "person": duty.person,
                            "phone": duty.phone or None,
                            "channel": channel,
                            "address": target,
                            "state": NoticeState.QUEUED.value,
                            "due_at": now,
                            "recorded_at": now,
                            "attempts": 0,
                            "next_try_at": now,
                        }
                    )
    if not calls or len(calls) > CALLED_MAX:
        raise NothingToRehearse(unit)
    made = insert(Rehearsal).values(unit=code, month=month, author=author, started_at=now)
    number = int((await connection.execute(made.returning(Rehearsal.id))).scalar_one())
    rows = [{"rehearsal": number, "number": index, **call} for index, call in enumerate(calls.values())]
    await connection.execute(insert(RehearsalCall), rows)
    if notices:
        await connection.execute(insert(Notice), notices)
    lost = tuple(sorted({person for (person, _), tests in reached.items() if not tests}))
    return Started(number, len(reached), sum(reached.values()), lost)


async def answer(database: Database, notice_id: str, at: datetime, via: str) -> bool:
    """A person answered a test, `via` a link or somebody's word. False: known already, or there is no such test."""
    try:
        async with database.transaction() as connection:
            called = select(RehearsalCall.notice_id).where(RehearsalCall.notice_id == notice_id)
            known = select(RehearsalAnswer.notice_id).where(RehearsalAnswer.notice_id == notice_id)
            is_called = (await connection.execute(called)).first() is not None
            if not is_called or (await connection.execute(known)).first() is not None:
                return False
            told = insert(RehearsalAnswer).values(notice_id=notice_id, answered_at=at, via=via)
            await connection.execute(told)
            mine = update(Notice).where(Notice.id == notice_id)
            await connection.execute(mine.values(state=NoticeState.ACKNOWLEDGED.value, next_try_at=None))
    except IntegrityError:
        return False  # the same answer came twice at once
    return True


async def tests_of(connection: AsyncConnection, rehearsal: int, person: str) -> list[str]:
    """The notices of the tests sent to a person in a rehearsal."""
    mine = RehearsalCall.rehearsal == rehearsal, RehearsalCall.person == person
    query = select(RehearsalCall.notice_id).where(*mine, RehearsalCall.notice_id.is_not(None))
    return [str(id_) for id_ in (await connection.scalars(query.order_by(RehearsalCall.number))).all()]


async def report(connection: AsyncConnection, number: int | None = None) -> Report | None:
    """The rehearsal of that number, or the latest; None if there is none."""
    query = select(Rehearsal.id, Rehearsal.unit, Rehearsal.author, Rehearsal.started_at)
    query = query.order_by(Rehearsal.id.desc()).limit(1)
    if number is not None:
        query = query.where(Rehearsal.id == number)
    found = (await connection.execute(query)).one_or_none()
    if found is None:
        return None
    called = (
        select(
            RehearsalCall.unit, RehearsalCall.role, RehearsalCall.person, RehearsalCall.channel,
            Notice.state, Notice.note, Notice.recorded_at, RehearsalAnswer.answered_at, RehearsalAnswer.via,
        )
        .join_from(RehearsalCall, Notice, Notice.id == RehearsalCall.notice_id, isouter=True)
        .join(RehearsalAnswer, RehearsalAnswer.notice_id == RehearsalCall.notice_id, isouter=True)
        .where(RehearsalCall.rehearsal == found.id)
        .order_by(RehearsalCall.number)
    )  # fmt: skip
    rows = await connection.execute(called)
    return Report(found.id, found.unit, found.author, found.started_at, tuple(Called(*row) for row in rows))
