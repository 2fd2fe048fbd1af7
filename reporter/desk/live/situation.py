"""What is open now, kept in memory and brought up to date by version: shared by every board of the process.

Every change of an incident has a version of its own, so one short query over the open ones says what has to be
read again. The cost depends on what is open and on what has changed, never on the archive.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.roster import Duty, UnitNode, UnitTree
from reporter.core.schedule import Edition
from reporter.desk.live.alarms import Alarm, alarms_of
from reporter.engine.troubles import Trouble
from reporter.store import queries
from reporter.store.database import Database
from reporter.store.editions import Editions
from reporter.store.people import load_tree, on_duty
from reporter.store.queries import ClockRow, IncidentRow
from reporter.store.restricted import Scope, is_in_sight
from reporter.timesource import TimeSource

OPEN_MAX = 2_000
"""Open incidents that a process holds for its boards: the last to occur. More than anybody can work through."""


_CROWDED = Trouble(
    "crowded",
    f"未结事件超过 {OPEN_MAX} 起：看板只列最近发生的 {OPEN_MAX} 起，其余请搜索；全部事件照常计时、催报",
    f"More than {OPEN_MAX} incidents are open: the board lists the last to occur, search for the others; all are timed",
    None,
)


@dataclass(frozen=True, slots=True)
class Open:
    """One open incident with what a board shows of it."""

    incident: IncidentRow
    clocks: tuple[ClockRow, ...]
    alarms: tuple[Alarm, ...]
    edition: Edition
    is_restricted: bool

    def is_within(self, scope: Scope) -> bool:
        """Whether somebody with that scope may see it."""
        unit, opened_from = self.incident.unit, self.incident.opened_from
        return is_in_sight(scope, unit, opened_from, is_restricted=self.is_restricted)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is open, who is on duty, and when that was read."""

    at: datetime
    opens: Mapping[str, Open]
    tree: UnitTree
    duties: Mapping[tuple[str, str], Sequence[Duty]]
    is_cut: bool = False
    """There are more open incidents than are held."""

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What whoever looks has to know of it."""
        return (_CROWDED,) if self.is_cut else ()

    def on_duty(self, unit: str, role: str) -> Sequence[Duty]:
        """The persons in that role in that unit; rows written under `root` follow the root."""
        return self.duties.get((self.tree.resolve(unit) or unit, role), ())


class Watch:
    """Keeps the situation. `fresh()` costs four queries when nothing has changed, seven when anything has."""

    def __init__(self, database: Database, time: TimeSource, editions: Editions) -> None:
        self._database = database
        self._time = time
        self._editions = editions
        self._lock = asyncio.Lock()
        self._started = self._done = 0
        self._current = Situation(time.now(), {}, UnitTree(), {})

    async def fresh(self) -> Situation:
        """The situation as committed when this was called, or later. Those who ask at once share one reading."""
        wanted = self._started + 1
        async with self._lock:
            if self._done < wanted:
                self._started += 1
                number = self._started
                self._current = await self._read()
                self._done = number
            return self._current

    async def _read(self) -> Situation:
        known = self._current.opens
        async with self._database.snapshot() as connection:
            versions = await queries.open_versions(connection, OPEN_MAX + 1)
            if is_cut := len(versions) > OPEN_MAX:
                versions.popitem()
            kept = {
                id_: known[id_]
                for id_, version in versions.items()
                if id_ in known and (known[id_].incident.version, known[id_].is_restricted) == version
            }
            changed = [id_ for id_ in versions if id_ not in kept]
            for record in await queries.open_parts(connection, changed):
                kept[record.incident.id] = Open(
                    record.incident,
                    record.clocks,
                    alarms_of(record.clocks, record.notices),
                    await self._editions.of(connection, record.incident.edition_digest),
                    versions[record.incident.id][1],
                )
            tree = await load_tree(connection)
            now = self._time.now()
            duties = await duties_at(connection, tree, now)
        # What is equal stays the same object, so that whoever has made something from it need not look deeper.
        before = self._current
        tree = before.tree if _nodes(tree) == _nodes(before.tree) else tree
        duties = before.duties if duties == before.duties else duties
        return Situation(now, kept, tree, duties, is_cut)


def _nodes(tree: UnitTree) -> list[UnitNode]:
    return [tree.node(code) for code in sorted(tree.subtree(tree.root))]


async def duties_at(
    connection: AsyncConnection, tree: UnitTree, now: datetime
) -> Mapping[tuple[str, str], Sequence[Duty]]:
    found: dict[tuple[str, str], tuple[Duty, ...]] = {}
    for (unit, role), duties in (await on_duty(connection, now)).items():
        key = (tree.resolve(unit) or unit, role)
        found[key] = found.get(key, ()) + tuple(duties)
    return found
