"""A shift changes hands in a real browser, by keyboard, without script, on a phone and on paper."""

import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.conftest import Room
from tests.desk.shifts import PASSWORD, staff

PAGES = (
    "/handover",
    "/handover/1",
    "/roster",
    "/roster/week",
    "/roster/changes?kind=override",
    "/roster/roll-calls",
    "/roster/settings",
    "/roster/units",
)


@pytest.fixture
async def desk(room: Room) -> Room:
    """The city with its people, and incidents with much and with little to say."""
    await staff(room.world)
    await room.world.open(title="仓库起火", grade="II", occurred="2026-11-23T13:40:00+08:00")
    await room.world.open(title="长" * 120, unit="jia", place={"text": "a" * 150}, grade="I")
    await room.world.pass_time(16)
    return room


async def begin(page: Page, room: Room) -> None:
    await page.goto(f"{room.url}/handover")
    await page.click("text=冻结快照")
    await page.wait_for_selector("#items")


async def sign(page: Page, part: str, login: str) -> None:
    await page.fill(f"#login-{part}", login)
    await page.fill(f"#password-{part}", PASSWORD)
    await page.press(f"#password-{part}", "Enter")
    await expect(page.locator(f"#sign-{part} .signed")).to_be_visible()


async def test_a_shift_is_handed_over_by_keyboard_and_prints_on_one_page(desk: Room) -> None:
    page = await desk.enter("zhaoliu")
    await begin(page, desk)
    count = await page.locator("input.tick").count()

    for left in range(count - 1, -1, -1):
        await page.keyboard.press("Space")
        await expect(page.locator("#left")).to_have_text(f"还有 {left} 项未确认" if left else "已全部确认")
    await page.click("[data-try=clock]")
    # This world's time stands still, so this computer's clock is wrong by whatever it is now, and that is said.
    await expect(page.locator("[name=check-clock][value=failed]")).to_be_checked()
    await expect(page.locator("[name=note-clock]")).to_have_value(re.compile(r"^本机[快慢] \d+\.\d s$"))
    await page.click("[data-try=sound]")
    await expect(page.locator("[name=note-sound]")).not_to_have_value("")
    for name in ("sound", "notification", "channel", "phone"):
        await page.check(f"[name=check-{name}][value=ok]")
    await page.click("text=保存检查结果")
    await sign(page, "outgoing", "zhangsan")
    await sign(page, "incoming", "zhaoliu")
    await sign(page, "leader", "lisi")

    await expect(page.locator("h1 + .chip")).to_have_text("已交接")
    printed = await page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


async def test_it_goes_without_script_too(desk: Room) -> None:
    page = await desk.enter("zhaoliu", java_script_enabled=False)
    await begin(page, desk)

    for box in await page.locator("input.tick").all():
        await box.check()
    await page.click("text=确认勾选的项")

    await expect(page.locator("#left")).to_have_text("已全部确认")
    await expect(page.locator("[data-try]").first).to_be_hidden()


@pytest.mark.parametrize("size", ["phone", "desk"])
async def test_every_page_fits_and_has_no_violation(desk: Room, size: str) -> None:
    page = await desk.enter("admin", size)
    await begin(page, desk)
    found = []
    for path in PAGES:
        for language in ("zh", "en"):
            await page.goto(f"{desk.url}{path}{'&' if '?' in path else '?'}lang={language}")
            answer = await Axe().run(page)
            wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if answer.violations_count or wide > 0:
                found.append((path, language, wide, answer.generate_report()))

    assert found == []
