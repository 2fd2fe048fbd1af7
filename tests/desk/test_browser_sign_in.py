"""Signing in with a real browser, by a name of the intranet and without TLS: there it says little of itself."""

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

from reporter.desk.server import Server
from tests.conftest import cannot_run
from tests.desk.conftest import World
from tests.desk.people import PASSWORD, a_person

CHROMIUM = "/usr/bin/chromium"
HOST = "desk.intranet.test"


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser that finds the desk under a name of the intranet."""
    if shutil.which(CHROMIUM) is None:
        cannot_run("tests with a browser", f"there is no {CHROMIUM}")
    async with async_playwright() as playwright:
        rule = f"--host-resolver-rules=MAP {HOST} 127.0.0.1"
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[rule, "--no-sandbox", "--no-proxy-server"]
        )
        yield browser
        await browser.close()


async def test_the_forms_work_on_the_intranet_without_tls(world: World, chromium: Browser) -> None:
    await a_person(world, "管理员", "admin")
    server = Server(world.app)
    port = (await server.start("127.0.0.1", 0)).rpartition(":")[2]
    page = await chromium.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    await page.goto(f"http://{HOST}:{port}/accounts")
    await page.fill("#login", "管理员")
    await page.fill("#password", PASSWORD)
    await page.press("#password", "Enter")
    await page.wait_for_url("**/accounts?**")
    await page.fill("#login", "李四")
    await page.select_option("#unit", "yi")
    await page.press("#login", "Enter")
    await page.wait_for_selector("code")
    rows = await page.locator("tbody tr").count()
    await server.stop()

    assert rows == 2
    assert [line for line in said if "Content Security Policy" in line] == []
