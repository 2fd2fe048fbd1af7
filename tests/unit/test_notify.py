"""Notices leave the table once each, through channels that fail, hang and return; the real gate records it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any  # columns of a row

import pytest
from sqlalchemy import Row, insert, select

from reporter.catalog import load
from reporter.channels import Channel, close_channels, load_channels
from reporter.core.command import Command
from reporter.core.terms import CommandKind, Mode, NoticeReason, NoticeState
from reporter.engine.notify import ATTEMPTS_MAX, Notifier
from reporter.engine.record import Gate, NoticeResult
from reporter.render import Renderer
from reporter.resources import schedules_dir, templates_dir
from reporter.settings import Settings
from reporter.store import schema
from reporter.store.database import Database
from reporter.store.models import Line, Notice, table
from reporter.store.people import import_roster, import_units
from reporter.timesource import ManualTime
from tests.contract.hooks import Hooks, listening, status

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
UNITS = """code,name,parent,phone,region
city,市值班室,,0632-1,
east,东街道,city,0632-2,
quiet,无人镇,city,0632-3,
"""
CATALOG = load([schedules_dir()])


@dataclass
class World:
    """A database, the gate, time that stands still, and receivers of webhooks."""

    database: Database
    gate: Gate
    time: ManualTime
    hooks: Hooks
    channels: list[Channel] = field(default_factory=list)

    def notifier(self, gate: Gate | None = None, *, send_timeout_s: float = 30) -> Notifier:
        gate = gate or self.gate
        channels = load_channels(Settings(webhook_timeout_s=60))
        self.channels += channels.values()
        renderer, wake = Renderer("Asia/Shanghai"), gate.signals.notices
        return Notifier(
            self.database, gate, channels, renderer, self.time, wake, send_timeout_s=send_timeout_s
        )

    async def on_duty(self, unit: str, role: str, person: str, *channels: str) -> None:
        line = f"{unit},{role},2026-11-01T00:00:00Z,2026-12-01T00:00:00Z,{person},138,{'|'.join(channels)}"
        content = f"unit,role,starts,ends,person,phone,channels\n{line}\n"
        await import_roster(self.database, content.encode())

    async def open(self, unit: str = "east", *, minutes_ago: float = 20, mode: Mode = Mode.ACTUAL) -> str:
        """An incident that occurred so long ago; what is due by now is recorded, its notices wait. Its id."""
        occurred = (self.time.now() - timedelta(minutes=minutes_ago)).isoformat()
        data = {"title": "化工园区爆燃", "occurred": occurred, "mode": mode.value}
        received = self.time.now() - timedelta(minutes=max(0.0, minutes_ago - 1))
        command = Command(CommandKind.OCCURRED, "//t", unit, received, unit, data, "0" * 64, f"nats:{unit}")
        (outcome,) = await self.gate.submit([command])
        assert outcome.incident is not None
        while await self.gate.tick(self.time.now()):
            pass
        return outcome.incident

    async def add(self, count: int, channel: str, address: str = "", **values: object) -> list[str]:
        """Notices written straight into the table, of no incident."""
        rows = [
            {
                "id": f"{channel}-{number}-{address}"[:36],
                "unit": "city",
                "mode": Mode.ACTUAL,
                "repeat": 1,
                "reason": NoticeReason.REJECTED,
                "to_role": "unit.duty_officer",
                "person": "王",
                "channel": channel,
                "address": address,
                "state": NoticeState.QUEUED,
                "recorded_at": NOW,
                "attempts": 0,
                "next_try_at": NOW,
                **values,
            }
            for number in range(count)
        ]
        async with self.database.transaction() as connection:
            await connection.execute(insert(Notice), rows)
        return [str(row["id"]) for row in rows]

    async def notices(self, **wanted: object) -> Sequence[Row[Any]]:
        """The notices as they stand."""
        query = select(*table(Notice).c)
        for name, value in wanted.items():
            query = query.where(getattr(Notice, name) == value)
        async with self.database.snapshot() as connection:
            return (await connection.execute(query)).all()

    async def states(self, **wanted: object) -> list[str]:
        return [notice.state for notice in await self.notices(**wanted)]


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A world with three units on each kind of database."""
    url = (
        f"sqlite:///{tmp_path / 'w.sqlite3'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres")
    )
    database = Database(url)
    await schema.upgrade(database)
    await import_units(database, UNITS.encode())
    clock = ManualTime(NOW)
    async with listening() as hooks:
        found = World(database, Gate(database, CATALOG, clock, ("desk", "console", "webhook")), clock, hooks)
        yield found
        await close_channels(found.channels)
    await database.close()


