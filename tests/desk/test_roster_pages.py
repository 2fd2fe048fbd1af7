"""The roster's pages: on duty, the week, changes, roll-calls, files, links, units."""

import re
from dataclasses import replace

import pytest

from reporter.channels import close_channels, load_channels
from reporter.desk.app import create_app
from reporter.settings import Settings
from tests.desk.conftest import World
from tests.desk.shifts import checked, cost, page, seat, staff

DAY = {"starts": "2026-11-23T08:00", "ends": "2026-11-23T20:00"}
AWAY = {
    "kind": "absence",
    "unit": "yi",
    "person": "王五",
    "taker": "牛七",
    "phone": "000-77",
    "reason": "病假",
} | DAY
GOOD = """unit,role,starts,ends,person,phone,channels
yi,duty_officer,2026-11-23T20:00:00+08:00,2026-12-24T08:00:00+08:00,马八,000-140,desk
"""
BAD = f"""{GOOD}yi,boss,2026-11-23T20:00:00+08:00,soon,马八,,desk
nowhere,leader,2026-11-23T20:00:00+08:00,2026-11-24T20:00:00+08:00,马八,,desk
"""


@pytest.fixture
async def town(world: World) -> World:
    """The city with its people."""
    await staff(world)
    return world


async def test_it_shows_who_is_on_duty_with_phones_and_the_gaps_of_the_week(town: World) -> None:
    found = await page(await seat(town, "zhangsan"), "/roster")

    assert 'href="tel:000-138"' in found and "王五" in found
    assert re.search(r"▲ 11-23 20:00:00.*?乙县.*?值班员", found, re.S)
    assert "没有值班表：" in found and "甲县 （值班员、带班领导）" in found
    assert "15:00:00" in found  # the next handover


async def test_a_deputy_is_named_with_whom_they_stand_in_for(town: World) -> None:
    browser = await seat(town, "zhangsan")

    assert (await browser.post("/roster/changes", data=AWAY)).status_code == 303

    found = await page(browser, "/roster?unit=yi")
    assert "牛七" in found and "王五 请假，代班" in found and 'href="tel:000-77"' in found
    assert "张三" not in found.partition("<main")[2]


async def test_the_week_shows_each_day_and_what_nobody_covers(town: World) -> None:
    found = await page(await seat(town, "zhangsan"), "/roster/week?unit=city")

    assert "11-23 一 · 今天" in found and "11-29 日" in found
    assert re.search(r"08:00–15:00</span>\s*<span class=\"person\"><b>张三", found)
    assert "✖ 空档" in found
    assert "11-30" in await page(await seat(town, "lisi"), "/roster/week?from=2026-11-30")
    for odd in ("from=2026-13-40", "from=0001-01-01", "page=999", "page=x"):
        await page(await seat(town, "zhangsan"), f"/roster/week?{odd}")


async def test_a_change_is_refused_beside_its_field_and_what_was_typed_is_kept(town: World) -> None:
    browser = await seat(town, "zhangsan")

    answer = await browser.post(
        "/roster/changes", data=AWAY | {"kind": "swap", "role": "duty_officer", "person": "<甲>"}
    )

    text = checked(answer.text)
    assert answer.status_code == 422
    assert "不值班" in text and 'value="&lt;甲&gt;"' in text and 'value="2026-11-23T08:00"' in text
    assert "必填" in checked((await browser.post("/roster/changes", data=AWAY | {"reason": ""})).text)
    empty = await browser.post("/roster/changes", data={"unit": "yi"})
    assert empty.status_code == 422 and "请填日期和时间" in empty.text


async def test_a_change_is_recorded_once_and_cancelled_with_a_reason(town: World) -> None:
    browser = await seat(town, "zhangsan")
    for _ in range(2):
        assert (await browser.post("/roster/changes", data=AWAY | {"key": "k"})).status_code == 303

    found = await page(browser, "/roster/changes?unit=yi")
    [number] = re.findall(r"/roster/changes/(\d+)/cancellation", found)
    assert (
        await browser.post(f"/roster/changes/{number}/cancellation", data={"reason": ""})
    ).status_code == 422
    assert (
        await browser.post(f"/roster/changes/{number}/cancellation", data={"reason": "病愈"})
    ).status_code == 303
    assert "病愈" in await page(browser, "/roster/changes")
    assert (await (await seat(town, "jia")).post(f"/roster/changes/{number}/cancellation")).status_code == 404


async def test_a_gap_is_filled_from_where_it_is_shown(town: World) -> None:
    browser = await seat(town, "zhangsan")
    found = await page(browser, "/roster")
    link = re.search(r'href="(/roster/changes\?unit=yi&amp;kind=override[^"#]*)', found)
    assert link is not None

    form = await page(browser, link.group(1).replace("&amp;", "&"))

    assert 'value="override" required checked' in form and 'value="2026-11-23T20:00"' in form


async def test_a_roll_call_is_picked_called_and_written_down(town: World) -> None:
    browser = await seat(town, "zhangsan")

    picked = await browser.post("/roster/roll-calls/pick", data={})
    assert picked.headers["location"] == "/roster/roll-calls?unit=yi&role=duty_officer&lang=zh#new"
    form = await page(browser, "/roster/roll-calls?unit=yi&role=duty_officer")
    assert 'href="tel:000-136"' in form
    call = {
        "unit": "yi",
        "role": "duty_officer",
        "answered": "yes",
        "answered_by": "路人",
        "seconds": "9",
        "key": "k",
    }
    refused = await browser.post(
        "/roster/roll-calls", data=call | {"seconds": "soon", "called_at": "2030-01-01T00:00"}
    )
    assert refused.status_code == 422 and "不能在将来" in checked(refused.text) and "路人" in refused.text
    for _ in range(2):
        assert (await browser.post("/roster/roll-calls", data=call)).status_code == 303
    nobody = {"unit": "yi", "answered": "no", "answered_by": "路人", "note": "响了一分钟"}
    assert (await browser.post("/roster/roll-calls", data=nobody)).status_code == 303

    found = await page(browser, "/roster/roll-calls")
    assert found.count("与名册不符") == 1 and "响了一分钟" in found and "✖ 无人应答" in found


