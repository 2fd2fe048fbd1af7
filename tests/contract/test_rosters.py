"""Rosters in a real database of each kind: what was known when, who stands in, holes noticed once."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any  # statements

import pytest
from sqlalchemy import delete, event, text, update
from sqlalchemy.exc import DBAPIError

from reporter.core.instants import rfc3339
from reporter.core.terms import DutyRole, FactKind, RosterChange
from reporter.engine.rosterwatch import SETTLES, RosterWatch
from reporter.store import feeds, handovers, rollcalls, rosters
from reporter.store import models as m
from reporter.store.people import import_roster, load_tree, on_duty
from reporter.store.rosterchanges import Agreed, ChangeRefused, Recorded, cancel, changes, record
from reporter.timesource import ManualTime
from tests.contract.gateworld import World
from tests.unit.factories import at

HEADER = "unit,role,starts,ends,person,phone,channels\n"
START = at(0)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def a_shift(person: str, starts: datetime, ends: datetime, unit: str = "east", channels: str = "desk") -> str:
    return f"{unit},duty_officer,{rfc3339(starts)},{rfc3339(ends)},{person},138,{channels}\n"


async def take_over(world: World, *shifts: str, now: datetime = START) -> None:
    await import_roster(world.database, (HEADER + "".join(shifts)).encode(), now=now, author="test")


async def who(
    world: World, when: datetime, known_at: datetime | None = None, unit: str = "east"
) -> list[tuple[str, str | None]]:
    async with world.database.snapshot() as connection:
        found = await on_duty(connection, when, known_at)
    return [(each.person, each.note) for each in found.get((unit, "duty_officer"), ()) if not each.is_absent]


def agreed(kind: RosterChange, person: str | None, taker: str | None, **more: Any) -> Agreed:
    made = Agreed(
        kind, "east", "duty_officer", person, at(0), at(0) + DAY, taker, "家中有事", "139", ("desk",)
    )
    return replace(made, **more)


async def recorded(world: World, change: Agreed, key: str = "k", now: datetime = START) -> list[Recorded]:
    found, _ = await record(world.database, change, "token:li", key, now)
    return found


# --- history ------------------------------------------------------------------------------------------------


async def test_who_was_on_duty_is_answered_as_it_was_known_then_for_ever(world: World) -> None:
    await take_over(world, a_shift("李", at(0), at(0) + 4 * HOUR), now=at(10))
    await take_over(world, a_shift("王", at(0) + HOUR, at(0) + 2 * HOUR), now=at(20))
    middle = at(0) + 1.5 * HOUR

    assert await who(world, middle) == [("王", None)]
    assert await who(world, middle, at(15)) == [("李", None)]
    assert await who(world, middle, at(20)) == [("王", None)]
    assert await who(world, middle, at(9)) != await who(world, middle, at(10))
    for known_at in (None, at(15), at(20)):
        assert await who(world, at(0) + 3 * HOUR, known_at) == [("李", None)]


@pytest.mark.parametrize(
    "statement",
    [
        delete(m.Shift),
        update(m.Shift).values(person="别人"),
        update(m.Shift).values(replaced_at=None),
        update(m.Shift).values(replaced_at=at(1), ends_at=at(1)),
        text("DELETE FROM roster"),
    ],
)
async def test_the_database_itself_keeps_the_history_of_shifts(world: World, statement: Any) -> None:
    with pytest.raises(DBAPIError, match="history"):
        async with world.database.transaction() as connection:
            await connection.execute(statement)


async def test_a_shift_is_replaced_once_only(world: World) -> None:
    async with world.database.transaction() as connection:
        await connection.execute(update(m.Shift).values(replaced_at=at(1)))

    with pytest.raises(DBAPIError, match="history"):
        async with world.database.transaction() as connection:
            await connection.execute(update(m.Shift).values(replaced_at=at(2)))


# --- what was agreed ----------------------------------------------------------------------------------------


async def test_a_swap_goes_both_ways_and_outlives_the_next_import(world: World) -> None:
    early, late = (at(0), at(0) + 2 * HOUR), (at(0) + 2 * HOUR, at(0) + 4 * HOUR)
    both = a_shift("李", *early), a_shift("王", *late)
    await take_over(world, *both)

    found = await recorded(
        world,
        agreed(RosterChange.SWAP, "李", "王", starts_at=early[0], ends_at=early[1], back=late, phone=None),
    )
    await take_over(world, *both, now=at(5))

    assert [(each.person, each.taker, each.phone) for each in found] == [
        ("李", "王", "138"),
        ("王", "李", "138"),
    ]
    assert await who(world, at(1)) == [("王", "swap:李")]
    assert await who(world, at(1) + 2 * HOUR) == [("李", "swap:王")]


async def test_a_cancelled_change_no_longer_holds_and_is_still_known(world: World) -> None:
    await take_over(world, a_shift("李", at(0), at(0) + DAY))
    [change] = await recorded(world, agreed(RosterChange.OVERRIDE, "李", "王"), now=at(1))

    ended, is_new = await cancel(world.database, change.id, "病愈", "token:li", "c", at(30))
    again, is_again_new = await cancel(world.database, change.id, "病愈", "token:li", "c", at(40))

    assert (ended.cancelled_at, ended.cancel_reason, is_new) == (at(30), "病愈", True)
    assert (again, is_again_new) == (ended, False)
    assert await who(world, at(20)) == [("李", None)]
    assert await who(world, at(20), at(20)) == [("王", "override:李")]
    async with world.database.snapshot() as connection:
        assert await changes(connection, {"east"}) == [ended]
    with pytest.raises(ChangeRefused) as refused:
        await cancel(world.database, change.id, "病愈", "token:li", "other", at(40))
    assert refused.value.code == "conflict"


async def test_the_same_key_records_once_and_never_something_else(world: World) -> None:
    change = agreed(RosterChange.ABSENCE, "李", None, phone=None, channels=None)
    first = await recorded(world, change)

    again, is_new = await record(world.database, change, "token:li", "k", at(9))

    assert (again, is_new) == (first, False)
    with pytest.raises(ChangeRefused) as refused:
        await recorded(world, replace(change, reason="别的"))
    assert refused.value.code == "identity_reused"


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        (agreed(RosterChange.SWAP, "李", "王", unit="nowhere"), ["unit"]),
        (agreed(RosterChange.SWAP, None, None, role=None, reason=" "), ["role", "person", "taker", "reason"]),
        (agreed(RosterChange.OVERRIDE, "王", "王", ends_at=at(0)), ["ends", "taker"]),
        (agreed(RosterChange.SWAP, "没这人", "王"), ["person"]),
        (agreed(RosterChange.OVERRIDE, None, "没这人", phone=None, channels=None), ["phone"]),
        (agreed(RosterChange.ABSENCE, "李", "王", channels=("ftp://x",)), ["channels"]),
        (agreed(RosterChange.SWAP, "李", "王", back=(at(5), at(9))), ["back_starts"]),
        (agreed(RosterChange.OVERRIDE, None, "王\n李"), ["taker"]),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_recorded(
    world: World, change: Agreed, paths: Sequence[str]
) -> None:
    with pytest.raises(ChangeRefused) as refused:
        await recorded(world, change)

    assert [each.path for each in refused.value.problems] == list(paths)
    assert await world.rows(m.RosterEntry) == []


@pytest.mark.parametrize("model", [m.RosterEntry, m.RollCall, m.Handover])
async def test_what_people_agreed_and_found_can_only_be_added_to(world: World, model: type[m.Base]) -> None:
    await recorded(world, agreed(RosterChange.OVERRIDE, None, "王"))
    await handovers.set_times(world.database, "east", ["08:00"], "test", at(0))
    await rollcalls.add(world.database, A_CALL, "token:li", "k", at(1))

    with pytest.raises(DBAPIError, match="append-only"):
        async with world.database.transaction() as connection:
            await connection.execute(delete(model))


# --- a step fires -------------------------------------------------------------------------------------------


async def test_a_step_tells_whom_it_chose_and_why_in_notice_and_ledger(world: World) -> None:
    away = agreed(RosterChange.ABSENCE, "east duty_officer", "赵六", channels=("desk",))
    await recorded(world, away)
    incident = await world.open()

    await world.tick_until(10)

    [notice] = await world.notices(incident)
    assert (notice["person"], notice["phone"], notice["note"]) == (
        "赵六",
        "139",
        "deputy_of:east duty_officer",
    )
    [line] = await world.ledger(incident, FactKind.REMINDED)
    assert [(each["person"], each["note"]) for each in line["body"]["notices"]] == [
        ("赵六", "deputy_of:east duty_officer")
    ]


async def test_without_a_deputy_the_leader_the_contact_and_the_superior_are_told(world: World) -> None:
    await recorded(world, agreed(RosterChange.ABSENCE, "east duty_officer", None, phone=None, channels=None))
    incident = await world.open()

    await world.tick_until(10)

    told = {(each["person"], each["note"], each["phone"]) for each in await world.notices(incident)}
    assert told == {
        ("east leader", "nobody_on_duty:east; fall_through:leader", "138"),
        (None, "nobody_on_duty; absent:east duty_officer", "0632-3"),
        ("county duty_officer", "nobody_on_duty:east", "138"),
    }


async def test_a_thousand_steps_ask_for_the_roster_once(world: World) -> None:
    commands = [
        world.command("occurred", 1, f"e{n}", title="火灾", occurred=rfc3339(at(0))) for n in range(40)
    ]
    await world.submit(*commands)
    world.time.at = at(10)
    asked: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM roster" in statement:
            asked.append(statement)

    engine = world.database._writer.sync_engine
    event.listen(engine, "before_cursor_execute", count)
    clocks = await world.gate.tick(world.time.at)
    event.remove(engine, "before_cursor_execute", count)

    assert (clocks >= 40, len(asked)) == (True, 1)


# --- holes --------------------------------------------------------------------------------------------------


def a_watch(world: World, time: ManualTime | None = None) -> RosterWatch:
    return RosterWatch(world.database, time or world.time, world.gate.signals, "Asia/Shanghai")


async def gap_notices(world: World) -> list[dict[str, Any]]:
    return [row for row in await world.rows(m.Notice) if row["reason"] == "roster_gap"]


async def make_a_hole(world: World) -> tuple[datetime, datetime]:
    """East's duty officers with two hours missing in three days; the rest of the world is covered for years."""
    begins, ends = at(0) + 3 * DAY, at(0) + 3 * DAY + 2 * HOUR
    await take_over(world, a_shift("李", at(0) - DAY, begins), a_shift("李", ends, at(0) + 400 * DAY))
    for unit in ("quiet", "west"):
        roles = "".join(
            f"{unit},{role},{rfc3339(at(0) - DAY)},{rfc3339(at(0) + 400 * DAY)},某,1,desk\n"
            for role in DutyRole
        )
        await import_roster(world.database, (HEADER + roles).encode(), now=at(0))
    return begins, ends


