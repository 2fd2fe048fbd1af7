"""Searching, on SQLite and PostgreSQL: the same results, and those that reading every text would give."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import delete, text

from reporter.core.search import fold, words
from reporter.engine.indexer import Indexer
from reporter.store import models as m
from reporter.store import search
from reporter.store.database import Database
from reporter.store.people import load_tree
from reporter.store.queries import IncidentFilter
from reporter.store.restricted import Units, restrict
from reporter.timesource import sleep
from tests.contract.gateworld import World, world_on
from tests.unit.factories import CATALOG, at

SYLLABLES = "化工园区爆燃山洪围困客车侧翻乙县东街道仓库学校食物中毒"
ODD = (
    "E4",
    "ｅ４",
    "1123-A",
    "Straße",
    "café",
    "cafe\u0301",
    "№7",
    "①",
    "🔥🔥",
    "𠮷野",
    "%",
    "_",
    "'",
    '"',
    "*",
    "AND",
    "a:b",
)


async def index(world: World) -> None:
    while await search.index_pending(world.database):
        pass


async def find(
    world: World, query: str, *, limit: int = 1000, offset: int = 0, wanted: IncidentFilter | None = None
) -> list[str]:
    """The titles found, the last logged first."""
    asked = words(query)
    async with world.database.snapshot() as connection:
        tree = await load_tree(connection)
        named = {word: [unit.code for unit in tree.nodes if word in fold(unit.name)] for word in asked}
        filter_ = wanted or IncidentFilter(limit=limit)
        found = await search.find(connection, asked, named, filter_, offset)
    assert found.total >= len(found.hits)
    return [hit.incident.title for hit in found.hits]


def sentence(chance: random.Random) -> str:
    parts = [
        chance.choice(ODD)
        if chance.random() < 0.2
        else "".join(chance.choices(SYLLABLES, k=chance.randint(1, 6)))
        for _ in range(chance.randint(1, 6))
    ]
    return chance.choice(("", " ", "，")).join(parts)


async def fill(world: World, seed: int, count: int) -> dict[str, str]:
    """Incidents with reports of chance. Returns what can be found of each, by title."""
    chance = random.Random(seed)
    told: dict[str, str] = {}
    names = {"east": "东街道", "county": "乙县", "west": "西街道"}
    for number in range(count):
        unit = chance.choice(list(names))
        title, place, summary = f"{number} {sentence(chance)}", sentence(chance), sentence(chance)
        id_ = await world.open(f"e{number}", unit=unit, title=title, place={"text": place}, summary=summary)
        texts = [title, place, summary, (await world.incident(id_))["code"]]
        for report in range(chance.randint(0, 2)):
            said, cause, author = sentence(chance), sentence(chance), sentence(chance)
            await world.tell("filed", id_, 2, unit=unit, id_=f"r{number}.{report}", form="written", text=said,
                             author=author, elements={"cause": cause, "opinion": {"pending": summary}})  # fmt: skip
            texts += [said, cause, author]
        told[title] = "\n".join([*map(fold, texts), names[unit]])
    return told


@pytest.fixture
async def both(tmp_path: Path, postgres: str) -> AsyncIterator[tuple[World, World]]:
    """A world on each kind of database."""
    async with AsyncExitStack() as stack:
        urls = (f"sqlite:///{tmp_path / 'gate.sqlite3'}", postgres)
        lite, real = [await stack.enter_async_context(world_on(url, CATALOG, at(0))) for url in urls]
        yield lite, real


@pytest.mark.parametrize("seed", [1, 2])
async def test_both_databases_find_what_reading_every_text_finds(
    both: tuple[World, World], seed: int
) -> None:
    told = [await fill(world, seed, 40) for world in both]
    assert told[0].keys() == told[1].keys()
    for world in both:
        await index(world)

    chance = random.Random(seed)
    every = list(told[0].values())
    non_empty = 0
    for _ in range(150):
        source = chance.choice(every).replace("\n", " ")
        start = chance.randrange(len(source))
        query = source[start : start + chance.randint(1, 7)]
        if chance.random() < 0.4:
            query += " " + chance.choice((*ODD, sentence(chance), chance.choice(SYLLABLES)))
        asked = words(query)
        if not asked:
            continue
        expected = [title for title, text in reversed(told[0].items()) if all(word in text for word in asked)]

        found = [await find(world, query) for world in both]

        assert found[0] == expected, query
        assert found[1] == expected, query
        non_empty += bool(expected)
    assert non_empty > 80


async def test_two_characters_are_found_and_pages_fit_together(world: World) -> None:
    for number in range(7):
        await world.open(f"e{number}", title=f"化工园区爆燃 {number}")
    await world.open("other", title="山洪")
    await index(world)

    pages = [await find(world, "爆燃", limit=3, offset=offset) for offset in (0, 3, 6, 9)]

    assert [title for page in pages for title in page] == [
        f"化工园区爆燃 {number}" for number in reversed(range(7))
    ]
    assert await find(world, "燃爆") == []
    assert await find(world, "") == []


async def test_what_changes_is_found_by_its_new_words_and_not_by_the_old(world: World) -> None:
    id_ = await world.open(title="化工园区爆燃", place={"text": "三号库"})
    await index(world)

    await world.tell("amended", id_, 3, title="纺织厂火灾")
    await world.tell("filed", id_, 4, text="明火已扑灭", author="王五")
    assert await find(world, "爆燃") == ["纺织厂火灾"], "what is shown is always as it stands"
    await index(world)

    assert await find(world, "爆燃") == []
    for query in ("纺织", "三号", "扑灭 王五", "火灾"):
        assert await find(world, query) == ["纺织厂火灾"], query


async def test_reports_move_with_a_duplicate(world: World) -> None:
    kept, twice = await world.open("e1", title="甲"), await world.open("e2", title="乙")
    await world.tell("filed", twice, 3, text="独有的话")
    await index(world)
    assert await find(world, "独有") == ["乙"]

    await world.tell("withdrawn", twice, 4, duplicate_of=kept)
    await index(world)

    assert "甲" in await find(world, "独有")


async def test_scope_filters_and_restriction_hold(world: World) -> None:
    east = await world.open("e1", unit="east", title="爆燃一", mode="exercise")
    await world.open("e2", unit="west", title="爆燃二")
    await index(world)

    assert await find(world, "爆燃", wanted=IncidentFilter(scope=frozenset({"east"}))) == ["爆燃一"]
    assert await find(world, "爆燃", wanted=IncidentFilter(units=frozenset({"west"}))) == ["爆燃二"]
    assert await find(world, "爆燃", wanted=IncidentFilter(mode="exercise")) == ["爆燃一"]
    assert await find(world, "爆燃", wanted=IncidentFilter(state="closed")) == []
    assert await find(world, "爆燃", wanted=IncidentFilter(since=at(1))) == []
    async with world.database.transaction() as connection:
        await restrict(connection, east, at(5), "test", "涉密")
    everyone = frozenset({"city", "county", "east", "west"})
    assert await find(world, "爆燃", wanted=IncidentFilter(scope=Units(everyone, {"west"}))) == ["爆燃二"]
    assert await find(world, "爆燃", wanted=IncidentFilter(scope=Units(everyone, everyone))) == [
        "爆燃二",
        "爆燃一",
    ]


async def test_a_unit_is_found_by_its_name_as_it_is_now(world: World) -> None:
    await world.open(unit="east", title="爆燃")
    await index(world)
    assert await find(world, "东街 爆燃") == ["爆燃"]

    async with world.database.transaction() as connection:
        await connection.execute(text("UPDATE units SET name = '高新区' WHERE code = 'east'"))

    assert await find(world, "高新") == ["爆燃"]
    assert await find(world, "东街") == []


async def test_many_units_of_one_name_are_no_trouble(world: World) -> None:
    await world.open(unit="east", title="爆燃")
    await index(world)
    asked = ("街道",)
    named = {"街道": [*(f"unit-{number}" for number in range(3000)), "east"]}

    async with world.database.snapshot() as connection:
        found = await search.find(connection, asked, named, IncidentFilter(), 0)

    assert [hit.incident.title for hit in found.hits] == ["爆燃"]


async def test_a_note_is_kept_until_it_is_done(world: World) -> None:
    id_ = await world.open(title="爆燃")
    assert await find(world, "爆燃") == []
    async with world.database.snapshot() as connection:
        earlier = await search.documents(connection, [(await world.incident(id_))["number"]])
    await world.tell("amended", id_, 3, title="山洪")
    await index(world)

    async with world.database.transaction() as connection:
        await search._write(connection, earlier)  # a slower replica comes with what it read before

    assert await find(world, "山洪") == ["山洪"]
    assert await find(world, "爆燃") == []
    assert await world.rows(m.SearchPending) == []


async def test_the_index_is_made_anew(world: World) -> None:
    for number in range(search.PAGE + 5):
        await world.open(f"e{number}", title=f"爆燃 {number}")
    await index(world)
    async with world.database.transaction() as connection:
        await connection.execute(delete(m.SearchEntry))
    said: list[int] = []

    count = await search.rebuild(world.database, said.append)

    assert count == search.PAGE + 5
    assert said == [search.PAGE, search.PAGE + 5]
    assert len(await find(world, "爆燃")) == count
    await search.rebuild(world.database)
    await world.tell("amended", (await world.rows(m.Incident))[0]["id"], 3, title="山洪")
    await index(world)
    assert len(await find(world, "爆燃")) == count - 1


async def test_the_index_serves_the_search(world: World) -> None:
    for number in range(20):
        await world.open(f"e{number}", title=f"事件 {number} {'爆燃' if number == 7 else '山洪'}")
    await index(world)
    statement = search.matched(world.database.kind, ("爆燃",), {}, IncidentFilter()).limit(20)
    compiled = str(
        statement.compile(world.database._reader.sync_engine, compile_kwargs={"literal_binds": True})
    )

    async with world.database.transaction() as connection:
        if world.database.kind == "postgresql":
            # Twenty rows are read faster without any index, so all other ways are barred.
            for way in ("seqscan", "indexscan", "indexonlyscan"):
                await connection.execute(text(f"SET LOCAL enable_{way} = off"))
            plan = await connection.exec_driver_sql("EXPLAIN " + compiled.replace("%", "%%"))
        else:
            plan = await connection.exec_driver_sql("EXPLAIN QUERY PLAN " + compiled)
        steps = [str(row) for row in plan]

    if world.database.kind == "postgresql":
        assert any("ix_search_entries_grams" in step for step in steps), steps
    else:
        assert any("search_index VIRTUAL TABLE INDEX" in step for step in steps), steps
        assert not any("SCAN incidents" in step or "TEMP B-TREE" in step for step in steps), steps


async def test_a_very_long_report_does_no_harm(world: World) -> None:
    chance = random.Random(1)
    id_ = await world.open(title="爆燃")
    said = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(80_000))
    await world.tell("filed", id_, 3, text=said)
    await index(world)

    assert await find(world, said[40_000:40_010]) == ["爆燃"]


async def test_the_indexer_gives_way_to_deadlines_and_then_catches_up(world: World) -> None:
    await world.open(title="爆燃")
    world.gate.signals.calm.clear()
    async with asyncio.TaskGroup() as tasks:
        world.gate.signals.unfindable.set()
        running = tasks.create_task(Indexer(world.database, world.gate.signals).run())
        for _ in range(20):
            await asyncio.sleep(0)
        assert await find(world, "爆燃") == []
        world.gate.signals.calm.set()
        async with asyncio.timeout(10):
            while not await find(world, "爆燃"):
                await sleep(0.02)
        running.cancel()


async def test_replicas_index_side_by_side(world: World) -> None:
    for number in range(150):
        await world.open(f"e{number}", title=f"爆燃 {number}")

    world.another_gate()

    async def all_of(database: Database) -> None:
        async with asyncio.timeout(30):
            while await world.rows(m.SearchPending):
                await search.index_pending(database)

    await asyncio.gather(*(all_of(each) for each in (world.database, *world.others)))

    assert len(await find(world, "爆燃")) == 150
