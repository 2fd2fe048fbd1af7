"""Reading `data`: what can be read is a fact, what cannot is named with its path."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.core import reading
from reporter.core.command import Problem, incident_id
from reporter.core.reading import Occurrence, incident_facts
from reporter.core.terms import CommandKind, Form
from tests.unit.factories import EDITION, ELEMENTS, KINDS, at, between, facts, text
from tests.unit.test_canonical import json_values

ID = "8a5f0f3e-6d3c-5f0e-9a3e-0d8e2b6f4c11"


def paths(problems: list[Problem]) -> list[str]:
    return [problem.path for problem in problems]


def test_an_instant_and_an_interval_are_both_occurrences() -> None:
    assert incident_facts({"occurred": text(0)})[0]["occurred"] == Occurrence(at(0), at(0))
    assert incident_facts({"occurred": between(0, 5)})[0]["occurred"] == Occurrence(at(0), at(5))


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"title": ""}, "title"),
        ({"title": "  "}, "title"),
        ({"title": 5}, "title"),
        ({"occurred": "2026-11-23T14:00:00"}, "occurred"),
        ({"occurred": "0001-01-01T00:00:00Z"}, "occurred"),
        ({"occurred": 1700000000}, "occurred"),
        ({"occurred": [text(0)]}, "occurred"),
        ({"occurred": {"earliest": text(0)}}, "occurred.latest"),
        ({"occurred": {"earliest": "soon", "latest": text(0)}}, "occurred.earliest"),
        ({"aware": "14:05"}, "aware"),
        ({"grade": "2"}, "grade"),
        ({"grade": 2}, "grade"),
        ({"category": "Accident"}, "category"),
        ({"mode": "real"}, "mode"),
        ({"sensitive": "yes"}, "sensitive"),
        ({"sensitive": 1}, "sensitive"),
        ({"place": "3号库"}, "place"),
        ({"place": {"text": 3}}, "place.text"),
        ({"place": {"lat": 90.5}}, "place.lat"),
        ({"place": {"lon": "117"}}, "place.lon"),
        ({"place": {"lon": True}}, "place.lon"),
        ({"casualties": 3}, "casualties"),
        ({"casualties": {"dead": -1}}, "casualties.dead"),
        ({"casualties": {"dead": 1.5}}, "casualties.dead"),
        ({"casualties": {"light": True}}, "casualties.light"),
        ({"summary": 5}, "summary"),
        ({"channel": ["110"]}, "channel"),
    ],
)
def test_what_cannot_be_read_is_no_fact_and_is_named_by_its_path(data: dict[str, Any], path: str) -> None:
    found, problems = incident_facts({"title": "火情"} | data)

    assert paths(problems) == [path]
    assert path.partition(".")[0] not in found
    assert path in paths(reading.problems(CommandKind.OCCURRED, {"title": "火情"} | data))


def test_every_field_of_the_contract_is_read() -> None:
    data = facts(
        aware=text(5),
        category="accident",
        grade="II",
        sensitive=False,
        mode="actual",
        summary="…",
        channel="110",
        place={"text": "3号库", "code": "370400", "lat": 34.8, "lon": 117.3},
        casualties={"dead": 3, "missing": 0, "serious": 2, "light": 9, "trapped": 0, "evacuated": 120},
    )

    found, problems = incident_facts(data)

    assert problems == [] == reading.problems(CommandKind.OCCURRED, data)
    assert found.keys() == data.keys()


def test_null_is_not_said_for_title_occurrence_sensitivity_and_mode_and_clears_any_other_fact() -> None:
    data = dict.fromkeys(["title", "occurred", "sensitive", "mode", "grade", "place", "casualties", "aware"])

    found, problems = incident_facts(data)

    assert (found, problems) == (dict.fromkeys(["grade", "place", "casualties", "aware"]), [])


def test_the_order_of_the_keys_says_nothing() -> None:
    said = {"sensitive": "x", "weather": "雨", "grade": 5, "casualties": {"light": -1, "dead": -1}, "a": 1}
    around = dict(reversed(said.items())) | {"casualties": {"dead": -1, "light": -1}}

    found = [
        (incident_facts(data)[1], list(reading.extra_fields(KINDS["amended"], data)))
        for data in (said, around)
    ]

    assert found[0] == found[1]
    assert paths(found[0][0]) == ["grade", "sensitive", "casualties.dead", "casualties.light"]


def test_unknown_fields_are_extra_and_are_no_problem() -> None:
    data = facts(unit="east", schedule=None, weather="雨", nested={"a": [1]})

    assert reading.extra_fields(CommandKind.OCCURRED, data) == {"weather": "雨", "nested": {"a": [1]}}
    assert reading.problems(CommandKind.OCCURRED, data) == []


@pytest.mark.parametrize(
    ("data", "covers", "form"),
    [
        ({}, None, Form.WRITTEN),
        ({"covers": ["initial"], "form": "phone"}, ("initial",), Form.PHONE),
        ({"covers": ["initial", "verified", "initial"]}, ("initial", "verified"), Form.WRITTEN),
        ({"covers": []}, None, Form.WRITTEN),
    ],
)
def test_a_report_is_read(data: dict[str, Any], covers: tuple[str, ...] | None, form: Form) -> None:
    report, problems = reading.report(data)

    assert (report.covers, report.form, problems) == (covers, form, [])


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"covers": "initial"}, "covers"),
        ({"covers": [1]}, "covers"),
        ({"form": "fax"}, "form"),
        ({"author": 5}, "author"),
        ({"elements": []}, "elements"),
        ({"text": 5}, "text"),
        ({"call": "110"}, "call"),
        ({"call": {"caller": 5, "answered_by": "李四"}}, "call.caller"),
        ({"call": {"phone": ["110"]}}, "call.phone"),
        ({"attachments": {}}, "attachments"),
        ({"attachments": [{"name": "图.jpg"}, 5]}, "attachments.1"),
        ({"attachments": [{"name": {}}]}, "attachments.0.name"),
        (
            {"attachments": [{"name": "图.jpg", "sha256": 5, "object": "attachments/5"}]},
            "attachments.0.sha256",
        ),
    ],
)
def test_what_cannot_be_read_of_a_report_is_named_and_counts_as_absent(
    data: dict[str, Any], path: str
) -> None:
    report, problems = reading.report(data)

    assert paths(problems) == [path] == paths(reading.problems(CommandKind.FILED, data))
    assert (report.covers, report.form, report.author, report.elements) == (None, Form.WRITTEN, None, {})


def test_everything_that_cannot_be_read_of_a_report_is_named() -> None:
    data = {
        "call": {"caller": 5, "phone": {}},
        "attachments": [5, {"name": {}, "object": 1}, None],
        "form": "fax",
    }

    assert set(paths(reading.report(data)[1])) == {
        "call.caller", "call.phone", "attachments.0", "attachments.1.name", "attachments.1.object",
        "attachments.2", "form",
    }  # fmt: skip


@pytest.mark.parametrize("said", ["阀门破裂", {"pending": "正在核实"}, {"none": True}])
def test_text_pending_with_a_reason_and_none_are_declared(said: object) -> None:
    assert reading.is_declared(said)


@pytest.mark.parametrize(
    "said",
    [
        None,
        "",
        "  ",
        "　",
        0,
        True,
        [],
        ["a"],
        {},
        {"pending": ""},
        {"pending": " "},
        {"pending": True},
        {"pending": None},
        {"none": False},
        {"none": "true"},
        {"none": 1},
        {"none": True, "pending": "核实"},
        {"text": "x"},
    ],
)
def test_anything_else_is_undeclared(said: object) -> None:
    assert not reading.is_declared(said)


def test_an_incident_is_named_by_its_id_or_by_its_occurred_event() -> None:
    event = {"event": {"source": "urn:a", "id": "1"}}

    assert reading.target(CommandKind.FILED, {"incident": ID.upper()}) == ID
    assert reading.target(CommandKind.FILED, event) == incident_id("urn:a", "1")


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({}, "incident"),
        ({"incident": "x"}, "incident"),
        ({"incident": 5}, "incident"),
        ({"incident": ID + "0"}, "incident"),
        ({"event": {"source": "urn:a"}}, "event"),
        ({"event": {"source": "", "id": "1"}}, "event"),
        ({"event": "x"}, "incident"),
    ],
)
def test_a_command_that_names_no_incident_is_a_problem(data: dict[str, Any], path: str) -> None:
    named = reading.target(CommandKind.AMENDED, data)

    assert isinstance(named, Problem) and named.path == path


@pytest.mark.parametrize("kind", ["amended", "withdrawn", "closed", "reopened"])
def test_the_strict_door_asks_for_a_reason(kind: str) -> None:
    assert "reason" in paths(reading.problems(KINDS[kind], {"grade": "I"}))
    assert "reason" in paths(reading.problems(KINDS[kind], {"grade": "I", "reason": " "}))
    assert reading.problems(KINDS[kind], {"grade": "I", "reason": "核实"}) == []


@pytest.mark.parametrize("title", ["\u200b", "\u200b \u2060"])
def test_a_title_that_nobody_can_see_opens_an_incident_on_the_bus_alone(title: str) -> None:
    assert incident_facts({"title": title})[1] == []
    assert paths(reading.problems(CommandKind.OCCURRED, {"title": title})) == ["title"]
    assert reading.problems(CommandKind.OCCURRED, {"title": f"{title}火情"}) == []


@pytest.mark.parametrize("kind", list(CommandKind))
def test_what_is_wrong_is_said_in_both_languages(kind: CommandKind) -> None:
    names = ("title", "occurred", "aware", "grade", "sensitive", "place", "casualties", "covers", "form", "author",
             "elements", "text", "call", "attachments", "notice", "duplicate_of")  # fmt: skip

    found = reading.problems(kind, {**dict.fromkeys(names, 5), "place": {"lat": "x", "lon": 200}})

    assert found
    assert all(re.match(r".*[\u4e00-\u9fff].* / .*[a-z]", problem.message) for problem in found)


def test_a_duplicate_needs_no_reason() -> None:
    assert reading.problems(CommandKind.WITHDRAWN, {"duplicate_of": ID}) == []
    assert paths(reading.problems(CommandKind.WITHDRAWN, {"duplicate_of": ID, "reason": 5})) == ["reason"]
    assert paths(reading.problems(CommandKind.WITHDRAWN, {"duplicate_of": 5})) == ["reason", "duplicate_of"]
    assert paths(reading.problems(CommandKind.CLOSED, {"duplicate_of": ID})) == ["reason"]


def test_the_strict_door_asks_for_a_title_and_names_every_path_at_once() -> None:
    assert paths(reading.problems(CommandKind.OCCURRED, {})) == ["title"]
    wrong = facts(grade="2", occurred="soon", unit=5)
    assert sorted(paths(reading.problems(CommandKind.OCCURRED, wrong))) == ["grade", "occurred", "unit"]
    assert paths(reading.problems(CommandKind.ACKNOWLEDGED, {"notice": 5})) == ["notice"]


@given(
    st.sampled_from(list(CommandKind)),
    st.dictionaries(
        st.sampled_from(
            [
                *facts(),
                "aware",
                "grade",
                "mode",
                "place",
                "casualties",
                "covers",
                "form",
                "elements",
                "author",
                "incident",
                "event",
                "reason",
                "notice",
                "duplicate_of",
                "extra",
            ]
        ),
        json_values
        | st.dictionaries(st.sampled_from(["earliest", "latest", "lat", "dead", "source"]), json_values),
    ),
)
def test_no_data_whatever_breaks_a_reader(kind: CommandKind, data: dict[str, Any]) -> None:
    found, problems = incident_facts(data)
    reading.problems(kind, data)
    reading.report(data)
    reading.target(kind, data)

    for problem in problems:
        name, _, member = problem.path.partition(".")
        kept = found.get(name)
        assert name not in found or (isinstance(kept, dict) and member and member not in kept)


def test_the_seven_elements_are_those_of_the_default_schedule() -> None:
    detailed = EDITION.obligation("detailed")
    assert detailed is not None and tuple(element.id for element in detailed.elements) == ELEMENTS
