"""The one-tap page: looking acknowledges nothing, the button one person's notices of one incident, for two hours."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from reporter.core.roster import Recipient
from reporter.core.terms import NoticeReason
from reporter.engine.apart import standalone_notices
from reporter.sending import links
from reporter.store import rehearsals
from reporter.store.keys import LINKS, signing_key
from reporter.store.models import Notice, Shift
from tests.addresses import only_on
from tests.desk.conftest import Json, World


async def on_duty(world: World, *, channels: tuple[str, ...] = ("desk",)) -> None:
    """李四 and 王五, in turn officer and leader of 乙县, with a phone."""
    shifts: list[dict[str, Any]] = [
        {
            "unit": "yi",
            "role": role,
            "person": person,
            "phone": "138",
            "channels": list(channels),
            "starts_at": world.time.now() - timedelta(days=1),
            "ends_at": world.time.now() + timedelta(days=1),
            "recorded_at": world.time.now() - timedelta(days=1),
            "recorded_by": "test",
        }
        for role, person in (("duty_officer", "李四"), ("leader", "王五"))
    ]
    async with world.database.transaction() as connection:
        await connection.execute(insert(Shift), shifts)


async def link(world: World, notice: str) -> str:
    key = await signing_key(world.database, LINKS, world.time.now())
    signed = links.token(key, notice, world.time.now())
    assert signed is not None
    return f"/a/{signed}"


async def incident_with_notices(world: World) -> Json:
    await on_duty(world)
    incident = await world.open()
    await world.pass_time(30)
    return await shown(world, incident)


async def shown(world: World, incident: Json) -> Json:
    client = await world.client()
    return dict((await client.get(f"/api/v1/incidents/{incident['id']}")).json())


def of(incident: Json, person: str) -> list[Json]:
    return [each for each in incident["notices"] if each["person"] == person]


async def test_looking_changes_nothing_and_the_button_acknowledges_for_that_person_alone(
    world: World,
) -> None:
    incident = await incident_with_notices(world)
    mine, others = of(incident, "李四"), of(incident, "王五")
    assert len(mine) > 1
    assert others
    browser = await world.browser()
    path = await link(world, mine[0]["id"])

    for _ in range(2):
        looked = await browser.get(path)
        assert looked.status_code == 200
        assert "我已收到" in looked.text
        assert (await browser.head(path)).status_code == 200
    assert await shown(world, incident) == incident

    pressed = await browser.post(path)
    assert pressed.status_code == 200
    assert "已签收" in pressed.text
    after = await shown(world, incident)
    assert {each["state"] for each in of(after, "李四")} == {"acknowledged"}
    assert {each["state"] for each in of(after, "王五")} == {each["state"] for each in others}
    assert [clock["state"] for clock in after["clocks"]] == [clock["state"] for clock in incident["clocks"]]

    client = await world.client()
    ledger = (await client.get(f"/api/v1/incidents/{incident['id']}/ledger")).json()["items"]
    assert {line["actor"] for line in ledger if line["kind"] == "acknowledged"} == {"link:李四"}
    assert (await browser.post(path)).status_code == 200
    assert await shown(world, incident) == after


async def test_an_older_link_acknowledges_what_has_come_since_and_says_so_only_then(world: World) -> None:
    incident = await incident_with_notices(world)
    path = await link(world, of(incident, "李四")[0]["id"])
    browser = await world.browser()
    assert "已签收。" in (await browser.post(path)).text
    await world.pass_time(60)
    incident = await shown(world, incident)
    assert "queued" in {each["state"] for each in of(incident, "李四")}

    looked = await browser.get(path)
    assert "我已收到" in looked.text
    assert "已签收。" not in looked.text

    assert "已签收。" in (await browser.post(path)).text
    after = await shown(world, incident)
    assert {each["state"] for each in of(after, "李四")} == {"acknowledged"}
    assert "已签收。" in (await browser.get(path)).text


@pytest.mark.parametrize("reason", [NoticeReason.REJECTED, NoticeReason.HELD, NoticeReason.ROSTER_GAP])
async def test_what_belongs_to_no_incident_is_not_said_to_be_acknowledged(
    world: World, reason: NoticeReason
) -> None:
    told = Recipient("unit.duty_officer", "李四", "138", "webhook", "https://hook.example/x", None)
    (row,) = standalone_notices(reason, "yi", (told,), "什么事", world.time.now())
    async with world.database.transaction() as connection:
        await connection.execute(insert(Notice), [row])
    path = await link(world, str(row["id"]))
    browser = await world.browser()

    for answer in (await browser.get(path), await browser.post(path)):
        assert answer.status_code == 200
        assert "无需签收" in answer.text
        assert "已签收" not in answer.text
        assert "<form" not in answer.text


async def test_after_two_hours_the_link_is_no_more(world: World) -> None:
    incident = await incident_with_notices(world)
    path = await link(world, of(incident, "李四")[0]["id"])
    world.time.advance(timedelta(hours=2, seconds=1))
    browser = await world.browser()

    assert (await browser.get(path)).status_code == 410
    answer = await browser.post(path)
    assert answer.status_code == 410
    assert "form" not in answer.text
    assert of(await shown(world, incident), "李四")[0]["state"] != "acknowledged"


async def test_a_token_that_is_none_opens_nothing_and_says_nothing(world: World) -> None:
    incident = await incident_with_notices(world)
    path = await link(world, of(incident, "李四")[0]["id"])
    browser = await world.browser()

    for wrong in ("/a/x", "/a/" + "A" * 500, path[:5] + ("B" if path[5] == "A" else "A") + path[6:]):
        for answer in (await browser.get(wrong), await browser.post(wrong)):
            assert answer.status_code == 404
            assert incident["code"] not in answer.text


async def test_the_page_needs_no_cookie_is_not_kept_nor_indexed_and_hides_what_is_sensitive(
    world: World,
) -> None:
    await on_duty(world)
    incident = await world.open(sensitive=True)
    await world.pass_time(15)
    browser = await world.browser()

    answer = await browser.get(await link(world, of(await shown(world, incident), "李四")[0]["id"]))

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert incident["code"] in answer.text
    assert incident["title"] not in answer.text
    assert re.search(r'name="viewport"', answer.text)


async def test_an_answer_to_a_rehearsal_is_kept_once(world: World) -> None:
    await on_duty(world, channels=("desk", "webhook:https://hook.example/x"))
    started = await rehearsals.start(
        world.database, "yi", "test", world.time.now(), only_on("desk", "webhook")
    )
    assert started is not None
    async with world.database.snapshot() as connection:
        (id_,) = await rehearsals.tests_of(connection, started.id, "李四")
    browser = await world.browser()
    path = await link(world, id_)
    assert "这是测试" in (await browser.get(path)).text
    world.time.advance(timedelta(seconds=42))

    for _ in range(2):
        assert (await browser.post(path)).status_code == 200

    async with world.database.snapshot() as connection:
        found = await rehearsals.report(connection)
    assert found is not None
    answered = {(each.person, each.channel): each.answered_after_s for each in found.called}
    assert answered == {
        ("李四", "desk"): None,
        ("李四", "webhook"): 42.0,
        ("王五", "desk"): None,
        ("王五", "webhook"): None,
    }
