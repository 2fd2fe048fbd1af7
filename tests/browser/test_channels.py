"""The channels' page in a browser, while something is wrong with the service: no barrier, no overflow."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from reporter.engine.channelwatch import ChannelWatch
from reporter.store import rehearsals
from reporter.store.people import import_roster
from tests.browser.conftest import WIDTHS, Room
from tests.desk.test_channel_tests import ROSTER

LONG = "欧阳娜娜" * 6


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_and_nothing_sticks_out(room: Room, scheme: str) -> None:
    world = room.world
    world.checks["nats"] = {"ok": False, "since": "2026-11-23T06:00:00Z"}
    roster = ROSTER.format(unit="yi", channels="dingtalk:ops|sms:13800000000")
    await import_roster(world.database, roster.replace("李东", LONG).encode())
    watch = ChannelWatch(world.database, world.time, {})
    await watch.note("webhook https://" + "hook." * 10 + "example", None)
    for _ in range(2):
        await watch.note("sms:default", "HTTP 503 " + "https://gateway.example/" + "x" * 120)
    await watch.save()
    page = await room.seat("admin", color_scheme=scheme)
    await page.click(".top .menu summary")
    await page.click('a[href="/channels"]')
    await page.click("text=开始演练")
    await expect(page.locator("#rehearsal tbody tr")).to_have_count(2)
    async with world.database.snapshot() as connection:
        assert await rehearsals.report(connection) is not None

    for size, (width, height) in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": height})
        for language in ("zh", "en"):
            await page.goto(f"{room.url}/channels?lang={language}")
            await expect(page.locator(".troubles .banner")).to_have_count(1)
            found = await Axe().run(page)
            assert found.response["violations"] == [], (size, language, found.generate_report())
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), size
