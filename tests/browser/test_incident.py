"""Logging and reporting with hands on a keyboard, with the network gone, and an incident's page that keeps up."""

import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.conftest import Room

LINE = "乙县 化工园区爆燃 死3伤11 重大 14:00"


async def fill_line(page: Page, line: str = LINE) -> None:
    """Types the line and waits until the server has read it."""
    await page.fill("#line", line)
    await expect(page.locator(f'#read[data-line="{line}"]')).to_be_attached()


async def test_an_incident_is_logged_by_keyboard_alone(room: Room) -> None:
    page = await room.seat()

    await page.keyboard.press("n")
    await expect(page.locator("#line")).to_be_focused()
    await fill_line(page)
    await expect(page.locator("#title")).to_have_value("化工园区爆燃")
    await expect(page.locator("#unit")).to_have_value("yi")
    await expect(page.locator("#grade")).to_have_value("II")
    await expect(page.locator("#reading")).to_contain_text("11-23 14:20:00")
    await page.keyboard.press("Enter")
    await expect(page.locator("#send")).to_be_focused()
    await page.keyboard.press("Enter")

    await expect(page).to_have_url(re.compile(r"/incidents/[0-9a-f-]{36}\?"))
    await expect(page.locator("h1")).to_have_text("化工园区爆燃")


async def test_fields_follow_the_line_until_somebody_touches_them(room: Room) -> None:
    page = await room.seat()
    await page.goto(f"{room.url}/log")
    await fill_line(page)
    await page.fill("#title", "仓库爆燃")

    await fill_line(page, "甲县 化工园区爆燃 较大 13:50")

    await expect(page.locator("#title")).to_have_value("仓库爆燃")
    await expect(page.locator("#unit")).to_have_value("jia")
    await expect(page.locator("#grade")).to_have_value("III")
    await expect(page.locator("#c_dead")).to_have_value("")
    await expect(page.locator("#reading")).to_contain_text("11-23 14:10:00")


async def test_what_the_network_could_not_take_waits_and_is_delivered_once(room: Room) -> None:
    page = await room.seat()
    await page.goto(f"{room.url}/log")
    await fill_line(page)
    await page.context.set_offline(True)

    await page.click("#send")

    await expect(page.locator("#unsent-forms")).to_contain_text("待发送 1")
    await page.context.set_offline(False)
    await page.goto(f"{room.url}/roster")  # whatever page is open next delivers it
    await expect(page.locator("#unsent-forms")).to_contain_text("已送达")
    items = (await (await room.world.client()).get("/api/v1/incidents")).json()["items"]
    assert [each["title"] for each in items] == ["化工园区爆燃"]
    assert await page.evaluate("localStorage.getItem('reporter.unsent')") is None
    room.complaints.clear()  # that the network was gone is what this is about


async def test_a_refused_form_keeps_what_was_typed_and_goes_to_the_mistake(room: Room) -> None:
    page = await room.seat()
    await page.goto(f"{room.url}/log")
    await page.fill("#title", "起火")
    await page.fill("#c_dead", "x")

    await page.keyboard.press("Control+Enter")

    await expect(page.locator("#c_dead")).to_be_focused()
    await expect(page.locator("#title")).to_have_value("起火")
    await page.fill("#c_dead", "2")
    await page.keyboard.press("Control+Enter")
    await expect(page).to_have_url(re.compile(r"/incidents/"))
    room.complaints.clear()  # the console names the 422


async def test_the_page_keeps_up_and_leaves_what_one_types_alone(room: Room) -> None:
    incident = await room.world.open()
    page = await room.seat()
    await page.goto(f"{room.url}/incidents/{incident['id']}?do=report:detailed")
    await page.fill("#text", "写到一半")
    await page.fill("[name=t_cause]", "静电")
    await expect(page.locator("#declared")).to_have_text("1/7")

    await room.world.post(incident, "reports", covers=["initial"], form="phone", text="电话里说的")

    await expect(page.locator("#more")).to_contain_text("电话里说的")
    await expect(page.locator("#live .clock.on_time")).to_have_count(1)
    await expect(page.locator("#text")).to_have_value("写到一半")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".banner-ok")).to_contain_text("已收到：书面报告")


async def test_all_of_it_works_without_script(room: Room) -> None:
    seated = await room.seat()
    cookies = await seated.context.cookies()
    context = await room.browser.new_context(java_script_enabled=False)
    room.exits.push_async_callback(context.close)
    await context.add_cookies(cookies)  # type: ignore[arg-type]
    page = await context.new_page()

    await page.goto(f"{room.url}/log")
    await page.fill("#line", LINE)
    await page.press("#line", "Enter")
    await page.fill("#text", "电话报告")
    await page.click("#act button")

    await expect(page.locator(".banner-ok")).to_contain_text("已收到")


@pytest.mark.parametrize("size", ["phone", "desk"])
async def test_axe_finds_nothing_and_nothing_sticks_out(room: Room, size: str) -> None:
    incident = await room.world.open(title="长" * 120, grade="I", place={"text": "a" * 150})
    await room.world.pass_time(20)
    page = await room.seat(size=size)

    for language in ("zh", "en"):
        for path in (
            "log",
            "incidents/{}",
            "incidents/{}?do=amendments",
            "incidents/{}/card",
            "incidents/{}/duty-report",
        ):
            address = path.format(incident["id"])
            await page.goto(f"{room.url}/{address}{'&' if '?' in address else '?'}lang={language}")
            found = await Axe().run(page)
            assert found.response["violations"] == [], address
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
