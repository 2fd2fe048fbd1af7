"""An engine in process on a real broker of its own; and another reader, which takes messages and keeps them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any  # the broker's JSON answers and documents

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from reporter.bus import DURABLE, STREAM_IN, Bus
from reporter.clockwatch import ClockWatch
from reporter.core.command import incident_id
from reporter.core.instants import parse, rfc3339
from reporter.core.terms import FactKind
from reporter.embedded import EmbeddedNats
from reporter.engine.doorbell import Doorbell
from reporter.engine.fence import Fence
from reporter.engine.record import Gate
from reporter.engine.selfaudit import watch_clock
from reporter.intake.stream import Intake
from tests.contract.gateworld import World, world_on
from tests.unit.factories import CATALOG, SOURCE

TWENTY = timedelta(minutes=20)
SECOND = timedelta(seconds=1)


class Apart:
    """The machine's clock, wrong by `offset`; the broker's is right."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def from_real(self, at: datetime) -> datetime:
        return at

    def to_real(self, at: datetime) -> datetime:
        return at


class CountingBus(Bus):
    """The bus, counting what is asked of the broker's API."""

    asked = 0

    async def request(self, subject: str, body: dict[str, object] | None = None) -> dict[str, Any]:
        self.asked += 1
        return await super().request(subject, body)


@dataclass
class Engine:
    """What runs, and a publisher beside it."""

    world: World
    bus: CountingBus
    fence: Fence
    intake: Intake
    client: Client
    tasks: asyncio.TaskGroup
    reading: asyncio.Task[None]
    names: int = 0
    stored: dict[str, datetime] = field(default_factory=dict)

    async def publish(self, kind: str, subject: str, data: dict[str, Any]) -> str:
        """Publishes a command with the broker's acknowledgement; returns its id."""
        self.names += 1
        id_ = f"judged-{self.names}"
        event = {"specversion": "1.0", "id": id_, "source": SOURCE, "type": kind, "data": data}
        headers = {"Content-Type": "application/cloudevents+json"}
        body = json.dumps(event).encode()
        ack = json.loads((await self.client.request(subject, body, headers=headers, timeout=5)).data)
        held = await self.bus.stored(ack["seq"])
        assert held is not None
        self.stored[id_] = parse(held["time"])
        return id_

    async def open(self, due: datetime) -> str:
        """Publishes an incident whose first obligation is due then, and waits until it is open."""
        data = {"title": "判定", "occurred": rfc3339(due - TWENTY)}
        incident = incident_id(
            SOURCE, await self.publish("reporter.incident.occurred", "reporter.in.incident.east", data)
        )
        await self.until(lambda: self.world.ledger(incident), 10)
        return incident

    async def report(self, incident: str) -> datetime:
        """Publishes its first report; returns when the broker stored it."""
        data = {"incident": incident, "covers": ["initial"], "form": "phone"}
        return self.stored[await self.publish("reporter.report.filed", "reporter.in.report.east", data)]

    async def stop_reading(self) -> None:
        """Ends the intake: what comes now is another reader's."""
        self.reading.cancel()
        await asyncio.wait([self.reading])

    def read_on(self) -> None:
        """Starts the intake again."""
        self.reading = self.tasks.create_task(self.intake.run())

    async def until(self, look: Callable[[], Any], within_s: float) -> Any:
        """Looks until it sees something."""
        limit = monotonic() + within_s
        while not (seen := await look()):
            assert monotonic() < limit, "did not happen in time"
            await asyncio.sleep(0.02)
        return seen

    async def breach(self, incident: str, within_s: float) -> dict[str, Any]:
        """The line of its first breach."""
        lines = await self.until(lambda: self.world.ledger(incident, FactKind.BREACHED), within_s)
        found: dict[str, Any] = lines[0]
        return found

    async def is_on_time(self, incident: str) -> bool:
        """Whether its first report is known and in time."""
        return await self.verdict(incident) == "on_time"

    async def verdict(self, incident: str) -> str | None:
        clocks = await self.world.clocks(incident)
        verdict: str | None = clocks["initial"]["verdict"] if clocks else None
        return verdict


@asynccontextmanager
async def engine_on(folder: Path, offset: timedelta = timedelta()) -> AsyncIterator[Engine]:
    """A running engine on SQLite, whose clock is wrong by `offset`."""
    time = Apart(offset)
    async with AsyncExitStack() as stack:
        server = EmbeddedNats(folder / "nats", port=0)
        await server.start()
        stack.push_async_callback(server.stop)
        url = f"sqlite:///{folder / 'judging.sqlite3'}"
        world = await stack.enter_async_context(world_on(url, CATALOG, time.now()))
        watch = ClockWatch(time)
        world.gate = Gate(world.database, CATALOG, time)
        world.gate.skew_ms = lambda: watch.telling_skew_ms
        bus = CountingBus(server.url, watch)
        await bus.connect()
        stack.push_async_callback(bus.close)
        fence = Fence(bus, time, monotonic)
        intake = Intake(bus, world.gate, time)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        client = await nats.connect(server.url)
        reading = tasks.create_task(intake.run())
        engine = Engine(world, bus, fence, intake, client, tasks, reading)
        for part in (Doorbell(world.gate, fence, time).run(), watch_clock(watch, bus)):
            stack.callback(tasks.create_task(part).cancel)
        await intake.is_serving.wait()
        try:
            yield engine
        finally:
            await client.close()
            engine.reading.cancel()


class Keeper:
    """Another reader of the durable, which takes messages and acknowledges none: as a dying replica does."""

    def __init__(self, engine: Engine) -> None:
        self._client = engine.client
        self.taken: list[Msg] = []

    async def ask(self, count: int) -> None:
        """Asks for so many of the next messages; they come in among those that the intake gets."""
        inbox = self._client.new_inbox()

        async def take(message: Msg) -> None:
            if message.reply:
                self.taken.append(message)

        await self._client.subscribe(inbox, cb=take)
        request = json.dumps({"batch": count, "expires": 30_000_000_000}).encode()
        await self._client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{STREAM_IN}.{DURABLE}", request, reply=inbox)
        await self._client.flush()

    async def hold_on(self) -> None:
        """Tells the broker that it is still at work on what it has taken."""
        for message in self.taken:
            await self._client.publish(message.reply, b"+WPI")

    async def has_taken(self, count: int = 1) -> bool:
        """Whether it holds so many."""
        return len(self.taken) >= count

    async def let_go(self) -> None:
        """Hands everything back."""
        for message in self.taken:
            await self._client.publish(message.reply, b"-NAK")
        self.taken.clear()
