"""What stands in front of a PostgreSQL server: it logs sessions in whatever has become of the server behind it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

READY_FOR_QUERY = b"Z\x00\x00\x00\x05"
CHUNK = 65_536


@dataclass
class Pooler:
    """Passes everything on; while `is_away`, a session is cut at its first query."""

    url: str
    port_behind: int
    is_away: bool = False
    cut: int = 0
    """Sessions that were cut so far."""
    _sessions: set[asyncio.Task[None]] = field(default_factory=set)

    def came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody connected."""
        session = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._sessions.add(session)
        session.add_done_callback(self._sessions.discard)

    async def end(self) -> None:
        """Cuts all sessions that are there."""
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, to_server = await asyncio.open_connection("127.0.0.1", self.port_behind)
        is_in = asyncio.Event()

        async def asks() -> None:
            while chunk := await reader.read(CHUNK):
                if self.is_away and is_in.is_set():
                    self.cut += 1
                    return
                to_server.write(chunk)

        async def answers() -> None:
            while chunk := await behind.read(CHUNK):
                if READY_FOR_QUERY in chunk:
                    is_in.set()
                writer.write(chunk)

        try:
            both = asyncio.create_task(asks()), asyncio.create_task(answers())
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        finally:
            writer.close()
            to_server.close()


@asynccontextmanager
async def pooler(url: str) -> AsyncIterator[Pooler]:
    """One in front of the server of `url`; its own `url` leads through it to the same database."""
    parts = urlsplit(url)
    found = Pooler(url, parts.port or 5432)
    async with await asyncio.start_server(found.came, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found.url = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}"))
        yield found
        await found.end()
