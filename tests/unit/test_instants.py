"""Instants read with an offset and written in UTC, to the microsecond."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.core.instants import LATEST, maybe_rfc3339, parse, read_back, rfc3339

instants = st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(instants, offsets)
def test_an_instant_is_the_same_whatever_offset_it_is_written_in(at: datetime, offset: timezone) -> None:
    written = at.astimezone(offset).isoformat(timespec="microseconds")

    assert parse(written) == at
    assert rfc3339(at.astimezone(offset)) == rfc3339(at)


@given(instants)
def test_what_is_written_reads_back_and_has_z_and_six_digits(at: datetime) -> None:
    written = rfc3339(at)

    assert parse(written) == at
    assert len(written) == len("2026-11-23T06:00:00.000000Z") and written.endswith("Z")


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_the_product_wrote_reads_back_whatever_its_year(at: datetime) -> None:
    assert read_back(rfc3339(at)) == at


def test_a_year_past_the_last_is_read_from_nobody_else() -> None:
    with pytest.raises(ValueError, match="outside the years 1970 to 2199"):
        parse(rfc3339(LATEST))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-23T14:00:00+08:00", "2026-11-23T06:00:00.000000Z"),
        ("2026-11-23t06:00:00z", "2026-11-23T06:00:00.000000Z"),
        ("2026-11-23 06:00:00.5Z", "2026-11-23T06:00:00.500000Z"),
        ("2026-11-23T06:00:00.1234569Z", "2026-11-23T06:00:00.123456Z"),  # cut, not rounded
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"),  # a leap second is the next second's :00
        ("2016-12-31T23:59:60.75Z", "2017-01-01T00:00:00.000000Z"),
        ("2017-01-01T07:59:60+08:00", "2017-01-01T00:00:00.000000Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
        ("2199-12-31T23:59:59.999999Z", "2199-12-31T23:59:59.999999Z"),
        ("2024-02-29T00:00:00-00:00", "2024-02-29T00:00:00.000000Z"),
    ],
)
def test_rfc_3339_is_read(written: str, meant: str) -> None:
    assert rfc3339(parse(written)) == meant


@pytest.mark.parametrize(
    "written",
    [
        None,
        5,
        1.5,
        True,
        {},
        "",
        "2026-11-23",
        "2026-11-23T14:00:00",
        "2026-11-23T14:00+08:00",
        "20261123T140000Z",
        "2026-11-23T14:00:00+0800",
        "2026-11-23T14:00:00+08",
        "2026-11-23T14:00:00,5Z",
        "2026-11-23T14:00:00.Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T23:60:00Z",
        "2026-11-23T23:59:61Z",
        "2026-11-23T14:00:00+24:00",
        "2026-11-23T14:00:00+08:60",
        "0001-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "9999-12-31T23:59:60Z",
        "1969-12-31T23:59:59.999999Z",
        "2200-01-01T00:00:00Z",
        "2199-12-31T23:59:60Z",
        "２０２６-11-23T14:00:00Z",
        "2026-11-23T14:00:00Z\n",
        " 2026-11-23T14:00:00Z",
    ],
)
def test_anything_else_is_refused_as_a_value_error(written: object) -> None:
    with pytest.raises(
        ValueError, match="not an RFC 3339|outside|offset|must be|out of range|month|day|hour"
    ):
        parse(written)


def test_a_naive_datetime_has_no_instant_and_none_stays_none() -> None:
    with pytest.raises(ValueError, match="naive"):
        rfc3339(datetime(2026, 11, 23))  # noqa: DTZ001 - the point

    assert maybe_rfc3339(None) is None
