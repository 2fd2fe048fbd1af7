"""notices: how long after a breach is due its first notice has been handed to a webhook, with many at one instant."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

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


@dataclass
class Receiver:
    """A webhook that answers at once and remembers when what came first: the arrival of the whole head."""

    port: int = 0
    first_us: dict[str, int] = field(default_factory=dict)
    """By incident, the first notice of its breach."""
    breaches: Counter[str] = field(default_factory=Counter)
    """By id, how often each notice of a breach came."""
    connections: int = 0
    connections_max: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other side ends it."""
        self.connections += 1
        self.connections_max = max(self.connections_max, self.connections)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                arrived_us = now_us()
                lines = head.decode().lower().split("\r\n")
                length = next(line for line in lines if line.startswith("content-length:"))
                notice = json.loads(await reader.readexactly(int(length.partition(":")[2])))
                if notice["reason"] == "breach":
                    self.first_us.setdefault(notice["incident"], arrived_us)
                    self.breaches[notice["notice"]] += 1
                writer.write(ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.connections -= 1
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port of loopback."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, backlog=1024)
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
        if len(receiver.first_us) != clocks:
            raise BenchError(f"{clocks} clocks were breached, {len(receiver.first_us)} notices came")
        if twice := sum(count > 1 for count in receiver.breaches.values()):
            raise BenchError(f"{twice} notices came twice")
        return [(at - due_us) / 1000 for at in receiver.first_us.values()], receiver.connections_max


async def _sent(plain: Plain, service: Service) -> None:
    """Returns when no notice waits to be sent."""
    limit = time.monotonic() + SENT_WITHIN_S
    while plain.rows("SELECT 1 FROM notices WHERE next_try_at IS NOT NULL LIMIT 1"):
        if time.monotonic() > limit:
            raise BenchError(f"notices still wait after {SENT_WITHIN_S:.0f} s: {service.last_words()}")
        await sleep(0.2)
