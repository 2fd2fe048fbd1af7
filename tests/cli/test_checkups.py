"""The doctor finds gaps in rosters, missing tables and weak streams."""

from datetime import timedelta
from pathlib import Path

from nats.js.api import StorageType, StreamConfig
from sqlalchemy import text

from reporter.bus import STREAM_IN, SUBJECTS_IN
from reporter.cli.checkups import differences, examine
from reporter.cli.doctor import Finding, Health
from reporter.core.terms import DutyRole
from reporter.demo.world import build
from reporter.settings import Settings
from reporter.store.checkup import gaps, schema_differences
from reporter.timesource import SystemTime
from tests.cli.ledgers import AT, fresh_database

HOUR = timedelta(hours=1)


def found(findings: list[Finding], name: str) -> list[Health]:
    return [each.health for each in findings if each.name == name]


def test_gaps_are_what_no_shift_covers() -> None:
    shifts = [(AT - HOUR, AT + HOUR), (AT, AT + HOUR / 2), (AT + 2 * HOUR, AT + 3 * HOUR)]

    holes = gaps("a", DutyRole.LEADER, shifts, AT, AT + 4 * HOUR)

    assert [(hole.starts_at, hole.ends_at) for hole in holes] == [
        (AT + HOUR, AT + 2 * HOUR),
        (AT + 3 * HOUR, AT + 4 * HOUR),
    ]


def test_a_shift_that_follows_at_once_leaves_no_gap() -> None:
    assert gaps("a", DutyRole.LEADER, [(AT, AT + HOUR), (AT + HOUR, AT + 2 * HOUR)], AT, AT + 2 * HOUR) == []


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
    database = await fresh_database(tmp_path)
    keys = await build(database, SystemTime().now(), "Asia/Shanghai")
    await database.close()

    findings = await examine(Settings(data_dir=tmp_path, nats_port=0))

    assert set(keys.tokens) == {"duty", "leader", "yi-xian", "bing-xian", "ding-qu", "auditor", "admin"}
    assert {each.health for each in findings if each.name != "disk"} == {Health.GOOD}


async def test_a_broker_that_does_not_answer_is_wrong_and_its_password_is_not_shown(tmp_path: Path) -> None:
    findings = await examine(Settings(data_dir=tmp_path, nats="nats://user:secret@127.0.0.1:9"))

    broker = next(each for each in findings if each.name == "nats")
    assert broker.health is Health.WRONG
    assert "127.0.0.1:9" in broker.en
    assert "secret" not in broker.en


def test_a_weaker_stream_is_told_in_words() -> None:
    ours = StreamConfig(
        name=STREAM_IN,
        subjects=[SUBJECTS_IN],
        storage=StorageType.FILE,
        max_age=2592000,
        duplicate_window=0.1,
    )
    theirs = StreamConfig(
        name=STREAM_IN, subjects=["other"], storage=StorageType.MEMORY, max_age=60, duplicate_window=120
    )

    assert differences(STREAM_IN, SUBJECTS_IN, ours) == []
    assert len(differences(STREAM_IN, SUBJECTS_IN, theirs)) == 4
