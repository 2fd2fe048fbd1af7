"""latency: from publishing to the outcome that comes back after the commit, at a steady trickle."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import DeliverPolicy

from reporter.bench.ground import Bed
from reporter.bench.plain import Plain
from reporter.bench.reference import IntakeLoop
from reporter.bench.results import BenchError, Sample, percentile
from reporter.bench.service import Service
from reporter.bench.shown import Say
from reporter.bench.sizes import Sizes
from reporter.bench.traffic import STRUCTURED, connection, found_district, occurred_event
from reporter.embedded import EmbeddedNats
from reporter.timesource import SystemTime, sleep
from reporter.wiring import NATS_FOLDER

FIGURE = "latency"
WARM_UP = 20
"""Events before the counted ones: the first ones load code and plan queries."""
LAST_ANSWER_S = 10.0


async def measure(bed: Bed, sizes: Sizes, say: Say) -> list[Sample]:
    """The same trickle to the idle service, then to the reference loop."""
    await found_district(bed.database)
    say(f"{sizes.latency_per_s} events/s to the service")
    async with Service(bed) as service, connection(service.nats) as client:
        ours = await _trickle(client, sizes, 0)
    say(f"{sizes.latency_per_s} events/s to the reference loop")
    theirs = await _reference(bed, sizes)
    return [
        Sample(FIGURE, name, "ms", percentile(ours, share), percentile(theirs, share))
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    ]


async def _reference(bed: Bed, sizes: Sizes) -> list[float]:
    broker = EmbeddedNats(bed.data_dir / NATS_FOLDER, port=0)
    await broker.start()
    plain = Plain(bed.reference)
    try:
        async with connection(broker.url) as client, connection(broker.url) as own:
            loop = await IntakeLoop.prepared(own, plain, DeliverPolicy.NEW)
            async with asyncio.TaskGroup() as group:
                taking = group.create_task(_forever(lambda: loop.take(1)))
                found = await _trickle(client, sizes, 1_000_000)
                taking.cancel()
            return found
    finally:
        plain.close()
        await broker.stop()


async def _forever(turn: Callable[[], Awaitable[object]]) -> None:
    while True:
        await turn()


async def _trickle(client: Client, sizes: Sizes, first: int) -> list[float]:
    """Publishes at the rate, and returns the milliseconds from each publication to its outcome."""
    inbox = client.new_inbox()
    sent: dict[str, float] = {}
    late_ms: dict[str, float] = {}
    odd: list[str] = []
    count = WARM_UP + int(sizes.latency_per_s * sizes.latency_s)
    all_here = asyncio.Event()

    async def answered(message: Msg) -> None:
        number = message.subject.rpartition(".")[2]
        late_ms[number] = (time.perf_counter() - sent[number]) * 1000
        if message.data != b"{}" and json.loads(message.data)["outcome"] != "accepted":
            odd.append(message.data.decode())
        if len(late_ms) == count:
            all_here.set()

    subscription = await client.subscribe(f"{inbox}.*", cb=answered)
    started = time.perf_counter()
    for index in range(count):
        await sleep(max(0.0, started + index / sizes.latency_per_s - time.perf_counter()))
        subject, body = occurred_event(first + index, SystemTime().now())
        number = str(index)
        sent[number] = time.perf_counter()
        await client.publish(subject, body, headers={**STRUCTURED, "Reporter-Reply": f"{inbox}.{number}"})
    try:
        async with asyncio.timeout(LAST_ANSWER_S):
            await all_here.wait()
    except TimeoutError:
        raise BenchError(f"{count - len(late_ms)} of {count} events were not answered") from None
    await subscription.unsubscribe()
    if odd:
        raise BenchError(f"{len(odd)} events were not accepted, the first: {odd[0]}")
    return [late_ms[str(index)] for index in range(WARM_UP, count)]
