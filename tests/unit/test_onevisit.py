"""SQLite by one visit to its thread per statement: what SQLAlchemy asks of a cursor still holds."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import aiosqlite
import pytest
from sqlalchemy import Integer, column, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from reporter.store.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> Database:
    found = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    async with found.transaction() as connection:
        await connection.execute(text("CREATE TABLE pairs (key INTEGER PRIMARY KEY, value TEXT NOT NULL)"))
    return found


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The visits to a connection's thread."""
    found: list[str] = []
    execute: Callable[..., Awaitable[object]] = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, function: object, *args: object, **named: object) -> object:
        found.append(str(function))
        return await execute(self, function, *args, **named)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    return found


async def test_a_statement_is_one_visit(database: Database, visits: list[str]) -> None:
    rows = [{"key": key, "value": str(key)} for key in range(3)]
    async with database.transaction() as connection:
        visits.clear()  # the transaction's beginning
        await connection.execute(text("INSERT INTO pairs VALUES (:key, :value)"), rows)
        assert len(visits) == 1
        found = (await connection.execute(text("SELECT key, value FROM pairs ORDER BY key"))).all()
        assert len(visits) == 2
    assert [tuple(row) for row in found] == [(0, "0"), (1, "1"), (2, "2")]
    await database.close()


async def test_a_glance_is_one_visit_and_sees_what_is_committed(
    database: Database, visits: list[str]
) -> None:
    count = text("SELECT count(*) FROM pairs")
    async with database.glance() as connection:
        await connection.execute(count)  # the connection is open now
    for number in range(2):
        visits.clear()
        async with database.glance() as connection:
            assert (await connection.execute(count)).scalar_one() == number
        assert len(visits) == 1
        async with database.transaction() as connection:
            await connection.execute(text("INSERT INTO pairs (value) VALUES ('a')"))
    await database.close()


async def test_it_says_which_rows_it_concerned(database: Database) -> None:
    async with database.transaction() as connection:
        one = await connection.execute(text("INSERT INTO pairs (value) VALUES ('a')"))
        assert one.lastrowid == 1
        assert (await connection.execute(text("UPDATE pairs SET value = 'b'"))).rowcount == 1
        told = await connection.execute(text("DELETE FROM pairs RETURNING key, value"))
        assert [tuple(row) for row in told] == [(1, "b")]
        assert (await connection.execute(text("SELECT key FROM pairs"))).first() is None
    await database.close()


async def test_its_errors_are_those_of_the_database_and_the_connection_goes_on(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("INSERT INTO pairs VALUES (1, 'a')"))
        with pytest.raises(IntegrityError):
            await connection.execute(text("INSERT INTO pairs VALUES (1, 'b')"))
        with pytest.raises(OperationalError):
            await connection.execute(text("SELECT nothing FROM pairs"))
        await connection.rollback()
    async with database.snapshot() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM pairs"))).scalar_one() == 0
    await database.close()


async def test_a_stream_is_read_bit_by_bit(database: Database) -> None:
    async with database.transaction() as connection:
        values = [{"value": str(number)} for number in range(25)]
        await connection.execute(text("INSERT INTO pairs (value) VALUES (:value)"), values)
    async with database.snapshot() as connection:
        wanted = select(column("key", Integer)).select_from(text("pairs")).order_by("key")
        rows = await connection.stream(wanted, execution_options={"yield_per": 10})
        assert [len(part) async for part in rows.partitions()] == [10, 10, 5]
    await database.close()
