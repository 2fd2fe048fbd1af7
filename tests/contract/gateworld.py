"""A gate on a real database, with time that moves when told; and what its tables and its ledger say."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any  # columns of rows and documents of JSON

from sqlalchemy import select

from reporter.core.command import Command, Outcome, OutcomeKind, incident_id
from reporter.core.terms import FactKind
from reporter.engine.record import TICK_CLOCKS, Gate
from reporter.store import models as m
from reporter.store import schema
from reporter.store.database import Database
from reporter.store.people import import_roster, import_units
from reporter.timesource import ManualTime
from tests.unit.factories import SOURCE, a_command, at, facts

UNITS = """code,name,parent,phone,region
city,市值班室,,0632-1,
county,乙县,city,0632-2,
east,东街道,county,0632-3,
quiet,无人镇,county,,
west,西街道,city,0632-4,
"""
ROSTER = "unit,role,starts,ends,person,phone,channels\n" + "".join(
    f"{unit},{role},2020-01-01T00:00:00Z,2030-01-01T00:00:00Z,{unit} {role},138,desk\n"
    for unit in ("city", "county", "east")
    for role in ("duty_officer", "leader")
)
SECOND = timedelta(seconds=1)


@dataclass
class World:
    """One database with its gates, and time for all of them.

    `tell` hands a command over at its arrival, or later (`now`); minutes count from `factories.OCCURRED`.
    """

    database: Database
    time: ManualTime
    gate: Gate
    sequence: int = 0
    others: list[Database] = field(default_factory=list)

    def another_gate(self) -> Gate:
        """A gate of another replica, with connections of its own."""
        database = Database(self.database.url.render_as_string(hide_password=False))
        self.others.append(database)
        return Gate(database, self.gate._catalog, self.time)  # the same schedules, whatever they are

    def command(
        self, kind: str, received: float, id_: str, *, unit: str = "east", http: bool = False, **data: Any
    ) -> Command:
        """A command received so many minutes after the occurrence."""
        self.sequence += 1
        sequence = None if http else self.sequence
        source = "/api/desk" if http else SOURCE
        return a_command(kind, data, at(received), id_=id_, unit=unit, source=source, sequence=sequence)

    async def submit(self, *commands: Command, now: float | None = None) -> list[Outcome]:
        """Processes commands as one batch, at the latest arrival or at `now`."""
        latest = max(command.received_at for command in commands)
        self.time.at = max(self.time.at, latest) if now is None else at(now)
        return await self.gate.submit(commands)

    async def open(
        self,
        id_: str = "e1",
        *,
        received: float = 1,
        unit: str = "east",
        now: float | None = None,
        **data: Any,
    ) -> str:
        """Opens an incident and returns its id."""
        [outcome] = await self.submit(
            self.command("occurred", received, id_, unit=unit, **facts(**data)), now=now
        )
        assert outcome.kind is OutcomeKind.ACCEPTED, outcome
        assert outcome.incident == incident_id(SOURCE, id_)
        return outcome.incident

    async def tell(
        self,
        kind: str,
        incident: str,
        received: float,
        *,
        unit: str = "east",
        now: float | None = None,
        id_: str = "",
        **data: Any,
    ) -> Outcome:
        """One command for an incident."""
        name = id_ or f"{kind} {received} {self.sequence}"
        said = {"incident": incident, "reason": "核实"} | data
        return (await self.submit(self.command(kind, received, name, unit=unit, **said), now=now))[0]

    async def tick_until(self, minutes: float) -> None:
        """As the doorbell does: wakes at every instant that a clock waits for, up to so many minutes."""
        while True:
            looks = [look for look in await self.gate.next_looks() if look is not None]
            if not looks or min(looks) > at(minutes):
                break
            self.time.at = max(self.time.at, min(looks))
            assert await self.drain(), "asked to be looked at for nothing"
        self.time.at = max(self.time.at, at(minutes))

    async def drain(
        self, gate: Gate | None = None, judged_through: datetime | None = None, limit: int = TICK_CLOCKS
    ) -> int:
        """Ticks until nothing is due, `limit` clocks at a time. Returns how many clocks."""
        count = 0
        while done := await (gate or self.gate).tick(judged_through or self.time.at, limit):
            count += done
            assert count < 100_000, "the same clock is due again and again"
        return count

    async def rows(self, model: type[m.Base], *conditions: Any) -> list[dict[str, Any]]:
        """The rows of a table."""
        async with self.database.snapshot() as connection:
            found = await connection.execute(select(m.table(model)).where(*conditions))
            return [dict(row) for row in found.mappings()]

    async def incident(self, id_: str) -> dict[str, Any]:
        [row] = await self.rows(m.Incident, m.Incident.id == id_)
        return row

    async def clocks(self, id_: str) -> dict[str, dict[str, Any]]:
        """The incident's clocks by obligation."""
        return {row["obligation"]: row for row in await self._clocks(id_)}

    async def _clocks(self, id_: str) -> list[dict[str, Any]]:
        number = select(m.Incident.number).where(m.Incident.id == id_).scalar_subquery()
        return await self.rows(m.Clock, m.Clock.number == number)

    async def verdicts(self, id_: str) -> list[str | None]:
        rows = await self._clocks(id_)
        return [row["verdict"] for row in sorted(rows, key=lambda row: int(row["position"]))]

    async def notices(self, id_: str) -> list[dict[str, Any]]:
        rows = await self.rows(m.Notice, m.Notice.incident_id == id_)
        return sorted(rows, key=lambda row: (row["recorded_at"], row["obligation"] or "", row["id"]))

    async def ledger(self, id_: str, *kinds: FactKind) -> list[dict[str, Any]]:
        """The incident's lines, oldest first, as JSON; of these kinds (none: all)."""
        rows = sorted(await self.rows(m.Line, m.Line.incident_id == id_), key=lambda row: int(row["version"]))
        return [json.loads(row["text"]) for row in rows if not kinds or row["kind"] in kinds]

    async def breaches(self, id_: str, obligation: str = "initial") -> list[tuple[str, str]]:
        """Each breach of a clock and each lifting, as (kind, due time)."""
        lines = await self.ledger(id_, FactKind.BREACHED, FactKind.BREACH_LIFTED)
        return [(x["kind"], x["body"]["due_at"]) for x in lines if x["body"]["obligation"] == obligation]

    async def kinds(self, id_: str) -> list[str]:
        return [line["kind"] for line in await self.ledger(id_)]


@asynccontextmanager
async def world_on(url: str, catalog: Any, start: datetime, roster: str = ROSTER) -> AsyncIterator[World]:
    """A world on an empty database, with units and a roster."""
    database = Database(url)
    time = ManualTime(start)
    await schema.check(database)
    await import_units(database, UNITS.encode())
    await import_roster(database, roster.encode(), now=start)
    world = World(database, time, Gate(database, catalog, time))
    try:
        yield world
    finally:
        for each in (database, *world.others):
            await each.close()


def outcomes(found: Sequence[Outcome]) -> list[str]:
    """The kinds alone."""
    return [outcome.kind.value for outcome in found]
