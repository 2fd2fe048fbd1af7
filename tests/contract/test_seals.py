"""Seals on both databases: one an hour whoever makes it, and whatever is done to a ledger afterwards is found.

Whoever tampers here does it as somebody with the file would: the triggers are dropped first, and whatever can be
computed anew is computed anew.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from reporter.core.canonical import canonical
from reporter.core.ledger import GENESIS, with_hash
from reporter.core.seal import Seal
from reporter.engine.relay import envelope
from reporter.engine.seal import Sealer
from reporter.store import models as m
from reporter.store import outbox
from reporter.store.ledger_check import Defect
from reporter.store.replay import Difference, replay
from reporter.store.schema import append_only
from reporter.store.seal_check import KeptSeal, NotASeal, read_kept, verify
from tests.contract.gateworld import World, world_on
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


def sealer(world: World) -> Sealer:
    return Sealer(world.database, world.time)


async def three_seals(world: World) -> list[str]:
    """Three incidents with a seal after each change; returns their ids. The first is also told of after the seals."""
    ids = [await world.open(f"e{number}") for number in range(3)]
    await sealer(world).hourly()
    await world.tell("filed", ids[0], 5, covers=["initial"])
    await world.tick_until(30)
    await sealer(world).seal()
    await world.tick_until(70)
    await sealer(world).hourly()
    await world.tell("closed", ids[0], 75)
    return ids


async def free(world: World) -> None:
    """Drops what guards the tables that only grow."""
    async with world.database.transaction() as connection:
        for table in m.APPEND_ONLY:
            if world.database.kind == "sqlite":
                for verb in ("update", "delete"):
                    await connection.execute(text(f"DROP TRIGGER {table}_no_{verb}"))
            else:
                await connection.execute(text(f"DROP TRIGGER {table}_append_only ON {table}"))


async def defects(world: World, *kept: KeptSeal, incident: str | None = None) -> list[Defect]:
    return list((await verify(world.database, incident, kept=kept)).defects)


async def differing(world: World) -> list[Difference]:
    async with world.database.snapshot() as connection:
        return [each async for each in replay(connection)]


async def forge(world: World, incident: str, version: int) -> None:
    """Changes a line, then computes every hash after it anew, and the incident's head."""
    async with world.database.transaction() as connection:
        table = m.table(m.Line)
        wanted = select(table).where(table.c.incident_id == incident).order_by(table.c.version)
        prev = GENESIS
        for row in (await connection.execute(wanted)).all():
            line = json.loads(row.text) | {"prev": prev}
            if row.version == version:
                line["actor"] = "somebody else"
            written = canonical(line)
            prev = sha256(written).hexdigest()
            await connection.execute(
                update(m.Line)
                .where(m.Line.incident_id == incident, m.Line.version == row.version)
                .values(text=written.decode(), hash=prev)
            )
        await connection.execute(update(m.Incident).where(m.Incident.id == incident).values(head=prev))


async def vanish(world: World, incident: str, *, also_of_seals: bool = False) -> None:
    """Removes an incident with everything that is its own."""
    async with world.database.transaction() as connection:
        holders = [m.Line, m.Clock, m.Notice, m.Inbox, m.Outbox] + [m.SealedHead] * also_of_seals
        for model in holders:
            table = m.table(model)
            await connection.execute(delete(table).where(table.c.incident_id == incident))
        await connection.execute(delete(m.Incident).where(m.Incident.id == incident))


def where(found: list[Defect]) -> set[tuple[str | None, int | None, int | None]]:
    return {(each.incident, each.version, each.seal) for each in found}


# --- making them --------------------------------------------------------------------------------------------


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
    assert append_only("seals", world.database.kind)


# --- tampering ----------------------------------------------------------------------------------------------


async def test_a_whole_ledger_with_its_seals_is_found_whole(world: World) -> None:
    await three_seals(world)

    checked = await verify(world.database)

    assert (checked.defects, checked.incidents, checked.seals) == ((), 3, 3)
    assert await differing(world) == []


