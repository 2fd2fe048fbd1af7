"""Logging an incident with the form: the line, the fields, the deadlines beside it, without any script."""

import re

import httpx

from tests.desk.conftest import Json, World
from tests.desk.test_pages import Page, signed_in

LINE = "乙县 化工园区爆燃 死3伤11 重大 14:00"


async def sent(browser: httpx.AsyncClient, **fields: str) -> httpx.Response:
    """The form as it comes from the server, filled in and sent."""
    page = (await browser.get("/log")).text
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key
    return await browser.post("/log", data={"key": key[1], **fields})


async def incidents(world: World) -> list[Json]:
    return list((await (await world.client()).get("/api/v1/incidents")).json()["items"])


async def test_one_line_and_enter_is_enough(world: World) -> None:
    browser = await signed_in(world)

    answer = await sent(browser, line=LINE)

    (incident,) = await incidents(world)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/incidents/{incident['id']}?lang=zh&logged=1",
    )
    assert (incident["title"], incident["unit"], incident["grade"]) == ("化工园区爆燃", "yi", "II")
    assert incident["occurred"]["earliest"] == "2026-11-23T06:00:00.000000Z"
    assert incident["clocks"][0]["due_at"] == "2026-11-23T06:20:00.000000Z"


async def test_only_title_and_unit_are_required_and_what_was_typed_is_kept(world: World) -> None:
    browser = await signed_in(world)

    refused = await sent(browser, title="", place="3号<库>", grade="II")

    assert refused.status_code == 422
    Page(refused.text)
    assert 'href="#title"' in refused.text
    assert 'value="3号&lt;库&gt;"' in refused.text
    assert '<option value="II" selected>' in refused.text
    accepted = await sent(browser, title="起火", unit="yi")
    assert accepted.status_code == 303
    (incident,) = await incidents(world)
    assert incident["occurred"]["provisional"] is True
    assert incident["anomalies"] == ["occurrence_unknown"]


async def test_fields_are_the_truth_once_they_were_filled_from_the_line(world: World) -> None:
    browser = await signed_in(world)

    await sent(browser, line=LINE, read=LINE, title="仓库爆燃", unit="jia", grade="")

    (incident,) = await incidents(world)
    assert (incident["title"], incident["unit"], incident["grade"]) == ("仓库爆燃", "jia", None)


async def test_a_field_somebody_touched_is_not_overwritten_by_the_line(world: World) -> None:
    browser = await signed_in(world)

    await sent(browser, line=LINE, read="乙县", own="*,title", title="仓库爆燃", grade="IV", unit="jia")

    (incident,) = await incidents(world)
    assert (incident["title"], incident["unit"], incident["grade"]) == ("仓库爆燃", "yi", "II")


async def test_an_interval_and_casualties_from_the_fields(world: World) -> None:
    browser = await signed_in(world)

    await sent(
        browser,
        title="起火",
        unit="yi",
        occurred="2026-11-23T13:50",
        occurred_until="2026-11-23T14:05:00",
        aware="13:58",
        c_dead="0",
        c_trapped="2",
        sensitive="1",
    )

    (incident,) = await incidents(world)
    assert incident["occurred"] == {
        "earliest": "2026-11-23T05:50:00.000000Z",
        "latest": "2026-11-23T06:05:00.000000Z",
        "provisional": False,
    }
    assert incident["aware_at"] == "2026-11-23T05:58:00.000000Z"
    ledger = await (await world.client()).get(f"/api/v1/incidents/{incident['id']}/ledger")
    data = ledger.json()["items"][0]["body"]["data"]
    assert (data["casualties"], data["sensitive"]) == ({"dead": 0, "trapped": 2}, True)


async def test_nonsense_is_named_beside_its_field(world: World) -> None:
    browser = await signed_in(world)

    for name, value in (
        ("occurred", "vorhin"),
        ("occurred_until", "2026-11-23T14:05"),
        ("c_dead", "viele"),
        ("grade", "V"),
        ("title", "x" * 201),
    ):
        answer = await sent(browser, **{"title": "起火", "unit": "yi", name: value})
        assert answer.status_code == 422, name
        Page(answer.text)
        assert 'class="error"' in answer.text
    assert await incidents(world) == []


async def test_the_same_form_twice_is_one_incident_and_other_content_is_said(world: World) -> None:
    browser = await signed_in(world)
    fields = {"key": "form-1", "title": "起火", "unit": "yi", "occurred": "2026-11-23T14:00:00"}

    first = await browser.post("/log", data=fields)
    again = await browser.post("/log", data=fields)
    other = await browser.post("/log", data={**fields, "title": "另一起"})

    assert first.headers["location"] == again.headers["location"]
    assert other.status_code == 422
    Page(other.text)
    (incident,) = await incidents(world)
    assert f"/incidents/{incident['id']}" in other.text
    new_key = re.search(r'name="key" value="([^"]+)"', other.text)
    assert new_key
    assert new_key[1] != "form-1"


async def test_a_form_that_waited_for_the_network_is_read_as_of_when_it_was_typed(world: World) -> None:
    browser = await signed_in(world)

    await sent(browser, line="乙县 起火 20分钟前", entered_at="2026-11-23T05:50:00Z")

    (incident,) = await incidents(world)
    assert incident["occurred"]["earliest"] == "2026-11-23T05:30:00.000000Z"
    assert incident["received_at"] == "2026-11-23T06:05:00.000000Z"


async def test_the_deadlines_are_shown_before_anything_is_saved(world: World) -> None:
    browser = await signed_in(world)

    part = (await browser.get("/log/reading", params={"line": "乙县 起火 13:50-14:05"})).text

    assert "11-23 14:10:00" in part
    assert "14:25:00" in part
    assert "第16项" in part
    assert "2021-02-05 起施行" in part
    assert await incidents(world) == []
    unknown = (await browser.get("/log/reading", params={"line": "乙县 起火"})).text
    assert "暂按接报时间起算" in unknown
    past = (await browser.get("/log/reading", params={"line": "乙县 起火 13:30", "lang": "en"})).text
    assert "already past" in past


async def test_what_it_may_repeat_stands_beside_it_and_does_not_hinder(world: World) -> None:
    await world.open("jia", title="甲县的化工园区爆燃")
    known = await world.open(title="乙县化工园区爆燃")
    browser = await signed_in(world)

    part = (await browser.get("/log/reading", params={"line": LINE})).text
    other = (await browser.get("/log/reading", params={"line": "乙县某镇 食物中毒 昨天08:00"})).text

    assert part.index(known["id"]) > 0
    assert known["id"] not in other
    assert (await sent(browser, line=LINE)).status_code == 303


async def test_a_unit_logs_and_looks_for_its_own_only(world: World) -> None:
    foreign = await world.open("jia", title="化工园区爆燃")
    browser = await signed_in(world, "unit", "yi")

    page = (await browser.get("/log")).text
    part = (await browser.get("/log/reading", params={"line": LINE})).text
    refused = await sent(browser, title="起火", unit="jia")

    assert '<option value="yi" selected>' in page
    assert "甲县" not in page
    assert foreign["id"] not in part
    assert refused.status_code == 403


async def test_the_page_is_sound_in_both_languages(world: World) -> None:
    browser = await signed_in(world)

    for language in ("zh", "en"):
        answer = await browser.get("/log", params={"lang": language, "line": LINE})
        Page(answer.text)
        assert 'value="化工园区爆燃"' in answer.text
