"""The command line as an operator uses it: exit statuses, `--json`, files, the audit of the ledger."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from .desk import Desk
from .district import UNITS, District, Founder
from .ledgercheck import standing_breaches
from .moments import Json, ago, eventually, text
from .service import Service, read_lines, reporter


def test_wrong_usage_is_2_and_says_how_it_is_right(tmp_path: Path) -> None:
    for arguments in (["fly"], ["serve", "--http", "nowhere"], ["token", "create"]):
        done = reporter(*arguments, folder=tmp_path)
        assert done.returncode == 2, arguments
        assert done.stderr
        assert "Traceback" not in done.stderr


def test_the_shipped_schedules_are_good_and_a_bad_one_is_named(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    good = reporter("schedules", "check", folder=tmp_path)
    (rules / "bad.toml").write_text('id = "bad"\ncolour = "red"\n')

    bad = reporter("schedules", "check", folder=tmp_path, env={"REPORTER_SCHEDULES": str(rules)})

    assert good.returncode == 0, good.stderr
    assert bad.returncode == 1
    assert "bad.toml" in bad.stdout + bad.stderr
    assert "colour" in bad.stdout + bad.stderr


def test_a_schedule_is_shown_with_its_citation(tmp_path: Path) -> None:
    done = reporter("schedules", "show", "cn-zaozhuang-hitech-2021-9", "--json", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "枣高安发〔2021〕9号" in json.dumps(json.loads(done.stdout), ensure_ascii=False)
    assert reporter("schedules", "show", "no-such", folder=tmp_path).returncode in (1, 2)


def as_chief(town: District, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"REPORTER_URL": town.service.http, "REPORTER_TOKEN": town.tokens["chief"]}
    return reporter(*arguments, folder=town.service.folder, env=env)


def test_clients_show_what_the_desk_shows(town: District, desk: Desk) -> None:
    incident = desk.open("east", occurred=text(ago(minutes=1)))

    shown: Json = json.loads(as_chief(town, "show", incident["id"], "--json").stdout)
    board: Json = json.loads(as_chief(town, "board", "--json").stdout)
    plain = as_chief(town, "show", incident["id"])

    assert shown["id"] == incident["id"]
    assert shown["clocks"] == incident["clocks"]
    assert incident["id"] in {x["id"] for x in board["items"]}
    assert incident["title"] in plain.stdout
    assert as_chief(town, "show", "00000000-0000-0000-0000-000000000000").returncode == 1


def test_the_ledger_is_verified_and_explained(town: District, desk: Desk) -> None:
    incident = desk.open("east", occurred=text(ago(minutes=30)))["id"]
    eventually(lambda: standing_breaches(desk.ledger(incident), "initial"), within=5)

    town.service.verb("ledger", "verify")
    explained = town.service.verb("ledger", "explain", incident).stdout

    assert "PT20M" in explained or "20" in explained
    assert "枣高安发" in explained
    assert town.service.verb("ledger", "explain", "no-such", expect=None).returncode in (1, 2)


def database_of(service: Service) -> Path:
    """The SQLite file of a data folder, found by its first bytes."""
    for path in sorted(service.data.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                if file.read(15) == b"SQLite format 3":
                    return path
    raise AssertionError(f"no SQLite file under {service.data}")


def test_the_database_refuses_to_change_the_ledger_and_tampering_is_found(own_district: Founder) -> None:
    town = own_district().found()
    incident = town.desk.open("east", title="被篡改的标题", occurred=text(ago(minutes=1)))["id"]
    town.disconnect()
    town.service.stop()
    path = database_of(town.service)

    with closing(sqlite3.connect(path)) as database:
        for statement in ("UPDATE ledger SET hash = 'x'", "DELETE FROM ledger"):
            with pytest.raises(sqlite3.DatabaseError):
                database.execute(statement)
        database.rollback()
    assert town.service.verb("ledger", "verify").returncode == 0

    shutil.copy(path, path.with_suffix(".before"))
    with closing(sqlite3.connect(path)) as database:
        for (trigger,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'ledger'"
        ).fetchall():
            database.execute(f'DROP TRIGGER "{trigger}"')
        database.execute("UPDATE ledger SET text = replace(text, '被篡改的标题', '别的标题')")
        assert database.total_changes
        database.commit()
    found = town.service.verb("ledger", "verify", expect=1)
    assert incident in found.stdout + found.stderr


def test_a_backup_restores_the_same_incidents(own_district: Founder, tmp_path: Path) -> None:
    town = own_district("first").found()
    incident = town.desk.open("east", occurred=text(ago(minutes=1)))["id"]
    ledger = town.desk.ledger(incident)
    backup = tmp_path / "backup.file"

    town.service.verb("db", "backup", str(backup))
    other = own_district("second")
    other.service.verb("db", "restore", str(backup))
    other.tokens["chief"] = other.service.token("chief", "admin")
    other.service.start()
    other.reconnect()

    assert other.desk.ledger(incident) == ledger
    other.service.verb("ledger", "verify")


def test_doctor_is_content_with_a_healthy_service(town: District) -> None:
    done = town.service.verb("doctor", expect=None)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([("a", "甲", "", "1", "1"), ("b", "乙", "", "1", "1")], ["b"]),  # two roots
        ([("a", "甲", "b", "1", "1"), ("b", "乙", "a", "1", "1")], ["a"]),  # a cycle
        (
            [("a", "甲", "", "1", "1"), ("B!", "乙", "a", "1", "1"), ("c", "丙", "nowhere", "1", "1")],
            ["3", "4"],
        ),
    ],
)
def test_a_bad_unit_file_changes_nothing_and_every_bad_line_is_named(
    town: District, rows: list[tuple[str, ...]], named: list[str]
) -> None:
    done = town.service.import_file("unit", read_lines([UNITS[0], *rows]), expect=1)

    said = done.stdout + done.stderr
    assert all(name in said for name in named), said
    assert "unit_unknown" not in town.desk.incident(town.publisher("west").open())["anomalies"]


@pytest.mark.parametrize(
    "row",
    [
        ("west", "cook", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "甲", "1", ""),
        ("west", "leader", "2026-01-01T00:00:00", "2026-01-02T00:00:00Z", "甲", "1", ""),
        ("west", "leader", "2026-01-03T00:00:00Z", "2026-01-02T00:00:00Z", "甲", "1", ""),
        ("nowhere", "leader", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "甲", "1", ""),
    ],
)
def test_a_bad_roster_line_is_named(town: District, row: tuple[str, ...]) -> None:
    header = ("unit", "role", "starts", "ends", "person", "phone", "channels")

    done = town.service.import_file("roster", read_lines([header, row]), expect=1)

    assert "2" in done.stdout + done.stderr


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_files_of_a_chinese_office_are_read(own_district: Founder, encoding: str) -> None:
    town = own_district(encoding)
    town.service.import_file("unit", read_lines(UNITS), encoding=encoding)

    assert town.service.import_file("unit", read_lines(UNITS)).returncode == 0


def test_units_imported_beside_a_running_service_are_seen_within_a_second(own_district: Founder) -> None:
    town = own_district()
    town.tokens["chief"] = town.service.token("chief")
    town.service.start()
    town.reconnect()
    assert town.desk.incident(town.publisher("root").open())["unit"] == "root"

    town.service.import_file("unit", read_lines(UNITS))

    eventually(lambda: town.desk.incident(town.publisher("east").open())["unit"] == "east", within=10)
    town.service.import_file("unit", read_lines([x for x in UNITS if x[0] != "north"]))
    eventually(
        lambda: "unit_unknown" in town.desk.incident(town.publisher("north").open())["anomalies"],
        within=10,
        why="an absent unit is deactivated",
    )