async def test_a_changed_byte_is_found(world: World) -> None:
    ids = await three_seals(world)
    await free(world)
    async with world.database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE ledger SET text = replace(text, 'e1', 'e7') WHERE incident_id = :id AND version = 1"
            ),
            {"id": ids[1]},
        )

    assert (ids[1], 1, None) in where(await defects(world))
    assert (ids[1], 1, None) in where(await defects(world, incident=ids[1]))


async def test_a_removed_line_is_found(world: World) -> None:
    ids = await three_seals(world)
    await free(world)
    async with world.database.transaction() as connection:
        await connection.execute(delete(m.Line).where(m.Line.incident_id == ids[1], m.Line.version == 2))

    found = await defects(world)

    assert (ids[1], 3, None) in where(found)
    assert "line 2 is missing before it" in {each.en for each in found}


async def test_a_tail_cut_off_is_found_even_with_the_head_set_back(world: World) -> None:
    ids = await three_seals(world)
    await free(world)
    [line] = await world.rows(m.Line, m.Line.incident_id == ids[2], m.Line.version == 1)
    async with world.database.transaction() as connection:
        await connection.execute(delete(m.Line).where(m.Line.incident_id == ids[2], m.Line.version > 1))
        await connection.execute(
            update(m.Incident).where(m.Incident.id == ids[2]).values(version=1, head=line["hash"])
        )

    found = await defects(world)

    assert {each.incident for each in found} == {ids[2], None}
    assert any("sealed in seal 2, is no longer in the ledger" in each.en for each in found)


@pytest.mark.parametrize("also_of_seals", [False, True])
async def test_a_removed_incident_is_found(world: World, also_of_seals: bool) -> None:
    ids = await three_seals(world)
    await free(world)
    await vanish(world, ids[1], also_of_seals=also_of_seals)

    found = await defects(world)

    assert found
    assert found[-1].seal == 1
    assert "over 3 incidents" in found[-1].en
    assert "gives 2" in found[-1].en
    assert "2 later seals" in found[-1].en
    assert (ids[1] in {each.incident for each in found}) is not also_of_seals


async def test_two_lines_put_in_each_other_s_place_are_found(world: World) -> None:
    ids = await three_seals(world)
    await free(world)
    async with world.database.transaction() as connection:
        for old, new in ((2, 900), (3, 2), (900, 3)):
            await connection.execute(
                update(m.Line).where(m.Line.incident_id == ids[0], m.Line.version == old).values(version=new)
            )

    assert {(ids[0], 2, None), (ids[0], 3, None)} <= where(await defects(world))


async def test_lines_replaced_with_hashes_computed_anew_are_found_by_the_seals(world: World) -> None:
    ids = await three_seals(world)
    await free(world)
    await forge(world, ids[0], 2)

    found = await defects(world)

    assert (ids[0], 1, 1) not in where(found)
    named = [each for each in found if each.incident == ids[0]]
    assert {each.seal for each in named} <= {2, 3}
    assert named
    assert all("was replaced since" in each.en for each in named)
    assert found[-1].incident is None
    assert found[-1].seal == 2
    assert await defects(world, incident=ids[0]) == named


async def test_what_no_seal_covers_yet_cannot_be_told_from_the_true_one(world: World) -> None:
    ids = await three_seals(world)
    await free(world)
    [head] = await world.rows(m.Incident, m.Incident.id == ids[0])

    await forge(world, ids[0], head["version"])

    assert await defects(world) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE seals SET text = replace(text, 'incidents', 'accidents') WHERE number = 2", "was changed"),
        ("UPDATE seals SET hash = 'ff' WHERE number = 2", "was changed"),
        ("DELETE FROM seals WHERE number = 2", "seal 2 before it is missing"),
        ("DELETE FROM seals WHERE number = 3", "seals end at 2"),
        ("DELETE FROM sealed_heads WHERE seal = 2", "does not follow from the ledger"),
        ("UPDATE sealed_heads SET seal = 1 WHERE seal = 2", "does not follow from the ledger"),
    ],
)  # fmt: skip
async def test_a_seal_that_is_changed_or_gone_is_found(world: World, statement: str, words: str) -> None:
    await three_seals(world)
    await free(world)
    async with world.database.transaction() as connection:
        await connection.execute(text(statement))

    assert any(words in each.en for each in await defects(world))