async def test_a_hole_is_noticed_once_to_the_unit_and_its_superior_when_it_has_settled(world: World) -> None:
    await make_a_hole(world)
    watch, other = a_watch(world), a_watch(world)

    at_once = [await watch.look(), await other.look()]
    world.time.advance(SETTLES)
    both = await asyncio.gather(watch.look(), other.look())
    world.time.advance(2 * HOUR)
    later = [await a_watch(world).look(), await watch.look()]

    assert (at_once, sorted(both), later) == ([0, 0], [0, 2], [0, 0])
    own, superior = sorted(await gap_notices(world), key=lambda row: row["unit"], reverse=True)
    assert (own["unit"], own["to_role"], own["person"]) == ("east", "unit.duty_officer", "李")
    assert (superior["unit"], superior["to_role"]) == ("county", "superior.duty_officer")
    assert superior["person"] == "county duty_officer"
    assert own["note"] == "值班员 duty officer 2026-11-26 14:00 – 11-26 16:00 (Asia/Shanghai)"
    assert superior["note"] == f"东街道 {own['note']}"


async def test_a_hole_that_is_filled_in_time_is_never_told(world: World) -> None:
    begins, ends = await make_a_hole(world)
    watch = a_watch(world)
    await watch.look()

    await recorded(world, agreed(RosterChange.OVERRIDE, None, "王", starts_at=begins, ends_at=ends))
    world.time.advance(SETTLES)
    told = await watch.look()

    assert (told, await gap_notices(world), await world.rows(m.RosterGap)) == (0, [], [])


