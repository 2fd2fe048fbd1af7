"""The ways to the database that are our own: many rows written by one visit, and connections trusted for a moment."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import Table, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from reporter.store import models as m
from reporter.store.bulk import Writing
from reporter.store.database import TRUSTED_S, Database
from reporter.store.failures import is_worth_another
from reporter.store.search import PENDING
from reporter.timesource import sleep
from tests.contract.gateworld import World

ENTRY = m.table(m.SearchEntry)
COLUMNS = ("number", "version", "folded")


@pytest.fixture
async def cut_off(postgres: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """Another session, to end those of the database."""
    connection = await psycopg.AsyncConnection.connect(postgres, autocommit=True)
    yield connection
    await connection.close()


async def end_all(other: psycopg.AsyncConnection) -> None:
    await other.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )


async def numbers(world: World) -> list[int]:
    return sorted(row["number"] for row in await world.rows(m.SearchPending))


@pytest.mark.parametrize("count", [1, 7, 1234])
async def test_one_visit_writes_many_tables_in_order(world: World, count: int) -> None:
    async with world.database.transaction() as connection:
        writing = Writing(connection)
        writing.insert(PENDING, ("number",), [(number,) for number in range(count)])
        writing.insert(PENDING, ("number",), [])
        writing.update(
            PENDING, ("number",), ("number",), [(number + 10_000, number) for number in range(count)]
        )
        writing.insert(PENDING, ("number",), [(0,)])
        assert (await connection.execute(PENDING.select())).all() == []
        await writing.done()
        await writing.done()

    assert await numbers(world) == [0, *range(10_000, 10_000 + count)]


async def write(
    database: Database, *inserted: tuple[Table, tuple[str, ...], list[tuple[object, ...]]]
) -> None:
    """A transaction of one visit."""
    async with database.transaction() as connection:
        writing = Writing(connection)
        for table, columns, rows in inserted:
            writing.insert(table, columns, rows)
        await writing.done()


async def test_what_one_of_the_statements_may_not_do_fails_the_transaction(world: World) -> None:
    twice: list[tuple[object, ...]] = [(1, 1, "a"), (1, 1, "b")]
    with pytest.raises(IntegrityError) as failed:
        await write(
            world.database,
            (PENDING, ("number",), [(1,)]),
            (ENTRY, COLUMNS, twice),
            (PENDING, ("number",), [(2,)]),
        )

    assert is_worth_another(failed.value)
    assert "INSERT INTO search_pending" in str(failed.value)
    await write(world.database, (PENDING, ("number",), [(3,)]))
    assert await numbers(world) == [3]


async def test_a_fault_of_ours_is_let_through(world: World) -> None:
    with pytest.raises(DBAPIError) as failed:
        await write(world.database, (PENDING, ("number",), [(1,), (1, 2)]))

    assert not is_worth_another(failed.value)


async def test_a_connection_cut_off_in_the_midst_is_worth_another_transaction(
    postgres: str, cut_off: psycopg.AsyncConnection
) -> None:
    database = Database(postgres)

    async def interrupted() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("SELECT 1"))
            await end_all(cut_off)
            writing = Writing(connection)
            writing.insert(PENDING, ("number",), [(1,)])
            await writing.done()

    with pytest.raises(DBAPIError) as failed:
        await interrupted()

    assert is_worth_another(failed.value)
    assert await pid_of(database) > 0
    await database.close()


async def test_a_visit_that_is_given_up_leaves_no_connection_in_the_midst_of_it(
    postgres: str, cut_off: psycopg.AsyncConnection
) -> None:
    database = Database(postgres)
    await cut_off.execute("CREATE TABLE search_pending (id serial, number bigint)")
    async with asyncio.timeout(20), cut_off.transaction():
        await cut_off.execute("LOCK TABLE search_pending")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(write(database, (PENDING, ("number",), [(1,)])), 0.2)

    async with database.snapshot() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM search_pending"))).scalar_one() == 0
    await database.close()


async def test_connections_cut_off_while_they_rested_are_replaced_before_they_are_used(
    postgres: str, cut_off: psycopg.AsyncConnection
) -> None:
    database = Database(postgres)
    async with database.snapshot(), database.snapshot():
        pass
    before = await pid_of(database)
    await sleep(TRUSTED_S)
    assert await pid_of(database) == before
    await end_all(cut_off)
    await sleep(TRUSTED_S)

    assert await pid_of(database) != before
    await database.close()


async def pid_of(database: Database) -> int:
    """The server process of the connection that is used next."""
    async with database.snapshot() as connection:
        return int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())
