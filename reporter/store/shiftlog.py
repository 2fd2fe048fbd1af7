"""What a shift has logged, and which notices of it reached nobody: for the snapshot of a handover."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.terms import NoticeState, Verdict
from reporter.store.models import Clock, Incident, Notice
from reporter.store.queries import Scope

LOGGED_MAX: Final = 200
NEWEST: Final = 2000
"""How many of the newest incidents are looked at: no shift logs more, and an archive of any length costs the same."""


@dataclass(frozen=True, slots=True)
class LoggedIncident:
    """An incident that was opened in the shift. `is_late`: a report of it came late, or has not come in time."""

    id: str
    code: str
    title: str
    unit: str
    opened_from: str
    mode: str
    state: str
    received_at: datetime
    is_late: bool


async def logged_since(connection: AsyncConnection, scope: Scope, since: datetime) -> list[LoggedIncident]:
    """What was received since then, the oldest first; of very much the newest `LOGGED_MAX`."""
    newest = select(func.max(Incident.number) - NEWEST).scalar_subquery()
    is_late = exists().where(
        Clock.number == Incident.number, Clock.verdict.in_([Verdict.LATE.value, Verdict.MISSING.value])
    )
    query = (
        select(
            Incident.id,
            Incident.code,
            Incident.title,
            Incident.unit,
            Incident.opened_from,
            Incident.mode,
            Incident.state,
            Incident.received_at,
            is_late,
        )
        .where(Incident.number > func.coalesce(newest, 0), Incident.received_at >= since)
        .order_by(Incident.number.desc())
        .limit(LOGGED_MAX)
    )
    if scope is not None:
        codes = sorted(scope)
        query = query.where(or_(Incident.unit.in_(codes), Incident.opened_from.in_(codes)))
    return [LoggedIncident(*row) for row in (await connection.execute(query)).all()][::-1]


async def failed_since(
    connection: AsyncConnection, incidents: Collection[str], since: datetime
) -> dict[str, int]:
    """How many notices of these incidents failed for good since then, by channel."""
    if not incidents:
        return {}
    query = (
        select(Notice.channel, func.count().label("failures"))
        .join(Incident, Incident.number == Notice.number)
        .where(
            Incident.id.in_(sorted(incidents)),
            Notice.state == NoticeState.FAILED.value,
            Notice.recorded_at >= since,
        )
        .group_by(Notice.channel)
        .order_by(Notice.channel)
    )
    return {row.channel: row.failures for row in await connection.execute(query)}
