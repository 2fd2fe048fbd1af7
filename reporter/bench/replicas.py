"""replicas: the same burst with one service, with two on one database and broker, and with one of the two killed."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

from reporter.bench.deadlines import judged, settled
from reporter.bench.ground import Bed, Ground
from reporter.bench.plain import Plain
from reporter.bench.reference import now_us
from reporter.bench.results import BenchError, Sample, percentile
from reporter.bench.service import Service
from reporter.bench.shown import Say
from reporter.bench.sizes import Sizes
from reporter.bench.traffic import connection, found_district, occurred_event, publish
from reporter.bench.watch import Watch
from reporter.timesource import from_micros, sleep

FIGURE: Final = "replicas"
SPAN: Final = timedelta(minutes=20)
LEAD_US: Final = 25_000_000
KILLED_AFTER_S: Final = 0.1
"""After the due instant: in the middle of its share."""


async def measure(ground: Ground, sizes: Sizes, say: Say) -> list[Sample]:
    """PostgreSQL only: nothing on SQLite, which one service has for itself."""
    if ground.kind != "postgresql":
        return []
    found: dict[str, list[float]] = {}
    for name, count, is_killed in (("one", 1, False), ("two", 2, False), ("two_one_killed", 2, True)):
        with ground.bed() as bed:
            found[name] = await _burst(bed, sizes.replica_clocks, count, say, is_killed=is_killed)
    alone = percentile(found["one"], 0.99)
    added_s = (max(found["two_one_killed"]) - max(found["two"])) / 1000
    return [
        Sample(FIGURE, "one_p99", "ms", alone),
        Sample(FIGURE, "two_p99", "ms", percentile(found["two"], 0.99), alone),
        Sample(FIGURE, "two_one_killed_p99", "ms", percentile(found["two_one_killed"], 0.99), alone),
        Sample(FIGURE, "added_by_a_death", "s", max(added_s, 0.0)),
    ]


async def _burst(bed: Bed, clocks: int, services: int, say: Say, *, is_killed: bool) -> list[float]:
    """The milliseconds each clock was late. The second service is killed at the due instant, if one is."""
    await found_district(bed.database)
    plain = Plain(bed.database)
    try:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(Service(bed))
            others = [
                await stack.enter_async_context(Service(bed, beside=first)) for _ in range(services - 1)
            ]
            due_us = now_us() + LEAD_US
            say(f"opening {clocks:,} incidents, {services} services")
            async with connection(first.nats) as client:
                occurred = from_micros(due_us) - SPAN
                await publish(client, [occurred_event(number, occurred) for number in range(clocks)])
            await settled(plain, clocks, due_us, say)
            with Watch(bed.database) as watch:
                say(f"{clocks:,} clocks fall due in {(due_us - now_us()) / 1e6:.0f} s")
                await _until(due_us, others[0].kill if is_killed else None)
                await judged(plain, due_us, first)
            breaches = watch.breaches()
    finally:
        plain.close()
    if len(breaches) != clocks or len({breach.incident for breach in breaches}) != clocks:
        raise BenchError(f"{clocks} clocks fell due, {len(breaches)} breaches are in the ledger")
    return [(breach.committed_us - breach.due_us) / 1000 for breach in breaches]


async def _until(due_us: int, then: Callable[[], None] | None) -> None:
    await sleep((due_us - now_us()) / 1e6)
    if then is not None:
        await sleep(KILLED_AFTER_S)
        then()
