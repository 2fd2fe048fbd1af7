"""Decisions of one incident, step by step: what is written, who is told, what stands (contract section 3)."""

import json
from typing import Any

import pytest

from reporter.core.terms import FactKind, Verdict
from tests.unit.factories import (
    ELEMENTS,
    Story,
    a_report,
    an_entry,
    an_incident,
    at,
    between,
    breaches,
    elements,
    text,
)

BREACHED, LIFTED, JUDGED = FactKind.BREACHED, FactKind.BREACH_LIFTED, FactKind.JUDGED


def a_story(received: float = 1, *, unit: str = "east", **data: Any) -> Story:
    return Story(an_incident(received, **data), unit)


def verdicts(story: Story) -> list[str | None]:
    return [clock.verdict for clock in story.tracked.clocks]


def states(story: Story) -> list[str]:
    return [clock.state.value for clock in story.tracked.clocks]


# --- 3.2, 3.7 breach, late, missing -------------------------------------------------------------------------


@pytest.mark.parametrize(("us", "verdict", "count"), [(-1, "on_time", 0), (0, "on_time", 0), (1, "late", 1)])
def test_a_microsecond_decides(us: int, verdict: str, count: int) -> None:
    story = a_story().tell(a_report(20, "initial", form="phone", us=us)).tick(21)

    assert story.clock().verdict == verdict
    assert len(breaches(story)) == count


def test_received_at_14_20_00_is_on_time_and_at_14_20_01_late_by_a_second() -> None:
    story = a_story().tick(20).tell(a_report(20, "initial", us=1_000_000))

    assert (story.clock().verdict, story.clock().late_by_s) == ("late", 1.0)
    assert story.lines(JUDGED)[-1]["body"]["late_by_s"] == 1


def test_a_breach_is_dated_at_its_due_time_however_late_it_is_noticed() -> None:
    story = a_story().tick(47)
    line = story.lines(BREACHED)[0]

    assert (line["at"], line["recorded_at"], line["body"]["certain"]) == (text(20), text(47), True)
    assert line["body"]["due_at"] == text(20)
    assert states(story) == ["breached", "running", "running"]


def test_a_clock_has_at_most_one_standing_breach() -> None:
    story = a_story().tick(20).tick(20).tick(21).tell(a_report(30, "initial")).tick(31)

    assert breaches(story) == [("breached", text(20))]


def test_a_report_after_the_due_time_and_before_the_judgement_still_leaves_a_breach_that_reaches_a_person() -> (
    None
):
    story = a_story().tell(a_report(21, "initial")).tick(22)

    assert breaches(story) == [("breached", text(20))]
    assert [line["at"] for line in story.lines(JUDGED)] == [text(21)]
    assert {each[:2] for each in story.told() if each[0] != "reminder"} == {("breach", "PT0S")}


def test_a_report_stored_in_time_and_processed_after_the_breach_lifts_it() -> None:
    story = a_story().tick(20).tell(a_report(19, "initial"), now=25).tick(26)

    assert breaches(story) == [("breached", text(20)), ("breach_lifted", text(20))]
    assert story.lines(LIFTED)[0]["body"]["reason"] != "amended"
    assert (story.clock().verdict, story.clock().breach_due_at) == ("on_time", None)


def test_a_skipped_first_report_is_late_by_the_second_and_not_missing() -> None:
    story = (
        a_story()
        .tick_through(50)
        .tell(a_report(50, "verified"))
        .tick_through(130)
        .tell(an_entry("closed", 131))
    )

    assert verdicts(story) == ["late", "on_time", "missing"]
    assert story.clock().late_by_s == 1800


def test_closing_makes_missing_what_is_overdue_and_leaves_running_what_is_not_due() -> None:
    story = a_story().tick_through(30).tell(an_entry("closed", 30))

    assert verdicts(story) == ["missing", None, None]
    assert states(story) == ["breached", "running", "running"]

    story.tick_through(200)
    assert verdicts(story) == ["missing"] * 3
    assert [line["at"] for line in story.lines(JUDGED)] == [text(30), text(60), text(120)]
    assert ("reminder", "-PT20M", 1) in story.fired("verified")
    assert ("escalation", "PT10M", 1) in story.fired("verified")
    assert [each for each in story.fired() if each[1] == "PT10M"] == [("escalation", "PT10M", 1)]


def test_a_report_after_missing_is_kept_and_the_verdict_stays() -> None:
    story = a_story().tick_through(30).tell(an_entry("closed", 30)).tell(a_report(31, "initial"))

    assert story.clock().verdict == "missing"
    assert "report_after_close" in story.view.anomalies
    assert len(story.lines(FactKind.REPORTED)) == 1


