"""People on the roster who cannot be reached: none of their addresses is on a channel that there is."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.roster import channel_of
from reporter.store.models import Shift


async def unreachable(
    connection: AsyncConnection, channels: Collection[str], starts_at: datetime, ends_at: datetime
) -> list[str]:
    """Those with a shift in the span that has no address, or none on these channels of the service, by name.

    Who is at the desk by the roster's own word (`desk`) is reached there. Who has a good address in one shift and none
    in another is named.
    """
    query = select(Shift.person, Shift.channels).where(
        Shift.starts_at < ends_at, Shift.ends_at > starts_at, Shift.replaced_at.is_(None)
    )
    lost = set()
    for person, addresses in await connection.execute(query):
        names = {channel_of(str(address))[0] for address in addresses}
        if not names & set(channels):
            lost.add(person)
    return sorted(lost)
