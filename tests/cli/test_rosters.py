"""The roster's verbs on a real database: what one writes the next one reads."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any  # documents of JSON

import pytest
from typer.testing import CliRunner, Result

from reporter.cli import app
from reporter.core.instants import rfc3339
from reporter.timesource import SystemTime
from tests.unit.sheets import workbook

HEADER = "unit,role,starts,ends,person,phone,channels\n"
Run = Callable[..., Result]
NOW = SystemTime().now().replace(minute=0, second=0, microsecond=0)


def at(hours: float) -> str:
    """An instant so many hours from the hour in which these tests were started."""
    return rfc3339(NOW + timedelta(hours=hours))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a verb of `roster` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPORTER_DATA_DIR", str(tmp_path / "data"))

    def verb(*words: str, status: int = 0) -> Result:
        done = CliRunner().invoke(app, ["roster", *words])
        assert done.exit_code == status, done.output
        return done

    return verb


@pytest.fixture
def roster(run: Run) -> Path:
    """An imported roster of the root: 李 now, then 王, for eight days and more."""
    file = Path("roster.csv")
    file.write_text(
        HEADER
        + f"root,duty_officer,{at(-5)},{at(5)},李,138,desk\n"
        + f"root,duty_officer,{at(5)},{at(300)},王,139,desk\n"
        + f"root,leader,{at(-300)},{at(300)},周,137,desk\n",
        encoding="utf-8",
    )
    run("import", str(file))
    return file


def told(result: Result) -> Any:
    return json.loads(result.stdout)


def officers(result: Result) -> list[tuple[str, str | None]]:
    return [(each["person"], each["note"]) for each in told(result)["items"][0]["duty_officer"]]


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One webhook, `ops`, whose address is in the environment of this machine."""
    Path("reporter.toml").write_text('[channels.webhook.ops]\nurl = { env = "OPS" }\n', encoding="utf-8")
    monkeypatch.setenv("OPS", "https://h.example/")


def test_an_import_warns_of_addresses_that_can_never_work(run: Run, accounts: None) -> None:  # noqa: ARG001
    file = Path("roster.csv")
    file.write_text(
        HEADER + f"root,duty_officer,{at(-5)},{at(5)},李,138,webhook:opps|webhook:ops\n", encoding="utf-8"
    )

    done = run("import", str(file))

    assert "第 2 行：webhook:opps: no account [channels.webhook.opps] in the settings；" in done.stderr
    assert "webhook:ops:" not in done.stderr
    assert [each["line"] for each in told(run("import", str(file), "--json"))["warnings"]] == [2]


def test_where_accounts_cannot_be_read_an_import_says_that_it_checked_no_address(
    run: Run,
    accounts: None,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPS")
    file = Path("roster.csv")
    file.write_text(HEADER + f"root,leader,{at(-5)},{at(5)},李,138,webhook:opps\n", encoding="utf-8")

    done = run("import", str(file))

    assert "地址未核对：channels.webhook.ops.url: the environment has no OPS" in done.stderr
    assert [each["person"] for each in told(run("who", "--json"))["items"][0]["leader"]] == ["李"]


@pytest.mark.usefixtures("roster")
def test_who_is_on_duty_now_and_then(run: Run) -> None:
    assert officers(run("who", "--json")) == [("李", None)]
    assert officers(run("who", "--json", "--at", at(6))) == [("王", None)]
    assert officers(run("who", "--json", "--known-at", "2026-01-01T00:00:00Z")) == []
    assert "李 138" in run("who").stdout


@pytest.mark.usefixtures("roster")
def test_a_swap_an_override_and_an_absence_are_recorded_listed_and_cancelled(run: Run) -> None:
    span = ("--unit", "root", "--starts", at(-1), "--ends", at(3), "--reason", "有事")
    duty = ("--role", "duty_officer")

    back = ("--back-starts", at(6), "--back-ends", at(8))
    run("swap", "李", "王", *span, *duty, *back)
    assert officers(run("who", "--json")) == [("王", "swap:李")]
    run("absent", "王", *span, "--deputy", "周")
    assert officers(run("who", "--json")) == [("周", "deputy_of:王; swap:李")]
    made = told(run("override", "赵", *span, *duty, "--phone", "136", "--by", "值班长", "--json"))["items"][0]
    assert officers(run("who", "--json")) == [("赵", "override:王")]
    assert made["author"] == "值班长"

    run("cancel", str(made["id"]), "--reason", "不必")
    run("cancel", str(made["id"]), "--reason", "不必", status=1)

    assert officers(run("who", "--json")) == [("周", "deputy_of:王; swap:李")]
    listed = told(run("changes", "--json"))["items"]
    assert [(each["kind"], each["cancelled_at"] is None) for each in listed] == [
        ("override", False),
        ("absence", True),
        ("swap", True),
        ("swap", True),
    ]
    refused = run("swap", "没这人", "王", *span, *duty, "--json", status=1)
    assert [each["path"] for each in told(refused)["errors"]] == ["person"]


@pytest.mark.usefixtures("roster")
def test_a_gap_is_an_exit_status(run: Run) -> None:
    run("gaps")

    found = told(run("gaps", "--days", "20", "--json", status=1))["items"]

    assert {(each["role"], each["starts"]) for each in found} == {
        ("duty_officer", at(300)),
        ("leader", at(300)),
    }


@pytest.mark.usefixtures("roster")
@pytest.mark.parametrize("name", ["out.csv", "out.ics"])
def test_what_is_exported_can_be_imported_and_changes_nobody(run: Run, name: str) -> None:
    run(
        "absent",
        "李",
        "--unit",
        "root",
        "--starts",
        at(-1),
        "--ends",
        at(2),
        "--reason",
        "病",
        "--deputy",
        "周",
    )
    before = [[who for who, _ in officers(run("who", "--json", "--at", at(hour)))] for hour in (1, 3, 6)]

    run("export", name)
    run("import", name)

    assert before == [["周"], ["李"], ["王"]]
    assert [
        [who for who, _ in officers(run("who", "--json", "--at", at(hour)))] for hour in (1, 3, 6)
    ] == before


def test_the_extension_says_how_a_file_is_read_and_a_bad_one_changes_nothing(run: Run) -> None:
    row: list[str | float | datetime] = ["root", "leader", at(-1), at(3), "周", 137.0, "desk"]
    head = HEADER.strip().split(",")
    Path("good.xlsx").write_bytes(workbook([head, row]))
    Path("bad.XLSX").write_bytes(workbook([head, row, ["nowhere", *row[1:]]]))
    Path("bad.ics").write_text("BEGIN:VCALENDAR\nEND:VCALENDAR\n")

    assert told(run("import", "good.xlsx", "--json"))["shifts"] == 1
    refused = told(run("import", "bad.XLSX", "--json", status=1))
    run("import", "bad.ics", status=1)

    assert [each["path"] for each in refused["errors"]] == ["line 3"]
    assert told(run("who", "--json"))["items"][0]["leader"][0]["phone"] == "137"


@pytest.mark.usefixtures("roster")
def test_handover_times_and_links(run: Run) -> None:
    assert told(run("handover", "20:00", "08:00", "--json"))["times"] == ["08:00", "20:00"]
    run("handover", "8", status=2)

    link = told(run("link", "李的手机", "--unit", "root", "--json"))

    assert link["path"].startswith("/feeds/rosters/cal_") and link["path"].endswith(".ics")
    assert told(run("unlink", str(link["id"]), "--json"))["revoked_at"]
    run("unlink", "99", status=1)
    run("link", "x", "--unit", "nowhere", status=1)
