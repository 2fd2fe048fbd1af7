"""The watch on rosters: a hole in the days to come is told once, to the unit and to the one above it.

1. Look, when a roster or what was agreed over one has changed, and else once an hour (the days move on).
2. Write down each hole when it is first seen. Nobody is told at once: an office imports one file after another.
3. What still stands after `SETTLES` is told: each unit of its own holes, each superior of those below it in one notice.

A hole is known by unit, role and start, and forgotten once it is filled: one that opens again is told again. Replicas
agree through its row: it is noticed in the commit that says so.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.roster import Directory, FlawOf, UnitTree
from reporter.core.standin import Gap
from reporter.core.terms import NoticeReason, label
from reporter.engine.apart import standalone_notices
from reporter.engine.signals import Signals
from reporter.store import models as m
from reporter.store import rosters
from reporter.store.database import Database
from reporter.store.incidents import NOTICE
from reporter.store.people import directory_at, load_tree, lock_people
from reporter.timesource import TimeSource, sleep

log = logging.getLogger(__name__)

EVERY_S: Final = 20.0
AGAIN: Final = timedelta(hours=1)
SETTLES: Final = timedelta(minutes=10)
SHOWN_MAX: Final = 20
GAP: Final = m.table(m.RosterGap)
Key = tuple[str, str, datetime]


class RosterWatch:
    """Looks for holes until cancelled. `zone` is the one people read times in; `flaw_of` as of the gate."""

    def __init__(
        self,
        database: Database,
        time: TimeSource,
        signals: Signals,
        zone: str,
        flaw_of: FlawOf | None = None,
    ) -> None:
        self._database = database
        self._time = time
        self._signals = signals
        self._zone = ZoneInfo(zone)
        self._flaw_of = flaw_of
        self._mark: tuple[int, int] | None = None
        self._again_at: datetime | None = None

    async def run(self) -> None:
        """Looks every `EVERY_S` seconds of the machine's time."""
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("the rosters could not be looked through; again in %s s", EVERY_S)
            await sleep(EVERY_S)

    async def look(self) -> int:
        """Looks once. Returns how many notices it wrote."""
        now = self._time.now()
        async with self._database.snapshot() as connection:
            mark = await rosters.mark(connection)
            if mark == self._mark and self._again_at is not None and now < self._again_at:
                return 0
            found = {
                _key(hole.gap): hole.gap for hole in await rosters.holes(connection, now) if hole.is_rostered
            }
            known = await _known(connection, now)
        waiting = [seen_at for seen_at, noticed_at in known.values() if noticed_at is None]
        written = 0
        if found.keys() != known.keys() or waiting:
            async with self._database.transaction() as connection:
                await lock_people(connection)
                if await rosters.mark(connection) != mark:
                    return 0  # a roster came in between: what was found may be filled; the next look knows
                written = await self._write(connection, found, now)
                known = await _known(connection, now)
        if written:
            self._signals.notices.set()
        waiting = [seen_at for seen_at, noticed_at in known.values() if noticed_at is None]
        self._mark, self._again_at = mark, min([now + AGAIN, *(seen_at + SETTLES for seen_at in waiting)])
        return written

    async def _write(self, connection: AsyncConnection, found: dict[Key, Gap], now: datetime) -> int:
        known = await _known(connection, now)
        for key in known.keys() - found.keys():
            await connection.execute(delete(GAP).where(*_is(key)))
        fresh = [
            {
                "unit": gap.unit,
                "role": gap.role.value,
                "starts_at": gap.starts_at,
                "ends_at": gap.ends_at,
                "seen_at": now,
            }
            for key, gap in found.items()
            if key not in known
        ]
        if fresh:
            await connection.execute(insert(GAP), fresh)
        ripe = []
        for key, gap in found.items():
            seen_at, noticed_at = known.get(key, (now, None))
            if noticed_at is None and seen_at + SETTLES <= now:
                ripe.append(gap)
                await connection.execute(
                    update(GAP).where(*_is(key)).values(noticed_at=now, ends_at=gap.ends_at)
                )
        if not ripe:
            return 0
        tree = await load_tree(connection)
        directory = await directory_at(connection, tree, now, self._flaw_of)
        rows = self._notices(tree, directory, ripe, now)
        await connection.execute(insert(NOTICE), rows)
        return len(rows)

    def _notices(
        self, tree: UnitTree, directory: Directory, ripe: Sequence[Gap], now: datetime
    ) -> list[dict[str, object]]:
        own: dict[str, list[Gap]] = {}
        below: dict[str, list[Gap]] = {}
        for gap in ripe:
            own.setdefault(gap.unit, []).append(gap)
            if gap.unit != tree.root:
                below.setdefault(tree.superior(gap.unit), []).append(gap)
        rows = []
        for unit, gaps in own.items():
            told = directory.recipients(unit, ("unit.duty_officer",))
            rows += standalone_notices(NoticeReason.ROSTER_GAP, unit, told, self._words(gaps), now)
        for unit, gaps in below.items():
            # The words name the units: one notice of a hundred units is read, a hundred notices are not.
            told = tuple(
                replace(each, to="superior.duty_officer")
                for each in directory.recipients(unit, ("unit.duty_officer",))
            )
            note = self._words(gaps, tree)
            rows += standalone_notices(NoticeReason.ROSTER_GAP, unit, told, note, now)
        return rows

    def _words(self, gaps: Sequence[Gap], tree: UnitTree | None = None) -> str:
        """The holes in local time; with the tree, each with its unit's name."""
        words = []
        for gap in gaps[:SHOWN_MAX]:
            starts, ends = (at.astimezone(self._zone) for at in (gap.starts_at, gap.ends_at))
            role = f"{label(gap.role)} {label(gap.role, 'en').lower()}"
            unit = "" if tree is None else f"{tree.node(gap.unit).name} "
            words.append(f"{unit}{role} {starts:%Y-%m-%d %H:%M} – {ends:%m-%d %H:%M}")
        if len(gaps) > SHOWN_MAX:
            words.append(f"… +{len(gaps) - SHOWN_MAX}")
        return "，".join(words) + f" ({self._zone.key})"


async def _known(connection: AsyncConnection, now: datetime) -> dict[Key, tuple[datetime, datetime | None]]:
    """When each hole was seen and noticed: those that may still be found, and those that wait."""
    columns = GAP.c.unit, GAP.c.role, GAP.c.starts_at, GAP.c.seen_at, GAP.c.noticed_at
    recent = (GAP.c.starts_at > now - rosters.LOOK_BACK) | GAP.c.noticed_at.is_(None)
    rows = await connection.execute(select(*columns).where(recent))
    return {
        (unit, role, starts_at): (seen_at, noticed_at) for unit, role, starts_at, seen_at, noticed_at in rows
    }


def _key(gap: Gap) -> Key:
    return gap.unit, gap.role.value, gap.starts_at


def _is(key: Key) -> tuple[ColumnElement[bool], ...]:
    unit, role, starts_at = key
    return GAP.c.unit == unit, GAP.c.role == role, GAP.c.starts_at == starts_at
