"""Finds messages that a client library swallowed: delivered again and again, never acknowledged, never seen.

When the acknowledged floor stands still for the time of three deliveries while something is unacknowledged, the
messages above it are read from the stream directly and taken through the same gate. One that had merely been slow
is a duplicate, so looking twice does no harm.
"""

import base64
import logging
from datetime import datetime
from time import monotonic
from typing import Any  # the broker's JSON answers

from reporter.bus import ACK_WAIT_S, DURABLE, STREAM_IN, BrokerError, Bus
from reporter.core.instants import parse
from reporter.engine.record import Gate
from reporter.intake.arrival import Arrival, commands_of, parse_header_block, raw_header_block, settle
from reporter.intake.stream import Intake
from reporter.timesource import TimeSource, sleep

log = logging.getLogger(__name__)

DELIVERIES = 3
LOOK_S = 1.0
STANDSTILL_S = DELIVERIES * ACK_WAIT_S + 1
READ_MAX = 256
"""Sequences read in one go above a floor that stands still."""


class Hidden:
    """Looks, once a second, for messages that nobody was handed."""

    def __init__(self, bus: Bus, gate: Gate, intake: Intake, time: TimeSource) -> None:
        self._bus = bus
        self._gate = gate
        self._intake = intake
        self._time = time
        self._floor = -1
        self._since = monotonic()

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await sleep(LOOK_S)
            if not self._bus.is_connected:
                continue
            try:
                await self._look()
            except BrokerError as error:
                log.debug("no word of the intake's standing: %s", error)
            except Exception:
                log.exception("looking for hidden messages failed")

    async def _look(self) -> None:
        standing = await self._bus.intake_standing()
        if standing.floor != self._floor or not standing.unacknowledged:
            self._floor, self._since = standing.floor, monotonic()
            return
        if monotonic() - self._since < STANDSTILL_S:
            return
        found: list[Arrival] = []
        for sequence in range(standing.floor + 1, min(standing.delivered, standing.floor + READ_MAX) + 1):
            if sequence in self._intake.holding:
                continue
            stored = await self._bus.stored(sequence)
            if stored is not None:
                found.append(self._arrival(sequence, stored))
        if found:
            log.warning("%d messages were delivered but never handed over; read directly", len(found))
            await settle(self._bus, self._gate, commands_of(found))
        self._since = monotonic()

    def _arrival(self, sequence: int, stored: dict[str, Any]) -> Arrival:
        block = raw_header_block(stored)
        stored_at: datetime = parse(stored["time"])
        # The acknowledgement's subject is made up: the broker looks only at the stream's sequence of what is pending.
        acknowledge_to = f"$JS.ACK.{STREAM_IN}.{DURABLE}.{DELIVERIES}.{sequence}.{sequence}.0.0"
        return Arrival(
            subject=stored["subject"],
            headers=parse_header_block(block) or None,
            body=base64.b64decode(stored.get("data", "")),
            sequence=sequence,
            received_at=self._time.from_real(stored_at),
            acknowledge_to=acknowledge_to,
            raw_headers=block,
        )
