"""A world with sealed ledgers, and a hand that tampers with them as somebody with the database file would.

The triggers are dropped first, and whatever can be computed anew is computed anew.
"""

import json
from hashlib import sha256

from sqlalchemy import delete, select, text, update

from reporter.core.canonical import canonical
from reporter.core.ledger import GENESIS
from reporter.engine.seal import Sealer
from reporter.store import models as m
from reporter.store.ledger_check import Defect
from reporter.store.replay import Difference, replay
from reporter.store.seal_check import KeptSeal, verify
from tests.contract.gateworld import World


def sealer(world: World) -> Sealer:
    return Sealer(world.database, world.time)


async def three_seals(world: World) -> list[str]:
    """Three incidents with a seal after each change; returns their ids. The first is also told of after the seals."""
    ids = [await world.open(f"e{number}") for number in range(3)]
    await sealer(world).hourly()
    await world.tell("filed", ids[0], 5, covers=["initial"])
    await world.tick_until(30)
    await sealer(world).seal()
    await world.tick_until(70)
    await sealer(world).hourly()
    await world.tell("closed", ids[0], 75)
    return ids


async def free(world: World) -> None:
    """Drops what guards the tables that only grow."""
    async with world.database.transaction() as connection:
        for table in m.APPEND_ONLY:
            if world.database.kind == "sqlite":
                for verb in ("update", "delete"):
                    await connection.execute(text(f"DROP TRIGGER {table}_no_{verb}"))
            else:
                await connection.execute(text(f"DROP TRIGGER {table}_append_only ON {table}"))


async def defects(world: World, *kept: KeptSeal, incident: str | None = None) -> list[Defect]:
    return list((await verify(world.database, incident, kept=kept)).defects)


async def differing(world: World) -> list[Difference]:
    async with world.database.snapshot() as connection:
        return [each async for each in replay(connection)]


async def forge(world: World, incident: str, version: int) -> None:
    """Changes a line, then computes every hash after it anew, and the incident's head."""
    async with world.database.transaction() as connection:
        table = m.table(m.Line)
        wanted = select(table).where(table.c.incident_id == incident).order_by(table.c.version)
        prev = GENESIS
        for row in (await connection.execute(wanted)).all():
            line = json.loads(row.text) | {"prev": prev}
            if row.version == version:
                line["actor"] = "somebody else"
            written = canonical(line)
            prev = sha256(written).hexdigest()
            await connection.execute(
                update(m.Line)
                .where(m.Line.incident_id == incident, m.Line.version == row.version)
                .values(text=written.decode(), hash=prev)
            )
        await connection.execute(update(m.Incident).where(m.Incident.id == incident).values(head=prev))


async def vanish(world: World, incident: str, *, also_of_seals: bool = False) -> None:
    """Removes an incident with everything that is its own."""
    async with world.database.transaction() as connection:
        number = select(m.Incident.number).where(m.Incident.id == incident).scalar_subquery()
        await connection.execute(delete(m.Clock).where(m.Clock.number == number))
        holders = [m.Line, m.Notice, m.Inbox, m.Outbox] + [m.SealedHead] * also_of_seals
        for model in holders:
            table = m.table(model)
            await connection.execute(delete(table).where(table.c.incident_id == incident))
        await connection.execute(delete(m.Incident).where(m.Incident.id == incident))
