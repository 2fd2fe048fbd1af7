"""Spans, offsets, guards, and which edition is in force when."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.core.schedule import (
    Bound,
    Citation,
    Condition,
    Edition,
    Guard,
    Obligation,
    Schedule,
    Span,
    Step,
    format_offset,
    format_span,
    parse_offset,
    parse_span,
)

CITATION = Citation("A notice", "item 1", "", date(2026, 1, 1))

spans = st.builds(
    Span,
    months=st.integers(0, 1_200),
    days=st.integers(0, 36_525),
    exact=st.timedeltas(timedelta(0), timedelta(days=36_525)),
)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("PT20M", Span(exact=timedelta(minutes=20))),
        ("PT1H", Span(exact=timedelta(hours=1))),
        ("PT90M", Span(exact=timedelta(minutes=90))),
        ("PT24H", Span(exact=timedelta(hours=24))),
        ("P1D", Span(days=1)),
        ("P1W", Span(days=7)),
        ("P1M", Span(months=1)),
        ("PT1M", Span(exact=timedelta(minutes=1))),
        ("P1Y6M", Span(months=18)),
        ("P1DT12H", Span(days=1, exact=timedelta(hours=12))),
        ("PT0.25S", Span(exact=timedelta(milliseconds=250))),
        ("PT0S", Span()),
        ("P0D", Span()),
        ("P100Y", Span(months=1_200)),
    ],
)
def test_reads_a_span(text: str, span: Span) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1",
        "1H",
        "PT1",
        "P1H",
        "PT1D",
        "-PT1H",
        "+PT1H",
        "PT1.5H",
        "PT1,5S",
        "PT1.S",
        "P1WT1H",
        "P1W1D",
        "P1DT",
        "pt1h",
        " PT1H",
        "PT1H ",
        "PT1H\n",
        "PT1M1H",
        "PT١H",
        "P1M1Y",
        "PT0.1234567S",
        "P101Y",
        "P1201M",
        "P36526D",
        "PT876601H",
        f"PT{'9' * 30}S",
        f"P{'9' * 5_000}D",
    ],
)
def test_refuses_what_is_no_span_or_too_long(text: str) -> None:
    with pytest.raises(ValueError, match=r"span|100 years"):
        parse_span(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("PT90M", "PT1H30M"),
        ("P2W", "P14D"),
        ("P18M", "P1Y6M"),
        ("PT24H", "PT24H"),
        ("P0D", "PT0S"),
        ("PT60S", "PT1M"),
    ],
)
def test_a_span_has_one_spelling(text: str, canonical: str) -> None:
    assert format_span(parse_span(text)) == canonical


@given(spans)
def test_what_is_printed_is_read_back(span: Span) -> None:
    assert parse_span(format_span(span)) == span
    assert span.is_exact == (not span.months and not span.days)


@pytest.mark.parametrize(
    ("text", "minutes", "canonical"),
    [
        ("-PT10M", -10, "-PT10M"),
        ("PT0S", 0, "PT0S"),
        ("-PT0S", 0, "PT0S"),
        ("PT5M", 5, "PT5M"),
        ("PT90M", 90, "PT1H30M"),
    ],
)
def test_reads_an_offset(text: str, minutes: int, canonical: str) -> None:
    assert parse_offset(text) == timedelta(minutes=minutes)
    assert format_offset(parse_offset(text)) == canonical


@given(st.timedeltas(-timedelta(days=3_000), timedelta(days=3_000)))
def test_an_offset_printed_is_read_back(offset: timedelta) -> None:
    assert parse_offset(format_offset(offset)) == offset


@pytest.mark.parametrize("text", ["P1D", "-P1M", "--PT1M", "+PT1M", "- PT1M", "-"])
def test_refuses_an_offset_that_needs_a_calendar_or_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"span|counted in hours"):
        parse_offset(text)


def test_an_empty_guard_holds_for_everything() -> None:
    assert Guard().holds({})
    assert Guard().holds({"grade": None})


def test_a_guard_holds_when_any_of_its_conditions_holds_in_full() -> None:
    guard = Guard(
        (
            Condition((("grade", ("I", "II")), ("category", ("accident",)))),
            Condition((("sensitive", (True,)),)),
        )
    )
    assert guard.holds({"grade": "II", "category": "accident", "sensitive": False})
    assert guard.holds({"grade": None, "category": "health", "sensitive": True})
    assert not guard.holds({"grade": "II", "category": "health", "sensitive": False})
    assert not guard.holds({"grade": None, "category": "accident"})
    assert not guard.holds({})


def edition(day: str, zone: str = "Asia/Shanghai") -> Edition:
    obligation = Obligation(
        id="initial",
        title_zh="初报",
        title_en="Initial report",
        bounds=(Bound("occurred", Span(exact=timedelta(minutes=20))),),
        forms=("phone",),
        ladder=(Step(timedelta(0), ("unit.duty_officer",)),),
    )
    return Edition("test", day, date.fromisoformat(day), zone, (obligation,), CITATION)


def schedule(*editions: Edition) -> Schedule:
    return Schedule("test", "试", "Test", "CN", "Asia/Shanghai", editions)


def test_an_edition_is_in_force_from_midnight_of_its_zone() -> None:
    first, second = edition("2021-02-05"), edition("2024-07-01")
    both = schedule(first, second)
    midnight = datetime(2024, 6, 30, 16, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    assert both.edition_in_force(midnight) == (second, True)
    assert both.edition_in_force(midnight - tick) == (first, True)
    assert both.edition_in_force(datetime(2021, 2, 4, 16, tzinfo=UTC)) == (first, True)
    assert both.edition_in_force(datetime(2021, 2, 4, 16, tzinfo=UTC) - tick) == (first, False)
    assert both.edition_in_force(datetime(2199, 1, 1, tzinfo=UTC)) == (second, True)


def test_an_edition_starts_with_the_day_where_midnight_does_not_exist() -> None:
    # In Beirut the clocks went from 00:00 to 01:00 on 27 March 2022: the day began at 22:00 UTC.
    only = schedule(edition("2022-03-27", "Asia/Beirut"))
    assert only.edition_in_force(datetime(2022, 3, 26, 22, tzinfo=UTC))[1]
    assert not only.edition_in_force(datetime(2022, 3, 26, 21, 59, tzinfo=UTC))[1]


def test_a_schedule_needs_editions_oldest_first() -> None:
    with pytest.raises(ValueError, match="oldest first"):
        schedule()
    with pytest.raises(ValueError, match="oldest first"):
        schedule(edition("2024-07-01"), edition("2021-02-05"))


def test_editions_and_obligations_are_found_by_id() -> None:
    first = edition("2021-02-05")
    assert schedule(first).edition("2021-02-05") is first
    assert schedule(first).edition("2021-02-06") is None
    assert first.obligation("initial") is first.obligations[0]
    assert first.obligation("final") is None
