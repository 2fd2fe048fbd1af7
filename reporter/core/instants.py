"""RFC 3339 instants: read with an offset, written in UTC with `Z` and microseconds."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)  # exclusive: years 1970-2199 are read
EXPECTED_ZH = "应为 1970 至 2199 年间、带时差的 RFC 3339 时刻"
"""What `parse` reads, for whoever tells a person of its errors."""
_FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


@lru_cache(maxsize=1024)  # the lines of one commit name the same few instants again and again
def rfc3339(at: datetime) -> str:
    """`at` in UTC as `2026-11-23T06:00:00.000000Z`. Errors: ValueError for a naive datetime."""
    if at.tzinfo is not UTC:
        if at.tzinfo is None:
            msg = "a naive datetime has no instant"
            raise ValueError(msg)
        at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds")[:-6] + "Z"


def maybe_rfc3339(at: datetime | None) -> str | None:
    """As `rfc3339`; None stays None."""
    return None if at is None else rfc3339(at)


def parse(text: object) -> datetime:
    """Reads an instant that somebody sent. Errors: ValueError as `read_back`, also outside the years 1970-2199."""
    at = read_back(text)
    if not EARLIEST <= at < LATEST:
        msg = "outside the years 1970 to 2199"
        raise ValueError(msg)
    return at


def read_back(text: object) -> datetime:
    """Reads an instant that the product wrote, of whatever year: what is due after one that was sent may lie past 2199.

    RFC 3339 with offset, in UTC; digits past the microsecond are cut; a leap second (:60) is the next second's :00.
    Errors: ValueError saying what is wrong.
    """
    if not isinstance(text, str) or not (found := _FORM.fullmatch(text)):
        msg = "not an RFC 3339 instant with offset, such as 2026-11-23T14:00:00+08:00"
        raise ValueError(msg)
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    leap = second == "60"
    micros = 0 if leap or not fraction else int(fraction[:6].ljust(6, "0"))
    at = datetime(
        int(year),
        int(month),
        int(day),
        int(hour),
        int(minute),
        59 if leap else int(second),
        micros,
        _offset(zone),
    )
    try:
        return at.astimezone(UTC) + timedelta(seconds=leap)
    except OverflowError:
        msg = "outside the years 1 to 9999"
        raise ValueError(msg) from None


def _offset(zone: str) -> timezone:
    if zone in ("Z", "z"):
        return UTC
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:
        msg = "an offset is at most 23:59"
        raise ValueError(msg)
    span = timedelta(hours=hours, minutes=minutes)
    return timezone(-span if zone[0] == "-" else span)
