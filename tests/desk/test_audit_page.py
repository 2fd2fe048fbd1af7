"""The audit page: the same sums as the API, every case with its evidence, findings by named persons."""

import csv
import io
import re
from typing import Any

import pytest

from tests.desk.boards import counted
from tests.desk.conftest import World
from tests.desk.months import a_month
from tests.desk.test_pages import Page, signed_in

ROW = re.compile(r'<tr data-unit="([^"]+)" data-obligation="([^"]+)">(.*?)</tr>', re.DOTALL)
CELL = re.compile(r'<td class="num[^"]*">(\d+)</td>')
COLUMNS = ("due", "on_time", "late", "missing", "overdue", "undetermined", "incomplete", "withdrawn")


def table(page: str) -> dict[tuple[str, str], tuple[int, ...]]:
    """The table of the page, by unit and obligation."""
    return {(unit, name): tuple(map(int, CELL.findall(cells)))[:8] for unit, name, cells in ROW.findall(page)}


def account(answer: dict[str, Any]) -> dict[tuple[str, str], tuple[int, ...]]:
    """The same of the API's answer."""
    return {(row["unit"], row["obligation"]): tuple(row[name] for name in COLUMNS) for row in answer["rows"]}


@pytest.mark.parametrize(("role", "unit"), [("auditor", "root"), ("unit", "yi"), ("leader", "jia")])
async def test_the_page_and_the_api_give_the_same_sums(world: World, role: str, unit: str) -> None:
    await a_month(world)
    browser, client = await signed_in(world, role, unit), await world.client(role, unit)

    page = await browser.get("/audit?month=2026-11")
    answer = (await client.get("/api/v1/audit", params={"month": "2026-11"})).json()

    Page(page.text)
    assert page.status_code == 200
    assert table(page.text) == account(answer) != {}
    assert page.text.count(">打开</a>") == len(answer["cases"])


async def test_this_month_is_shown_where_none_is_named(world: World) -> None:
    await a_month(world)
    browser = await signed_in(world, "auditor")

    page = await browser.get("/audit")

    assert table(page.text) == table((await browser.get("/audit?month=2026-11")).text) != {}


async def test_only_the_moment_of_asking_changes_between_two_askings(world: World) -> None:
    await a_month(world)
    browser = await signed_in(world, "auditor")

    first = (await browser.get("/audit")).text
    await world.pass_time(5)
    second = (await browser.get("/audit")).text

    differing = [(a, b) for a, b in zip(first.splitlines(), second.splitlines(), strict=True) if a != b]
    assert len(differing) == 1
    assert "截至" in differing[0][0]


async def test_an_exercise_never_counts_and_has_figures_of_its_own(world: World) -> None:
    made = await a_month(world)
    browser = await signed_in(world, "auditor")

    actual = (await browser.get("/audit")).text
    drills = (await browser.get("/audit?mode=exercise")).text

    assert made["drill"]["id"] not in actual
    assert made["drill"]["id"] in drills
    assert made["slow"]["id"] not in drills
    assert "【演练】" in drills
    assert "从不计入实战统计" in drills


async def test_filters_stand_in_the_address_and_narrow(world: World) -> None:
    made = await a_month(world)
    browser = await signed_in(world, "auditor")

    async def cases(query: str) -> set[tuple[str, str]]:
        page = await browser.get(f"/audit?{query}")
        assert page.status_code == 200, page.text
        Page(page.text)
        opens = re.findall(r'class="btn" href="/audit/cases/([^/]+)/([^"]+)"', page.text)
        return set(opens)

    every = await cases("")
    late = await cases("kind=late")
    assert late < every
    assert (made["slow"]["id"], "initial") in late
    assert {name for _, name in await cases("obligation=initial")} == {"initial"}
    assert await cases("unit=yi-town") == {
        case for case in every if case[0] in {made["silent"]["id"], made["open"]["id"]}
    }
    assert {incident for incident, _ in await cases("category=health")} == {made["open"]["id"]}
    assert {incident for incident, _ in await cases("grade=II")} == {made["slow"]["id"]}
    assert await cases("month=") == every
    empty = await browser.get("/audit?month=2025-01")
    Page(empty.text)
    assert "没有需要说明的事例" in empty.text


async def test_what_cannot_be_asked_is_refused_in_words(world: World) -> None:
    browser = await signed_in(world, "leader", "jia")

    for query, status in (
        ("month=13", 422),
        ("kind=odd", 422),
        ("page=0", 422),
        ("unit=yi", 403),
        ("odd=1", 422),
    ):
        assert (
            await browser.get(f"/audit?{query}", headers={"Accept": "text/html"})
        ).status_code == status, query


