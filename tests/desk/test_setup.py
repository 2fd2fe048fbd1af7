"""The first administrator: one link, once, within the hour, and only while there is none."""

import asyncio
from datetime import timedelta

import pytest

from reporter.desk.auth import COOKIE
from reporter.store import setup
from tests.desk.conftest import World
from tests.desk.people import HERE, PASSWORD
from tests.desk.test_pages import Page


@pytest.fixture
def world(each_world: World) -> World:
    """The district on each database."""
    return each_world


async def offered(world: World) -> str | None:
    async with world.database.transaction() as connection:
        return await setup.offer(connection, world.time.now())


def filled(key: str | None, **changes: str) -> dict[str, str]:
    given = {"login": "王管理", "display_name": "王五", "password": PASSWORD, "again": PASSWORD}
    return {"key": key or "", **given, **changes}


async def test_the_link_makes_an_administrator_once(world: World) -> None:
    key = await offered(world)
    browser = await world.browser()

    form = await browser.get(f"/setup?key={key}")
    made = await browser.post("/setup", data=filled(key), headers=HERE)
    again = await (await world.browser()).post("/setup", data=filled(key, login="b"), headers=HERE)

    Page(form.text)
    assert (made.status_code, COOKIE in browser.cookies) == (303, True)
    assert (await browser.get("/accounts")).status_code == 200
    assert again.status_code == 404
    assert await offered(world) is None


async def test_two_links_make_one_administrator(world: World) -> None:
    first, second = await offered(world), await offered(world)
    browser = await world.browser()

    made = await browser.post("/setup", data=filled(first), headers=HERE)
    late = await browser.post("/setup", data=filled(second, login="b"), headers=HERE)

    assert (made.status_code, late.status_code) == (303, 404)


async def test_of_two_who_use_a_link_at_once_one_gets_in(world: World) -> None:
    key = await offered(world)
    browsers = [await world.browser() for _ in range(3)]

    answers = await asyncio.gather(
        *(
            browser.post("/setup", data=filled(key, login=f"管理员{number}"), headers=HERE)
            for number, browser in enumerate(browsers)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [303, 404, 404]


async def test_a_wrong_or_expired_key_opens_nothing(world: World) -> None:
    key = await offered(world)
    browser = await world.browser({"Accept": "text/html"})

    wrong = await browser.get("/setup?key=guess")
    world.time.advance(setup.LASTS + timedelta(seconds=1))
    expired = await browser.post("/setup", data=filled(key), headers=HERE)

    assert (wrong.status_code, expired.status_code) == (404, 404)
    Page(expired.text)
    assert "链接无效" in expired.text


async def test_what_is_refused_leaves_the_link_good(world: World) -> None:
    key = await offered(world)
    browser = await world.browser()

    short = await browser.post("/setup", data=filled(key, password="short", again="short"), headers=HERE)
    unfit = await browser.post("/setup", data=filled(key, login="a b"), headers=HERE)
    good = await browser.post("/setup", data=filled(key), headers=HERE)

    assert (short.status_code, unfit.status_code, good.status_code) == (422, 422, 303)
    assert 'value="王管理"' in short.text


async def test_where_a_program_administers_no_link_is_offered(world: World) -> None:
    await world.secret("admin")

    assert await offered(world) is None