def test_what_a_closure_made_missing_is_not_taken_back_by_a_tick_that_looks_less_far() -> None:
    story = a_story().tick(20).tell(an_entry("closed", 26))

    story.tick(26, us=1, judged=25).tick(26, us=2)

    assert ("escalation", "PT5M", 1) in story.fired()
    assert [line["body"]["verdict"] for line in story.lines(JUDGED)] == ["missing"]


def test_what_is_missing_stays_so_for_an_engine_whose_clock_is_behind() -> None:
    story = a_story().tick(20).tell(an_entry("closed", 26))

    story.tell(an_entry("amended", 27, summary="续"), now=25).tick(27)

    assert [line["body"]["verdict"] for line in story.lines(JUDGED)] == ["missing"]


def test_what_is_missing_is_so_no_longer_when_the_occurrence_moves_past_the_closure() -> None:
    story = a_story().tick(20).tell(an_entry("closed", 26)).tell(an_entry("amended", 27, occurred=text(25)))
    assert verdicts(story)[0] is None

    story.tick_through(45)

    assert [(line["at"], line["body"]["verdict"]) for line in story.lines(JUDGED, obligation="initial")] == [
        (text(26), "missing"),
        (text(27), None),
        (text(45), "missing"),
    ]


def test_reopening_takes_missing_back_and_judges_as_if_never_stopped() -> None:
    story = a_story().tick_through(30).tell(an_entry("closed", 30)).tell(a_report(40, "initial"))

    story.tell(an_entry("reopened", 45))

    assert verdicts(story) == ["late", None, None]
    assert story.lines(JUDGED)[-1]["body"]["verdict"] == "late"


# --- 3.3 uncertain anchors ----------------------------------------------------------------------------------


def test_a_breach_of_an_interval_becomes_certain_when_the_latest_end_has_passed() -> None:
    story = a_story(10, occurred=between(0, 7)).tick(20)
    assert story.lines(BREACHED)[0]["body"]["certain"] is False

    story.tick(27)

    assert story.clock().breach_certain is True
    assert [(line["at"], line["body"]["certain"]) for line in story.lines(JUDGED)] == [(text(27), True)]
    assert breaches(story) == [("breached", text(20))]


def test_what_becomes_certain_and_missing_at_one_instant_is_told_of_in_one_line() -> None:
    story = a_story(10, occurred=between(0, 7)).tick(20).tell(an_entry("closed", 22)).tick(27)

    assert [
        (line["at"], line["body"]["verdict"], line["body"]["certain"]) for line in story.lines(JUDGED)
    ] == [(text(27), "missing", True)]


def test_a_breach_judged_after_both_ends_is_certain_at_once() -> None:
    story = a_story(10, occurred=between(0, 7)).tick(40)

    assert story.lines(BREACHED)[0]["body"]["certain"] is True


def test_a_report_between_the_ends_is_undetermined_until_amended() -> None:
    story = a_story(10, occurred=between(0, 7)).tick(20).tell(a_report(23, "initial"))
    assert story.clock().verdict is Verdict.UNDETERMINED

    story.tell(an_entry("amended", 40, occurred=text(5)))
    assert story.clock().verdict is Verdict.ON_TIME
    assert breaches(story) == [("breached", text(20)), ("breach_lifted", text(20))]

    story.tell(an_entry("amended", 41, occurred=text(1))).tick(41)
    assert (story.clock().verdict, story.clock().late_by_s) == (Verdict.LATE, 120)
    assert breaches(story)[-1] == ("breached", text(21))


def test_a_provisional_breach_is_uncertain_and_its_verdict_undetermined() -> None:
    story = a_story(1, occurred=None).tick(60)
    assert story.lines(BREACHED)[0]["body"]["certain"] is False

    story.tell(a_report(61, "initial"))
    assert story.clock().verdict is Verdict.UNDETERMINED
    story.tell(an_entry("amended", 62, occurred=text(0))).tick(62)

    assert (story.clock().verdict, breaches(story)[-1]) == (Verdict.LATE, ("breached", text(20)))
    assert story.clock().breach_certain is True


def test_narrowing_an_interval_to_its_earliest_end_makes_the_breach_certain_without_a_second_one() -> None:
    story = (
        a_story(10, occurred=between(0, 30)).tick(20).tell(an_entry("amended", 25, occurred=text(0))).tick(25)
    )

    assert breaches(story) == [("breached", text(20))]
    assert story.clock().breach_certain is True


