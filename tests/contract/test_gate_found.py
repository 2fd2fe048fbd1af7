"""What the simulation found in the gate and its tables, each in its smallest form."""

from reporter.core.terms import FactKind
from reporter.store.rebuild import differences
from tests.contract.gateworld import World
from tests.unit.factories import text as instant


async def test_certainty_told_after_the_closure_folds_to_the_verdict_that_stands(world: World) -> None:
    incident = await world.open(received=1, occurred=None)
    await world.tick_until(150)
    await world.tell("closed", incident, 150)
    await world.tell("amended", incident, 160, occurred=instant(1))  # provisional till now, and due as before

    await world.tick_until(161)

    [line] = [line for line in await world.ledger(incident, FactKind.JUDGED) if line["at"] == instant(21)]
    assert (line["body"]["verdict"], line["body"]["certain"]) == ("missing", True)
    async with world.database.snapshot() as connection:
        assert await differences(connection, incident) == []
