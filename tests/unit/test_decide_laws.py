"""Laws of the decisions: order, repetition and the moment of looking change nothing (contract 3.12, 3.14)."""

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reporter.core.incident import Entry
from reporter.core.ledger import GENESIS
from reporter.core.terms import ClockState, FactKind
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

LIFTED, JUDGED = FactKind.BREACH_LIFTED, FactKind.JUDGED

minutes = st.integers(2, 200)
commands = st.lists(
    st.one_of(
        st.builds(
            lambda m, covers, form, names: a_report(m, *covers, form=form, elements=elements(*names)),
            minutes,
            st.lists(st.sampled_from(["initial", "verified", "detailed"]), max_size=2, unique=True),
            st.sampled_from(["phone", "written"]),
            st.lists(st.sampled_from(ELEMENTS), unique=True),
        ),
        st.builds(lambda m, o: an_entry("amended", m, occurred=text(o)), minutes, st.integers(-60, 60)),
        st.builds(
            lambda m, o, w: an_entry("amended", m, occurred=between(o, o + w)),
            minutes,
            st.integers(-60, 60),
            minutes,
        ),
        st.builds(an_entry, st.sampled_from(["withdrawn", "closed", "reopened"]), minutes),
    ),
    max_size=7,
    unique_by=lambda entry: entry.id,
)
openings = st.builds(
    an_incident, st.integers(1, 200), occurred=st.sampled_from([text(0), between(0, 30), None])
)
END = 400.0


def final(story: Story) -> list[tuple[object, ...]]:
    """What must not depend on when anything was processed."""
    return [
        (
            *(
                clock.obligation.id,
                clock.due_at,
                clock.due_latest_at,
                clock.state,
                clock.met_at,
                clock.met_by,
            ),
            *(clock.verdict, clock.complete, clock.undeclared, clock.aware_verdict, clock.missing_at),
            clock.breach_due_at,
            clock.state is ClockState.STOPPED or clock.breach_certain,
        )
        for clock in story.tracked.clocks
    ]


def played(opened: Entry, arrivals: list[tuple[float, Entry]], ticks: list[int]) -> Story:
    """Commands processed at these minutes, with ticks between, and time run out."""
    story = Story(opened)
    steps: list[tuple[float, int, Any]] = [(minute, 0, entry) for minute, entry in arrivals]
    steps += [(float(tick), 1, None) for tick in ticks]
    for minute, _, entry in sorted(steps, key=lambda step: step[:2]):
        if entry is None:
            story.tick(minute)
        else:
            story.tell(entry, now=minute)
    return story.tick_through(END).tick(END)


@settings(max_examples=150)
@given(openings, commands, st.lists(st.integers(1, 300), max_size=5), st.randoms())
def test_any_processing_order_gives_the_same_clocks(
    opened: Entry, entries: list[Entry], ticks: list[int], random: Any
) -> None:
    """Processed as they arrive, or anyhow later and in any order, with ticks wherever they fall."""
    in_order = [((entry.received_at - at(0)).total_seconds() / 60, entry) for entry in entries]
    disorder = [(random.uniform(minute, 300), entry) for minute, entry in in_order]

    assert final(played(opened, disorder, ticks)) == final(played(opened, in_order, []))


@settings(max_examples=150)
@given(openings, commands, st.lists(st.integers(1, 300), max_size=8), st.integers(0, 60))
def test_a_second_tick_at_the_same_instants_adds_nothing(
    opened: Entry, entries: list[Entry], ticks: list[int], behind: int
) -> None:
    arrivals = [((entry.received_at - at(0)).total_seconds() / 60, entry) for entry in entries]
    story = Story(opened)
    for minute in sorted({*ticks, *(int(minute) for minute, _ in arrivals)}):
        for _, entry in [each for each in arrivals if int(each[0]) == minute]:
            story.tell(entry)
        story.tick(minute, judged=minute - behind)
        before = (
            len(story.tracked.lines),
            final(story),
            [(c.remind_at, c.judge_at) for c in story.tracked.clocks],
        )

        story.tick(minute, judged=minute - behind)

        assert before == (
            len(story.tracked.lines), final(story), [(c.remind_at, c.judge_at) for c in story.tracked.clocks]
        )  # fmt: skip


@settings(max_examples=100)
@given(openings, commands, st.lists(st.integers(1, 300), max_size=8))
def test_no_instant_of_a_line_follows_from_the_moment_it_was_written(
    opened: Entry, entries: list[Entry], ticks: list[int]
) -> None:
    arrivals = [((entry.received_at - at(0)).total_seconds() / 60, entry) for entry in entries]

    def instants(story: Story) -> set[tuple[object, ...]]:
        lines = story.lines(FactKind.REMINDED, FactKind.BREACHED, LIFTED, FactKind.ESCALATED, JUDGED)
        return {(x["kind"], x["at"], x["body"]["obligation"], x["body"]["due_at"]) for x in lines}

    often = instants(played(opened, arrivals, list(range(1, 400))))
    seldom = instants(played(opened, arrivals, ticks))

    breach = {each for each in often if each[0] in ("breached", "breach_lifted")}
    assert {each for each in seldom if each[0] == "breached"} <= breach
    assert {each[1] for each in seldom} <= {each[1] for each in often} | {text(m) for m in range(-500, 900)}


@settings(max_examples=60)
@given(openings, commands, st.lists(st.integers(1, 300), max_size=8))
def test_the_chain_of_hashes_holds_and_versions_have_no_gap(
    opened: Entry, entries: list[Entry], ticks: list[int]
) -> None:
    arrivals = [((entry.received_at - at(0)).total_seconds() / 60, entry) for entry in entries]
    story = played(opened, arrivals, ticks)

    prev = GENESIS
    for version, line in enumerate(story.tracked.lines, start=1):
        told = json.loads(line.text)
        assert (told["version"], told["prev"], line.hash) == (
            version,
            prev,
            sha256(line.text.encode()).hexdigest(),
        )
        prev = line.hash
    assert story.tracked.head == prev


@settings(max_examples=100)
@given(openings, commands, st.lists(st.integers(1, 300), max_size=8))
def test_at_most_one_breach_stands_and_the_ledger_says_the_same_as_the_clock(
    opened: Entry, entries: list[Entry], ticks: list[int]
) -> None:
    arrivals = [((entry.received_at - at(0)).total_seconds() / 60, entry) for entry in entries]
    story = played(opened, arrivals, ticks)

    for clock in story.tracked.clocks:
        standing: list[str] = []
        for kind, due in breaches(story, clock.obligation.id):
            if kind == "breached":
                assert not standing
                standing.append(due)
            else:
                assert standing == [due]
                standing.clear()
        assert standing == [
            line
            for line in [
                clock.breach_due_at and text(us=(clock.breach_due_at - at(0)) // timedelta(microseconds=1))
            ]
            if line
        ]
        assert clock.state is not ClockState.RUNNING or clock.due_at > at(END)
