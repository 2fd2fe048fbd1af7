"""Seals as rows: the heads they cover are read in one snapshot without any lock, and written in one short commit.

Only what changed since the seal before is written, so a seal costs a read of all incidents (a few seconds for a
million, in slices between which others go on) and writes no more rows than incidents have moved.
"""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from tempfile import SpooledTemporaryFile
from typing import IO

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.instants import read_back
from reporter.core.ledger import GENESIS, with_hash
from reporter.core.seal import EMPTY, Seal, Tree, leaf, node, write_seal
from reporter.store import models as m
from reporter.store.bulk import insert_rows
from reporter.store.database import Database
from reporter.store.people import load_tree
from reporter.timesource import TimeSource

SEAL = m.table(m.Seal)
SEALED = m.table(m.SealedHead)
INCIDENT = m.table(m.Incident)
OUTBOX = m.table(m.Outbox)
PAGE = 500
"""Heads read and hashed between two moments at which others may go on: about a millisecond."""
WRITTEN = 5_000
_MOVED = Struct(">36sI32s")
"""An incident that moved: id, version, head."""
HELD_BYTES = 4 * 1024**2
"""Those that moved are held in memory up to here, then in a file: a first seal may find a million of them."""


@dataclass(frozen=True, slots=True)
class Last:
    """The seal that a new one follows; of the first: number 0 and 64 zeros."""

    number: int
    hash: str
    at: datetime | None
    hour: datetime | None
    """The latest hour that any seal stands for."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A seal that is computed and not yet written, and the heads it is the first to cover. To be closed."""

    seal: Seal
    hour: datetime | None
    moved: IO[bytes]

    def rows(self) -> Iterator[list[tuple[str, int, int, bytes]]]:
        """The rows of `sealed_heads`, some thousands at a time."""
        self.moved.seek(0)
        while page := self.moved.read(WRITTEN * _MOVED.size):
            yield [
                (id_.decode(), version, self.seal.number, head)
                for id_, version, head in _MOVED.iter_unpack(page)
            ]

    def close(self) -> None:
        """Lets go of what it holds."""
        self.moved.close()


async def last_seal(connection: AsyncConnection) -> Last:
    """The newest seal."""
    hour = (await connection.execute(select(func.max(SEAL.c.hour)))).scalar_one()
    newest = select(SEAL.c.number, SEAL.c.hash, SEAL.c.text).order_by(SEAL.c.number.desc()).limit(1)
    row = (await connection.execute(newest)).one_or_none()
    if row is None:
        return Last(0, GENESIS, None, hour)
    return Last(row.number, row.hash, read_back(json.loads(row.text)["at"]), hour)


async def draft(
    database: Database, time: TimeSource, hour: datetime | None, breathe: Callable[[], Awaitable[None]]
) -> Draft | None:
    """Computes the next seal, of the state as it is now; `breathe` is awaited after each page.

    None: `hour` is given, and that hour or a later one has its seal.
    """
    tree: Tree[bytes] = Tree(node)
    incidents = lines = 0
    sealed = select(func.max(SEALED.c.version)).where(SEALED.c.incident_id == INCIDENT.c.id).scalar_subquery()
    heads = select(INCIDENT.c.id, INCIDENT.c.version, INCIDENT.c.head, sealed).order_by(INCIDENT.c.id)
    at = time.now()  # before the snapshot, so that whatever was committed by then is covered
    async with database.snapshot() as connection:
        last = await last_seal(connection)
        if hour is not None and last.hour is not None and hour <= last.hour:
            return None
        with ExitStack() as unless_done:
            moved = unless_done.enter_context(SpooledTemporaryFile(HELD_BYTES))
            rows = await connection.stream(heads.execution_options(yield_per=PAGE))
            async for page in rows.partitions():
                for id_, version, head, before in page:
                    tree.add(id_, leaf(id_, version, head))
                    incidents += 1
                    lines += version
                    if before is None or before < version:
                        moved.write(_MOVED.pack(id_.encode(), version, bytes.fromhex(head)))
                await breathe()
            unless_done.pop_all()
    seal = write_seal(last.number + 1, at, hour, incidents, lines, tree.root() or EMPTY, last.hash)
    return Draft(seal, hour, moved)


async def save(connection: AsyncConnection, made: Draft) -> None:
    """Writes the seal and queues it for publication. Errors: IntegrityError when somebody else was first."""
    seal = made.seal
    root = (await load_tree(connection)).root
    await connection.execute(
        insert(SEAL).values(number=seal.number, hour=made.hour, text=seal.text, hash=seal.hash)
    )
    columns = ("incident_id", "version", "seal", "hash")
    for rows in made.rows():
        await insert_rows(connection, SEALED, columns, rows)
    await connection.execute(
        insert(OUTBOX).values(
            subject=f"reporter.out.sealed.{root}",
            message_id=f"sealed/{seal.number}",
            payload=with_hash(seal.text, seal.hash),
        )
    )
