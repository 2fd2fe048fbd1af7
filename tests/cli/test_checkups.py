"""The doctor finds gaps in rosters, missing tables and weak streams."""

import io
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from reporter.bus import Bus
from reporter.cli.checkups import examine
from reporter.cli.doctor import Finding, Health
from reporter.cli.machine import file_system, kernel_keeps_time
from reporter.core.instants import rfc3339
from reporter.core.terms import RosterChange
from reporter.demo.world import ACCOUNTS, build
from reporter.embedded import EmbeddedNats
from reporter.engine.seal import Sealer
from reporter.settings import Settings
from reporter.store import attachments
from reporter.store.attachments import AttachmentRow
from reporter.store.checkup import schema_differences
from reporter.store.copies import back_up, note
from reporter.store.database import SQLITE_FILE, Database, open_database
from reporter.store.filebox import FOLDER, FileBox
from reporter.store.people import import_roster
from reporter.store.rosterchanges import Agreed, record
from reporter.store.schema import upgrade
from reporter.timesource import ManualTime, SystemTime
from reporter.values import Tables
from tests.cli.ledgers import fresh_database

HOUR = timedelta(hours=1)


def found(findings: list[Finding], name: str) -> list[Health]:
    return [each.health for each in findings if each.name == name]


async def test_a_missing_table_and_column_are_named(tmp_path: Path) -> None:
    database = await fresh_database(tmp_path)
    async with database.transaction() as connection:
        await connection.execute(text("DROP TABLE roster"))
        await connection.execute(text("ALTER TABLE notices DROP COLUMN note"))

    async with database.snapshot() as connection:
        assert sorted(await schema_differences(connection)) == ["notices.note", "roster"]
    await database.close()


async def test_an_empty_folder_is_wrong_and_says_what_to_run(tmp_path: Path) -> None:
    findings = await examine(Settings(data_dir=tmp_path / "none", nats_port=0))

    assert found(findings, "database") == [Health.WRONG]
    assert "reporter db upgrade" in next(each.en for each in findings if each.name == "database")
    assert not (tmp_path / "none").exists()


async def test_without_roster_and_tokens_the_doctor_objects(tmp_path: Path) -> None:
    database = await fresh_database(tmp_path)
    await database.close()

    findings = await examine(Settings(data_dir=tmp_path, nats_port=0))

    assert found(findings, "database") == [Health.GOOD]
    assert found(findings, "on_duty") == [Health.WRONG]
    assert found(findings, "tokens") == [Health.WRONG]


async def test_the_demo_s_world_is_healthy(tmp_path: Path) -> None:
    database = open_database(None, tmp_path)
    await upgrade(database)
    keys = await build(database, SystemTime().now(), "Asia/Shanghai")
    await database.close()
    note(tmp_path, back_up(tmp_path / SQLITE_FILE, tmp_path / "backup"), SystemTime().now())

    findings = await examine(Settings(data_dir=tmp_path, nats_port=0))

    assert set(keys.tokens) == {name for name, *_ in ACCOUNTS}
    of_the_machine = {"disk", "time", "file_system"}
    not_good = {
        each.name: each.health
        for each in findings
        if each.health is not Health.GOOD and each.name not in of_the_machine | {"seal"}
    }
    assert not_good == {"rosters": Health.WARNING}, "the gap that the demo shows, and nothing else"
    assert found(findings, "seal") == [Health.UNKNOWN]


async def test_lost_guards_an_old_seal_and_an_old_backup_are_told(tmp_path: Path) -> None:
    database = await fresh_database(tmp_path)
    long_ago = SystemTime().now() - timedelta(days=3)
    await Sealer(database, ManualTime(long_ago)).seal()
    await database.close()
    note(tmp_path, back_up(tmp_path / SQLITE_FILE, tmp_path / "backup"), long_ago)

    findings = await examine(Settings(data_dir=tmp_path, nats_port=0))

    assert found(findings, "database.guards") == [Health.WRONG]
    guards = next(each for each in findings if each.name == "database.guards")
    assert "ledger_no_update, ledger_no_delete" in guards.en
    assert found(findings, "seal") == [Health.WARNING]
    assert found(findings, "backup") == [Health.WARNING]


