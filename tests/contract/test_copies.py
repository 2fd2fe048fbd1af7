"""Backups made under load are whole, a rehearsal proves them, and what is restored goes on where it was."""

import asyncio
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import text

from reporter.engine.record import Gate
from reporter.engine.seal import Sealer
from reporter.store import dumps, schema
from reporter.store import models as m
from reporter.store.copies import Copy, CopyRefused, sidecar
from reporter.store.database import Database
from reporter.store.rehearsal import rehearse
from reporter.store.seal_check import verify
from reporter.timesource import ManualTime
from tests.contract.copyworld import Place
from tests.contract.gateworld import World
from tests.contract.sealworld import free
from tests.unit.factories import CATALOG, at


async def test_a_backup_under_load_is_whole_and_its_clocks_go_on_after_a_restore(place: Place) -> None:
    world = place.world
    await world.open("before")
    await Sealer(world.database, world.time).seal()
    copied = asyncio.Event()

    async def keep_opening() -> int:
        count = 0
        while not copied.is_set() or count < 10:
            await world.open(f"load {count}")
            count += 1
        return count

    async def copy_meanwhile() -> Copy:
        made = await asyncio.to_thread(place.back_up, "backup")
        copied.set()
        return made

    opened, copy = await asyncio.gather(keep_opening(), copy_meanwhile())
    found = await place.rehearse(copy)

    assert copy.revision == found.revision == schema.REVISION
    assert (found.checked.defects, found.differences, found.checked.seals) == ((), (), 1)
    assert 1 <= found.checked.incidents <= opened + 1
    assert (found.clocks.waiting, found.clocks.overdue) == (3 * found.checked.incidents, 0)
    assert (found.clocks.next[0].obligation, found.clocks.next[0].due_at) == ("initial", at(20))

    place.restore(copy)
    restored = Database(place.elsewhere)
    await schema.check(restored)
    gate = Gate(restored, CATALOG, ManualTime(at(21)))
    went_on = World(restored, ManualTime(at(21)), gate)
    while await gate.tick(at(21)):
        pass
    clocks = await went_on.rows(m.Clock, m.Clock.obligation == "initial")
    assert {row["state"] for row in clocks} == {"breached"}
    assert len(clocks) == found.checked.incidents
    assert (await verify(restored)).defects == ()
    await restored.close()


async def test_a_restored_database_still_refuses_to_change_its_ledger(place: Place) -> None:
    await place.world.open()
    place.restore(place.back_up("backup"))

    restored = Database(place.elsewhere)
    with pytest.raises(Exception, match="append-only"):
        async with restored.transaction() as connection:
            await connection.execute(text("DELETE FROM ledger"))
    await restored.close()


async def test_a_rehearsal_finds_what_is_wrong_with_a_backup_and_leaves_nothing(place: Place) -> None:
    await place.world.open()
    await Sealer(place.world.database, place.world.time).seal()
    await free(place.world)
    async with place.world.database.transaction() as connection:
        await connection.execute(text("UPDATE ledger SET hash = 'ff' WHERE version = 1"))
        await connection.execute(text("UPDATE clocks SET due_at = due_at + 1"))

    found = await place.rehearse(place.back_up("backup"))

    assert found.checked.defects
    assert found.differences
    if place.world.database.kind == "postgresql":
        async with place.world.database.snapshot() as connection:
            names = (await connection.execute(text("SELECT datname FROM pg_database"))).scalars().all()
        assert not [name for name in names if name.startswith("reporter_rehearsal")]


async def test_a_database_in_use_is_replaced_only_by_force(place: Place) -> None:
    await place.world.open("one")
    copy = place.back_up("backup")
    place.restore(copy)

    with pytest.raises(CopyRefused, match="--force"):
        place.restore(copy, schema.REVISION)
    place.restore(copy, schema.REVISION, force=True)

    restored = Database(place.elsewhere)
    assert (await verify(restored)).incidents == 1
    await restored.close()


async def test_a_backup_with_pages_of_another_size_replaces_a_database_in_use(place: Place) -> None:
    await place.world.open("one")
    copy = place.back_up("backup")
    place.restore(copy)
    if place.world.database.kind == "sqlite":
        with closing(sqlite3.connect(copy.path)) as pages:
            pages.execute("PRAGMA page_size=4096")
            pages.execute("VACUUM")
        sidecar(copy.path).write_text(f"{sha256(copy.path.read_bytes()).hexdigest()}  {copy.path.name}\n")
    restored = Database(place.elsewhere)
    assert (await verify(restored)).incidents == 1  # it has a log by now
    await restored.close()

    place.restore(copy, schema.REVISION, force=True)

    restored = Database(place.elsewhere)
    assert (await verify(restored)).defects == ()
    await restored.close()


async def test_a_backup_that_was_touched_is_refused_and_nothing_is_made(place: Place) -> None:
    await place.world.open()
    copy = place.back_up("backup")
    with copy.path.open("ab") as file:
        file.write(b"!")

    with pytest.raises(CopyRefused, match="checksum"):
        place.restore(copy)
    with pytest.raises(CopyRefused, match="checksum"):
        await place.rehearse(copy)

    empty = Database(place.elsewhere)
    assert await schema.revision(empty) is None
    await empty.close()


def test_without_its_programs_a_dump_is_refused_with_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CopyRefused) as refused:
        dumps.back_up("postgresql://night:secret@db.example/reporter", tmp_path / "kept.dump")

    for words in (refused.value.zh, refused.value.en):
        assert "pg_dump --format=custom" in words
        assert "postgresql://night@db.example/reporter" in words
        assert f"sha256sum {tmp_path / 'kept.dump'} > {sidecar(tmp_path / 'kept.dump')}" in words
        assert "secret" not in words


@pytest.mark.usefixtures("programs")
def test_what_is_no_dump_of_this_product_is_refused(tmp_path: Path, postgres: str) -> None:
    with pytest.raises(CopyRefused, match="not a backup of this product"):
        dumps.back_up(postgres, tmp_path / "empty.dump")

    assert not list(tmp_path.glob("empty*"))


async def test_a_dump_is_rehearsed_only_where_a_database_can_be_made(tmp_path: Path) -> None:
    dump = tmp_path / "kept.dump"
    dump.write_bytes(b"PGDMP")
    sidecar(dump).write_text(f"{sha256(b'PGDMP').hexdigest()}  kept.dump\n")

    with pytest.raises(CopyRefused, match="--database"):
        await rehearse(dump, None, at(0))
