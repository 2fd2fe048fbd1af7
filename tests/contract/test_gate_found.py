"""What the simulation found in the gate and its tables, each in its smallest form."""

from pathlib import Path

import pytest
from sqlalchemy import update

from reporter.catalog import Catalog, load
from reporter.core.clock import Clock
from reporter.core.command import Command, incident_id
from reporter.core.terms import FactKind
from reporter.engine.record import Gate
from reporter.resources import schedules_dir
from reporter.store import inbox
from reporter.store import models as m
from reporter.store.rebuild import differences
from tests.contract.gateworld import World
from tests.unit.factories import SOURCE, at
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


async def test_missing_said_by_a_closure_stands_while_the_steps_before_it_are_made_up_for(
    world: World,
) -> None:
    incident = await world.open(received=25)
    await world.drain(judged_through=at(20))

    await world.tell("closed", incident, 26, now=26.001)
    await world.drain(judged_through=at(25.999))
    await world.drain()

    said = [line["body"]["verdict"] for line in await world.ledger(incident, FactKind.JUDGED)]
    assert said == ["missing"]


async def test_a_ledger_in_which_missing_was_taken_back_and_given_again_folds_to_the_tables(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = await world.open(received=25)
    await world.drain(judged_through=at(20))
    await world.tell("closed", incident, 26, now=26.001)
    with monkeypatch.context() as once:  # a tick that looked less far than the closure took its verdict back
        once.setattr(Clock, "_verdict", lambda *_, **__: None)
        await world.drain(judged_through=at(25.999))

    await world.drain()

    said = [line["body"]["verdict"] for line in await world.ledger(incident, FactKind.JUDGED)]
    assert said == ["missing", None, "missing"]


@pytest.fixture
def catalog() -> Catalog:
    """With the simulation's own schedule, which has a guard."""
    return load([schedules_dir(), Path(__file__).parents[1] / "sim" / "schedules"])


async def test_a_duty_that_ends_and_comes_back_fires_nothing_twice(world: World, catalog: Catalog) -> None:
    world.gate = Gate(world.database, catalog, world.time)
    incident = await world.open(schedule="sim-town", occurred=instant(1_440), received=1_441, grade="I")
    await world.tick_until(1_540)  # `grave` was due at 1 530: reminder and breach have fired

    await world.tell("amended", incident, 1_541, grade="IV")
    await world.tell("amended", incident, 1_542, grade="I")
    await world.tick_until(1_545)

    notices = [row for row in await world.notices(incident) if row["obligation"] == "grave"]
    assert {row["step"] for row in notices} == {"-PT30M", "PT0S"}
    assert {row["recorded_at"] for row in notices} == {at(1_500), at(1_530)}
    breaches = await world.breaches(incident, "grave")
    assert [kind for kind, _ in breaches] == ["breached", "breach_lifted", "breached"]


async def test_a_duty_that_begins_while_the_incident_is_withdrawn_is_stopped_too(
    world: World, catalog: Catalog
) -> None:
    world.gate = Gate(world.database, catalog, world.time)
    incident = await world.open(schedule="sim-town", occurred=instant(1_440), received=1_441, grade="IV")
    await world.tell("withdrawn", incident, 1_442)
    await world.tell("filed", incident, 1_443, covers=["grave"])

    await world.tell("amended", incident, 1_444, grade="I")

    grave = (await world.clocks(incident))["grave"]
    assert (grave["state"], grave["verdict"]) == ("stopped", None)


async def test_an_acknowledgement_read_late_silences_nothing_that_was_written_after_it_arrived(
    world: World,
) -> None:
    incident = await world.open()
    await world.tick_until(31)  # reminder, breach, and the first step that is repeated

    await world.tell("acknowledged", incident, 19, now=31)
    await world.tick_until(41)

    notices = [row for row in await world.notices(incident) if row["obligation"] == "initial"]
    taken = {row["step"] for row in notices if row["state"] == "acknowledged"}
    assert taken == {"-PT10M", "-PT5M"}
    assert {row["repeat"] for row in notices if row["step"] == "PT10M"} == {1, 2}


@pytest.mark.parametrize("is_one_batch", [True, False])
async def test_an_acknowledgement_takes_the_same_notices_in_a_batch_and_alone(
    world: World, *, is_one_batch: bool
) -> None:
    incident = await world.open()
    await world.tick_until(25)
    await world.tell("withdrawn", incident, 26)

    late = world.command("filed", 27, "late", incident=incident, covers=["initial"])
    taken = world.command("acknowledged", 28, "taken", incident=incident)
    for batch in [[late, taken]] if is_one_batch else [[late], [taken]]:
        await world.submit(*batch, now=29)

    open_ = [row["reason"] for row in await world.notices(incident) if row["state"] != "acknowledged"]
    assert open_ == ["report_after_withdrawal"]


async def test_a_command_that_two_replicas_hold_is_applied_once(world: World) -> None:
    incident = incident_id(SOURCE, "e1")
    report = world.command("filed", 5, "r1", incident=incident, covers=["initial"])
    await hold_twice(world, report, incident)

    await world.open(received=1, now=30)

    assert await world.kinds(incident) == ["opened", "reported", "judged"]
    assert sorted(row["state"] for row in await world.rows(m.SetAside)) == ["accepted", "duplicate"]


async def test_a_command_held_by_another_replica_after_it_took_effect_adds_nothing(world: World) -> None:
    incident = await world.open(received=1)
    report = world.command("filed", 5, "r1", incident=incident, covers=["initial"])
    await world.submit(report)
    await hold_twice(world, report, incident)

    await world.gate.sweep()

    assert await world.kinds(incident) == ["opened", "reported", "judged"]
    assert [row["state"] for row in await world.rows(m.SetAside)] == ["duplicate"] * 2


async def test_a_held_command_that_cannot_be_applied_holds_up_no_other_and_stays_to_be_seen(
    world: World,
) -> None:
    incident = await world.open(received=1)
    bad, good = (
        world.command("filed", 5 + n, f"r{n}", incident=incident, covers=["initial"]) for n in range(2)
    )
    async with world.database.transaction() as connection:
        await inbox.hold(connection, [(bad, incident), (good, incident)], world.time.now(), "not known yet")
        spoil = update(m.SetAside).where(m.SetAside.key == bad.key).values(command={"kind": "filed"})
        await connection.execute(spoil)

    await world.gate.sweep()
    await world.gate.sweep()

    assert await world.kinds(incident) == ["opened", "reported", "judged"]
    assert [row["state"] for row in await world.rows(m.SetAside)] == ["rejected", "accepted"]


async def hold_twice(world: World, command: Command, target: str) -> None:
    """As two replicas do that were handed the same message, each in a transaction that sees no other's."""
    for _ in range(2):
        async with world.database.transaction() as connection:
            await inbox.hold(connection, [(command, target)], world.time.now(), "not known yet")
