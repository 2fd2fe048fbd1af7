"""When units hand over: times of day in the service's zone, kept with their history."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.roster import UnitTree
from reporter.store.database import Database
from reporter.store.models import Handover, table
from reporter.store.people import lock_people

TIMES_MAX: Final = 12
HANDOVER = table(Handover)
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d", re.ASCII)


class HandoverRefused(ValueError):
    """Times that were not taken over; the message says why, Chinese first."""


async def set_times(
    database: Database, unit: str, times: Sequence[str], author: str, now: datetime
) -> list[str]:
    """From now on the unit (a registered code) hands over at these times, `HH:MM`; none: as the unit above does.

    Returns them sorted. Errors: HandoverRefused.
    """
    if len(times) > TIMES_MAX or any(not _TIME.fullmatch(each) for each in times):
        msg = f"时间写作 HH:MM，至多 {TIMES_MAX} 个 / times are HH:MM, at most {TIMES_MAX}"
        raise HandoverRefused(msg)
    kept = sorted(set(times))
    async with database.transaction() as connection:
        await lock_people(connection)
        await connection.execute(
            insert(HANDOVER).values(unit=unit, times=kept, author=author, recorded_at=now)
        )
    return kept


async def times(
    connection: AsyncConnection, tree: UnitTree, known_at: datetime | None = None
) -> dict[str, tuple[str, ...]]:
    """The times of every unit, its own or those of the nearest one above; units without any are left out."""
    query = select(func.max(HANDOVER.c.id)).group_by(HANDOVER.c.unit)
    if known_at is not None:
        query = query.where(HANDOVER.c.recorded_at <= known_at)
    rows = await connection.execute(select(HANDOVER.c.unit, HANDOVER.c.times).where(HANDOVER.c.id.in_(query)))
    own = {tree.resolve(unit) or unit: tuple(kept) for unit, kept in rows if kept}
    found: dict[str, tuple[str, ...]] = {}
    for each in tree.subtree(tree.root):
        code = tree.resolve(each)
        if code is not None:
            found[code] = next((own[above] for above in tree.path(code) if above in own), ())
    return {code: kept for code, kept in found.items() if kept}


def next_handover(kept: Sequence[str], after: datetime, zone: ZoneInfo) -> datetime | None:
    """The first of these times of day after the instant; None without any. A time that a zone skips comes later."""
    local = after.astimezone(zone)
    moments = (
        (local + timedelta(days=day)).replace(
            hour=int(each[:2]), minute=int(each[3:]), second=0, microsecond=0, fold=0
        )
        for day in range(3)
        for each in kept
    )
    coming = [at for moment in moments if (at := moment.astimezone(after.tzinfo)) > after]
    return min(coming, default=None)
