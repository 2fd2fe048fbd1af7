"""An incident's page: what it shows, what its forms do, and what they say when something is missing."""

import re
from datetime import timedelta

import httpx
import pytest

from tests.desk.boards import counted
from tests.desk.conftest import Json, World
from tests.desk.people import at_the_desk
from tests.desk.test_pages import Page, signed_in


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


async def post(browser: httpx.AsyncClient, incident: Json, path: str, **fields: object) -> httpx.Response:
    """One form of the incident's page, with a key of its own."""
    return await browser.post(f"/incidents/{incident['id']}/{path}", data={"key": f"k-{path}", **fields})


async def shown(browser: httpx.AsyncClient, incident: Json, **query: str) -> str:
    """The page, which has to be sound."""
    answer = await browser.get(f"/incidents/{incident['id']}", params=query)
    assert answer.status_code == 200
    Page(answer.text)
    return answer.text


async def api(world: World, incident: Json) -> Json:
    return dict((await (await world.client()).get(f"/api/v1/incidents/{incident['id']}")).json())


async def test_facts_show_what_they_were_and_who_changed_them(world: World) -> None:
    incident = await world.open(grade="III", title="<爆燃>")
    await world.post(incident, "amendments", reason="家属核实", grade="II")
    browser = await signed_in(world)

    page = await shown(browser, incident)

    assert "&lt;爆燃&gt;" in page
    assert "改过 1 次" in page
    assert re.search(r"Ⅲ级 较大", page)
    assert "<q>家属核实</q>" in page


async def test_the_chart_is_drawn_on_the_server_with_its_table_below(world: World) -> None:
    incident = await world.open()
    await world.pass_time(17)
    await world.post(incident, "reports", covers=["initial"], form="phone")
    browser = await signed_in(world)

    page = await shown(browser, incident)

    assert '<svg class="chart"' in page
    assert '<title id="chart-title">' in page
    assert '<desc id="chart-desc">初报: 迟报, 时限 11-23 14:20:00, 接报 11-23 14:22:00' in page
    assert page.index('<svg class="chart"') < page.index('class="table clock-table"')
    assert "+2:00" in page


async def test_the_story_links_each_sentence_to_its_line(world: World) -> None:
    incident = await world.open()
    await world.pass_time(17)
    browser = await signed_in(world)

    page = await shown(browser, incident, lang="en")

    assert 'id="line-1"' in page
    assert "The initial report is overdue: no report by 11-23 14:20:00" in plain(page)
    assert f'href="/api/v1/incidents/{incident["id"]}/ledger"' in page


async def test_notices_are_shown_with_their_receipts(world: World) -> None:
    incident = await world.open()
    await world.pass_time(17)
    browser = await signed_in(world)

    page = plain(await shown(browser, incident))

    assert "超时 · 初报 到时限" in page
    assert "✖ 无人值班 报送单位值班员 值班台 ● 待发 无人值班" in page


async def test_a_phone_report_with_its_call_is_filed_and_receipted(world: World) -> None:
    incident = await world.open()
    browser = await signed_in(world)

    answer = await post(
        browser,
        incident,
        "reports",
        of="initial",
        form="phone",
        caller="王五",
        answered_by="李四",
        phone="1",
        text="爆燃",
    )

    assert answer.status_code == 303
    report = (await api(world, incident))["reports"][0]
    assert answer.headers["location"].endswith(f"done={report['id']}")
    page = await shown(browser, incident, done=report["id"])
    assert f"已收到：电话报告， 2026-11-23 14:05:00，编号 {report['id']}" in plain(page)
    assert "来电人 王五" in plain(page)
    assert (await api(world, incident))["clocks"][0]["verdict"] == "on_time"


async def test_elements_are_declared_as_text_pending_or_none(world: World) -> None:
    incident = await world.open()
    browser = await signed_in(world)

    await post(
        browser,
        incident,
        "reports",
        of="detailed",
        form="written",
        e_cause="text",
        t_cause="静电",
        e_impact="pending",
        t_impact="等监测",
        e_opinion="none",
        e_background="",
        t_background="未选但写了",
        e_response="pending",
        t_response="",
    )

    found = await api(world, incident)
    assert found["reports"][0]["elements"] == {
        "cause": "静电",
        "impact": {"pending": "等监测"},
        "opinion": {"none": True},
        "background": "未选但写了",
        "response": {"pending": ""},
    }
    assert found["clocks"][2]["undeclared"] == ["development", "response", "consequence"]


async def test_a_later_report_begins_with_what_the_earlier_ones_said(world: World) -> None:
    incident = await world.open(casualties={"dead": 3})
    browser = await signed_in(world)
    first = await shown(browser, incident, do="report:initial")
    assert "11月23日14时00分许，（地点正在核实）发生化工园区爆燃。" in first
    assert "目前亡3。" in first
    await world.post(
        incident,
        "reports",
        covers=["detailed"],
        text="第一次写的",
        elements={"cause": "静电", "opinion": {"none": True}},
    )

    page = await shown(browser, incident, do="report:detailed")

    assert re.search(r'id="text"[^>]*>\s*第一次写的</textarea>', page)
    assert re.search(r'name="e_cause" value="text" checked', page)
    assert re.search(r'name="t_cause"[^>]*>\s*静电</textarea>', page)
    assert re.search(r'name="e_opinion" value="none" checked', page)
    assert re.search(r'name="e_impact" value="" checked', page)


