"""A night at the board: it lives, it says when it does not, and hands on a keyboard are enough."""

import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.browser.conftest import Room

OVERDUE = "2026-11-23T13:40:00+08:00"
WIDE = ("phone", "desk", "wall")


async def furnish(room: Room) -> None:
    """One incident of each kind of trouble, some with too much to say and some with nothing."""
    await room.world.open(title="仓库起火", grade="II", occurred=OVERDUE, casualties={"dead": 1})
    await room.world.open(title="长" * 120, unit="jia", place={"text": "a" * 150}, grade="I", sensitive=True)
    await room.world.open(title="演练", mode="exercise", occurred=OVERDUE)
    late = await room.world.open(title="迟报的", occurred=OVERDUE)
    await room.world.pass_time(1)
    await room.world.post(late, "reports", covers=["detailed"], elements={"cause": "x"})


async def test_a_new_incident_appears_without_a_touch(room: Room) -> None:
    page = await room.seat()
    await expect(page.locator("#live")).to_contain_text("● 实时")
    await expect(page.locator("#none")).to_be_visible()

    await room.world.open(title="化工园区爆燃")

    await expect(page.locator(".incident h2")).to_have_text("化工园区爆燃")
    await expect(page.locator("#none")).to_be_hidden()


async def test_the_digits_run_on_the_server_s_clock(room: Room) -> None:
    await room.world.open()
    page = await room.seat()
    first = page.locator(".digits").first
    shown = await first.text_content()

    await expect(first).not_to_have_text(str(shown))

    assert re.fullmatch(r"1[45]:\d\d", str(shown))
    assert await first.get_attribute("aria-live") == "off"


async def test_a_breach_turns_the_clock_counts_the_title_and_is_spoken(room: Room) -> None:
    await room.world.open(title="爆燃")
    page = await room.seat()
    await expect(page.locator("#live")).to_contain_text("● 实时")

    await room.world.pass_time(16)

    await expect(page.locator(".clock.overdue .state").first).to_have_text("■ 超时")
    await expect(page).to_have_title(re.compile(r"^\(1超时\) "))
    await expect(page.locator("link[rel=icon]")).to_have_attribute("href", re.compile("^data:image/svg"))
    await expect(page.locator("#say")).to_contain_text("爆燃")
    await expect(page.locator("#calls")).to_contain_text("未签收告警")


async def test_two_officers_at_once_and_one_acknowledges_by_key(room: Room) -> None:
    await room.world.open(title="爆燃", occurred=OVERDUE)
    await room.world.pass_time(1)
    one = await room.seat()
    other = await room.seat("leader")
    await expect(other.locator(".btn-ack")).to_have_count(1)
    await expect(one.locator("#live")).to_contain_text("● 实时")

    await one.keyboard.press("a")

    await expect(one.locator(".btn-ack")).to_have_count(0)
    await expect(other.locator(".btn-ack")).to_have_count(0)
    await expect(other.locator("#calls")).to_be_empty()


async def test_an_alarm_sounds_once_the_watch_has_begun(room: Room) -> None:
    await room.world.open(title="爆燃")
    page = await room.seat()
    await expect(page.locator("#live")).to_contain_text("● 实时")
    await page.click("#watch")
    await expect(page.locator("#watch")).to_contain_text("值班中")

    await room.world.pass_time(16)
    await expect(page.locator("#calls")).to_contain_text("爆燃")

    heard = await page.evaluate("import('/static/watch.js').then((watch) => watch.sounds.played)")
    assert heard == ["test", 2]
    await page.keyboard.press("m")
    await expect(page.locator("#mute")).to_contain_text("静音 60 s")


async def test_the_board_says_when_nobody_feeds_it_any_more(room: Room) -> None:
    await room.world.open(title="爆燃")
    page = await room.seat()
    await page.clock.install()
    await page.reload()
    await expect(page.locator("#live")).to_contain_text("● 实时")
    await expect(page.locator("#stale")).to_be_hidden()

    room.world.app.state.hub.close()
    await page.clock.fast_forward(13_000)

    await expect(page.locator("#stale")).to_be_visible()
    await expect(page.locator("#stale")).to_contain_text(re.compile(r"数据已停更 1\d 秒，以电话为准"))
    await expect(page.locator("body")).to_have_class(re.compile("is-stale"))
    await expect(page.locator("#live")).to_contain_text("✖ 已停更")
    room.complaints.clear()  # that the stream was refused is what this is about


async def test_moving_and_opening_by_keyboard(room: Room) -> None:
    await furnish(room)
    page = await room.seat()

    for key, place in (("j", 0), ("j", 1), ("k", 0), ("k", 0)):
        await page.keyboard.press(key)
        await expect(page.locator(".incident h2 a").nth(place)).to_be_focused()
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_be_visible()
    await page.uncheck("#keys-off")
    await page.keyboard.press("Escape")
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("j")

    await expect(page.locator(".incident h2 a").first).not_to_be_focused()


async def test_the_focus_survives_a_change_of_its_card(room: Room) -> None:
    incident = await room.world.open(title="爆燃")
    page = await room.seat()
    await expect(page.locator("#live")).to_contain_text("● 实时")
    await page.keyboard.press("j")

    await room.world.post(incident, "reports", covers=["initial"])

    await expect(page.locator(".clock.on_time")).to_have_count(1)
    await expect(page.locator(".incident h2 a")).to_be_focused()


async def test_the_board_works_without_a_script(room: Room) -> None:
    await furnish(room)
    page = await room.seat(java_script_enabled=False)

    await expect(page.locator(".incident")).to_have_count(4)
    await expect(page.locator("#watch")).to_be_hidden()
    await expect(page.locator(".clock.overdue .digits").first).to_have_text("+6:00")
    assert await page.locator("noscript meta[http-equiv=refresh]").count() == 1
    await page.locator(".btn-ack").first.click()
    await expect(page.locator(".btn-ack")).to_have_count(1)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/?", "/?wall=1&", "/sign-in?"])
async def test_axe_finds_nothing(room: Room, path: str, scheme: str, language: str) -> None:
    await furnish(room)
    page = await room.seat(color_scheme=scheme, reduced_motion="reduce")
    for size in WIDE:
        width, height = {"phone": (390, 844), "desk": (1280, 800), "wall": (1920, 1080)}[size]
        await page.set_viewport_size({"width": width, "height": height})
        await page.goto(f"{room.url}{path}lang={language}")
        if "sign-in" not in path:
            await expect(page.locator("#live")).to_contain_text("●")

        found = await Axe().run(page)

        assert found.response["violations"] == [], found.generate_report()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_nine_incidents_fit_the_wall(room: Room) -> None:
    for number in range(9):
        await room.world.open(title=f"第 {number} 起", occurred=OVERDUE)
    await room.world.pass_time(1)
    page = await room.seat(size="wall")
    await page.goto(f"{room.url}/?wall=1")
    await expect(page.locator("#live")).to_contain_text("●")

    assert await page.evaluate("document.documentElement.scrollHeight") <= 1080
    digits = await page.locator(".digits").first.evaluate(
        "each => parseFloat(getComputedStyle(each).fontSize)"
    )
    assert digits >= 32  # 1/200 of four metres on a 55-inch screen
