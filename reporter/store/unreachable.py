"""People on the roster who cannot be reached: none of their addresses is on a channel that leads to them."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.roster import channel_of
from reporter.core.turns import SHOWN_AT_ONCE
from reporter.store.models import Shift


async def unreachable(
    connection: AsyncConnection, channels: Collection[str], starts_at: datetime, ends_at: datetime
) -> list[str]:
    """Those with a shift in the span whom only the desk would show a notice to, by name.

    `channels` are those of this service. Who has one good address in one shift, and none in another, is named.
    """
    query = select(Shift.person, Shift.channels).where(
        Shift.starts_at < ends_at, Shift.ends_at > starts_at, Shift.replaced_at.is_(None)
    )
    lost = set()
    for person, addresses in await connection.execute(query):
        names = {channel_of(str(address))[0] for address in addresses}
        if not names & (set(channels) - SHOWN_AT_ONCE):
            lost.add(person)
    return sorted(lost)
