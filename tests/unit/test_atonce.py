"""Notices are on lease from the commit that decides on them, where there is room; else they wait in the table."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from reporter.engine.notify import LEASE_MARGIN_S
from reporter.sending.lane import UNDER_WAY_PER_ADDRESS_MAX
from tests.unit.noticeworld import NOW, World, eventually, running

TIMEOUT_S = 15
LEASE = timedelta(seconds=TIMEOUT_S + LEASE_MARGIN_S)


@pytest.fixture
async def told(world: World) -> World:
    """A world in which the duty officer of `east` has a webhook."""
    await world.on_duty("east", "duty_officer", "李东", world.hooks.url("/east"))
    return world


async def accepted(world: World) -> bool:
    return set(await world.states(channel="webhook")) == {"accepted"}


async def statement(world: World, sql: str) -> None:
    async with world.database.transaction() as connection:
        await connection.execute(text(sql))


async def test_what_is_due_leaves_without_being_looked_for(told: World) -> None:
    notifier = told.notifier(send_timeout_s=TIMEOUT_S)
    told.gate.reserving = notifier.reserving
    await told.open(minutes_ago=10)

    (written,) = await told.notices(channel="webhook")
    assert (written.attempts, written.next_try_at) == (1, NOW + LEASE)
    async with running(notifier):
        await eventually(lambda: accepted(told))

    (asked,) = told.hooks.asked
    assert asked.headers["webhook-id"] == written.id
    assert asked.document["attempts"] == 1
    assert asked.document["title"] == "化工园区爆燃"


async def test_the_desks_notices_are_nobodys_to_send(told: World) -> None:
    await told.on_duty("city", "duty_officer", "王", "desk")
    told.gate.reserving = told.notifier().reserving
    await told.open(minutes_ago=20)

    assert {notice.attempts for notice in await told.notices(channel="desk")} == {0}


async def test_a_commit_that_fails_lets_go_what_it_had_picked(told: World) -> None:
    notifier = told.notifier(send_timeout_s=TIMEOUT_S)
    told.gate.reserving = notifier.reserving
    await told.open(minutes_ago=5)
    told.time.advance(timedelta(minutes=5))
    await statement(told, "ALTER TABLE outbox RENAME TO elsewhere")
    with pytest.raises(DBAPIError):
        await told.gate.tick(told.time.now())
    await statement(told, "ALTER TABLE elsewhere RENAME TO outbox")

    assert await told.notices() == []
    while await told.gate.tick(told.time.now()):
        pass
    async with running(notifier):
        await eventually(lambda: accepted(told))
    assert len(told.hooks.asked) == 1


async def test_what_there_is_no_room_for_waits_in_the_table_and_nothing_overtakes_it(told: World) -> None:
    notifier = told.notifier(send_timeout_s=TIMEOUT_S)
    told.gate.reserving = notifier.reserving
    for number in range(UNDER_WAY_PER_ADDRESS_MAX + 3):
        await told.open(minutes_ago=5, name=f"e{number}")
    told.time.advance(timedelta(minutes=5))
    while await told.gate.tick(told.time.now()):
        pass
    await told.on_duty("east", "duty_officer", "张西", told.hooks.url("/free"))
    await told.open(minutes_ago=10, name="later")

    taken = Counter((notice.person, notice.attempts) for notice in await told.notices(channel="webhook"))
    assert taken == {("李东", 1): UNDER_WAY_PER_ADDRESS_MAX, ("李东", 0): 3, ("张西", 0): 1}
    async with running(notifier):
        await eventually(lambda: accepted(told))
    assert len(told.hooks.asked) == UNDER_WAY_PER_ADDRESS_MAX + 4


async def test_killed_before_it_was_handed_over_it_goes_out_after_its_lease(told: World) -> None:
    told.gate.reserving = told.notifier(send_timeout_s=TIMEOUT_S).reserving  # which never runs
    await told.open(minutes_ago=10)

    async with running(told.notifier(send_timeout_s=TIMEOUT_S)):
        told.time.advance(LEASE)
        await eventually(lambda: accepted(told))

    (asked,) = told.hooks.asked
    assert asked.document["attempts"] == 2


async def test_a_service_that_has_stopped_sending_takes_nothing_more(told: World) -> None:
    notifier = told.notifier(send_timeout_s=TIMEOUT_S)
    told.gate.reserving = notifier.reserving
    async with running(notifier):
        await told.open(minutes_ago=10)
        await eventually(lambda: accepted(told))
    await told.open(minutes_ago=10, name="later")

    assert {notice.attempts for notice in await told.notices(state="queued")} == {0}
