"""A rehearsal: a backup is restored into a throw-away place, proved there, and thrown away.

It shows what a restore would bring back: whether every chain and seal holds, whether the tables follow from the
ledger, the clocks that would go on, and whether the attachments are there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

from sqlalchemy import func, or_, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from reporter.store import copies, dumps, filecopies, schema
from reporter.store import models as m
from reporter.store.copies import CopyRefused
from reporter.store.database import SQLITE_FILE, Database, open_database
from reporter.store.filecopies import Files
from reporter.store.ledger_check import Checked
from reporter.store.replay import Difference, replay
from reporter.store.seal_check import verify

ATTACHMENT = m.table(m.Attachment)
CLOCK = m.table(m.Clock)
INCIDENT = m.table(m.Incident)
NEXT_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Pending:
    """A clock that waits for an instant: its incident, and when it is due."""

    incident: str
    code: str
    title: str
    obligation: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks that would go on. Counts: all that wait, and those of them whose deadline has passed by now."""

    waiting: int
    overdue: int
    next: tuple[Pending, ...]


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a rehearsal found. `revision` is the backup's own; `differences` None: the tables were not compared."""

    revision: str
    checked: Checked
    differences: tuple[Difference, ...] | None
    clocks: Clocks
    files: Files


async def rehearse(source: Path, url: str | None, now: datetime, *, is_quick: bool = False) -> Rehearsed:
    """Restores `source` elsewhere and examines it; a PostgreSQL dump into a new database on the server of `url`.

    Errors: CopyRefused for a backup that a restore would refuse, or where there is no place for it.
    """
    copies.proven(source)
    place = _folder(source) if copies.is_sqlite(source) else _server(source, url)
    async with place as (database, revision):
        await schema.upgrade(database)
        checked = await verify(database)
        differences = None
        async with database.snapshot() as connection:
            if not is_quick:
                differences = tuple([each async for each in replay(connection)])
            named = (await connection.scalars(select(ATTACHMENT.c.sha256).distinct())).all()
            clocks = await pending_clocks(connection, now)
        files = await asyncio.to_thread(filecopies.examine, source, named)
        return Rehearsed(revision, checked, differences, clocks, files)


async def pending_clocks(connection: AsyncConnection, now: datetime) -> Clocks:
    """The clocks that wait for a reminder or a judgement, the next deadlines first."""
    is_waiting = or_(CLOCK.c.remind_at.is_not(None), CLOCK.c.judge_at.is_not(None))
    count = select(func.count()).select_from(CLOCK).where(is_waiting)
    waiting = (await connection.execute(count)).scalar_one()
    overdue = (await connection.execute(count.where(CLOCK.c.due_at < now))).scalar_one()
    first = (
        select(INCIDENT.c.id, INCIDENT.c.code, INCIDENT.c.title, CLOCK.c.obligation, CLOCK.c.due_at)
        .join(INCIDENT, INCIDENT.c.number == CLOCK.c.number)
        .where(is_waiting, CLOCK.c.due_at >= now)
        .order_by(CLOCK.c.due_at, INCIDENT.c.id, CLOCK.c.position)
        .limit(NEXT_SHOWN)
    )
    rows = (await connection.execute(first)).all()
    return Clocks(waiting, overdue, tuple(Pending(*row) for row in rows))


@asynccontextmanager
async def _folder(source: Path) -> AsyncIterator[tuple[Database, str]]:
    with TemporaryDirectory(prefix="reporter-rehearsal-") as folder:
        copy = copies.restore(source, Path(folder) / SQLITE_FILE)
        database = open_database(None, Path(folder))
        try:
            yield database, copy.revision
        finally:
            await database.close()


@asynccontextmanager
async def _server(source: Path, url: str | None) -> AsyncIterator[tuple[Database, str]]:
    if url is None:
        raise CopyRefused(
            f"{source} 是 PostgreSQL 备份：用 --database 指明一台可建库的服务器",
            f"{source} is a PostgreSQL backup: name a server that databases can be created on with --database",
        )
    name = f"reporter_rehearsal_{token_hex(4)}"
    await _say(url, f'CREATE DATABASE "{name}"')
    try:
        own = make_url(url).set(drivername="postgresql", database=name).render_as_string(hide_password=False)
        copy = dumps.restore(source, own, None)
        database = Database(own)
        try:
            yield database, copy.revision
        finally:
            await database.close()
    finally:
        await _say(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def _say(url: str, statement: str) -> None:
    """Says one statement outside any transaction. Errors: CopyRefused."""
    parsed = make_url(url).set(drivername="postgresql+psycopg")
    engine = create_async_engine(parsed, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    except SQLAlchemyError as reason:
        first = str(reason).splitlines()[0]
        raise CopyRefused(f"演练用的数据库不可用：{first}", f"no database to rehearse in: {first}") from None
    finally:
        await engine.dispose()
