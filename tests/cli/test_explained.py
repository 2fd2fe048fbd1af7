"""The explanation does the sum again, names the source, and says why each clock is judged as it is."""

from datetime import datetime, timedelta

import pytest

from reporter.catalog import load
from reporter.core.schedule import Edition
from reporter.core.terms import FactKind
from reporter.resources import schedules_dir
from reporter.store.explained import Explained, Explainer
from reporter.store.queries import ClockRow, IncidentRecord, IncidentRow, ReportRow
from tests.cli.ledgers import AT, chain

ID = "11111111-1111-5111-8111-111111111111"
SPANS = {"initial": 20, "verified": 60, "detailed": 120}


@pytest.fixture(scope="module")
def edition() -> Edition:
    return load([schedules_dir()]).default.editions[-1]


def minute(count: float) -> datetime:
    return AT + timedelta(minutes=count)


def a_clock(obligation: str, **changes: object) -> ClockRow:
    columns: dict[str, object] = {
        "incident_id": ID,
        "obligation": obligation,
        "starts_at": AT,
        "due_at": minute(SPANS[obligation]),
        "due_latest_at": None,
        "state": "running",
        "met_at": None,
        "met_by": None,
        "verdict": None,
        "complete": None,
        "undeclared": None,
        "aware_due_at": None,
        "aware_verdict": None,
    }
    return ClockRow(**(columns | changes))  # type: ignore[arg-type]


def a_record(*clocks: ClockRow, reports: tuple[ReportRow, ...] = (), **changes: object) -> IncidentRecord:
    columns: dict[str, object] = {
        "id": ID,
        "code": "1123-7KQF",
        "unit": "yi-xian",
        "opened_from": "yi-xian",
        "state": "open",
        "mode": "actual",
        "title": "爆燃",
        "category": None,
        "grade": None,
        "sensitive": False,
        "occurred_earliest_at": AT,
        "occurred_latest_at": AT,
        "is_provisional": False,
        "aware_at": None,
        "received_at": AT,
        "recorded_at": AT,
        "closed_at": None,
        "survivor": None,
        "schedule": "cn-zaozhuang-hitech-2021-9",
        "edition": "2021-02-05",
        "edition_digest": "",
        "anomalies": [],
        "facts": {},
        "version": 1,
    }
    return IncidentRecord(IncidentRow(**(columns | changes)), clocks, (), reports)  # type: ignore[arg-type]


def explain(
    edition: Edition, record: IncidentRecord, *facts: tuple[FactKind, dict[str, object]], language: str = "zh"
) -> Explained:
    lines = [line.text for line in chain(ID, list(facts))]
    return Explainer(language, "Asia/Shanghai").explain(record, edition, lines)


def test_the_sum_and_the_source_are_written_out(edition: Edition) -> None:
    explained = explain(edition, a_record(a_clock("initial")))

    assert "事发 2026-11-23 14:00:00+08:00 + PT20M = 2026-11-23 14:20:00+08:00" in explained.text()
    assert edition.citation.title in explained.text()
    assert edition.digest in explained.text()
    assert explained.defects == ()


def test_a_due_time_that_is_not_the_sum_is_a_defect(edition: Edition) -> None:
    explained = explain(edition, a_record(a_clock("initial", due_at=minute(21))))

    assert explained.defects == ("initial",)
    assert "■" in explained.text()
    assert explained.document()["clocks"][0]["sum_agrees"] is False


def test_late_is_explained_with_both_instants_and_the_difference(edition: Edition) -> None:
    report = ReportRow("r1", ["verified"], "written", "2026-11-23T07:06:00.000000Z", "yi-xian", {}, [], None)
    clock = a_clock("verified", state="met", verdict="late", met_at=minute(66), met_by="r1", complete=True)

    said = explain(edition, a_record(clock, reports=(report,))).clocks[0].sentences[-1]

    assert said == (
        "判定迟报：书面报告 r1 接报 2026-11-23 15:06:00+08:00 > 时限 2026-11-23 15:00:00+08:00，迟 360 秒"
    )


def test_exactly_at_the_deadline_is_on_time_and_shows_why(edition: Edition) -> None:
    clock = a_clock("initial", state="met", verdict="on_time", met_at=minute(20), met_by="r1")

    assert "≤" in explain(edition, a_record(clock)).clocks[0].sentences[-1]


def test_what_was_fired_is_told_with_the_people(edition: Edition) -> None:
    notices = [{"id": "n", "to": "unit.leader", "person": "李四", "channel": "desk", "note": None}]
    breach: dict[str, object] = {
        "obligation": "initial",
        "step": "PT0S",
        "certain": False,
        "notices": notices,
    }
    elsewhere: dict[str, object] = {"obligation": "verified", "step": "PT0S", "notices": []}

    sentences = (
        explain(
            edition,
            a_record(a_clock("initial", state="breached")),
            (FactKind.BREACHED, breach),
            (FactKind.BREACHED, elsewhere),
        )
        .clocks[0]
        .sentences
    )

    told = [each for each in sentences if each.startswith("#")]
    assert len(told) == 1
    assert "李四 (报送单位带班领导, 值班台)" in told[0]
    assert "待定" in told[0]


def test_missing_stopped_incomplete_and_provisional_are_said(edition: Edition) -> None:
    missing = a_clock("initial", state="breached", verdict="missing")
    stopped = a_clock("verified", state="stopped")
    incomplete = a_clock(
        "detailed", state="met", verdict="on_time", met_at=minute(100), complete=False, undeclared=["cause"]
    )

    text = explain(
        edition, a_record(missing, stopped, incomplete, is_provisional=True, state="closed")
    ).text()

    assert "判定未报" in text
    assert "计时中止" in text
    assert "cause" in text
    assert "暂以接报时间" in text


def test_it_is_told_in_english_too(edition: Edition) -> None:
    text = explain(edition, a_record(a_clock("initial", state="breached")), language="en").text()

    assert "Due: occurrence 2026-11-23 14:00:00+08:00 + PT20M" in text
    assert "Overdue" in text
