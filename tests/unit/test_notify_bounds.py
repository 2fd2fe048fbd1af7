"""The loop heeds what a channel can carry, and a receiver that asks to be left alone."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from reporter.core.turns import Rank
from reporter.engine import notify
from reporter.values import Tables
from tests.contract.hooks import said, status
from tests.unit.noticeworld import NOW, World, eventually, running


async def test_who_asks_for_a_pause_is_left_alone_that_long(world: World) -> None:
    await world.add(1, "webhook", world.hooks.url())
    world.hooks.answers["/"] = status(429, "retry-after: 100")

    async def postponed() -> bool:
        (notice,) = await world.notices()
        return bool(notice.note == " | HTTP 429")

    async with running(world.notifier()):
        await eventually(postponed)

    (notice,) = await world.notices()
    assert timedelta(seconds=99) < notice.next_try_at - NOW < timedelta(seconds=102)


async def test_a_group_that_asks_for_a_pause_has_it_from_all_and_no_attempt_is_lost_to_it(
    world: World,
) -> None:
    """It asks on account of one notice; whomever the others mention, they go to the same group."""
    world.hooks.answers["/robot/send"] = said({"errcode": 130101, "errmsg": "send too fast"})
    for number in range(20):
        await world.add(1, "dingtalk", f"ops@138000000{number:02}")
    accounts = Tables({"dingtalk": {"ops": {"token": "some-token", "base_url": world.hooks.url("")}}})

    async def all_postponed() -> bool:
        return all(notice.note for notice in await world.notices())

    async with running(world.notifier(accounts=accounts)):
        await eventually(all_postponed)

    assert len(world.hooks.asked) == 2
    notices = await world.notices()
    assert sorted(notice.attempts for notice in notices) == [0] * 18 + [1] * 2
    assert all(
        timedelta(seconds=55) < notice.next_try_at - NOW <= timedelta(seconds=60) for notice in notices
    )
    assert await world.states() == ["queued"] * 20


async def test_six_who_hang_keep_nobody_from_whoever_answers(world: World) -> None:
    """What is for those who hang came earlier, and is of a higher rank."""
    hanging = [f"/{number}" for number in range(6)]
    for path in hanging:
        world.hooks.answers[path] = None
        await world.add(12, "webhook", world.hooks.url(path), next_try_at=NOW - timedelta(minutes=1))
    await world.add(20, "webhook", world.hooks.url("/w"), rank=Rank.LATER)

    async def others_are_done() -> bool:
        return await world.states(address=world.hooks.url("/w")) == ["accepted"] * 20

    async with running(world.notifier()):
        await eventually(others_are_done, within_s=20)
        assert sum(len(world.hooks.about(path)) for path in hanging) <= 12


async def test_a_modem_that_sends_one_at_a_time_loses_no_attempt_to_waiting(
    world: World, tmp_path: Path
) -> None:
    """Twelve messages of 0.3 s each take longer than the time limit of one: nobody may wait inside it."""
    modem = tmp_path / "modem"
    modem.write_text("#!/bin/sh\nsleep 0.3\n")
    modem.chmod(modem.stat().st_mode | stat.S_IXUSR)
    await world.add(12, "command", "13800000000")
    accounts = Tables({"command": {"default": {"program": str(modem), "timeout_s": 1.5}}})

    async def all_sent() -> bool:
        return await world.states() == ["accepted"] * 12

    async with running(world.notifier(accounts=accounts)):
        await eventually(all_sent, within_s=30)

    assert [notice.attempts for notice in await world.notices()] == [1] * 12


async def test_what_failed_is_recorded_while_others_are_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another channel may wait for it; only what went well may gather."""
    monkeypatch.setattr(notify, "GATHER_LOOK_S", 3600)
    world.hooks.answers |= {"/hangs": None, "/gone": status(410)}
    await world.add(1, "webhook", world.hooks.url("/hangs"))
    await world.add(1, "webhook", world.hooks.url("/gone"))

    async def is_recorded() -> bool:
        return await world.states(address=world.hooks.url("/gone")) == ["failed"]

    async with running(world.notifier(send_timeout_s=60)):
        await eventually(is_recorded)

        assert await world.states(address=world.hooks.url("/hangs")) == ["queued"]


async def test_what_went_well_is_recorded_once_nothing_is_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "GATHER_LOOK_S", 3600)
    await world.add(20, "webhook", world.hooks.url())

    async def all_recorded() -> bool:
        return await world.states() == ["accepted"] * 20

    async with running(world.notifier()):
        await eventually(all_recorded)
