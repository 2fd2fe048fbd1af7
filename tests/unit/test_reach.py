"""Who cannot be reached is nobody to rely on: others are told in time, and the doctor names them."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from reporter.channels import judging
from reporter.core.roster import FlawOf
from reporter.core.terms import RosterChange
from reporter.engine.record import Gate
from reporter.settings import Settings
from reporter.store.rosterchanges import Agreed, record
from reporter.store.unreachable import Unreachable, unreachable
from reporter.values import Tables
from tests.unit.noticeworld import CATALOG, NOW, World

HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
TABLES = {"webhook": {"ops": {"url": "https://h.example/"}}, "dingtalk": {"group": {"token": "t"}}}
OPPS = ("webhook:opps", "no account [channels.webhook.opps] in the settings")
GRUOP = ("dingtalk:gruop", "no account [channels.dingtalk.gruop] in the settings")


@pytest.fixture
async def flaw_of() -> AsyncIterator[FlawOf]:
    async with judging(Settings(channels=Tables(TABLES))) as found:
        yield found


async def stands_in(
    world: World, kind: RosterChange, person: str | None, taker: str, *addresses: str, ends: timedelta = HOUR
) -> None:
    span = NOW - HOUR, NOW + ends
    agreed = Agreed(kind, "east", "duty_officer", person, *span, taker, "有事", "139", addresses)
    await record(world.database, agreed, "test", f"{kind} {taker}", NOW - HOUR)


async def named(world: World, flaw_of: FlawOf) -> list[Unreachable]:
    async with world.database.snapshot() as connection:
        return await unreachable(connection, flaw_of, NOW, NOW + WEEK)


async def test_a_mistyped_account_reaches_nobody_so_the_desk_and_the_leader_are_told(
    world: World, flaw_of: FlawOf
) -> None:
    world.gate = Gate(world.database, CATALOG, world.time, flaw_of)
    await world.on_duty("east", "duty_officer", "李东", "webhook:opps", "dingtalk:gruop")
    await world.on_duty("east", "leader", "周", "dingtalk:group")

    await world.open(minutes_ago=11)

    reminded = await world.notices(reason="reminder", obligation="initial")
    assert {(each.person, each.channel, each.note) for each in reminded} == {
        ("李东", "webhook", None),
        ("李东", "dingtalk", None),
        ("李东", "desk", "no_address"),
        ("周", "dingtalk", "no_address:李东; fall_through:leader"),
    }


async def test_people_without_a_working_address_are_named_with_what_is_wrong(
    world: World, flaw_of: FlawOf
) -> None:
    await world.on_duty("east", "duty_officer", "李东", "webhook:opps", "dingtalk:gruop")
    await world.on_duty("east", "leader", "周", "webhook:opps", "dingtalk:group")
    await world.on_duty("city", "leader", "王", "sms:1")
    await world.on_duty("city", "duty_officer", "赵")
    await world.on_duty("quiet", "duty_officer", "钱", "desk")

    assert await named(world, flaw_of) == [
        Unreachable("李东", (OPPS, GRUOP)),
        Unreachable("王", (("sms:1", "there is no such channel here"),)),
        Unreachable("赵", ()),
    ]


@pytest.mark.parametrize("kind", list(RosterChange))
async def test_who_stands_in_and_cannot_be_reached_is_named(
    world: World, flaw_of: FlawOf, kind: RosterChange
) -> None:
    await world.on_duty("east", "duty_officer", "李东", "webhook:ops")
    await stands_in(world, kind, None if kind is RosterChange.OVERRIDE else "李东", "孙", "webhook:opps")

    assert await named(world, flaw_of) == [Unreachable("孙", (OPPS,))]


async def test_who_is_stood_in_for_all_the_while_is_not_named_nor_who_takes_over_later(
    world: World, flaw_of: FlawOf
) -> None:
    await world.on_duty("east", "duty_officer", "李东", "webhook:opps")
    await stands_in(world, RosterChange.ABSENCE, "李东", "孙", "webhook:ops", ends=WEEK)
    assert await named(world, flaw_of) == []

    async with world.database.snapshot() as connection:
        later = await unreachable(connection, flaw_of, NOW + WEEK, NOW + WEEK + HOUR)
    assert later == [Unreachable("李东", (OPPS,))]
