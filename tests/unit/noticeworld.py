"""A world for tests of notices: real database, real gate, time that stands still, receivers of webhooks."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any  # columns of a row

from sqlalchemy import Row, insert, select

from reporter.catalog import load
from reporter.channels import Channel, close_channels, load_channels
from reporter.core.command import Command, OutcomeKind
from reporter.core.terms import CommandKind, Mode, NoticeReason, NoticeState
from reporter.engine import lookout
from reporter.engine.notify import Notifier
from reporter.engine.record import Gate
from reporter.render import Renderer
from reporter.resources import schedules_dir
from reporter.sending.sender import Sender
from reporter.settings import Settings
from reporter.store import schema
from reporter.store.database import Database
from reporter.store.models import Notice, table
from reporter.store.people import import_roster, import_units
from reporter.timesource import ManualTime
from reporter.values import Tables
from tests.addresses import only_on
from tests.contract.hooks import Hooks, listening

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
UNITS = """code,name,parent,phone,region
city,市值班室,,0632-1,
east,东街道,city,0632-2,
quiet,无人镇,city,0632-3,
"""
CATALOG = load([schedules_dir()])


@dataclass
class World:
    """A database, the gate, time that stands still, and receivers of webhooks."""

    database: Database
    gate: Gate
    time: ManualTime
    hooks: Hooks
    channels: list[Channel] = field(default_factory=list)

    def notifier(
        self, gate: Gate | None = None, *, send_timeout_s: float = 15, accounts: Tables | None = None
    ) -> Notifier:
        gate = gate or self.gate
        channels = load_channels(Settings(webhook_timeout_s=60, channels=accounts or Tables()))
        self.channels += channels.values()
        sender = Sender(channels, Renderer("Asia/Shanghai"), self.time, send_timeout_s=send_timeout_s)
        return Notifier(
            self.database,
            gate,
            channels,
            sender,
            self.time,
            gate.signals,
            send_timeout_s=send_timeout_s,
        )

    async def on_duty(self, unit: str, role: str, person: str, *channels: str) -> None:
        line = f"{unit},{role},2026-11-01T00:00:00Z,2026-12-01T00:00:00Z,{person},138,{'|'.join(channels)}"
        content = f"unit,role,starts,ends,person,phone,channels\n{line}\n"
        await import_roster(self.database, content.encode())

    async def open(
        self, unit: str = "east", *, minutes_ago: float = 20, mode: Mode = Mode.ACTUAL, name: str = ""
    ) -> str:
        """An incident that occurred so long ago; what is due by now is recorded, its notices wait. Its id."""
        occurred = (self.time.now() - timedelta(minutes=minutes_ago)).isoformat()
        data = {"title": "化工园区爆燃", "occurred": occurred, "mode": mode.value}
        received = self.time.now() - timedelta(minutes=max(0.0, minutes_ago - 1))
        event = name or unit
        command = Command(CommandKind.OCCURRED, "//t", event, received, unit, data, "0" * 64, f"nats:{unit}")
        (outcome,) = await self.gate.submit([command])
        assert outcome.incident is not None
        while await self.gate.tick(self.time.now()):
            pass
        return outcome.incident

    async def acknowledge(self, incident: str, notice: str) -> None:
        """Somebody of the unit acknowledges one notice."""
        data = {"incident": incident, "notice": notice, "by": "李东"}
        command = Command(
            CommandKind.ACKNOWLEDGED,
            "//t",
            f"ack {notice}",
            self.time.now(),
            "east",
            data,
            "1" * 64,
            "nats:east",
        )
        (outcome,) = await self.gate.submit([command])
        assert outcome.kind is OutcomeKind.ACCEPTED, outcome

    async def add(self, count: int, channel: str, address: str = "", **values: object) -> list[str]:
        """Notices written straight into the table, of no incident."""
        rows = [
            {
                "id": f"{channel}-{number}-{address}"[:36],
                "unit": "city",
                "mode": Mode.ACTUAL,
                "repeat": 1,
                "reason": NoticeReason.REJECTED,
                "to_role": "unit.duty_officer",
                "person": "王",
                "channel": channel,
                "address": address,
                "state": NoticeState.QUEUED,
                "recorded_at": NOW,
                "attempts": 0,
                "next_try_at": NOW,
                **values,
            }
            for number in range(count)
        ]
        async with self.database.transaction() as connection:
            await connection.execute(insert(Notice), rows)
        return [str(row["id"]) for row in rows]

    async def notices(self, **wanted: object) -> Sequence[Row[Any]]:
        """The notices as they stand."""
        query = select(*table(Notice).c)
        for name, value in wanted.items():
            query = query.where(getattr(Notice, name) == value)
        async with self.database.snapshot() as connection:
            return (await connection.execute(query)).all()

    async def states(self, **wanted: object) -> list[str]:
        return [notice.state for notice in await self.notices(**wanted)]


@asynccontextmanager
async def world_on(url: str) -> AsyncIterator[World]:
    """A world with three units, on an empty database."""
    database = Database(url)
    await schema.upgrade(database)
    await import_units(database, UNITS.encode())
    clock = ManualTime(NOW)
    async with listening() as hooks:
        found = World(
            database, Gate(database, CATALOG, clock, only_on("desk", "console", "webhook")), clock, hooks
        )
        yield found
        await close_channels(found.channels)
    await database.close()


@asynccontextmanager
async def running(*notifiers: Notifier) -> AsyncIterator[None]:
    """These at work, each with its lookout."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(notifier.run()) for notifier in notifiers]
        for each in notifiers:
            tasks.append(group.create_task(lookout.run(each._database, each._time, each._signals)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def eventually(holds: Callable[[], Awaitable[bool]], within_s: float = 20) -> None:
    ends = time.monotonic() + within_s
    while not await holds():
        assert time.monotonic() < ends, "it did not come about"
        await asyncio.sleep(0.02)
