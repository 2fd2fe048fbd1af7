"""The audit and the search in a browser: no barrier, no overflow, by keyboard alone, without a script."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from reporter.store import search
from tests.browser.conftest import WIDTHS, Room
from tests.desk.months import a_month


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(room: Room, scheme: str, language: str) -> None:
    made = await a_month(room.world)
    await room.world.open(
        "yi",
        title="某省某市某县某镇某工业园区某化工企业三号车间反应釜爆燃" * 3,
        occurred="2026-11-23T13:00:00+08:00",
    )
    await room.world.pass_time(70)
    while await search.index_pending(room.world.database):
        pass
    page = await room.seat("leader", color_scheme=scheme, reduced_motion="reduce")
    case = f"/audit/cases/{made['slow']['id']}/initial?"
    for size, (width, height) in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": height})
        for path in (
            "/audit?",
            "/audit?mode=exercise&",
            "/audit?month=2025-01&",
            case,
            "/search?q=爆燃&",
            "/search?",
        ):
            await page.goto(f"{room.url}{path}lang={language}")

            found = await Axe().run(page)

            assert found.response["violations"] == [], (size, path, found.generate_report())
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, (size, path)


async def test_from_the_board_to_a_report_and_a_case_by_keyboard(room: Room) -> None:
    await a_month(room.world)
    while await search.index_pending(room.world.database):
        pass
    page = await room.seat("leader")

    await page.keyboard.press("/")
    await page.wait_for_url("**/search")
    await expect(page.locator("#q")).to_be_focused()
    await page.keyboard.type("扑灭")
    await page.keyboard.press("Enter")
    await expect(page.locator("mark").first).to_have_text("扑灭")
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("g")
    await page.keyboard.press("a")
    await page.wait_for_url("**/audit")
    await page.locator("details summary", has_text="逐项列出").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")

    await page.wait_for_url("**/audit/cases/**")
    await expect(page.locator("h1")).to_contain_text("核查：")


async def test_the_filter_works_without_a_script(room: Room) -> None:
    await a_month(room.world)
    page = await room.seat("auditor", size="phone", java_script_enabled=False)
    await page.goto(f"{room.url}/audit")

    await page.select_option("#kind", "late")
    await page.get_by_role("button", name="查看").click()

    assert "kind=late" in page.url
    await expect(page.locator(".cases tbody tr")).to_have_count(2)
    assert await page.locator("#kind").input_value() == "late"
