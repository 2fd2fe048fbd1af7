"""The notices that wait to be sent: which are due, taking them on a lease, and the incidents they speak of.

A notice whose `next_try_at` has come is due. Taking it moves that instant to the end of a lease and counts an
attempt, so that replicas share the work, and what a crash leaves unrecorded comes back by itself.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import CompoundSelect, bindparam, exists, literal, or_, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from reporter.core.notice import IncidentWords, Taken
from reporter.core.turns import Rank
from reporter.store.models import Clock, Incident, Notice


class Due(NamedTuple):
    """A notice that may be taken."""

    id: str
    address: str


_IS_ANYTHING_DUE = select(Notice.id).where(Notice.next_try_at <= bindparam("now")).limit(1)
_DUE = (
    select(Notice.id, Notice.address)
    .where(
        Notice.channel == bindparam("channel"),
        Notice.next_try_at <= bindparam("now"),
        Notice.rank == bindparam("rank"),
    )
    .order_by(Notice.next_try_at)
    .limit(bindparam("most"))
)
_TAKE = (
    update(Notice)
    .where(
        Notice.id.in_(
            select(Notice.id)
            .where(Notice.id.in_(bindparam("ids")), Notice.next_try_at <= bindparam("now"))
            .with_for_update(skip_locked=True)
        )
    )
    .values(next_try_at=bindparam("lease_until"), attempts=Notice.attempts + 1)
    .returning(*(getattr(Notice, name) for name in Taken._fields))
)
_DUES = (
    select(Incident.id, Clock.obligation, Clock.due_at, Clock.met_at)
    .join(Clock, Clock.number == Incident.number)
    .where(Incident.id.in_(bindparam("incidents")), Clock.obligation.in_(bindparam("obligations")))
)
_WORDS = select(*(getattr(Incident, name) for name in IncidentWords._fields)).where(
    Incident.id.in_(bindparam("ids"))
)


async def is_anything_due(connection: AsyncConnection, now: datetime) -> bool:
    """Whether any notice waits to be sent: the one question of an idle second."""
    return (await connection.execute(_IS_ANYTHING_DUE, {"now": now})).first() is not None


async def channels_due(connection: AsyncConnection, channels: Collection[str], now: datetime) -> set[str]:
    """Those of these channels for which any notice is due: one statement that looks where each would begin."""
    if not channels:
        return set()
    names = await connection.execute(_any_due(tuple(sorted(channels))), {"now": now})
    return {str(row[0]) for row in names}


@lru_cache(maxsize=64)
def _any_due(channels: tuple[str, ...]) -> CompoundSelect[tuple[str]]:
    waits, now = aliased(Notice), bindparam("now", type_=Notice.next_try_at.type)
    found = [
        select(literal(name)).where(
            or_(
                *(
                    exists().where(waits.channel == name, waits.rank == rank.value, waits.next_try_at <= now)
                    for rank in Rank
                )
            )
        )
        for name in channels
    ]
    return union_all(*found)


async def due(
    connection: AsyncConnection, channel: str, now: datetime, limit: int, busy: Collection[str] = ()
) -> list[Due]:
    """Up to `limit` notices of a channel that are due: by rank, the oldest first.

    `busy` are addresses to leave out.
    """
    query = _DUE.where(Notice.address.not_in(busy)) if busy else _DUE
    found: list[Due] = []
    for rank in Rank:  # one by one, so that each stops at its limit: nothing is sorted, nothing passed over
        asked = {"channel": channel, "now": now, "rank": rank.value, "most": limit - len(found)}
        found += [Due(*row) for row in (await connection.execute(query, asked)).all()]
        if len(found) == limit:
            break
    return found


async def due_elsewhere(
    connection: AsyncConnection, channels: Collection[str], now: datetime, limit: int
) -> list[str]:
    """The ids of up to `limit` notices that are due on none of these channels."""
    query = select(Notice.id).where(Notice.next_try_at <= now, Notice.channel.not_in(channels))
    return list((await connection.scalars(query.order_by(Notice.next_try_at).limit(limit))).all())


async def take(
    connection: AsyncConnection, ids: Sequence[str], now: datetime, lease_until: datetime
) -> list[Taken]:
    """Takes those of the notices that are still due, in the order given; another replica may have the others.

    PostgreSQL: rows that another transaction holds are left to it rather than waited for.
    """
    rows = await connection.execute(_TAKE, {"ids": ids, "now": now, "lease_until": lease_until})
    taken = {row[0]: Taken(*row) for row in rows.all()}
    return [taken[id_] for id_ in ids if id_ in taken]


async def give_back(connection: AsyncConnection, ids: Sequence[str], now: datetime) -> None:
    """Gives back what was taken and could not be sent in time: it is due again, and no attempt was made."""
    mine = Notice.id.in_(ids), Notice.next_try_at.is_not(None), Notice.attempts > 0
    await connection.execute(
        update(Notice).where(*mine).values(next_try_at=now, attempts=Notice.attempts - 1)
    )


async def obligation_dues(
    connection: AsyncConnection, incident_ids: Collection[str], obligations: Collection[str]
) -> tuple[dict[tuple[str, str], datetime], frozenset[tuple[str, str]]]:
    """When these obligations of these incidents are due as things stand, by (incident, obligation); and those met."""
    asked = {"incidents": list(incident_ids), "obligations": list(obligations)}
    rows = (await connection.execute(_DUES, asked)).all()
    dues = {(incident, obligation): due_at for incident, obligation, due_at, _ in rows}
    return dues, frozenset((row[0], row[1]) for row in rows if row[3] is not None)


async def incident_words(connection: AsyncConnection, ids: Collection[str]) -> dict[str, IncidentWords]:
    """What is to be said of these incidents, by id."""
    rows = await connection.execute(_WORDS, {"ids": list(ids)})
    return {row[0]: IncidentWords(*row) for row in rows.all()}
