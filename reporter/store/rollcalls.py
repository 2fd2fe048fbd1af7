"""Roll-calls (点名抽查): who was called at a duty post, when, how and by whom, and what came of it."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.canonical import canonical
from reporter.core.instants import rfc3339
from reporter.store.database import Database
from reporter.store.models import RollCall, table
from reporter.store.people import lock_people, on_duty
from reporter.store.types import AnyRow

CHANNELS: Final = ("landline", "mobile", "video", "visit", "other")
"""How a post may be called."""
CALL = table(RollCall)


class KeyReused(ValueError):
    """The key stands for another roll-call."""


@dataclass(frozen=True, slots=True)
class Called:
    """What whoever called writes down. `unit` is a registered code; None where nobody looked or said.

    `answered_after_s`: seconds until somebody answered.
    """

    unit: str
    role: str
    called_at: datetime
    channel: str
    is_answered: bool
    answered_by: str | None
    answered_after_s: int | None
    is_leader_present: bool | None
    is_log_current: bool | None
    note: str
    caller: str


@dataclass(frozen=True, slots=True)
class RollCallRow(Called):
    """A roll-call as it is kept. `expected`: who was on duty by the roster, as known when it was written down."""

    id: int
    expected: tuple[str, ...]
    author: str
    recorded_at: datetime


async def add(
    database: Database, called: Called, author: str, key: str, now: datetime
) -> tuple[RollCallRow, bool]:
    """Writes a roll-call down. False: it had been, under this key. Errors: KeyReused."""
    key = f"{author}\n{key}"
    said = {**asdict(called), "called_at": rfc3339(called.called_at)}
    digest = sha256(canonical(said)).hexdigest()
    by_key = select(CALL).where(CALL.c.key == key)
    async with database.transaction() as connection:
        await lock_people(connection)
        known = (await connection.execute(by_key)).one_or_none()
        if known is not None and known.digest != digest:
            raise KeyReused
        if known is None:
            duties = (await on_duty(connection, called.called_at)).get((called.unit, called.role), ())
            expected = [duty.person for duty in duties if not duty.is_absent]
            await connection.execute(
                insert(CALL).values(
                    **asdict(called),
                    expected=expected,
                    author=author,
                    recorded_at=now,
                    key=key,
                    digest=digest,
                )
            )
        row = (await connection.execute(by_key)).one()
    return _row(row), known is None


async def roll_calls(
    connection: AsyncConnection,
    units: Collection[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[RollCallRow]:
    """Roll-calls of these units in the span, newest first. `before`: only those whose id is smaller."""
    query = select(CALL).order_by(CALL.c.id.desc()).limit(limit)
    if units is not None:
        query = query.where(CALL.c.unit.in_(units))
    if since is not None:
        query = query.where(CALL.c.called_at >= since)
    if until is not None:
        query = query.where(CALL.c.called_at < until)
    if before is not None:
        query = query.where(CALL.c.id < before)
    return [_row(row) for row in await connection.execute(query)]


_NAMES: Final = tuple(field.name for field in fields(RollCallRow))


def _row(row: AnyRow) -> RollCallRow:
    values = {name: getattr(row, name) for name in _NAMES}
    return RollCallRow(**values | {"expected": tuple(row.expected)})
