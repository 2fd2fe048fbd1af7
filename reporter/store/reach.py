"""Where a person can be reached, by what the roster says of them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.store.models import Shift

SHIFTS_READ_MAX = 50


@dataclass(frozen=True, slots=True)
class Reach:
    """A person's addresses, and the phone of the latest shift; both may be empty."""

    addresses: tuple[str, ...]
    phone: str


async def reach_of(connection: AsyncConnection, person: str, now: datetime) -> Reach | None:
    """The addresses of the person's shifts that have not ended, or else of the last one.

    None if nobody of that name has ever been on a roster.
    """
    query = select(Shift.channels, Shift.phone, Shift.ends_at).where(
        Shift.person == person, Shift.replaced_at.is_(None)
    )
    shifts = (await connection.execute(query.order_by(Shift.ends_at.desc()).limit(SHIFTS_READ_MAX))).all()
    if not shifts:
        return None
    current = [shift for shift in shifts if shift.ends_at > now] or [shifts[0]]
    addresses = dict.fromkeys(str(address) for shift in current for address in shift.channels)
    return Reach(tuple(addresses), next((shift.phone for shift in current if shift.phone), ""))
