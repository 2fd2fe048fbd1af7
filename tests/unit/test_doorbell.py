"""The doorbell on a real gate and the machine's own time: rings in time, and never as the truth."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any  # documents of JSON

import pytest
from apscheduler.schedulers import base
from apscheduler.triggers import date

from reporter.bus import Standing
from reporter.core.instants import parse, rfc3339
from reporter.core.terms import FactKind
from reporter.engine import doorbell as doorbells
from reporter.engine.doorbell import (
    ASK_AGAIN_S,
    ASK_AGAIN_S_MIN,
    LOOK_S_MIN,
    REREAD_S,
    Doorbell,
    until_asked_again,
)
from reporter.engine.fence import Fence
from reporter.engine.record import Gate
from reporter.timesource import SystemTime, sleep
from tests.contract.gateworld import World, world_on
from tests.unit.factories import CATALOG, a_command, facts

TWENTY = timedelta(minutes=20)
TIME = SystemTime()
WITHIN_S = 20.0
"""More than any machine's stall: how soon a bell rings is measured by the bench."""


class Broker:
    """A broker that has been read to its end, or not, or is away."""

    is_connected = True
    unread = 0

    async def intake_standing(self) -> Standing:
        return Standing(TIME.now(), 10, 10, self.unread, 0)

    async def last_sequence(self) -> int:
        return 10 + self.unread


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_on(f"sqlite:///{tmp_path / 'd.sqlite3'}", CATALOG, TIME.now()) as found:
        found.gate = Gate(found.database, CATALOG, TIME)
        yield found


@asynccontextmanager
async def ringing(world: World, broker: Broker, gate: Gate | None = None) -> AsyncIterator[Doorbell]:
    doorbell = Doorbell(gate or world.gate, Fence(broker, TIME), TIME)
    running = asyncio.get_running_loop().create_task(doorbell.run())
    try:
        yield doorbell
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def opened(gate: Gate, due: datetime, id_: str = "e1") -> str:
    """An incident whose initial report is due then."""
    data = facts(occurred=rfc3339(due - TWENTY))
    [outcome] = await gate.submit(
        [a_command("occurred", data, due - timedelta(minutes=19), id_=id_, sequence=1)]
    )
    assert outcome.incident is not None
    return outcome.incident


async def eventually(look: Callable[[], Awaitable[list[Any]]]) -> list[Any]:
    limit = monotonic() + WITHIN_S
    while not (found := await look()):
        assert monotonic() < limit, "it never came"
        await sleep(0.01)
    return found


def lateness(line: dict[str, Any]) -> timedelta:
    return parse(line["recorded_at"]) - parse(line["at"])


async def test_the_alarm_alone_has_a_breach_recorded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorbells, "REREAD_S", 10 * WITHIN_S)
    async with ringing(world, Broker()):
        incident = await opened(world.gate, TIME.now() + timedelta(seconds=0.8))
        [line] = await eventually(lambda: world.ledger(incident, FactKind.BREACHED))

    assert lateness(line) > timedelta(0)


async def test_what_another_process_armed_is_found_by_the_re_read(world: World) -> None:
    async with ringing(world, Broker()):
        elsewhere = Gate(world.database, CATALOG, TIME)  # its signals wake nobody here
        incident = await opened(elsewhere, TIME.now() + timedelta(seconds=0.2))
        await eventually(lambda: world.ledger(incident, FactKind.BREACHED))