# --- a seal kept elsewhere ----------------------------------------------------------------------------------


async def kept_outside(world: World) -> list[KeptSeal]:
    """The seals as REPORTER_OUT carried them."""
    async with world.database.snapshot() as connection:
        rows = await outbox.load_unsent(connection, 10_000, 0)
    events = [envelope(row) for row in rows if row.message_id.startswith("sealed/")]
    return read_kept("\n".join(events))


async def test_a_history_rewritten_with_all_its_seals_is_shown_by_one_kept_outside(world: World) -> None:
    ids = await three_seals(world)
    kept = await kept_outside(world)
    assert [each.number for each in kept] == [1, 2, 3]
    assert await defects(world, *kept) == []
    await free(world)
    await vanish(world, ids[1])
    async with world.database.transaction() as connection:
        await connection.execute(delete(m.SealedHead))
        await connection.execute(delete(m.Seal))
    for _ in range(3):
        await sealer(world).seal()
    assert await defects(world) == []

    found = await defects(world, kept[0])

    assert [each.seal for each in found] == [1]
    assert "the history up to then was rewritten" in found[0].en


async def test_an_older_copy_is_shown_by_a_seal_kept_outside(world: World) -> None:
    await three_seals(world)
    kept = await kept_outside(world)
    await free(world)
    async with world.database.transaction() as connection:
        await connection.execute(delete(m.SealedHead).where(m.SealedHead.seal == 3))
        await connection.execute(delete(m.Seal).where(m.Seal.number == 3))
    assert await defects(world) == []

    [found] = await defects(world, *kept)

    assert (found.seal, "seals end at 2" in found.en) == (3, True)


async def test_a_kept_file_is_read_in_every_form_and_refused_when_it_is_no_seal(world: World) -> None:
    seal = await sealer(world).seal()
    bare = with_hash(seal.text, seal.hash)
    event = json.dumps({"specversion": "1.0", "data": json.loads(bare)})

    for form in (bare, event, f"[{bare}]", f'{{"items": [{bare}]}}', f"{bare}\n{event}\n"):
        assert {each.hash for each in read_kept(form)} == {seal.hash}
    for wrong in ("", "{}", "x", "[]", "7", bare.replace('"incidents":0', '"incidents":1')):
        with pytest.raises(NotASeal):
            read_kept(wrong)


# --- tables that do not follow ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE clocks SET verdict = 'on_time', state = 'met' WHERE obligation = 'verified'", "verdict is 'on_time'"),
        ("UPDATE incidents SET title = 'nothing happened'", "title is 'nothing happened'"),
        ("DELETE FROM notices", "is in the ledger and not in the table"),
        ("UPDATE clocks SET due_at = due_at + 60000000", "due_at is"),
        ("UPDATE notices SET incident_id = 'a-stranger'", "the ledger does not know"),
        ("UPDATE editions SET document = replace(document, 'PT20M', 'PT50M')", "was changed"),
        ("DELETE FROM editions", "cannot be folded"),
        ("DELETE FROM ledger WHERE version = 1", "cannot be folded"),
    ],
)  # fmt: skip
async def test_tables_that_do_not_follow_from_the_ledger_are_named(
    world: World, statement: str, words: str
) -> None:
    await three_seals(world)
    await free(world)
    assert await differing(world) == []

    async with world.database.transaction() as connection:
        await connection.execute(text(statement))

    assert any(words in each.problem for each in await differing(world))