def test_a_certain_breach_that_an_amendment_makes_uncertain_is_recorded_anew() -> None:
    story = a_story(25).tick(25)
    before = len(story.tracked.lines)

    story.tell(an_entry("amended", 26, occurred=between(0, 23)))

    commit = [json.loads(line.text) for line in story.tracked.lines[before:]]
    assert [line["kind"] for line in commit] == ["amended", "breach_lifted", "breached"]
    assert commit[1]["body"] == {"obligation": "initial", "due_at": text(20), "reason": "amended"}
    told = [commit[2]["body"][name] for name in ("due_at", "due_latest_at", "certain", "notices")]
    assert (commit[2]["at"], told) == (text(20), [text(20), text(43), False, []])
    assert "occurrence_moved_after_breach" in story.view.anomalies
    story.tick_through(43)
    [sure] = story.lines(JUDGED, obligation="initial")
    assert (sure["at"], sure["body"]["certain"]) == (text(43), True)


def test_a_certain_breach_that_becomes_provisional_at_the_same_instant_is_recorded_anew() -> None:
    story = a_story(0).tick(21).tell(an_entry("amended", 22, occurred=text(100)))

    assert breaches(story) == [("breached", text(20)), ("breach_lifted", text(20)), ("breached", text(20))]
    assert [line["body"]["certain"] for line in story.lines(BREACHED)] == [True, False]


def test_a_certain_breach_stays_where_both_ends_have_passed() -> None:
    story = a_story(25).tick(40).tell(an_entry("amended", 40, occurred=between(0, 19))).tick(41)

    assert breaches(story) == [("breached", text(20))]
    assert (story.clock().breach_certain, story.lines(JUDGED, obligation="initial")) == (True, [])


def test_a_late_report_that_an_amendment_leaves_between_the_ends_is_undetermined_and_its_breach_uncertain() -> (
    None
):
    story = a_story().tick(21).tell(a_report(25, "initial"))

    story.tell(an_entry("amended", 30, occurred=between(0, 6)))

    assert [line["body"]["verdict"] for line in story.lines(JUDGED)] == ["late", "undetermined"]
    assert [line["body"]["certain"] for line in story.lines(BREACHED)] == [True, False]


# --- 3.6 completeness ---------------------------------------------------------------------------------------


def test_incomplete_is_on_time_all_the_same_and_a_supplement_is_judged_anew() -> None:
    story = a_story().tell(a_report(90, "detailed", elements=elements(*ELEMENTS[:5])))
    story.tell(a_report(130, "detailed", elements=elements(*ELEMENTS[5:])))

    judged = [line["body"] for line in story.lines(JUDGED, obligation="detailed")]
    assert [(each["verdict"], each["complete"], each["undeclared"]) for each in judged] == [
        ("on_time", False, ["impact", "opinion"]),
        ("on_time", True, []),
    ]


# --- 3.8 awareness ------------------------------------------------------------------------------------------


def test_late_discovery_is_thirty_minutes_overdue_and_within_the_awareness_clock() -> None:
    story = a_story(36, aware=text(35)).tick(36).tell(a_report(50, "initial", form="phone"))

    clock = story.clock()
    assert (clock.verdict, clock.late_by_s, clock.aware_due_at, clock.aware_verdict) == (
        "late",
        1800,
        at(55),
        "on_time",
    )


# --- 3.9 amendments -----------------------------------------------------------------------------------------


def test_an_amendment_lifts_the_breach_and_breaches_the_new_due_time_in_the_same_commit() -> None:
    story = a_story().tick(30)

    before = len(story.tracked.lines)
    story.tell(an_entry("amended", 40, occurred=text(5)))

    commit = [json.loads(line.text) for line in story.tracked.lines[before:]]
    assert [line["kind"] for line in commit] == ["amended", "breach_lifted", "breached"]
    assert commit[1]["body"]["reason"] == "amended"
    assert (commit[2]["at"], commit[2]["body"]["due_at"], commit[2]["body"]["certain"]) == (
        text(25),
        text(25),
        True,
    )
    assert states(story)[0] == "breached"
    story.tick(40)
    assert len(breaches(story)) == 3


def test_an_amendment_to_a_due_time_still_to_come_only_lifts() -> None:
    story = a_story().tick(21).tell(an_entry("amended", 21, occurred=text(15)))

    assert breaches(story) == [("breached", text(20)), ("breach_lifted", text(20))]
    assert (states(story)[0], story.clock().remind_at) == ("running", at(25))
    assert "occurrence_moved_after_breach" in story.view.anomalies
    story.tick(35)
    assert breaches(story)[-1] == ("breached", text(35))


def test_an_amended_late_report_breaches_again_though_it_has_arrived() -> None:
    story = (
        a_story()
        .tick(20)
        .tell(a_report(40, "initial"))
        .tell(an_entry("amended", 50, occurred=text(5)))
        .tick(50)
    )

    assert breaches(story) == [("breached", text(20)), ("breach_lifted", text(20)), ("breached", text(25))]
    assert (story.clock().verdict, story.clock().late_by_s) == ("late", 900)
