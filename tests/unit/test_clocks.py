"""Due instants: exact and calendar spans, several bounds, anchors on another report."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.core.clocks import add_span, due_at, with_provisional
from reporter.core.schedule import Bound, Citation, Edition, Obligation, Span, Step, parse_span

ZONES = (
    "UTC",
    "Asia/Shanghai",
    "Europe/Brussels",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
)

instants = st.datetimes(datetime(1970, 1, 2), datetime(2199, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(ZONES)
exact_spans = st.builds(Span, exact=st.timedeltas(timedelta(0), timedelta(days=3_000)))
spans = st.builds(
    Span,
    months=st.integers(0, 240),
    days=st.integers(0, 5_000),
    exact=st.timedeltas(timedelta(0), timedelta(days=3_000)),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def obligation(
    *bounds: Bound,
    combine: Literal["earliest_of", "latest_of"] = "earliest_of",
    obligation_id: str = "initial",
) -> Obligation:
    return Obligation(
        id=obligation_id,
        title_zh="报",
        title_en="Report",
        bounds=bounds,
        combine=combine,
        forms=("written",),
        ladder=(Step(timedelta(0), ("unit.leader",)),),
    )


def bound(anchor: str, span: str, unless_past_at: str | None = None) -> Bound:
    return Bound(anchor, parse_span(span), unless_past_at)


@pytest.mark.parametrize(
    ("start", "span", "zone", "due"),
    [
        ("2021-03-01T14:00+08:00", "PT20M", "Asia/Shanghai", "2021-03-01T14:20+08:00"),
        # A month keeps day and time of day; a day it lacks becomes its last.
        ("2025-01-31T16:30+01:00", "P1M", "Europe/Brussels", "2025-02-28T16:30+01:00"),
        ("2024-01-31T16:30+01:00", "P1M", "Europe/Brussels", "2024-02-29T16:30+01:00"),
        ("2024-02-29T12:00+08:00", "P1Y", "Asia/Shanghai", "2025-02-28T12:00+08:00"),
        ("2024-10-31T12:00+08:00", "P4M", "Asia/Shanghai", "2025-02-28T12:00+08:00"),
        ("2100-01-31T12:00Z", "P1M", "UTC", "2100-02-28T12:00Z"),
        ("2025-12-15T12:00Z", "P1M", "UTC", "2026-01-15T12:00Z"),
        # The day is that of the zone, not of UTC: 31 January in Shanghai, still the 30th in UTC.
        ("2025-01-31T02:00+08:00", "P1M", "Asia/Shanghai", "2025-02-28T02:00+08:00"),
        ("2025-03-01T02:00+08:00", "P1M", "Asia/Shanghai", "2025-04-01T02:00+08:00"),
        # A calendar day keeps the local time over a change of clocks, 24 hours do not.
        ("2025-03-29T12:00+01:00", "P1D", "Europe/Brussels", "2025-03-30T12:00+02:00"),
        ("2025-03-29T12:00+01:00", "PT24H", "Europe/Brussels", "2025-03-30T13:00+02:00"),
        # A local time that does not exist moves forward by the gap.
        ("2025-03-29T02:30+01:00", "P1D", "Europe/Brussels", "2025-03-30T03:30+02:00"),
        # A local time that exists twice is the first of the two.
        ("2025-10-25T02:30+02:00", "P1D", "Europe/Brussels", "2025-10-26T02:30+02:00"),
        # The second 02:30 of a day plus nothing of a calendar stays the second.
        ("2025-10-26T02:30+01:00", "PT1H", "Europe/Brussels", "2025-10-26T03:30+01:00"),
        # A whole day that never was: Apia went from the 29th to the 31st.
        ("2011-12-29T10:00-10:00", "P1D", "Pacific/Apia", "2011-12-31T10:00+14:00"),
        # Calendar parts first, the exact part last.
        ("2025-01-31T23:00+01:00", "P1MT2H", "Europe/Brussels", "2025-03-01T01:00+01:00"),
    ],
)
def test_adds_a_span(start: str, span: str, zone: str, due: str) -> None:
    assert add_span(at(start), parse_span(span), zone) == at(due)


@given(instants, spans, zones)
def test_what_is_due_is_never_before_its_start(start: datetime, span: Span, zone: str) -> None:
    due = add_span(start, span, zone)
    assert due >= start
    assert due.tzinfo is UTC


@given(instants, exact_spans, zones)
def test_an_exact_span_is_the_same_in_every_zone(start: datetime, span: Span, zone: str) -> None:
    single = obligation(Bound("occurred", span))
    assert add_span(start, span, zone) == start + span.exact
    assert due_at(single, {"occurred": start}, zone) == start + span.exact


@given(instants, spans, zones)
def test_the_short_way_agrees_with_the_long_one(start: datetime, span: Span, zone: str) -> None:
    single = obligation(Bound("occurred", span))
    double = obligation(Bound("occurred", span), Bound("occurred", span))
    assert due_at(single, {"occurred": start}, zone) == due_at(double, {"occurred": start}, zone)


@given(instants, spans, spans, zones)
def test_the_latest_bound_is_never_before_the_earliest(start: datetime, a: Span, b: Span, zone: str) -> None:
    bounds = Bound("occurred", a), Bound("aware", b)
    anchors = {"occurred": start, "aware": start}
    earliest = due_at(obligation(*bounds), anchors, zone)
    latest = due_at(obligation(*bounds, combine="latest_of"), anchors, zone)
    assert earliest is not None
    assert latest is not None
    assert earliest <= latest


@pytest.mark.parametrize("minutes", [20, 60, 120])
def test_three_limits_from_one_occurrence(minutes: int) -> None:
    due = due_at(
        obligation(Bound("occurred", Span(exact=timedelta(minutes=minutes)))),
        {"occurred": at("2021-03-01T14:00+08:00"), "aware": at("2021-03-01T14:35+08:00")},
        "Asia/Shanghai",
    )
    assert due == at("2021-03-01T06:00Z") + timedelta(minutes=minutes)
    assert due.tzinfo is UTC


def test_nothing_is_due_without_an_anchor() -> None:
    assert due_at(obligation(bound("occurred", "PT20M")), {"aware": at("2021-03-01T14:00Z")}, "UTC") is None
    double = obligation(bound("occurred", "PT1H"), bound("classified", "P1D"))
    assert due_at(double, {}, "UTC") is None


def test_a_bound_without_its_anchor_is_left_out() -> None:
    bounds = bound("classified", "PT4H"), bound("aware", "PT24H")
    for combine in ("earliest_of", "latest_of"):
        due = due_at(
            obligation(*bounds, combine=combine),
            {"aware": at("2025-06-02T10:00Z")},
            "UTC",
        )
        assert due == at("2025-06-03T10:00Z")


@pytest.mark.parametrize(
    ("classified", "due"),
    [
        ("2025-06-02T11:00Z", "2025-06-02T15:00Z"),  # classified soon: four hours from then
        ("2025-06-03T09:00Z", "2025-06-03T10:00Z"),  # the 24 hours from awareness end first
        ("2025-06-03T10:00Z", "2025-06-03T10:00Z"),  # classified as the 24 hours end: they still count
        ("2025-06-03T10:00:00.000001Z", "2025-06-03T14:00:00.000001Z"),  # past them: only the four hours
        ("2025-06-04T15:00Z", "2025-06-04T19:00Z"),
    ],
)
def test_a_bound_past_at_the_classification_is_left_out(classified: str, due: str) -> None:
    late_classified = obligation(bound("classified", "PT4H"), bound("aware", "PT24H", "classified"))
    anchors = {"aware": at("2025-06-02T10:00Z"), "classified": at(classified)}
    assert due_at(late_classified, anchors, "Europe/Brussels") == at(due)


def test_two_bounds_of_which_the_later_counts() -> None:
    later = obligation(bound("occurred", "PT20M"), bound("classified", "PT20M"), combine="latest_of")
    anchors = {"occurred": at("2021-03-01T14:00Z"), "classified": at("2021-03-01T15:00Z")}
    assert due_at(later, anchors, "UTC") == at("2021-03-01T15:20Z")


def chained(anchors: Mapping[str, datetime]) -> Mapping[str, datetime]:
    first = obligation(bound("aware", "PT72H"), obligation_id="notification")
    second = obligation(bound("submitted:notification", "P1M"), obligation_id="final")
    citation = Citation("A directive", "art. 23", "", date(2026, 1, 1))
    edition = Edition("test", "2024-10-18", date(2024, 10, 18), "Europe/Brussels", (first, second), citation)
    assert edition.is_chained
    return with_provisional(edition, anchors)


def test_a_report_not_yet_submitted_counts_as_submitted_when_due() -> None:
    filled = chained({"aware": at("2025-01-27T10:00+01:00")})
    assert filled["submitted:notification"] == at("2025-01-30T10:00+01:00")
    assert filled["submitted:final"] == at("2025-02-28T10:00+01:00")


def test_a_report_submitted_counts_from_when_it_was() -> None:
    filled = chained(
        {"aware": at("2025-01-27T10:00+01:00"), "submitted:notification": at("2025-01-28T09:00Z")}
    )
    assert filled["submitted:final"] == at("2025-02-28T09:00Z")


def test_nothing_is_provisional_without_the_first_anchor() -> None:
    assert chained({}) == {}


def test_a_naive_instant_is_refused() -> None:
    naive = datetime(2021, 3, 1, 14)  # noqa: DTZ001
    with pytest.raises(ValueError, match="offset"):
        due_at(obligation(bound("occurred", "PT20M")), {"occurred": naive}, "UTC")
    with pytest.raises(ValueError, match="offset"):
        add_span(naive, parse_span("P1M"), "UTC")
