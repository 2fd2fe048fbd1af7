"""The night of one incident, from the watch's beginning to the audit, on every size of screen; and every page, looked
at by axe in both languages, light and dark.
"""

import asyncio
import re
from datetime import timedelta

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from reporter.desk.pages import find_pages
from reporter.store import setup
from tests.browser.conftest import WIDTHS, Room
from tests.desk.conftest import Json
from tests.desk.shifts import staff
from tests.desk.test_acknowledge_page import link

LINE = "乙县 化工园区爆燃 死3伤11 重大 14:00"
TABS_MAX = 40
UNSEEN = (
    "/a/{token}",
    "/audit/table.csv",
    "/audit/cases.csv",
    "/changes",
    "/desk-log.csv",
    "/events",
    "/handover/clock",
    "/handover/{number}/snapshot.json",
    "/incidents/{incident_id}/attachments/{digest}",
    "/incidents/{incident_id}/live",
    "/log/reading",
    "/setup",
)
"""Routes that are no page, or that are looked at by an address of their own."""


@pytest.fixture
async def desk(room: Room) -> Room:
    """The city with its people on the roster, and their accounts."""
    await staff(room.world)
    return room


async def reach(page: Page, selector: str) -> None:
    """Goes there with the Tab key alone."""
    for _ in range(TABS_MAX):
        if await page.evaluate("selector => document.activeElement?.matches(selector)", selector):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab never came to {selector}")


async def live(page: Page) -> Page:
    """The board, once its stream runs."""
    await expect(page.locator("#live")).to_contain_text("● 实时")
    return page


async def begin(page: Page, address: str) -> None:
    """Opens one form of an incident and waits until its script has it."""
    await page.goto(address)
    await expect(page.locator("#act")).to_be_visible()


async def test_the_night_of_one_incident(desk: Room) -> None:
    world = desk.world
    officer = await live(await desk.enter("zhangsan"))
    phone = await live(await desk.enter("zhaoliu", "phone"))
    wall = await desk.enter("admin", "wall")
    await wall.goto(f"{desk.url}/?wall=1")
    await live(wall)
    boards = (officer, phone, wall)

    # The watch begins, and the incident is logged, with hands on the keyboard.
    await reach(officer, "#watch")
    await officer.keyboard.press("Enter")
    await expect(officer.locator("#watch")).to_contain_text("值班中")
    await officer.evaluate("document.activeElement.blur()")
    await officer.keyboard.press("n")
    await expect(officer.locator("#line")).to_be_focused()
    await officer.keyboard.type(LINE)
    await expect(officer.locator(f'#read[data-line="{LINE}"]')).to_be_attached()
    await officer.keyboard.press("Enter")
    await expect(officer.locator("#send")).to_be_focused()
    await officer.keyboard.press("Enter")
    await expect(officer.locator("h1")).to_have_text("化工园区爆燃")
    address = officer.url.partition("?")[0]
    for page in (phone, wall):
        await expect(page.locator(".incident h2 a")).to_have_text("化工园区爆燃")
        await expect(page.locator(".clock")).to_have_count(3)
        await expect(page.locator(".clock .state").first).to_have_text("● 计时")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await officer.evaluate("document.activeElement.blur()")
    await officer.keyboard.press("g")
    await officer.keyboard.press("b")
    await live(officer)
    await expect(officer.locator("#watch")).to_be_visible()

    # The county files its initial report from a session of its own.
    county = await live(await desk.enter("yi", "phone"))
    await world.pass_time(4)
    await county.keyboard.press("j")
    await county.keyboard.press("Enter")
    await county.wait_for_url("**/incidents/**")
    await county.fill("#text", "现场有明火，消防已到场")
    await county.keyboard.press("Control+Enter")
    await expect(county.locator(".banner-ok")).to_contain_text("已收到：电话报告")
    for page in boards:
        await expect(page.locator(".clock.on_time .state")).to_contain_text("✔ 按时")

    # Two officers work on it at once: both commands count, and nobody's typing is lost.
    one, two = await desk.enter("zhangsan"), await desk.enter("zhaoliu")
    await begin(one, f"{address}?do=amendments")
    await begin(two, f"{address}?do=explanations")
    await one.fill("#c_dead", "4")
    await one.fill("#reason", "医院核实")
    await two.fill("#reason", "乙县通信中断")
    await one.keyboard.press("Control+Enter")
    await expect(one.locator(".banner-ok")).to_be_visible()
    await expect(two.locator("#more")).to_contain_text("医院核实")
    await expect(two.locator("#reason")).to_have_value("乙县通信中断")
    await begin(one, f"{address}?do=amendments")
    await one.fill("#place", "3号库")
    await one.fill("#reason", "现场报告")
    await asyncio.gather(one.keyboard.press("Control+Enter"), two.keyboard.press("Control+Enter"))
    for page in (one, two):
        await expect(page.locator(".banner-ok")).to_be_visible()
        for words in ("医院核实", "现场报告", "乙县通信中断"):
            await expect(page.locator("#more")).to_contain_text(words)

    # A deadline passes, and the boards say so.
    await world.pass_time(52)
    for page in boards:
        await expect(page.locator(".clock.overdue .state").first).to_have_text("■ 超时")
        await expect(page.locator("#calls")).to_contain_text("化工园区爆燃")
    await expect(officer).to_have_title(re.compile(r"^\(1超时\) "))
    incident = await _incident(desk)

    # A leader acknowledges with a thumb: the calling ends, the clock does not.
    leader = await live(await desk.enter("lisi", "phone"))
    box = await leader.locator(".btn-ack").bounding_box()
    assert box is not None and box["height"] >= 56
    await leader.click(".btn-ack")
    for page in (*boards, leader):
        await expect(page.locator("#calls")).to_be_empty()
        await expect(page.locator(".clock.overdue")).to_have_count(1)

    # The written report comes late; the detailed one never, and the case is closed.
    await world.pass_time(5)
    await begin(county, f"{address}?do=report:verified")
    await county.fill("#text", "明火已扑灭，伤亡已核实")
    await county.keyboard.press("Control+Enter")
    await expect(county.locator(".banner-ok")).to_contain_text("已收到：书面报告")
    for page in boards:
        await expect(page.locator(".clock.late .state")).to_contain_text("迟报")
    await world.pass_time(60)
    await begin(one, f"{address}?do=closure")
    await one.fill("#reason", "处置结束")
    await one.check("#confirm")
    await one.keyboard.press("Control+Enter")
    await expect(one.locator("#live")).to_contain_text("事件已结")
    for page in boards:
        await expect(page.locator("#none")).to_be_visible()

    # The audit has one of each verdict, and each opens its evidence.
    auditor = await desk.enter("auditor")
    await auditor.keyboard.press("g")
    await auditor.keyboard.press("a")
    await auditor.wait_for_url("**/audit")
    await expect(auditor.locator(".cases tbody tr")).to_have_count(2)
    await expect(auditor.locator(".cases")).to_contain_text("迟报")
    await expect(auditor.locator(".cases")).to_contain_text("未报")
    await auditor.goto(f"{desk.url}/audit/cases/{incident['id']}/verified")
    await expect(auditor.locator("main")).to_contain_text("明火已扑灭")
    await expect(auditor.locator("main")).to_contain_text("完整：刚刚逐行重算了本事件台账")


