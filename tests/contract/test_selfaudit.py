"""Watching the watcher: what is due and undecided is found by the table, on both databases; and how writing goes."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any  # arguments handed on

import pytest
from sqlalchemy import ColumnElement, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import InstrumentedAttribute

from reporter.core import decide
from reporter.core.instants import rfc3339
from reporter.core.terms import FactKind
from reporter.core.tracked import Tracked
from reporter.engine import record, selfaudit
from reporter.engine.selfaudit import LATE_S_MAX, SelfAudit
from reporter.engine.unjudged import AGAIN, FORGOTTEN
from reporter.store import models as m
from reporter.store.database import Database, open_database
from reporter.store.schema import check
from reporter.store.waiting import UNDECIDED_MAX
from reporter.timesource import sleep
from tests.contract.gateworld import World
from tests.unit.factories import at, facts


async def test_what_is_due_and_undecided_is_found_however_the_doorbell_fares(world: World) -> None:
    audit = SelfAudit(world.gate, world.time)
    await world.open()
    await world.drain()
    await audit.look()
    assert (audit.oldest_at, audit.oldest_s) == (None, 0.0)

    world.time.at = at(20) + timedelta(seconds=LATE_S_MAX)
    await world.drain(judged_through=at(19))  # reminders go out, the judgement does not come
    await audit.look()
    assert audit.oldest_at == at(20)
    assert audit.oldest_s == LATE_S_MAX
    assert not is_late(audit)
    world.time.advance(timedelta(microseconds=1))
    assert is_late(audit)

    await world.drain()
    await audit.look()
    assert not is_late(audit)


async def test_what_is_recorded_long_after_it_was_due_is_late_only_once_it_waits(world: World) -> None:
    audit = SelfAudit(world.gate, world.time)
    await world.open("e1", received=1440)
    await audit.look()
    assert (audit.oldest_at, audit.oldest_s) == (at(1440), 0.0)
    await world.drain()
    await audit.look()
    assert audit.oldest_at is None

    incident = await world.open("e2", received=1441, occurred=rfc3339(at(1440)))
    await audit.look()
    await world.tell("amended", incident, 1442, occurred=rfc3339(at(0)))
    await audit.look()  # due for a day, and so only since the look before
    assert audit.oldest_at == at(1441)
    world.time.at = at(1443)
    await audit.look()
    assert audit.oldest_at == at(1441)
    assert is_late(audit)


async def test_what_goes_on_waiting_is_late_though_the_earliest_of_it_is_decided(world: World) -> None:
    audit = SelfAudit(world.gate, world.time)
    await world.submit(
        *(world.command("occurred", 1, f"e{count}", **facts()) for count in range(UNDECIDED_MAX + 1))
    )
    world.time.at = at(20)
    await world.drain(judged_through=at(19))
    await audit.look()
    world.time.advance(timedelta(seconds=LATE_S_MAX + 1))
    assert await world.gate.tick(at(20), UNDECIDED_MAX) == UNDECIDED_MAX
    await audit.look()  # at what the look before did not get to see

    assert audit.oldest_at == at(20)
    assert is_late(audit)


async def test_what_cannot_be_judged_is_put_off_and_not_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = SelfAudit(world.gate, world.time)
    broken, sound = await world.open("e1"), await world.open("e2")

    def failing(tracked: Tracked, *rest: Any) -> None:
        if tracked.id == broken:
            raise ZeroDivisionError
        decide.tick(tracked, *rest)

    monkeypatch.setattr(record, "tick", failing)
    world.time.at = at(20)
    await world.drain()
    world.time.advance(timedelta(seconds=LATE_S_MAX + 1))
    await audit.look()
    assert (audit.oldest_at, audit.is_late) == (at(20), True)
    assert await world.ledger(sound, FactKind.BREACHED)

    monkeypatch.undo()
    world.time.advance(AGAIN)
    await world.drain()
    await audit.look()
    assert not is_late(audit)
    assert await world.ledger(broken, FactKind.BREACHED)


@pytest.mark.parametrize(
    ("odd", "whose"),
    [
        (m.Clock.state, [m.Clock.obligation == "initial", m.Clock.number == m.Incident.number]),
        (m.Incident.edition_digest, []),
    ],
    ids=["a clock's state", "an edition that is not there"],
)
async def test_a_row_that_cannot_be_read_is_put_off_and_delays_no_other(
    world: World, odd: InstrumentedAttribute[str], whose: list[ColumnElement[bool]]
) -> None:
    broken, sound = await world.open("e1"), await world.open("e2")
    mine = update(odd.class_).where(m.Incident.id == broken, *whose)
    async with world.database.transaction() as connection:
        before = (await connection.execute(select(odd).where(m.Incident.id == broken, *whose))).scalar_one()
        await connection.execute(mine.values({odd: "odd"}))

    world.time.at = at(20)
    await world.drain()
    assert await world.ledger(sound, FactKind.BREACHED)
    assert not await world.ledger(broken, FactKind.BREACHED)
    assert world.gate.unjudged.oldest_at == at(20)

    async with world.database.transaction() as connection:
        await connection.execute(mine.values({odd: before}))
    world.time.advance(AGAIN)
    await world.drain()
    assert await world.breaches(broken) == await world.breaches(sound)


async def test_what_another_replica_takes_care_of_is_forgotten(world: World) -> None:
    unjudged = world.gate.unjudged
    unjudged.note([], [1, 2], at(0))
    unjudged.note([2], [1], at(1))
    assert unjudged.oldest_at == at(0)

    unjudged.note([3], [], at(1) + FORGOTTEN + timedelta(microseconds=1))

    assert unjudged.oldest_at is None


def is_late(audit: SelfAudit) -> bool:
    return audit.is_late


async def test_an_audit_that_is_no_longer_made_is_silent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = SelfAudit(world.gate, world.time)
    await audit.look()
    assert not audit.is_silent

    monkeypatch.setattr(selfaudit, "SILENCE_S_MAX", 0.05)
    limit = monotonic() + 5
    while not is_silent(audit):
        assert monotonic() < limit
        await sleep(0.01)
    await audit.look()
    assert not is_silent(audit)


def is_silent(audit: SelfAudit) -> bool:
    return audit.is_silent


async def test_a_statement_that_is_refused_is_no_trouble_of_the_database(world: World) -> None:
    with pytest.raises(IntegrityError):
        async with world.database.transaction() as connection:
            await connection.execute(text("INSERT INTO units SELECT * FROM units"))

    assert world.database.writes.reason is None
    await world.database.probe()


async def test_while_another_program_holds_the_lock_writing_is_said_to_fail_until_it_succeeds(
    tmp_path: Path,
) -> None:
    database = open_database(None, tmp_path)
    await check(database)
    database.patience_ms = 100
    assert database.path is not None

    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError):
            await database.probe()
        assert reason(database) == "locked"
        assert database.writes.needs_probe
        assert database.writes.failing_for_s > 0.09
        async with database.snapshot() as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
        other.execute("ROLLBACK")

    await database.probe()
    assert reason(database) is None
    await database.close()


def reason(database: Database) -> str | None:
    return database.writes.reason
