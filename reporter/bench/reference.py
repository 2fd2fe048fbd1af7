"""The plain reference loops: the least that a durable service could do, written as plainly as it can be.

They run in the same run, on the same disk and the same kind of database as the service, so that a ratio to
them means the same on a fast machine and on a slow one.
"""

import json
import time
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
CLAIM: Final = "SELECT id, due_at FROM due_clocks WHERE state = 0 AND due_at <= ? ORDER BY due_at LIMIT ?"
CLAIM_LOCKED: Final = CLAIM + " FOR UPDATE SKIP LOCKED"
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

    Returns each clock's lateness in milliseconds: from its due instant to the return of the commit.
    """
    plain.run(
        "CREATE TABLE due_clocks (id integer PRIMARY KEY, due_at bigint NOT NULL, state integer NOT NULL)"
    )
    plain.run("CREATE INDEX due_clocks_due_at ON due_clocks (due_at) WHERE state = 0")
    plain.run("CREATE TABLE facts (clock integer PRIMARY KEY, at bigint NOT NULL)")
    start = now_us() + int(lead_s * 1_000_000)
    with plain.transaction():
        rows = [(number, start + offset, 0) for number, offset in enumerate(offsets_us)]
        plain.load("due_clocks", ("id", "due_at", "state"), rows)
    late_ms: list[float] = []
    while len(late_ms) < len(offsets_us):
        earliest = plain.rows("SELECT due_at FROM due_clocks WHERE state = 0 ORDER BY due_at LIMIT 1")[0][0]
        time.sleep(min(LOOK_AGAIN_S, max(0.0, (earliest - now_us()) / 1e6)))
        while due := _claim(plain):
            committed = now_us()
            late_ms += [(committed - due_at) / 1000 for due_at in due]
    return late_ms


def _claim(plain: Plain) -> list[int]:
    """Claims what is due, at most a batch, and writes a fact for each; returns the due instants."""
    with plain.transaction():
        due = plain.rows(CLAIM if plain.is_sqlite else CLAIM_LOCKED, now_us(), BATCH)
        if due:
            plain.many("UPDATE due_clocks SET state = 1 WHERE id = ?", [(id_,) for id_, _ in due])
            plain.many("INSERT INTO facts VALUES (?, ?)", due)
    return [due_at for _, due_at in due]


def now_us() -> int:
    """The machine's time in microseconds since 1970 UTC."""
    return time.time_ns() // 1000
