"""Reminders and escalation: what fires, when, how often (contract 3.12), without people or a database."""

from copy import deepcopy
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.core.ladder import (
    Firing,
    Ladder,
    acknowledge,
    armed,
    await_report,
    fire,
    next_instants,
    rearmed,
)
from reporter.core.schedule import Step
from reporter.core.terms import NoticeReason
from tests.unit.factories import EDITION, ONE_US, at

INITIAL = EDITION.obligations[0].ladder
DUE = at(20)
FAR = at(10_000)
SIX = timedelta(minutes=10)


def minutes(instant: datetime) -> float:
    return (instant - at(0)).total_seconds() / 60


def said(firing: Firing) -> tuple[str, float, int, float]:
    """Reason, offset in minutes, repetition, and the instant in minutes after the occurrence."""
    offset = firing.step.offset.total_seconds() / 60
    return (firing.reason.value, offset, firing.repeat, minutes(firing.at))


def fired(
    ladder: Ladder, now: float, judged: float | None = None, *, us: int = 0
) -> list[tuple[str, float, int, float]]:
    through = at(now, us=us) if judged is None else at(judged)
    return [said(firing) for firing in fire(ladder, INITIAL, at(now, us=us), through)]


def looks(ladder: Ladder) -> list[float | None]:
    return [None if look is None else minutes(look) for look in next_instants(ladder, INITIAL)]


def test_each_step_fires_at_its_offset_and_not_a_microsecond_earlier() -> None:
    ladder = armed(DUE, at(1))

    for minute, step in [(10, -10), (15, -5), (20, 0), (25, 5), (30, 10)]:
        assert fired(ladder, minute, us=-1) == []
        assert [(offset, instant) for _, offset, _, instant in fired(ladder, minute)] == [(step, minute)]


def test_reasons_say_before_at_and_after_the_deadline() -> None:
    ladder = armed(DUE, at(1))
    reasons = [fired(ladder, minute)[0][0] for minute in (10, 15, 20, 25, 30)]

    assert reasons == ["reminder", "reminder", "breach", "escalation", "escalation"]


def test_a_second_look_at_the_same_instant_fires_nothing() -> None:
    ladder = armed(DUE, at(1))

    assert fired(ladder, 30) != []
    assert fired(ladder, 30) == []


def test_reminders_never_wait_for_the_brokers_word_and_all_else_does() -> None:
    ladder = armed(DUE, at(1))

    assert [each[1] for each in fired(ladder, 31, judged=0)] == [-10, -5]
    assert [each[1] for each in fired(ladder, 31, judged=20)] == [0]
    assert [each[1] for each in fired(ladder, 31)] == [5, 10]


def test_the_last_step_repeats_six_times_in_all_the_first_included() -> None:
    ladder = armed(DUE, at(1))
    fired(ladder, 29)

    repeats = [each[2:] for minute in range(30, 200) for each in fired(ladder, minute)]

    assert repeats == [(1, 30), (2, 40), (3, 50), (4, 60), (5, 70), (6, 80)]
    assert looks(ladder) == [None, None]


def test_after_downtime_missed_repetitions_become_one_and_the_grid_goes_on() -> None:
    ladder = armed(DUE, at(1))
    fired(ladder, 30)

    assert fired(ladder, 63) == [("escalation", 10, 4, 60)]
    assert looks(ladder) == [None, 70]
    assert fired(ladder, 70) == [("escalation", 10, 5, 70)]


def test_after_downtime_each_missed_step_fires_once_and_the_repeated_one_with_what_it_missed() -> None:
    ladder = armed(DUE, at(1))

    assert [each[1:3] for each in fired(ladder, 45)] == [(-10, 1), (-5, 1), (0, 1), (5, 1), (10, 2)]
    assert fired(ladder, 45) == []


def test_a_back_dated_incident_fires_its_past_steps_as_one_dated_at_its_arrival() -> None:
    ladder = armed(DUE, at(26))
    firings = list(fire(ladder, INITIAL, at(26), at(26)))

    assert [said(each) for each in firings] == [("escalation", 5, 1, 26)]
    assert [step.offset for step in firings[0].collapsed] == [step.offset for step in INITIAL[:4]]
    assert firings[0].recipients == ("unit.leader", "superior.duty_officer", "unit.duty_officer")
    assert fired(ladder, 30) == [("escalation", 10, 1, 30)]


def test_a_repetition_known_late_counts_from_the_arrival_and_six_mean_six_in_all() -> None:
    ladder = armed(DUE, at(33))

    repeats = [each[2:] for minute in range(33, 200) for each in fired(ladder, minute)]

    assert repeats == [(1, 33), (2, 43), (3, 53), (4, 63), (5, 73), (6, 83)]


def test_what_is_known_late_and_processed_later_still_adds_nothing_at_a_second_look() -> None:
    ladder = armed(DUE, at(33))
    first = fired(ladder, 60)

    assert first != []
    assert fired(ladder, 60) == []


