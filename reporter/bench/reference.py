"""The plain reference loops: the least that a durable service could do, written as plainly as it can be.

They run in the same run, on the same disk and the same kind of database as the service, so that a ratio to
them means the same on a fast machine and on a slow one.
"""

import json
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Self

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy

from reporter.bench.plain import Plain
from reporter.bus import STREAM_IN
from reporter.core.instants import parse
from reporter.timesource import micros

BATCH: Final = 500
DURABLE: Final = "bench-reference"
SPANS: Final = (
    ("initial", timedelta(minutes=20)),
    ("verified", timedelta(hours=1)),
    ("detailed", timedelta(hours=2)),
)
DEADLINE_TABLES: Final = (
    "CREATE TABLE due_clocks (incident text, obligation text, due_at bigint NOT NULL, fired_at bigint, "
    "PRIMARY KEY (incident, obligation))",
    "CREATE INDEX due_clocks_due_at ON due_clocks (due_at) WHERE fired_at IS NULL",
    "CREATE TABLE facts (incident text, obligation text, kind text, due_at bigint, recorded_at bigint)",
)
EARLIEST: Final = "SELECT due_at FROM due_clocks WHERE fired_at IS NULL ORDER BY due_at LIMIT 1"
_OLDEST = (
    "SELECT incident, obligation FROM due_clocks WHERE fired_at IS NULL AND due_at <= ? "
    "ORDER BY due_at LIMIT ?"
)
_CLAIM = (
    "UPDATE due_clocks SET fired_at = ? WHERE (incident, obligation) IN ({}) "
    "RETURNING incident, obligation, due_at"
)
CLAIM: Final = _CLAIM.format(_OLDEST)
CLAIM_LOCKED: Final = _CLAIM.format(_OLDEST + " FOR UPDATE SKIP LOCKED")
LATER_US: Final = 24 * 3600 * 1_000_000
LOOK_AGAIN_S: Final = 0.5


class IntakeLoop:
    """Fetch, decode, five plain inserts per incident, commit, acknowledge."""

    def __init__(self, client: Client, plain: Plain, pulled: JetStreamContext.PullSubscription) -> None:
        self._client = client
        self._plain = plain
        self._pulled = pulled
        self.taken = 0

    @classmethod
    async def prepared(cls, client: Client, plain: Plain, deliver: DeliverPolicy) -> Self:
        """With its tables, and a durable of its own on the service's stream."""
        for statement in (
            "CREATE TABLE incidents (id text PRIMARY KEY, unit text, title text, data text)",
            "CREATE TABLE clocks (incident text, obligation text, due_at bigint, "
            "PRIMARY KEY (incident, obligation))",
            "CREATE INDEX clocks_due_at ON clocks (due_at)",
            "CREATE TABLE log (incident text, text text)",
        ):
            plain.run(statement)
        config = ConsumerConfig(deliver_policy=deliver, ack_wait=30, max_ack_pending=10_000)
        jetstream = client.jetstream()
        pulled = await jetstream.pull_subscribe("", durable=DURABLE, stream=STREAM_IN, config=config)
        return cls(client, plain, pulled)

    async def take(self, batch: int) -> int:
        """One turn: at most `batch` messages. Returns how many; 0 when none came for a second."""
        try:
            messages = await self._pulled.fetch(batch, timeout=1)
        except (NatsTimeoutError, TimeoutError):
            return 0
        self._write(messages)
        for message in messages:
            await message.ack()
            if message.headers and (answer_to := message.headers.get("Reporter-Reply")):
                await self._client.publish(answer_to, b"{}")
        self.taken += len(messages)
        return len(messages)

    def _write(self, messages: Sequence[Msg]) -> None:
        incidents, clocks, log = [], [], []
        for message in messages:
            event = json.loads(message.data)
            id_, data = f"{event['source']} {event['id']}", event["data"]
            occurred = parse(data["occurred"])
            incidents.append((id_, message.subject, data["title"], json.dumps(data, ensure_ascii=False)))
            clocks += [(id_, name, micros(occurred + span)) for name, span in SPANS]
            log.append((id_, message.data.decode()))
        with self._plain.transaction():
            self._plain.many("INSERT INTO incidents VALUES (?, ?, ?, ?)", incidents)
            self._plain.many("INSERT INTO clocks VALUES (?, ?, ?)", clocks)
            self._plain.many("INSERT INTO log VALUES (?, ?)", log)


async def arm_rate(client: Client, plain: Plain, events: int) -> float:
    """Incidents per second, from the end of the first batch to the end of the last."""
    loop = await IntakeLoop.prepared(client, plain, DeliverPolicy.ALL)
    first, started = await loop.take(BATCH), time.perf_counter()
    while loop.taken < events and await loop.take(BATCH):
        pass
    await client.flush()
    return (loop.taken - first) / (time.perf_counter() - started)


def deadline_loop(plain: Plain, offsets_us: Sequence[int], lead_s: float) -> list[float]:
    """One indexed table of clocks due `lead_s` from now plus each offset; batched claims, one insert each.

    As many again are pending for later. Returns each clock's lateness in milliseconds, from its due
    instant to the return of the commit.
    """
    for statement in DEADLINE_TABLES:
        plain.run(statement)
    start = now_us() + int(lead_s * 1_000_000)
    dues = [*(start + offset for offset in offsets_us), *(start + LATER_US for _ in offsets_us)]
    with plain.transaction():
        rows = [(str(uuid.uuid4()), "initial", due) for due in dues]
        plain.load("due_clocks", ("incident", "obligation", "due_at"), rows)
    late_ms: list[float] = []
    while len(late_ms) < len(offsets_us):
        earliest = plain.rows(EARLIEST)[0][0]
        time.sleep(min(LOOK_AGAIN_S, max(0.0, (earliest - now_us()) / 1e6)))
        while due := _claim(plain):
            committed = now_us()
            late_ms += [(committed - due_at) / 1000 for due_at in due]
    return late_ms


def _claim(plain: Plain) -> list[int]:
    """Claims what is due, at most a batch, and writes a fact for each; returns the due instants."""
    with plain.transaction():
        now = now_us()
        due = plain.rows(CLAIM if plain.is_sqlite else CLAIM_LOCKED, now, now, BATCH)
        if due:
            plain.many("INSERT INTO facts VALUES (?, ?, 'breached', ?, ?)", [(*row, now) for row in due])
    return [due_at for _, _, due_at in due]


def now_us() -> int:
    """The machine's time in microseconds since 1970 UTC."""
    return time.time_ns() // 1000
