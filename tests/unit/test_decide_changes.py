"""Decisions on commands that change what was recorded (contract 3.9 to 3.12)."""

from datetime import timedelta
from typing import Any

from reporter.core.terms import FactKind, Mode
from tests.unit.factories import (
    Story,
    a_report,
    an_entry,
    an_incident,
    at,
    breaches,
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


def test_an_amendment_that_touches_no_instant_moves_nothing() -> None:
    story = a_story().tick(21).tell(an_entry("amended", 22, grade="I")).tick(22)

    assert breaches(story) == [("breached", text(20))]
    assert story.told()[-1][0] != "amended"


def test_a_correction_by_one_second_after_five_notices_makes_no_new_notice() -> None:
    story = a_story().tick_through(35)
    before = story.notices("initial")
    assert len({notice.step for notice in before}) == 5

    story.tell(an_entry("amended", 36, occurred=text(seconds=1))).tick_through(36)

    assert story.notices("initial") == before
    assert breaches(story)[-1] == ("breached", text(20, seconds=1))
    assert story.tick_through(200).fired()[-1] == ("escalation", "PT10M", 6)


def test_steps_made_past_by_an_amendment_make_one_notice_each_for_the_union_of_their_recipients() -> None:
    story = a_story().tick_through(16).tell(an_entry("amended", 17, occurred=text(-10))).tick(17)

    amended = [each for each in story.told() if each[0] == "amended"]
    assert {each[1:3] for each in amended} == {("PT5M", 1)}
    assert sorted(each[3] for each in amended) == [
        "superior.duty_officer",
        "unit.duty_officer",
        "unit.leader",
    ]


def test_reminders_made_past_by_an_amendment_are_reminders_and_no_escalation() -> None:
    story = a_story().tell(an_entry("amended", 8, occurred=text(-5))).tick(8)

    assert [
        (line["kind"], line["body"]["reason"]) for line in story.lines() if line["actor"] == "engine"
    ] == [("reminded", "amended")]


def test_an_exercise_that_becomes_actual_fires_its_past_steps_once_and_unmarked() -> None:
    story = a_story(mode="exercise").tick_through(26)
    assert {notice.mode for notice in story.notices()} == {Mode.EXERCISE}
    count = len(story.notices())

    story.tell(an_entry("amended", 27, mode="actual")).tick(27)

    new = story.notices()[count:]
    assert {notice.mode for notice in new} == {Mode.ACTUAL}
    initial = [notice for notice in new if notice.obligation == "initial"]
    assert {(notice.reason.value, notice.step) for notice in initial} == {("amended", "PT5M")}
    assert len(initial) == len({(notice.recipient.person, notice.recipient.channel) for notice in initial})
    assert story.tick_through(31).fired()[-1] == ("escalation", "PT10M", 1)
    assert breaches(story) == [("breached", text(20))]


# --- 3.10 withdrawn, reopened -------------------------------------------------------------------------------


def test_a_withdrawal_stops_the_clocks_and_nothing_fires_or_breaches() -> None:
    story = a_story().tell(an_entry("withdrawn", 5)).tick(300)

    assert (states(story), verdicts(story)) == (["stopped"] * 3, [None] * 3)
    assert (story.notices(), story.lines(BREACHED)) == ([], [])


def test_withdrawing_after_a_breach_notices_the_superior() -> None:
    story = a_story().tick(25)
    before = len(story.notices())

    story.tell(an_entry("withdrawn", 26))

    told = [(x.reason.value, x.recipient.to, x.recipient.person) for x in story.notices()[before:]]
    assert told == [("withdrawn", "superior.duty_officer", "county duty_officer")]
    assert "withdrawn_after_breach" in story.view.anomalies


def test_a_report_on_what_is_withdrawn_is_kept_and_noticed_and_judged_once_reopened() -> None:
    story = a_story().tell(an_entry("withdrawn", 5)).tell(a_report(10, "initial"))
    assert [notice.reason.value for notice in story.notices()] == ["report_after_withdrawal"]
    assert verdicts(story) == [None] * 3

    story.tell(an_entry("reopened", 30))

    assert verdicts(story) == ["on_time", None, None]


def test_reopening_resumes_the_original_due_times_with_one_notice_of_what_has_passed() -> None:
    story = a_story().tell(an_entry("withdrawn", 5)).tell(an_entry("reopened", 26)).tick(26)

    assert breaches(story) == [("breached", text(20))]
    assert story.fired() == [("reopened", "PT5M", 1)]
    assert states(story) == ["breached", "running", "running"]
    assert story.clock("verified").remind_at == at(40)


def test_reopening_what_was_reported_meanwhile_fires_nothing() -> None:
    story = (
        a_story().tell(an_entry("withdrawn", 5)).tell(a_report(30, "initial")).tell(an_entry("reopened", 45))
    )

    assert story.tick(45).fired() == []
    assert (story.clock().verdict, breaches(story)) == ("late", [("breached", text(20))])


def test_a_breach_stands_through_a_withdrawal_and_is_not_repeated() -> None:
    story = a_story().tick(25).tell(an_entry("withdrawn", 26)).tell(an_entry("reopened", 30)).tick(30)

    assert breaches(story) == [("breached", text(20))]
    assert states(story)[0] == "breached"


def test_a_withdrawal_received_before_the_due_time_and_processed_after_it_lifts_the_breach() -> None:
    story = a_story().tick(20).tell(an_entry("withdrawn", 19), now=21)

    assert breaches(story) == [("breached", text(20)), ("breach_lifted", text(20))]
    assert story.clock().breach_due_at is None


# --- 3.12 ladder to people ----------------------------------------------------------------------------------


def test_a_fired_step_writes_one_notice_per_person_for_the_first_role_that_names_them() -> None:
    story = a_story().tick(20)

    zero = [(x.recipient.to, x.recipient.person) for x in story.notices() if x.step == "PT0S"]
    assert zero == [
        ("unit.duty_officer", "east duty_officer"),
        ("unit.leader", "east leader"),
        ("superior.duty_officer", "county duty_officer"),
    ]


def test_superior_roles_of_the_root_fall_to_the_root_and_merge() -> None:
    story = a_story(unit="city").tick(20)

    zero = [(x.recipient.to, x.recipient.person) for x in story.notices() if x.step == "PT0S"]
    assert zero == [("unit.duty_officer", "city duty_officer"), ("unit.leader", "city leader")]


def test_nobody_on_duty_is_said_on_the_desk_and_the_search_goes_up_the_tree() -> None:
    story = a_story(unit="quiet").tick(10)

    first, *above = [notice.recipient for notice in story.notices()]
    assert (first.person, first.channel, first.note) == (None, "desk", "nobody_on_duty")
    assert [recipient.person for recipient in above] == ["county duty_officer"]


def test_the_step_at_zero_is_told_of_in_the_line_of_the_breach() -> None:
    line = a_story().tick_through(20).lines(BREACHED)[0]

    assert (line["body"]["step"], line["body"]["repeat"], line["body"]["reason"]) == ("PT0S", 1, "breach")
    assert len(line["body"]["notices"]) == 3


def test_a_back_dated_incident_makes_one_notice_per_obligation_and_recipient() -> None:
    story = a_story(165).tick(165)

    told = [(x.obligation, x.recipient.person, x.recipient.channel) for x in story.notices()]
    assert len(told) == len(set(told)) == 12
    assert {obligation for obligation, _, _ in told} == {"initial", "verified", "detailed"}
    assert {x.recipient.to for x in story.notices("initial")} == {
        "unit.duty_officer", "unit.leader", "superior.duty_officer", "superior.leader",
    }  # fmt: skip


def test_a_report_cancels_what_has_not_fired() -> None:
    story = a_story().tick_through(15).tell(a_report(16, "initial")).tick_through(59)

    assert story.fired() == [("reminder", "-PT10M", 1), ("reminder", "-PT5M", 1)]
    assert (story.clock().remind_at, story.clock().judge_at) == (None, None)


def test_an_acknowledgement_ends_the_repetition_and_neither_the_clock_nor_the_next_step() -> None:
    ten = timedelta(minutes=10)
    story = (
        a_story()
        .tick_through(41)
        .tell(an_entry("acknowledged", 42), acks=[("initial", ten)])
        .tick_through(300)
    )

    assert [each for each in story.fired() if each[1] == "PT10M"] == [
        ("escalation", "PT10M", 1),
        ("escalation", "PT10M", 2),
    ]
    assert states(story)[0] == "breached"
    assert ("escalation", "PT20M", 6) in story.fired("verified")


def test_acknowledging_an_earlier_step_does_not_stop_a_later_one() -> None:
    story = a_story().tick_through(20).tell(an_entry("acknowledged", 21), acks=[("initial", timedelta(0))])

    assert ("escalation", "PT5M", 1) in story.tick_through(26).fired()