async def test_the_re_read_goes_on_when_the_machines_clock_is_set_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_by = [timedelta()]

    class Shifted(datetime):
        """The clock that APScheduler reads."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # a plain one does
            return datetime.now(tz) + set_by[0]

    for module in (base, date):
        monkeypatch.setattr(module, "datetime", Shifted)
    async with ringing(world, Broker()) as doorbell:
        await eventually(partial(looked_since, doorbell, None))
        set_by[0] = -timedelta(minutes=10)
        for _ in range(3):
            await eventually(partial(looked_since, doorbell, doorbell.looked_at))


async def looked_since(doorbell: Doorbell, before: float | None) -> list[float]:
    """When the table was last read, if that was not `before`."""
    return [] if doorbell.looked_at in {None, before} else [doorbell.looked_at or 0.0]


async def test_of_two_doorbells_one_records_each_breach(world: World) -> None:
    due = TIME.now() + timedelta(seconds=0.6)
    async with ringing(world, Broker()), ringing(world, Broker(), Gate(world.database, CATALOG, TIME)):
        incidents = [await opened(world.gate, due, f"e{number}") for number in range(20)]
        for incident in incidents:
            await eventually(partial(world.ledger, incident, FactKind.BREACHED))
        await sleep(REREAD_S + 0.2)

    for incident in incidents:
        assert len(await world.ledger(incident, FactKind.BREACHED)) == 1


async def test_reminders_do_not_wait_for_a_backlog_and_breaches_do(world: World) -> None:
    broker = Broker()
    broker.unread = 5
    async with ringing(world, broker):
        breached = await opened(world.gate, TIME.now() + timedelta(seconds=0.3), "breached")
        reminded = await opened(world.gate, TIME.now() + timedelta(minutes=10, seconds=0.3), "reminded")
        await eventually(lambda: world.ledger(reminded, FactKind.REMINDED))
        await sleep(0.5)
        assert await world.ledger(breached, FactKind.BREACHED) == []

        broker.unread = 0
        [line] = await eventually(lambda: world.ledger(breached, FactKind.BREACHED))

    assert parse(line["at"]) == parse(line["body"]["due_at"])


async def test_without_the_broker_a_breach_is_recorded_a_second_after_its_due_time(world: World) -> None:
    broker = Broker()
    broker.is_connected = False
    async with ringing(world, broker):
        incident = await opened(world.gate, TIME.now() + timedelta(seconds=0.3))
        [line] = await eventually(lambda: world.ledger(incident, FactKind.BREACHED))

    assert lateness(line) >= timedelta(seconds=1)


async def test_a_failure_while_judging_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tick, failures = world.gate.tick, iter([OSError("the disk is gone"), OSError("still")])

    async def failing(judged_through: datetime, limit: int, **asked: bool) -> int:
        if error := next(failures, None):
            raise error
        return await tick(judged_through, limit, **asked)

    monkeypatch.setattr(world.gate, "tick", failing)
    async with ringing(world, Broker()):
        incident = await opened(world.gate, TIME.now() + timedelta(seconds=0.2))

        assert await eventually(lambda: world.ledger(incident, FactKind.BREACHED))


async def test_after_many_commits_the_table_is_not_read_for_each_of_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_looks, looks = world.gate.next_looks, 0

    async def counted() -> tuple[datetime | None, datetime | None]:
        nonlocal looks
        looks += 1
        return await next_looks()

    monkeypatch.setattr(world.gate, "next_looks", counted)
    async with ringing(world, Broker()) as doorbell:
        await doorbell.caught_up.wait()
        began, before, committed = monotonic(), looks, 0
        while monotonic() - began < 10 * LOOK_S_MIN:
            world.gate.signals.clocks.set()
            committed += 1
            await sleep(LOOK_S_MIN / 50)
        assert committed > 100
        assert looks - before <= (monotonic() - began) / LOOK_S_MIN + 1


async def test_the_alarm_is_not_kept_waiting_by_commits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorbells, "LOOK_S_MIN", 10 * WITHIN_S)
    monkeypatch.setattr(doorbells, "REREAD_S", 10 * WITHIN_S)
    incident = await opened(world.gate, TIME.now() + timedelta(seconds=0.8))
    async with ringing(world, Broker()) as doorbell:
        await doorbell.caught_up.wait()
        world.gate.signals.clocks.set()

        await eventually(lambda: world.ledger(incident, FactKind.BREACHED))


async def test_at_the_alarm_the_broker_is_asked_before_the_table(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[datetime, str]] = []
    next_looks = world.gate.next_looks

    class Noted(Broker):
        async def intake_standing(self) -> Standing:
            asked.append((TIME.now(), "broker"))
            return await super().intake_standing()

    async def noted() -> tuple[datetime | None, datetime | None]:
        asked.append((TIME.now(), "table"))
        return await next_looks()

    monkeypatch.setattr(world.gate, "next_looks", noted)
    monkeypatch.setattr(doorbells, "REREAD_S", 10 * WITHIN_S)
    due = TIME.now() + timedelta(seconds=0.8)
    incident = await opened(world.gate, due)
    async with ringing(world, Noted()):
        await eventually(lambda: world.ledger(incident, FactKind.BREACHED))

    assert next(name for at, name in asked if at >= due) == "broker"


@pytest.mark.parametrize(
    ("lacking", "rest_s"),
    [(timedelta(milliseconds=3), 0.003), (timedelta(seconds=5), ASK_AGAIN_S), (timedelta(), ASK_AGAIN_S_MIN)],
)
def test_a_broker_whose_clock_lacks_little_is_asked_again_when_it_has_got_there(
    lacking: timedelta, rest_s: float
) -> None:
    due = TIME.now()

    assert until_asked_again(due, due - lacking) == rest_s