@asynccontextmanager
async def running(*notifiers: Notifier) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(notifier.run()) for notifier in notifiers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def eventually(holds: Callable[[], Awaitable[bool]], within_s: float = 5) -> None:
    ends = time.monotonic() + within_s
    while not await holds():
        assert time.monotonic() < ends, "it did not come about"
        await asyncio.sleep(0.02)


async def test_a_notice_for_the_desk_is_delivered_and_told_in_the_ledger(world: World) -> None:
    await world.on_duty("east", "duty_officer", "李东", "desk")
    incident = await world.open(minutes_ago=10)

    async def delivered() -> bool:
        return await world.states() == ["delivered"]

    async with running(world.notifier()):
        await eventually(delivered)

    (notice,) = await world.notices()
    assert (notice.attempts, notice.next_try_at, notice.note) == (1, None, None)
    async with world.database.snapshot() as connection:
        lines = await connection.scalars(
            select(Line.kind).where(Line.incident_id == incident).order_by(Line.version)
        )
        assert lines.all()[-1] == "notified"


async def test_a_breach_is_told_in_chinese_and_english_with_its_facts(world: World) -> None:
    await world.on_duty("east", "duty_officer", "李东", world.hooks.url())
    incident = await world.open()
    world.time.advance(timedelta(minutes=5))

    async def accepted() -> bool:
        return "accepted" in await world.states(person="李东", reason="breach")

    async with running(world.notifier()):
        await eventually(accepted)

    asked = next(each for each in world.hooks.asked if each.document["reason"] == "breach")
    text = str(asked.document["text"])
    chinese, english = text.index("时限已过"), text.index("The deadline has passed")
    assert chinese < english
    assert "事件：化工园区爆燃" in text
    assert "2026-11-23 14:00:00 (Asia/Shanghai)，已超 5:00" in text
    assert "致 李东：您此刻值班（报送单位值班员）" in text
    assert "on duty now (reporting unit, duty officer)" in text
    assert str(asked.document["subject"]).startswith("超时 东街道 ")
    assert asked.document["incident"] == incident
    assert asked.document["obligation_due_at"] == "2026-11-23T06:00:00.000000Z"
    assert asked.headers["webhook-id"] == asked.document["notice"]


async def test_who_stands_in_is_told_for_whom_and_whom_to_call(world: World) -> None:
    await world.on_duty("city", "duty_officer", "钱市", world.hooks.url())
    await world.open("quiet", minutes_ago=10)

    async def accepted() -> bool:
        return "accepted" in await world.states(person="钱市")

    async with running(world.notifier()):
        await eventually(accepted)

    text = str(world.hooks.asked[0].document["text"])
    assert "无人镇此刻无人值班" in text
    assert "该单位电话：0632-3" in text
    (nobody,) = await world.notices(channel="desk")
    assert (nobody.person, nobody.note, nobody.phone) == (None, "nobody_on_duty", "0632-3")


@pytest.mark.parametrize(("mode", "mark"), [(Mode.EXERCISE, "【演练】"), (Mode.TEST, "【测试】")])
async def test_a_drill_is_marked_in_every_text(world: World, mode: Mode, mark: str) -> None:
    await world.on_duty("east", "duty_officer", "李东", world.hooks.url())
    await world.open(minutes_ago=10, mode=mode)

    async def arrived() -> bool:
        return bool(world.hooks.asked)

    async with running(world.notifier()):
        await eventually(arrived)

    document = world.hooks.asked[0].document
    assert str(document["subject"]).startswith(mark)
    assert str(document["text"]).startswith(mark)
    assert document["mode"] == mode


