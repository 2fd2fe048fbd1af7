"""The engine's regular duties beside the clocks: the beat on the bus, the sweep of what has waited, the checkpoint,
and every hour the removal of what is kept for a time only."""

import json
import logging
from collections.abc import Callable, Mapping
from time import monotonic

from reporter.bus import HEARTBEAT, Bus
from reporter.core.instants import rfc3339
from reporter.engine.again import Trouble
from reporter.engine.record import Gate
from reporter.store import channelstates, notices
from reporter.timesource import TimeSource, sleep

log = logging.getLogger(__name__)

EVERY_S = 1.0
TIDY_EVERY_S = 3600.0
BEAT_S = 5.0


async def run(gate: Gate) -> None:
    """Every second sweeps, if anything waits for that, and checkpoints; tidies every hour; runs until cancelled.

    While deadlines are being judged there is no checkpoint: it would keep the disk from their commits.
    """
    trouble = Trouble(log, "the sweep", EVERY_S)
    tidied_s: float | None = None
    while True:
        try:
            if gate.signals.aside.is_set():
                gate.signals.aside.clear()
                await gate.sweep()
            if gate.signals.calm.is_set():
                await gate.database.checkpoint()
            if tidied_s is None or monotonic() - tidied_s >= TIDY_EVERY_S:
                await tidy(gate)
                tidied_s = monotonic()
        except Exception as error:
            await trouble.failed(error)
            continue
        trouble.over()
        await sleep(EVERY_S)


async def tidy(gate: Gate) -> None:
    """Removes what is kept for a time only."""
    async with gate.database.transaction() as connection:
        await notices.forget_provider_ids(connection, gate.time.now())
        await channelstates.forget_unused(connection, gate.time.now())


async def beat(bus: Bus, time: TimeSource, replica: str, said: Callable[[], Mapping[str, object]]) -> None:
    """Beats every five seconds while the broker is there, whatever else is stuck; runs until cancelled.

    A beat is `{"at", "replica", "count"}` and what `said` knows: `oldest_undecided_s`, `skew_ms`.
    """
    count = 0
    while True:
        if bus.is_connected:
            told = {"at": rfc3339(time.now()), "replica": replica, "count": count, **said()}
            try:
                await bus.publish(HEARTBEAT, json.dumps(told).encode())
            except Exception as error:  # a beat that is not sent is itself the message
                log.debug("no heartbeat: %s", error)
        count += 1
        await sleep(BEAT_S)
