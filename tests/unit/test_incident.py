"""What an incident is: a function of the set of its commands (contract 3.1 to 3.10 and 3.14)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.core.terms import IncidentState, Mode
from tests.unit.factories import (
    ELEMENTS,
    a_report,
    an_entry,
    an_incident,
    at,
    between,
    clock,
    dues,
    elements,
    met,
    text,
    view_of,
)

# --- 3.1 anchor ---------------------------------------------------------------------------------------------


def test_an_occurrence_at_14_is_due_at_14_20_15_00_and_16_00() -> None:
    assert dues(view_of(an_incident(1))) == [20, 60, 120]


def test_a_first_report_at_14_50_does_not_move_the_other_two() -> None:
    assert dues(view_of(an_incident(1), a_report(50, "initial", form="phone"))) == [20, 60, 120]


@pytest.mark.parametrize("grade", ["I", "II", "III", "IV", None])
def test_every_incident_starts_its_clocks_whatever_its_grade(grade: str | None) -> None:
    assert dues(view_of(an_incident(1, grade=grade))) == [20, 60, 120]


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**9))
def test_nothing_is_due_before_it_starts(occurred_us: int, width_us: int) -> None:
    said = {"earliest": text(us=occurred_us), "latest": text(us=occurred_us + width_us)}

    for each in view_of(an_incident(60, occurred=said)).clocks:
        assert each.starts_at <= each.due_at <= each.final_due_at


# --- 3.3 uncertain anchors ----------------------------------------------------------------------------------


def test_an_interval_is_due_from_its_earliest_end_and_carries_the_latest() -> None:
    initial = clock(view_of(an_incident(10, occurred=between(0, 7))))

    assert (initial.due_at, initial.due_latest_at, initial.final_due_at) == (at(20), at(27), at(27))


def test_an_interval_of_no_width_is_an_instant() -> None:
    assert clock(view_of(an_incident(10, occurred=between(0, 0)))).due_latest_at is None


@pytest.mark.parametrize(
    ("occurred", "anomaly"),
    [
        (None, "occurrence_unknown"),
        ("no instant", "occurrence_unknown"),
        ("2026-11-23T14:00:00", "occurrence_unknown"),
        (text(3, us=1), "occurrence_in_future"),
        (between(0, 3.001), "occurrence_in_future"),
        (between(1, 0), "occurrence_invalid"),
        ({"earliest": text(0)}, "occurrence_unknown"),
    ],
)
def test_without_a_usable_occurrence_clocks_run_from_the_arrival(occurred: Any, anomaly: str) -> None:
    view = view_of(an_incident(1, occurred=occurred))

    assert view.is_provisional
    assert anomaly in view.anomalies
    assert dues(view) == [21, 61, 121]


def test_an_occurrence_two_minutes_ahead_of_the_arrival_is_a_senders_clock_and_no_future() -> None:
    view = view_of(an_incident(1, occurred=text(3)))

    assert (view.is_provisional, view.anomalies, dues(view)) == (False, [], [23, 63, 123])


def test_a_provisional_anchor_ends_with_an_amendment_that_says_when() -> None:
    view = view_of(an_incident(1, occurred=None), an_entry("amended", 5, occurred=text(0)))

    assert (view.is_provisional, view.anomalies, dues(view)) == (False, [], [20, 60, 120])


def test_an_amendments_occurrence_is_held_against_the_amendments_own_arrival() -> None:
    later = view_of(an_incident(1), an_entry("amended", 60, occurred=text(30)))
    ahead = view_of(an_incident(1), an_entry("amended", 60, occurred=text(63)))

    assert (later.is_provisional, dues(later)) == (False, [50, 90, 150])
    assert (ahead.is_provisional, dues(ahead)) == (True, [21, 61, 121])


# --- 3.4, 3.5 form and coverage -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("covers", "form", "expected"),
    [
        (["initial"], "phone", [5, None, None]),
        (["initial"], "written", [5, None, None]),
        (["verified"], "written", [5, 5, None]),
        (["verified"], "phone", [5, None, None]),
        (["detailed"], "written", [5, 5, 5]),
        (["detailed"], "phone", [5, None, None]),
        (["initial", "detailed"], "phone", [5, None, None]),
        ([], "phone", [5, None, None]),
        ([], "written", [5, None, None]),
    ],
)
def test_each_obligation_is_tested_by_itself(
    covers: list[str], form: str, expected: list[float | None]
) -> None:
    assert met(view_of(an_incident(1), a_report(5, *covers, form=form))) == expected


def test_a_later_report_does_not_take_over_what_is_met() -> None:
    view = view_of(an_incident(1), a_report(5, "initial", form="phone"), a_report(9, "detailed"))

    assert met(view) == [5, 9, 9]


def test_a_report_that_names_nothing_is_for_the_earliest_unmet_that_its_form_allows() -> None:
    reports = [
        a_report(minute, form=form)
        for minute, form in [(3, "phone"), (4, "phone"), (5, "written"), (6, "written")]
    ]

    view = view_of(an_incident(1), *reports)

    assert met(view) == [3, 5, 6]
    assert [view.covers[each.report or ""] for each in reports] == [
        ("initial",),
        (),
        ("verified",),
        ("detailed",),
    ]


def test_covers_that_cannot_be_read_count_as_absent_and_are_named() -> None:
    view = view_of(an_incident(1), an_entry("filed", 5, covers="detailed", form="fax"))

    assert met(view) == [5, None, None]
    assert view.anomalies == ["field_invalid:covers", "field_invalid:form"]


def test_a_strangers_report_is_kept_and_stops_no_clock() -> None:
    view = view_of(an_incident(1), a_report(5, "detailed", foreign=True), a_report(6, foreign=True))

    assert met(view) == [None, None, None]
    assert "foreign_unit" in view.anomalies


# --- 3.6 completeness ---------------------------------------------------------------------------------------


def test_five_of_seven_elements_are_incomplete_with_the_list_of_the_other_two() -> None:
    said: dict[str, Any] = {
        **elements("cause", "development"),
        "background": {"pending": "正在核实"},
        "consequence": {"none": True},
        "response": "已疏散",
        "impact": " ",
        "opinion": {"pending": ""},
    }
    detailed = clock(view_of(an_incident(1), a_report(90, "detailed", elements=said)), "detailed")

    assert (detailed.met_at, detailed.complete, detailed.undeclared) == (at(90), False, ["impact", "opinion"])


def test_elements_add_up_over_reports_for_the_same_obligation() -> None:
    reports = (
        a_report(90, "detailed", elements=elements(*ELEMENTS[:5])),
        a_report(95, "detailed", elements=elements(*ELEMENTS[5:])),
    )
    detailed = clock(view_of(an_incident(1), *reports), "detailed")

    assert (detailed.met_at, detailed.complete, detailed.undeclared) == (at(90), True, [])


@pytest.mark.parametrize("blank", ["", "  ", {}])
def test_the_latest_word_on_an_element_wins_also_when_it_takes_it_back(blank: object) -> None:
    reports = (
        a_report(90, "detailed", elements=elements(*ELEMENTS)),
        a_report(95, "detailed", elements={"cause": blank}),
    )
    detailed = clock(view_of(an_incident(1), *reports), "detailed")

    assert (detailed.complete, detailed.undeclared) == (False, ["cause"])


def test_a_supplement_after_the_closure_still_completes_what_was_met_before_it() -> None:
    reports = (
        a_report(90, "detailed", elements=elements(*ELEMENTS[:5])),
        a_report(150, "detailed", elements=elements(*ELEMENTS[5:])),
    )
    view = view_of(an_incident(1), *reports, an_entry("closed", 130))

    assert (clock(view, "detailed").complete, view.anomalies) == (True, [])


def test_complete_is_null_while_unmet_or_where_nothing_is_required() -> None:
    view = view_of(an_incident(1), a_report(5, "verified", elements=elements(*ELEMENTS)))

    assert [each.complete for each in view.clocks] == [None, None, None]
    assert met(view) == [5, 5, None]


def test_elements_of_a_report_for_another_obligation_do_not_count() -> None:
    reports = a_report(50, "verified", elements=elements("cause")), a_report(90, "detailed")

    assert clock(view_of(an_incident(1), *reports), "detailed").undeclared == list(ELEMENTS)


# --- 3.7 closing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("closed", "missing"), [(10, 20), (20, 20), (30, 30)])
def test_a_clock_is_missing_from_the_closure_or_from_its_due_time_whichever_is_later(
    closed: float, missing: float
) -> None:
    assert clock(view_of(an_incident(1), an_entry("closed", closed))).missing_at == at(missing)


def test_a_report_after_that_is_kept_with_an_anomaly_and_meets_nothing() -> None:
    closed = an_entry("closed", 30)

    after = view_of(an_incident(1), closed, a_report(31, "initial", form="phone"))
    before = view_of(an_incident(1), closed, a_report(29, "initial", form="phone"))

    assert (met(after)[0], after.anomalies) == (None, ["report_after_close"])
    assert (met(before)[0], before.anomalies) == (29, [])


def test_what_is_not_due_at_the_closure_can_still_be_met_until_it_is() -> None:
    closed = an_entry("closed", 10)

    on_time = view_of(an_incident(1), closed, a_report(20, "initial"))
    late = view_of(an_incident(1), closed, a_report(20, "initial", us=1))

    assert (met(on_time)[0], on_time.anomalies) == (20, [])
    assert (met(late)[0], late.anomalies) == (None, ["report_after_close"])


# --- 3.8 awareness ------------------------------------------------------------------------------------------


def test_late_discovery_starts_a_second_clock_beside_the_statutory_one() -> None:
    initial = clock(view_of(an_incident(36, aware=text(35))))

    assert (initial.due_at, initial.aware_due_at) == (at(20), at(55))


@pytest.mark.parametrize(("aware", "anomalies"), [(text(0), []), (text(us=-1), ["aware_before_occurrence"])])
def test_an_awareness_not_later_than_the_occurrence_starts_no_second_clock(
    aware: str, anomalies: list[str]
) -> None:
    view = view_of(an_incident(36, aware=aware))

    assert (clock(view).aware_due_at, view.anomalies) == (None, anomalies)


def test_awareness_says_nothing_while_the_occurrence_is_provisional() -> None:
    assert clock(view_of(an_incident(36, occurred=None, aware=text(35)))).aware_due_at is None


# --- 3.9 amendments -----------------------------------------------------------------------------------------


def test_for_one_fact_the_latest_received_amendment_holds_and_the_others_stay() -> None:
    view = view_of(
        an_incident(1, grade="IV", place={"text": "1号库"}),
        an_entry("amended", 5, grade="I", title="爆炸"),
        an_entry("amended", 4, grade="II", place={"text": "3号库"}, weather="雨"),
    )

    assert (view.facts["grade"], view.facts["title"], view.facts["place"]) == ("I", "爆炸", {"text": "3号库"})
    assert view.extra == {"weather": "雨"}


def test_an_amendment_clears_a_fact_with_null_and_ignores_what_it_cannot_read() -> None:
    view = view_of(
        an_incident(1, grade="IV"), an_entry("amended", 5, grade=None, casualties={"dead": "many"})
    )

    assert view.facts["grade"] is None
    assert view.anomalies == ["field_invalid:casualties.dead"]


@pytest.mark.parametrize(
    ("moved_at", "report", "is_odd"),
    [(19, None, False), (21, None, True), (21, 15, False), (25, 21, True)],
)
def test_moving_the_occurrence_later_after_a_breach_is_an_anomaly(
    moved_at: float, report: float | None, is_odd: bool
) -> None:
    reports = [a_report(report, "initial", form="phone")] if report else []

    view = view_of(an_incident(1), an_entry("amended", moved_at, occurred=text(10)), *reports)

    assert ("occurrence_moved_after_breach" in view.anomalies) == is_odd


def test_moving_it_earlier_after_a_breach_is_none() -> None:
    assert view_of(an_incident(1), an_entry("amended", 30, occurred=text(-10))).anomalies == []


@pytest.mark.parametrize(
    ("was", "wanted", "becomes"),
    [
        ("exercise", "actual", Mode.ACTUAL),
        ("test", "actual", Mode.ACTUAL),
        ("actual", "exercise", Mode.ACTUAL),
        ("exercise", "test", Mode.EXERCISE),
        ("test", "exercise", Mode.TEST),
    ],
)
def test_the_mode_changes_only_from_exercise_or_test_to_actual(was: str, wanted: str, becomes: Mode) -> None:
    assert view_of(an_incident(1, mode=was), an_entry("amended", 5, mode=wanted)).mode is becomes


# --- 3.10 withdrawn, reopened -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("commands", "state"),
    [
        (["withdrawn"], IncidentState.WITHDRAWN),
        (["closed"], IncidentState.CLOSED),
        (["withdrawn", "closed"], IncidentState.WITHDRAWN),
        (["closed", "withdrawn"], IncidentState.WITHDRAWN),
        (["withdrawn", "reopened"], IncidentState.OPEN),
        (["closed", "reopened"], IncidentState.OPEN),
        (["reopened", "closed"], IncidentState.CLOSED),
        (["closed", "withdrawn", "reopened"], IncidentState.OPEN),
    ],
)
def test_the_state_follows_the_commands_in_order_of_arrival(
    commands: list[str], state: IncidentState
) -> None:
    entries = [an_entry(kind, 10 + index) for index, kind in enumerate(commands)]

    assert view_of(an_incident(1), *reversed(entries)).state is state


def test_a_reopened_incident_is_judged_as_if_it_never_stopped() -> None:
    reports = a_report(12, "initial", form="phone"), a_report(70, "verified")

    stopped = view_of(an_incident(1), *reports, an_entry("withdrawn", 10), an_entry("reopened", 80))

    assert met(stopped) == met(view_of(an_incident(1), *reports)) == [12, 70, None]
    assert (dues(stopped), clock(stopped).missing_at) == ([20, 60, 120], None)


@pytest.mark.parametrize(
    ("withdrawn", "report", "is_odd"), [(20, None, False), (21, None, True), (21, 20, False), (30, 21, True)]
)
def test_withdrawing_after_a_breach_is_an_anomaly(
    withdrawn: float, report: float | None, is_odd: bool
) -> None:
    reports = [a_report(report, "initial")] if report else []

    view = view_of(an_incident(1), an_entry("withdrawn", withdrawn), *reports)

    assert ("withdrawn_after_breach" in view.anomalies) == is_odd


def test_a_withdrawal_may_name_the_incident_that_survives() -> None:
    other = "8A5F0F3E-6D3C-5F0E-9A3E-0D8E2B6F4C11"

    assert view_of(an_incident(1), an_entry("withdrawn", 5, duplicate_of=other)).survivor == other.lower()