async def _incident(desk: Room) -> Json:
    items = (await (await desk.world.client()).get("/api/v1/incidents")).json()["items"]
    assert len(items) == 1
    return dict(items[0])


@pytest.mark.parametrize(("scheme", "size", "language"), [("dark", "phone", "zh"), ("light", "desk", "en")])
async def test_every_page_stands_before_axe(desk: Room, scheme: str, size: str, language: str) -> None:
    world = desk.world
    incident = await world.open(title="长" * 120, unit="yi", place={"text": "a" * 150}, grade="I")
    await world.pass_time(40)
    await world.post(incident, "reports", covers=["initial"], form="phone", text="b" * 300)
    notices = (await (await world.client()).get(f"/api/v1/incidents/{incident['id']}")).json()["notices"]
    mine = next(each for each in notices if each["person"] == "王五")
    async with world.database.transaction() as connection:
        key = await setup.offer(connection, world.time.now())
    page = await desk.enter("admin", size, color_scheme=scheme, reduced_motion="reduce")
    await page.goto(f"{desk.url}/handover")
    await page.click("text=冻结快照")
    await page.wait_for_selector("#items")
    routes = {each.route for each in find_pages() if each.method == "GET"}
    assert routes.issuperset(UNSEEN)
    known = {"incident_id": incident["id"], "obligation": "initial", "number": 1}
    addresses = [route.format_map(known) for route in sorted(routes.difference(UNSEEN))]
    addresses += [await link(world, mine["id"]), f"/setup?key={key}", "/nowhere", "/audit?month=13"]
    addresses += [
        f"/incidents/{incident['id']}?do={form}" for form in ("amendments", "closure", "restriction")
    ]

    found = []
    for address in addresses:
        separator = "&" if "?" in address else "?"
        await page.goto(f"{desk.url}{address}{separator}lang={language}")
        answer = await Axe().run(page)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        moving = await page.evaluate("document.getAnimations().length")
        headings = await page.locator("h1").count()
        if answer.violations_count or wide > WIDTHS[size][0] or moving or headings != 1:
            found.append((address, wide, moving, headings, answer.generate_report()))

    assert found == []


@pytest.mark.parametrize("paper", ["card", "duty-report"])
async def test_a_paper_of_an_incident_is_one_page(desk: Room, paper: str) -> None:
    incident = await desk.world.open(title="化工园区爆燃", grade="II", place={"text": "3号库"})
    await desk.world.pass_time(20)
    page = await desk.enter("zhangsan", color_scheme="dark")
    await page.goto(f"{desk.url}/incidents/{incident['id']}/{paper}")

    printed = await page.pdf(format="A4")
    await page.emulate_media(media="print")
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    assert ground in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
    await expect(page.locator(".top")).to_be_hidden()


async def test_the_stream_s_death_is_seen_on_the_phone_and_on_the_wall(desk: Room) -> None:
    await desk.world.open(title="爆燃", occurred=(desk.world.time.now() - timedelta(minutes=5)).isoformat())
    pages = [await desk.enter("zhangsan", "phone"), await desk.enter("zhaoliu", "wall")]
    await pages[1].goto(f"{desk.url}/?wall=1")
    for page in pages:
        await page.clock.install()
        await page.reload()
        await live(page)

    desk.world.app.state.hub.close()

    for page in pages:
        await page.clock.fast_forward(13_000)
        await expect(page.locator("#stale")).to_be_in_viewport()
        await expect(page.locator("#stale")).to_contain_text("以电话为准")
        await expect(page.locator("#live")).to_contain_text("✖ 已停更")
