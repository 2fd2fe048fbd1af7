"""The engine's regular duties beside the clocks: the beat on the bus, the sweep of what has waited, the checkpoint."""

import json
import logging

from reporter.bus import HEARTBEAT, Bus
from reporter.core.instants import rfc3339
from reporter.engine.record import Gate
from reporter.timesource import TimeSource, sleep

log = logging.getLogger(__name__)

EVERY_S = 1.0
BEATS_EVERY = 5


async def run(bus: Bus, gate: Gate, time: TimeSource, replica: str) -> None:
    """Sweeps and checkpoints every second and beats every five; runs until cancelled."""
    count = 0
    while True:
        try:
            await gate.sweep()
            await gate.database.checkpoint()
        except Exception:
            log.exception("the sweep failed; it is tried again in a second")
        if bus.is_connected and count % BEATS_EVERY == 0:
            beat = {"at": rfc3339(time.now()), "replica": replica, "count": count // BEATS_EVERY}
            try:
                await bus.publish(HEARTBEAT, json.dumps(beat).encode())
            except Exception as error:  # a beat that is not sent is itself the message
                log.debug("no heartbeat: %s", error)
        count += 1
        await sleep(EVERY_S)
