"""The outbox: what still has to be published, in the order in which it was written."""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.store import models as m
from reporter.store.types import AnyRow

OUTBOX = m.table(m.Outbox)
LEDGER = m.table(m.Line)


async def load_unsent(connection: AsyncConnection, limit: int, after: int) -> Sequence[AnyRow]:
    """Up to `limit` rows past `after`, oldest first, each with its ledger line's text, hash and kind."""
    line = and_(LEDGER.c.incident_id == OUTBOX.c.incident_id, LEDGER.c.version == OUTBOX.c.version)
    unsent = (
        select(OUTBOX, LEDGER.c.text, LEDGER.c.hash, LEDGER.c.kind)
        .outerjoin(LEDGER, line)
        .where(OUTBOX.c.seq > after)
        .order_by(OUTBOX.c.seq)
        .limit(limit)
    )
    return (await connection.execute(unsent)).all()


async def remove_sent(connection: AsyncConnection, sequences: Collection[int]) -> None:
    """Removes rows whose publication the broker has acknowledged."""
    await connection.execute(delete(OUTBOX).where(OUTBOX.c.seq.in_(sequences)))


async def count_unsent(connection: AsyncConnection) -> int:
    """How many facts wait to be published."""
    return int((await connection.execute(select(func.count()).select_from(OUTBOX))).scalar_one())
