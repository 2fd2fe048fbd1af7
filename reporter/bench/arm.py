"""arm: a stream that already holds the events → three clocks each, durable, hashed, acknowledged."""

import time

from nats.aio.client import Client

from reporter.bench import reference
from reporter.bench.ground import Bed
from reporter.bench.plain import Plain
from reporter.bench.results import BenchError, Sample
from reporter.bench.service import Service
from reporter.bench.shown import Say
from reporter.bench.sizes import Sizes
from reporter.bench.traffic import connection, found_district, occurred_event, publish
from reporter.bus import DURABLE, STREAM_IN
from reporter.embedded import EmbeddedNats
from reporter.timesource import SystemTime, sleep
from reporter.wiring import NATS_FOLDER

FIGURE = "arm"
POLL_S = 0.05
STALLED_S = 60.0
CHUNK = 5_000


async def measure(bed: Bed, sizes: Sizes, say: Say) -> list[Sample]:
    """1. the service makes streams and tables and stops; 2. the stream is filled; 3. the service arms it all;
    4. the reference loop takes the same stream.
    """
    await found_district(bed.database)
    async with Service(bed):
        pass
    broker = EmbeddedNats(bed.data_dir / NATS_FOLDER, port=0)
    await broker.start()
    try:
        async with connection(broker.url) as client:
            for start in range(0, sizes.arm_events, CHUNK):
                say(f"filling the stream: {start:,} of {sizes.arm_events:,}")
                now = SystemTime().now()
                numbers = range(start, min(start + CHUNK, sizes.arm_events))
                await publish(client, [occurred_event(number, now) for number in numbers])
    finally:
        await broker.stop()

    async with Service(bed) as service, connection(service.nats) as client:
        rate, ended_at = await _watch_floor(client, sizes.arm_events, say)
        wall_s = ended_at - service.launched_at
    check_armed(bed, sizes.arm_events)

    say("the reference loop")
    broker = EmbeddedNats(bed.data_dir / NATS_FOLDER, port=0)
    await broker.start()
    plain = Plain(bed.reference)
    try:
        async with connection(broker.url) as client:
            plain_rate = await reference.arm_rate(client, plain, sizes.arm_events)
    finally:
        plain.close()
        await broker.stop()
    return [
        Sample(FIGURE, "rate", "incidents/s", rate, plain_rate),
        Sample(FIGURE, "wall_from_start", "s", wall_s),
    ]


async def _watch_floor(client: Client, events: int, say: Say) -> tuple[float, float]:
    """Incidents per second and when (`perf_counter`) the last was acknowledged.

    Counted from the first acknowledged floor above 0 that was seen, so the start of the process is left out;
    and by the broker's word, so what counts is committed and acknowledged.
    """
    jetstream = client.jetstream()
    first: tuple[int, float] | None = None
    floor, moved_at = 0, time.perf_counter()
    while floor < events:
        info = await jetstream.consumer_info(STREAM_IN, DURABLE)
        now = time.perf_counter()
        seen = info.ack_floor.stream_seq if info.ack_floor else 0
        if seen > floor:
            floor, moved_at = seen, now
            first = first or (floor, now)
            say(f"armed {floor:,} of {events:,}")
        elif now - moved_at > STALLED_S:
            raise BenchError(f"the service has stopped at {floor} of {events} events")
        await sleep(POLL_S)
    if first is None or first[0] == events:
        raise BenchError(f"{events} events were armed before the first look: too few to measure a rate")
    return (events - first[0]) / (moved_at - first[1]), moved_at


def check_armed(bed: Bed, events: int) -> None:
    """Every event is an incident with three clocks and a line of its own. Errors: BenchError."""
    plain = Plain(bed.database)
    try:
        counts = {
            table: plain.rows(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608
            for table in ("incidents", "clocks", "inbox")
        }
    finally:
        plain.close()
    if counts != {"incidents": events, "clocks": 3 * events, "inbox": events}:
        raise BenchError(f"{events} events were acknowledged, but the tables hold {counts}")
