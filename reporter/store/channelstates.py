"""How what notices are sent through fares, by account or host: failures in a row, and when each last worked."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.store.models import ChannelState

NAME_CHARS_MAX: Final = 64
"""What the column holds on PostgreSQL."""
KEPT: Final = timedelta(days=35)
"""How long it is kept after the last sending: longer than from one monthly rehearsal to the next."""


@dataclass(frozen=True, slots=True)
class Faring:
    """One account: `failures` in a row since `failing_since`, the latest for `reason`.

    `channel` is its name with the channel's before it, or the channel's alone (`engine.channelwatch.name_of`).
    """

    channel: str
    failures: int = 0
    failing_since: datetime | None = None
    reason: str | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None


_COLUMNS = [getattr(ChannelState, field.name) for field in fields(Faring)]


async def load(connection: AsyncConnection) -> list[Faring]:
    """Everything that has been sent through and is not forgotten, what was sent through last at the end."""
    rows = await connection.execute(select(*_COLUMNS).order_by(ChannelState.channel))
    return sorted((Faring(*row) for row in rows), key=_heard)


async def save(connection: AsyncConnection, found: Sequence[Faring]) -> None:
    """Writes how these fare, over what was known of them."""
    for each in found:
        values = {name: value for name, value in asdict(each).items() if name != "channel"}
        known = update(ChannelState).where(ChannelState.channel == each.channel).values(values)
        if not (await connection.execute(known)).rowcount:
            await connection.execute(insert(ChannelState).values(asdict(each)))


async def forget(connection: AsyncConnection, names: Sequence[str]) -> None:
    """Removes what is known of these."""
    if names:
        await connection.execute(delete(ChannelState).where(ChannelState.channel.in_(names)))


async def forget_unused(connection: AsyncConnection, now: datetime) -> None:
    """Removes what nothing has been sent through for long."""
    unused = (
        or_(at.is_(None), at < now - KEPT)
        for at in (ChannelState.last_success_at, ChannelState.last_failure_at)
    )
    await connection.execute(delete(ChannelState).where(*unused))


def _heard(faring: Faring) -> float:
    """When anything was last sent through it."""
    heard = (at.timestamp() for at in (faring.last_success_at, faring.last_failure_at) if at is not None)
    return max(heard, default=0.0)
