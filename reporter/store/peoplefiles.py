"""The files of units and roster (contract section 6): from bytes to checked rows. Touches no database.

A roster comes as CSV, as the first sheet of a workbook, or as a calendar; all three become the same rows.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from reporter.core.instants import EARLIEST, parse
from reporter.core.roster import CONSOLE, DESK, ROOT, WEBHOOK, UnitNode, UnitTree, channel_of
from reporter.core.terms import DutyRole
from reporter.store.csvfile import WHOLE_FILE, Findings, Row, read_rows

UNIT_COLUMNS: Final = ("code", "name", "parent", "phone", "region")
ROSTER_COLUMNS: Final = ("unit", "role", "starts", "ends", "person", "phone", "channels")
CSV, XLSX, ICS = FORMS = ("csv", "xlsx", "ics")
"""What a roster may be written in: also the extensions of the files."""
UTC_ZONE: Final = ZoneInfo("UTC")
UNITS_MAX: Final = 20_000
LEVELS_MAX: Final = 16
SHIFTS_MAX: Final = 200_000
CHANNELS_MAX: Final = 8
CHARS_MAX: Final = {"name": 200, "phone": 100, "region": 100, "person": 100}
ADDRESS_CHARS_MAX: Final = 2048
CODE = re.compile(r"[a-z0-9-]{1,64}")
_CHANNEL = re.compile(r"[a-z][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class ShiftRow:
    """One line of a roster. `unit` is the code as stored: the root's own where the file says `root`."""

    line: int
    unit: str
    role: str
    starts_at: datetime
    ends_at: datetime
    person: str
    phone: str
    channels: tuple[str, ...]


def read_units(content: bytes) -> list[UnitNode]:
    """The units of a file, all active, in its order. Errors: ImportRefused with every bad line."""
    findings = Findings()
    rows = read_rows(content, UNIT_COLUMNS, UNITS_MAX, findings)
    line_of: dict[str, int] = {}
    for row in rows:
        code = row.cells["code"]
        if not CODE.fullmatch(code):
            findings.add(row.line, f"a code is 1 to 64 of the characters a-z 0-9 -, not {code!r}")
        elif code in line_of:
            findings.add(row.line, f"code {code} stands in line {line_of[code]} already")
        line_of.setdefault(code, row.line)
        if not row.cells["name"]:
            findings.add(row.line, "a unit needs a name")
        _check_lengths(row, findings)
    root = _the_root(rows, findings)
    parents: dict[str, str | None] = {}
    for row in rows:
        parents.setdefault(row.cells["code"], _parent(row, root, line_of, findings))
    _check_levels(parents, line_of, findings)
    findings.refuse_if_any()
    return [
        UnitNode(cells["code"], cells["name"], parents[cells["code"]], cells["phone"], cells["region"], True)
        for cells in (row.cells for row in rows)
    ]


def _the_root(rows: Sequence[Row], findings: Findings) -> str | None:
    """The code of the only row without a parent; else says what is wrong."""
    roots = [row for row in rows if not row.cells["parent"]]
    if len(roots) == 1:
        return roots[0].cells["code"]
    if not roots and rows:
        findings.add(WHOLE_FILE, "no root: one unit must have no parent")
    for row in roots:
        others = ", ".join(
            f"{other.cells['code']} (line {other.line})" for other in roots if other is not row
        )
        findings.add(row.line, f"there can be one unit without a parent only; the others: {others}")
    return None


def _parent(row: Row, root: str | None, line_of: Mapping[str, int], findings: Findings) -> str | None:
    code, parent = row.cells["code"], row.cells["parent"]
    if code == ROOT and parent:
        findings.add(row.line, f"code {ROOT} always means the root: give this unit another one")
    if parent == ROOT and ROOT not in line_of:
        return root
    if parent and parent not in line_of:
        findings.add(row.line, f"parent {parent} is not in the file")
    return parent or None


def _check_levels(parents: Mapping[str, str | None], line_of: Mapping[str, int], findings: Findings) -> None:
    """Names the units that stand in a cycle, and those too far below the root."""
    for code in parents:
        level, above = 1, parents[code]
        while above is not None and above != code and level <= LEVELS_MAX:
            level, above = level + 1, parents.get(above)
        if above == code:
            findings.add(line_of[code], f"unit {code} stands above itself")
        elif level > LEVELS_MAX:
            findings.add(
                line_of[code], f"unit {code} is more than {LEVELS_MAX} levels deep, or below a cycle"
            )


