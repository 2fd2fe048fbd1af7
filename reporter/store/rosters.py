"""Reading rosters: who is on duty and how to call them, the grid of a week, and the holes in it.

Everything here counts swaps, overrides and absences, and can be asked as it was known at an earlier instant.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.roster import ROOT, Duty, UnitNode, UnitTree
from reporter.core.standin import Change, Gap, Shift, Slot, changes_by_unit, gaps, timeline
from reporter.core.terms import DutyRole, RosterChange
from reporter.store import models as m
from reporter.store.people import ENTRY, changes_known, load_tree, on_duty, shifts_known
from reporter.timesource import sleep

LOOK_BACK: Final = timedelta(days=8)
"""How far back a hole is followed to its beginning. Who has had nobody for longer has no roster to have holes in."""
DAYS_AHEAD: Final = 7
BREATH: Final = 200
"""Timelines made between two moments at which others may go on."""

Lines = dict[tuple[str, DutyRole], list[Slot]]
"""Slots in order, by unit and role."""


@dataclass(frozen=True, slots=True)
class UnitDuty:
    """One active unit now: its phone contact (the nearest one above where it has none) and who is on duty.

    Those who are absent without a deputy are among them, marked so.
    """

    unit: UnitNode
    phone: str | None
    duty_officers: tuple[Duty, ...]
    leaders: tuple[Duty, ...]


@dataclass(frozen=True, slots=True)
class Hole:
    """A gap of the days to come. `is_rostered`: somebody held the role not long before; else there is no roster.

    One under way begins where it did begin, or at `now` where there is no roster.
    """

    gap: Gap
    is_rostered: bool


def active_units(tree: UnitTree, within: Collection[str] | None = None) -> list[str]:
    """The codes of the units that count, sorted; of these only, if given."""
    codes = (code for code in tree.subtree(tree.root) if tree.resolve(code) == code)
    return sorted(code for code in codes if tree.node(code).is_active and (within is None or code in within))


async def duty_now(
    connection: AsyncConnection,
    at: datetime,
    units: Collection[str] | None = None,
    known_at: datetime | None = None,
) -> list[UnitDuty]:
    """Every active unit (of these codes) and who is on duty there at the instant, by code."""
    tree = await load_tree(connection)
    found = await on_duty(connection, at, known_at)
    return [
        UnitDuty(
            tree.node(code),
            tree.phone(code),
            found.get((code, DutyRole.DUTY_OFFICER), ()),
            found.get((code, DutyRole.LEADER), ()),
        )
        for code in active_units(tree, units)
    ]


async def timelines(
    connection: AsyncConnection,
    tree: UnitTree,
    units: Sequence[str],
    starts_at: datetime,
    ends_at: datetime,
    known_at: datetime | None = None,
) -> Lines:
    """The grid of these units: for each role the whole span as slots, in the order of `units`."""
    wanted = {*units, ROOT} if tree.root in units else set(units)
    is_all = len(wanted) >= len(active_units(tree))  # a list of every unit is longer than a statement may be
    shifts = await _shifts(connection, tree, None if is_all else wanted, starts_at, ends_at, known_at)
    changes = changes_by_unit(tree, await changes_between(connection, starts_at, ends_at, known_at))
    lines: Lines = {}
    for unit in units:
        for role in DutyRole:
            held = shifts.get((unit, role), ())
            lines[unit, role] = timeline(unit, role, held, changes.get(unit, ()), starts_at, ends_at)
        if len(lines) % BREATH == 0:
            await sleep(0)
    return lines


async def holes(
    connection: AsyncConnection,
    now: datetime,
    days: int = DAYS_AHEAD,
    units: Collection[str] | None = None,
) -> list[Hole]:
    """What nobody covers from now on, by unit, role and time."""
    tree = await load_tree(connection)
    begins_at = now - LOOK_BACK
    lines = await timelines(
        connection, tree, active_units(tree, units), begins_at, now + timedelta(days=days)
    )
    found = []
    for (unit, role), slots in lines.items():
        for gap in gaps(unit, role, slots):
            if gap.ends_at > now:
                is_rostered = gap.starts_at > begins_at
                found.append(Hole(gap if is_rostered else replace(gap, starts_at=now), is_rostered))
    return found


async def changes_between(
    connection: AsyncConnection, starts_at: datetime, ends_at: datetime, known_at: datetime | None = None
) -> list[Change]:
    """The changes that hold at some time within the span."""
    rows = await connection.execute(
        select(ENTRY).where(
            ENTRY.c.starts_at < ends_at, ENTRY.c.ends_at > starts_at, *changes_known(known_at)
        )
    )
    return [
        Change(
            row.id,
            RosterChange(row.kind),
            row.unit,
            row.role,
            row.person,
            row.starts_at,
            row.ends_at,
            row.taker,
            row.phone,
            tuple(row.channels),
        )
        for row in rows
    ]


async def mark(connection: AsyncConnection) -> tuple[int, int]:
    """Differs from an earlier answer whenever a roster or what was agreed over one has changed since."""
    shifts, changes = select(func.max(m.Shift.id)), select(func.max(ENTRY.c.id))
    row = (await connection.execute(select(shifts.scalar_subquery(), changes.scalar_subquery()))).one()
    return row[0] or 0, row[1] or 0


async def contact_of(
    connection: AsyncConnection, unit: str, person: str
) -> tuple[str, tuple[str, ...]] | None:
    """Phone and channels of a person as the latest shift of that name has them: the unit's, else anybody's.

    None: no roster knows the name.
    """
    rows = await connection.execute(
        select(m.Shift.phone, m.Shift.channels)
        .where(m.Shift.person == person)
        .order_by(m.Shift.unit != unit, m.Shift.id.desc())
        .limit(1)
    )
    found = rows.one_or_none()
    return None if found is None else (found.phone, tuple(found.channels))


async def _shifts(
    connection: AsyncConnection,
    tree: UnitTree,
    units: Collection[str] | None,
    starts_at: datetime,
    ends_at: datetime,
    known_at: datetime | None,
) -> dict[tuple[str, str], list[Shift]]:
    query = select(
        m.Shift.unit,
        m.Shift.role,
        m.Shift.person,
        m.Shift.phone,
        m.Shift.channels,
        m.Shift.starts_at,
        m.Shift.ends_at,
    ).where(m.Shift.starts_at < ends_at, m.Shift.ends_at > starts_at, *shifts_known(known_at))
    if units is not None:
        query = query.where(m.Shift.unit.in_(units))
    found: dict[tuple[str, str], list[Shift]] = {}
    for unit, role, person, phone, channels, begins, ends in await connection.execute(
        query.order_by(m.Shift.id)
    ):
        code = tree.resolve(unit) or unit
        shift = Shift(begins, ends, Duty(code, role, person, phone, tuple(channels)))
        found.setdefault((code, role), []).append(shift)
    return found
