"""A share takes ahead what can be sent: more where it runs dry, few where what it took had to wait."""

from collections.abc import Sequence

import pytest

from reporter.core.instants import parse
from reporter.core.notice import Taken, result
from reporter.core.terms import NoticeState
from reporter.engine.share import AHEAD_MAX, AHEAD_MIN, GROWS, PARTS, Share
from reporter.sending.lane import HANGS_S, UNDER_WAY_MAX, UNDER_WAY_PER_ADDRESS_MAX
from reporter.sending.sender import Back
from reporter.store.sending import Due
from tests.contract.channelworld import opened
from tests.unit.factories import a_taken_notice

NOW = parse("2026-11-23T06:00:00Z")
QUICK = 50


@pytest.fixture
async def share() -> Share:
    async with opened("webhook") as channel:
        return Share("webhook", channel)


def filled(share: Share) -> list[Taken]:
    """Takes as many as the share chooses of many that are due to quick receivers."""
    due = [Due(f"n{number}", f"https://{number % QUICK}.example/") for number in range(2 * AHEAD_MAX)]
    for number in range(QUICK):
        each = a_taken_notice("n", f"https://{number}.example/")
        share.take([each])
        emptied(share, [each])
    ids = set(share.chosen(due))
    taken = [a_taken_notice(each.id, each.address) for each in due if each.id in ids]
    share.take(taken)
    return taken


def emptied(share: Share, taken: Sequence[Taken], took_s: float = 0.01) -> None:
    for notice in taken:
        share.came(Back("webhook", notice.id, result(notice, NoticeState.ACCEPTED, None), took_s))


def test_more_are_taken_each_time_it_has_run_dry(share: Share) -> None:
    taken = []
    for _ in range(4):
        ahead = filled(share)
        taken.append(len(ahead))
        emptied(share, ahead)

    assert taken == [min(AHEAD_MIN * GROWS**turn, AHEAD_MAX) + UNDER_WAY_MAX for turn in range(4)]


def test_more_are_taken_for_one_address_too_but_never_all_that_there_is_room_for(share: Share) -> None:
    address = "https://one.example/"
    due = [Due(f"n{number}", address) for number in range(2 * AHEAD_MAX)]
    share.take([first := a_taken_notice("first", address)])
    emptied(share, [first])
    taken = []
    for _ in range(4):
        ids = share.chosen(due)
        taken.append(len(ids))
        share.take(ahead := [a_taken_notice(id_, address) for id_ in ids])
        emptied(share, ahead)

    parts = [min(AHEAD_MIN * GROWS**turn, AHEAD_MAX) // PARTS for turn in range(4)]
    assert taken == [part + UNDER_WAY_PER_ADDRESS_MAX for part in parts]


def test_as_many_are_taken_as_before_where_there_was_room_for_all(share: Share) -> None:
    for _ in range(3):
        each = a_taken_notice("n")
        assert share.chosen([Due(each.id, each.address)]) == ["n"]
        share.take([each])
        emptied(share, [each])

    assert len(filled(share)) == AHEAD_MIN + UNDER_WAY_MAX


def test_few_are_taken_again_once_some_could_not_be_started(share: Share) -> None:
    for _ in range(4):
        emptied(share, filled(share))
    share.take([a_taken_notice("held", "https://slow.example/")])

    share.came(Back("webhook", "held", None))

    assert not share.held
    assert len(filled(share)) == AHEAD_MIN + UNDER_WAY_MAX


def test_of_an_address_that_hangs_one_is_taken_until_it_answers(share: Share) -> None:
    address = "https://hangs.example/"
    due = [Due(f"n{number}", address) for number in range(100)]
    share.take([first := a_taken_notice("first", address)])
    share.came(Back("webhook", "first", result(first, NoticeState.QUEUED, "no answer", NOW), HANGS_S))

    assert len(share.chosen(due)) == 1

    share.take([second := a_taken_notice("second", address)])
    assert share.busy == [address]
    emptied(share, [second], took_s=2.0)
    assert len(share.chosen(due)) == UNDER_WAY_PER_ADDRESS_MAX


@pytest.mark.parametrize("took_s", [None, 1.5])
def test_of_an_address_that_is_not_known_to_be_quick_no_more_are_taken_than_may_be_under_way(
    share: Share, took_s: float | None
) -> None:
    due = [Due(f"n{number}", "https://unknown.example/") for number in range(100)]
    if took_s is not None:
        share.take([before := a_taken_notice("before", "https://unknown.example/")])
        emptied(share, [before], took_s)

    ids = share.chosen(due)
    assert len(ids) == UNDER_WAY_PER_ADDRESS_MAX

    share.take([a_taken_notice(id_, "https://unknown.example/") for id_ in ids])
    assert share.busy == ["https://unknown.example/"]
    assert share.chosen(due) == []
