"""An open board without a browser: the served application, its stream read event by event, and SQL counted."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any
from unittest.mock import patch

import httpx
from sqlalchemy import event

from reporter.desk import auth
from reporter.desk.server import Server
from reporter.store.database import Database
from tests.desk.conftest import World

WAIT_S = 10.0


@dataclass
class Event:
    """One event of a stream."""

    kind: str
    data: Any
    id: str | None


@dataclass
class OpenBoard:
    """One stream; every event that came is kept."""

    lines: AsyncIterator[str]
    seen: list[Event] = field(default_factory=list)

    async def next(self, *kinds: str) -> Event:
        """The next event, of one of these kinds if any are named."""
        async with asyncio.timeout(WAIT_S):
            while True:
                found = await self._read()
                self.seen.append(found)
                if not kinds or found.kind in kinds:
                    return found

    async def ends(self) -> None:
        """Waits until the server ends the stream."""
        async with asyncio.timeout(WAIT_S):
            async for _ in self.lines:
                pass

    async def _read(self) -> Event:
        fields: dict[str, str] = {}
        async for line in self.lines:
            if not line and fields:
                break
            name, _, value = line.partition(": ")
            fields[name] = value
        return Event(fields["event"], json.loads(fields["data"]), fields.get("id"))


@asynccontextmanager
async def served(world: World) -> AsyncIterator[str]:
    """The application on a port, with its hub running: the URL."""
    server = Server(world.app)
    url = await server.start("127.0.0.1", 0)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(world.app.state.hub.run())
        try:
            yield url
        finally:
            world.app.state.hub.close()
            running.cancel()
            await server.stop()


@asynccontextmanager
async def signed_in_at(
    world: World, url: str, role: str = "duty", unit: str = "root"
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of somebody signed in at the served application."""
    secret = await world.secret(role, unit, name=f"board.{role}.{unit}")
    async with httpx.AsyncClient(base_url=url, timeout=WAIT_S) as client:
        answer = await client.post("/sign-in", data={"token": secret})
        assert answer.status_code == 303
        yield client


@asynccontextmanager
async def open_board(
    client: httpx.AsyncClient, query: str = "", headers: dict[str, str] | None = None
) -> AsyncIterator[OpenBoard]:
    """A stream of `/events`."""
    async with client.stream("GET", f"/events{query}", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield OpenBoard(answer.aiter_lines())


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that readers of the database execute inside the block.

    Whoever was known before it stays so, or a slow moment would have callers looked up anew (`auth.FRESH_S`).
    """
    statements: list[str] = []
    engine = database._reader.sync_engine

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement != "BEGIN":
            statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        with patch.object(auth, "FRESH_S", inf):
            yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)
