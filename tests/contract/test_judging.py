"""Judging with the word of a real broker (contract 3.13): under load, with what is stuck, with clocks apart."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any  # arguments of an event of SQLAlchemy

import pytest
from sqlalchemy import event

from reporter.core.instants import parse
from reporter.core.terms import FactKind
from reporter.engine.fence import STALLED_S
from reporter.store.database import Database
from tests.contract.gateworld import world_on
from tests.contract.judgingworld import SECOND, Keeper, engine_on
from tests.unit.factories import CATALOG, at

LOAD_EVERY_S = 0.01


def clock_now() -> datetime:
    return datetime.now(UTC)


async def test_under_load_and_redeliveries_whoever_reported_in_time_has_no_standing_breach(
    tmp_path: Path,
) -> None:
    async with engine_on(tmp_path) as engine:
        due = clock_now() + 3 * SECOND
        answered = [await engine.open(due) for _ in range(5)]
        silent = [await engine.open(due) for _ in range(2)]
        keeper, is_over = Keeper(engine), asyncio.Event()

        async def load() -> None:
            while not is_over.is_set():
                data = {"title": "负荷", "occurred": due.isoformat()}
                await engine.publish("reporter.incident.occurred", "reporter.in.incident.west", data)
                await asyncio.sleep(LOAD_EVERY_S)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load())
            await asyncio.sleep((due - 1.5 * SECOND - clock_now()).total_seconds())
            await keeper.ask(30)
            for incident in answered:
                assert await engine.report(incident) < due
            for incident in silent:
                line = await engine.breach(incident, 40)
                assert parse(line["at"]) == due
            is_over.set()

        assert len(keeper.taken) == 30, "nothing was taken away, so nothing was redelivered"
        for incident in answered:
            await engine.until(partial(engine.is_on_time, incident), 15)
            breaches = await engine.world.breaches(incident)
            assert [kind for kind, _ in breaches] in ([], ["breached", "breach_lifted"])


async def test_a_report_stuck_with_another_reader_is_waited_for_so_long_and_then_lifts_the_breach(
    tmp_path: Path,
) -> None:
    async with engine_on(tmp_path) as engine:
        due = clock_now() + 2 * SECOND
        incident = await engine.open(due)
        keeper = Keeper(engine)
        await engine.stop_reading()
        await keeper.ask(1)
        assert await engine.report(incident) < due
        await engine.until(keeper.has_taken, 5)
        engine.read_on()
        is_said = False
        while not await engine.world.ledger(incident, FactKind.BREACHED):
            await keeper.hold_on()
            is_said = is_said or engine.fence.waiting_since is not None
            assert clock_now() < due + 12 * SECOND, "the wait has no bound"
            await asyncio.sleep(0.2)

        [line] = await engine.world.ledger(incident, FactKind.BREACHED)
        waited_s = (parse(line["recorded_at"]) - due).total_seconds()
        assert 1 < waited_s < STALLED_S + 3
        assert is_said
        await keeper.let_go()
        await engine.until(lambda: engine.world.ledger(incident, FactKind.BREACH_LIFTED), 8)
        assert await engine.verdict(incident) == "on_time"


@pytest.mark.parametrize("seconds", [3.0, -3.0])
async def test_with_clocks_apart_the_brokers_decides_and_the_verdict_says_by_how_much(
    tmp_path: Path, seconds: float
) -> None:
    """Ours is `seconds` ahead: the report is stored before the deadline by the broker's clock, not by ours."""
    async with engine_on(tmp_path, timedelta(seconds=seconds)) as engine:
        due = clock_now() + 3 * SECOND
        answered = await engine.open(due)
        silent = await engine.open(due)
        await asyncio.sleep((due - 0.4 * SECOND - clock_now()).total_seconds())
        assert await engine.report(answered) < due

        line = await engine.breach(silent, 15)
        await engine.until(partial(engine.is_on_time, answered), 8)

        assert parse(line["at"]) == due
        assert not await engine.world.ledger(answered, FactKind.BREACHED)
        assert abs(line["body"]["skew_ms"] + seconds * 1000) < 500
        [judged] = await engine.world.ledger(answered, FactKind.JUDGED)
        assert abs(judged["body"]["skew_ms"] + seconds * 1000) < 500
        assert clock_now() >= due, "judged before the broker's clock had passed the deadline"


async def test_with_clocks_together_no_verdict_speaks_of_them(tmp_path: Path) -> None:
    async with engine_on(tmp_path) as engine:
        incident = await engine.open(clock_now() + SECOND)

        line = await engine.breach(incident, 10)

        assert "skew_ms" not in line["body"]


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that are executed meanwhile."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(" ".join(statement.split()))

    engines = [database._writer.sync_engine, database._reader.sync_engine]
    for each in engines:
        event.listen(each, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        for each in engines:
            event.remove(each, "before_cursor_execute", note)


async def test_the_check_before_judging_costs_the_same_for_ten_clocks_and_for_ten_thousand(
    tmp_path: Path,
) -> None:
    asked: dict[int, int] = {}
    executed: dict[int, int] = {}
    async with engine_on(tmp_path) as engine:
        for clocks in (10, 10_000):
            url = f"sqlite:///{tmp_path / f'{clocks}.sqlite3'}"
            async with world_on(url, CATALOG, at(0)) as world:
                commands = [
                    world.command("occurred", 1, f"e{n}", title="并发", occurred="2026-11-23T06:00:00Z")
                    for n in range(clocks // 2 + 1)
                ]
                await world.submit(*commands)
                await world.drain(judged_through=at(5))
                world.time.at = at(61)  # two of the three obligations of each are due
                before = engine.bus.asked

                with counted(world.database) as statements:
                    await engine.fence.judged_through()
                    await world.gate.next_looks()
                asked[clocks] = engine.bus.asked - before
                executed[clocks] = len(statements)

    assert asked[10] == asked[10_000] <= 2, asked
    assert executed[10] == executed[10_000], executed


async def test_a_tick_executes_as_many_statements_for_ten_clocks_as_for_five_hundred(tmp_path: Path) -> None:
    executed: dict[int, list[str]] = {}
    for clocks in (10, 500):
        async with world_on(f"sqlite:///{tmp_path / f'{clocks}.sqlite3'}", CATALOG, at(0)) as world:
            commands = [
                world.command("occurred", 1, f"e{n}", title="并发", occurred="2026-11-23T06:00:00Z")
                for n in range(clocks)
            ]
            await world.submit(*commands)
            await world.drain(judged_through=at(19))
            world.time.at = at(20)
            with counted(world.database) as statements:
                assert await world.gate.tick(at(20)) == clocks
            # The unit tree is read again when it is older than half a second, however many clocks there are; and rows
            # are inserted five hundred by a statement.
            heads = [x.partition(" VALUES ")[0] for x in statements if "FROM units" not in x]
            executed[clocks] = [head for head, _ in groupby(heads)]

    assert len(executed[10]) == len(executed[500]), executed
