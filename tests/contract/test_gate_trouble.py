"""The gate when transactions are lost: to another replica, to a cut connection, to a result told twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from reporter.bus import Standing
from reporter.core.notice import NoticeResult
from reporter.core.terms import FactKind, NoticeState
from reporter.engine.doorbell import ASK_AGAIN_S, Doorbell
from reporter.engine.fence import Fence
from reporter.engine.record import Gate
from reporter.store import models as m
from reporter.store.database import POSTGRES_ARGUMENTS, Database
from reporter.store.failures import is_database_trouble
from reporter.timesource import SystemTime, sleep
from tests.contract.gateworld import World, outcomes, world_on
from tests.contract.pooler import pooler
from tests.unit.factories import CATALOG, at, facts

TIME = SystemTime()


@pytest.fixture
async def shared(postgres: str) -> AsyncIterator[World]:
    """A world on PostgreSQL, where others may be in the way."""
    async with world_on(postgres, CATALOG, at(0)) as found:
        yield found


@asynccontextmanager
async def someone_else(url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """Another session of the same database."""
    connection = await psycopg.AsyncConnection.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def until(look: Callable[[], Awaitable[object]], within_s: float = 5.0) -> None:
    limit = monotonic() + within_s
    while not await look():
        assert monotonic() < limit, "it never came"
        await sleep(0.01)


async def waiting(url: str) -> list[int]:
    """The sessions that wait for a lock."""
    async with someone_else(url) as connection:
        found = await connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return [pid for (pid,) in await found.fetchall()]


async def lock(connection: psycopg.AsyncConnection, incident: str) -> None:
    await connection.execute("SELECT 1 FROM incidents WHERE id = %s FOR UPDATE", [incident])


async def test_a_connection_cut_in_the_middle_costs_one_more_attempt(shared: World, postgres: str) -> None:
    incident = await shared.open()
    async with someone_else(postgres) as other:
        await lock(other, incident)
        telling = asyncio.create_task(shared.tell("filed", incident, 5, covers=["initial"]))
        await until(lambda: waiting(postgres))
        for pid in await waiting(postgres):
            await other.execute("SELECT pg_terminate_backend(%s)", [pid])
        await other.rollback()

        assert outcomes([await telling]) == ["accepted"]
    assert len(await shared.ledger(incident, FactKind.REPORTED)) == 1


async def test_a_database_gone_behind_what_still_logs_in_is_trouble_and_no_fault_of_the_commands(
    postgres: str,
) -> None:
    async with pooler(postgres) as between, world_on(between.url, CATALOG, at(0)) as world:
        await world.open("e1")
        sent = [world.command("occurred", 2, name, **facts()) for name in ("e2", "e3")]
        between.is_away = True
        with pytest.raises(OperationalError) as error:
            await world.submit(*sent)
        assert is_database_trouble(error.value)
        assert between.cut > 1
        assert world.database.writes.reason == "lost"

        between.is_away = False

        assert outcomes(await world.submit(*sent)) == ["accepted", "accepted"]


async def test_a_deadlock_lost_to_someone_else_is_decided_again(shared: World, postgres: str) -> None:
    one, two = sorted([await shared.open("e1"), await shared.open("e2")])
    async with someone_else(postgres) as other:
        await lock(other, two)
        both = [
            shared.command("filed", 5, f"r{number}", incident=incident, covers=["initial"])
            for number, incident in enumerate((one, two))
        ]
        telling = asyncio.create_task(shared.submit(*both))
        await until(lambda: waiting(postgres))
        await lock(
            other, one
        )  # now each waits for the other; the one that waited first is told so and gives way
        await other.rollback()

        assert outcomes(await telling) == ["accepted", "accepted"]
    for incident in (one, two):
        assert len(await shared.ledger(incident, FactKind.REPORTED)) == 1


async def test_a_lock_that_is_never_given_up_is_the_callers_to_wait_for(
    shared: World, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = await shared.open()
    monkeypatch.setitem(POSTGRES_ARGUMENTS, "options", "-c timezone=UTC -c lock_timeout=50ms")
    impatient = Database(postgres)
    gate = Gate(impatient, CATALOG, shared.time)
    command = shared.command("filed", 5, "r1", incident=incident, covers=["initial"])
    async with someone_else(postgres) as other:
        await lock(other, incident)
        with pytest.raises(OperationalError):
            await gate.submit([command])
        await other.rollback()

    assert outcomes(await gate.submit([command])) == ["accepted"]
    await impatient.close()


async def test_clocks_that_another_replica_is_judging_are_neither_waited_for_nor_asked_for_in_a_hot_loop(
    postgres: str,
) -> None:
    async with world_on(postgres, CATALOG, TIME.now()) as world:
        world.gate = Gate(world.database, CATALOG, TIME)
        asked = 0

        class Broker:
            is_connected = True

            async def intake_standing(self) -> Standing:
                nonlocal asked
                asked += 1
                return Standing(TIME.now(), 1, 1, 0, 0)

            async def last_sequence(self) -> int:
                return 1

        incident = await world.open(now=None, occurred=(TIME.now() - timedelta(minutes=30)).isoformat())
        async with someone_else(postgres) as other:
            await lock(other, incident)
            ringing = asyncio.create_task(Doorbell(world.gate, Fence(Broker(), TIME), TIME).run())
            world.gate.signals.clocks.set()
            await sleep(0.5)
            assert 1 <= asked <= 0.5 / ASK_AGAIN_S + 1
            assert await world.ledger(incident, FactKind.BREACHED) == []
            await other.rollback()
            await until(lambda: world.ledger(incident, FactKind.BREACHED))
        ringing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ringing


async def test_a_result_told_twice_is_one_line(world: World) -> None:
    incident = await world.open()
    await world.tick_until(10)
    [notice] = await world.notices(incident)
    done = NoticeResult(notice["id"], incident, "desk", NoticeState.DELIVERED, 1)

    await world.gate.receipts([done])
    await world.gate.receipts([done])

    assert len(await world.ledger(incident, FactKind.NOTIFIED)) == 1


async def test_the_result_of_a_lease_that_ran_out_does_not_undo_the_next_ones(world: World) -> None:
    incident = await world.open()
    await world.tick_until(10)
    [notice] = await world.notices(incident)
    stale = NoticeResult(notice["id"], incident, "desk", NoticeState.QUEUED, 1, "busy", at(11))
    fresh = NoticeResult(notice["id"], incident, "desk", NoticeState.DELIVERED, 2)

    await world.gate.receipts([fresh])
    await world.gate.receipts([stale])

    [notice] = await world.notices(incident)
    assert (notice["state"], notice["attempts"], notice["next_try_at"]) == ("delivered", 2, None)


async def test_replicas_that_sweep_at_once_notice_a_held_message_once(shared: World) -> None:
    target = "00000000-0000-5000-8000-000000000000"
    await shared.submit(shared.command("filed", 1, "r1", incident=target))
    shared.time.at = at(3)
    gates = [shared.gate, *(shared.another_gate() for _ in range(3))]

    await asyncio.gather(*(gate.sweep() for gate in gates))

    assert len([row for row in await shared.rows(m.Notice) if row["reason"] == "held"]) == 1
