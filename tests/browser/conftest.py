"""A real browser before the real application: Chromium without a window, one context a test."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from reporter.store.database import open_database
from tests.conftest import cannot_run
from tests.desk.boards import served
from tests.desk.conftest import World, make_world
from tests.desk.shifts import PASSWORD

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
expect.set_options(
    timeout=15_000
)  # a machine that others use as well may be slow; nothing here waits for long
WIDTHS = {"phone": (390, 844), "desk": (1280, 800), "wall": (1920, 1080)}


@dataclass
class Room:
    """A duty room: the district, its address, and browsers to look at it with."""

    world: World
    url: str
    browser: Browser
    exits: AsyncExitStack
    complaints: list[str] = field(default_factory=list)

    async def seat(self, role: str = "duty", unit: str = "root", size: str = "desk", **options: Any) -> Page:
        """A browser of somebody signed in, on the board. What its console complains of fails the test."""
        width, height = WIDTHS[size]
        context = await self.browser.new_context(
            viewport={"width": width, "height": height}, locale="zh-CN", **options
        )
        self.exits.push_async_callback(context.close)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        await page.goto(f"{self.url}/sign-in")
        await page.click("details:has(#token) > summary")
        await page.fill(
            "#token", await self.world.secret(role, unit, name=f"seat.{len(self.world.clients)}.{role}")
        )
        await page.press("#token", "Enter")
        await page.wait_for_selector("#counts")
        await page.wait_for_load_state()  # the script too: keys do nothing before
        return page

    async def enter(
        self, login: str, size: str = "desk", *, password: str = PASSWORD, **options: Any
    ) -> Page:
        """A browser of somebody with an account (of `tests.desk.shifts`), signed in and on the board."""
        width, height = WIDTHS[size]
        context = await self.browser.new_context(
            viewport={"width": width, "height": height}, locale="zh-CN", **options
        )
        self.exits.push_async_callback(context.close)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(f"{self.url}/sign-in")
        await page.fill("[name=login]", login)
        await page.fill("[name=password]", password)
        await page.press("[name=password]", "Enter")
        await page.wait_for_selector("#counts")
        await page.wait_for_load_state()  # the script too: keys do nothing before
        return page


async def open_browser(exits: AsyncExitStack) -> Browser:
    """Chromium without a window, until `exits` are taken."""
    program = os.environ.get("REPORTER_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        cannot_run("tests in a browser", "there is no Chromium on PATH (nor in REPORTER_TEST_CHROMIUM)")
    playwright = await exits.enter_async_context(async_playwright())
    browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
    exits.push_async_callback(browser.close)
    return browser


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    """The district on SQLite, served, with a browser."""
    database = open_database(None, tmp_path)
    async with AsyncExitStack() as exits:
        exits.push_async_callback(database.close)
        world = await make_world(database, exits)
        browser = await open_browser(exits)
        url = await exits.enter_async_context(served(world))
        found = Room(world, url, browser, exits)
        yield found
        assert found.complaints == []