async def test_a_reader_of_one_unit_sees_nothing_of_others(world: World) -> None:
    made = await a_month(world)
    browser = await signed_in(world, "unit", "jia")

    page = (await browser.get("/audit")).text

    assert "乙县" not in page
    assert made["slow"]["id"] not in page
    for name in ("slow", "silent"):
        assert (await browser.get(f"/audit/cases/{made[name]['id']}/initial")).status_code == 404


async def test_a_restricted_incident_counts_and_is_neither_named_nor_opened(world: World) -> None:
    made = await a_month(world)
    leader = await world.client("leader")
    sent = {"restricted": True, "reason": "涉密来源"}
    assert (
        await leader.put(f"/api/v1/incidents/{made['silent']['id']}/restriction", json=sent)
    ).status_code == 200
    above, auditor = await signed_in(world, "unit", "yi"), await signed_in(world, "auditor")

    page = (await above.get("/audit")).text
    assert table(page)["yi-town", "initial"][COLUMNS.index("missing")] == 1
    assert made["silent"]["id"] not in page
    assert (await above.get(f"/audit/cases/{made['silent']['id']}/initial")).status_code == 404

    seen = await auditor.get("/audit")
    assert made["silent"]["id"] in seen.text
    assert "受限" in seen.text
    log = (
        await (await world.client("admin")).get("/api/v1/desk-log", params={"what": "incident.viewed"})
    ).json()
    assert any(line["about"] == made["silent"]["id"] for line in log["items"])


async def test_the_number_of_queries_does_not_depend_on_the_month(world: World) -> None:
    browser = await signed_in(world, "auditor")
    made = await a_month(world)
    await browser.get("/audit")  # who asks, the units and the editions are known now

    with counted(world.database) as few:
        await browser.get("/audit")
    for _ in range(3):
        await a_month(world)
    with counted(world.database) as many:
        await browser.get("/audit")
    with counted(world.database) as case:
        await browser.get(f"/audit/cases/{made['slow']['id']}/initial")

    # who asks is looked up at most once a second, whatever is asked
    assert len(asked(few)) == len(asked(many)) == 4, many
    assert len(asked(case)) <= 14, case


def asked(statements: list[str]) -> list[str]:
    return [each for each in statements if "FROM sessions" not in each and "FROM units" not in each]


async def test_the_heat_map_counts_what_the_table_counts(world: World) -> None:
    await a_month(world)
    browser = await signed_in(world, "auditor")

    page = (await browser.get("/audit")).text
    cells = dict(
        re.findall(r'aria-label="([^"]+) 2026-11：(\d+ / \d+)"', page),
    )

    names = {"jia": "甲县", "yi": "乙县", "yi-town": "乙县某镇"}
    expected: dict[str, list[int]] = {}
    for (unit, _), (due, _, late, missing, overdue, *_) in table(page).items():
        total = expected.setdefault(names[unit], [0, 0])
        total[0] += late + missing + overdue
        total[1] += due
    assert cells == {name: f"{failed} / {due}" for name, (failed, due) in expected.items()}


async def test_every_report_is_a_mark_and_a_line_of_the_list(world: World) -> None:
    await a_month(world)
    browser = await signed_in(world, "auditor")

    page = (await browser.get("/audit")).text

    strip = page[page.index('<svg class="strip"') : page.index("</ol>")]
    marks = re.findall(r'class="mark (\w+)"', strip)
    assert len(marks) == strip.count("<li>") > 5
    assert {"on_time", "late", "undetermined"} <= set(marks)
    assert "<title " in strip
    assert "<desc " in strip


@pytest.mark.parametrize("which", ["table", "cases"])
async def test_csv_is_what_the_page_shows(world: World, which: str) -> None:
    await a_month(world)
    await world.open("yi", title='=HYPERLINK("http://x")', occurred="2026-11-23T13:00:00+08:00")
    await world.pass_time(180)
    browser = await signed_in(world, "auditor")

    answer = await browser.get(f"/audit/{which}.csv?unit=yi&obligation=initial&lang=en")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    heading, *lines = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    shown = (await browser.get("/audit?unit=yi&obligation=initial")).text
    if which == "table":
        assert heading[2:5] == ["Obligation", "Due", "On time"]
        assert {(line[0], line[2]): int(line[3]) for line in lines} == {
            key: row[0] for key, row in table(shown).items()
        }
    else:
        assert {line[4] for line in lines} == {"initial"}
        assert len(lines) == shown.count(">打开</a>")
        assert any(line[2].startswith("'=HYPERLINK") for line in lines)
