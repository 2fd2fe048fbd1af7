"""Where many notices wait for one channel: who leaves first, who waits for whom, and who is given back."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reporter.channels.contract import Message, Receipt
from reporter.core.notice import Taken, Words
from reporter.core.turns import Rank
from reporter.sending.lane import UNDER_WAY_MAX, UNDER_WAY_PER_ADDRESS_MAX, Lane, Load
from tests.contract.channelworld import opened
from tests.unit.factories import a_taken_notice

A, B = "https://a.example/", "https://b.example/"
NO_WORDS = Words({}, {}, {}, {})


class Bound:
    """A channel of so many places."""

    name = "bound"
    timeout_s = 10.0

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once

    async def send(self, message: Message) -> Receipt:
        raise NotImplementedError


@pytest.fixture
async def lane() -> Lane:
    async with opened("webhook") as channel:
        return Lane(channel)


def load(notices: Sequence[Taken]) -> Load:
    return Load("webhook", notices, NO_WORDS)


def started(lane: Lane) -> list[str]:
    return [ready.notice.id for ready in lane.start()]


def known(lane: Lane, *addresses: str, hangs: bool = False) -> None:
    """Something has been sent to these, and ended."""
    for address in addresses:
        lane.add(load([a_taken_notice("before", address)]))
        assert started(lane) == ["before"]
        lane.ended(address, hangs=hangs)


def notices(word: str, count: int, address: str, rank: Rank = Rank.FIRST) -> list[Taken]:
    return [a_taken_notice(f"{word}{number}", address, rank=rank) for number in range(count)]


def test_the_first_notices_overtake_what_came_before_them(lane: Lane) -> None:
    address = a_taken_notice("any").address
    known(lane, address)
    lane.add(load(notices("later", 9, address, Rank.LATER)))
    lane.add(load([a_taken_notice("first", rank=Rank.FIRST)]))

    assert started(lane) == ["first", *(f"later{number}" for number in range(7))]


def test_a_full_address_holds_up_no_other_and_each_end_makes_room(lane: Lane) -> None:
    known(lane, A)
    lane.add(load([*notices("a", 20, A), a_taken_notice("b", B)]))

    assert started(lane) == [*(f"a{number}" for number in range(UNDER_WAY_PER_ADDRESS_MAX)), "b"]
    lane.ended(A)
    assert started(lane) == [f"a{UNDER_WAY_PER_ADDRESS_MAX}"]


def test_an_address_is_sent_to_more_at_once_as_soon_as_it_has_answered(lane: Lane) -> None:
    lane.add(load(notices("a", 20, A)))

    assert started(lane) == ["a0", "a1"]
    lane.ended(A)
    assert started(lane) == [f"a{number}" for number in range(2, 9)]


def test_no_more_are_under_way_than_a_channel_has_places(lane: Lane) -> None:
    addresses = [f"https://{number}.example/" for number in range(99)]
    known(lane, *addresses)
    lane.add(load([a_taken_notice(address, address) for address in addresses]))

    assert len(started(lane)) == UNDER_WAY_MAX


def test_addresses_of_which_nothing_is_known_leave_places_to_those_that_answer(lane: Lane) -> None:
    known(lane, B)
    strange = [a_taken_notice(f"n{number}", f"https://{number}.example/") for number in range(99)]
    lane.add(load([*strange, *notices("b", 20, B, Rank.LATER)]))

    begun = started(lane)

    assert begun == [*(f"n{number}" for number in range(24)), *(f"b{number}" for number in range(8))]
    lane.ended("https://3.example/", hangs=True)
    assert started(lane) == ["n24"]


def test_addresses_that_hang_have_few_places_together_and_one_each(lane: Lane) -> None:
    hanging = [f"https://{number}.example/" for number in range(20)]
    known(lane, *hanging, hangs=True)
    known(lane, B)
    for address in hanging:
        lane.add(load(notices(address, 3, address)))
    lane.add(load(notices("b", 30, B, Rank.LATER)))

    begun = started(lane)

    assert begun == [*(f"{address}0" for address in hanging[:8]), *(f"b{number}" for number in range(8))]
    lane.ended(hanging[0], hangs=True)
    assert started(lane) == [f"{hanging[8]}0"]


def test_one_that_hung_and_answers_again_is_as_good_as_any(lane: Lane) -> None:
    known(lane, A, hangs=True)
    lane.add(load(notices("a", 20, A)))
    assert started(lane) == ["a0"]

    lane.ended(A)

    assert len(started(lane)) == UNDER_WAY_PER_ADDRESS_MAX


async def test_a_full_account_holds_up_no_other() -> None:
    one, many = ({"url": "https://sms.example", "at_once": at_once} for at_once in (1, 9))
    async with opened("sms", default=one, b=many) as channel:
        lane = Lane(channel)
    known(lane, "b/138")
    slow = [a_taken_notice(f"slow-{number}", f"13{number}") for number in range(20)]
    quick = [a_taken_notice(f"quick-{number}", "b/138") for number in range(10)]
    lane.add(load([*slow, *quick]))

    assert started(lane) == ["slow-0", *(f"quick-{number}" for number in range(9))]
    lane.ended("b/138")
    assert started(lane) == ["quick-9"]
    lane.ended("130")
    assert started(lane) == ["slow-1"]


@settings(max_examples=200)
@example(953_687)
@given(st.integers(0, 2**32))
def test_whatever_hangs_everything_is_started_once_and_no_bound_is_passed(seed: int) -> None:
    random = Random(seed)
    channel = Bound(random.choice([1, 2, 5, 32]))
    lane, addresses = Lane(channel), [str(number) for number in range(random.randint(1, 40))]
    begun, under_way, added = Counter[str](), list[str](), 0

    def begin() -> None:
        for ready in lane.start():
            begun[ready.notice.id] += 1
            under_way.append(ready.notice.address)
        assert len(under_way) <= channel.at_once
        assert max(Counter(under_way).values(), default=0) <= UNDER_WAY_PER_ADDRESS_MAX

    for _ in range(random.randint(1, 60)):
        for _ in range(random.randint(0, 30)):
            address, rank = random.choice(addresses), random.choice([*Rank])
            lane.add(load([a_taken_notice(f"n{added}", address, rank=rank)]))
            added += 1
        begin()
        for _ in range(random.randint(0, len(under_way))):
            lane.ended(under_way.pop(random.randrange(len(under_way))), hangs=random.random() < 0.4)
    begin()
    while under_way:
        lane.ended(under_way.pop(random.randrange(len(under_way))), hangs=random.random() < 0.4)
        begin()

    assert not lane.is_busy
    assert set(begun.values()) <= {1}
    assert len(begun) == added


def test_what_waited_too_long_is_taken_out_and_what_is_under_way_stays(lane: Lane) -> None:
    address = a_taken_notice("n").address
    known(lane, address)
    lane.add(load([a_taken_notice(f"n{number}") for number in range(UNDER_WAY_PER_ADDRESS_MAX + 2)]))
    under_way = started(lane)

    assert lane.overdue() == []
    assert [notice.id for notice in lane.overdue(0.0)] == ["n8", "n9"]
    assert not lane.is_waited_for
    for _ in under_way:
        assert lane.is_busy
        lane.ended(address)
    assert not lane.is_busy
