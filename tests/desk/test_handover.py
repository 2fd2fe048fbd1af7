"""Handing over a shift on its pages: frozen once, confirmed item by item, signed by three people."""

import json
import re
from hashlib import sha256

import httpx
import pytest
from sqlalchemy import text

from reporter.core.canonical import canonical
from tests.desk.conftest import Json, World
from tests.desk.shifts import PASSWORD, checked, cost, page, seat, staff

CHECKS = ("sound", "notification", "channel", "phone", "clock")
ALL_FINE = {f"check-{name}": "ok" for name in CHECKS}


@pytest.fixture
async def town(world: World) -> World:
    """The city, with one report overdue and the broker away."""
    await staff(world)
    await world.open(title="<仓库>起火", grade="II", occurred="2026-11-23T13:40:00+08:00")
    await world.pass_time(1)
    world.checks["nats"] = {"ok": False, "since": "2026-11-23T06:00:00Z"}
    return world


async def begun(browser: httpx.AsyncClient, unit: str = "city", key: str = "k") -> str:
    """The address of a handover that has begun."""
    answer = await browser.post("/handover", data={"unit": unit, "key": key})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).partition("?")[0]


async def frozen(browser: httpx.AsyncClient, at: str) -> tuple[bytes, Json]:
    answer = await browser.get(f"{at}/snapshot.json")
    assert answer.status_code == 200, answer.text
    return answer.content, json.loads(answer.content)


async def sign(
    browser: httpx.AsyncClient, at: str, part: str, login: str, password: str = PASSWORD
) -> httpx.Response:
    return await browser.post(f"{at}/signatures", data={"part": part, "login": login, "password": password})


def items(document: str) -> list[str]:
    return re.findall(r'name="item" value="([^"]+)"', document)


async def confirmed(browser: httpx.AsyncClient, at: str) -> None:
    """Everything that the incoming shift has to do before it signs."""
    found = items((await browser.get(at)).text)
    assert (await browser.post(f"{at}/confirmations", data={"item": found})).status_code == 303
    assert (await browser.post(f"{at}/checks", data=ALL_FINE)).status_code == 303


async def test_the_overview_says_who_hands_over_to_whom_and_when(town: World) -> None:
    found = await page(await seat(town, "zhangsan"), "/handover")

    assert "15:00:00</time> 的交接" in found
    assert "20:00:00" in found
    for name in ("张三", "赵六", "李四"):
        assert name in found
    assert 'href="tel:000-139"' in found


async def test_a_snapshot_holds_what_stood_and_never_changes(town: World) -> None:
    browser = await seat(town, "zhangsan")
    at = await begun(browser)
    content, document = await frozen(browser, at)
    before = await page(browser, at)

    await town.open(title="后来的")
    await town.pass_time(200)

    again, _ = await frozen(browser, at)
    after = await page(browser, at)
    assert again == content == canonical(document)
    assert sha256(content).hexdigest() in after
    assert "&lt;仓库&gt;起火" in before and "后来的" not in after
    assert "消息总线中断" in after
    assert document["counts"] | {"running": 0, "soon": 0, "unacknowledged": 0} == {
        "open": 1,
        "overdue": 1,
        "soon": 0,
        "running": 0,
        "unacknowledged": 0,
        "troubles": 1,
        "failed_notices": 0,
        "gaps": 2,
        "logged": 1,
        "late": 0,
    }
    assert items(before) == items(after) and len(items(after)) == 4


async def test_the_database_itself_refuses_to_change_a_handover(town: World) -> None:
    browser = await seat(town, "zhangsan")
    at = await begun(browser)
    async with town.database.transaction() as connection:
        await connection.execute(text("UPDATE handovers SET text = replace(text, '起火', '无事')"))

    found = await page(browser, at)

    # The tables of these tests have no triggers, so the tampering succeeds, and shows.
    assert "与其摘要不符" in found


async def test_three_people_sign_and_it_is_over(town: World) -> None:
    outgoing, incoming = await seat(town, "zhangsan"), await seat(town, "zhaoliu")
    at = await begun(outgoing)
    said = {"instructions": "市长：两小时内到现场\n再报", "equipment": "正常", "network": "备用线路已试"}
    assert (await outgoing.post(f"{at}/statements", data=said)).status_code == 303
    assert (await sign(outgoing, at, "outgoing", "zhangsan")).status_code == 303
    await confirmed(incoming, at)
    assert (await sign(incoming, at, "incoming", "zhaoliu")).status_code == 303
    # The leader signs at the same console, with name and password.
    assert (await sign(incoming, at, "leader", "lisi")).status_code == 303

    found = await page(incoming, at)
    assert "已交接" in found and "同一控制台签字" in found and "市长：两小时内到现场" in found
    assert "<form" not in found.partition("<main")[2].partition("</main>")[0]
    assert "赵六" in await page(incoming, "/handover")
    late = await incoming.post(f"{at}/statements", data={"instructions": "改"})
    assert late.status_code == 422 and "已交接完毕" in checked(late.text)
    async with town.database.snapshot() as connection:
        rows = (
            await connection.execute(text("SELECT text, hash FROM handover_entries ORDER BY number"))
        ).all()
    prev = sha256((await frozen(incoming, at))[0]).hexdigest()
    for row in rows:
        assert json.loads(row.text)["prev"] == prev
        prev = sha256(row.text.encode()).hexdigest()
        assert row.hash == prev


