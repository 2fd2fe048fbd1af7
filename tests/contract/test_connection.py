"""The connection to a real broker: it comes back also where the client has closed itself for good."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest

from reporter import bus as buses
from reporter.bus import DURABLE, STREAM_IN, STREAM_OUT, Bus
from reporter.embedded import find_program

LOCKED = 'authorization { user: "someone", password: "else" }\n'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A nats-server whose configuration can be changed while it runs."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it; on the same store, if it was there before."""
        self.configure("")
        log = self.folder / "nats.log"
        self.process = subprocess.Popen(
            [find_program(), "-c", self.folder / "nats.conf", "-l", log], stderr=subprocess.DEVNULL
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def configure(self, more: str) -> None:
        """Writes the configuration, and has a running server read it."""
        base = f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{self.folder / "store"}" }}\n'
        (self.folder / "nats.conf").write_text(base + more, encoding="utf-8")
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGHUP)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    found = Server(tmp_path, free_port())
    yield found
    found.stop()


@pytest.fixture
async def bus(server: Server) -> AsyncIterator[Bus]:
    """A bus that is being kept connected; the server is not yet there."""
    found = Bus(server.url)
    connected = asyncio.Event()
    keeping = asyncio.get_running_loop().create_task(found.keep_connected(connected))
    yield found
    keeping.cancel()
    await asyncio.wait([keeping])
    await found.close()


async def until(condition: Callable[[], bool], within_s: float = 15.0) -> None:
    limit = monotonic() + within_s
    while not condition():
        assert monotonic() < limit, "did not happen in time"
        await asyncio.sleep(0.02)


async def test_a_broker_that_was_never_there_is_found_when_it_comes(bus: Bus, server: Server) -> None:
    await asyncio.sleep(0.3)
    assert not bus.is_connected

    server.start()

    await until(lambda: bus.is_connected)
    await bus.ensure()
    assert (await bus.intake_standing()).is_all_read


async def test_a_client_that_closed_itself_over_a_password_is_replaced(bus: Bus, server: Server) -> None:
    server.start()
    await until(lambda: bus.is_connected)
    first = bus.client

    server.configure(LOCKED)
    await until(lambda: not bus.is_connected)
    await until(lambda: first.is_closed)
    server.configure("")

    await until(lambda: bus.is_connected)
    assert bus.client is not first
    await bus.ensure()


async def test_a_client_that_is_away_for_too_long_is_replaced_and_the_new_one_finds_the_broker(
    bus: Bus, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buses, "AWAY_S_MAX", 1.0)
    server.start()
    await until(lambda: bus.is_connected)
    first = bus.client

    server.stop()
    await until(lambda: first.is_closed)
    server.start()

    await until(lambda: bus.is_connected)
    await bus.ensure()


async def test_whatever_is_missing_is_made_again(bus: Bus, server: Server) -> None:
    server.start()
    await until(lambda: bus.is_connected)
    await bus.ensure()

    await bus.jetstream.delete_consumer(STREAM_IN, DURABLE)
    await bus.ensure()
    assert (await bus.intake_standing()).floor == 0
    for stream in (STREAM_IN, STREAM_OUT):
        await bus.jetstream.delete_stream(stream)
    await bus.ensure()

    assert (await bus.intake_standing()).is_all_read
    assert (await bus.jetstream.stream_info(STREAM_OUT)).config.subjects == ["reporter.out.>"]
