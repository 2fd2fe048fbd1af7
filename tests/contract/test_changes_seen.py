"""How a process sees that another one has committed: a token of the database that costs nothing to read."""

from sqlalchemy import insert

from reporter.store.models import RejectedNotice
from tests.contract.gateworld import World


async def test_the_token_moves_with_commits_of_others_and_rests_without(world: World) -> None:
    other = world.another_gate().database
    resting = [await world.database.change_token() for _ in range(3)]

    async with other.transaction() as connection:
        await connection.execute(
            insert(RejectedNotice).values(subject="x", noticed_at=world.time.now(), waiting=0)
        )

    assert len(set(resting)) == 1
    assert await world.database.change_token() != resting[0]
