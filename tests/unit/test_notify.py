"""Notices leave the table once each, through channels that fail, hang, return; the real gate records it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select

from reporter.core.command import Command
from reporter.core.notice import NoticeResult
from reporter.core.terms import CommandKind
from reporter.engine.record import Gate
from reporter.sending.patience import ATTEMPTS_MIN, TRIED_FOR
from reporter.store.models import Line
from tests.contract.hooks import status
from tests.unit.noticeworld import CATALOG, NOW, World, eventually, running


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
    tried = {"attempts": ATTEMPTS_MIN - 1, "recorded_at": NOW - TRIED_FOR, "note": "nobody_on_duty:east"}
    await world.add(1, "webhook", world.hooks.url(), **tried)
    world.hooks.answers["/"] = status(500)

    async def failed() -> bool:
        return await world.states() == ["failed"]

    async with running(world.notifier()):
        await eventually(failed)

    (notice,) = await world.notices()
    assert notice.note == f"nobody_on_duty:east | given up after {ATTEMPTS_MIN} attempts: HTTP 500"
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
        world.time.advance(timedelta(seconds=29))
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


async def test_a_channel_with_too_much_patience_is_cut_off(world: World) -> None:
    await world.add(1, "webhook", world.hooks.url())
    world.hooks.answers["/"] = None

    async def noted() -> bool:
        return [notice.note for notice in await world.notices()] == [" | no answer within 0.2 s"]

    async with running(world.notifier(send_timeout_s=0.2)):
        await eventually(noted)