async def test_what_may_pass_is_tried_again_under_the_same_id(world: World) -> None:
    (id_,) = await world.add(1, "webhook", world.hooks.url())
    world.hooks.answers["/"] = status(503)

    async def tried_and_queued() -> bool:
        return [
            (n.attempts, n.note) for n in await world.notices() if n.next_try_at < NOW + timedelta(seconds=5)
        ] == [(1, " | HTTP 503")]

    async def accepted() -> bool:
        return await world.states() == ["accepted"]

    async with running(world.notifier()):
        await eventually(tried_and_queued)
        world.hooks.answers.clear()
        world.time.advance(timedelta(seconds=5))
        await eventually(accepted)

    assert [asked.headers["webhook-id"] for asked in world.hooks.asked] == [id_, id_]
    assert [asked.document["attempts"] for asked in world.hooks.asked] == [1, 2]


async def test_attempts_are_bounded(world: World) -> None:
    await world.add(1, "webhook", world.hooks.url(), attempts=ATTEMPTS_MAX - 1, note="nobody_on_duty:east")
    world.hooks.answers["/"] = status(500)

    async def failed() -> bool:
        return await world.states() == ["failed"]

    async with running(world.notifier()):
        await eventually(failed)

    (notice,) = await world.notices()
    assert notice.note == f"nobody_on_duty:east | given up after {ATTEMPTS_MAX} attempts: HTTP 500"
    assert notice.next_try_at is None


async def test_what_will_never_be_taken_and_what_has_no_channel_fails_at_once(world: World) -> None:
    await world.add(1, "webhook", world.hooks.url("/gone"))
    await world.add(1, "sms", "138")
    world.hooks.answers["/gone"] = status(410)

    async def failed() -> bool:
        return await world.states() == ["failed", "failed"]

    async with running(world.notifier()):
        await eventually(failed)

    assert {notice.note for notice in await world.notices()} == {
        " | HTTP 410",
        " | there is no such channel here",
    }


async def test_who_hangs_delays_neither_the_desk_nor_other_addresses(world: World) -> None:
    world.hooks.answers["/hangs"] = None
    await world.add(300, "webhook", world.hooks.url("/hangs"), next_try_at=NOW - timedelta(minutes=1))
    await world.add(20, "webhook", world.hooks.url("/well"))
    await world.add(2500, "desk")

    async def others_are_done() -> bool:
        done = await world.states(address=world.hooks.url("/well"))
        return done == ["accepted"] * 20 and set(await world.states(channel="desk")) == {"delivered"}

    async with running(world.notifier()):
        await eventually(others_are_done, within_s=20)
        assert len(world.hooks.about("/hangs")) <= 8


async def test_first_notices_go_before_repeats(world: World) -> None:
    repeats = await world.add(
        30, "webhook", world.hooks.url("/x"), repeat=2, next_try_at=NOW - timedelta(hours=1)
    )
    firsts = await world.add(8, "webhook", world.hooks.url("/y"))

    async def done() -> bool:
        return await world.states() == ["accepted"] * 38

    async with running(world.notifier()):
        await eventually(done)

    order = [asked.headers["webhook-id"] for asked in world.hooks.asked]
    assert set(order) == {*repeats, *firsts}
    assert all(order.index(first) < 38 - 8 for first in firsts)


