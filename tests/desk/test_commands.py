"""Changing incidents over HTTP."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from reporter.core.command import incident_id
from reporter.core.ijson import BODY_BYTES_MAX
from reporter.core.instants import rfc3339
from reporter.desk import bodies
from tests.desk.conftest import OCCURRED, START, Json, World
from tests.desk.test_auth import problem

OPENING = {"title": "化工园区爆燃", "occurred": OCCURRED, "unit": "yi"}


def paths(answer: httpx.Response) -> list[str]:
    """What a 422 complains of."""
    assert answer.status_code == 422, answer.text
    problem(answer)
    return [each["path"] for each in answer.json()["errors"]]


async def test_opening_answers_the_incident_with_its_clocks(world: World) -> None:
    client = await world.client()

    answer = await client.post("/api/v1/incidents", json={**OPENING, "note": {"kept": [1, 2.5]}})

    incident = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/incidents/{incident['id']}"
    assert incident["received_at"] == rfc3339(START)
    assert incident["occurred"] == {
        "earliest": "2026-11-23T06:00:00.000000Z",
        "latest": "2026-11-23T06:00:00.000000Z",
        "provisional": False,
    }
    assert [
        (clock["obligation"], clock["due_at"][11:16], clock["state"]) for clock in incident["clocks"]
    ] == [
        ("initial", "06:20", "running"),
        ("verified", "07:00", "running"),
        ("detailed", "08:00", "running"),
    ]
    assert incident["extra"] == {"note": {"kept": [1, 2.5]}}
    assert (await client.get(answer.headers["location"])).json() == incident


async def test_the_id_follows_from_token_and_key(world: World) -> None:
    client = await world.client()

    answer = await client.post("/api/v1/incidents", json=OPENING, headers={"Idempotency-Key": "k-1"})

    assert answer.json()["id"] == incident_id("/api/duty.root", "k-1")


async def test_the_same_key_and_body_again_changes_nothing(world: World) -> None:
    client, key = await world.client(), {"Idempotency-Key": "k-1"}
    first = await client.post("/api/v1/incidents", json=OPENING, headers=key)
    world.time.advance(timedelta(hours=1))

    again = await client.post("/api/v1/incidents", json=OPENING, headers=key)
    other = await client.post("/api/v1/incidents", json={**OPENING, "title": "另一起"}, headers=key)

    assert (again.status_code, again.json()) == (200, first.json())
    assert (other.status_code, problem(other)) == (422, "identity_reused")


async def test_without_a_key_each_opening_is_a_new_incident(world: World) -> None:
    assert (await world.open())["id"] != (await world.open())["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "键".encode()])
async def test_a_key_that_cannot_be_one_is_refused(world: World, key: str | bytes) -> None:
    headers = {b"Idempotency-Key": key if isinstance(key, bytes) else key.encode()}

    answer = await (await world.client()).post("/api/v1/incidents", json=OPENING, headers=headers)

    assert paths(answer) == ["Idempotency-Key"]


async def test_every_unreadable_field_is_named(world: World) -> None:
    sent = {
        "title": " ",
        "occurred": "2026-11-23T14:00:00",
        "grade": "2",
        "category": "fire",
        "mode": "real",
        "sensitive": "no",
        "place": {"lat": 91},
        "casualties": {"dead": -1},
        "unit": "nowhere",
        "schedule": "cn-nowhere",
    }

    answer = await (await world.client()).post("/api/v1/incidents", json=sent)

    assert set(paths(answer)) == {
        "title",
        "occurred",
        "grade",
        "category",
        "mode",
        "sensitive",
        "place.lat",
        "casualties.dead",
        "unit",
        "schedule",
    }


async def test_an_opening_needs_a_title_and_a_unit_and_no_more(world: World) -> None:
    client = await world.client()

    refused = await client.post("/api/v1/incidents", content=b"")
    opened = await client.post("/api/v1/incidents", json={"title": "不明险情", "unit": "city"})

    assert paths(refused) == ["unit", "title"]
    assert opened.status_code == 201
    assert opened.json()["anomalies"] == ["occurrence_unknown"]
    assert opened.json()["unit"] == "city"


async def test_root_is_an_alias_of_the_root(world: World) -> None:
    assert (await world.open("root"))["unit"] == "city"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'{"title": NaN}',
        b'{"title": "a", "title": "b"}',
        b'{"title": "\xff"}',
        b'{"title": "\\ud800"}',
        b'{"title": 1e400}',
        b'{"title": ' + b"[" * 40 + b"]" * 40 + b"}",
    ],
)
async def test_what_is_not_strict_json_is_refused(world: World, body: bytes) -> None:
    answer = await (await world.client()).post("/api/v1/incidents", content=body)

    assert (answer.status_code, problem(answer)) == (422, "not_json")


async def test_a_body_over_the_limit_is_refused_declared_or_not(world: World) -> None:
    client = await world.client()
    body = b'{"title": "' + b"x" * BODY_BYTES_MAX + b'"}'

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    declared = await client.post("/api/v1/incidents", content=body)
    streamed = await client.post("/api/v1/incidents", content=chunks())

    assert (declared.status_code, problem(declared)) == (413, "content_too_large")
    assert streamed.status_code == 413


async def test_a_body_held_back_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_WAIT_S", 0.01)
    client = await world.client()

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    assert (await client.post("/api/v1/incidents", content=never())).status_code == 408


async def test_a_report_meets_its_clock_and_is_listed(world: World) -> None:
    incident = await world.open()
    world.time.advance(timedelta(minutes=1))

    shown = await world.post(incident, "reports", covers=["initial"], form="phone", author="王五", text="…")

    (report,) = shown["reports"]
    assert (report["covers"], report["form"], report["author"]) == (["initial"], "phone", "王五")
    assert shown["clocks"][0]["met_by"] == report["id"]
    assert shown["clocks"][0]["met_at"] == report["received_at"] == rfc3339(START + timedelta(minutes=1))
    assert shown["clocks"][0]["verdict"] == "on_time"


async def test_a_late_report_says_by_how_much(world: World) -> None:
    incident = await world.open()
    await world.pass_time(15.5 + 1 / 60 / 1_000_000 * 250_000)

    shown = await world.post(incident, "reports", covers=["initial"])

    assert shown["clocks"][0]["verdict"] == "late"
    assert shown["clocks"][0]["late_by_s"] == 30.25


async def test_an_unknown_obligation_is_refused_with_the_valid_ones(world: World) -> None:
    incident = await world.open()

    answer = await (await world.client()).post(
        f"/api/v1/incidents/{incident['id']}/reports", json={"covers": ["nonsense"]}
    )

    assert answer.status_code == 422
    assert "initial" in answer.text


async def test_the_body_may_not_name_another_incident(world: World) -> None:
    incident, other = await world.open(), await world.open()
    client = await world.client()
    path = f"/api/v1/incidents/{incident['id']}/reports"

    by_id = await client.post(path, json={"incident": other["id"], "form": "phone"})
    by_event = await client.post(path, json={"event": {"source": "s", "id": "i"}, "form": "phone"})
    same = await client.post(path, json={"incident": incident["id"].upper(), "form": "phone"})

    assert (paths(by_id), paths(by_event)) == (["incident"], ["event"])
    assert same.status_code == 200


async def test_a_command_for_an_unknown_incident_is_not_held(world: World) -> None:
    client = await world.client()

    for id_ in (str(uuid.uuid4()), "nonsense", "%00"):
        answer = await client.post(f"/api/v1/incidents/{id_}/reports", json={})
        assert (answer.status_code, problem(answer)) == (404, "not_found")


async def test_a_command_that_does_not_fit_the_state_conflicts(world: World) -> None:
    client = await world.client()
    incident = await world.open()

    async def status(command: str, key: str = "") -> int:
        world.time.advance(timedelta(seconds=1))
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        path = f"/api/v1/incidents/{incident['id']}/{command}"
        return (await client.post(path, json={"reason": "测试"}, headers=headers)).status_code

    assert await status("reopening") == 409
    assert await status("closure", "k") == 200
    assert await status("closure") == 409
    assert await status("closure", "k") == 200  # the same command again is a duplicate, whatever the state
    assert await status("withdrawal") == 200
    assert await status("withdrawal") == 409
    assert await status("closure") == 409
    assert await status("reopening") == 200


async def test_a_duplicate_must_be_of_another_incident_that_exists(world: World) -> None:
    incident, survivor = await world.open(), await world.open()
    client = await world.client()
    path = f"/api/v1/incidents/{incident['id']}/withdrawal"

    for wrong in (str(uuid.uuid4()), incident["id"]):
        assert paths(await client.post(path, json={"reason": "重复", "duplicate_of": wrong})) == [
            "duplicate_of"
        ]
    joined = await client.post(path, json={"reason": "重复", "duplicate_of": survivor["id"]})

    assert (joined.json()["state"], joined.json()["duplicate_of"]) == ("withdrawn", survivor["id"])


async def test_an_acknowledgement_takes_notices_of_this_incident_only(world: World) -> None:
    incident = await world.open()
    await world.pass_time(10)
    client = await world.client()
    path = f"/api/v1/incidents/{incident['id']}"
    notice = (await client.get(path)).json()["notices"][0]

    wrong = await client.post(f"{path}/acknowledgements", json={"notice": str(uuid.uuid4())})
    taken = await client.post(f"{path}/acknowledgements", json={"notice": notice["id"], "by": "李四"})

    assert paths(wrong) == ["notice"]
    states = {each["id"]: each["state"] for each in taken.json()["notices"]}
    assert states[notice["id"]] == "acknowledged"


async def test_an_amendment_needs_a_reason(world: World) -> None:
    incident = await world.open()

    answer = await (await world.client()).post(
        f"/api/v1/incidents/{incident['id']}/amendments", json={"title": "更正"}
    )
    amended = await world.post(incident, "amendments", title="更正", reason="核实")

    assert paths(answer) == ["reason"]
    assert amended["title"] == "更正"


@pytest.mark.parametrize(
    ("command", "data", "wrong"),
    [
        ("reports", {"covers": ["nix"], "form": "fax", "text": "x"}, {"covers", "form"}),
        ("reports", {"call": {"caller": 5}, "attachments": [5, {"name": 5}]},
         {"call.caller", "attachments.0", "attachments.1.name"}),
        ("amendments", {"reason": "更正", "grade": "Q", "mode": "test"}, {"grade", "mode"}),
        ("withdrawal", {"reason": 5, "duplicate_of": "nowhere"}, {"reason", "duplicate_of"}),
        ("acknowledgements", {"by": 5, "notice": "nowhere"}, {"by", "notice"}),
    ],
)  # fmt: skip
async def test_everything_that_is_wrong_is_named_at_once(
    world: World, command: str, data: Json, wrong: set[str]
) -> None:
    incident = await world.open()
    client = await world.client()

    answer = await client.post(f"/api/v1/incidents/{incident['id']}/{command}", json=data)

    assert sorted(paths(answer)) == sorted(wrong)


async def test_a_duplicate_is_withdrawn_without_a_reason(world: World) -> None:
    incident, survivor = await world.open(), await world.open()

    shown = await world.post(incident, "withdrawal", duplicate_of=survivor["id"])

    assert (shown["state"], shown["duplicate_of"], shown["anomalies"]) == ("withdrawn", survivor["id"], [])
