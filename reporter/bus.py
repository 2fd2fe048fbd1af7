"""The broker: connection, streams and subjects. What is stored, for how long, and who may wait for it.

FastStream's broker holds the connection. It never gives up: the client reconnects by itself, and one that has closed
itself, or has not come back for a while, is replaced by a new one. Streams and the durable are made again whenever
they are found missing. On streams that exist only subjects are added: nothing is ever lowered.
"""

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any  # the broker's JSON answers

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, PubAck, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from reporter import metrics
from reporter.busclient import Access, Broker
from reporter.clockwatch import ClockWatch
from reporter.core.instants import parse
from reporter.timesource import sleep

log = logging.getLogger(__name__)

STREAM_IN = "REPORTER_IN"
STREAM_OUT = "REPORTER_OUT"
SUBJECTS_IN = "reporter.in.>"
SUBJECTS_OUT = "reporter.out.>"
DURABLE = "reporter-intake"
HEARTBEAT = "reporter.heartbeat"
KEPT_S = 30 * 24 * 3600
DUPLICATE_WINDOW_S = 0.1
"""The smallest the broker allows: its ids are shared by all publishers; our identity is (source, id)."""
ACK_WAIT_S = 3
ACK_PENDING_MAX = 10_000
REQUEST_TIMEOUT_S = 0.4
KEEP_LOOK_S = 0.5
AWAY_S_MAX = 15.0
"""A client that has been without a connection for so long is given up for a new one: its own attempts may have
ended in an error that nobody saw."""
RETRY_S_MAX = 2.0

BrokerError = (NatsError, OSError, TimeoutError)
"""What any call to the broker may raise."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The broker's word on the intake, at the broker's own time `at`.

    Sequences: `floor`, up to which all is acknowledged, and `delivered`; counts: `unread` (not yet delivered) and
    `unacknowledged`.
    """

    at: datetime
    floor: int
    delivered: int
    unread: int
    unacknowledged: int

    @property
    def is_all_read(self) -> bool:
        """Everything that the stream held at `at` has been taken and acknowledged."""
        return not self.unread and not self.unacknowledged


