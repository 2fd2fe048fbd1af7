"""The engine's regular duties beside the clocks: the beat on the bus, the sweep of what has waited, the checkpoint."""

import json
import logging
from collections.abc import Callable, Mapping

from reporter.bus import HEARTBEAT, Bus
from reporter.core.instants import rfc3339
from reporter.engine.again import Trouble
from reporter.engine.record import Gate
from reporter.timesource import TimeSource, sleep

log = logging.getLogger(__name__)

EVERY_S = 1.0
BEAT_S = 5.0


async def run(gate: Gate) -> None:
    """Sweeps and checkpoints every second; runs until cancelled."""
    trouble = Trouble(log, "the sweep", EVERY_S)
    while True:
        try:
            await gate.sweep()
            await gate.database.checkpoint()
        except Exception as error:
            await trouble.failed(error)
            continue
        trouble.over()
        await sleep(EVERY_S)


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