async def test_who_cannot_be_reached_is_named_with_the_address_and_what_is_wrong(tmp_path: Path) -> None:
    database = await fresh_database(tmp_path)
    now = SystemTime().now()
    span = f"{rfc3339(now - HOUR)},{rfc3339(now + HOUR)}"
    roster = f"unit,role,starts,ends,person,phone,channels\nroot,duty_officer,{span},李,138,webhook:ops\n"
    await import_roster(database, roster.encode(), now=now)
    agreed = Agreed(
        RosterChange.OVERRIDE, "root", "duty_officer", None, now, now + HOUR, "孙", "有事", "139", ("webhook:opps",)
    )  # fmt: skip
    await record(database, agreed, "test", "k", now)
    await database.close()
    tables = Tables({"webhook": {"ops": {"url": "https://h.example/"}}})

    findings = await examine(Settings(data_dir=tmp_path, nats_port=0, channels=tables))

    (reach,) = (each for each in findings if each.name == "reach")
    assert reach.health is Health.WARNING
    for said in (reach.zh, reach.en):
        assert "孙 (webhook:opps: no account [channels.webhook.opps] in the settings)" in said
        assert "李" not in said


async def test_a_damaged_file_is_wrong(tmp_path: Path) -> None:
    database = await fresh_database(tmp_path)
    async with database.transaction() as connection:
        await connection.execute(text("CREATE TABLE many AS SELECT hex(randomblob(2000)) AS it FROM units"))
        for _ in range(200):
            await connection.execute(text("INSERT INTO many VALUES (hex(randomblob(2000)))"))
        await connection.execute(text("CREATE INDEX ix_many ON many (it)"))
    await database.close()
    file = tmp_path / SQLITE_FILE
    with file.open("r+b") as damaged:
        damaged.seek(file.stat().st_size - 200_000)
        damaged.write(b"\xff" * 100_000)

    findings = await examine(Settings(data_dir=tmp_path, nats_port=0))

    assert found(findings, "database.integrity") == [Health.WRONG]


async def test_postgresql_is_asked_for_its_durability_and_guards(postgres: str, tmp_path: Path) -> None:
    database = Database(postgres)
    await upgrade(database)
    async with database.transaction() as connection:
        await connection.execute(text("ALTER TABLE seals DISABLE TRIGGER seals_append_only"))
        await connection.execute(text("INSERT INTO units VALUES ('a', '甲', NULL, ' ', '', true)"))
    await database.close()

    findings = await examine(Settings(data_dir=tmp_path, database=postgres, nats_port=0))

    told = {each.name: each.en for each in findings}
    assert "fsync=off" in told["database.durability"]  # as a test's server runs
    assert "(no trigger seals_append_only)" in told["database.guards"]
    assert told["phones"].startswith("units without a phone: a.")
    assert found(findings, "backup") == [Health.UNKNOWN]


MOUNTS = r"""21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 0:20 / /run rw - tmpfs tmpfs rw
23 21 0:40 / /srv/my\040share rw shared:3 - nfs4 host:/x rw
24 21 0:41 / /srv/my\040share/local rw - xfs /dev/sdb rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/reporter", "ext4"),
        ("/run/reporter", "tmpfs"),
        ("/runtime", "ext4"),
        ("/srv/my share/data", "nfs4"),
        ("/srv/my share/local/data", "xfs"),
    ],
)
def test_a_folder_s_file_system_is_that_of_its_nearest_mount(folder: str, kind: str) -> None:
    assert file_system(MOUNTS, Path(folder)) == kind


def test_the_kernel_s_word_on_time_is_read_or_not_to_be_had() -> None:
    assert kernel_keeps_time() in {True, False, None}


async def test_the_broker_s_clock_is_held_against_ours(nats_server: EmbeddedNats, tmp_path: Path) -> None:
    bus = Bus(nats_server.url)
    await bus.connect()
    await bus.ensure()

    findings = await examine(Settings(data_dir=tmp_path, nats=nats_server.url))

    await bus.close()
    assert found(findings, "nats.clock") == [Health.GOOD]


async def test_attachments_that_are_named_and_not_there_are_told(tmp_path: Path) -> None:
    database, now = await fresh_database(tmp_path), SystemTime().now()
    box = FileBox(tmp_path / FOLDER, 100)
    there = await box.keep(io.BytesIO("照片".encode()))
    lost = "0" * 64
    async with database.transaction() as connection:
        for incident, digest in (("a", there.sha256), ("b", there.sha256), ("b", lost)):
            await attachments.add(
                connection, AttachmentRow(incident, digest, "1.jpg", "image/jpeg", 6, now, "east")
            )
    await database.close()

    finding = next(each for each in await examine(settings_of(tmp_path)) if each.name == "attachments")
    assert finding.health is Health.WRONG
    assert f"1 of 2 attachments are not in {tmp_path / FOLDER}, such as {lost}" in finding.en

    path = tmp_path / FOLDER / lost[:2] / lost
    path.parent.mkdir()
    path.write_bytes(b"")
    assert found(await examine(settings_of(tmp_path)), "attachments") == [Health.GOOD]


def settings_of(folder: Path) -> Settings:
    return Settings(data_dir=folder, nats_port=0)
