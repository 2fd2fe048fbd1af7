"""The board's page: what it costs, in which order it shows, and that it is a sound document."""

import re
from datetime import timedelta

import html5lib
import httpx
import pytest

from reporter.core.canonical import canonical
from reporter.core.command import Command, OutcomeKind
from reporter.core.instants import rfc3339
from reporter.core.terms import CommandKind
from reporter.store import queries
from tests.desk.boards import counted
from tests.desk.conftest import World
from tests.desk.test_pages import Page, signed_in

BYTES_MAX = 200_000


async def open_many(world: World, count: int, **data: object) -> list[str]:
    """Opens incidents through the gate in one batch, one second apart."""
    now = world.time.now()
    commands = [
        Command(
            kind=CommandKind.OCCURRED,
            source=f"urn:test:many:{data}",
            id=str(number),
            received_at=now,
            unit="yi",
            data={
                "title": f"第 {number} 起",
                "occurred": rfc3339(now - timedelta(seconds=number)),
                "grade": "III",
                "place": {"text": "某镇某村某路口东南角"},
                "casualties": {"dead": 1, "light": 3},
                **data,
            },
            digest=canonical([number]).hex(),
            actor="test",
        )
        for number in range(count)
    ]
    outcomes = await world.gate.submit(commands)
    assert {each.kind for each in outcomes} == {OutcomeKind.ACCEPTED}
    return [str(each.incident) for each in outcomes]


def titles(page: str) -> list[str]:
    """The incidents in the order in which the page shows them."""
    return re.findall(r'<h2 id="t-[^"]+">.*?<a [^>]*>([^<]*)</a></h2>', page)


def assert_sound(page: str) -> None:
    """Errors: whatever a strict HTML5 parser objects to; and what our own pages promise beside."""
    html5lib.HTMLParser(strict=True).parse(page)
    Page(page)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("path", ["/?", "/?wall=1&", "/sign-in?"])
async def test_every_page_is_sound_html(world: World, path: str, language: str) -> None:
    await world.open(
        title="长" * 200,
        grade="I",
        mode="exercise",
        sensitive=True,
        occurred={"earliest": "2026-11-23T13:10:00+08:00", "latest": "2026-11-23T13:20:00+08:00"},
        aware="2026-11-23T13:30:00+08:00",
        place={"text": "a" * 300},
        casualties={"dead": 3, "trapped": 2},
    )
    incident = await world.open(title="<&\"'>")
    await world.post(incident, "reports", covers=["detailed"], elements={"cause": "x"})
    await open_many(world, 40)
    await world.pass_time(1)
    browser = await signed_in(world)

    answer = await browser.get(f"{path}lang={language}")

    assert_sound(answer.text)
    assert f'<html lang="{"zh-CN" if language == "zh" else "en"}">' in answer.text


async def test_the_language_is_remembered(world: World) -> None:
    browser = await signed_in(world)

    await browser.get("/?lang=en")

    assert '<html lang="en">' in (await browser.get("/")).text


async def test_what_is_missing_is_named(world: World) -> None:
    incident = await world.open()
    await world.post(incident, "reports", covers=["detailed"], elements={"cause": "电气"})

    page = (await (await signed_in(world)).get("/")).text

    assert re.search(r"缺 背景、发展、处置、后果、影响、舆论", page)


async def test_actual_incidents_come_before_drills_and_the_longest_overdue_first(world: World) -> None:
    await world.open(title="演练最久", mode="exercise", occurred="2026-11-23T13:00:00+08:00")
    await world.open(title="未到", occurred="2026-11-23T14:04:00+08:00")
    await world.open(title="超时久", occurred="2026-11-23T13:20:00+08:00")
    await world.open(title="超时新", occurred="2026-11-23T13:40:00+08:00")
    answered = await world.open(title="都报了", occurred="2026-11-23T14:03:00+08:00")
    await world.post(answered, "reports", covers=["detailed"])
    await world.pass_time(1)

    page = (await (await signed_in(world)).get("/")).text

    assert titles(page) == ["超时久", "超时新", "未到", "都报了", "演练最久"]


