"""notices: how long after a breach is due its first notice has been handed to a webhook, with many at one instant."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, cast

from reporter.bench.deadlines import LEAD_S_MAX, SPAN, NotInTime, judged, settled
from reporter.bench.ground import Bed, Ground
from reporter.bench.plain import Plain
from reporter.bench.reference import now_us
from reporter.bench.results import BenchError, Sample, percentile
from reporter.bench.service import Service
from reporter.bench.shown import Say
from reporter.bench.traffic import connection, found_district, occurred_event, publish
from reporter.timesource import from_micros, sleep

SENT_WITHIN_S: Final = 200.0
ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass
class Receiver:
    """A webhook that answers at once and remembers when what came; light, since the service needs the same cores."""

    port: int = 0
    came: list[tuple[int, bytes]] = field(default_factory=list)
    """When each notice of a breach had arrived whole, and its body."""
    connections: int = 0
    connections_max: int = 0

    def first_us(self) -> dict[str, int]:
        """By incident, when the first notice of its breach came."""
        first: dict[str, int] = {}
        for arrived_us, body in self.came:
            first.setdefault(json.loads(body)["incident"], arrived_us)
        return first

    def counts(self) -> Counter[str]:
        """By id, how often each notice of a breach came."""
        return Counter(json.loads(body)["notice"] for _, body in self.came)


class _Connection(asyncio.Protocol):
    """One connection to the receiver, until the other side ends it."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._receiver.connections += 1
        self._receiver.connections_max = max(self._receiver.connections_max, self._receiver.connections)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._receiver.connections -= 1

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (head := self._read.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._read, 0, head)
            starts = head + 4
            ends = starts + (int(length[1]) if length else 0)
            if len(self._read) < ends:
                return
            body, self._read = self._read[starts:ends], self._read[ends:]
            if b'"reason":"breach"' in body:
                self._receiver.came.append((now_us(), body))
            self._transport.write(ANSWER)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port of loopback."""
    receiver = Receiver()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(receiver), "127.0.0.1", 0, backlog=1024)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


async def burst(ground: Ground, clocks: int, say: Say) -> list[Sample]:
    """That many breaches due at one instant, each to a duty officer with a webhook.

    Errors: BenchError if one is lost, or comes twice.
    """
    lead_s = 20 + clocks / 40
    while True:
        with ground.bed() as bed:
            try:
                late_ms, sockets = await _late_ms(bed, clocks, lead_s, say)
            except NotInTime:
                if lead_s >= LEAD_S_MAX:
                    raise BenchError(f"{clocks} incidents are not settled within {lead_s:.0f} s") from None
                lead_s = min(2 * lead_s, LEAD_S_MAX)
                say(f"that took too long to settle; again with {lead_s:.0f} s ahead")
                continue
        figure = f"notices-{clocks}"
        samples = [
            Sample(figure, name, "ms", percentile(late_ms, share))
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        ]
        return [*samples, Sample(figure, "sockets", "", sockets)]


async def _late_ms(bed: Bed, clocks: int, lead_s: float, say: Say) -> tuple[list[float], int]:
    """The milliseconds each first notice was late, and how many connections there were at most."""
    async with receiving() as receiver:
        await found_district(bed.database, f"http://127.0.0.1:{receiver.port}/")
        plain = Plain(bed.database)
        try:
            async with Service(bed) as service:
                due_us = now_us() + int(lead_s * 1_000_000)
                say(f"opening {clocks:,} incidents")
                occurred = from_micros(due_us) - SPAN
                async with connection(service.nats) as client:
                    await publish(client, [occurred_event(i, occurred) for i in range(clocks)])
                await settled(plain, clocks, due_us, say)
                say(f"{clocks:,} clocks fall due in {(due_us - now_us()) / 1e6:.0f} s")
                await sleep((due_us - now_us()) / 1e6)
                await judged(plain, due_us, service)
                await _sent(plain, service)
        finally:
            plain.close()
        first_us = receiver.first_us()
        if len(first_us) != clocks:
            raise BenchError(f"{clocks} clocks were breached, {len(first_us)} notices came")
        if twice := sum(count > 1 for count in receiver.counts().values()):
            raise BenchError(f"{twice} notices came twice")
        return [(at - due_us) / 1000 for at in first_us.values()], receiver.connections_max


async def _sent(plain: Plain, service: Service) -> None:
    """Returns when no notice waits to be sent."""
    limit = time.monotonic() + SENT_WITHIN_S
    while plain.rows("SELECT 1 FROM notices WHERE next_try_at IS NOT NULL LIMIT 1"):
        if time.monotonic() > limit:
            raise BenchError(f"notices still wait after {SENT_WITHIN_S:.0f} s: {service.last_words()}")
        await sleep(0.2)
