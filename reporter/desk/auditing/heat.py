"""The heat map: units by months, each cell a number and a word; its shade only repeats them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reporter.core.roster import UnitTree
from reporter.desk.auditing.asked import Asked
from reporter.store.months import MonthCell

MONTHS: Final = 6
UNITS_MAX: Final = 40
_LEVELS: Final = ((0.0, 0), (0.1, 1), (0.25, 2), (0.5, 3))
"""Up to this share of failures, this shade; beyond: 4."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One unit in one month; `query` is the question that opens it. Nothing was due: `due` is 0."""

    month: str
    due: int
    failed: int
    level: int
    query: str


@dataclass(frozen=True, slots=True)
class Line:
    """One unit's cells, oldest month first."""

    name: str
    cells: tuple[Cell, ...]
    failed: int


@dataclass(frozen=True, slots=True)
class Heat:
    """The map; `left_out` units have failed less often than all that are shown."""

    months: tuple[str, ...]
    lines: tuple[Line, ...]
    left_out: int


def heat(
    found: Mapping[tuple[str, str], MonthCell], months: Sequence[str], asked: Asked, tree: UnitTree
) -> Heat:
    """The map of what was counted, the units that failed most first."""
    lines = []
    for unit in {unit for unit, _ in found}:
        cells = [_cell(found.get((unit, month)), month, unit, asked) for month in months]
        lines.append(Line(name_of(tree, unit), tuple(cells), sum(cell.failed for cell in cells)))
    lines.sort(key=lambda line: (-line.failed, line.name))
    return Heat(tuple(months), tuple(lines[:UNITS_MAX]), max(len(lines) - UNITS_MAX, 0))


def name_of(tree: UnitTree, unit: str) -> str:
    """The unit's name, or its code where nobody has named it."""
    return tree.node(unit).name if tree.resolve(unit) else unit


def _cell(counted: MonthCell | None, month: str, unit: str, asked: Asked) -> Cell:
    query = asked.query(month=month, unit=unit)
    if counted is None or not counted.due:
        return Cell(month, 0, 0, 0, query)
    share = counted.failed / counted.due
    level = next((level for most, level in _LEVELS if share <= most), 4)
    return Cell(month, counted.due, counted.failed, level, query)
