"""The intake: a batch is handed over as soon as anything is there, and acknowledged after its commit.

A pull consumer with requests of our own, in the spirit of FastStream's batch subscriber: that one lingers for its
whole timeout when little comes, single messages are slow when much comes. Here a request for more is always open,
what has arrived meanwhile is the next batch, and a message is one because it came with an acknowledgement subject,
whatever its headers say, so that none is swallowed.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from nats.aio.msg import Msg

from reporter import metrics
from reporter.bus import ACK_WAIT_S, DURABLE, STREAM_IN, BrokerError, Bus
from reporter.busclient import Headers
from reporter.engine.again import Trouble
from reporter.engine.record import Gate
from reporter.intake.arrival import Arrival, Read, commands_of, settle
from reporter.timesource import TimeSource, from_nanos, sleep

log = logging.getLogger(__name__)

BATCH_MAX = 1000
"""A commit writes the pages that its members touch: the more members, the fewer pages each."""
OPEN_MAX = 3 * BATCH_MAX
"""Messages asked for or waiting here: well under what is committed within the broker's `ack_wait`."""
EXPIRES_S = 5
SILENCE_S_MAX = 10.0
"""A loop that has completed no fetch for this long (an expiry counts as one) is started anew, unless it waits for
a commit: that is the database's trouble, and starting anew would not mend it."""
GUARD_S = 0.25
RESTART_SHOWN_S = 60.0
"""How long a restart is said after it happened."""
RENEW_S = ACK_WAIT_S / 3
RECONNECT_S = 0.05
BREATH = 20
"""Messages read between two moments at which others may go on: the batch before, above all."""
RETRIES_S_MAX = 30.0


@dataclass(slots=True)
class _Pulled:
    """What one run of the loop holds."""

    waiting: deque[Msg]
    arrived: asyncio.Event
    asked: int = 0
    reading: Sequence[Msg] = ()
    """The next batch, while the one before is being committed."""


class _Silence(Exception):
    """A request that was neither filled nor expired: the connection is dead, whatever it says of itself."""


