"""How the channels fare: failures in a row, and when each last worked."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.store.models import ChannelState


@dataclass(frozen=True, slots=True)
class Faring:
    """One channel: `failures` in a row since `failing_since`, the latest for `reason`."""

    channel: str
    failures: int = 0
    failing_since: datetime | None = None
    reason: str | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None


_COLUMNS = [getattr(ChannelState, field.name) for field in fields(Faring)]


async def load(connection: AsyncConnection) -> list[Faring]:
    """Every channel that has ever sent anything, by name."""
    rows = await connection.execute(select(*_COLUMNS).order_by(ChannelState.channel))
    return [Faring(*row) for row in rows]


async def save(connection: AsyncConnection, found: Sequence[Faring]) -> None:
    """Writes how these channels fare, over what was known of them."""
    for each in found:
        values = {name: value for name, value in asdict(each).items() if name != "channel"}
        known = update(ChannelState).where(ChannelState.channel == each.channel).values(values)
        if not (await connection.execute(known)).rowcount:
            await connection.execute(insert(ChannelState).values(asdict(each)))
