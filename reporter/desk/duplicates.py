"""Incidents that might be the one that is being logged: shown beside the form, never in its way."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.roster import UnitTree
from reporter.store import queries
from reporter.store.queries import IncidentFilter, IncidentRow, Scope

NEAR_SPAN: Final = timedelta(hours=24)
"""How far from the occurrence the other's may lie."""
CLOSE_SPAN: Final = timedelta(hours=2)
READ_MAX: Final = 200
SHOWN_MAX: Final = 5
_ALIKE_MIN: Final = 0.3
_SCORE_MIN: Final = 0.45


@dataclass(frozen=True, slots=True)
class Likeness:
    """One candidate, and why: the same unit or one above or below it, a near time, a similar title."""

    incident: IncidentRow
    unit: str
    is_same_unit: bool
    is_near: bool
    is_alike: bool
    score: float


async def find_alike(
    connection: AsyncConnection,
    scope: Scope,
    tree: UnitTree,
    *,
    title: str,
    unit: str | None,
    at: datetime,
) -> tuple[Likeness, ...]:
    """The few most similar incidents in sight, around an instant; the most similar first."""
    wanted = IncidentFilter(scope=scope, since=at - NEAR_SPAN, until=at + NEAR_SPAN, limit=READ_MAX)
    rows = await queries.incident_rows(connection, wanted)
    found = (_likeness(row, tree, title, unit, at) for row in rows if row.survivor is None)
    return _best(found)


def similarity(one: str, other: str) -> float:
    """How much two titles have in common, 0 to 1: by pairs of neighbouring characters (Dice's coefficient)."""
    first, second = _pairs(one), _pairs(other)
    if not first or not second:
        return 0.0
    return 2 * len(first & second) / (len(first) + len(second))


def _pairs(text: str) -> set[str]:
    plain = "".join(text.casefold().split())
    return {plain[place : place + 2] for place in range(len(plain) - 1)} or ({plain} if plain else set())


def _likeness(row: IncidentRow, tree: UnitTree, title: str, unit: str | None, at: datetime) -> Likeness:
    own = tree.resolve(row.unit) or tree.root
    is_same_unit = unit is not None and tree.is_related(own, unit) and own != tree.root
    is_near = row.occurred_earliest_at - CLOSE_SPAN <= at <= row.occurred_latest_at + CLOSE_SPAN
    alike = similarity(row.title, title)
    score = alike + 0.25 * is_same_unit + 0.25 * is_near
    return Likeness(row, tree.node(own).name, is_same_unit, is_near, alike >= _ALIKE_MIN, score)


def _best(found: Iterable[Likeness]) -> tuple[Likeness, ...]:
    enough = [each for each in found if each.score >= _SCORE_MIN]
    return tuple(sorted(enough, key=lambda each: (-each.score, each.incident.id))[:SHOWN_MAX])
