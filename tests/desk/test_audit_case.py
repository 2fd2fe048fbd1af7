"""One case of the audit: its evidence, the unit's reply, a named person's finding."""

import json
import re

import pytest
from sqlalchemy import text

from tests.desk.conftest import World
from tests.desk.months import a_month
from tests.desk.people import HERE, at_the_desk
from tests.desk.test_pages import Page, signed_in


async def test_a_case_shows_all_that_its_verdict_rests_on(world: World) -> None:
    made = await a_month(world)
    browser = await signed_in(world, "auditor")

    page = await browser.get(f"/audit/cases/{made['slow']['id'].upper()}/initial")

    Page(page.text)
    ledger = (await (await world.client()).get(f"/api/v1/incidents/{made['slow']['id']}/ledger")).json()[
        "items"
    ]
    opened = ledger[0]
    assert page.status_code == 200
    for said in (
        "✔+", "迟报", "时限：事发 2026-11-23 14:00:00+08:00 + PT20M = 2026-11-23 14:20:00+08:00",
        opened["hash"], opened["body"]["source"], opened["body"]["id"], "化工园区3号库",
        "以此份计", "现场有明火", "无人值班", "SHA-256", ledger[-1]["hash"],
        f"重算了本事件台账的 {len(ledger)} 行", "初报", "PT20M",
    ):  # fmt: skip
        assert said in page.text, said
    assert (await browser.get(f"/audit/cases/{made['slow']['id']}/nothing")).status_code == 404
    english = await browser.get(f"/audit/cases/{made['slow']['id']}/verified?lang=en")
    Page(english.text)
    assert "&lt;b&gt;明火已扑灭&lt;/b&gt;" in english.text


@pytest.mark.parametrize("name", ["prompt", "slow", "silent", "open", "vague", "false", "drill"])
async def test_every_kind_of_case_can_be_opened(world: World, name: str) -> None:
    made = await a_month(world)
    browser = await signed_in(world, "auditor")

    for obligation in ("initial", "verified", "detailed"):
        page = await browser.get(f"/audit/cases/{made[name]['id']}/{obligation}")
        assert page.status_code == 200
        Page(page.text)
        assert ("【演练】" in page.text) == (name == "drill")


async def test_a_broken_chain_is_seen_when_one_looks(world: World) -> None:
    made = await a_month(world)
    browser = await signed_in(world, "auditor")
    async with world.database.transaction() as connection:
        await connection.execute(
            text("UPDATE ledger SET hash = :wrong WHERE incident_id = :id AND version = 2"),
            {"wrong": "0" * 64, "id": made["slow"]["id"]},
        )

    page = (await browser.get(f"/audit/cases/{made['slow']['id']}/initial")).text

    Page(page)
    assert "哈希链有缺陷" in page
    assert "#2" in page[page.index("哈希链有缺陷") :]


def key_in(page: str, which: str) -> str:
    found = re.search(rf'name="key" value="(\w+{which})"', page)
    assert found
    return found[1]


async def test_a_named_person_finds_once_with_evidence_and_the_verdict_stays(world: World) -> None:
    made = await a_month(world)
    browser = await at_the_desk(world, "审计员", "auditor")
    path = f"/audit/cases/{made['silent']['id']}/initial"
    sent = {
        "key": key_in((await browser.get(path)).text, "f"),
        "finding": "concealment",
        "reason": "群众举报与医院接诊记录\r\n互相印证",
    }

    answers = [await browser.post(f"{path}/findings", data=sent, headers=HERE) for _ in range(2)]

    assert [(a.status_code, a.headers["location"]) for a in answers] == [(303, f"{path}#remarks")] * 2
    page = (await browser.get(path)).text
    Page(page)
    assert page.count("互相印证") == 1
    assert "<b>瞒报</b>" in page
    assert "审计员先生" in page
    assert re.search(r"verdict-line.*?未报", page, re.DOTALL)
    ledger = (await (await world.client()).get(f"/api/v1/incidents/{made['silent']['id']}/ledger")).json()[
        "items"
    ]
    (line,) = [each for each in ledger if each["kind"] == "found"]
    assert line["actor"].startswith("account:")
    assert line["body"]["data"]["by"] == "审计员先生"
    assert line["body"]["data"]["obligation"] == "initial"
    other = (await browser.get(f"/audit/cases/{made['silent']['id']}/verified")).text
    assert "互相印证" not in other


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"reason": "有据"}, "请选择一项"),
        ({"finding": "guilty", "reason": "有据"}, "请选择一项"),
        ({"finding": "omission", "reason": "  "}, "请写明依据"),
        ({"finding": "omission", "reason": "长" * 4001}, "最多 4000 字"),
    ],
)
async def test_a_finding_without_evidence_is_refused_beside_the_field(
    world: World, sent: dict[str, str], said: str
) -> None:
    made = await a_month(world)
    browser = await at_the_desk(world, "审计员", "auditor")

    page = await browser.post(
        f"/audit/cases/{made['silent']['id']}/initial/findings", data=sent, headers=HERE
    )

    assert page.status_code == 422
    Page(page.text)
    assert said in page.text
    assert sent["reason"].strip()[:10] in page.text


async def test_a_program_s_token_is_nobody_and_finds_nothing(world: World) -> None:
    made = await a_month(world)
    browser = await signed_in(world, "auditor")
    path = f"/audit/cases/{made['silent']['id']}/initial"

    page = (await browser.get(path)).text
    answer = await browser.post(f"{path}/findings", data={"finding": "none", "reason": "有据"}, headers=HERE)

    assert f"{path}/findings" not in page
    assert "具名人员" in page
    assert answer.status_code == 403


async def test_the_unit_has_the_right_of_reply_and_finds_nothing(world: World) -> None:
    made = await a_month(world)
    browser = await at_the_desk(world, "镇值班员", "unit", "yi-town")
    path = f"/audit/cases/{made['silent']['id']}/initial"
    page = (await browser.get(path)).text
    assert f"{path}/findings" not in page

    sent = {"key": key_in(page, "e"), "reason": "<i>通信中断</i>"}
    answer = await browser.post(f"{path}/explanations", data=sent, headers=HERE)
    refused = await browser.post(f"{path}/findings", data={"finding": "none", "reason": "有据"}, headers=HERE)

    assert answer.status_code == 303
    assert refused.status_code == 403
    after = (await browser.get(path)).text
    assert "&lt;i&gt;通信中断&lt;/i&gt;" in after
    assert "镇值班员先生" in after
    board = (await (await at_the_desk(world, "审计员", "auditor")).get("/audit")).text
    assert re.search(r"说明 1", board)


async def test_what_the_api_records_is_shown_too(world: World) -> None:
    made = await a_month(world)
    leader = await world.client("leader")
    sent = {"finding": "迟报情节轻微", "by": "李主任", "reason": "首次"}
    answer = await leader.post(f"/api/v1/incidents/{made['slow']['id']}/findings", json=sent)
    assert answer.status_code == 200, answer.text

    page = (await (await signed_in(world, "auditor")).get(f"/audit/cases/{made['slow']['id']}/initial")).text

    assert "迟报情节轻微" in page
    assert "李主任" in page
    assert json.dumps(sent["reason"], ensure_ascii=False).strip('"') in page
