"""A process that holds many boards open: the streams alone, on bare sockets, so that looking costs little.

It is told on stdin, in one line of JSON, which boards to open; says `ready` once each has been sent its page; and
at the end of stdin prints, for each board, when it was first shown each mark (`now_us`).
"""

import asyncio
import json
import re
import sys
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from reporter.bench.reference import now_us

READY_S: Final = 120.0
MARK: Final = re.compile(rb"bench-\d{6}")
_END: Final = b"\n\n"


@dataclass(eq=False)
class Board(asyncio.Protocol):
    """One open stream. `shown`: mark → the arrival of the event that carried it; `trouble`: why it has ended."""

    request: bytes
    shown: dict[str, int] = field(default_factory=dict)
    trouble: str | None = None
    events: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _came: bytearray = field(default_factory=bytearray)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the stream."""
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Takes the events that are complete: the server puts each into one chunk of its answer."""
        arrived_us = now_us()
        looked = max(0, len(self._came) - 1)
        self._came += data
        while (end := self._came.find(_END, looked)) >= 0:
            event = bytes(self._came[:end])
            del self._came[: end + len(_END)]
            looked = 0
            self._take(event, arrived_us)

    def connection_lost(self, exc: Exception | None) -> None:
        """A stream that ends before it is asked to is a trouble."""
        self.trouble = self.trouble or f"the stream has ended: {exc or self._came[:200]!r}"
        self.ready.set()

    def _take(self, event: bytes, arrived_us: int) -> None:
        if b"event: bye" in event:
            self.trouble = "the board was sent away"
        if b"event: board" in event:
            self.events += 1
            for mark in MARK.findall(event):
                self.shown.setdefault(mark.decode(), arrived_us)
            self.ready.set()


async def look_on(url: str, boards: list[dict[str, str]]) -> list[Board]:
    """Opens the boards, says so, and looks on until stdin ends."""
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    opened = []
    for each in boards:
        head = (
            f"GET {each['path']} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Cookie: {each['cookie']}\r\nAccept: text/event-stream\r\n\r\n"
        )
        made = partial(Board, head.encode("ascii"))
        _, board = await loop.create_connection(made, address.hostname or "", address.port or 80)
        opened.append(board)
    async with asyncio.timeout(READY_S):
        for board in opened:
            await board.ready.wait()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    return opened


def main() -> None:
    """The process."""
    asked = json.loads(sys.stdin.readline())
    opened = asyncio.run(look_on(asked["url"], asked["boards"]))
    told = [{"shown": each.shown, "events": each.events, "trouble": each.trouble} for each in opened]
    sys.stdout.write(json.dumps(told))
