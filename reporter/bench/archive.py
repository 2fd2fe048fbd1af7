"""memory, start and idle: what it costs to have many incidents open. One growing database serves all."""

import time
from collections.abc import Collection
from datetime import timedelta

from reporter.bench.fill import SOURCE, Filler, command, submit
from reporter.bench.ground import Bed, Ground
from reporter.bench.plain import Plain
from reporter.bench.results import BenchError, Sample
from reporter.bench.service import Service, cpu_s, rss_mb
from reporter.bench.shown import Say
from reporter.bench.sizes import Sizes
from reporter.bench.traffic import connection, found_district, occurred_event, publish
from reporter.core.command import incident_id
from reporter.timesource import SystemTime, sleep

FIGURES = ("memory", "start", "idle")
SPAN = timedelta(minutes=20)
BEFORE_START_S = 1.0
"""A clock falls due this long after its incident is written, and the service starts after that."""
DECIDED_WITHIN_S = 120.0
LOOK_S = 0.004
EVENTS = 20
EVENTS_S = 3.0


async def measure(ground: Ground, sizes: Sizes, runs: int, wanted: Collection[str], say: Say) -> list[Sample]:
    """The wanted ones of `FIGURES`, `runs` times at each size."""
    samples: list[Sample] = []
    counts = sizes.open_incidents if "memory" in wanted else sizes.open_incidents[1:]
    base_mb: list[float] = []
    with ground.bed() as bed:
        await found_district(bed.database)
        filler = Filler(bed.database, say)
        for count in counts:
            await filler.fill(count)
            figures = set(wanted)
            if count == sizes.open_incidents[0]:
                figures -= {"start"}
            if count != sizes.open_incidents[-1]:
                figures -= {"idle"}
            for run in range(runs):
                say(f"{count:,} open incidents, run {run + 1} of {runs}")
                run_ = _Run(bed, sizes, count, number=len(samples))
                samples += await run_.measure(figures, base_mb[run] if run < len(base_mb) else None)
                if run_.resident_mb is not None and len(base_mb) < runs:
                    base_mb.append(run_.resident_mb)
    return samples


class _Run:
    """One start of the service on the filled database."""

    def __init__(self, bed: Bed, sizes: Sizes, count: int, number: int) -> None:
        self._bed = bed
        self._sizes = sizes
        self._count = count
        self._number = number
        self.resident_mb: float | None = None

    async def measure(self, figures: Collection[str], base_mb: float | None) -> list[Sample]:
        """Start, then idle, then memory after a few events: those that are wanted."""
        samples: list[Sample] = []
        service = Service(self._bed)
        try:
            if "start" in figures:
                samples += await self._start(service)
            else:
                service.launch()
                await service.wait_ready()
            if {"memory", "idle"} & set(figures):
                await sleep(self._sizes.settle_s)
            if "idle" in figures:
                samples += await self._idle(service)
            if "memory" in figures:
                samples += await self._memory(service, base_mb)
        finally:
            await service.stop()
        return samples

    async def _start(self, service: Service) -> list[Sample]:
        """From the start of the process to the commit of a breach that fell due just before it."""
        event = f"due-{self._number}"
        await submit(self._bed.database, [command(event, 0, timedelta(seconds=BEFORE_START_S) - SPAN)])
        await sleep(BEFORE_START_S + 0.2)
        plain = Plain(self._bed.database)
        try:
            service.launch()
            breached = (
                "SELECT 1 FROM ledger JOIN incidents ON incidents.number = ledger.number "
                "WHERE incidents.id = ? AND ledger.kind = 'breached'"
            )
            id_ = incident_id(SOURCE, event)
            while not plain.rows(breached, id_):
                if time.perf_counter() - service.launched_at > DECIDED_WITHIN_S:
                    raise BenchError(f"no decision within {DECIDED_WITHIN_S:.0f} s: {service.last_words()}")
                await sleep(LOOK_S)
            decided_s = time.perf_counter() - service.launched_at
        finally:
            plain.close()
        await service.wait_ready()
        ready_s = service.ready_at - service.launched_at
        return [
            Sample("start", f"first_decision_{self._count}", "s", decided_s),
            Sample("start", f"ready_{self._count}", "s", ready_s),
        ]

    async def _idle(self, service: Service) -> list[Sample]:
        """CPU seconds per second of doing nothing, as percent of a core."""
        pids = {"cpu": service.pids, "broker_cpu": [service.broker_pid]}
        before = {name: sum(map(cpu_s, mine)) for name, mine in pids.items()}
        started = time.perf_counter()
        await sleep(self._sizes.idle_s)
        span_s = time.perf_counter() - started
        used_s = {name: sum(map(cpu_s, mine)) - before[name] for name, mine in pids.items()}
        return [
            Sample("idle", f"{name}_{self._count}", "% of a core", 100 * used / span_s)
            for name, used in used_s.items()
        ]

    async def _memory(self, service: Service, base_mb: float | None) -> list[Sample]:
        """Resident memory after a few events; as a ratio to that with the smallest number open."""
        async with connection(service.nats) as client:
            now = SystemTime().now()
            first = 1000 * (self._number + 1)
            await publish(client, [occurred_event(first + i, now) for i in range(EVENTS)])
        await sleep(EVENTS_S)
        self.resident_mb = sum(rss_mb(pid) for pid in service.pids)
        return [
            Sample("memory", f"rss_{self._count}", "MB", self.resident_mb, base_mb),
            Sample(
                "memory", f"peak_rss_{self._count}", "MB", sum(rss_mb(pid, "VmHWM") for pid in service.pids)
            ),
            Sample("memory", f"broker_rss_{self._count}", "MB", rss_mb(service.broker_pid)),
        ]