def test_a_step_at_the_very_instant_of_the_arrival_is_past() -> None:
    assert fired(armed(DUE, at(20)), 20) == [("breach", 0, 1, 20)]
    assert [each[1] for each in fired(armed(DUE, at(20) - ONE_US), 20)] == [-5, 0]


def test_steps_that_are_known_late_wait_for_the_brokers_word_if_the_newest_does() -> None:
    ladder = armed(DUE, at(21))

    assert fired(ladder, 22, judged=19) == []
    assert looks(ladder) == [None, 20]
    assert fired(ladder, 22) == [("breach", 0, 1, 21)]


def test_the_first_look_is_the_reminder_and_the_deadline_waits_beside_it() -> None:
    ladder = armed(DUE, at(1))

    assert looks(ladder) == [10, 20]
    fired(ladder, 15)
    assert looks(ladder) == [None, 20]


# --- acknowledged -------------------------------------------------------------------------------------------


def test_acknowledgement_ends_a_repetition_and_never_the_next_step() -> None:
    ladder = armed(DUE, at(1))
    fired(ladder, 25)
    acknowledge(ladder, INITIAL, timedelta(minutes=5))

    assert fired(ladder, 30) == [("escalation", 10, 1, 30)]
    acknowledge(ladder, INITIAL, timedelta(minutes=10))
    assert (fired(ladder, 500), looks(ladder)) == ([], [None, None])


def test_an_acknowledgement_without_a_report_grows_stale_once_and_the_repetition_goes_on() -> None:
    ladder = armed(DUE, at(1))
    fired(ladder, 30)
    acknowledge(ladder, INITIAL, timedelta(minutes=10))
    await_report(ladder, INITIAL, timedelta(minutes=10), at(46))

    assert (fired(ladder, 45), looks(ladder)) == ([], [None, 46])
    assert fired(ladder, 46) == [("ack_stale", 10, 2, 46)]
    assert looks(ladder) == [None, 56]
    assert fired(ladder, 56) == [("escalation", 10, 3, 56)]


def test_what_grew_stale_is_said_even_of_a_step_that_does_not_repeat() -> None:
    ladder = armed(DUE, at(1))
    fired(ladder, 21)
    await_report(ladder, INITIAL, timedelta(0), at(24))
    [firing] = fire(ladder, INITIAL, at(24), at(24))

    assert (firing.reason, firing.repeat, firing.at) == (NoticeReason.ACK_STALE, 2, at(24))
    assert firing.recipients == (*INITIAL[2].recipients, "superior.duty_officer")[: len(firing.recipients)]
    assert "superior.duty_officer" in firing.recipients
    assert looks(ladder) == [None, 25]


def test_a_report_an_ungone_deadline_and_a_later_acknowledgement_put_staleness_off() -> None:
    ladder = armed(DUE, at(1))
    fired(ladder, 30)
    await_report(ladder, INITIAL, timedelta(minutes=-5), at(31))
    assert looks(ladder) == [None, 40]
    await_report(ladder, INITIAL, timedelta(minutes=10), at(36))
    await_report(ladder, INITIAL, timedelta(minutes=5), at(39))

    assert list(fire(ladder, INITIAL, at(60), at(60), until=at(38))) == []
    assert fired(ladder, 39) == [("ack_stale", 10, 2, 39)]


# --- amended ------------------------------------------------------------------------------------------------


def moved(ladder: Ladder, due: float, known: float, *, anew: bool = False, us: int = 0) -> Ladder:
    return rearmed(ladder, INITIAL, at(due, us=us), at(known), NoticeReason.AMENDED, anew=anew)


def test_a_correction_by_one_second_after_five_notices_makes_no_new_one() -> None:
    ladder = armed(DUE, at(1))
    for minute in range(61):
        fired(ladder, minute)

    ladder = moved(ladder, 20, 61, us=1_000_000)

    assert fired(ladder, 61) == []
    assert [each[2] for minute in range(61, 200) for each in fired(ladder, minute)] == [5, 6]


def test_steps_that_an_amendment_makes_past_fire_as_one_if_one_of_them_is_later_than_any_fired() -> None:
    ladder = armed(DUE, at(1))
    fired(ladder, 10)

    ladder = moved(ladder, 12, 18)

    assert fired(ladder, 18) == [("amended", 5, 1, 18)]
    assert fired(ladder, 22) == [("escalation", 10, 1, 22)]


def test_unfired_steps_move_with_the_due_time() -> None:
    ladder = armed(DUE, at(1))
    fired(ladder, 10)

    ladder = moved(ladder, 30, 12)

    assert looks(ladder) == [20, 30]
    assert [each[1:] for minute in range(12, 41) for each in fired(ladder, minute)] == [
        (-10, 1, 20), (-5, 1, 25), (0, 1, 30), (5, 1, 35), (10, 1, 40),
    ]  # fmt: skip


