"""What a one-tap link stands for: a notice, its person, and what that person has not acknowledged of the incident."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.terms import NoticeState
from reporter.store.models import Incident, Notice, Restricted


@dataclass(frozen=True, slots=True)
class Asked:
    """The notice of a link. `title` is None for what is sensitive or restricted, and where there is no incident."""

    id: str
    incident_id: str | None
    person: str | None
    phone: str | None
    unit: str
    reason: str
    mode: str
    due_at: datetime | None
    state: str
    code: str | None
    title: str | None


async def asked(connection: AsyncConnection, notice_id: str) -> Asked | None:
    """The notice, if there is one."""
    query = (
        select(
            Notice.id, Notice.incident_id, Notice.person, Notice.phone, Notice.unit, Notice.reason, Notice.mode,
            Notice.due_at, Notice.state, Incident.code, Incident.title, Incident.sensitive,
            Restricted.incident_id.label("restricted"),
        )
        .join_from(Notice, Incident, Incident.number == Notice.number, isouter=True)
        .join(Restricted, Restricted.incident_id == Notice.incident_id, isouter=True)
        .where(Notice.id == notice_id)
    )  # fmt: skip
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    is_shown = row.title is not None and not row.sensitive and row.restricted is None
    return Asked(*row[:10], title=row.title if is_shown else None)


async def open_notices(connection: AsyncConnection, link: Asked) -> list[str]:
    """The ids of what the link acknowledges and is not acknowledged: the person's notices of that incident, the oldest
    first; of no incident, the notice alone."""
    if link.incident_id is None:
        return [] if link.state == NoticeState.ACKNOWLEDGED else [link.id]
    number = select(Incident.number).where(Incident.id == link.incident_id).scalar_subquery()
    query = select(Notice.id).where(
        Notice.number == number,
        Notice.person == link.person,
        Notice.phone.is_not_distinct_from(link.phone),
        Notice.state != NoticeState.ACKNOWLEDGED,
    )
    return list((await connection.scalars(query.order_by(Notice.recorded_at, Notice.id))).all())
