"""Replaying the whole ledger: every incident folded from its lines and held against its rows in the tables."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.canonical import canonical
from reporter.store import models as m
from reporter.store.ledger_check import Progress
from reporter.store.rebuild import differences

PAGE = 500
LINE = m.table(m.Line)
EDITION = m.table(m.Edition)
CLOCK = m.table(m.Clock)
INCIDENT = m.table(m.Incident)
NOTICE = m.table(m.Notice)
_HOLDERS = {
    "incidents": (INCIDENT.c.id, INCIDENT.c.number),
    "notices": (NOTICE.c.incident_id, NOTICE.c.number),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the tables do not follow from the ledger. `incident` None: an edition's."""

    incident: str | None
    problem: str


async def replay(
    connection: AsyncConnection, incident: str | None = None, progress: Progress | None = None
) -> AsyncIterator[Difference]:
    """Every difference, incident by incident; `progress` is told how many of them have been replayed.

    1. The edition that an incident is bound to gives the digest it is kept under.
    2. An incident's lines, folded, give its rows.
    3. No table holds an incident that the ledger does not know.
    """
    if incident is None:
        async for each in _editions(connection):
            yield each
    done = total = 0
    if incident is None:
        total = (await connection.execute(select(func.count()).where(LINE.c.version == 1))).scalar_one()
    async for page in _pages(connection, incident):
        for id_ in page:
            for problem in await _differences(connection, id_):
                yield Difference(id_, problem)
        done += len(page)
        if progress is not None:
            progress(done, max(total, done))
    for table, (column, number) in _HOLDERS.items():
        async for each in _strangers(connection, table, column, number, incident):
            yield each
    if incident is None:
        of_none = (
            select(CLOCK.c.number).where(~exists().where(INCIDENT.c.number == CLOCK.c.number)).distinct()
        )
        for number in (await connection.execute(of_none.order_by(CLOCK.c.number))).scalars():
            yield Difference(None, f"clocks: rows of number {number}, which no incident has")


async def _differences(connection: AsyncConnection, incident: str) -> list[str]:
    """What differs; a ledger that cannot be folded is a difference too, whatever it is that breaks."""
    try:
        return await differences(connection, incident)
    except (LookupError, ValueError, TypeError, AttributeError, RuntimeError) as reason:
        return [
            f"its ledger cannot be folded ({type(reason).__name__}: {reason}): see `reporter ledger verify`"
        ]


async def _editions(connection: AsyncConnection) -> AsyncIterator[Difference]:
    for row in await connection.execute(select(EDITION)):
        if sha256(canonical(row.document)).hexdigest() != row.digest:
            yield Difference(
                None, f"edition {row.edition} of {row.schedule} was changed: it does not give {row.digest}"
            )


async def _pages(connection: AsyncConnection, incident: str | None) -> AsyncIterator[list[str]]:
    if incident is not None:
        yield [incident]
        return
    after = -(2**62)  # lines whose incident is gone may have numbers below zero
    while True:
        wanted = select(LINE.c.number, LINE.c.incident_id).where(LINE.c.number > after).distinct()
        page = (await connection.execute(wanted.order_by(LINE.c.number).limit(PAGE))).all()
        if page:
            yield list(dict.fromkeys(row.incident_id for row in page))
        if len(page) < PAGE:
            return
        after = page[-1].number


async def _strangers(
    connection: AsyncConnection,
    table: str,
    column: ColumnElement[str],
    number: ColumnElement[int],
    incident: str | None,
) -> AsyncIterator[Difference]:
    wanted = select(column).where(
        column.is_not(None), ~exists().where(LINE.c.number == number, LINE.c.incident_id == column)
    )  # a notice of no incident is nobody's
    if incident is not None:
        wanted = wanted.where(column == incident)
    for id_ in (await connection.execute(wanted.distinct().order_by(column))).scalars():
        yield Difference(id_, f"{table}: rows of an incident that the ledger does not know")
