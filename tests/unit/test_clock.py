"""A clock as it is kept: state, verdict, and when to look at it again (contract 3.2, 3.3, 3.7)."""

from datetime import datetime
from typing import Any

import pytest

from reporter.core.clock import Clock, adopt, started
from reporter.core.incident import ClockView
from reporter.core.ladder import fire
from reporter.core.terms import ClockState, Verdict
from tests.unit.factories import EDITION, ONE_US, at

INITIAL = EDITION.obligations[0]
FAR = at(100_000)


def a_view(**changes: Any) -> ClockView:
    view: dict[str, Any] = {"obligation": INITIAL, "position": 0, "starts_at": at(0), "due_at": at(20)}
    return ClockView(**(view | changes))


def a_clock(
    *,
    now: datetime = FAR,
    closed: datetime | None = None,
    provisional: bool = False,
    breached: bool | None = None,
    withdrawn: datetime | None = None,
    **view: Any,
) -> Clock:
    """A settled clock due at 20 minutes; `breached`: a breach stands, certain or not, and its ladder has fired."""
    clock = started(a_view(**view), at(1))
    if breached is not None:
        list(fire(clock.ladder, INITIAL.ladder, now, now, clock.chased_until(closed, withdrawn)))
    if breached is not None:
        clock.breach_due_at, clock.breach_certain = clock.due_at, breached
    if withdrawn:
        clock.state = ClockState.STOPPED
    clock.settle(now, closed, withdrawn, is_provisional=provisional)
    return clock


@pytest.mark.parametrize(
    ("met_at", "verdict", "late_by_s"),
    [
        (at(20) - ONE_US, Verdict.ON_TIME, None),
        (at(20), Verdict.ON_TIME, None),
        (at(20) + ONE_US, Verdict.LATE, 0.000001),
        (at(20, seconds=1), Verdict.LATE, 1.0),
        (at(50), Verdict.LATE, 1800.0),
    ],
)
def test_on_time_means_received_at_the_due_time_or_before(
    met_at: datetime, verdict: Verdict, late_by_s: float | None
) -> None:
    clock = a_clock(met_at=met_at, met_by="r")

    assert (clock.state, clock.verdict, clock.late_by_s) == (ClockState.MET, verdict, late_by_s)


@pytest.mark.parametrize(
    ("met_at", "verdict", "late_by_s"),
    [
        (at(20), Verdict.ON_TIME, None),
        (at(20) + ONE_US, Verdict.UNDETERMINED, None),
        (at(27), Verdict.UNDETERMINED, None),
        (at(27) + ONE_US, Verdict.LATE, 0.000001),
        (at(28), Verdict.LATE, 60.0),
    ],
)
def test_an_interval_is_judged_where_both_ends_agree_and_lateness_counts_from_the_latest(
    met_at: datetime, verdict: Verdict, late_by_s: float | None
) -> None:
    clock = a_clock(due_latest_at=at(27), met_at=met_at, met_by="r")

    assert (clock.verdict, clock.late_by_s) == (verdict, late_by_s)


@pytest.mark.parametrize("met_at", [at(5), at(30), None])
def test_with_a_provisional_anchor_nothing_is_judged(met_at: datetime | None) -> None:
    clock = a_clock(met_at=met_at, met_by=met_at and "r", provisional=True, breached=False)

    assert clock.verdict is (Verdict.UNDETERMINED if met_at else None)


def test_the_verdict_is_null_while_it_runs_and_while_it_is_overdue() -> None:
    running, overdue = a_clock(now=at(5)), a_clock(breached=True)

    assert (running.state, running.verdict) == (ClockState.RUNNING, None)
    assert (overdue.state, overdue.verdict) == (ClockState.BREACHED, None)


@pytest.mark.parametrize(("now", "verdict"), [(at(30) - ONE_US, None), (at(30), Verdict.MISSING)])
def test_it_is_missing_once_closed_and_breached(now: datetime, verdict: Verdict | None) -> None:
    clock = a_clock(now=now, closed=at(30), missing_at=at(30), breached=True)

    assert (clock.state, clock.verdict) == (ClockState.BREACHED, verdict)
    assert clock.judge_at == (None if verdict else at(30))


def test_what_is_not_yet_due_runs_on_after_the_closure_with_its_ladder() -> None:
    clock = a_clock(now=at(10), closed=at(5), missing_at=at(20))

    assert (clock.state, clock.verdict, clock.remind_at, clock.judge_at) == (
        ClockState.RUNNING,
        None,
        at(10),
        at(20),
    )


def test_what_was_due_at_the_closure_is_chased_no_further() -> None:
    clock = a_clock(now=at(25), closed=at(22), missing_at=at(22), breached=True)

    assert (clock.remind_at, clock.judge_at) == (None, None)


def test_a_stopped_clock_has_no_verdict_and_wants_no_look() -> None:
    clock = a_clock(
        withdrawn=at(35), met_at=at(30), met_by="r", breached=True, missing_at=at(22), aware_due_at=at(40)
    )

    assert (clock.state, clock.verdict, clock.aware_verdict) == (ClockState.STOPPED, None, None)
    assert (clock.remind_at, clock.judge_at) == (None, None)


def test_a_late_report_still_owes_the_breach_of_its_due_time() -> None:
    owed, done = a_clock(met_at=at(21), met_by="r"), a_clock(met_at=at(21), met_by="r", breached=True)

    assert (owed.judge_at, done.judge_at, done.remind_at) == (at(20), None, None)


def test_steps_that_the_rule_dates_before_the_report_are_owed_and_later_ones_are_not() -> None:
    clock = a_clock(met_at=at(21), met_by="r")

    fired = [
        firing.step.offset
        for firing in fire(clock.ladder, INITIAL.ladder, FAR, FAR, clock.chased_until(None, None))
    ]

    assert fired == [step.offset for step in INITIAL.ladder[:3]]


def test_an_uncertain_breach_is_looked_at_again_when_the_latest_end_passes() -> None:
    waiting = a_clock(now=at(22), due_latest_at=at(24), breached=False)
    met_between = a_clock(due_latest_at=at(24), breached=False, met_at=at(22), met_by="r")

    assert waiting.judge_at is not None and waiting.judge_at <= at(24)
    assert met_between.judge_at is None


@pytest.mark.parametrize(
    ("met_at", "verdict", "aware_verdict"),
    [
        (at(50), Verdict.LATE, Verdict.ON_TIME),
        (at(55), Verdict.LATE, Verdict.ON_TIME),
        (at(56), Verdict.LATE, Verdict.LATE),
    ],
)
def test_late_discovery_gives_a_second_verdict_and_never_changes_the_first(
    met_at: datetime, verdict: Verdict, aware_verdict: Verdict
) -> None:
    clock = a_clock(aware_due_at=at(55), met_at=met_at, met_by="r")

    assert (clock.verdict, clock.aware_verdict) == (verdict, aware_verdict)


def test_what_its_commands_say_is_taken_over_and_what_was_recorded_stays() -> None:
    clock = a_clock(breached=True)

    adopt(clock, a_view(due_at=at(30), met_at=at(25), met_by="r", aware_due_at=at(60)))

    assert (clock.due_at, clock.met_at, clock.aware_due_at) == (at(30), at(25), at(60))
    assert (clock.breach_due_at, clock.ladder.due_at) == (at(20), at(20))