async def test_a_file_is_taken_whole_or_not_at_all_and_every_bad_line_is_named(town: World) -> None:
    browser = await seat(town, "zhangsan")

    bad = await browser.post(
        "/roster/settings/import", data={"unit": "yi"}, files={"file": ("名册.csv", BAD.encode("gb18030"))}
    )
    assert "马八" not in await page(browser, "/roster/week?unit=yi")
    good = await browser.post(
        "/roster/settings/import", data={"unit": "yi"}, files={"file": ("a.CSV", GOOD.encode())}
    )

    assert bad.status_code == 422 and "什么都没有改动" in checked(bad.text)
    assert '<td class="num">3</td>' in bad.text and '<td class="num">4</td>' in bad.text
    assert good.status_code == 200 and "已导入 1 个班次" in checked(good.text)
    assert "马八" in await page(browser, "/roster/week?unit=yi")


async def test_an_address_that_can_never_work_is_warned_of_after_the_import(town: World) -> None:
    channels = load_channels(Settings())
    town.app = create_app(replace(town.services, channels=channels))
    browser = await seat(town, "zhangsan")
    content = GOOD.replace(",desk", ",desk|webhook:opps|https://h.example/hidden|sms:138")

    answer = await browser.post("/roster/settings/import", files={"file": ("a.csv", content.encode())})
    await close_channels(channels.values())

    assert answer.status_code == 200 and "已导入 1 个班次" in checked(answer.text)
    warned = re.findall(r"<li>第 2 行：(.*?)；", answer.text)
    assert warned == [
        "webhook:opps: no account [channels.webhook.opps] in the settings",
        "sms:138: there is no such channel here",
    ]
    assert "马八 只能由值班台通知" in answer.text


@pytest.mark.parametrize(
    "files", [None, {"file": ("a.exe", b"x")}, {"other": ("a.csv", b"x")}, {"file": ("a.xlsx", b"x")}]
)
async def test_what_is_no_roster_is_refused(town: World, files: dict[str, tuple[str, bytes]] | None) -> None:
    browser = await seat(town, "zhangsan")

    answer = await browser.post("/roster/settings/import", data={"unit": "yi"}, files=files)

    assert answer.status_code == 422
    checked(answer.text)


async def test_a_file_holds_only_one_s_own_units(town: World) -> None:
    browser = await seat(town, "jia")

    answer = await browser.post("/roster/settings/import", files={"file": ("a.csv", GOOD.encode())})

    assert answer.status_code == 422 and "is not within yours" in answer.text
    assert "马八" not in await page(await seat(town, "zhangsan"), "/roster/week?unit=yi")


async def test_a_calendar_link_is_shown_once_and_ends_when_revoked(town: World) -> None:
    browser = await seat(town, "zhangsan")

    made = await browser.post("/roster/settings/links", data={"unit": "city", "name": "张三的手机"})

    [link] = re.findall(r"<code>(http[^<]*\.ics)</code>", checked(made.text))
    assert "张三" in (await browser.get(link)).text
    after = await page(browser, "/roster/settings?unit=city")
    assert "张三的手机" in after and ".ics" not in after.partition("<main")[2].replace(
        'accept=".csv,.xlsx,.ics"', ""
    )
    [number] = re.findall(r"links/(\d+)/revocation", after)
    assert (
        await (await seat(town, "jia")).post(f"/roster/settings/links/{number}/revocation")
    ).status_code == 404
    assert (await browser.post(f"/roster/settings/links/{number}/revocation")).status_code == 303
    assert (await browser.get(link)).status_code == 404


async def test_handover_times_are_set_and_bad_ones_refused(town: World) -> None:
    browser = await seat(town, "zhangsan")

    refused = await browser.post("/roster/settings/times", data={"unit": "yi", "times": "八点"})
    taken = await browser.post("/roster/settings/times", data={"unit": "yi", "times": "20:30，08:30"})

    assert refused.status_code == 422 and "HH:MM" in checked(refused.text) and "八点" in refused.text
    assert taken.status_code == 303
    assert "20:30:00" in await page(browser, "/roster?unit=yi")


async def test_units_are_listed_for_administrators_and_nobody_sees_those_of_others(town: World) -> None:
    assert "yi-town" in await page(await seat(town, "admin"), "/roster/units")
    county = await seat(town, "yi")

    for path in ("/roster", "/roster/week", "/roster/changes", "/roster/roll-calls"):
        found = (await page(county, path)).partition("<main")[2]
        assert "甲县" not in found and "乙县" in found
        assert (await county.get(f"{path}?unit=jia")).status_code == 404
        assert (await county.get(f"{path}?unit=nowhere")).status_code == 404


async def test_the_pages_cost_the_same_for_one_unit_as_for_all(town: World) -> None:
    browser = await seat(town, "zhangsan")

    for path in ("/roster", "/roster/week", "/roster/changes", "/roster/roll-calls", "/roster/settings"):
        one, every = [await cost(town, browser, f"{path}?unit={unit}") for unit in ("yi-town", "city")]
        assert one == every
