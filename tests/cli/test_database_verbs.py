"""The maintenance verbs work on the database alone, and say in words what they did or why not."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reporter.catalog import load
from reporter.cli import app
from reporter.core.terms import FactKind
from reporter.demo.world import roster_csv, units_csv
from reporter.resources import schedules_dir
from reporter.store.database import SQLITE_FILE, open_database
from reporter.store.schema import upgrade
from reporter.timesource import SystemTime
from tests.cli.ledgers import chain, keep

Run = Callable[..., Result]
ID = "11111111-1111-5111-8111-111111111111"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder."""
    return tmp_path / "data"


@pytest.fixture
def on_data(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a verb on the data folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPORTER_DATA_DIR", str(data))
    monkeypatch.setenv("REPORTER_NATS_PORT", "0")
    return lambda *arguments: CliRunner().invoke(app, arguments)


async def one_incident(folder: Path) -> None:
    database = open_database(None, folder)
    await upgrade(database)
    lines = chain(ID, [(FactKind.OPENED, {"data": {"title": "爆燃"}}), (FactKind.REMINDED, {})])
    await keep(database, lines, load([schedules_dir()]).default.editions[-1])
    await database.close()


def test_a_token_is_alone_on_stdout_and_a_document_with_json(on_data: Run) -> None:
    plain = on_data("token", "create", "night", "--role", "duty")
    document = json.loads(on_data("token", "create", "night", "--role", "duty", "--json").stdout)

    assert plain.exit_code == 0, plain.stderr
    assert plain.stdout == plain.stdout.strip() + "\n"
    assert document["token"] != plain.stdout.strip()
    assert (document["name"], document["role"], document["unit"]) == ("night", "duty", "root")


def test_a_token_for_an_unknown_unit_is_refused(on_data: Run) -> None:
    done = on_data("token", "create", "night", "--role", "duty", "--unit", "nowhere")

    assert done.exit_code == 1
    assert done.stdout == ""
    assert "nowhere" in done.stderr


def test_units_and_rosters_are_imported_and_counted(on_data: Run, tmp_path: Path) -> None:
    (tmp_path / "units.csv").write_text(units_csv(), encoding="gb18030")
    (tmp_path / "roster.csv").write_text(
        roster_csv(SystemTime().now(), "Asia/Shanghai"), encoding="utf-8-sig"
    )

    units = json.loads(on_data("unit", "import", "units.csv", "--json").stdout)
    roster = json.loads(on_data("roster", "import", "roster.csv", "--json").stdout)
    on_data("token", "create", "night", "--role", "duty")
    doctor = json.loads(on_data("doctor", "--json").stdout)

    assert (units["root"], units["added"]) == ("jia-shi", 4)
    assert roster["shifts"] == 4 * 2 * 22 - 1  # one is left open on purpose
    assert doctor["ok"] is True


def test_every_bad_line_of_a_file_is_named_with_its_place(on_data: Run, tmp_path: Path) -> None:
    bad = "code,name,parent,phone,region\na,甲,,1,1\nB!,乙,a,1,1\nc,丙,nowhere,1,1\n"
    (tmp_path / "units.csv").write_text(bad)

    done = on_data("unit", "import", "units.csv", "--json")

    assert done.exit_code == 1
    assert "units.csv:3" in done.stderr
    assert "units.csv:4" in done.stderr
    assert {each["path"] for each in json.loads(done.stdout)["errors"]} == {"line 3", "line 4"}


@pytest.mark.parametrize(
    "arguments",
    [["ledger", "verify"], ["ledger", "explain", "x"], ["rejected", "list"], ["db", "backup", "b"]],
)
def test_without_a_database_nothing_is_made_up(on_data: Run, data: Path, arguments: list[str]) -> None:
    done = on_data(*arguments)

    assert done.exit_code == 1
    assert str(data) in done.stderr
    assert not data.exists()


def test_a_whole_ledger_is_0_and_a_changed_one_is_1(on_data: Run, data: Path) -> None:
    asyncio.run(one_incident(data))

    good = on_data("ledger", "verify", "--incident", "1123-7kqf", "--json")
    with closing(sqlite3.connect(data / SQLITE_FILE)) as database:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute("UPDATE ledger SET hash = 'x'")
        database.execute("DROP TRIGGER ledger_no_update")
        database.execute("UPDATE ledger SET text = replace(text, '爆燃', '小火')")
        database.commit()
    bad = on_data("ledger", "verify", "--json")

    assert good.exit_code == 0, good.stderr
    assert json.loads(good.stdout) == {"ok": True, "incidents": 1, "lines": 2, "seals": 0, "items": []}
    assert bad.exit_code == 1
    assert [(each["incident"], each["version"]) for each in json.loads(bad.stdout)["items"]] == [(ID, 1)]
    assert ID in bad.stderr


def test_an_incident_is_explained_by_its_code(on_data: Run, data: Path) -> None:
    asyncio.run(one_incident(data))

    done = on_data("ledger", "explain", "1123-7KQF")

    assert done.exit_code == 0, done.stderr
    assert "枣高安发〔2021〕9号" in done.stdout
    assert on_data("ledger", "explain", "1123-NONE").exit_code == 1


def test_a_backup_goes_round(on_data: Run, data: Path, tmp_path: Path) -> None:
    asyncio.run(one_incident(data))
    kept = json.loads(on_data("db", "backup", "kept", "--json").stdout)

    refused = on_data("db", "restore", "kept")
    elsewhere = on_data("db", "restore", "kept", "--data-dir", str(tmp_path / "new"))

    assert len(kept["sha256"]) == 64
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    assert elsewhere.exit_code == 0, elsewhere.stderr
    assert on_data("ledger", "verify", "--data-dir", str(tmp_path / "new")).exit_code == 0


def test_a_backup_is_rehearsed_and_its_clocks_are_told(on_data: Run, data: Path, tmp_path: Path) -> None:
    asyncio.run(one_incident(data))
    on_data("ledger", "seal")
    on_data("db", "backup", "kept")

    done = on_data("db", "rehearse", "kept", "--quick", "--json")
    thorough = on_data("db", "rehearse", "kept")

    document = json.loads(done.stdout)
    assert done.exit_code == 0, done.stderr
    assert (document["ok"], document["seals"], document["clocks"]["waiting"]) == (True, 1, 0)
    assert (
        thorough.exit_code == 1
    )  # an incident that no engine wrote has no tables that follow from its ledger
    assert "■" in thorough.stdout
    assert on_data("db", "rehearse", "nowhere").exit_code == 1
    assert json.loads((data / "last-backup.json").read_text())["file"] == str(tmp_path / "kept")


def test_a_seal_is_printed_and_a_database_without_it_is_told(
    on_data: Run, data: Path, tmp_path: Path
) -> None:
    asyncio.run(one_incident(data))
    on_data("db", "backup", "before")

    made = on_data("ledger", "seal", "--json")
    (tmp_path / "seal.json").write_text(made.stdout)
    good = on_data("ledger", "verify", "--against", "seal.json")
    on_data("db", "restore", "before", "--force")
    older = on_data("ledger", "verify", "--against", "seal.json", "--json")
    (tmp_path / "seal.json").write_text(made.stdout.replace('"incidents": 1', '"incidents": 2'))
    broken = on_data("ledger", "verify", "--against", "seal.json")

    assert (made.exit_code, json.loads(made.stdout)["incidents"]) == (0, 1)
    assert good.exit_code == 0, good.stderr
    assert older.exit_code == 1
    assert [each["seal"] for each in json.loads(older.stdout)["items"]] == [1]
    assert "封印 1" in older.stderr
    assert broken.exit_code == 2
    assert "seal.json" in broken.stderr


def test_tables_that_do_not_follow_from_the_ledger_are_1(on_data: Run, data: Path) -> None:
    asyncio.run(one_incident(data))

    done = on_data("ledger", "replay", "--incident", "1123-7KQF", "--json")

    assert done.exit_code == 1
    assert {each["incident"] for each in json.loads(done.stdout)["items"]} == {ID}
    assert on_data("ledger", "replay", "--incident", "none").exit_code == 1


def test_a_database_of_another_version_is_said_in_words(on_data: Run, data: Path) -> None:
    asyncio.run(one_incident(data))
    with closing(sqlite3.connect(data / SQLITE_FILE)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()

    for arguments in (["ledger", "verify"], ["db", "upgrade"], ["doctor"]):
        done = on_data(*arguments)

        assert done.exit_code == 1, arguments
        assert "9999" in done.output
        assert "Traceback" not in done.stderr


def test_an_empty_list_of_rejected_is_an_empty_list(on_data: Run) -> None:
    on_data("db", "upgrade")

    assert json.loads(on_data("rejected", "list", "--json").stdout) == {"items": []}
    assert json.loads(on_data("rejected", "replay", "--json").stdout) == {"items": []}


def test_schedules_are_checked_and_shown(on_data: Run, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "bad.toml").write_text('id = "bad"\ncolour = "red"\n')

    good = json.loads(on_data("schedules", "check", "--json").stdout)
    bad = on_data("schedules", "check", "--schedules", "own")

    assert "cn-zaozhuang-hitech-2021-9" in {each["id"] for each in good["items"]}
    assert bad.exit_code == 1
    assert "bad.toml" in bad.stderr
    assert "colour" in bad.stderr
    assert on_data("schedules", "show", "no-such").exit_code == 1