async def test_a_form_that_has_to_be_written_offers_no_phone(world: World) -> None:
    browser = await signed_in(world)

    page = await shown(browser, await world.open(), do="report:verified")

    assert 'value="written" checked' in page
    assert 'name="form" value="phone"' not in page
    assert 'id="caller"' not in page


async def test_a_correction_says_only_what_was_changed(world: World) -> None:
    incident = await world.open(grade="III", place={"text": "3号库"})
    browser = await signed_in(world)
    page = await shown(browser, incident, do="amendments")
    fields = dict(re.findall(r'name="(was_[a-z_]+)" value="([^"]*)"', page))
    begun = {name.removeprefix("was_"): value for name, value in fields.items()}
    await world.post(incident, "amendments", reason="别人改的", place={"text": "4号库"})

    answer = await post(
        browser,
        incident,
        "amendments",
        **fields,
        **{**begun, "occurred": "2026-11-23T13:50:00", "reason": "核实"},
    )

    assert answer.status_code == 303
    lines = (await (await world.client()).get(f"/api/v1/incidents/{incident['id']}/ledger")).json()["items"]
    said = [line["body"]["data"] for line in lines if line["kind"] == "amended"]
    assert set(said[-1]) == {"occurred", "reason", "incident"}
    assert "4号库" in await shown(browser, incident)


async def test_a_correction_of_nothing_is_refused_and_keeps_what_was_typed(world: World) -> None:
    incident = await world.open()
    browser = await signed_in(world)

    answer = await post(browser, incident, "amendments", reason="其实没改")

    assert answer.status_code == 422
    Page(answer.text)
    assert "没有改动任何事实" in answer.text
    assert 'value="其实没改"' in answer.text


@pytest.mark.parametrize(("path", "state"), [("closure", "closed"), ("withdrawal", "withdrawn")])
async def test_what_is_grave_wants_a_reason_and_a_confirmation(world: World, path: str, state: str) -> None:
    incident = await world.open()
    browser = await signed_in(world)

    bare = await post(browser, incident, path)
    unconfirmed = await post(browser, incident, path, reason="误报")
    done = await post(browser, incident, path, reason="误报", confirm="1")

    assert (bare.status_code, unconfirmed.status_code, done.status_code) == (422, 422, 303)
    Page(bare.text)
    assert "请确认后再提交" in unconfirmed.text
    assert re.search(r'id="reason"[^>]*>\s*误报</textarea>', unconfirmed.text)
    assert (await api(world, incident))["state"] == state
    world.time.advance(timedelta(seconds=1))
    assert (await post(browser, incident, "reopening", reason="恢复", confirm="1")).status_code == 303
    assert (await api(world, incident))["state"] == "open"


async def test_a_duplicate_is_named_by_the_address_of_its_page(world: World) -> None:
    survivor, incident = await world.open(), await world.open(title="同一起")
    browser = await signed_in(world)

    wrong = await post(browser, incident, "withdrawal", reason="重复", confirm="1", duplicate_of="那一起")
    itself = await post(
        browser, incident, "withdrawal", reason="重复", confirm="1", duplicate_of=incident["id"]
    )
    address = f"http://desk/incidents/{survivor['id'].upper()}?lang=zh"
    done = await post(browser, incident, "withdrawal", reason="重复", confirm="1", duplicate_of=address)

    assert (wrong.status_code, itself.status_code, done.status_code) == (422, 422, 303)
    assert f'href="/incidents/{survivor["id"]}"' in await shown(browser, incident)


async def test_acknowledging_one_notice_or_all(world: World) -> None:
    incident = await world.open()
    await world.pass_time(17)
    browser = await signed_in(world)
    notices = (await api(world, incident))["notices"]

    await post(browser, incident, "acknowledgements", notice=notices[0]["id"])
    states = [each["state"] for each in (await api(world, incident))["notices"]]
    await browser.post(f"/incidents/{incident['id']}/acknowledgements", data={"key": "all"})

    assert states.count("acknowledged") == 1
    assert {each["state"] for each in (await api(world, incident))["notices"]} == {"acknowledged"}
    assert "do=acknowledgements" not in await shown(browser, incident)


async def test_an_explanation_stays_with_the_incident(world: World) -> None:
    incident = await world.open()
    browser = await signed_in(world, "unit", "yi")

    answer = await post(browser, incident, "explanations", reason="通信中断 <30 分钟>")

    assert answer.status_code == 303
    assert "通信中断 &lt;30 分钟&gt;" in await shown(browser, incident)