def test_an_acknowledgement_stands_through_an_amendment_that_makes_no_later_step_past() -> None:
    ladder = armed(DUE, at(1))
    fired(ladder, 31)
    acknowledge(ladder, INITIAL, timedelta(minutes=10))

    ladder = moved(ladder, 18, 32)

    assert (fired(ladder, 500), looks(ladder)) == ([], [None, None])


def test_an_exercise_that_becomes_actual_fires_its_past_steps_once() -> None:
    ladder = armed(DUE, at(1))
    fired(ladder, 26)

    ladder = moved(ladder, 20, 27, anew=True)

    assert fired(ladder, 27) == [("amended", 5, 1, 27)]
    assert fired(ladder, 30) == [("escalation", 10, 1, 30)]


# --- laws ---------------------------------------------------------------------------------------------------


def a_step(offset: int, every: int | None, times: int) -> Step:
    span = None if every is None else timedelta(minutes=every)
    return Step(timedelta(minutes=offset), ("unit.leader",), span, times if span else 1)


steps = st.lists(
    st.tuples(st.integers(-60, 60), st.none() | st.integers(1, 20), st.integers(2, 6)),
    min_size=1,
    max_size=6,
    unique_by=lambda each: each[0],
).map(lambda raw: tuple(a_step(*each) for each in sorted([*(x for x in raw if x[0] != 0), (0, None, 1)])))
instants = st.integers(-100, 200)


@given(steps, instants, st.lists(instants, max_size=12))
def test_every_step_fires_once_whatever_the_instants_at_which_somebody_looks(
    ladder_steps: tuple[Step, ...], known: int, ticks: list[int]
) -> None:
    ladder = armed(at(0), at(known))
    firings = [f for tick in [*sorted(ticks), 10_000] for f in fire(ladder, ladder_steps, at(tick), at(tick))]

    fired_steps = [
        step.offset for f in firings if f.repeat == 1 or f.step.every is None for step in f.collapsed
    ]
    firsts = {step.offset for f in firings for step in f.collapsed}
    assert firsts == {step.offset for step in ladder_steps}
    assert len(fired_steps) == len(set(fired_steps))
    for step in ladder_steps:
        repeats = [f.repeat for f in firings if f.step is step]
        assert repeats == sorted(set(repeats)) and max(repeats, default=0) <= step.at_most


@given(steps, instants, st.lists(instants, max_size=6), instants)
def test_a_second_tick_at_the_same_instants_adds_nothing(
    ladder_steps: tuple[Step, ...], known: int, ticks: list[int], judged_ago: int
) -> None:
    ladder = armed(at(0), at(known))
    for tick in sorted(ticks):
        through = at(tick - abs(judged_ago))
        list(fire(ladder, ladder_steps, at(tick), through))
        before = deepcopy(ladder)

        assert list(fire(ladder, ladder_steps, at(tick), through)) == []
        assert ladder == before


@given(steps, instants, st.lists(instants, max_size=12))
def test_no_instant_follows_from_the_moment_of_a_firing(
    ladder_steps: tuple[Step, ...], known: int, ticks: list[int]
) -> None:
    """Whoever looks at every minute sees every instant; whoever looks seldom sees some of the same."""
    often, seldom = armed(at(0), at(known)), armed(at(0), at(known))
    seen = {said(f) for minute in range(-100, 400) for f in fire(often, ladder_steps, at(minute), at(minute))}

    for tick in [*sorted(ticks), 400]:
        for firing in fire(seldom, ladder_steps, at(tick), at(tick)):
            assert said(firing) in seen


@given(steps, instants)
def test_looking_whenever_it_asks_to_be_looked_at_ends_and_fires_everything(
    ladder_steps: tuple[Step, ...], known: int
) -> None:
    ladder, count = armed(at(0), at(known)), 0
    while asked := [look for look in next_instants(ladder, ladder_steps) if look is not None]:
        now = max(min(asked), at(known))
        assert list(fire(ladder, ladder_steps, now, now)), "asked to be looked at for nothing"
        count += 1

    assert ladder.position == len(ladder_steps)
    assert count <= sum(step.at_most for step in ladder_steps)


@pytest.mark.parametrize("obligation", EDITION.obligations, ids=lambda each: each.id)
def test_the_default_ladders_stand_as_the_issue_has_them(obligation: object) -> None:
    expected = {
        "initial": [-10, -5, 0, 5, 10],
        "verified": [-20, -10, 0, 10, 20],
        "detailed": [-30, -10, 0, 15, 30],
    }
    found = next(each for each in EDITION.obligations if each is obligation)

    assert [step.offset.total_seconds() / 60 for step in found.ladder] == expected[found.id]
    assert [(step.every, step.at_most) for step in found.ladder] == [(None, 1)] * 4 + [(SIX, 6)]
