"""The lateness strip: every report around its deadline, drawn here so that it needs no script and prints.

Up to `MARKS_MAX` reports are one mark each, stacked where they coincide, and listed below; more are counted in
columns, and those are listed. What lies beyond the ends of the axis stands at its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Final

from reporter.core.terms import Verdict
from reporter.store.audit import Arrival

WIDTH: Final = 1000
BASE: Final = 150
"""Where the axis lies, from the top."""
MARGIN: Final = 30
"""Room at either end for the figures of the axis."""
STEP: Final = 10
"""A mark's width, and its height in a stack."""
MARKS_MAX: Final = 200
STACK_MAX: Final = 13
_TICKS_MIN: Final = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440, 2880, 10_080, 43_200)
_SHAPES: Final = {Verdict.ON_TIME: "round", Verdict.LATE: "square"}


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the strip, and the minutes it stands for."""

    x: float
    minutes: int


@dataclass(frozen=True, slots=True)
class Mark:
    """One report: `shape` is round in time, square late, else a diamond. `left` is what was left of the span."""

    arrival: Arrival
    x: float
    y: float
    shape: str
    tone: str
    left: timedelta


@dataclass(frozen=True, slots=True)
class Column:
    """Reports counted together, from and up to so many minutes from the deadline, and the bar they make."""

    x: float
    y: float
    height: float
    count: int
    from_min: float
    to_min: float
    tone: str


@dataclass(frozen=True, slots=True)
class Strip:
    """What is drawn: marks or columns, and the axis; `most` is the tallest column's count."""

    total: int
    late: int
    ticks: tuple[Tick, ...]
    zero_x: float
    marks: tuple[Mark, ...] = ()
    columns: tuple[Column, ...] = ()
    most: int = 0


def strip(arrivals: Sequence[Arrival]) -> Strip | None:
    """The strip of these reports; None where there are none."""
    if not arrivals:
        return None
    early = _reach([-each.offset_s for each in arrivals if each.offset_s <= 0])
    late = _reach([each.offset_s for each in arrivals if each.offset_s > 0])
    tick_min = next((each for each in _TICKS_MIN if (early + late) / 60 <= each * 10), _TICKS_MIN[-1])
    left, right = ceil(early / 60 / tick_min), ceil(late / 60 / tick_min)
    span = (left + right) * tick_min

    def x_of(minutes: float) -> float:
        return round(MARGIN + (minutes + left * tick_min) / span * (WIDTH - 2 * MARGIN), 1)

    ticks = tuple(Tick(x_of(number * tick_min), number * tick_min) for number in range(-left, right + 1))
    columns: dict[int, list[Arrival]] = {}
    for each in arrivals:
        minutes = min(max(each.offset_s / 60, -left * tick_min), right * tick_min)
        column = int(x_of(minutes) // STEP)
        if each.offset_s > 0:  # never drawn among those in time, however little it is late
            column = max(column, int(x_of(0) // STEP) + 1)
        columns.setdefault(column, []).append(each)
    counted = sum(each.offset_s > 0 for each in arrivals)
    if len(arrivals) <= MARKS_MAX and max(map(len, columns.values())) <= STACK_MAX:
        marks = tuple(
            _mark(each, column * STEP + STEP / 2, BASE - STEP * (height + 0.7))
            for column, stack in sorted(columns.items())
            for height, each in enumerate(stack)
        )
        return Strip(len(arrivals), counted, ticks, x_of(0), marks)
    most = max(map(len, columns.values()))
    bars = tuple(_column(column, stack, most) for column, stack in sorted(columns.items()))
    return Strip(len(arrivals), counted, ticks, x_of(0), columns=bars, most=most)


def _reach(seconds: Sequence[float]) -> float:
    """How far the axis goes on one side: to the farthest, but not for the sake of the last twentieth."""
    if not seconds:
        return 60.0
    ordered = sorted(seconds)
    return max(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 60.0)


def _mark(arrival: Arrival, x: float, y: float) -> Mark:
    shape = _SHAPES.get(Verdict(arrival.verdict), "diamond") if arrival.verdict else "diamond"
    left = timedelta(seconds=-arrival.offset_s)
    return Mark(arrival, x, y, shape, arrival.verdict or Verdict.UNDETERMINED, left)


def _column(column: int, stack: Sequence[Arrival], most: int) -> Column:
    height = round(len(stack) / most * (BASE - STEP), 1)
    offsets = [each.offset_s / 60 for each in stack]
    tone = Verdict.LATE if min(offsets) > 0 else Verdict.ON_TIME
    return Column(
        column * STEP + 1.0, BASE - height, height, len(stack), min(offsets), max(offsets), tone.value
    )