async def test_the_same_form_twice_counts_once(world: World) -> None:
    incident = await world.open()
    browser = await signed_in(world)

    for _ in range(2):
        answer = await post(browser, incident, "reports", of="initial", form="phone", text="爆燃")
        assert answer.status_code == 303
    other = await post(browser, incident, "reports", of="initial", form="phone", text="另一份")

    assert len((await api(world, incident))["reports"]) == 1
    assert other.status_code == 422
    Page(other.text)


async def test_what_does_not_fit_any_more_is_said_on_the_page(world: World) -> None:
    incident = await world.open()
    browser = await signed_in(world)
    await world.post(incident, "closure", reason="结束")

    answer = await post(browser, incident, "closure", reason="再结束", confirm="1")

    assert answer.status_code == 409
    Page(answer.text)
    assert "事件已结" in answer.text


async def test_each_role_sees_the_forms_it_may_use(world: World) -> None:
    incident = await world.open()
    reports = {"report:initial", "report:verified", "report:detailed"}
    tabs = {
        "duty": reports | {"amendments", "explanations", "closure", "withdrawal", "restriction"},
        "unit": reports | {"explanations"},
        "auditor": set(),
    }

    for role, expected in tabs.items():
        page = await shown(await signed_in(world, role, "yi" if role == "unit" else "root"), incident)
        assert set(re.findall(r"\?do=([a-z:]+)", page)) == expected, role


async def test_a_page_asks_whether_anything_has_changed_and_gets_only_that(world: World) -> None:
    incident = await world.open()
    browser = await signed_in(world)
    page = await shown(browser, incident)
    seen = re.search(r'data-etag="([0-9a-f]+)"', page)
    assert seen
    asked = {"incident": incident["id"], "seen": seen[1]}

    same = await browser.get("/changes", params=asked)
    await world.post(incident, "reports", covers=["initial"], form="phone", text="爆燃")
    changed = await browser.get("/changes", params=asked)
    part = (await browser.get(f"/incidents/{incident['id']}/live")).text

    assert (same.status_code, changed.status_code) == (204, 200)
    assert f'data-etag="{changed.json()["etag"]}"' in part
    assert 'id="more"' in part
    assert "爆燃" in part
    other = await signed_in(world, "unit", "jia")
    assert (await other.get("/changes", params=asked)).status_code == 404


async def test_the_page_costs_the_same_number_of_statements_whatever_has_happened(world: World) -> None:
    browser = await signed_in(world)
    calm, busy = await world.open(), await world.open(title="另一起")
    for number in range(6):
        await world.post(busy, "amendments", reason=str(number), summary=str(number))
        await world.post(busy, "reports", text=str(number))
    await world.pass_time(200)
    counts = []

    for incident in (calm, busy):
        await shown(browser, incident)
        with counted(world.database) as statements:
            await shown(browser, incident)
        counts.append(len(statements))

    assert counts[0] == counts[1] <= 14


@pytest.mark.parametrize("paper", ["card", "duty-report"])
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_papers_are_sound(world: World, paper: str, language: str) -> None:
    incident = await world.open(mode="exercise", casualties={"dead": 1})
    await world.post(
        incident, "reports", covers=["detailed"], text="正文", elements={"cause": "静电"}, author="王五"
    )
    browser = await signed_in(world)

    answer = await browser.get(f"/incidents/{incident['id']}/{paper}", params={"lang": language})

    Page(answer.text)
    assert "11-23 14:20:00" in answer.text
    assert incident["code"] in answer.text
    assert ("【演练】" in answer.text) == (language == "zh")
    if paper == "duty-report":
        assert "正文" in answer.text


async def test_a_person_at_the_desk_is_named_as_the_author_and_the_actor(world: World) -> None:
    incident = await world.open()
    browser = await at_the_desk(world, "张三", "duty", "city")

    page = await shown(browser, incident, do="report:initial")
    await post(browser, incident, "explanations", reason="说明")

    assert 'name="author" type="text" value="张三先生"' in page
    line = (await (await world.client()).get(f"/api/v1/incidents/{incident['id']}/ledger")).json()["items"][
        -1
    ]
    assert line["actor"] == "account:张三"


async def test_a_deadline_past_the_years_that_are_read_from_others_is_shown_everywhere(world: World) -> None:
    incident = await world.open(schedule="eu-nis2-art23", aware="2199-12-31T12:00:00Z", title="很远")
    assert incident["clocks"][0]["due_at"] == "2200-01-01T12:00:00.000000Z"
    browser = await signed_in(world)
    own = f"/incidents/{incident['id']}"
    case = f"/audit/cases/{incident['id']}/{incident['clocks'][0]['obligation']}"

    for path in (own, f"{own}/card", f"{own}/duty-report", f"{own}/live", case, "/", "/search?q=很远"):
        assert (await browser.get(path)).status_code == 200, path
    await shown(browser, await world.post(incident, "amendments", reason="更正", title="更远"))
    withdrawn = await world.post(incident, "withdrawal", reason="误报")
    await shown(browser, await world.post(withdrawn, "reopening", reason="并非误报"))
