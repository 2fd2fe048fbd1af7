"""The regular duties while their database takes nothing: they go on trying, and the log stays readable."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import event

from reporter.engine import heartbeat, lookout
from reporter.engine.record import Gate
from reporter.store.database import open_database
from reporter.store.models import Base
from reporter.timesource import SystemTime
from tests.unit.factories import CATALOG

TRIES = 5
WAIT_S = 20.0


def sweeping(gate: Gate) -> Coroutine[None, None, None]:
    return heartbeat.run(gate)


def looking(gate: Gate) -> Coroutine[None, None, None]:
    return lookout.run(gate.database, gate.time, gate.signals)


@pytest.mark.parametrize(("duty", "log"), [(sweeping, heartbeat.log), (looking, lookout.log)])
async def test_an_outage_is_one_line_at_its_start_and_one_at_its_end(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    duty: Callable[[Gate], Coroutine[None, None, None]],
    log: logging.Logger,
) -> None:
    database = open_database(None, tmp_path)
    tries = asyncio.Event()
    failed: list[Any] = []

    def note(context: Any) -> None:
        failed.append(context)
        if len(failed) >= TRIES:
            tries.set()

    for engine in (database._writer, database._reader, database._glancer):
        event.listen(engine.sync_engine, "handle_error", note)
    caplog.set_level(logging.INFO, log.name)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(duty(Gate(database, CATALOG, SystemTime())))
        async with asyncio.timeout(WAIT_S):
            await tries.wait()  # there are no tables yet
        async with database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
        limit = monotonic() + WAIT_S
        while "works again" not in caplog.text:
            assert monotonic() < limit
            await asyncio.sleep(0.05)
        running.cancel()
    await database.close()

    said = [each for each in caplog.records if each.name == log.name]
    assert [each.levelname for each in said] == ["ERROR", "WARNING"]
