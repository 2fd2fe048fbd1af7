"""The broker: connection, streams and subjects. What is stored, for how long, and who may wait for it.

FastStream's broker holds the connection (it never gives up reconnecting); streams and the durable are made again
whenever they are found missing. On streams that exist only subjects are added: nothing is ever lowered.
"""

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any  # the broker's JSON answers

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, PubAck, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from reporter import metrics
from reporter.busclient import Access, Broker
from reporter.core.instants import parse

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
    """One connection to the broker."""

    def __init__(self, url: str, access: Access | None = None) -> None:
        self.url = url
        self._broker = Broker(
            [part.strip() for part in url.split(",")],
            access or Access(),
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # seconds; the client below takes fractions
            connect_timeout=2,
            ping_interval=5,
            max_outstanding_pings=2,
            pending_size=64 * 1024 * 1024,
            flush_timeout=2,
            logger=None,
        )
        self._client: Client | None = None
        self._jetstream: JetStreamContext | None = None

    async def connect(self) -> None:
        """Connects, however long the broker is away: run it in a task of its own."""
        self._client = await self._broker.connect()
        self._jetstream = self._client.jetstream(timeout=2, publish_async_max_pending=1024)
        metrics.BROKER_CONNECTED.set(1)

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
        info = await self.request(f"CONSUMER.INFO.{STREAM_IN}.{DURABLE}")
        return Standing(
            at=parse(info["ts"]),
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
