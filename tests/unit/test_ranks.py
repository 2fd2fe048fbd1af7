"""Where many notices wait for one channel: who leaves first, and what need not leave at all."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from reporter.core.command import Command, OutcomeKind
from reporter.core.roster import Recipient
from reporter.core.terms import CommandKind, NoticeReason
from reporter.core.turns import Rank, ranks
from reporter.store.database import Database
from reporter.store.models import ProviderId
from reporter.store.notices import PROVIDER_IDS_KEPT, forget_provider_ids, save_provider_ids
from reporter.store.rebuild import differences
from reporter.store.sending import due
from tests.unit.noticeworld import NOW, World, eventually, running

FIRST, PLAIN, LATER = Rank.FIRST, Rank.PLAIN, Rank.LATER


def told(*channels: str) -> list[Recipient]:
    return [
        Recipient("unit.duty_officer", f"p{number}", "138", channel, "x", None)
        for number, channel in enumerate(channels)
    ]


@pytest.mark.parametrize(
    ("reason", "repeat", "expected"),
    [
        ("breach", 1, [FIRST, FIRST, PLAIN, PLAIN]),
        ("escalation", 1, [FIRST, FIRST, PLAIN, PLAIN]),
        ("amended", 1, [FIRST, FIRST, PLAIN, PLAIN]),
        ("reminder", 1, [PLAIN] * 4),
        ("breach", 2, [LATER] * 4),
    ],
)
def test_on_each_channel_the_first_of_a_breach_is_first(
    reason: str, repeat: int, expected: list[Rank]
) -> None:
    recipients = told("webhook", "sms", "webhook", "sms")

    assert ranks(recipients, NoticeReason(reason), repeat) == expected


async def test_of_two_people_told_of_a_breach_one_is_told_first(world: World) -> None:
    hook = world.hooks.url()
    await world.on_duty("east", "duty_officer", "李东", hook)
    await world.on_duty("east", "leader", "周", hook)
    await world.open(minutes_ago=20)

    at_breach = await world.notices(reason="breach", channel="webhook")

    assert sorted(notice.rank for notice in at_breach) == [FIRST, PLAIN]


async def test_what_is_due_comes_by_rank_and_then_by_age(world: World) -> None:
    for number, rank in enumerate((LATER, PLAIN, FIRST, FIRST)):
        at = NOW - timedelta(seconds=number)
        await world.add(1, "webhook", f"a{number}", rank=rank.value, next_try_at=at)

    async with world.database.snapshot() as connection:
        everything = await due(connection, "webhook", NOW, 9)
        some = await due(connection, "webhook", NOW, 3, busy=["a3"])

    assert [each.address for each in everything] == ["a3", "a2", "a1", "a0"]
    assert [each.address for each in some] == ["a2", "a1", "a0"]


async def report(world: World, incident: str) -> None:
    data = {"incident": incident, "covers": ["initial"], "form": "phone", "text": "已到场", "author": "李东"}
    command = Command(CommandKind.FILED, "//t", "r", world.time.now(), "east", data, "2" * 64, "nats:east")
    (outcome,) = await world.gate.submit([command])
    assert outcome.kind is OutcomeKind.ACCEPTED, outcome


async def test_a_reminder_that_waits_its_turn_is_not_sent_once_the_report_has_come(world: World) -> None:
    first, second = world.hooks.url("/first"), world.hooks.url("/second")
    await world.on_duty("east", "duty_officer", "李东", first, second)
    incident = await world.open(minutes_ago=10)

    async def first_sent() -> bool:
        return await world.states(turn=0) == ["accepted"]

    async def second_settled() -> bool:
        return [notice.next_try_at for notice in await world.notices(turn=1)] == [None]

    async with running(world.notifier()):
        await eventually(first_sent)
        await report(world, incident)
        world.time.advance(timedelta(minutes=3))
        await eventually(second_settled)

    (waited,) = await world.notices(turn=1)
    assert (waited.state, waited.attempts, waited.note) == ("queued", 0, "not_needed")
    assert [asked.path for asked in world.hooks.asked] == ["/first"]
    async with world.database.snapshot() as connection:
        assert await differences(connection, incident) == []


async def test_a_notice_of_a_breach_is_owed_although_the_report_has_come(world: World) -> None:
    await world.on_duty("east", "duty_officer", "李东", world.hooks.url())
    incident = await world.open(minutes_ago=20)
    await report(world, incident)

    async def sent() -> bool:
        return set(await world.states(reason="breach", channel="webhook")) == {"accepted"}

    async with running(world.notifier()):
        await eventually(sent)

    assert "breach" in [asked.document["reason"] for asked in world.hooks.asked]


async def test_numbers_of_the_next_hop_are_kept_for_thirty_days(world: World) -> None:
    async with world.database.transaction() as connection:
        await save_provider_ids(connection, [("sms", "old", "n-1")], NOW - PROVIDER_IDS_KEPT - timedelta(1))
        await save_provider_ids(connection, [("sms", "new", "n-2")], NOW - PROVIDER_IDS_KEPT)

        assert await forget_provider_ids(connection, NOW) == 1

    assert await _numbers(world.database) == 1


async def _numbers(database: Database) -> int:
    async with database.snapshot() as connection:
        return int((await connection.execute(select(func.count()).select_from(ProviderId))).scalar_one())