def read_roster(
    content: bytes, tree: UnitTree, form: str = CSV, zone: ZoneInfo = UTC_ZONE, now: datetime = EARLIEST
) -> list[ShiftRow]:
    """The shifts of a file, in its order. Errors: ImportRefused with every bad line.

    `form` is one of `FORMS`. `zone` is that of instants which a workbook or a calendar writes without one; `now`
    bounds repeating events.
    """
    findings = Findings()
    if form == CSV:
        rows = read_rows(content, ROSTER_COLUMNS, SHIFTS_MAX, findings)
    elif form == XLSX:
        from reporter.store.sheetfile import read_sheet

        rows = read_sheet(content, ROSTER_COLUMNS, ("starts", "ends"), SHIFTS_MAX, zone, findings)
    else:
        from reporter.store.calendarfile import read_calendar

        rows = read_calendar(content, tree, SHIFTS_MAX, zone, now, findings)
    shifts = [shift for row in rows if (shift := _shift(row, tree, findings)) is not None]
    findings.refuse_if_any()
    return shifts


def _shift(row: Row, tree: UnitTree, findings: Findings) -> ShiftRow | None:
    """The row as a shift; None, and everything wrong with it told, if it is none."""
    cells, before = row.cells, len(findings.problems)
    unit = tree.resolve(cells["unit"])
    if unit is None:
        findings.add(row.line, f"unknown unit {cells['unit']!r}")
    elif not tree.node(unit).is_active:
        findings.add(row.line, f"unit {unit} is no longer active")
    if cells["role"] not in set(DutyRole):
        findings.add(row.line, f"a role is {' or '.join(DutyRole)}, not {cells['role']!r}")
    if not cells["person"]:
        findings.add(row.line, "a shift needs a person")
    _check_lengths(row, findings)
    starts_at = _instant(row, "starts", findings)
    ends_at = _instant(row, "ends", findings)
    if starts_at is not None and ends_at is not None and starts_at >= ends_at:
        findings.add(row.line, "a shift must start before it ends")
    channels = tuple(dict.fromkeys(part.strip() for part in cells["channels"].split("|") if part.strip()))
    if len(channels) > CHANNELS_MAX:
        findings.add(row.line, f"more than {CHANNELS_MAX} channels")
    for address in channels:
        if why := unfit_address(address):
            findings.add(row.line, f"channel {address[:80]!r}: {why}")
    if len(findings.problems) > before or unit is None or starts_at is None or ends_at is None:
        return None
    return ShiftRow(
        row.line, unit, cells["role"], starts_at, ends_at, cells["person"], cells["phone"], channels
    )


def _instant(row: Row, column: str, findings: Findings) -> datetime | None:
    try:
        return parse(row.cells[column])
    except ValueError as error:
        findings.add(row.line, f"{column}: {error}")
        return None


def unfit_address(address: str) -> str | None:
    """Why an address is refused; None for one that a channel, present or to come, can make something of."""
    if len(address) > ADDRESS_CHARS_MAX:
        return f"longer than {ADDRESS_CHARS_MAX} characters"
    if any(character.isspace() for character in address):
        return "holds a blank"
    channel, target = channel_of(address)
    if channel == WEBHOOK:
        is_account = _CHANNEL.fullmatch(target) is not None
        return None if is_account or _is_web_address(target) else "not an address such as https://host/path"
    if channel in {DESK, CONSOLE}:
        return f"{channel} takes no address" if target else None
    if not _CHANNEL.fullmatch(channel) or target.startswith("//"):  # ftp://…, htps://…
        return "not desk, console, https://…, or <channel>:<address>"
    return None if target else f"needs an address, such as {channel}:13800000000"


def _is_web_address(target: str) -> bool:
    try:
        parts = urlsplit(target)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_lengths(row: Row, findings: Findings) -> None:
    for name, chars_max in CHARS_MAX.items():
        if len(row.cells.get(name, "")) > chars_max:
            findings.add(row.line, f"{name}: longer than {chars_max} characters")
