"""Rehearsals: everybody on duty is sent one test an address, by the same loop as notices; once a month by itself."""

from datetime import UTC, datetime, timedelta

import pytest

from reporter.channels import judging
from reporter.engine.rehearsing import MonthlyRehearsal
from reporter.settings import Settings
from reporter.store import rehearsals
from reporter.store.sending import due
from tests.addresses import only_on
from tests.unit.noticeworld import NOW, World, eventually, running

WORKING = only_on("desk", "console", "webhook")


async def staffed(world: World) -> None:
    await world.on_duty("east", "duty_officer", "李东", "desk", world.hooks.url("/a"))
    await world.on_duty("east", "leader", "李东", world.hooks.url("/a"))
    await world.on_duty("city", "leader", "王", "sms:1")
    await world.on_duty("city", "duty_officer", "赵")


async def test_a_test_is_sent_once_to_each_address_marked_and_after_first_notices(world: World) -> None:
    await staffed(world)
    started = await rehearsals.start(world.database, "root", "test", NOW, WORKING)
    first = await world.add(1, "webhook", world.hooks.url("/b"), next_try_at=NOW)
    assert started is not None
    assert (started.people, started.tests, started.unreachable) == (3, 1, ("王", "赵"))

    async def sent() -> bool:
        return len(world.hooks.asked) == 2

    async with world.database.snapshot() as connection:
        in_turn = await due(connection, "webhook", NOW, 10)
    assert [each.id for each in in_turn][:1] == first

    async with running(world.notifier()):
        await eventually(sent)

    (test,) = world.hooks.about("/a")
    assert str(test.document["text"]).startswith("【测试】")
    assert (test.document["mode"], test.document["reason"], test.document["incident"]) == (
        "test", "rehearsal", None,
    )  # fmt: skip


async def test_a_rehearsal_reaches_down_and_not_up_and_nobody_is_an_error(world: World) -> None:
    await staffed(world)

    started = await rehearsals.start(world.database, "east", "test", NOW, WORKING)

    assert started is not None
    assert started.people == 1
    for unit in ("quiet", "nowhere"):
        with pytest.raises(rehearsals.NothingToRehearse):
            await rehearsals.start(world.database, unit, "test", NOW, WORKING)


async def test_an_answer_counts_once_and_only_for_a_test(world: World) -> None:
    await staffed(world)
    started = await rehearsals.start(world.database, "east", "test", NOW, WORKING)
    assert started is not None
    async with world.database.snapshot() as connection:
        (id_,) = await rehearsals.tests_of(connection, started.id, "李东")
    (other,) = await world.add(1, "webhook", world.hooks.url())

    at = NOW + timedelta(seconds=9)
    assert [await rehearsals.answer(world.database, each, at, "link") for each in (id_, id_, other)] == [
        True, False, False,
    ]  # fmt: skip

    async with world.database.snapshot() as connection:
        report = await rehearsals.report(connection, started.id)
    assert report is not None
    assert [(each.channel, each.state, each.answered_after_s) for each in report.called] == [
        ("desk", None, None), ("webhook", "acknowledged", 9.0),
    ]  # fmt: skip


async def test_the_monthly_one_is_held_once_whoever_looks_and_again_next_month(world: World) -> None:
    await staffed(world)
    replicas = [
        MonthlyRehearsal(world.database, world.time, world.gate.signals, "Asia/Shanghai", WORKING, 24)
        for _ in range(2)
    ]
    held = []
    for at in (
        datetime(2026, 11, 23, 6, tzinfo=UTC),
        datetime(2026, 11, 24, 1, 59, tzinfo=UTC),
        datetime(2026, 11, 24, 2, tzinfo=UTC),
        datetime(2026, 11, 25, 2, tzinfo=UTC),
    ):
        world.time.at = at
        held += [await each.look() for each in replicas]

    assert held == [False, False, False, False, True, False, False, False]


async def test_a_monthly_one_that_is_late_waits_for_working_hours(world: World) -> None:
    await staffed(world)
    late = MonthlyRehearsal(world.database, world.time, world.gate.signals, "Asia/Shanghai", WORKING, 20)
    held = []
    for at in (
        datetime(2026, 11, 23, 9, tzinfo=UTC),  # 17:00
        datetime(2026, 11, 23, 19, 30, tzinfo=UTC),  # 03:30
        datetime(2026, 11, 24, 1, 59, tzinfo=UTC),
        datetime(2026, 11, 24, 8, 59, tzinfo=UTC),  # 16:59
    ):
        world.time.at = at
        held.append(await late.look())

    assert held == [False, False, False, True]


async def test_what_can_never_arrive_counts_for_nothing_and_the_report_says_why(world: World) -> None:
    await world.on_duty("city", "leader", "王", "webhook:opps")
    async with judging(Settings()) as flaw_of:
        started = await rehearsals.start(world.database, "city", "test", NOW, flaw_of)
    assert started is not None
    assert (started.people, started.tests, started.unreachable) == (1, 0, ("王",))

    async def has_failed() -> bool:
        return await world.states(reason="rehearsal") == ["failed"]

    async with running(world.notifier()):
        await eventually(has_failed)

    async with world.database.snapshot() as connection:
        report = await rehearsals.report(connection, started.id)
    assert report is not None
    assert "no account [channels.webhook.opps] in the settings" in str(report.called[0].note)
