"""The HTTP server itself, over a socket."""

import signal
import socket

import httpx
import pytest

from reporter.desk.server import Server
from tests.desk.conftest import World


async def test_it_listens_where_it_says_and_stops(world: World) -> None:
    before = signal.getsignal(signal.SIGTERM)
    server = Server(world.app)
    url = await server.start("127.0.0.1", 0)

    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.get("/healthz")
        head = await client.head("/healthz")

    assert answer.json() == {"status": "ok"}
    assert answer.headers["date"]
    assert "server" not in answer.headers
    assert (head.status_code, head.content) == (200, b"")
    assert signal.getsignal(signal.SIGTERM) is before
    await server.stop()
    await server.stop()
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_a_port_in_use_is_an_error_and_not_an_exit(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(OSError, match="in use"):
            await Server(world.app).start("127.0.0.1", taken.getsockname()[1])
