"""The names of handed-in files, by incident; their content is in the `filebox`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any  # rows have no narrower type

from sqlalchemy import Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.store.models import Attachment, table

_TABLE = table(Attachment)


@dataclass(frozen=True, slots=True)
class AttachmentRow:
    """One file of an incident."""

    incident_id: str
    sha256: str
    name: str
    media_type: str
    bytes_count: int
    recorded_at: datetime
    actor: str


async def add(connection: AsyncConnection, row: AttachmentRow) -> None:
    """Notes the file; content that the incident has already keeps its first name."""
    if await one(connection, row.incident_id, row.sha256) is None:
        values = {name: getattr(row, name) for name in AttachmentRow.__slots__}
        await connection.execute(insert(_TABLE).values(**values))


async def one(connection: AsyncConnection, incident_id: str, sha256: str) -> AttachmentRow | None:
    """The file of that incident with that content."""
    statement = _select().where(_TABLE.c.incident_id == incident_id, _TABLE.c.sha256 == sha256)
    row = (await connection.execute(statement)).one_or_none()
    return AttachmentRow(*row) if row else None


async def of(connection: AsyncConnection, incident_id: str) -> tuple[AttachmentRow, ...]:
    """The incident's files, oldest first."""
    statement = _select().where(_TABLE.c.incident_id == incident_id)
    rows = await connection.execute(statement.order_by(_TABLE.c.recorded_at, _TABLE.c.sha256))
    return tuple(AttachmentRow(*row) for row in rows)


async def digests(connection: AsyncConnection) -> list[str]:
    """The content that any incident names, each once, sorted."""
    named = select(_TABLE.c.sha256).distinct().order_by(_TABLE.c.sha256)
    return list((await connection.execute(named)).scalars())


def _select() -> Select[Any]:
    return select(*(_TABLE.c[name] for name in AttachmentRow.__slots__))
