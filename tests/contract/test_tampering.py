"""Whatever is done to a ledger, to its seals or to the tables beside it is found and named, on both databases."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete, text, update

from reporter.core.ledger import with_hash
from reporter.engine.relay import envelope
from reporter.store import models as m
from reporter.store import outbox
from reporter.store.ledger_check import Defect
from reporter.store.seal_check import KeptSeal, NotASeal, read_kept, verify
from tests.contract.gateworld import World, world_on
from tests.contract.sealworld import defects, differing, forge, free, sealer, three_seals, vanish
from tests.unit.factories import CATALOG, at


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose ledger is tampered with: nothing is asserted of it afterwards."""
    file = f"sqlite:///{tmp_path / 'gate.sqlite3'}"
    url = file if request.param == "sqlite" else request.getfixturevalue("postgres")
    async with world_on(url, CATALOG, at(0)) as found:
        yield found


def where(found: list[Defect]) -> set[tuple[str | None, int | None, int | None]]:
    """Incident, version and seal of each defect."""
    return {(each.incident, each.version, each.seal) for each in found}


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
