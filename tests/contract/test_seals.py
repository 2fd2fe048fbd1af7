"""Seals on both databases: one an hour whoever makes it, over exactly what the ledger held."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from reporter.core.ledger import GENESIS
from reporter.core.seal import Seal
from reporter.engine.relay import envelope
from reporter.engine.seal import Sealer
from reporter.store import models as m
from reporter.store import outbox
from tests.contract.gateworld import World, world_on
from tests.contract.sealworld import defects, sealer, three_seals
from tests.unit.factories import CATALOG, at
from tests.unit.test_seal import by_the_book

HOUR = timedelta(hours=1)


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose ledger is tampered with: nothing is asserted of it afterwards."""
    file = f"sqlite:///{tmp_path / 'gate.sqlite3'}"
    url = file if request.param == "sqlite" else request.getfixturevalue("postgres")
    async with world_on(url, CATALOG, at(0)) as found:
        yield found


async def test_a_seal_is_the_root_of_all_heads_and_goes_out_under_the_root_unit(world: World) -> None:
    for number in range(5):
        await world.open(f"e{number}")
    await world.tick_until(25)

    seal = await sealer(world).seal()

    said = json.loads(seal.text)
    heads = {
        row["id"]: sha256(f"\0{row['id']}/{row['version']}/{row['head']}".encode()).digest()
        for row in await world.rows(m.Incident)
    }
    lines = await world.rows(m.Line)
    assert said["root"] == by_the_book(heads).hex()
    assert (said["number"], said["incidents"], said["lines"], said["prev"]) == (1, 5, len(lines), GENESIS)
    assert said["at"] == "2026-11-23T06:25:00.000000Z"
    assert seal.hash == sha256(seal.text.encode()).hexdigest()
    assert await defects(world) == []
    async with world.database.snapshot() as connection:
        last = (await outbox.load_unsent(connection, 1000, 0))[-1]
    event = json.loads(envelope(last))
    assert (last.subject, last.message_id) == ("reporter.out.sealed.city", "sealed/1")
    assert (event["type"], event["id"], event["time"]) == ("reporter.fact.sealed", "sealed/1", said["at"])
    assert event["data"] == said | {"hash": seal.hash}


async def test_an_empty_ledger_has_a_seal_too(world: World) -> None:
    seal = await sealer(world).seal()

    assert json.loads(seal.text)["root"] == sha256(b"").hexdigest()
    assert await defects(world) == []


async def test_an_hour_has_one_seal_however_many_replicas_see_it_come(world: World) -> None:
    await world.open()
    replicas = [Sealer(world.another_gate().database, world.time) for _ in range(4)]

    made = await asyncio.gather(*(each.hourly() for each in replicas))
    again = await sealer(world).hourly()

    assert len([each for each in made if each is not None]) == 1
    assert again is None
    assert len(await world.rows(m.Seal)) == 1
    assert await defects(world) == []


async def test_hours_of_downtime_make_one_seal_and_a_clock_set_back_makes_none(world: World) -> None:
    await sealer(world).hourly()

    world.time.advance(9 * HOUR)
    late = await sealer(world).hourly()
    world.time.advance(-3 * HOUR)
    back = await sealer(world).hourly()

    assert late is not None
    assert json.loads(late.text)["hour"] == "2026-11-23T15:00:00.000000Z"
    assert back is None
    assert len(await world.rows(m.Seal)) == 2


async def test_seals_on_demand_chain_and_leave_the_hour_s_own_alone(world: World) -> None:
    made = [
        await sealer(world).seal(), await sealer(world).hourly(), await sealer(world).seal(),
        await sealer(world).hourly(),
    ]  # fmt: skip

    seals = [each for each in made if each is not None]
    assert [each.number for each in seals] == [1, 2, 3]
    assert [json.loads(each.text)["prev"] for each in seals] == [GENESIS, seals[0].hash, seals[1].hash]


async def test_sealing_beside_a_busy_gate_gives_seals_that_hold(world: World) -> None:
    async def open_many() -> None:
        for number in range(30):
            await world.open(f"busy {number}")

    async def seal_many() -> list[Seal]:
        return [await sealer(world).seal() for _ in range(10)]

    _, one, two = await asyncio.gather(open_many(), seal_many(), seal_many())

    assert sorted(each.number for each in one + two) == list(range(1, 21))
    assert await defects(world) == []


async def test_only_what_moved_is_written_with_a_seal(world: World) -> None:
    ids = await three_seals(world)

    rows = {(row["incident_id"], row["seal"]) for row in await world.rows(m.SealedHead)}

    assert {(id_, 1) for id_ in ids} <= rows
    assert len([row for row in rows if row[1] == 1]) == 3
    await sealer(world).seal()
    assert [row["incident_id"] for row in await world.rows(m.SealedHead, m.SealedHead.seal == 4)] == [ids[0]]


async def test_the_database_itself_refuses_to_change_a_seal(world: World) -> None:
    await three_seals(world)

    for statement in ("UPDATE seals SET hash = 'x'", "DELETE FROM seals", "DELETE FROM sealed_heads"):
        with pytest.raises(DBAPIError, match="append-only"):
            async with world.database.transaction() as connection:
                await connection.execute(text(statement))
