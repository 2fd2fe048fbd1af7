"""The editions that incidents are bound to: stored once, and never thought to be stored when they are not."""

from sqlalchemy import delete

from reporter.core.terms import FactKind
from reporter.store import models as m
from reporter.store.bulk import Writing
from reporter.store.editions import Editions
from tests.contract.gateworld import World
from tests.unit.factories import at


async def test_an_edition_whose_transaction_failed_is_stored_by_the_next(world: World) -> None:
    editions, edition = Editions(), world.gate._catalog.default.editions[0]
    async with world.database._writer.connect() as connection, connection.begin() as transaction:
        writing = Writing(connection)
        editions.keep(writing, [edition])
        await writing.done()
        await transaction.rollback()
    assert await world.rows(m.Edition) == []

    for _ in range(3):
        async with world.database.transaction() as connection:
            writing = Writing(connection)
            editions.keep(writing, [edition, edition])
            await writing.done()

    assert [row["digest"] for row in await world.rows(m.Edition)] == [edition.digest]
    async with world.database.snapshot() as connection:
        assert await Editions().of(connection, edition.digest) == edition


async def test_an_edition_that_a_restored_database_lacks_is_stored_with_the_next_opening(
    world: World,
) -> None:
    """The gate has seen it there; then the database was put back to the day before, while the service ran."""
    await world.open("e0")
    await world.open("e1")
    async with world.database.transaction() as connection:
        await connection.execute(delete(m.table(m.Edition)))

    incident = await world.open("e2")

    world.time.at = at(20)
    await world.drain(world.another_gate())
    assert await world.ledger(incident, FactKind.BREACHED)