async def test_a_hole_that_was_told_and_filled_is_told_again_when_it_opens_again(world: World) -> None:
    begins, ends = await make_a_hole(world)
    watch = a_watch(world)
    await watch.look()
    world.time.advance(SETTLES)
    told = [await watch.look()]

    (filled,) = await recorded(
        world, agreed(RosterChange.OVERRIDE, None, "王", starts_at=begins, ends_at=ends)
    )
    told.append(await watch.look())
    assert await world.rows(m.RosterGap) == []
    await cancel(world.database, filled.id, "不来了", "token:li", "c", world.time.now())
    told.append(await watch.look())
    world.time.advance(SETTLES)
    told += [await watch.look(), await watch.look()]

    assert told == [2, 0, 0, 2, 0]


async def test_an_absence_without_a_deputy_is_a_hole_too(world: World) -> None:
    await make_a_hole(world)
    away = agreed(RosterChange.ABSENCE, "李", None, starts_at=at(0) + 5 * DAY, ends_at=at(0) + 6 * DAY)
    await recorded(world, away)

    async with world.database.snapshot() as connection:
        found = await rosters.holes(connection, at(0))

    assert [(x.gap.unit, x.gap.starts_at, x.gap.ends_at, x.is_rostered) for x in found] == [
        ("east", at(0) + 3 * DAY, at(0) + 3 * DAY + 2 * HOUR, True),
        ("east", at(0) + 5 * DAY, at(0) + 6 * DAY, True),
    ]


