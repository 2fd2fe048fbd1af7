"""burst and precision: how long after its due instant a breach is committed."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta

from reporter.bench import reference
from reporter.bench.ground import Bed, Ground
from reporter.bench.plain import Plain
from reporter.bench.reference import now_us
from reporter.bench.results import BenchError, Sample, percentile
from reporter.bench.service import Service
from reporter.bench.shown import Say
from reporter.bench.sizes import Sizes
from reporter.bench.traffic import connection, found_district, occurred_event, publish
from reporter.bench.watch import Breach, Watch
from reporter.engine.fence import MARGIN
from reporter.timesource import from_micros, sleep

PRECISION = "precision"
SPAN = timedelta(minutes=20)
"""Of `initial`, the clock whose breach is measured."""
MARGIN_MS = MARGIN / timedelta(milliseconds=1)
CALM_S = 2.0
"""Before the first due instant everything has been quiet for at least this long."""
LEAD_S_MAX = 280.0
"""A reminder falls five minutes before the due instant: it must be past when the events arrive."""
BREACHED_WITHIN_S = 200.0
REFERENCE_LEAD_S = 2.0


class NotInTime(Exception):
    """The clocks fell due before everything about their opening was done: the lead was too short."""


async def burst(ground: Ground, clocks: int, say: Say) -> list[Sample]:
    """That many clocks due at one instant."""
    ours, theirs = await _both(ground, [0] * clocks, 15 + clocks / 250, say)
    figure = f"burst-{clocks}"
    samples = [
        Sample(figure, name, "ms", percentile(ours, share), percentile(theirs, share))
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    ]
    return [*samples, Sample(figure, "p99_past_margin", "ms", percentile(ours, 0.99) - MARGIN_MS)]


async def precision(ground: Ground, sizes: Sizes, say: Say) -> list[Sample]:
    """Clocks that fall due one after the other, on an idle service."""
    step_us = int(sizes.precision_s * 1_000_000 / sizes.precision_clocks)
    ours, theirs = await _both(ground, [i * step_us for i in range(sizes.precision_clocks)], 20, say)
    samples = []
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        late_ms, plain_ms = percentile(ours, share), percentile(theirs, share)
        samples.append(Sample(PRECISION, f"{name}_past_margin", "ms", late_ms - MARGIN_MS, plain_ms))
        samples.append(Sample(PRECISION, name, "ms", late_ms, plain_ms))
    return samples


async def _both(
    ground: Ground, offsets_us: Sequence[int], lead_s: float, say: Say
) -> tuple[list[float], list[float]]:
    """The milliseconds each clock was late: of the service, then of the reference loop."""
    while True:
        with ground.bed() as bed:
            try:
                breaches = await _breaches(bed, offsets_us, lead_s, say)
            except NotInTime:
                if lead_s >= LEAD_S_MAX:
                    raise BenchError(
                        f"{len(offsets_us)} incidents are not settled within {lead_s:.0f} s"
                    ) from None
                lead_s = min(2 * lead_s, LEAD_S_MAX)
                say(f"that took too long to settle; again with {lead_s:.0f} s ahead")
                continue
            say("the reference loop")
            theirs = await asyncio.to_thread(_reference, bed, offsets_us)
            return [(breach.committed_us - breach.due_us) / 1000 for breach in breaches], theirs


def _reference(bed: Bed, offsets_us: Sequence[int]) -> list[float]:
    plain = Plain(bed.reference)
    try:
        return reference.deadline_loop(plain, offsets_us, REFERENCE_LEAD_S)
    finally:
        plain.close()


async def _breaches(bed: Bed, offsets_us: Sequence[int], lead_s: float, say: Say) -> list[Breach]:
    """1. opens the incidents over NATS, occurred so that they fall due `lead_s` from now; 2. waits until all
    is done about that; 3. watches the breaches being committed; 4. checks that there is one for each.
    """
    await found_district(bed.database)
    plain = Plain(bed.database)
    try:
        async with Service(bed) as service:
            first_us = now_us() + int(lead_s * 1_000_000)
            dues = [first_us + offset for offset in offsets_us]
            say(f"opening {len(dues):,} incidents")
            async with connection(service.nats) as client:
                await publish(
                    client, [occurred_event(i, from_micros(due) - SPAN) for i, due in enumerate(dues)]
                )
            await settled(plain, len(dues), first_us, say)
            with Watch(bed.database) as watch:
                say(f"{len(dues):,} clocks fall due in {(first_us - now_us()) / 1e6:.0f} s")
                await sleep((dues[-1] - now_us()) / 1e6)
                await judged(plain, dues[-1], service)
            breaches = watch.breaches()
    finally:
        plain.close()
    if sorted(breach.due_us for breach in breaches) != sorted(dues):
        raise BenchError(f"{len(dues)} clocks fell due, {len(breaches)} breaches are in the ledger")
    if len({breach.incident for breach in breaches}) != len(dues):
        raise BenchError("some clock was breached twice")
    return breaches


async def settled(plain: Plain, incidents: int, first_us: int, say: Say) -> None:
    """Returns when all are open, told of and published. Errors: NotInTime when that takes too long."""
    unfinished = (
        "SELECT (SELECT count(*) FROM incidents), EXISTS (SELECT 1 FROM outbox), "
        "EXISTS (SELECT 1 FROM notices WHERE next_try_at IS NOT NULL), "
        "EXISTS (SELECT 1 FROM clocks WHERE remind_at <= ?)"
    )
    while True:
        opened, *busy = plain.rows(unfinished, now_us())[0]
        if opened == incidents and not any(busy):
            break
        if now_us() > first_us - CALM_S * 1_000_000:
            raise NotInTime
        say(f"settling: {opened:,} of {incidents:,} open, {(first_us - now_us()) / 1e6:.0f} s left")
        await sleep(0.5)
    if now_us() > first_us - CALM_S * 1_000_000:
        raise NotInTime


async def judged(plain: Plain, last_us: int, service: Service) -> None:
    """Returns when no clock due until `last_us` waits to be judged."""
    limit = time.monotonic() + BREACHED_WITHIN_S
    while plain.rows("SELECT 1 FROM clocks WHERE judge_at <= ? LIMIT 1", last_us):
        if time.monotonic() > limit:
            raise BenchError(
                f"clocks are still not judged after {BREACHED_WITHIN_S:.0f} s: {service.last_words()}"
            )
        await sleep(0.2)
