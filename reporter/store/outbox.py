"""The outbox: what still has to be published, in the order in which it was written; and whose turn it is."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import and_, bindparam, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.store import models as m
from reporter.store.database import Database
from reporter.store.types import AnyRow

OUTBOX = m.table(m.Outbox)
LEDGER = m.table(m.Line)
_UNSENT = (
    select(OUTBOX, LEDGER.c.text, LEDGER.c.hash, LEDGER.c.kind)
    .outerjoin(LEDGER, and_(LEDGER.c.number == OUTBOX.c.number, LEDGER.c.version == OUTBOX.c.version))
    .where(OUTBOX.c.seq > bindparam("after"))
    .order_by(OUTBOX.c.seq)
    .limit(bindparam("most"))
)
_REMOVE = delete(OUTBOX).where(OUTBOX.c.seq.in_(bindparam("sequences")))
_TURN_KEY = int.from_bytes(b"outbox", "big")


@asynccontextmanager
async def turn(database: Database) -> AsyncIterator[bool]:
    """Whether it is this process's turn to publish, for the length of the block: one replica at a time.

    For the sake of the work alone: were two to publish at once, each line would go out twice, but still each
    incident's in order, since both begin with the oldest that is there and go on when it is stored. So nothing
    depends on the lock being kept; its transaction locks no row, and who falls silent loses it (see
    `POSTGRES_ARGUMENTS`). SQLite has one service.
    """
    if database.kind == "sqlite":
        yield True
        return
    async with database.transaction() as connection:
        yield bool((await connection.execute(select(func.pg_try_advisory_xact_lock(_TURN_KEY)))).scalar_one())


async def load_unsent(connection: AsyncConnection, limit: int, after: int) -> Sequence[AnyRow]:
    """Up to `limit` rows past `after`, oldest first, each with its ledger line's text, hash and kind."""
    return (await connection.execute(_UNSENT, {"after": after, "most": limit})).all()


async def remove_sent(connection: AsyncConnection, sequences: Collection[int]) -> None:
    """Removes rows whose publication the broker has acknowledged."""
    await connection.execute(_REMOVE, {"sequences": list(sequences)})


async def count_unsent(connection: AsyncConnection) -> int:
    """How many facts wait to be published."""
    return int((await connection.execute(select(func.count()).select_from(OUTBOX))).scalar_one())
