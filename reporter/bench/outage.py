"""outage: the service is killed, clocks fall due meanwhile, and a new process has to make up for it."""

import time
from datetime import timedelta
from typing import Final

from reporter.bench.deadlines import settled
from reporter.bench.fill import Filler
from reporter.bench.ground import Bed
from reporter.bench.plain import Plain
from reporter.bench.reference import now_us
from reporter.bench.results import BenchError, Sample
from reporter.bench.service import Service
from reporter.bench.shown import Say
from reporter.bench.sizes import Sizes
from reporter.bench.traffic import connection, found_district, occurred_event, publish
from reporter.timesource import from_micros, sleep

FIGURE: Final = "outage"
SPAN: Final = timedelta(minutes=20)
LEAD_US: Final = 20_000_000
"""Between the opening and the deadlines; within it everything is told and published, and the service killed."""
AWAY_US: Final = 2_000_000
RECORDED_WITHIN_S: Final = 60.0
LOOK_S: Final = 0.01


async def measure(bed: Bed, sizes: Sizes, say: Say) -> list[Sample]:
    """1. many incidents are open; 2. some more are opened over NATS; 3. kill -9; 4. their clocks fall due;
    5. a new process starts, and the last of their breaches is committed.
    """
    await found_district(bed.database)
    await Filler(bed.database, say).fill(sizes.outage_open - sizes.outage_due)
    plain = Plain(bed.database)
    try:
        async with Service(bed) as service, connection(service.nats) as client:
            due_us = now_us() + LEAD_US
            say(f"opening {sizes.outage_due:,} incidents")
            occurred = from_micros(due_us) - SPAN
            await publish(client, [occurred_event(number, occurred) for number in range(sizes.outage_due)])
            await settled(plain, sizes.outage_open, due_us, say)
            service.kill()
        say("the service is dead; the clocks fall due")
        await sleep((due_us + AWAY_US - now_us()) / 1e6)
        async with Service(bed) as service:
            recorded_s = await _recorded(plain, due_us, sizes.outage_due, service)
    finally:
        plain.close()
    return [Sample(FIGURE, "recorded", "s", recorded_s)]


async def _recorded(plain: Plain, due_us: int, clocks: int, service: Service) -> float:
    """Seconds from the start of the process until the last breach was committed. Errors: BenchError."""
    while plain.rows("SELECT 1 FROM clocks WHERE judge_at <= ? LIMIT 1", due_us):
        if time.perf_counter() - service.launched_at > RECORDED_WITHIN_S:
            raise BenchError(f"not all are recorded: {service.last_words()}")
        await sleep(LOOK_S)
    recorded_s = time.perf_counter() - service.launched_at
    [[breaches]] = plain.rows("SELECT count(*) FROM ledger WHERE kind = 'breached'")
    if breaches != clocks:
        raise BenchError(f"{clocks} clocks fell due, {breaches} breaches are in the ledger")
    return recorded_s
