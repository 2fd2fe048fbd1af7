"""Incidents of other regimes, and the law that an incident is a function of a set (contract 3.14)."""

from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reporter.core.incident import Entry
from reporter.core.schedule import Bound, Citation, Condition, Edition, Guard, Obligation, Span, Step
from tests.unit.factories import (
    CATALOG,
    EDITION,
    ELEMENTS,
    a_report,
    an_entry,
    an_incident,
    at,
    clock,
    elements,
    text,
    view_of,
)

# --- other regimes ------------------------------------------------------------------------------------------


def edition_of(schedule: str) -> Edition:
    found = CATALOG.get(schedule)
    assert found is not None
    return found.editions[-1]


def test_nis2_counts_from_awareness_and_its_final_from_the_submitted_notification() -> None:
    nis2 = edition_of("eu-nis2-art23")
    opened = an_incident(60, aware=text(30))

    waiting = view_of(opened, edition=nis2)
    submitted = view_of(opened, a_report(600, "notification"), edition=nis2)

    assert clock(waiting, "early_warning").due_at == at(30) + timedelta(hours=24)
    assert (
        clock(waiting, "final").starts_at
        == clock(waiting, "notification").due_at
        == at(30) + timedelta(hours=72)
    )
    assert clock(submitted, "final").starts_at == at(600)
    assert clock(submitted, "final").due_at.date() == date(2026, 12, 23)


def test_a_nis2_notification_does_not_stand_for_the_early_warning() -> None:
    view = view_of(
        an_incident(60, aware=text(30)), a_report(600, "notification"), edition=edition_of("eu-nis2-art23")
    )

    assert clock(view, "early_warning").met_at is None


def an_obligation(id_: str, **changes: Any) -> Obligation:
    zero = (Step(timedelta(0), ("unit.leader",)),)
    shape: dict[str, Any] = {
        "bounds": (Bound("occurred", Span(exact=timedelta(hours=1))),),
        "forms": ("written",),
        "ladder": zero,
    }
    return Obligation(id=id_, title_zh=id_, title_en=id_, **(shape | changes))


def an_edition(*obligations: Obligation) -> Edition:
    citation = Citation("t", "1", "", date(2026, 1, 1))
    return Edition("s", "2021-01-01", date(2021, 1, 1), "Asia/Shanghai", obligations, citation)


def test_a_regrade_opens_the_obligations_whose_guard_now_holds() -> None:
    major = Guard((Condition((("grade", ("I", "II")),)),))
    edition = an_edition(an_obligation("base"), an_obligation("major", guard=major))

    before = view_of(an_incident(1, grade="IV"), edition=edition)
    after = view_of(an_incident(1, grade="IV"), an_entry("amended", 30, grade="II"), edition=edition)

    assert [each.obligation.id for each in before.clocks] == ["base"]
    assert [each.obligation.id for each in after.clocks] == ["base", "major"]


def test_a_soft_obligation_is_never_breached_and_makes_no_anomaly_of_a_breach() -> None:
    view = view_of(
        an_incident(1), an_entry("withdrawn", 90), edition=an_edition(an_obligation("at_once", soft=True))
    )

    assert view.anomalies == []


# --- 3.14 order ---------------------------------------------------------------------------------------------

minutes = st.integers(2, 200)
others = st.one_of(
    st.builds(
        lambda m, covers, form, said: a_report(m, *covers, form=form, elements=elements(*said)),
        minutes,
        st.lists(st.sampled_from(["initial", "verified", "detailed"]), max_size=2, unique=True),
        st.sampled_from(["phone", "written"]),
        st.lists(st.sampled_from(ELEMENTS), max_size=7, unique=True),
    ),
    st.builds(lambda m, o: an_entry("amended", m, occurred=text(o)), minutes, st.integers(-60, 60)),
    st.builds(
        lambda m, g: an_entry("amended", m, id_=f"grade {m} {g}", grade=g),
        minutes,
        st.sampled_from(["I", "IV", None]),
    ),
    st.builds(an_entry, st.sampled_from(["withdrawn", "closed", "reopened"]), minutes),
)


@given(st.lists(others, max_size=8, unique_by=lambda entry: entry.id), st.randoms())
def test_any_order_of_the_commands_makes_the_same_incident(entries: list[Entry], random: Any) -> None:
    shuffled = random.sample(entries, len(entries))

    assert view_of(an_incident(1), *shuffled) == view_of(an_incident(1), *entries)


@given(st.lists(others, max_size=8, unique_by=lambda entry: entry.id))
def test_a_clock_is_met_by_an_actual_report_and_never_by_one_that_is_not_there(entries: list[Entry]) -> None:
    arrivals = {entry.report: entry.received_at for entry in entries if entry.report}

    for each in view_of(an_incident(1), *entries).clocks:
        assert (each.met_at is None) == (each.met_by is None)
        assert each.met_by is None or arrivals[each.met_by] == each.met_at
        assert (each.complete is None) == (each.met_at is None or not each.obligation.elements)


def test_the_default_schedule_is_the_one_in_force() -> None:
    assert (EDITION.schedule_id, EDITION.id) == ("cn-zaozhuang-hitech-2021-9", "2021-02-05")