async def test_who_never_had_a_roster_has_no_hole_to_be_told_of(world: World) -> None:
    async with world.database.snapshot() as connection:
        found = await rosters.holes(connection, at(0))
    watch = a_watch(world)
    await watch.look()
    world.time.advance(SETTLES)

    assert {(hole.gap.unit, hole.is_rostered) for hole in found} == {("quiet", False), ("west", False)}
    assert await watch.look() == 0


# --- the rest -----------------------------------------------------------------------------------------------


A_CALL = rollcalls.Called(
    "east", "duty_officer", at(0), "landline", True, "李", 12, None, True, "台账齐全", "查岗人"
)


async def test_a_roll_call_keeps_who_should_have_answered(world: World) -> None:
    first, is_new = await rollcalls.add(world.database, A_CALL, "token:li", "k", at(1))
    again, is_again_new = await rollcalls.add(world.database, A_CALL, "token:li", "k", at(2))
    await rollcalls.add(world.database, replace(A_CALL, unit="west"), "token:li", "w", at(3))

    assert (first.expected, first.answered_by, is_new) == (("east duty_officer",), "李", True)
    assert (again, is_again_new) == (first, False)
    with pytest.raises(rollcalls.KeyReused):
        await rollcalls.add(world.database, replace(A_CALL, note="改"), "token:li", "k", at(2))
    async with world.database.snapshot() as connection:
        assert await rollcalls.roll_calls(connection, {"east"}) == [first]
        assert [x.unit for x in await rollcalls.roll_calls(connection)] == ["west", "east"]


async def test_units_hand_over_when_the_unit_above_says_unless_they_say_otherwise(world: World) -> None:
    await handovers.set_times(world.database, "city", ["20:00", "08:00"], "test", at(0))
    await handovers.set_times(world.database, "east", ["12:00"], "test", at(5))
    with pytest.raises(handovers.HandoverRefused):
        await handovers.set_times(world.database, "east", ["25:00"], "test", at(5))

    async with world.database.snapshot() as connection:
        tree = await load_tree(connection)
        now, before = await handovers.times(connection, tree), await handovers.times(connection, tree, at(4))

    assert (now["county"], now["east"], before["east"]) == (
        ("08:00", "20:00"),
        ("12:00",),
        ("08:00", "20:00"),
    )


async def test_a_link_opens_one_roster_until_it_is_revoked(world: World) -> None:
    feed, secret = await feeds.create(world.database, "李的手机", "east", "test", at(0))

    async with world.database.snapshot() as connection:
        assert await feeds.unit_of(connection, secret) == "east"
        assert await feeds.unit_of(connection, secret + "x") is None
        assert await feeds.feeds(connection, {"east"}) == [feed]
    await feeds.revoke(world.database, feed.id, at(1))
    async with world.database.snapshot() as connection:
        assert await feeds.unit_of(connection, secret) is None
