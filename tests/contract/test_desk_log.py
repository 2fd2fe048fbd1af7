"""The desk's log, on SQLite and PostgreSQL: the database itself lets it only grow."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from reporter.store import desk_log, schema
from reporter.store.database import Database
from reporter.store.restricted import Units
from tests.unit.factories import at


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database with the schema, as the service makes it."""
    url = (
        f"sqlite:///{tmp_path / 'log.sqlite3'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres")
    )
    found = Database(url)
    await schema.check(found)
    yield found
    await found.close()


async def three_lines(database: Database) -> None:
    async with database.transaction() as connection:
        for number, unit in enumerate(("jia", "yi", None)):
            details = {"第": number}
            await desk_log.record(
                connection, at(number), "account:张三", "roll.called", unit or "-", details, unit=unit
            )


@pytest.mark.parametrize(
    "statement", ["DELETE FROM desk_log", "UPDATE desk_log SET actor = 'nobody'", "TRUNCATE desk_log"]
)
async def test_no_line_is_changed_or_taken_away(database: Database, statement: str) -> None:
    await three_lines(database)

    with pytest.raises(DBAPIError, match='append-only|near "TRUNCATE"'):
        async with database.transaction() as connection:
            await connection.exec_driver_sql(statement)

    async with database.snapshot() as connection:
        assert len(await desk_log.read(connection, None, 10)) == 3


async def test_it_is_read_newest_first_within_a_scope_and_by_subject(database: Database) -> None:
    await three_lines(database)

    async with database.snapshot() as connection:
        everything = await desk_log.read(connection, None, 10)
        own = await desk_log.read(connection, Units(["yi"]), 10, what="roll")
        older = await desk_log.read(connection, None, 10, before=everything[1].id)
        other = await desk_log.read(connection, None, 10, what="rol")

    assert [line.details for line in everything] == [{"第": 2}, {"第": 1}, {"第": 0}]
    assert [line.about for line in own] == ["yi"]
    assert [line.about for line in older] == ["jia"]
    assert other == []
