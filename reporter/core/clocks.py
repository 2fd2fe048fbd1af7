"""When something is due: anchors and spans in, one instant out. Local time lives here.

Whether the last instant counts: it does. What arrives at `due_at` is on time (`received_at <= due_at`), to
the microsecond. Everything here is computed from the instants it is handed; none is ever rounded.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from reporter.core.schedule import SUBMITTED, Bound, Edition, Obligation, Span

_DAYS_OF_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def due_at(obligation: Obligation, anchors: Mapping[str, datetime], zone: str) -> datetime | None:
    """The instant, in UTC, at which `obligation` is due.

    `anchors` maps names to aware instants; a bound whose anchor is missing is left out, and so is one that
    had run out at its `unless_past_at`. None if no bound is left. Of several, the earliest or the latest
    counts, as the obligation says. Errors: ValueError for a naive instant.
    """
    quick = obligation.quick
    if quick is not None:
        start = anchors.get(quick[0])
        return None if start is None else _utc(start) + quick[1]
    dues = [due for bound in obligation.bounds if (due := _bound_due_at(bound, anchors, zone)) is not None]
    if not dues:
        return None
    return min(dues) if obligation.combine == "earliest_of" else max(dues)


def _bound_due_at(bound: Bound, anchors: Mapping[str, datetime], zone: str) -> datetime | None:
    start = anchors.get(bound.anchor)
    if start is None:
        return None
    due = add_span(start, bound.span, zone)
    if bound.unless_past_at is not None:
        reached = anchors.get(bound.unless_past_at)
        if reached is not None and due < reached:
            return None
    return due


def with_provisional(edition: Edition, anchors: Mapping[str, datetime]) -> Mapping[str, datetime]:
    """`anchors`, and for each report not yet submitted the instant at which it is due.

    So a clock anchored on the submission of another report has a provisional due instant until that report
    exists. Where no obligation of the edition is so anchored, `anchors` itself.
    """
    if not edition.is_chained:
        return anchors
    filled = dict(anchors)
    for obligation in edition.obligations:  # an obligation refers only to earlier ones: one pass is enough
        name = SUBMITTED + obligation.id
        if name not in filled:
            due = due_at(obligation, filled, edition.zone)
            if due is not None:
                filled[name] = due
    return filled


def add_span(start: datetime, span: Span, zone: str) -> datetime:
    """`start` plus `span`, in UTC; `start` itself is the zero of the count.

    1. Exact spans are added in UTC and are the same in every zone.
    2. Months, then days, are counted on the wall calendar of `zone`, keeping the time of day. A day the month
       lacks becomes the month's last (31 January + P1M = 28 or 29 February).
    3. A local time that does not exist (clocks go forward) moves forward by the gap; one that exists twice
       (clocks go back) is the first of the two: an alarm is never late for it.
    4. The exact part comes last.

    Errors: ValueError for a naive `start`; ValueError or OverflowError past the year 9999.
    """
    at = _utc(start)
    if not span.is_exact:
        local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        local = _add_months(local, span.months) + timedelta(days=span.days)
        at = local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    return at + span.exact


def _add_months(local: datetime, months: int) -> datetime:
    years, month_index = divmod(local.month - 1 + months, 12)
    year = local.year + years
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = 29 if is_leap and month_index == 1 else _DAYS_OF_MONTH[month_index]
    return local.replace(year=year, month=month_index + 1, day=min(local.day, days))


def _utc(at: datetime) -> datetime:
    if at.tzinfo is UTC:
        return at
    if at.utcoffset() is None:
        raise ValueError(f"an instant needs an offset: {at!r}")
    return at.astimezone(UTC)
