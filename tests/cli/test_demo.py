"""The demo's script is a set of events that any publisher could send, in the order in which they are told."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest

from reporter.core.reading import problems
from reporter.demo.run import BEHIND
from reporter.demo.script import INCIDENT, SOURCE, Step, scenario
from reporter.demo.view import DemoView
from reporter.demo.world import PEOPLE, roster_csv, units_csv
from tests.cli.conftest import a_clock, a_notice, an_incident
from tests.cli.ledgers import AT

STEPS = scenario(AT, "Asia/Shanghai")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: str(step.id))
def test_every_step_is_an_event_without_problems(step: Step) -> None:
    event = json.loads(step.event())

    assert problems(step.kind, step.data) == []
    assert step.subject.startswith("reporter.in.")
    assert (event["specversion"], event["source"], event["data"]) == ("1.0", SOURCE, step.data)


def test_the_whole_case_fits_before_the_present_is_met() -> None:
    after = [step.after for step in STEPS]

    assert after == sorted(after)
    assert after[-1] < BEHIND


def test_the_story_is_on_time_late_missing() -> None:
    reports = {str(step.data["covers"]): step.after for step in STEPS if "covers" in step.data}

    assert reports["['initial']"] <= timedelta(minutes=20)
    assert reports["['verified']"] > timedelta(hours=1)
    assert "['detailed']" not in reports
    assert STEPS[-1].after > timedelta(hours=2)


def test_the_incident_s_id_is_the_contract_s() -> None:
    namespace = uuid.uuid5(uuid.NAMESPACE_URL, "urn:reporter:incident")

    assert str(uuid.uuid5(namespace, f"{SOURCE}\n{STEPS[0].id}")) == INCIDENT


def test_somebody_is_on_duty_everywhere_and_no_phone_is_real() -> None:
    rows = [line.split(",") for line in roster_csv(AT, "Asia/Shanghai").splitlines()[1:]]

    assert {(row[0], row[1]) for row in rows} == {
        (unit, role) for unit, roles in PEOPLE.items() for role in roles
    }
    assert all(row[5].startswith("000-") for row in rows)
    assert len({tuple(row[:3]) for row in rows}) == len(rows)
    assert all("000-" in line for line in units_csv().splitlines()[1:])


def a_view(**changes: Any) -> DemoView:
    plain: dict[str, Any] = {
        "language": "zh",
        "is_live": False,
        "ready": None,
        "board": lambda *_, **__: "",
        "notices": lambda *_, **__: "",
        "audit": str,
        "titles": {"initial": "初报"},
    }
    return DemoView(**(plain | changes))


def test_off_a_terminal_each_new_thing_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    view = a_view()
    breached = an_incident(clocks=[a_clock(state="breached")], notices=[a_notice()])

    view.show(AT, [an_incident()])
    view.show(AT, [breached])
    view.show(AT, [breached])

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "初报: 超时" in lines[0]
    assert "周三" in lines[1]


def test_with_json_only_the_ready_document_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    documents: list[dict[str, Any]] = []
    view = a_view(ready=documents.append)

    view.opening({"ready": True}, "words")
    view.tell(AT, "something")
    view.closing("over")

    said = capsys.readouterr()
    assert documents == [{"ready": True}]
    assert said.out == ""
    assert "something" in said.err
