"""Where many notices wait for one channel: who leaves first, who waits for whom, and who is given back."""

from collections.abc import Sequence

import pytest

from reporter.core.notice import Taken, Words
from reporter.core.turns import Rank
from reporter.sending.lane import UNDER_WAY_MAX, UNDER_WAY_PER_ADDRESS_MAX, Lane, Load
from tests.contract.channelworld import opened
from tests.unit.factories import a_taken_notice

NO_WORDS = Words({}, {}, {}, {})


@pytest.fixture
async def lane() -> Lane:
    async with opened("webhook") as channel:
        return Lane(channel)


def load(notices: Sequence[Taken]) -> Load:
    return Load("webhook", notices, NO_WORDS)


def started(lane: Lane) -> list[str]:
    return [ready.notice.id for ready in lane.start()]


def test_the_first_notices_overtake_what_came_before_them(lane: Lane) -> None:
    lane.add(load([a_taken_notice(f"later-{number}", rank=Rank.LATER) for number in range(9)]))
    lane.add(load([a_taken_notice("first", rank=Rank.FIRST)]))

    assert started(lane) == ["first", *(f"later-{number}" for number in range(7))]


def test_a_full_address_holds_up_no_other_and_each_end_makes_room(lane: Lane) -> None:
    busy = [a_taken_notice(f"a{number}", "https://a.example/") for number in range(20)]
    lane.add(load([*busy, a_taken_notice("b", "https://b.example/")]))

    assert started(lane) == [*(f"a{number}" for number in range(UNDER_WAY_PER_ADDRESS_MAX)), "b"]
    lane.ended("https://a.example/")
    assert started(lane) == [f"a{UNDER_WAY_PER_ADDRESS_MAX}"]


def test_no_more_are_under_way_than_a_channel_has_places(lane: Lane) -> None:
    lane.add(load([a_taken_notice(f"n{number}", f"https://{number}.example/") for number in range(99)]))

    assert len(started(lane)) == UNDER_WAY_MAX


async def test_a_full_account_holds_up_no_other() -> None:
    one, many = ({"url": "https://sms.example", "at_once": at_once} for at_once in (1, 9))
    async with opened("sms", default=one, b=many) as channel:
        lane = Lane(channel)
    slow = [a_taken_notice(f"slow-{number}", f"13{number}") for number in range(20)]
    quick = [a_taken_notice(f"quick-{number}", "b/138") for number in range(10)]
    lane.add(load([*slow, *quick]))

    assert started(lane) == ["slow-0", *(f"quick-{number}" for number in range(9))]
    lane.ended("b/138")
    assert started(lane) == ["quick-9"]
    lane.ended("130")
    assert started(lane) == ["slow-1"]


def test_what_waited_too_long_is_taken_out_and_what_is_under_way_stays(lane: Lane) -> None:
    lane.add(load([a_taken_notice(f"n{number}") for number in range(UNDER_WAY_PER_ADDRESS_MAX + 2)]))
    under_way = started(lane)

    assert lane.overdue() == []
    assert [notice.id for notice in lane.overdue(0.0)] == ["n8", "n9"]
    assert not lane.is_waited_for
    for _ in under_way:
        assert lane.is_busy
        lane.ended(a_taken_notice("n").address)
    assert not lane.is_busy
