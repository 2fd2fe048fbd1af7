"""The relay on a real broker: replicas share the work, and each incident's lines go out in order whatever happens."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any  # stands for parts that are not asked

import pytest
from nats.aio.msg import Msg
from nats.js.api import PubAck
from nats.js.errors import APIError

from reporter.bus import STREAM_OUT, Bus
from reporter.embedded import EmbeddedNats
from reporter.engine import relay as relays
from reporter.engine.relay import Relay
from reporter.engine.signals import Signals
from reporter.engine.troubles import troubles_of
from reporter.health import Health
from reporter.store import models as m
from reporter.store.database import Database
from reporter.timesource import SystemTime, sleep
from tests.contract.gateworld import World, world_on
from tests.unit.factories import CATALOG, at

INCIDENTS = 40


async def fill(world: World) -> int:
    """Incidents with several lines each; returns how many lines wait."""
    for number in range(INCIDENTS):
        await world.open(f"e{number}")
    await world.tick_until(70)
    return len(await world.rows(m.Outbox))


@asynccontextmanager
async def relaying(database: Database, bus: Bus) -> AsyncIterator[Relay]:
    relay = Relay(database, bus, Signals())
    running = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def drained(world: World, within_s: float = 20.0) -> None:
    limit = monotonic() + within_s
    while await world.rows(m.Outbox):
        assert monotonic() < limit, "the outbox is not emptied"
        await sleep(0.05)


def in_order(published: list[tuple[str, int]]) -> bool:
    """Whether each incident's versions first appear from 1 upwards without a gap."""
    highest: Counter[str] = Counter()
    for incident, version in published:
        if version > highest[incident] + 1:
            return False
        highest[incident] = max(highest[incident], version)
    return True


@pytest.fixture
async def shared(postgres: str) -> AsyncIterator[World]:
    """A world on PostgreSQL: a SQLite file has one service."""
    async with world_on(postgres, CATALOG, at(0)) as found:
        yield found


async def test_three_replicas_publish_each_line_once_and_in_order(
    shared: World, nats_server: EmbeddedNats
) -> None:
    count = await fill(shared)
    heard: list[tuple[str, int]] = []

    async def hear(message: Msg) -> None:
        line = json.loads(message.data)["data"]
        heard.append((line["incident"], line["version"]))

    buses = [Bus(nats_server.url) for _ in range(3)]
    for bus in buses:
        await bus.connect()
    await buses[0].ensure()
    with suppress(APIError):
        await buses[0].jetstream.purge_stream(STREAM_OUT)
    listening = await buses[0].client.subscribe("reporter.out.>", cb=hear)
    databases = [shared.another_gate().database for _ in buses]
    turns = [relaying(database, bus) for database, bus in zip(databases, buses, strict=True)]
    async with turns[0], turns[1], turns[2]:
        await drained(shared)
    await buses[0].client.flush()
    await listening.unsubscribe()
    for bus in buses:
        await bus.close()

    assert len(heard) == count
    assert max(Counter(heard).values()) == 1
    assert in_order(heard)


class Refusing:
    """A broker that stores what it is given, but for a while nothing of one incident's first line."""

    is_connected = True

    def __init__(self) -> None:
        self.refused = 0
        self.refused_id = ""
        self.stored: list[tuple[str, int]] = []

    async def publish_stored(
        self,
        subject: str,  # noqa: ARG002 - the bus's own signature
        payload: bytes,  # noqa: ARG002
        headers: dict[str, str],
    ) -> "asyncio.Future[PubAck]":
        future: asyncio.Future[PubAck] = asyncio.get_running_loop().create_future()
        incident, _, version = headers["Nats-Msg-Id"].partition("/")
        if headers["Nats-Msg-Id"] == self.refused_id and self.refused < 3:
            self.refused += 1
            future.set_exception(TimeoutError())
        else:
            await sleep(0.002)
            self.stored.append((incident, int(version)))
            future.set_result(PubAck(stream=STREAM_OUT, seq=len(self.stored)))
        return future

    async def ensure(self) -> None:
        return


async def test_an_incident_left_behind_is_not_overtaken_by_itself_within_one_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "BATCH_MAX", 10)
    monkeypatch.setattr(relays, "STUCK_S", 0.01)
    await fill(world)
    broker = Refusing()
    broker.refused_id = (await world.rows(m.Outbox))[0]["message_id"]

    async with relaying(world.database, broker):  # type: ignore[arg-type]  # a broker that refuses on demand
        await drained(world)

    assert broker.refused == 3
    assert in_order(broker.stored)


async def test_what_cannot_be_published_shows_on_readyz_until_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "STUCK_S", 0.01)
    await world.open("e1")
    broker: Any = Refusing()
    (broker.refused_id, *_) = [row["message_id"] for row in await world.rows(m.Outbox)]
    broker.refused = -1_000_000  # and it goes on refusing
    nobody: Any = None  # of an engine whose other loops are not asked here
    seen: list[object] = []

    async def outbox_is_ok() -> bool:
        health = Health(
            world.database, broker, nobody, nobody, nobody, SystemTime(), frozenset({"desk"}), relay=relay
        )
        checks = await health.checks()
        seen.append([trouble.code for trouble in troubles_of(checks)])
        return bool(checks["outbox"]["ok"])

    async with relaying(world.database, broker) as relay:
        await _until(lambda: relay.is_stuck)
        while_refused = await outbox_is_ok()
        broker.is_connected = False
        while_away = await outbox_is_ok()
        broker.is_connected = True
        broker.refused_id = ""
        await drained(world)
        await _until(lambda: not relay.is_stuck)
        afterwards = await outbox_is_ok()

    assert (while_refused, while_away, afterwards) == (False, True, True)
    assert seen == [["outbox"], ["broker"], []]


async def _until(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    limit = monotonic() + within_s
    while not holds():
        assert monotonic() < limit, "it did not come about"
        await sleep(0.02)