async def test_a_crash_between_sending_and_recording_sends_again_under_the_same_id(world: World) -> None:
    (id_,) = await world.add(1, "webhook", world.hooks.url())
    world.hooks.answers["/"] = None

    async def arrived() -> bool:
        return bool(world.hooks.asked)

    async def accepted() -> bool:
        return await world.states() == ["accepted"]

    async with running(world.notifier()):
        await eventually(arrived)
    world.hooks.answers.clear()
    async with running(world.notifier()):
        world.time.advance(timedelta(seconds=59))
        await asyncio.sleep(0)
        assert len(world.hooks.asked) == 1
        world.time.advance(timedelta(seconds=2))
        await eventually(accepted)

    assert [asked.headers["webhook-id"] for asked in world.hooks.asked] == [id_, id_]
    (notice,) = await world.notices()
    assert notice.attempts == 2


async def test_replicas_share_the_work_and_nobody_is_told_twice(world: World) -> None:
    ids = []
    for number in range(20):
        ids += await world.add(10, "webhook", world.hooks.url(f"/{number}"))
    ids += await world.add(500, "desk")

    async def done() -> bool:
        return set(await world.states()) <= {"accepted", "delivered"}

    other = Gate(world.database, CATALOG, world.time)
    async with running(world.notifier(), world.notifier(other)):
        await eventually(done, within_s=20)

    posted = [asked.headers["webhook-id"] for asked in world.hooks.asked]
    assert len(posted) == len(set(posted)) == 200
    assert {notice.attempts for notice in await world.notices()} == {1}


class Faltering(Gate):
    """The gate on a day when the database refuses large writes of results."""

    async def receipts(self, results: Sequence[NoticeResult]) -> None:
        if len(results) > 1:
            msg = "disk full"
            raise OSError(msg)
        await super().receipts(results)


async def test_results_that_cannot_be_recorded_together_are_recorded_one_by_one(world: World) -> None:
    await world.add(3, "desk")

    async def done() -> bool:
        return await world.states() == ["delivered"] * 3

    gate = Faltering(world.database, CATALOG, world.time)
    async with running(world.notifier(gate)):
        await eventually(done)


async def test_an_acknowledgement_that_overtakes_the_sending_stands(world: World) -> None:
    await world.on_duty("east", "duty_officer", "李东", world.hooks.url())
    incident = await world.open(minutes_ago=10)
    world.hooks.answers["/"] = None

    async def arrived() -> bool:
        return bool(world.hooks.asked)

    async with running(world.notifier()):
        await eventually(arrived)
        data = {"incident": incident, "by": "李东"}
        command = Command(
            CommandKind.ACKNOWLEDGED, "//t", "a", world.time.now(), "east", data, "1" * 64, "nats:east"
        )
        await world.gate.submit([command])

    assert await world.states() == ["acknowledged"]


def test_every_reason_has_its_texts_and_every_text_its_reason() -> None:
    folders = {path.name for path in (templates_dir() / "notices").iterdir() if not path.name.startswith("_")}

    assert folders == {reason.value for reason in NoticeReason}
    for name in folders:
        assert {path.name for path in (templates_dir() / "notices" / name).iterdir()} == {
            "subject.txt",
            "body.txt",
        }


@pytest.mark.parametrize("reason", NoticeReason)
async def test_every_reason_can_be_told_also_without_an_incident(world: World, reason: NoticeReason) -> None:
    note = "reporter.in.incident.east ×3: not JSON"
    await world.add(
        1, "webhook", world.hooks.url(), reason=reason, note=f"nobody_on_duty:quiet; {note}", repeat=2
    )

    async def arrived() -> bool:
        return bool(world.hooks.asked)

    async with running(world.notifier()):
        await eventually(arrived)

    text = str(world.hooks.asked[0].document["text"])
    assert f"详情：{note}" in text
    assert "无人镇此刻无人值班" in text
    assert "第 2 次" in text


async def test_a_channel_with_too_much_patience_is_cut_off(world: World) -> None:
    await world.add(1, "webhook", world.hooks.url())
    world.hooks.answers["/"] = None

    async def noted() -> bool:
        return [notice.note for notice in await world.notices()] == [" | no answer within 0.2 s"]

    async with running(world.notifier(send_timeout_s=0.2)):
        await eventually(noted)
