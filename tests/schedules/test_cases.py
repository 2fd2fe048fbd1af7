"""Every worked example of every schedule that we ship, computed afresh."""

from datetime import timedelta
from pathlib import Path

import pytest

from reporter.catalog import describe, edition_document, edition_from_document, load
from reporter.core.clocks import due_at, with_provisional
from reporter.core.schedule import Case, Edition, Schedule, format_offset

FOLDER = Path(__file__).parents[2] / "schedules"
CATALOG = load([FOLDER])
CASES = [(schedule, case) for schedule in CATALOG.schedules.values() for case in schedule.cases]
EDITIONS = [edition for schedule in CATALOG.schedules.values() for edition in schedule.editions]


@pytest.mark.parametrize(
    ("schedule", "case"), [pytest.param(*each, id=f"{each[0].id}: {each[1].says_en}") for each in CASES]
)
def test_the_rule_says_what_its_case_says(schedule: Schedule, case: Case) -> None:
    edition = schedule.edition(case.edition_id)
    assert edition is not None
    obligation = edition.obligation(case.obligation_id)
    assert obligation is not None
    anchors = with_provisional(edition, dict(case.anchors))
    due = due_at(obligation, anchors, edition.zone) if obligation.guard.holds(dict(case.facts)) else None
    assert due == case.due_at


@pytest.mark.parametrize("edition", EDITIONS, ids=lambda edition: f"{edition.schedule_id} {edition.id}")
def test_an_edition_survives_its_document(edition: Edition) -> None:
    assert edition_from_document(edition_document(edition)) == edition


@pytest.mark.parametrize("schedule", CATALOG.schedules.values(), ids=lambda schedule: schedule.id)
def test_a_schedule_can_be_read_out_in_both_languages(schedule: Schedule) -> None:
    for language, word in (("zh", "依据"), ("en", "Source")):
        text = describe(schedule, language)  # type: ignore[arg-type] # mypy widens the loop's literals
        assert word in text
        for edition in schedule.editions:
            assert edition.digest in text
            assert all(f"({obligation.id})" in text for obligation in edition.obligations)


def test_the_default_schedule_is_the_one_agreed() -> None:
    edition = CATALOG.default.editions[-1]
    assert (edition.schedule_id, edition.id) == ("cn-zaozhuang-hitech-2021-9", "2021-02-05")
    assert edition.zone == "Asia/Shanghai"
    assert edition.citation.title == "枣高安发〔2021〕9号"
    initial, verified, detailed = edition.obligations
    spans = {each.id: each.quick for each in edition.obligations}
    assert spans == {
        "initial": ("occurred", timedelta(minutes=20)),
        "verified": ("occurred", timedelta(hours=1)),
        "detailed": ("occurred", timedelta(hours=2)),
    }
    assert [each.forms for each in edition.obligations] == [("phone", "written"), ("written",), ("written",)]
    assert initial.elements == verified.elements == ()
    assert [element.zh for element in detailed.elements] == [
        "起因",
        "背景",
        "发展",
        "处置",
        "后果",
        "影响",
        "舆论",
    ]
    assert all(
        each.covers_earlier and not each.guard.any_of and not each.soft for each in edition.obligations
    )


def test_the_example_of_the_readme_is_sound(tmp_path: Path) -> None:
    _, _, rest = (FOLDER / "README.md").read_text("utf-8").partition("```toml\n")
    (tmp_path / "example.toml").write_text(rest.partition("```")[0], "utf-8")
    assert load([tmp_path], default_id="cn-example").default.title_zh == "示例规定"


@pytest.mark.parametrize(
    ("obligation_id", "offsets"),
    [
        ("initial", ["-PT10M", "-PT5M", "PT0S", "PT5M", "PT10M"]),
        ("verified", ["-PT20M", "-PT10M", "PT0S", "PT10M", "PT20M"]),
        ("detailed", ["-PT30M", "-PT10M", "PT0S", "PT15M", "PT30M"]),
    ],
)
def test_the_default_ladders_are_those_agreed(obligation_id: str, offsets: list[str]) -> None:
    obligation = CATALOG.default.editions[-1].obligation(obligation_id)
    assert obligation is not None
    assert [format_offset(step.offset) for step in obligation.ladder] == offsets
    assert [step.recipients for step in obligation.ladder] == [
        ("unit.duty_officer",),
        ("unit.duty_officer",),
        ("unit.duty_officer", "unit.leader", "superior.duty_officer"),
        ("unit.leader", "superior.duty_officer"),
        ("superior.leader",),
    ]
    assert [step.at_most for step in obligation.ladder] == [1, 1, 1, 1, 6]
    assert [step.every for step in obligation.ladder] == [None] * 4 + [timedelta(minutes=10)]
