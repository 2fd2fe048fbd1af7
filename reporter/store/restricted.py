"""Restricted incidents: which they are, and the units whose restricted ones a reader may see."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, false, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.store.models import Incident, Restricted


class Units(frozenset[str]):
    """Codes of units, and among them those whose restricted incidents are in sight too.

    A plain set of codes has none of those in sight: what forgets this class shows less, never more.
    """

    restricted: frozenset[str]

    def __new__(cls, codes: Iterable[str], restricted: Iterable[str] = ()) -> "Units":
        made = super().__new__(cls, codes)
        made.restricted = frozenset(restricted)
        return made

    def __eq__(self, other: object) -> bool:
        """Two scopes are one only if they show the same: what is kept for readers of a scope goes by this."""
        theirs = other.restricted if isinstance(other, Units) else frozenset[str]()
        return super().__eq__(other) is True and self.restricted == theirs

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return super().__hash__() ^ hash(self.restricted) if self.restricted else super().__hash__()


Scope = frozenset[str] | None
"""The codes of the units that may be seen, perhaps as `Units`; None: all, restricted incidents too."""


def is_in_sight(scope: Scope, unit: str, opened_from: str, *, is_restricted: bool) -> bool:
    """Whether a reader of this scope may see an incident: what `concealed` and the unit's filter say, for one."""
    if scope is None:
        return True
    if is_restricted and unit not in (scope.restricted if isinstance(scope, Units) else ()):
        return False
    return unit in scope or opened_from in scope


def concealed(scope: Scope) -> ColumnElement[bool]:
    """Whether a row of `incidents` is restricted and not to be shown to a reader of this scope."""
    if scope is None:
        return false()
    in_sight = scope.restricted if isinstance(scope, Units) else frozenset[str]()
    if in_sight >= scope:
        return false()
    is_restricted = exists().where(Restricted.incident_id == Incident.id)
    return and_(is_restricted, Incident.unit.not_in(sorted(in_sight))) if in_sight else is_restricted


async def is_restricted(connection: AsyncConnection, incident_id: str) -> bool:
    """Whether the incident is restricted now."""
    return bool(await among(connection, [incident_id]))


async def among(connection: AsyncConnection, incident_ids: Collection[str]) -> frozenset[str]:
    """Which of these incidents are restricted now."""
    if not incident_ids:
        return frozenset()
    statement = select(Restricted.incident_id).where(Restricted.incident_id.in_(list(incident_ids)))
    return frozenset((await connection.execute(statement)).scalars())


async def restrict(
    connection: AsyncConnection, incident_id: str, at: datetime, actor: str, reason: str
) -> bool:
    """Restricts the incident; False if it is restricted already."""
    if await is_restricted(connection, incident_id):
        return False
    values = {"incident_id": incident_id, "at": at, "actor": actor, "reason": reason}
    await connection.execute(insert(Restricted).values(**values))
    return True


async def lift(connection: AsyncConnection, incident_id: str) -> bool:
    """Ends the restriction; False if there was none."""
    done = await connection.execute(delete(Restricted).where(Restricted.incident_id == incident_id))
    return done.rowcount > 0
