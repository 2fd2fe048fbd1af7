"""Reading the first sheet of a workbook as rows of text: the same columns and the same strictness as a CSV file.

A workbook's dates have no zone, and people type times without one: both are read in the zone that the service
reads times in.
"""

import io
import re
import zipfile
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from python_calamine import CalamineError, CalamineWorkbook

from reporter.core.instants import rfc3339
from reporter.store.csvfile import BYTES_MAX, WHOLE_FILE, Findings, ImportRefused, Row, checked_rows

UNPACKED_BYTES_MAX: Final = 256 * 1024 * 1024
_LOCAL = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(\d{1,2}):(\d\d)(?::(\d\d))?)?", re.ASCII)
Cell = int | float | str | bool | time | date | datetime | timedelta


def read_sheet(
    content: bytes,
    columns: Sequence[str],
    instants: Collection[str],
    rows_max: int,
    zone: ZoneInfo,
    findings: Findings,
) -> list[Row]:
    """The rows of the first sheet; `instants` names the columns that hold a date with a time of day.

    A row's line is its number in the sheet. Errors: ImportRefused at once where nothing can be read at all.
    """
    table = _table(content)
    names: list[str] = []

    def records() -> Iterator[tuple[int, list[str]]]:
        for line, cells in table:
            texts = [_text(cell) for cell in cells]
            if not names:
                while texts and not texts[-1].strip():
                    texts.pop()
                names.extend(text.strip().lower() for text in texts)
                yield line, texts
                continue
            while len(texts) > len(names) and not texts[-1].strip():
                texts.pop()
            texts += [""] * (len(names) - len(texts))
            for index, name in enumerate(names):
                if name in instants and index < len(cells) and texts[index].strip():
                    try:
                        texts[index] = _instant(cells[index], zone)
                    except ValueError as error:
                        findings.add(line, f"{name}: {error}")
                        texts[index] = ""
            yield line, texts

    return checked_rows(records(), columns, rows_max, findings)


def _table(content: bytes) -> Iterator[tuple[int, list[Cell]]]:
    """The rows of the first sheet that hold anything, each with its number."""
    if len(content) > BYTES_MAX:
        raise ImportRefused([(WHOLE_FILE, f"larger than {BYTES_MAX // 1024 // 1024} MiB")])
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            size = sum(each.file_size for each in packed.infolist())
        if size > UNPACKED_BYTES_MAX:
            raise ImportRefused([(WHOLE_FILE, "unpacks to far more than a roster can hold")])
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
        found = sheet.to_python(skip_empty_area=False)
    except (zipfile.BadZipFile, CalamineError, ValueError, IndexError) as error:
        raise ImportRefused([(WHOLE_FILE, f"no workbook that can be read (.xlsx): {error}")]) from None
    return ((line, cells) for line, cells in enumerate(found, start=1) if any(cell != "" for cell in cells))


def _text(cell: Cell) -> str:
    """A cell as it reads: a phone number that the office software took for a number stays one."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _instant(cell: Cell, zone: ZoneInfo) -> str:
    """RFC 3339 of a date cell or of text. Errors: ValueError."""
    if isinstance(cell, datetime):
        # A workbook counts days in a fraction: what it shows as 08:00:00 may be a few microseconds off.
        return rfc3339(local_instant(_to_the_second(cell), zone))
    if isinstance(cell, date):
        return rfc3339(local_instant(datetime(cell.year, cell.month, cell.day), zone))  # noqa: DTZ001 - zone follows
    if isinstance(cell, str):
        found = _LOCAL.fullmatch(cell.strip())
        if not found:
            return cell  # an instant with an offset, or nonsense: whoever reads the row says which
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
        return rfc3339(local_instant(datetime(year, month, day, hour, minute, second), zone))  # noqa: DTZ001
    raise ValueError("not a date with a time of day, such as 2026-11-23 08:00")


def _to_the_second(at: datetime) -> datetime:
    return (at + timedelta(microseconds=500_000)).replace(microsecond=0)


def local_instant(at: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a local time. Errors: ValueError where the zone skips or repeats it."""
    aware = at.replace(tzinfo=zone)
    instant = aware.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) != at:
        msg = f"{at:%Y-%m-%d %H:%M} does not exist in {zone}: the clocks go forward"
        raise ValueError(msg)
    if aware.replace(fold=1).utcoffset() != aware.utcoffset():
        msg = f"{at:%Y-%m-%d %H:%M} happens twice in {zone}: write it with its offset"
        raise ValueError(msg)
    return instant
