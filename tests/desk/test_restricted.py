"""Restricted incidents: who sees them, and that every view is written down where nobody can take it back."""

import httpx
import pytest

from reporter.store import desk_log
from tests.desk.conftest import Json, World
from tests.desk.people import HERE, at_the_desk
from tests.desk.test_pages import Page
from tests.desk.test_sign_in import logged


@pytest.fixture
def world(each_world: World) -> World:
    """The district on each database."""
    return each_world


async def restricted(world: World, unit: str = "yi-town", **data: object) -> Json:
    """A new incident that the leader has restricted."""
    incident = await world.open(unit, **data)
    leader = await world.client("leader")
    path = f"/api/v1/incidents/{incident['id']}/restriction"
    answer = await leader.put(path, json={"restricted": True, "reason": "涉及举报人"})
    assert answer.json() == {"incident": incident["id"], "restricted": True}
    return incident


async def titles(client: httpx.AsyncClient) -> list[str]:
    """What the list shows."""
    return [each["title"] for each in (await client.get("/api/v1/incidents")).json()["items"]]


async def test_it_is_hidden_from_units_that_do_not_own_it(world: World) -> None:
    await world.open("yi-town", title="寻常")
    incident = await restricted(world, "yi-town", title="受限")
    path = f"/api/v1/incidents/{incident['id']}"
    own, above = await world.client("unit", "yi-town"), await world.client("unit", "yi")

    assert sorted(await titles(own)) == ["受限", "寻常"]
    assert await titles(above) == ["寻常"]
    assert await titles(await world.client("unit", "city")) == ["寻常"]
    assert len(await titles(await world.client("duty", "yi"))) == 2
    assert (await own.get(path)).status_code == 200
    assert (await above.get(path)).status_code == 404
    assert (await above.get(f"{path}/ledger")).status_code == 404
    assert (await above.post(f"{path}/reports", json={})).status_code == 404


async def test_it_counts_in_the_audit_and_is_no_case_for_who_may_not_see_it(world: World) -> None:
    await restricted(world, "yi-town")
    await world.pass_time(200)
    call = "/api/v1/audit?month=2026-11"

    above = (await (await world.client("unit", "yi")).get(call)).json()
    filtered = (await (await world.client("unit", "city")).get(f"{call}&unit=yi")).json()
    leader = (await (await world.client("leader", "yi")).get(call)).json()

    assert above["rows"] == filtered["rows"] == leader["rows"] != []
    assert above["cases"] == filtered["cases"] == []
    assert len(leader["cases"]) == 3


async def test_every_view_is_logged_and_no_view_of_another_incident(world: World) -> None:
    other = await world.open("yi-town")
    incident = await restricted(world, "yi-town")
    path = f"/api/v1/incidents/{incident['id']}"
    auditor = await world.client("auditor", "city")
    before = len(await logged(world, desk_log.VIEWED))

    await auditor.get(f"/api/v1/incidents/{other['id']}")
    for seen in (path, f"{path}/ledger", "/api/v1/incidents"):
        await auditor.get(seen)

    views = (await logged(world, desk_log.VIEWED))[: -before or None]
    assert {line.about for line in views} == {incident["id"]}
    assert {line.actor for line in views} == {"token:auditor.city"}
    assert {line.details["page"] for line in views} == {
        f"GET {path}",
        f"GET {path}/ledger",
        "GET /api/v1/incidents",
    }
    assert {line.unit for line in views} == {"yi-town"}


async def test_lifted_it_is_like_any_other_and_both_stand_in_the_log(world: World) -> None:
    incident = await restricted(world)
    leader = await world.client("leader")
    path = f"/api/v1/incidents/{incident['id']}/restriction"
    lift = {"restricted": False, "reason": "已公开"}

    for _ in range(2):
        assert (await leader.put(path, json=lift)).status_code == 200

    assert len(await titles(await world.client("unit", "yi"))) == 1
    lines = [line for line in await logged(world, "incident") if line.what != desk_log.VIEWED]
    assert [(line.what, line.details) for line in lines] == [
        (desk_log.LIFTED, {"reason": "已公开"}),
        (desk_log.RESTRICTED, {"reason": "涉及举报人"}),
    ]


@pytest.mark.parametrize("sent", [{}, {"restricted": 1, "reason": "x"}, {"restricted": True, "reason": " "}])
async def test_a_restriction_wants_a_reason(world: World, sent: Json) -> None:
    incident = await world.open()

    path = f"/api/v1/incidents/{incident['id']}/restriction"
    assert (await (await world.client()).put(path, json=sent)).status_code == 422


async def test_the_form_of_the_incident_s_page_restricts_and_lifts(world: World) -> None:
    incident = await world.open("yi-town")
    leader = await at_the_desk(world, "孙主任", "leader")
    path = f"/incidents/{incident['id']}/restriction"

    set_ = await leader.post(path, data={"restricted": "1", "reason": "涉密"}, headers=HERE)
    hidden = await titles(await world.client("unit", "yi"))
    await leader.post(path, data={"restricted": "0", "reason": "完"}, headers=HERE)

    assert set_.headers["location"].startswith(f"/incidents/{incident['id']}?")
    assert hidden == []
    assert len(await titles(await world.client("unit", "yi"))) == 1


async def test_auditors_read_the_log_of_their_own_units(world: World) -> None:
    await restricted(world, "yi-town")
    await restricted(world, "jia")
    page = await at_the_desk(world, "审计员", "auditor")

    everything = (await page.get("/desk-log?what=incident&lang=en")).text
    api = await world.client("auditor", "yi")
    own = (await api.get("/api/v1/desk-log?what=incident.restricted")).json()["items"]
    csv = (await page.get("/desk-log.csv?what=account")).text

    Page(everything)
    assert everything.count("Restricted an incident") == 2
    assert [line["unit"] for line in own] == ["yi-town"]
    assert "account.created" in csv


async def test_the_log_is_read_page_by_page(world: World) -> None:
    for number in range(4):
        await restricted(world, title=str(number))
    api = await world.client("auditor")

    first = (await api.get("/api/v1/desk-log?limit=2")).json()
    second = (await api.get(f"/api/v1/desk-log?limit=2&cursor={first['next']}")).json()

    ids = [line["id"] for line in first["items"] + second["items"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 4


async def test_the_board_hides_it_too_from_the_moment_it_is_restricted(world: World) -> None:
    incident = await world.open("yi-town", title="受限的线索")
    above = await at_the_desk(world, "乙县", "unit", "yi")
    leader = await at_the_desk(world, "孙主任", "leader")
    before = (await above.get("/")).text
    path = f"/api/v1/incidents/{incident['id']}/restriction"

    await leader.put(path, json={"restricted": True, "reason": "涉密"}, headers=HERE)

    assert "受限的线索" in before
    assert "受限的线索" not in (await above.get("/")).text
    assert "受限的线索" in (await leader.get("/")).text
    (view,) = await logged(world, desk_log.VIEWED)
    assert (view.actor, view.details["page"]) == ("account:孙主任", "GET /")
