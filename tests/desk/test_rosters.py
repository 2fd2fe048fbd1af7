"""Rosters over HTTP: who is on duty, what was agreed, calendars and links, roll-calls."""

from datetime import UTC, datetime
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest

from reporter.store.people import import_roster
from tests.desk.conftest import START, Json, World

ROSTER = """unit,role,starts,ends,person,phone,channels
yi,duty_officer,2026-11-23T08:00:00+08:00,2026-11-23T20:00:00+08:00,李四,138,desk|https://phones.example/secret
yi,duty_officer,2026-11-23T20:00:00+08:00,2026-11-24T08:00:00+08:00,王五,139,desk
yi,leader,2026-11-20T08:00:00+08:00,2026-12-20T08:00:00+08:00,周县长,137,desk
"""
DAY = {"starts": "2026-11-23T08:00:00+08:00", "ends": "2026-11-23T20:00:00+08:00"}
NIGHT = {"back_starts": "2026-11-23T20:00:00+08:00", "back_ends": "2026-11-24T08:00:00+08:00"}
SWAP = {
    "kind": "swap",
    "unit": "yi",
    "role": "duty_officer",
    "person": "李四",
    "taker": "王五",
    "reason": "家中有事",
} | DAY
CALL = {"unit": "yi", "called_at": "2026-11-23T14:00:00+08:00", "answered": True, "answered_by": "李四"}


@pytest.fixture
async def town(world: World) -> World:
    """The district with a roster of one county."""
    await import_roster(world.database, ROSTER.encode(), now=datetime(2026, 11, 1, tzinfo=UTC))
    return world


async def get(world: World, path: str, role: str = "duty", unit: str = "root") -> Json:
    answer = await (await world.client(role, unit)).get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def post(
    world: World, path: str, body: Any, role: str = "duty", unit: str = "root", key: str | None = None
) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await (await world.client(role, unit)).post(f"/api/v1/{path}", json=body, headers=headers)


def people(document: Json, unit: str = "yi", role: str = "duty_officer") -> list[tuple[str, str | None]]:
    [found] = [each for each in document["items"] if each["code"] == unit]
    return [(each["person"], each["note"]) for each in found[role]]


async def test_who_is_on_duty_is_told_with_phone_and_without_addresses(town: World) -> None:
    found = await get(town, "rosters/on-duty?unit=yi")

    assert [each["code"] for each in found["items"]] == ["yi", "yi-town"]
    assert people(found) == [("李四", None)]
    [officer] = found["items"][0]["duty_officer"]
    assert (officer["phone"], officer["channels"]) == ("138", ["desk", "webhook"])
    assert "secret" not in str(found)
    assert people(await get(town, "rosters/on-duty?at=2026-11-23T20:00:00%2B08:00")) == [("王五", None)]


async def test_a_swap_is_recorded_seen_and_cancelled_and_what_was_known_stays(town: World) -> None:
    made = await post(town, "rosters/changes", SWAP | NIGHT, key="k")
    again = await post(town, "rosters/changes", SWAP | NIGHT, key="k")
    other = await post(town, "rosters/changes", SWAP, key="k")

    assert (made.status_code, again.status_code, again.json()) == (201, 200, made.json())
    assert (other.status_code, other.json()["code"]) == (422, "identity_reused")
    first, back = made.json()["items"]
    assert (first["taker"], back["taker"], first["phone"], first["author"]) == (
        "王五",
        "李四",
        "139",
        "token:duty.root",
    )
    assert people(await get(town, "rosters/on-duty")) == [("王五", "swap:李四")]

    await town.pass_time(10)
    path = f"rosters/changes/{first['id']}/cancellation"
    assert (await post(town, path, {})).status_code == 422
    ended = await post(town, path, {"reason": "不换了"}, key="c")
    twice = await post(town, path, {"reason": "不换了"}, key="d")

    assert (ended.status_code, ended.json()["cancel_reason"], twice.status_code) == (200, "不换了", 409)
    assert people(await get(town, "rosters/on-duty")) == [("李四", None)]
    before = START.isoformat().replace("+", "%2B")
    assert people(await get(town, f"rosters/on-duty?known_at={before}")) == [("王五", "swap:李四")]
    assert [each["id"] for each in (await get(town, "rosters/changes?unit=yi"))["items"]] == [
        back["id"],
        first["id"],
    ]


async def test_every_wrong_field_of_a_change_is_named(town: World) -> None:
    bad = await post(town, "rosters/changes", {"kind": "swop", "unit": "x", "starts": "today", "takr": 1})
    refused = await post(town, "rosters/changes", SWAP | {"person": "没这人"})
    half = await post(town, "rosters/changes", SWAP | {"back_starts": NIGHT["back_starts"]})

    assert {each["path"] for each in bad.json()["errors"]} == {
        "kind",
        "unit",
        "starts",
        "ends",
        "reason",
        "takr",
    }
    assert [each["path"] for each in refused.json()["errors"]] == ["person"]
    assert [each["path"] for each in half.json()["errors"]] == ["back_ends"]
    assert {bad.status_code, refused.status_code, half.status_code} == {422}