async def test_the_worst_overdue_stand_on_every_page(world: World) -> None:
    await world.open(title="最急", occurred="2026-11-23T13:00:00+08:00")
    await open_many(world, 20)
    await world.pass_time(1)
    browser = await signed_in(world)

    pages = [titles((await browser.get(f"/?wall=1&page={number}")).text) for number in (1, 2, 3)]

    assert [page[0] for page in pages] == ["最急"] * 3
    assert [len(page) for page in pages] == [9, 9, 5]
    rest = [title for page in pages for title in page[1:]]
    assert len(rest) == len(set(rest)) == 20


async def test_a_page_that_is_not_there_is_the_last(world: World) -> None:
    await open_many(world, 40)
    browser = await signed_in(world)

    beyond = titles((await browser.get("/?page=99")).text)

    assert beyond == titles((await browser.get("/?page=2")).text)
    assert len(titles((await browser.get("/?page=x")).text)) == 30


async def test_the_cost_is_that_of_what_is_open_and_grows_with_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reporter.desk.auth.FRESH_S", 0.0)  # the account is looked up each time
    browser = await signed_in(world)

    async def cost() -> tuple[int, httpx.Response]:
        with counted(world.database) as statements:
            answer = await browser.get("/")
        assert answer.status_code == 200
        return len(statements), answer

    await open_many(world, 3)
    few, _ = await cost()
    closed = await open_many(world, 60, summary="存档")
    for id_ in closed:
        await world.post({"id": id_}, "closure", reason="完")
    await open_many(world, 500, summary="更多")
    many, answer = await cost()
    again, _ = await cost()

    assert many <= few
    assert again <= few
    assert len(answer.content) < BYTES_MAX


async def test_what_is_open_is_found_without_reading_the_archive(world: World) -> None:
    async with world.database.snapshot() as connection:
        with counted(world.database) as statements:
            await queries.open_versions(connection, 10)
        plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statements[0]}", (10, 0))

    assert "ix_incidents_open" in str(plan.all())


async def test_a_board_holds_the_last_to_occur_and_says_that_there_are_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reporter.desk.live.situation.OPEN_MAX", 3)
    browser = await signed_in(world, "duty")
    for minute in range(3):
        await world.open("jia", title=f"第{minute}起", occurred=f"2026-11-23T05:0{minute}:00Z")
    assert "未结事件超过" not in (await browser.get("/")).text

    await world.open("jia", title="第3起", occurred="2026-11-23T05:03:00Z")

    page = (await browser.get("/")).text
    assert "未结事件超过" in page
    assert [f"第{n}起" in page for n in range(4)] == [False, True, True, True]


async def test_nobody_acknowledges_what_he_does_not_see(world: World) -> None:
    incident = await world.open("jia")
    browser = await signed_in(world, "unit", "yi")

    answer = await browser.post("/board/acknowledge", data={"incident": incident["id"]})

    assert answer.status_code == 404
    auditor = await signed_in(world, "auditor")
    assert (await auditor.post("/board/acknowledge", data={"incident": incident["id"]})).status_code == 403


async def test_acknowledging_works_without_a_script(world: World) -> None:
    incident = await world.open(occurred="2026-11-23T13:40:00+08:00")
    await world.pass_time(1)
    browser = await signed_in(world)
    page = (await browser.get("/?page=1")).text
    assert f'name="incident" value="{incident["id"]}"' in page

    answer = await browser.post("/board/acknowledge", data={"incident": incident["id"], "back": "/?page=1"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/?page=1")
    assert 'name="incident" value' not in (await browser.get("/")).text
    elsewhere = await browser.post(
        "/board/acknowledge", data={"incident": incident["id"], "back": "//elsewhere"}
    )
    assert elsewhere.headers["location"] == "/"
