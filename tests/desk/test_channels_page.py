"""The channels' page: how each fares, a test through them, and rehearsals."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from reporter.channels import close_channels, load_channels
from reporter.core.terms import NoticeState
from reporter.desk.app import create_app
from reporter.engine.channelwatch import ChannelWatch
from reporter.settings import Settings
from reporter.store import rehearsals
from reporter.store.models import Notice
from reporter.store.people import import_roster
from reporter.values import Tables
from tests.contract.hooks import Hooks, listening, said
from tests.desk.boards import counted
from tests.desk.conftest import World
from tests.desk.people import HERE, at_the_desk
from tests.desk.test_board import assert_sound
from tests.desk.test_channel_tests import ROSTER


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    async with listening() as found:
        yield found


@pytest.fixture
async def trying(world: World, hooks: Hooks) -> AsyncIterator[World]:
    """The district with channels; 李东 is on duty in 乙县, on two of them, 周 on none."""
    hooks.answers["/robot/send"] = said({"errcode": 310000, "errmsg": "keywords not in content"})
    tables = {"dingtalk": {"ops": {"token": "t", "base_url": hooks.url("")}}}
    channels = load_channels(Settings(channels=Tables(tables)))
    await import_roster(
        world.database,
        ROSTER.format(unit="yi", channels=f"{hooks.url('/hook?key=hidden')}|dingtalk:ops").encode(),
    )
    world.app = create_app(replace(world.services, channels=channels))
    yield world
    await close_channels(channels.values())


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_the_page_says_how_each_channel_fares(trying: World, language: str) -> None:
    watch = ChannelWatch(trying.database, trying.time, {})
    await watch.note("webhook https://hook.example", None)
    await watch.note("former", "HTTP 500 <b>")
    trying.time.advance(timedelta(minutes=1))
    await watch.note("former", "HTTP 503")
    await watch.save()
    admin = await at_the_desk(trying, "管理员", "admin")

    page = (await admin.get(f"/channels?lang={language}")).text

    assert_sound(page)
    rows = re.findall(r'<tr><th scope="row"[^>]*>(\w+)(.*?)</tr>', page, re.DOTALL)
    assert rows[0][0] == "former"  # what fails comes first
    assert ("连续失败 2 次" if language == "zh" else "failed 2× in a row") in rows[0][1]
    assert "HTTP 503" in rows[0][1] and "2026-11-23 14:06:00" in rows[0][1]
    assert ("本服务未设" if language == "zh" else "not set up here") in rows[0][1]
    found = dict(rows)
    webhook, dingtalk = ("网络接口", "钉钉") if language == "zh" else ("webhook", "DingTalk")
    assert " https://hook.example" in found[webhook]
    assert ("本服务未设" if language == "zh" else "not set up here") not in found[webhook]
    assert ("正常" if language == "zh" else "works") in found[webhook]
    assert "2026-11-23 14:05:00" in found[webhook]
    assert found[dingtalk].startswith(" ops</th>")
    assert ("尚未用过" if language == "zh" else "never used") in found[dingtalk]


async def test_a_test_is_sent_and_what_came_of_it_is_shown(trying: World, hooks: Hooks) -> None:
    admin = await at_the_desk(trying, "管理员", "admin")
    key = re.search(r'name="key" value="([^"]+)"', (await admin.get("/channels")).text)
    assert key

    answers = [
        await admin.post("/channels/test", data={"person": "李东", "key": key[1]}, headers=HERE)
        for _ in range(2)
    ]

    assert [each.status_code for each in answers] == [200, 200]
    assert_sound(answers[0].text)
    assert "310000 keywords not in content" in answers[0].text
    assert "key=hidden" not in answers[0].text  # of a URL only where it points
    first, second = hooks.about("/hook?key=hidden")
    assert first.headers["webhook-id"] == second.headers["webhook-id"]  # a form sent twice is one message


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "填姓名或地址之一"),
        ({"person": "李东", "address": "dingtalk:ops"}, "填姓名或地址之一"),
        ({"person": "无此人<"}, "名册中没有“无此人&lt;”"),
    ],
)
async def test_what_cannot_be_tried_is_said_and_what_was_typed_is_kept(
    trying: World, hooks: Hooks, sent: dict[str, str], words: str
) -> None:
    admin = await at_the_desk(trying, "管理员", "admin")

    answer = await admin.post("/channels/test", data=sent, headers=HERE)

    assert (answer.status_code, words in answer.text) == (422, True)
    assert_sound(answer.text)
    assert all(f'value="{text.replace("<", "&lt;")}"' in answer.text for text in sent.values())
    assert hooks.asked == []


async def test_a_rehearsal_is_started_once_and_shows_who_answered(trying: World) -> None:
    admin = await at_the_desk(trying, "管理员", "admin")
    assert "还没有演练过" in (await admin.get("/channels")).text

    for _ in range(2):  # the same form again
        sent = {"unit": "city", "last": ""}
        answer = await admin.post("/channels/rehearsals", data=sent, headers=HERE)
        assert (answer.status_code, answer.headers["location"]) == (303, "/channels?lang=zh#rehearsal")

    async with trying.database.snapshot() as connection:
        held = await rehearsals.report(connection)
    assert held is not None
    assert (held.id, held.author) == (1, "account:管理员")
    page = (await admin.get("/channels")).text
    assert_sound(page)
    assert "2 人中 0 人已答复" in page

    async with trying.database.transaction() as connection:
        await connection.execute(
            update(Notice)
            .where(Notice.channel == "dingtalk")
            .values(state=NoticeState.FAILED, note="HTTP 500 <i>")
        )
    trying.time.advance(timedelta(seconds=90))
    noted = await admin.post("/channels/rehearsals/1/answers", data={"person": "李东"}, headers=HERE)
    page = (await admin.get("/channels")).text

    assert noted.status_code == 303
    assert "2 人中 1 人已答复" in page
    assert "1:30" in page
    assert_sound(page)
    for nobody in ("周", "无"):  # nothing was sent to 周, and there is no 无
        wrong = await admin.post("/channels/rehearsals/1/answers", data={"person": nobody}, headers=HERE)
        assert wrong.status_code == 404
    again = await admin.post("/channels/rehearsals", data={"unit": "city", "last": "1"}, headers=HERE)
    assert again.status_code == 303
    assert "第 2 次" in (await admin.get("/channels")).text


async def test_where_nobody_is_on_duty_nothing_is_rehearsed(trying: World) -> None:
    admin = await at_the_desk(trying, "管理员", "admin")

    answer = await admin.post("/channels/rehearsals", data={"unit": "jia", "last": ""}, headers=HERE)

    assert (answer.status_code, "无人在岗" in answer.text) == (422, True)
    assert_sound(answer.text)


async def test_the_page_costs_the_same_however_many_were_called(trying: World) -> None:
    admin = await at_the_desk(trying, "管理员", "admin")
    await admin.get("/channels")
    with counted(trying.database) as before:
        await admin.get("/channels")
    await admin.post("/channels/rehearsals", data={"unit": "city", "last": ""}, headers=HERE)
    with counted(trying.database) as after:
        await admin.get("/channels")

    assert len(after) <= len(before) + 1  # those who were called, in one query


async def test_the_menu_leads_there_for_whoever_may(trying: World) -> None:
    admin = await at_the_desk(trying, "管理员", "admin")
    leader = await at_the_desk(trying, "局长", "leader")

    assert 'href="/channels"' in (await admin.get("/account")).text
    assert 'href="/channels"' not in (await leader.get("/account")).text
