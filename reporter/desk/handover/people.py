"""Which shift hands over to which, by the roster and the times at which the unit hands over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.roster import Duty, UnitTree
from reporter.core.standin import Slot
from reporter.core.terms import DutyRole
from reporter.store import handoverlog, handovers, rosters

NEAR: Final = timedelta(hours=3)
"""A handover belongs to the handover time that it is nearest to, if that is no further off."""
SHIFT_MAX: Final = timedelta(hours=36)
"""A shift that began longer ago was not handed over here; it is then taken to begin at the handover time before."""
SHIFT_SPAN: Final = timedelta(hours=12)
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Shift:
    """What changes hands. `boundary_at`: the handover time meant, None where none is near or none is set.

    `began_at`: since when the outgoing shift has been on; `next_at`: the handover time after this one.
    """

    began_at: datetime
    boundary_at: datetime | None
    next_at: datetime | None
    times: tuple[str, ...]
    outgoing: tuple[Duty, ...]
    incoming: tuple[Duty, ...]
    leaders: tuple[Duty, ...]


async def shift_of(
    connection: AsyncConnection, tree: UnitTree, unit: str, now: datetime, zone: ZoneInfo
) -> Shift:
    """The shift that the unit hands over at `now`: four queries."""
    times = (await handovers.times(connection, tree)).get(unit, ())
    near = _around(times, now, zone)
    boundary = min(near, key=lambda each: abs(each - now), default=None)
    if boundary is not None and abs(boundary - now) > NEAR:
        boundary = None
    next_at = handovers.next_handover(times, boundary or now, zone)
    turn = boundary or next_at
    before = max((each for each in near if each < (boundary or now)), default=now - SHIFT_SPAN)
    last = await handoverlog.last_signed(connection, unit)
    began_at = last if last is not None and now - last <= SHIFT_MAX else before
    starts_at, ends_at = min(now, turn or now) - _INSTANT, max(now, turn or now) + 2 * _INSTANT
    lines = await rosters.timelines(connection, tree, [unit], starts_at, ends_at)
    officers, leaders = lines[unit, DutyRole.DUTY_OFFICER], lines[unit, DutyRole.LEADER]
    return Shift(
        began_at=began_at,
        boundary_at=boundary,
        next_at=next_at,
        times=tuple(times),
        outgoing=_at(officers, boundary - _INSTANT if boundary else now),
        incoming=_at(officers, turn) if turn else (),
        leaders=_at(leaders, now),
    )


def _around(times: Sequence[str], now: datetime, zone: ZoneInfo) -> list[datetime]:
    """The handover times of the two days before `now` and those soon after."""
    found = []
    at = handovers.next_handover(times, now - timedelta(days=2), zone)
    while at is not None and at <= now + NEAR:
        found.append(at)
        at = handovers.next_handover(times, at, zone)
    return found


def _at(slots: Sequence[Slot], at: datetime) -> tuple[Duty, ...]:
    held = next((slot.duties for slot in slots if slot.starts_at <= at < slot.ends_at), ())
    return tuple(duty for duty in held if not duty.is_absent)