@pytest.mark.parametrize(
    ("role", "changes", "roll_calls"),
    [("duty", 201, 201), ("leader", 201, 201), ("unit", 403, 403), ("auditor", 403, 201)],
)
async def test_rights_hold_within_the_subtree(town: World, role: str, changes: int, roll_calls: int) -> None:
    inside = (
        await post(town, "rosters/changes", SWAP, role, "yi"),
        await post(town, "roll-calls", CALL, role, "yi"),
    )
    outside = (
        await post(town, "rosters/changes", SWAP, role, "jia"),
        await post(town, "roll-calls", CALL, role, "jia"),
    )

    assert [each.status_code for each in inside] == [changes, roll_calls]
    assert {each.status_code for each in outside} == {403}
    assert (await get(town, "rosters/changes", role, "jia"))["items"] == []
    assert (await get(town, "roll-calls", role, "jia"))["items"] == []
    assert [each["code"] for each in (await get(town, "units", role, "jia"))["items"]] == ["jia"]
    theirs = await post(town, "rosters/changes/1/cancellation", {"reason": "x"}, role, "jia")
    assert theirs.status_code == (403 if changes == 403 else 404)


async def test_gaps_and_grid_cover_the_days_asked_for(town: World) -> None:
    gaps = (await get(town, "rosters/gaps?unit=yi&days=2"))["items"]
    grid = (await get(town, "rosters/grid?unit=yi&days=2&since=2026-11-23T00:00:00Z"))["items"]

    assert [
        (each["unit"], each["role"], each["starts"], each["rostered"])
        for each in gaps
        if each["unit"] == "yi"
    ] == [("yi", "duty_officer", "2026-11-24T00:00:00.000000Z", True)]
    line = next(each for each in grid if (each["unit"], each["role"]) == ("yi", "duty_officer"))
    assert [(slot["covered"], [who["person"] for who in slot["people"]]) for slot in line["slots"]] == [
        (True, ["李四"]),
        (True, ["王五"]),
        (False, []),
    ]


async def test_a_calendar_is_for_a_token_and_a_link_is_for_a_phone_until_revoked(town: World) -> None:
    await post(town, "rosters/changes", SWAP)
    stranger = await town.browser()

    made = await post(town, "rosters/feeds", {"unit": "yi", "name": "王五的手机"})
    told = await (await town.client()).get("/api/v1/rosters/yi.ics")
    linked = await stranger.get(made.json()["path"])

    assert told.headers["content-type"] == "text/calendar; charset=utf-8"
    assert linked.status_code == 200 and "王五" in linked.text and "phones.example" not in linked.text
    assert "SUMMARY:值班员 王五" in told.text and "SUMMARY:值班员 李四" not in told.text
    assert (await stranger.get("/api/v1/rosters/yi.ics")).status_code == 401
    assert (await (await town.client("duty", "jia")).get("/api/v1/rosters/yi.ics")).status_code == 404
    assert "path" not in (await get(town, "rosters/feeds"))["items"][0]

    revoke = f"rosters/feeds/{made.json()['id']}/revocation"
    assert (await post(town, revoke, {}, "duty", "jia")).status_code == 404
    assert (await post(town, revoke, {})).status_code == 200
    assert (await stranger.get(made.json()["path"])).status_code == 404


async def test_a_roll_call_is_written_down_once_and_read_in_pages(town: World) -> None:
    first = await post(town, "roll-calls", CALL | {"answered_after_s": 12, "leader_present": True}, key="k")
    again = await post(town, "roll-calls", CALL | {"answered_after_s": 12, "leader_present": True}, key="k")
    second = await post(town, "roll-calls", CALL | {"answered": False, "answered_by": None, "role": "leader"})

    assert (first.status_code, again.status_code, first.json()) == (201, 200, again.json())
    assert (first.json()["expected"], first.json()["caller"]) == (["李四"], "duty.root")
    page = await get(town, "roll-calls?limit=1")
    rest = await get(town, f"roll-calls?limit=1&cursor={page['next']}")
    assert [page["items"], rest["items"], rest["next"]] == [[second.json()], [first.json()], None]


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"answered": None}, "answered"),
        ({"called_at": "2026-11-23T14:06:00+08:00"}, "called_at"),
        ({"answered": False}, "answered"),
        ({"channel": "smoke"}, "channel"),
        ({"answered_after_s": -1}, "answered_after_s"),
    ],
)
async def test_a_roll_call_that_cannot_be_is_refused(town: World, wrong: Json, path: str) -> None:
    answer = await post(town, "roll-calls", CALL | wrong)

    assert (answer.status_code, [each["path"] for each in answer.json()["errors"]]) == (422, [path])


async def test_answers_are_as_openapi_says(town: World) -> None:
    openapi = (await (await town.browser()).get("/openapi.json")).json()
    change, call = await post(town, "rosters/changes", SWAP), await post(town, "roll-calls", CALL)
    feed = await post(town, "rosters/feeds", {"unit": "yi", "name": "x"})
    answers = {
        "RosterChanges": change.json(),
        "RollCall": call.json(),
        "FeedMade": feed.json(),
        "Units": await get(town, "units"),
        "OnDuty": await get(town, "rosters/on-duty"),
        "Gaps": await get(town, "rosters/gaps"),
        "RosterGrid": await get(town, "rosters/grid"),
        "Feeds": await get(town, "rosters/feeds"),
        "RollCalls": await get(town, "roll-calls"),
    }

    for name, document in answers.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": openapi["components"]}
        jsonschema.validate(document, schema, jsonschema.Draft202012Validator)
        assert name == "FeedMade" or document.get("items") != []
