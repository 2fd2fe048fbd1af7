"""What is wrong with the service is said on every page, and forms that wait are looked after on every page."""

import asyncio
import re
from time import monotonic

import httpx
import pytest

from tests.desk.boards import WAIT_S, served, signed_in_at
from tests.desk.conftest import World
from tests.desk.test_board import assert_sound

SENTENCE = {"zh": "消息总线中断", "en": "The broker is away"}
PAGES = ("/log", "/audit", "/handover", "/roster", "/search", "/account")


async def told(client: httpx.AsyncClient, path: str, text: str) -> str:
    """The page, once it holds the text: the hub asks the service of itself every few seconds."""
    limit = monotonic() + WAIT_S
    while text not in (page := (await client.get(path)).text):
        assert monotonic() < limit, f"{path} never said {text}"
        await asyncio.sleep(0.1)
    return page


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_every_page_says_what_is_wrong_with_the_service(world: World, language: str) -> None:
    world.checks["nats"] = {"ok": False, "since": "2026-11-23T06:00:00Z"}
    async with served(world) as url, signed_in_at(world, url) as client:
        await told(client, f"/log?lang={language}", SENTENCE[language])
        for path in PAGES:
            page = (await client.get(path)).text
            assert page.count(SENTENCE[language]) == 1, path
            assert_sound(page)
        incident = await world.open()
        assert SENTENCE[language] in (await client.get(f"/incidents/{incident['id']}")).text
        board = (await client.get("/")).text
        assert board.count(SENTENCE[language]) == 1  # its own, which the stream renews


async def test_who_is_not_signed_in_is_told_nothing_of_the_service(world: World) -> None:
    world.checks["nats"] = {"ok": False, "since": "2026-11-23T06:00:00Z"}
    async with served(world) as url, signed_in_at(world, url) as client:
        await told(client, "/log", SENTENCE["zh"])
        client.cookies.clear()
        page = (await client.get("/sign-in")).text

    assert SENTENCE["zh"] not in page
    assert "unsent.js" not in page


async def test_every_page_looks_after_forms_that_wait(world: World) -> None:
    async with served(world) as url, signed_in_at(world, url) as client:
        for path in ("/", *PAGES):
            page = (await client.get(path)).text
            assert re.search(r'<script type="module" src="/static/unsent\.js">', page), path
            assert 'data-account="board.duty.root"' in page
