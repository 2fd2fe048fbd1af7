"""A person's channels in order: what goes out at once, what waits, and what the wait ends with."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from reporter.core.instants import parse
from reporter.core.ladder import Firing
from reporter.core.notice import NoticeResult
from reporter.core.roster import Recipient
from reporter.core.schedule import Step
from reporter.core.terms import NoticeReason, NoticeState
from reporter.core.turns import turns, wait_between
from reporter.store.rebuild import differences
from tests.contract.hooks import status
from tests.unit.noticeworld import NOW, World, eventually, running

AT = parse("2026-11-23T06:00:00Z")
MINUTE = timedelta(minutes=1)


def firing(reason: str, *, is_again: bool = False) -> Firing:
    step = Step(timedelta(0), ("unit.duty_officer",))
    return Firing(step, (step,), 2 if is_again else 1, AT, NoticeReason(reason), is_again)


@pytest.mark.parametrize(
    ("reason", "is_again", "left", "seconds"),
    [
        ("breach", False, -1, 0),
        ("escalation", False, -10, 0),
        ("amended", False, 10, 0),
        ("ack_stale", False, -20, 0),
        ("escalation", True, -20, 20),
        ("reminder", False, 30, 120),
        ("reminder", False, 5, 60),
        ("reminder", False, 0.5, 20),
    ],
)
def test_only_reminders_and_repetitions_take_turns_and_the_wait_fits_the_time_left(
    reason: str, is_again: bool, left: float, seconds: int
) -> None:
    assert wait_between(firing(reason, is_again=is_again), left * MINUTE) == timedelta(seconds=seconds)


def told(*addresses: tuple[str | None, str]) -> Sequence[Recipient]:
    return [
        Recipient("unit.duty_officer", person, "138", channel, f"{index}", None)
        for index, (person, channel) in enumerate(addresses)
    ]


def test_the_desk_neither_waits_nor_is_waited_for_and_each_person_has_turns_of_their_own() -> None:
    found = turns(
        told(
            ("李", "desk"), ("李", "webhook"), ("李", "console"), ("李", "sms"), ("周", "sms"), (None, "desk")
        )
    )

    assert found == [0, 0, 0, 1, 0, 0]


async def reminded(world: World) -> str:
    """An incident ten minutes before its deadline: 李东 has two webhooks, behind the desk."""
    first, second = world.hooks.url("/first"), world.hooks.url("/second")
    await world.on_duty("east", "duty_officer", "李东", "desk", first, second)
    return await world.open(minutes_ago=10)


async def test_a_reminder_goes_to_the_second_channel_when_the_first_has_not_delivered_in_time(
    world: World,
) -> None:
    await reminded(world)

    async def accepted() -> bool:
        return "accepted" in await world.states(turn=0)

    async def both() -> bool:
        return len(world.hooks.asked) == 2

    async with running(world.notifier()):
        await eventually(accepted)
        (waiting,) = await world.notices(turn=1)
        assert (waiting.state, waiting.attempts, waiting.next_try_at) == (
            "queued", 0, NOW + timedelta(seconds=120),
        )  # fmt: skip
        world.time.advance(timedelta(seconds=119))
        assert [asked.path for asked in world.hooks.asked] == ["/first"]
        world.time.advance(timedelta(seconds=2))
        await eventually(both)

    assert [asked.path for asked in world.hooks.asked] == ["/first", "/second"]


async def test_a_first_channel_that_fails_for_good_makes_the_second_due_at_once(world: World) -> None:
    world.hooks.answers["/first"] = status(404)
    await reminded(world)

    async def accepted() -> bool:
        return await world.states(turn=1) == ["accepted"]

    async with running(world.notifier()):
        await eventually(accepted)

    assert sorted(await world.states(turn=0)) == ["delivered", "failed"]


async def test_a_channel_that_delivers_makes_the_next_one_unneeded_and_the_ledger_says_so(
    world: World,
) -> None:
    incident = await reminded(world)
    async with running(world.notifier()):
        await eventually(lambda: _is(world, "accepted"))
    (first,) = [each for each in await world.notices(turn=0) if each.channel == "webhook"]

    known = await world.gate.delivered("webhook", {first.id: (NoticeState.DELIVERED, None)})
    again = await world.gate.delivered(
        "webhook", {first.id: (NoticeState.ACCEPTED, None), "?": (NoticeState.FAILED, "")}
    )

    assert (known, again) == ({first.id}, {first.id})
    (second,) = await world.notices(turn=1)
    assert (second.state, second.attempts, second.next_try_at) == ("queued", 0, None)
    assert second.note == "not_needed"
    assert [each.state for each in await world.notices(id=first.id)] == ["delivered"]
    async with world.database.snapshot() as connection:
        assert await differences(connection, incident) == []


async def _is(world: World, state: str) -> bool:
    return state in await world.states(turn=0)


async def test_an_acknowledgement_of_the_first_makes_the_second_unneeded(world: World) -> None:
    incident = await reminded(world)
    (first,) = [each for each in await world.notices(turn=0) if each.channel == "webhook"]

    await world.acknowledge(incident, first.id)

    (second,) = await world.notices(turn=1)
    assert (second.state, second.next_try_at, second.note) == ("queued", None, "not_needed")
    async with world.database.snapshot() as connection:
        assert await differences(connection, incident) == []


async def test_the_notice_of_a_breach_goes_to_every_channel_at_once(world: World) -> None:
    await world.on_duty("east", "duty_officer", "李东", world.hooks.url("/first"), world.hooks.url("/second"))
    await world.open(minutes_ago=20)

    assert {(each.turn, each.next_try_at) for each in await world.notices(step="PT0S")} == {(0, NOW)}


async def test_a_report_of_failure_comes_too_late_after_delivery_and_hastens_the_next_before(
    world: World,
) -> None:
    await reminded(world)
    (first,) = [each for each in await world.notices(turn=0) if each.channel == "webhook"]
    result = NoticeResult(first.id, first.incident_id, "webhook", NoticeState.ACCEPTED, 0)
    await world.gate.receipts([result])

    await world.gate.delivered("webhook", {first.id: (NoticeState.FAILED, "UNDELIV")})
    (second,) = await world.notices(turn=1)
    assert second.next_try_at == NOW
    await world.gate.delivered("webhook", {first.id: (NoticeState.DELIVERED, None)})
    await world.gate.delivered("webhook", {first.id: (NoticeState.FAILED, "UNDELIV")})

    (first,) = await world.notices(id=first.id)
    assert (first.state, first.note) == ("delivered", None)
