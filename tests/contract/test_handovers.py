"""Handovers as both databases keep them: one open one a unit, nothing changed, tampering seen."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from reporter.core.handover import CHECKS, EntryKind, Part
from reporter.store import handoverlog, schema
from reporter.store.database import SQLITE_FILE, Database
from tests.unit.factories import at

SNAPSHOT = {
    "counts": {"open": 1},
    "incidents": [{"item": "incident/a", "title": "起火"}],
    "troubles": [],
    "gaps": [],
}


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database, with its triggers."""
    is_sqlite = request.param == "sqlite"
    found = Database(
        f"sqlite:///{tmp_path / SQLITE_FILE}" if is_sqlite else request.getfixturevalue("postgres")
    )
    await schema.check(found)
    yield found
    await found.close()


async def freeze(database: Database, key: str = "k", unit: str = "yi") -> tuple[int, bool]:
    return await handoverlog.freeze(database, unit, SNAPSHOT, "account:a", key, at(0))


async def add(database: Database, number: int, kind: EntryKind, subject: str = "", **body: object) -> int:
    return await handoverlog.add(database, number, [(kind, subject, body)], "account:a", at(1))


async def signed(database: Database, number: int) -> None:
    await add(database, number, EntryKind.CONFIRMED, "incident/a")
    for name in CHECKS:
        await add(database, number, EntryKind.CHECKED, name, ok=True)
    for part, login in ((Part.OUTGOING, "a"), (Part.INCOMING, "b"), (Part.LEADER, "c")):
        await add(database, number, EntryKind.SIGNED, part, login=login, name=login)


async def test_two_who_begin_at_once_begin_the_same(database: Database) -> None:
    found = await asyncio.gather(*(freeze(database, key=f"k{each}") for each in range(4)))

    assert len({number for number, _ in found}) == 1
    assert sorted(is_new for _, is_new in found) == [False, False, False, True]
    assert (await freeze(database, "other", "jia"))[1]


async def test_the_next_begins_when_one_is_signed_or_cancelled(database: Database) -> None:
    first, _ = await freeze(database)
    await signed(database, first)
    second, is_new = await freeze(database, "second")
    assert (await freeze(database))[0] == first  # the key stands for it
    await add(database, second, EntryKind.CANCELLED, reason="x")
    third, _ = await freeze(database, "third")

    assert is_new and len({first, second, third}) == 3
    async with database.snapshot() as connection:
        assert await handoverlog.open_one(connection, "yi") == third
        assert await handoverlog.last_signed(connection, "yi") == at(0)
        lines = await handoverlog.listed(connection, {"yi"})
    assert [line.state.value for line in lines] == ["open", "cancelled", "signed"]
    assert lines[2].signed == {"outgoing": "a", "incoming": "b", "leader": "c"}


async def test_entries_written_at_once_form_one_chain(database: Database) -> None:
    number, _ = await freeze(database)

    await asyncio.gather(*(add(database, number, EntryKind.CHECKED, name, ok=True) for name in CHECKS))

    async with database.snapshot() as connection:
        found = await handoverlog.load(connection, number)
    assert found is not None and found.is_sound
    assert [entry.number for entry in found.entries] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("table", ["handovers", "handover_entries"])
async def test_the_database_refuses_changes(database: Database, table: str) -> None:
    number, _ = await freeze(database)
    await add(database, number, EntryKind.STATED, network="正常")

    for statement in (f"UPDATE {table} SET text = 'x'", f"DELETE FROM {table}"):
        with pytest.raises(DBAPIError, match="append-only"):
            async with database.transaction() as connection:
                await connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE handovers SET text = replace(text, '起火', '无事')",
        "UPDATE handover_entries SET text = replace(text, '正常', '断网')",
        "DELETE FROM handover_entries WHERE number = 1",
        "UPDATE handover_entries SET subject = 'leader' WHERE number = 2",
    ],
)
async def test_tampering_shows(database: Database, statement: str) -> None:
    number, _ = await freeze(database)
    await add(database, number, EntryKind.STATED, network="正常")
    await add(database, number, EntryKind.SIGNED, Part.OUTGOING, login="a")
    table = statement.removeprefix("UPDATE ").removeprefix("DELETE FROM ").split()[0]
    async with database.transaction() as connection:
        if database.kind == "sqlite":
            for verb in ("update", "delete"):
                await connection.execute(text(f"DROP TRIGGER {table}_no_{verb}"))
        else:
            await connection.execute(text(f"DROP TRIGGER {table}_append_only ON {table}"))
        await connection.execute(text(statement))

    async with database.snapshot() as connection:
        found = await handoverlog.load(connection, number)

    assert found is not None and not found.is_sound