class Bus:
    """One connection to the broker. `replicas`: the copies of a stream that is made here."""

    def __init__(
        self,
        url: str,
        watch: ClockWatch | None = None,
        replicas: int = 1,
        access: Access | None = None,
    ) -> None:
        self.url = url
        self._access = access or Access()
        self._replicas = replicas
        self._watch = watch
        self._broker = self._new_broker()
        self._client: Client | None = None
        self._jetstream: JetStreamContext | None = None

    def _new_broker(self) -> Broker:
        return Broker(
            [part.strip() for part in self.url.split(",")],
            self._access,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # seconds; the client below takes fractions
            connect_timeout=2,
            ping_interval=5,
            max_outstanding_pings=2,
            pending_size=64 * 1024 * 1024,
            flush_timeout=2,
            logger=None,
        )

    async def connect(self) -> None:
        """Connects, however long the broker is away: run it in a task of its own."""
        self._client = await self._broker.connect()
        self._jetstream = self._client.jetstream(timeout=2, publish_async_max_pending=1024)
        metrics.BROKER_CONNECTED.set(1)

    async def keep_connected(self, connected: asyncio.Event) -> None:
        """Connects, says so with `connected`, and sees to it that there is always a client that tries; never ends.

        The client reconnects by itself, but closes itself for good on an error that the broker states (too many
        connections, a password that is being changed), and its attempts may end in an error of its own.
        """
        pause_s = 0.1
        while True:
            try:
                await self.connect()
                connected.set()
                pause_s = 0.1
                await self._until_lost()
            except Exception as error:  # whatever it is, the only answer is another attempt
                log.warning("the broker cannot be reached: %r; again in %.1f s", error, pause_s)
            metrics.BROKER_CONNECTED.set(0)
            metrics.BROKER_RENEWALS.inc()
            await self._discard()
            await sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_S_MAX)

    async def _until_lost(self) -> None:
        """Returns once the client has closed itself, or has been away for too long."""
        seen_s = monotonic()
        while not self.client.is_closed and monotonic() - seen_s < AWAY_S_MAX:
            if self.is_connected:
                seen_s = monotonic()
            await sleep(KEEP_LOOK_S)

    async def _discard(self) -> None:
        client, broker = self._client, self._broker
        self._broker = self._new_broker()
        try:
            async with asyncio.timeout(1):
                if client is not None and not client.is_closed:
                    await client.close()
                elif client is None:
                    await broker.stop()
        except Exception:  # it is being thrown away because it does not work
            log.debug("throwing away a connection to the broker", exc_info=True)

    async def close(self) -> None:
        """Ends the connection, also when the broker is away."""
        try:
            await self._broker.stop()
        except Exception:  # the broker may be gone, and there is nothing left to lose
            log.debug("closing the connection to the broker", exc_info=True)

    @property
    def is_connected(self) -> bool:
        connected = self._client is not None and self._client.is_connected
        metrics.BROKER_CONNECTED.set(connected)
        return connected

    @property
    def client(self) -> Client:
        """The connected client. Errors: ConnectionError before the first connection."""
        if self._client is None:
            raise ConnectionError("not connected to the broker yet")
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        """JetStream on the connection. Errors: ConnectionError before the first connection."""
        if self._jetstream is None:
            raise ConnectionError("not connected to the broker yet")
        return self._jetstream

    async def renew(self) -> None:
        """Ends a connection that has fallen silent, so that the client makes a new one."""
        await self.client.force_reconnect()

    async def ensure(self) -> None:
        """Creates the streams and the intake's durable where they are missing."""
        await self._ensure_stream(STREAM_IN, SUBJECTS_IN, duplicate_window=DUPLICATE_WINDOW_S)
        await self._ensure_stream(STREAM_OUT, SUBJECTS_OUT, duplicate_window=None)
        config = ConsumerConfig(
            durable_name=DURABLE,
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.ALL,
            ack_wait=ACK_WAIT_S,
            max_deliver=-1,
            max_ack_pending=ACK_PENDING_MAX,
            filter_subject=SUBJECTS_IN,
        )
        try:
            await self.jetstream.consumer_info(STREAM_IN, DURABLE)
        except NotFoundError:
            await self.jetstream.add_consumer(STREAM_IN, config)

    async def _ensure_stream(self, name: str, subjects: str, duplicate_window: float | None) -> None:
        try:
            config = (await self.jetstream.stream_info(name)).config
        except NotFoundError:
            await self.jetstream.add_stream(
                StreamConfig(
                    name=name,
                    subjects=[subjects],
                    storage=StorageType.FILE,
                    num_replicas=self._replicas,
                    max_age=KEPT_S,
                    duplicate_window=duplicate_window or 120,
                )
            )
            return
        if subjects not in (config.subjects or ()):
            config.subjects = [*(config.subjects or ()), subjects]
            await self.jetstream.update_stream(config)

    async def request(self, subject: str, body: dict[str, object] | None = None) -> dict[str, Any]:
        """Asks the JetStream API. Errors: those of `BrokerError`; NotFoundError and APIError as answered."""
        payload = json.dumps(body).encode() if body else b""
        answer = await self.client.request(f"$JS.API.{subject}", payload, timeout=REQUEST_TIMEOUT_S)
        document: dict[str, Any] = json.loads(answer.data)
        if error := document.get("error"):
            raise APIError.from_error(error)
        return document

    async def intake_standing(self) -> Standing:
        """How far the intake has read, by the broker's word and at the broker's own time."""
        asked_s = monotonic()
        info = await self.request(f"CONSUMER.INFO.{STREAM_IN}.{DURABLE}")
        at = parse(info["ts"])
        if self._watch is not None:
            self._watch.compare(at, monotonic() - asked_s)
        return Standing(
            at=at,
            floor=info["ack_floor"]["stream_seq"],
            delivered=info["delivered"]["stream_seq"],
            unread=info["num_pending"],
            unacknowledged=info["num_ack_pending"],
        )

    async def last_sequence(self) -> int:
        """The last sequence stored in the intake's stream."""
        return int((await self.request(f"STREAM.INFO.{STREAM_IN}"))["state"]["last_seq"])

    async def stored(self, sequence: int) -> dict[str, Any] | None:
        """The stored message with that sequence as the API gives it (base64 fields), or None."""
        try:
            answer = await self.request(f"STREAM.MSG.GET.{STREAM_IN}", {"seq": sequence})
        except NotFoundError:
            return None
        message: dict[str, Any] = answer["message"]
        return message

    async def publish_stored(
        self, subject: str, payload: bytes, headers: dict[str, str]
    ) -> asyncio.Future[PubAck]:
        """Publishes to a stream; the future ends when the broker has stored it, or in its error, or never."""
        return await self.jetstream.publish_async(subject, payload, headers=headers)

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> None:
        """Publishes on core NATS: at most once, unacknowledged."""
        await self.client.publish(subject, payload, headers=headers)