class Intake:
    """Takes messages off the stream, in batches, through the gate."""

    def __init__(self, bus: Bus, gate: Gate, time: TimeSource) -> None:
        self._bus = bus
        self._gate = gate
        self._time = time
        self.fetched_at: float | None = None
        """When (monotonic) the last fetch completed: what `/readyz` sees of this loop."""
        self.restarts = 0
        """How often a loop that was running had to be started anew."""
        self.holding: set[int] = set()
        """Stream sequences delivered here and not yet acknowledged."""
        self.is_serving = asyncio.Event()
        """Set once streams and durable have been found or made for the first time."""
        self._is_committing = False
        self._restarted: tuple[str, float, datetime] | None = None

    @property
    def restarted(self) -> tuple[str, datetime] | None:
        """Why (silence, broker, error) and when (the product's time) the loop was last started anew, for a minute."""
        if self._restarted is None or monotonic() - self._restarted[1] > RESTART_SHOWN_S:
            return None
        return self._restarted[0], self._restarted[2]

    async def run(self) -> None:
        """Runs until cancelled; whatever happens to the broker, the loop is made anew."""
        while True:
            if self._bus.is_connected:
                await self._run_once()
            await sleep(RECONNECT_S)

    async def _run_once(self) -> None:
        """One life of the loop: until the broker is lost, falls silent, or something fails."""
        reason = "broker"
        try:
            async with asyncio.TaskGroup() as tasks:
                pulling = tasks.create_task(self._serve())
                tasks.create_task(self._guard(pulling))
        except* _Silence:
            reason = "silence"
            log.warning("the intake heard nothing for %.0f s; connecting anew", SILENCE_S_MAX)
            await self._bus.renew()
        except* BrokerError as lost:
            log.warning("the intake lost the broker: %r", lost.exceptions)
        except* Exception:
            reason = "error"
            log.exception("the intake failed and is started anew")
        self.restarts += 1
        self._restarted = reason, monotonic(), self._time.now()
        metrics.INTAKE_RESTARTS.labels(reason).inc()

    async def _serve(self) -> None:
        self.fetched_at = monotonic()
        await self._bus.ensure()
        self.is_serving.set()
        await self._pull()

    async def _guard(self, pulling: asyncio.Task[None]) -> None:
        """Ends a loop that has completed no fetch for too long, wherever it is stuck, or whose connection was lost.

        A request that was open is not made again by the client when it reconnects, so the loop has to be. One that is
        committing is left to finish: what it acknowledges afterwards is acknowledged, or delivered once more.
        """
        client = self._bus.client
        connections = client.stats["reconnects"]
        while not pulling.done():
            await asyncio.wait([pulling], timeout=GUARD_S)
            if self._is_committing or pulling.done():
                continue
            if not client.is_connected or client.stats["reconnects"] != connections:
                raise ConnectionResetError("the connection was lost")
            if self.fetched_at is not None and monotonic() - self.fetched_at > SILENCE_S_MAX:
                raise _Silence

    async def _pull(self) -> None:
        client = self._bus.client
        inbox = client.new_inbox()
        pulled = _Pulled(deque(), asyncio.Event())
        self.holding.clear()

        async def receive(message: Msg) -> None:
            pulled.waiting.append(message)
            pulled.arrived.set()

        subscription = await client.subscribe(
            inbox, cb=receive, pending_msgs_limit=4 * OPEN_MAX, pending_bytes_limit=0
        )
        self.fetched_at = monotonic()
        before: asyncio.Task[None] | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                while client.is_connected:
                    await self._ask(pulled, inbox)
                    await pulled.arrived.wait()
                    self.fetched_at = monotonic()
                    if batch := self._batch(pulled):
                        pulled.reading = batch
                        read = await self._read(batch)
                        if before is not None:
                            await before
                        pulled.reading = ()
                        before = tasks.create_task(self._take(read, pulled))
        finally:
            try:
                await subscription.unsubscribe()
            except BrokerError:
                log.debug("unsubscribing from a lost broker", exc_info=True)

    async def _read(self, batch: Sequence[Msg]) -> list[Read]:
        """Reads a batch, giving way all the time: most of it is done while the batch before is being written."""
        arrivals = [self._arrival(message) for message in batch]
        self.holding.update(arrival.sequence for arrival in arrivals)
        items: list[Read] = []
        for start in range(0, len(arrivals), BREATH):
            items += commands_of(arrivals[start : start + BREATH])
            await sleep(0)
        return items

    async def _ask(self, pulled: _Pulled, inbox: str) -> None:
        """Keeps a request open, for as many as fit."""
        room = OPEN_MAX - pulled.asked - len(pulled.waiting)
        if room < BATCH_MAX:
            return
        request = {"batch": room, "expires": EXPIRES_S * 1_000_000_000, "idle_heartbeat": 2_000_000_000}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM_IN}.{DURABLE}"
        await self._bus.client.publish(subject, json.dumps(request).encode(), reply=inbox)
        pulled.asked += room

    def _batch(self, pulled: _Pulled) -> list[Msg]:
        """What has arrived, at most `BATCH_MAX` messages; the broker's own words about a request are heeded."""
        batch: list[Msg] = []
        while pulled.waiting and len(batch) < BATCH_MAX:
            message = pulled.waiting.popleft()
            if message.reply.startswith("$JS.ACK."):
                pulled.asked = max(0, pulled.asked - 1)
                batch.append(message)
            else:
                self._heed(message, pulled)
        if not pulled.waiting:
            pulled.arrived.clear()
        return batch

    def _heed(self, message: Msg, pulled: _Pulled) -> None:
        headers = message.headers or {}
        status = headers.get("Status", "")
        if status == "100":
            return
        if status in ("404", "408"):
            left = headers.get("Nats-Pending-Messages", "")
            pulled.asked = max(0, pulled.asked - int(left)) if left.isdigit() else 0
            return
        raise ConnectionError(f"the broker ended the request: {status} {headers.get('Description', '')}")

    async def _take(self, batch: Sequence[Read], pulled: _Pulled) -> None:
        """Takes one batch through the gate and acknowledges it; tries again in place while the database is away."""
        self._gate.signals.backlog = bool(pulled.waiting or pulled.reading)
        self._is_committing = True
        done = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._renew(batch, pulled, done))
                try:
                    await self._settled(batch)
                finally:
                    done.set()
        finally:
            self._is_committing = False
            self.fetched_at = monotonic()
            self.holding.difference_update(item.arrival.sequence for item in batch)
            self._gate.signals.backlog = bool(pulled.waiting or pulled.reading)

    async def _settled(self, batch: Sequence[Read]) -> None:
        trouble, given_up_at = Trouble(log, "committing what arrived"), monotonic() + RETRIES_S_MAX
        while True:
            try:
                await settle(self._bus, self._gate, batch)
            except BrokerError:
                raise
            except Exception as error:
                if monotonic() > given_up_at:
                    raise
                await trouble.failed(error)
            else:
                trouble.over()
                break
        now = self._time.now()
        for item in batch:
            metrics.INTAKE_LATENCY.observe(max(0.0, (now - item.arrival.received_at).total_seconds()))

    async def _renew(self, batch: Sequence[Read], pulled: _Pulled, done: asyncio.Event) -> None:
        """Tells the broker every second that these are being worked on, until the commit is done."""
        while True:
            try:
                async with asyncio.timeout(RENEW_S):
                    await done.wait()
                return
            except TimeoutError:
                pass
            for reply in (
                *(item.arrival.acknowledge_to for item in batch),
                *(each.reply for each in (*pulled.reading, *pulled.waiting)),
            ):
                if reply.startswith("$JS.ACK."):
                    await self._bus.client.publish(reply, b"+WPI")

    def _arrival(self, message: Msg) -> Arrival:
        sequence, stored_at = acknowledgement_facts(message.reply)
        return Arrival(
            message.subject,
            message.headers,
            message.data,
            sequence,
            self._time.from_real(stored_at),
            message.reply,
            message.headers.raw if isinstance(message.headers, Headers) else b"",
        )


def acknowledgement_facts(reply: str) -> tuple[int, datetime]:
    """The stream sequence and the stored timestamp in a JetStream acknowledgement subject, old form or new.

    Old: `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer sequence>.<nanoseconds>.<pending>`; the new
    one has the domain and the account's hash before the stream. The timestamp is read with integers.
    """
    tokens = reply.split(".")
    if len(tokens) >= 11:
        del tokens[2:4]
    return int(tokens[5]), from_nanos(int(tokens[7]))
