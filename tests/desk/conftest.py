"""A small district: a real database, the real gate, the real application; time moves when told."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from reporter import catalog
from reporter.desk.app import create_app
from reporter.desk.services import Check, Services
from reporter.engine.record import Gate
from reporter.engine.troubles import Trouble, troubles_of
from reporter.resources import schedules_dir
from reporter.store import tokens
from reporter.store.database import Database, open_database
from reporter.store.filebox import FileBox
from reporter.store.models import Base, Unit
from reporter.timesource import ManualTime

START = datetime(2026, 11, 23, 6, 5, tzinfo=UTC)
FILE_BYTES_MAX = 64 * 1024
OCCURRED = "2026-11-23T14:00:00+08:00"
UNITS = (
    ("city", "某市", None),
    ("jia", "甲县", "city"),
    ("yi", "乙县", "city"),
    ("yi-town", "乙县某镇", "yi"),
)
Json = dict[str, Any]


@dataclass
class World:
    """The application and what it stands on. `checks` is what `/readyz` is told."""

    database: Database
    gate: Gate
    time: ManualTime
    exits: AsyncExitStack
    checks: dict[str, Check] = field(default_factory=lambda: {"database": {"ok": True}, "nats": {"ok": True}})
    clients: dict[tuple[str, str], httpx.AsyncClient] = field(default_factory=dict)

    def __post_init__(self) -> None:
        folder = Path(self.exits.enter_context(TemporaryDirectory()))
        loaded = catalog.load([schedules_dir()])
        self.services = Services(
            database=self.database,
            gate=self.gate,
            time=self.time,
            health=self._health,
            troubles=self._troubles,
            changed=self.gate.signals.boards,
            schedules=loaded.schedules.keys(),
            catalog=loaded,
            files=FileBox(folder, FILE_BYTES_MAX),
        )
        self.app = create_app(self.services)

    async def _health(self) -> Mapping[str, Check]:
        return self.checks

    async def _troubles(self) -> tuple[Trouble, ...]:
        return troubles_of(self.checks)

    async def browser(self, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
        """Somebody without a token."""
        transport = httpx.ASGITransport(self.app)
        client = httpx.AsyncClient(transport=transport, base_url="http://desk", headers=headers)
        return await self.exits.enter_async_context(client)

    async def secret(self, role: str, unit: str = "root", name: str | None = None) -> str:
        """A new token."""
        return await tokens.create(self.database, name or f"{role}.{unit}", role, unit, self.time.now())

    async def client(self, role: str = "duty", unit: str = "root") -> httpx.AsyncClient:
        """Somebody with a token, the same for the same role and unit."""
        if (role, unit) not in self.clients:
            secret = await self.secret(role, unit)
            self.clients[role, unit] = await self.browser({"Authorization": f"Bearer {secret}"})
        return self.clients[role, unit]

    async def open(self, unit: str = "yi", **data: Any) -> Json:
        """A new incident, 5 minutes old."""
        client = await self.client()
        sent = {"title": "化工园区爆燃", "occurred": OCCURRED, "unit": unit, **data}
        answer = await client.post("/api/v1/incidents", json=sent)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def post(self, incident: Json, command: str, **data: Any) -> Json:
        """One command of the duty officer's, which must be accepted."""
        client = await self.client()
        answer = await client.post(f"/api/v1/incidents/{incident['id']}/{command}", json=data)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def pass_time(self, minutes: float) -> None:
        """Lets time pass, and the clocks strike what is due."""
        self.time.advance(timedelta(minutes=minutes))
        while await self.gate.tick(self.time.now()):
            pass


async def make_world(database: Database, exits: AsyncExitStack) -> World:
    """The district on an empty database."""
    async with database.transaction() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(
            insert(Unit),
            [
                {"code": code, "name": name, "parent": parent, "phone": "", "region": "", "is_active": True}
                for code, name, parent in UNITS
            ],
        )
    time = ManualTime(START)
    return World(database, Gate(database, catalog.load([schedules_dir()]), time), time, exits)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The district on SQLite."""
    database = open_database(None, tmp_path)
    async with AsyncExitStack() as exits:
        yield await make_world(database, exits)
    await database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
async def each_world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """The district, on each database in turn."""
    if request.param == "sqlite":
        database = open_database(None, tmp_path)
    else:
        database = Database(request.getfixturevalue("postgres"))
    async with AsyncExitStack() as exits:
        yield await make_world(database, exits)
    await database.close()
