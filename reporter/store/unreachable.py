"""People who are to be on duty and cannot be reached: none of their addresses can ever work."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.roster import FlawOf, shown
from reporter.store.people import load_tree
from reporter.store.rosters import active_units, timelines


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Somebody whom nothing reaches away from the desk.

    `flaws`: each address, as it may be shown, and why nothing ever arrives there. None of them: there is no address.
    """

    person: str
    flaws: tuple[tuple[str, str], ...]


async def unreachable(
    connection: AsyncConnection, flaw_of: FlawOf, starts_at: datetime, ends_at: datetime
) -> list[Unreachable]:
    """Those on duty at some time in the span with no address, or none that can work, by name.

    It counts who stands in (swaps, overrides, deputies), and not whom they stand in for. Who is at the desk by the
    roster's own word (`desk`) is reached there. Who has a good address in one shift and none in another is named.
    """
    tree = await load_tree(connection)
    lines = await timelines(connection, tree, active_units(tree), starts_at, ends_at)
    on_duty = {
        (duty.person, duty.channels)
        for slots in lines.values()
        for slot in slots
        for duty in slot.duties
        if not duty.is_absent
    }
    lost: dict[str, dict[str, str]] = {}
    for person, addresses in sorted(on_duty):
        flaws = [(shown(address), flaw) for address in addresses if (flaw := flaw_of(address)) is not None]
        if len(flaws) == len(addresses):
            lost.setdefault(person, {}).update(flaws)
    return [Unreachable(person, tuple(flaws.items())) for person, flaws in lost.items()]
