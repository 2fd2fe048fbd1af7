"""The editions that incidents are bound to: stored once, and never thought to be stored when they are not."""

from reporter.store import models as m
from reporter.store.editions import Editions
from tests.contract.gateworld import World


async def test_an_edition_whose_transaction_failed_is_stored_by_the_next(world: World) -> None:
    editions, edition = Editions(), world.gate._catalog.default.editions[0]
    async with world.database._writer.connect() as connection:
        await editions.keep(connection, edition)
        await connection.rollback()
    assert await world.rows(m.Edition) == []

    for _ in range(3):
        async with world.database.transaction() as connection:
            await editions.keep(connection, edition)

    assert [row["digest"] for row in await world.rows(m.Edition)] == [edition.digest]