async def test_the_incoming_shift_signs_when_all_is_confirmed_and_tried(town: World) -> None:
    browser = await seat(town, "zhaoliu")
    at = await begun(browser)

    early = await sign(browser, at, "incoming", "zhaoliu")
    await browser.post(f"{at}/confirmations", data={"item": items((await browser.get(at)).text)})
    untried = await sign(browser, at, "incoming", "zhaoliu")

    assert early.status_code == 422 and "还有 4 项未确认" in checked(early.text)
    assert untried.status_code == 422 and "还有 5 项检查未做" in untried.text


async def test_what_failed_needs_a_word_and_what_was_typed_is_kept(town: World) -> None:
    browser = await seat(town, "zhaoliu")
    at = await begun(browser)

    refused = await browser.post(
        f"{at}/checks", data={"check-sound": "failed", "check-phone": "ok", "note-phone": "通"}
    )
    taken = await browser.post(f"{at}/checks", data={"check-sound": "failed", "note-sound": "音箱坏了"})

    assert (
        refused.status_code == 422 and "请写明情况" in checked(refused.text) and 'value="通"' in refused.text
    )
    assert taken.status_code == 303
    assert "音箱坏了" in await page(browser, at)


@pytest.mark.parametrize(
    ("part", "login", "password", "status", "word"),
    [
        ("outgoing", "zhangsan", "wrong", 401, "口令不对"),
        ("outgoing", "nobody", PASSWORD, 401, "口令不对"),
        ("outgoing", "jia", PASSWORD, 422, "不属于本单位"),
        ("outgoing", "auditor", PASSWORD, 422, "审计账号不能签字"),
        ("leader", "zhangsan", PASSWORD, 422, "领导账号"),
        ("leader", "lisi", PASSWORD, 422, "先签字"),
        ("boss", "lisi", PASSWORD, 422, "取值"),
    ],
)
async def test_who_may_not_sign(
    town: World, part: str, login: str, password: str, status: int, word: str
) -> None:
    browser = await seat(town, "zhangsan")
    at = await begun(browser)

    answer = await sign(browser, at, part, login, password)

    assert (answer.status_code, word in answer.text) == (status, True)
    assert PASSWORD not in answer.text
    checked(answer.text)


async def test_outgoing_and_incoming_are_two_people(town: World) -> None:
    browser = await seat(town, "zhangsan")
    at = await begun(browser)
    await confirmed(browser, at)
    assert (await sign(browser, at, "outgoing", "zhangsan")).status_code == 303

    answer = await sign(browser, at, "incoming", "zhangsan")

    assert answer.status_code == 422 and "不能是同一人" in answer.text


async def test_there_is_one_handover_of_a_unit_at_a_time(town: World) -> None:
    browser, other = await seat(town, "zhangsan"), await seat(town, "zhaoliu")

    first, again, theirs = await begun(browser), await begun(browser), await begun(other, key="other")
    assert first == again == theirs
    assert (await browser.post(f"{first}/cancellation", data={"reason": " "})).status_code == 422
    assert (await browser.post(f"{first}/cancellation", data={"reason": "误点"})).status_code == 303

    assert "误点" in await page(browser, first)
    assert await begun(browser, key="new") != first


async def test_a_unit_sees_its_own_handovers_only(town: World) -> None:
    city, county = await seat(town, "zhangsan"), await seat(town, "yi")
    at, own = await begun(city), await begun(county, "yi")

    assert (await county.get(at)).status_code == 404
    assert (await county.post("/handover", data={"unit": "city"})).status_code == 403
    assert (await (await seat(town, "jia")).get(own)).status_code == 404
    assert (await city.get(own)).status_code == 200


async def test_what_is_restricted_by_now_is_hidden_and_its_views_are_logged(town: World) -> None:
    incident = await town.open("yi-town", title="秘密的事")
    leader, county = await seat(town, "lisi"), await seat(town, "yi")
    at = await begun(county, "yi")
    assert "秘密的事" in await page(county, at)
    sent = {"restricted": True, "reason": "涉密"}
    done = await leader.put(f"/api/v1/incidents/{incident['id']}/restriction", json=sent)
    assert done.status_code == 200

    hidden = await page(county, at)
    seen = await page(leader, at)

    assert "秘密的事" not in hidden and "限制查看的事件" in hidden
    assert (await county.get(f"{at}/snapshot.json")).status_code == 403
    assert "秘密的事" in seen
    log = (await (await seat(town, "auditor")).get("/api/v1/desk-log?what=incident.viewed")).json()["items"]
    assert [line["details"]["page"] for line in log] == [f"GET {at}"] * 2


async def test_a_script_confirms_one_item_and_is_told_what_is_wrong(town: World) -> None:
    browser = await seat(town, "zhaoliu")
    at = await begun(browser)
    first = items((await browser.get(at)).text)[0]
    headers = {"Accept": "application/json"}

    done = await browser.post(f"{at}/confirmations", data={"item": first}, headers=headers)
    again = await browser.post(f"{at}/confirmations", data={"item": first}, headers=headers)
    unknown = await browser.post(f"{at}/confirmations", data={"item": "incident/none"}, headers=headers)

    assert (done.status_code, again.status_code, unknown.status_code) == (204, 204, 409)
    assert "没有这一项" in unknown.json()["message"]
    assert len(items((await browser.get(at)).text)) == 3


async def test_its_pages_cost_the_same_whatever_they_show(town: World) -> None:
    browser = await seat(town, "zhangsan")
    at = await begun(browser)
    few = [await cost(town, browser, path) for path in (at, "/handover")]
    await browser.post(f"{at}/cancellation", data={"reason": "多了"})
    for number in range(12):
        await town.open(title=f"第 {number} 起")
    again = await begun(browser, key="again")
    await begun(browser, "yi")

    assert [await cost(town, browser, path) for path in (again, "/handover")] == few
