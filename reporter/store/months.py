"""Units by month: how many deadlines, and how many of them failed. By the rules of `store.audit`, counted in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any  # what a driver counts

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.terms import ClockState, IncidentState, Verdict
from reporter.store.audit import Among
from reporter.store.models import Clock, Incident
from reporter.store.queries import Scope


@dataclass(frozen=True, slots=True)
class MonthCell:
    """One unit in one month: clocks that were due, and those of them that are late, missing or overdue."""

    due: int
    failed: int


async def by_month(
    connection: AsyncConnection,
    months: Sequence[str],
    units: Scope,
    as_of: datetime,
    among: Among,
    obligation: str | None = None,
) -> Mapping[tuple[str, str], MonthCell]:
    """By unit and month, of `months` (`YYYY-MM`, in order); what is not in it had nothing due. One query."""
    is_overdue = and_(
        Clock.verdict.is_(None), Clock.state == ClockState.BREACHED, Incident.state == IncidentState.OPEN
    )
    has_failed = or_(Clock.verdict.in_((Verdict.LATE, Verdict.MISSING)), is_overdue)
    counted: Any = func.sum(case((has_failed, 1), else_=0))
    start = datetime(int(months[0][:4]), int(months[0][5:7]), 1, tzinfo=UTC) - timedelta(days=2)
    last = datetime(int(months[-1][:4]), int(months[-1][5:7]), 1, tzinfo=UTC) + timedelta(days=33)
    statement = (
        select(Incident.unit, Incident.month, func.count(), counted)
        .join(Clock, Clock.number == Incident.number)
        .where(Incident.occurred_earliest_at.between(start, last))  # indexed; the months themselves are exact
        .where(Incident.month.in_(months), *among.conditions())
        .where(Incident.state != IncidentState.WITHDRAWN, Clock.due_at < as_of)
        .group_by(Incident.unit, Incident.month)
    )
    if units is not None:
        statement = statement.where(Incident.unit.in_(sorted(units)))
    if obligation is not None:
        statement = statement.where(Clock.obligation == obligation)
    return {
        (unit, month): MonthCell(due, int(failed))
        for unit, month, due, failed in await connection.execute(statement)
    }


def months_until(month: str, count: int) -> tuple[str, ...]:
    """`month` and those before it, `count` in all, in order."""
    last = int(month[:4]) * 12 + int(month[5:7]) - 1
    return tuple(f"{each // 12:04}-{each % 12 + 1:02}" for each in range(last - count + 1, last + 1))
