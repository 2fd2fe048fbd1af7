"""What waits for the engine's loops, found by one question: in most seconds nothing does, and that should be cheap."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, exists, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.store import models as m
from reporter.store.inbox import APPLICABLE, ASIDE
from reporter.store.notices import HELD_AFTER, REJECTED_EVERY, THROTTLE
from reporter.store.outbox import OUTBOX
from reporter.store.search import PENDING


class Waiting(NamedTuple):
    """Whether anything waits at an instant."""

    facts: bool
    """To be published."""
    notices: bool
    """To be sent."""
    unfindable: bool
    """Incidents to be indexed."""
    applicable: bool
    """Held messages whose incident is there all the same."""
    unsaid: bool
    """Held for a minute, or rejected since the last notice of their subject, and nobody was told."""


async def look(connection: AsyncConnection, now: datetime) -> Waiting:
    """What waits at `now`: read-only and indexed, whatever the number of incidents."""
    instants = {"now": now, "said_by": now - REJECTED_EVERY, "held_by": now - HELD_AFTER}
    return Waiting(*(await connection.execute(_LOOK, instants)).one())


_INSTANT = m.Notice.next_try_at.type
_LOOK = select(
    exists(select(OUTBOX.c.seq)),
    exists(select(m.Notice.id).where(m.Notice.next_try_at <= bindparam("now", type_=_INSTANT))),
    exists(select(PENDING.c.id)),
    exists(APPLICABLE),
    or_(
        exists(
            select(THROTTLE.c.subject).where(
                THROTTLE.c.waiting > 0, THROTTLE.c.noticed_at <= bindparam("said_by", type_=_INSTANT)
            )
        ),
        exists(
            select(ASIDE.c.id).where(
                ASIDE.c.state == "held",
                ASIDE.c.noticed_at.is_(None),
                ASIDE.c.recorded_at <= bindparam("held_by", type_=_INSTANT),
            )
        ),
    ),
)


class Undecided(NamedTuple):
    """Something that a clock waits for, due at `at`, and when its incident was recorded."""

    number: int
    obligation: str
    at: datetime
    recorded_at: datetime


async def undecided(connection: AsyncConnection, now: datetime) -> list[Undecided]:
    """What is due at `now` and undecided: the earliest reminders and the earliest judgements, a hundred of each."""
    return [Undecided(*row) for row in await connection.execute(_UNDECIDED, {"now": now})]


_CLOCK, _INCIDENT = m.table(m.Clock), m.table(m.Incident)
UNDECIDED_MAX = 100
"""Clocks are decided on in order of their instants: where these are not decided, those behind them are not either."""
_UNDECIDED = union_all(
    *(
        select(
            _CLOCK.c.number,
            _CLOCK.c.obligation,
            column.label("at"),
            _INCIDENT.c.recorded_at,
        )
        .join(_INCIDENT, _INCIDENT.c.number == _CLOCK.c.number)
        .where(column <= bindparam("now", type_=_CLOCK.c.judge_at.type))
        .order_by(column)
        .limit(UNDECIDED_MAX)
        .subquery()
        .select()
        for column in (_CLOCK.c.remind_at, _CLOCK.c.judge_at)
    )
)
