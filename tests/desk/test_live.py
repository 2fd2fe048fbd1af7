"""The board's stream: what is told to whom, what is told again, and when it ends."""

import asyncio
from datetime import timedelta

import pytest

from reporter import catalog
from reporter.desk.live.faces import SOON_SPAN
from reporter.desk.live.hub import QUEUE_MAX, Client
from reporter.desk.live.listing import View
from reporter.engine.record import Gate
from reporter.resources import schedules_dir
from reporter.store import tokens
from reporter.store.database import Database
from tests.desk.boards import open_board, served, signed_in_at
from tests.desk.conftest import World
from tests.desk.test_board import open_many

OVERDUE = "2026-11-23T13:40:00+08:00"


async def test_a_board_is_sent_the_whole_page_and_then_what_changes(world: World) -> None:
    first = await world.open(title="先有的")
    async with served(world) as url, signed_in_at(world, url) as client, open_board(client) as board:
        whole = await board.next("board")
        assert whole.data["order"] == [first["id"]]
        assert "先有的" in whole.data["cards"][first["id"]]

        second = await world.open(title="新来的")
        news = await board.next("board")

    assert set(news.data["order"]) == {first["id"], second["id"]}
    assert set(news.data["cards"]) == {second["id"]}


async def test_what_another_process_commits_is_told(world: World) -> None:
    other = Database(str(world.database.url.set(drivername="sqlite")))
    elsewhere = World(
        other, Gate(other, catalog.load([schedules_dir()]), world.time), world.time, world.exits
    )
    async with served(world) as url, signed_in_at(world, url) as client, open_board(client) as board:
        await board.next("board")

        await open_many(elsewhere, 1)
        news = await board.next("board")

    assert "第 0 起" in str(news.data["cards"])
    await other.close()


async def test_a_breach_is_an_alarm_that_calls_until_it_is_acknowledged(world: World) -> None:
    incident = await world.open(title="爆燃")
    async with (
        served(world) as url,
        signed_in_at(world, url) as client,
        open_board(client, "?lang=en") as board,
    ):
        await board.next("board")
        await world.pass_time(16)
        alarm = await board.next("alarm")
        assert [each["level"] for each in alarm.data["alarms"]] == [1, 1, 2]  # two reminders, then the breach
        assert alarm.data["alarms"][2]["text"] == "爆燃 · Initial report · Deadline passed"
        assert [each["calling"] for each in alarm.data["alarms"]] == [False, False, True]
        assert not alarm.data["missed"]
        assert [each["level"] for each in (await board.next("board")).data["calls"]] == [2]

        answer = await client.post(
            "/board/acknowledge",
            data={"incident": incident["id"], "key": "k"},
            headers={"Accept": "application/json"},
        )
        assert answer.status_code == 204
        news = await board.next("board")

    assert news.data["calls"] == []


async def test_a_board_that_comes_back_is_told_the_alarms_it_has_missed(world: World) -> None:
    await world.open(title="爆燃")
    async with served(world) as url, signed_in_at(world, url) as client:
        async with open_board(client) as board:
            last = (await board.next("board")).id
        await world.pass_time(16)

        async with open_board(client, headers={"Last-Event-ID": str(last)}) as board:
            missed = await board.next()
            newest = (await board.next("board")).id
        async with open_board(client, f"?after={int(str(newest)) + 3_000_000}") as board:
            await board.next("board")
            await world.open(title="另一起")
            following = await board.next("board", "alarm")

    assert missed.data["missed"]
    assert "爆燃" in missed.data["alarms"][-1]["text"]
    assert following.kind == "board"


async def test_a_unit_hears_of_its_own_incidents_only(world: World) -> None:
    async with (
        served(world) as url,
        signed_in_at(world, url, "unit", "yi") as client,
        open_board(client) as board,
    ):
        await board.next("board")
        await world.open("jia", title="甲县的", occurred=OVERDUE)
        await world.pass_time(1)
        own = await world.open("yi", title="乙县的")
        await board.next("board")

    told = [each for each in board.seen if each.kind in ("board", "alarm")]
    assert "甲县的" not in str([each.data for each in told])
    assert told[-1].data["order"] == [own["id"]]


async def test_a_clock_that_comes_due_soon_changes_without_a_commit(world: World) -> None:
    incident = await world.open()
    async with served(world) as url, signed_in_at(world, url) as client, open_board(client) as board:
        whole = await board.next("board")
        assert 'clock running"' in whole.data["cards"][incident["id"]]

        world.time.advance(timedelta(minutes=15) - SOON_SPAN)
        news = await board.next("board")

    assert 'clock soon"' in news.data["cards"][incident["id"]]


async def test_the_service_says_what_is_wrong_with_it(world: World) -> None:
    async with served(world) as url, signed_in_at(world, url) as client:
        world.checks["nats"] = {"ok": False, "since": "2026-11-23T06:00:00Z"}
        page = (await client.get("/")).text

    assert "消息总线中断" in page


async def test_streams_end_when_the_service_stops(world: World) -> None:
    async with served(world) as url, signed_in_at(world, url) as client, open_board(client) as board:
        await board.next("board")

        world.app.state.hub.close()
        await board.ends()

        assert (await client.get("/events")).status_code == 503


async def test_who_is_not_signed_in_is_sent_away(world: World) -> None:
    async with served(world) as url, signed_in_at(world, url) as client:
        client.cookies.clear()

        answer = await client.get("/events")

    assert "event: bye" in answer.text


async def test_whose_account_is_revoked_is_sent_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reporter.desk.live.stream.RECHECK_S", 0.0)
    monkeypatch.setattr("reporter.desk.auth.FRESH_S", 0.0)
    async with served(world) as url, signed_in_at(world, url) as client, open_board(client) as board:
        await board.next("board", "bye")
        await tokens.create(world.database, "board.duty.root", "duty", "root", world.time.now())
        await world.open()

        assert (await board.next("bye")).data == {}
        await board.ends()


async def test_a_board_too_slow_for_its_queue_is_dropped() -> None:
    client = Client(View(None, "city", "zh", 1, False, True))

    for _ in range(QUEUE_MAX + 1):
        client.tell(b"x")

    assert client.is_over
    assert await client.queue.get() is None


async def test_a_hundred_boards_of_one_view_share_one_rendering(world: World) -> None:
    hub = world.app.state.hub
    view = View(None, "city", "zh", 1, False, True)
    clients = [await hub.join(view, None) for _ in range(100)]
    for client in clients:
        client.queue.get_nowait()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(hub.run())
        await world.open()
        async with asyncio.timeout(10):
            messages = [await client.queue.get() for client in clients]
        running.cancel()

    assert len({id(message) for message in messages}) == 1
