"""The clocks of one incident on one axis of time, as numbers for an SVG: pure geometry, drawn by a template."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from reporter.core.schedule import Edition
from reporter.core.terms import NoticeReason
from reporter.desk.live.cards import ClockCell
from reporter.store.queries import NoticeRow

WIDTH: Final = 1000
TOP: Final = 34
ROW: Final = 58
_SIDE: Final = 26
_TICKS_MAX: Final = 9
_STEPS: Final = tuple(
    timedelta(minutes=minutes)
    for minutes in (
        1,
        2,
        5,
        10,
        15,
        30,
        60,
        120,
        180,
        360,
        720,
        1440,
        2 * 1440,
        7 * 1440,
        14 * 1440,
        30 * 1440,
    )
)
_MARKS_MAX: Final = 40

SHAPES: Final = {
    NoticeReason.REMINDER: "reminder",
    NoticeReason.BREACH: "breach",
    NoticeReason.ESCALATION: "escalation",
}


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the axis with its time."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A step of a ladder: fired, or (`is_planned`) still to come."""

    x: float
    shape: str
    at: datetime
    is_planned: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One clock: the planned bar, what is over its deadline, the report's tick, its steps.

    `uncertain` is where the deadline may lie if the occurrence is an interval; None for what there is not.
    """

    cell: ClockCell
    y: int
    start: float
    due: float
    uncertain: float | None
    over: float | None
    met: float | None
    aware_due: float | None
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole picture; `now` is None where the present lies outside of it."""

    width: int
    height: int
    bottom: int
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    now: float | None
    has_days: bool


def chart_of(
    cells: Sequence[ClockCell], notices: Iterable[NoticeRow], edition: Edition, now: datetime, zone: str
) -> Chart | None:
    """The chart as of `now`; None without clocks."""
    if not cells:
        return None
    fired = _fired(notices)
    planned = {cell.obligation: _planned(cell, edition, now) for cell in cells if cell.is_counting}
    instants = [now] if any(cell.is_counting for cell in cells) else []
    for cell in cells:
        latest = cell.due_latest_at or cell.due_at
        instants += [cell.starts_at, cell.due_at, latest, cell.met_at or latest, cell.aware_due_at or latest]
        instants += [at for at, _ in fired.get(cell.obligation, ())]
    first, last = min(instants), max(instants)
    span = max(last - first, timedelta(minutes=1))

    def x(at: datetime) -> float:
        return round(_SIDE + (at - first) / span * (WIDTH - 2 * _SIDE), 1)

    rows = []
    for number, cell in enumerate(cells):
        end = cell.met_at or (now if cell.is_counting else None)
        marks = [Mark(x(at), shape, at, is_planned=False) for at, shape in fired.get(cell.obligation, ())]
        ahead = [mark for mark in planned.get(cell.obligation, ()) if first <= mark[0] <= last]
        marks += [Mark(x(at), shape, at, is_planned=True) for at, shape in ahead]
        rows.append(
            Row(
                cell=cell,
                y=TOP + number * ROW,
                start=x(cell.starts_at),
                due=x(cell.due_at),
                uncertain=None if cell.due_latest_at is None else x(cell.due_latest_at),
                over=x(end) if end is not None and end > cell.due_at else None,
                met=None if cell.met_at is None else x(cell.met_at),
                aware_due=None if cell.aware_due_at is None else x(cell.aware_due_at),
                marks=tuple(marks[:_MARKS_MAX]),
            )
        )
    bottom = TOP + len(rows) * ROW
    ticks, has_days = _ticks(first, last, span, zone)
    return Chart(
        width=WIDTH,
        height=bottom + 24,
        bottom=bottom,
        rows=tuple(rows),
        ticks=tuple(Tick(x(at), label) for at, label in ticks),
        now=x(now) if first <= now <= last else None,
        has_days=has_days,
    )


def _fired(notices: Iterable[NoticeRow]) -> dict[str, list[tuple[datetime, str]]]:
    """The steps that fired, by obligation: once each, however many people were told."""
    found: dict[str, dict[tuple[datetime, str], None]] = {}
    for notice in notices:
        if notice.obligation is None or notice.due_at is None:
            continue
        shape = SHAPES.get(NoticeReason(notice.reason), "escalation")
        found.setdefault(notice.obligation, {})[notice.due_at, shape] = None
    return {obligation: sorted(each) for obligation, each in found.items()}


def _planned(cell: ClockCell, edition: Edition, now: datetime) -> list[tuple[datetime, str]]:
    obligation = edition.obligation(cell.obligation)
    steps = obligation.ladder if obligation is not None else ()
    return [
        (
            cell.due_at + step.offset,
            "reminder" if step.offset < timedelta(0) else "breach" if not step.offset else "escalation",
        )
        for step in steps
        if cell.due_at + step.offset > now
    ]


def _ticks(
    first: datetime, last: datetime, span: timedelta, zone: str
) -> tuple[list[tuple[datetime, str]], bool]:
    """Round times of the day in the reader's zone, few enough to be read, and whether days are shown."""
    step = next((each for each in _STEPS if span / each <= _TICKS_MAX), span / _TICKS_MAX)
    local = first.astimezone(ZoneInfo(zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + ((local - midnight) // step) * step
    has_days = step >= timedelta(days=1) or local.date() != last.astimezone(ZoneInfo(zone)).date()
    found = []
    while at <= last.astimezone(ZoneInfo(zone)):
        if at >= local:
            form = "%m-%d" if step >= timedelta(days=1) else "%m-%d %H:%M" if has_days else "%H:%M"
            found.append((at.astimezone(UTC), at.strftime(form)))
        at += step
    return found, has_days
