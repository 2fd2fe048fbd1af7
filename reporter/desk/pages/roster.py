"""Who is on duty now, the holes of the days to come, and the grid of a week."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import Response

from reporter.core.standin import Slot
from reporter.core.terms import DutyRole
from reporter.desk.auth import Action
from reporter.desk.pages import Page, framed, show
from reporter.desk.rosters import RosterTab, tabs
from reporter.desk.services import Desk
from reporter.desk.session import language_of
from reporter.desk.units import UnitChoice, choices, chosen_unit, in_tree_order
from reporter.store import handovers, rosters
from reporter.store.rosters import Hole, UnitDuty

UNITS_A_PAGE: Final = 60
WEEK_UNITS: Final = 12
HOLES_MAX: Final = 60
WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class DutyLine:
    """One unit of the tree with who is on duty there; `next_at`: its next handover."""

    duty: UnitDuty
    depth: int
    is_own: bool
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class RosterPage:
    """`holes` are the first of `holes_count`; `unrostered` the units and roles that nobody has
    made a roster for; `horizon`: how far it was looked."""

    unit: str
    unit_name: str
    units: tuple[UnitChoice, ...]
    tabs: tuple[RosterTab, ...]
    now: datetime
    lines: tuple[DutyLine, ...]
    holes: tuple[Hole, ...]
    holes_count: int
    unrostered: tuple[tuple[str, tuple[DutyRole, ...]], ...]
    horizon: datetime
    names: dict[str, str]
    page: int
    pages: int
    may: bool


@dataclass(frozen=True, slots=True)
class DaySlots:
    """One day of one line of the grid."""

    day: date
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class WeekLine:
    """One unit's role over the week."""

    unit: str
    unit_name: str
    role: DutyRole
    days: tuple[DaySlots, ...]


@dataclass(frozen=True, slots=True)
class RosterWeekPage:
    """`days` are the columns; `before` and `after` where the weeks beside this one begin."""

    unit: str
    unit_name: str
    units: tuple[UnitChoice, ...]
    tabs: tuple[RosterTab, ...]
    days: tuple[date, ...]
    today: date
    lines: tuple[WeekLine, ...]
    before: date
    after: date
    page: int
    pages: int


async def _now(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    unit = chosen_unit(caller, request.query_params.get("unit"))
    now, zone = desk.services.time.now(), ZoneInfo(desk.services.zone)
    below = caller.tree.subtree(unit)
    order = in_tree_order(caller, unit)
    page, pages = _page(request, len(order), UNITS_A_PAGE)
    part = order[(page - 1) * UNITS_A_PAGE : page * UNITS_A_PAGE]
    async with desk.services.database.snapshot() as connection:
        duties = {
            each.unit.code: each
            for each in await rosters.duty_now(connection, now, frozenset(code for code, _ in part))
        }
        times = await handovers.times(connection, caller.tree)
        found = await rosters.holes(connection, now, rosters.DAYS_AHEAD, below)
    holes = sorted(
        (each for each in found if each.is_rostered), key=lambda each: (each.gap.starts_at, each.gap.unit)
    )
    bare: dict[str, list[DutyRole]] = {}
    for each in found:
        if not each.is_rostered:
            bare.setdefault(each.gap.unit, []).append(each.gap.role)
    names = {each.gap.unit: caller.tree.node(each.gap.unit).name for each in found}
    context = RosterPage(
        unit=unit,
        unit_name=caller.tree.node(unit).name,
        units=choices(caller, unit),
        tabs=tabs(caller, request, unit),
        now=now,
        lines=tuple(
            DutyLine(
                duties[code],
                min(depth, 3),
                code == unit,
                handovers.next_handover(times.get(code, ()), now, zone),
            )
            for code, depth in part
            if code in duties
        ),
        holes=tuple(holes[:HOLES_MAX]),
        holes_count=len(holes),
        unrostered=tuple((names[code], tuple(roles)) for code, roles in bare.items()),
        horizon=now + timedelta(days=rosters.DAYS_AHEAD),
        names=names,
        page=page,
        pages=pages,
        may=caller.may(Action.ROSTER),
    )
    frame = framed(request, caller)
    return show(desk, "pages/roster.html", language_of(request, desk), context, frame=frame)


async def _week(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    unit = chosen_unit(caller, request.query_params.get("unit"))
    zone = ZoneInfo(desk.services.zone)
    today = desk.services.time.now().astimezone(zone).date()
    first = _day(request.query_params.get("from")) or today - timedelta(days=today.weekday())
    days = tuple(first + timedelta(days=index) for index in range(WEEK))
    edges = [midnight(day, zone) for day in (*days, first + timedelta(days=WEEK))]
    order = in_tree_order(caller, unit)
    page, pages = _page(request, len(order), WEEK_UNITS)
    part = [code for code, _ in order[(page - 1) * WEEK_UNITS : page * WEEK_UNITS]]
    async with desk.services.database.snapshot() as connection:
        grid = await rosters.timelines(connection, caller.tree, part, edges[0], edges[-1])
    context = RosterWeekPage(
        unit=unit,
        unit_name=caller.tree.node(unit).name,
        units=choices(caller, unit),
        tabs=tabs(caller, request, unit),
        days=days,
        today=today,
        lines=tuple(
            WeekLine(code, caller.tree.node(code).name, role, _by_day(slots, days, edges))
            for (code, role), slots in grid.items()
        ),
        before=first - timedelta(days=WEEK),
        after=first + timedelta(days=WEEK),
        page=page,
        pages=pages,
    )
    frame = framed(request, caller)
    return show(desk, "pages/roster_week.html", language_of(request, desk), context, frame=frame)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When the day begins in the zone, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _by_day(slots: Sequence[Slot], days: Sequence[date], edges: Sequence[datetime]) -> tuple[DaySlots, ...]:
    found = []
    for day, starts_at, ends_at in zip(days, edges, edges[1:], strict=False):
        within = (each for each in slots if each.starts_at < ends_at and each.ends_at > starts_at)
        cut = (
            Slot(max(each.starts_at, starts_at), min(each.ends_at, ends_at), each.duties) for each in within
        )
        found.append(DaySlots(day, tuple(cut)))
    return tuple(found)


def _page(request: Request, count: int, size: int) -> tuple[int, int]:
    """The page asked for and how many there are."""
    pages = max(1, -(-count // size))
    asked = request.query_params.get("page", "1")
    return min(max(int(asked) if asked.isdecimal() and len(asked) < 6 else 1, 1), pages), pages


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if 1971 <= day.year <= 2198 else None


PAGES = (Page("/roster", _now), Page("/roster/week", _week))
