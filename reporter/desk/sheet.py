"""CSV for spreadsheets: the one place that writes any, and disarms what a spreadsheet would run."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""The full-width ones too: a spreadsheet in Chinese takes them for the others."""


def csv_text(heading: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """The table as CSV. Send it as `utf-8-sig`: without the mark a spreadsheet takes Chinese for something else."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([disarmed(cell) for cell in heading])
    writer.writerows([disarmed(cell) for cell in line] for line in lines)
    return out.getvalue()


def disarmed(cell: object) -> object:
    """Text that a spreadsheet would run as a formula gets an apostrophe; numbers stay numbers."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA_STARTS):
        return "'" + cell
    return cell
