"""A lane takes ahead what it can send: more where it runs dry, few where what it took had to wait."""

import pytest

from reporter.engine import lane as lanes
from reporter.engine.lane import AHEAD_MAX, AHEAD_MIN, UNDER_WAY_MAX, UNDER_WAY_PER_ADDRESS_MAX, Lane
from reporter.engine.wording import Words
from reporter.store.sending import Due
from tests.contract.channelworld import opened
from tests.unit.factories import a_taken_notice

WORDS = Words({}, {}, {}, {})


@pytest.fixture
async def lane() -> Lane:
    async with opened("webhook") as channel:
        return Lane("webhook", channel)


def filled(lane: Lane) -> int:
    """Takes as many as the lane chooses of many that are due to quick receivers; returns how many."""
    due = [Due(f"n{number}", f"https://{number % 50}.example/") for number in range(2 * AHEAD_MAX)]
    for number in range(50):
        lane.ended(_started(lane, f"https://{number}.example/"), took_s=0.01)
    ids = set(lane.chosen(due))
    lane.add([a_taken_notice(each.id, each.address) for each in due if each.id in ids], WORDS)
    return len(ids)


def _started(lane: Lane, address: str) -> str:
    lane.add([a_taken_notice("n", address)], WORDS)
    assert [ready.notice.id for ready in lane.start()] == ["n"]
    return address


def emptied(lane: Lane) -> None:
    while started := list(lane.start()):
        for ready in started:
            lane.ended(ready.notice.address, took_s=0.01)


def test_twice_as_many_are_taken_each_time_it_has_run_dry(lane: Lane) -> None:
    taken = []
    for _ in range(6):
        taken.append(filled(lane))
        emptied(lane)

    assert taken == [min(AHEAD_MIN * 2**turn, AHEAD_MAX) + UNDER_WAY_MAX for turn in range(6)]


def test_few_are_taken_again_once_some_were_held_too_long(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        filled(lane)
        emptied(lane)
    lane.add([a_taken_notice("held", "https://slow.example/")], WORDS)
    monkeypatch.setattr(lanes, "HELD_S_MAX", 0.0)

    assert [notice.id for notice in lane.overdue()] == ["held"]
    assert not lane.is_busy
    assert filled(lane) == AHEAD_MIN + UNDER_WAY_MAX


def test_of_an_address_that_has_not_answered_yet_no_more_are_taken_than_may_be_under_way(lane: Lane) -> None:
    due = [Due(f"n{number}", "https://unknown.example/") for number in range(100)]

    assert len(lane.chosen(due)) == UNDER_WAY_PER_ADDRESS_MAX
