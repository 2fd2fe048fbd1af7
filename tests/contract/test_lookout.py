"""The lookout: whatever waits is found by one question, and whoever's work it is is woken."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import delete

from reporter.core.command import incident_id
from reporter.engine import lookout
from reporter.store import inbox, notices, waiting
from reporter.store import models as m
from reporter.store.waiting import Waiting
from tests.contract.gateworld import World
from tests.unit.factories import SOURCE

NOTHING = Waiting(facts=False, notices=False, unfindable=False, applicable=False, unsaid=False)
WAIT_S = 20.0


async def look(world: World) -> Waiting:
    async with world.database.glance() as connection:
        return await waiting.look(connection, world.time.now())


async def empty(world: World, *models: type[m.Base]) -> None:
    async with world.database.transaction() as connection:
        for model in models:
            await connection.execute(delete(m.table(model)))


async def hold(world: World, incident: str) -> None:
    report = world.command("filed", 1, "r1", incident=incident, covers=["initial"])
    async with world.database.transaction() as connection:
        await inbox.hold(connection, [(report, incident)], world.time.now(), "not known yet")


async def a_fact(world: World) -> None:
    await world.open()
    await empty(world, m.SearchPending)


async def an_incident_to_index(world: World) -> None:
    await world.open()
    await empty(world, m.Outbox)


async def a_notice(world: World) -> None:
    await world.open()
    await world.tick_until(21)
    await empty(world, m.Outbox, m.SearchPending)


async def a_held_report_whose_incident_is_there(world: World) -> None:
    incident = await world.open()
    await empty(world, m.Outbox, m.SearchPending)
    await hold(world, incident)


async def a_report_held_for_a_minute(world: World) -> None:
    await hold(world, incident_id(SOURCE, "never opened"))
    assert await look(world) == NOTHING
    world.time.advance(notices.HELD_AFTER)


async def rejections_that_nobody_was_told_of(world: World) -> None:
    async with world.database.transaction() as connection:
        for _ in range(2):
            await notices.count_rejection(connection, "reporter.in.x", world.time.now())
    assert await look(world) == NOTHING
    world.time.advance(notices.REJECTED_EVERY)


CASES = [
    (a_fact, NOTHING._replace(facts=True), "outbox"),
    (an_incident_to_index, NOTHING._replace(unfindable=True), "unfindable"),
    (a_notice, NOTHING._replace(notices=True), "notices"),
    (a_held_report_whose_incident_is_there, NOTHING._replace(applicable=True), "aside"),
    (a_report_held_for_a_minute, NOTHING._replace(unsaid=True), "aside"),
    (rejections_that_nobody_was_told_of, NOTHING._replace(unsaid=True), "aside"),
]


@pytest.mark.parametrize(
    ("make_wait", "found", "signal"), CASES, ids=[make_wait.__name__ for make_wait, _, _ in CASES]
)
async def test_what_waits_is_found_and_whose_work_it_is_is_woken(
    world: World, make_wait: Callable[[World], Awaitable[None]], found: Waiting, signal: str
) -> None:
    assert await look(world) == NOTHING
    await make_wait(world)
    assert await look(world) == found

    gate = world.another_gate()  # of a process that did none of it
    signals = gate.signals
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lookout.run(gate.database, gate.time, signals))
        async with asyncio.timeout(WAIT_S):
            await getattr(signals, signal).wait()
        running.cancel()

    others = {"outbox", "notices", "unfindable", "aside"} - {signal}
    assert not any(getattr(signals, other).is_set() for other in others)
