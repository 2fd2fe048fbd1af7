"""Trying a channel over HTTP and by the verb: the message arrives, marked; what came of it is said and logged."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reporter.channels import close_channels, load_channels
from reporter.cli import app
from reporter.core.roster import shown
from reporter.desk.app import create_app
from reporter.settings import Settings
from reporter.store.database import open_database
from reporter.store.people import import_roster
from reporter.store.schema import check
from reporter.values import Tables
from tests.contract.hooks import Hooks, listening, said, status
from tests.desk.conftest import World

ROSTER = (
    "unit,role,starts,ends,person,phone,channels\n"
    "{unit},duty_officer,2026-11-01T00:00:00Z,2099-01-01T00:00:00Z,李东,13800000000,{channels}\n"
    "{unit},leader,2026-11-01T00:00:00Z,2099-01-01T00:00:00Z,周,13900000000,\n"
)


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    async with listening() as found:
        yield found


@pytest.fixture
async def trying(world: World, hooks: Hooks) -> AsyncIterator[World]:
    """The district with channels, and 李东 on two of them."""
    hooks.answers["/robot/send"] = said({"errcode": 310000, "errmsg": "keywords not in content"})
    tables = {"dingtalk": {"ops": {"token": "t", "base_url": hooks.url("")}}}
    channels = load_channels(Settings(channels=Tables(tables)))
    addresses = f"{hooks.url('/hook?key=hidden')}|dingtalk:ops"
    await import_roster(world.database, ROSTER.format(unit="yi", channels=addresses).encode())
    services = replace(world.services, channels=channels, public_url="https://desk.example/")
    world.app = create_app(services)
    yield world
    await close_channels(channels.values())


async def test_an_address_is_tried_and_the_message_is_marked(
    trying: World, hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    client = await trying.client("admin")
    caplog.set_level(logging.INFO)

    answer = await client.post("/api/v1/channels/test", json={"address": hooks.url("/hook?key=hidden")})

    (item,) = answer.json()["items"]
    assert answer.status_code == 200
    assert (item["state"], item["detail"], item["permanent"]) == ("accepted", "HTTP 200", False)
    assert item["address"] == "http://127.0.0.1/…"
    document = hooks.asked[0].document
    assert document["notice"] == item["id"]
    assert (document["mode"], document["reason"], document["incident"]) == ("test", "test", None)
    assert str(document["subject"]).startswith("【测试】渠道测试")
    assert "https://desk.example/" in str(document["text"])
    assert f"channel test {item['id']} by token:admin.root: webhook" in caplog.text
    assert "hidden" not in caplog.text


async def test_all_addresses_of_a_person_are_tried(trying: World, hooks: Hooks) -> None:
    client = await trying.client("admin")

    answer = await client.post("/api/v1/channels/test", json={"person": "李东"})

    found = {each["channel"]: each for each in answer.json()["items"]}
    assert found["webhook"]["state"] == "accepted"
    assert (found["dingtalk"]["state"], found["dingtalk"]["permanent"]) == ("failed", True)
    assert found["dingtalk"]["detail"] == "310000 keywords not in content"
    assert hooks.about("/hook?key=hidden")[0].document["person"] == "李东"
    assert "13800000000" in hooks.bodies()


async def test_the_same_key_gives_the_same_message(trying: World, hooks: Hooks) -> None:
    client = await trying.client("admin")

    for _ in range(2):
        await client.post(
            "/api/v1/channels/test", json={"address": hooks.url()}, headers={"Idempotency-Key": "k"}
        )

    first, second = hooks.asked
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"address": ""},
        {"address": "desk", "person": "李东"},
        {"person": "周"},
        {"person": "无"},
        {"to": 1},
    ],
)
async def test_what_cannot_be_tried_is_said(trying: World, asked: dict[str, object]) -> None:
    answer = await (await trying.client("admin")).post("/api/v1/channels/test", json=asked)

    assert answer.status_code == 422
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    ("role", "unit"), [("duty", "root"), ("leader", "root"), ("auditor", "root"), ("admin", "yi")]
)
async def test_only_an_administrator_of_the_root_may_try(
    trying: World, hooks: Hooks, role: str, unit: str
) -> None:
    client = await trying.client(role, unit)

    answer = await client.post("/api/v1/channels/test", json={"address": hooks.url()})

    assert answer.status_code == 403
    assert hooks.asked == []


async def test_the_verb_tries_a_person_and_ends_in_1_where_one_failed(
    hooks: Hooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database(None, tmp_path)
    await check(database)
    channels = f"{hooks.url('/good')}|{hooks.url('/bad')}|desk"
    await import_roster(database, ROSTER.format(unit="root", channels=channels).encode())
    await database.close()
    hooks.answers["/bad"] = status(404)
    monkeypatch.setenv("REPORTER_DATA_DIR", str(tmp_path))

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["channel", *arguments])
        return result.exit_code, result.stdout

    both = await asyncio.to_thread(run, "test", "--person", "李东", "--json")
    good = await asyncio.to_thread(run, "test", hooks.url("/good"))
    nobody = await asyncio.to_thread(run, "test", "--person", "无")
    neither = await asyncio.to_thread(run, "test")
    listed = await asyncio.to_thread(run, "list", "--json")

    assert both[0] == 1
    states = [(each["channel"], each["state"], each["detail"]) for each in json.loads(both[1])["items"]]
    assert states == [
        ("webhook", "accepted", "HTTP 200"),
        ("webhook", "failed", "HTTP 404"),
        ("desk", "delivered", ""),
    ]
    assert good[0] == 0 and good[1].startswith("✔ http://127.0.0.1/…: accepted HTTP 200 (")
    assert (nobody[0], neither[0]) == (1, 2)
    assert {"channel": "webhook", "accounts": []} in json.loads(listed[1])["items"]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("sms:13800000000", "sms:13800000000"),
        ("https://u:pw@hook.example/secret?x=secret", "https://hook.example/…"),
        ("webhook:https://hook.example/secret", "https://hook.example/…"),
        ("apprise+tgram://secret/chat", "apprise:…"),
        ("apprise://secret/chat", "apprise:…"),
        ("webhook:https://[bad/secret", "webhook:…"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(address: str, told: str) -> None:
    assert shown(address) == told
