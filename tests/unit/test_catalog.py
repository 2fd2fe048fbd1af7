"""What the catalog takes, what it refuses, and that it names every problem with file, table and key."""

from pathlib import Path

import pytest

from reporter import catalog
from tests.unit.catalogworld import SOUND, changed, load, problems


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    found = load(tmp_path, SOUND)
    schedule = found.default
    assert found.get("test") is schedule
    assert found.get("other") is None
    assert len(schedule.cases) == 4
    edition = schedule.editions[0]
    assert (edition.id, edition.schedule_id, edition.zone) == ("2021-02-05", "test", "Asia/Shanghai")
    initial, followup, outline = edition.obligations
    assert [step.offset.total_seconds() for step in initial.ladder] == [-300, 0, 600]
    assert followup.combine == "latest_of"
    assert followup.bounds[1].unless_past_at == "classified"
    assert outline.soft
    assert outline.covers_earlier
    assert not outline.ladder


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "test.toml").write_text(SOUND, "utf-8-sig")
    assert catalog.load([tmp_path], default_id="test").default.id == "test"


@pytest.mark.parametrize(
    ("old", "new", "table", "key"),
    [
        ('id = "test"', 'id = "Test!"', "", "id"),
        ('id = "test"', 'id = "test"\nauthor = "me"', "", "author"),
        ('zone = "Asia/Shanghai"', 'zone = "Asia"', "", "zone"),
        ('zone = "Asia/Shanghai"', 'zone = "../../etc/passwd"', "", "zone"),
        ('zone = "Asia/Shanghai"', 'zone = "Asia/Atlantis"', "", "zone"),
        (', en = "A trial rule"', "", "title", "en"),
        ('jurisdiction = "CN"', 'jurisdiction = " "', "", "jurisdiction"),
        ("in_force = 2021-02-05", 'in_force = "2021-02-05"', "edition[2021-02-05]", "in_force"),
        (
            "in_force = 2021-02-05",
            "in_force = 2021-02-05T00:00:00",
            "edition[2021-02-05 00:00:00]",
            "in_force",
        ),
        (
            'citation = { title = "A notice"',
            'source = { title = "A notice"',
            "edition[2021-02-05]",
            "citation",
        ),
        (' href = "",', "", "edition[2021-02-05].citation", "href"),
        (' href = "",', ' href = "www",', "edition[2021-02-05].citation", "href"),
        (", checked = 2026-01-01", "", "edition[2021-02-05].citation", "checked"),
        ('id = "initial"', 'id = "Initial"', "edition[2021-02-05].obligation[Initial]", "id"),
        ('id = "followup"', 'id = "initial"', "edition[2021-02-05].obligation[initial]", "id"),
        ('span = "PT20M"', 'span = "20 minutes"', "edition[2021-02-05].obligation[initial]", "span"),
        ('span = "PT20M"', 'span = "PT0S"', "edition[2021-02-05].obligation[initial]", "span"),
        ('span = "PT20M"', "span = 20", "edition[2021-02-05].obligation[initial]", "span"),
        ('span = "PT20M"\n', "", "edition[2021-02-05].obligation[initial]", "span"),
        (
            'span = "PT20M"',
            'span = "PT20M"\nevery = "P1D"',
            "edition[2021-02-05].obligation[initial]",
            "every",
        ),
        (
            'span = "PT20M"',
            'span = "PT20M"\ncombine = "latest_of"',
            "edition[2021-02-05].obligation[initial]",
            "combine",
        ),
        (
            'starts_on = "occurred"',
            'starts_on = "Occurred"',
            "edition[2021-02-05].obligation[initial]",
            "starts_on",
        ),
        (
            '"submitted:initial"',
            '"submitted:unheard"',
            "edition[2021-02-05].obligation[followup].bounds[#1]",
            "starts_on",
        ),
        (
            '"submitted:initial"',
            '"submitted:followup"',
            "edition[2021-02-05].obligation[followup].bounds[#1]",
            "starts_on",
        ),
        (
            'starts_on = "occurred"',
            'starts_on = "submitted:followup"',
            "edition[2021-02-05].obligation[initial]",
            "starts_on",
        ),
        (
            'combine = "latest_of"',
            'combine = "sum_of"',
            "edition[2021-02-05].obligation[followup]",
            "combine",
        ),
        ('combine = "latest_of"\n', "", "edition[2021-02-05].obligation[followup]", "combine"),
        (
            'combine = "latest_of"',
            'combine = "latest_of"\nspan = "P1D"',
            "edition[2021-02-05].obligation[followup]",
            "span",
        ),
        (
            'span = "P1M" }',
            'span = "P1M", unless_past_at = "aware" }',
            "edition[2021-02-05].obligation[followup]",
            "bounds",
        ),
        ('"phone", "written"', '"phone", "fax"', "edition[2021-02-05].obligation[initial]", "forms"),
        ('["phone", "written"]', "[]", "edition[2021-02-05].obligation[initial]", "forms"),
        ('grade = ["I", "II"]', 'grade = ["1"]', "edition[2021-02-05].obligation[initial].when[#1]", "grade"),
        ('grade = ["I", "II"]', "grade = []", "edition[2021-02-05].obligation[initial].when[#1]", "grade"),
        (
            "sensitive = [true]",
            "sensitive = [1]",
            "edition[2021-02-05].obligation[initial].when[#2]",
            "sensitive",
        ),
        ("sensitive = [true]", "deaths = [3]", "edition[2021-02-05].obligation[initial].when[#2]", "deaths"),
        ('"superior.leader"', '"mayor"', "edition[2021-02-05].obligation[initial].ladder[#1]", "to"),
        (
            '"unit.duty_officer", "unit.leader"',
            '"unit.leader", "unit.leader"',
            "edition[2021-02-05].obligation[initial].ladder[#2]",
            "to",
        ),
        ('at = "-PT5M"', 'at = "PT600S"', "edition[2021-02-05].obligation[initial].ladder[#3]", "at"),
        ('at = "-PT5M"', 'at = "P1D"', "edition[2021-02-05].obligation[initial].ladder[#3]", "at"),
        ('at = "PT0S"', 'at = "PT1S"', "edition[2021-02-05].obligation[initial]", "ladder"),
        ('every = "PT10M"', 'every = "PT0S"', "edition[2021-02-05].obligation[initial].ladder[#1]", "every"),
        (', every = "PT10M"', "", "edition[2021-02-05].obligation[initial].ladder[#1]", "every"),
        (", at_most = 6", "", "edition[2021-02-05].obligation[initial].ladder[#1]", "at_most"),
        ("at_most = 6", "at_most = 1", "edition[2021-02-05].obligation[initial].ladder[#1]", "at_most"),
        ("at_most = 6", "at_most = 101", "edition[2021-02-05].obligation[initial].ladder[#1]", "at_most"),
        ("at_most = 6", "at_most = true", "edition[2021-02-05].obligation[initial].ladder[#1]", "at_most"),
        (
            "soft = true",
            'soft = true\nladder = [{ at = "PT0S", to = ["unit.leader"] }]',
            "edition[2021-02-05].obligation[outline].ladder[#1]",
            "at",
        ),
        ("soft = true", "soft = false", "edition[2021-02-05].obligation[outline]", "ladder"),
        (
            '{ id = "cause", zh',
            '{ id = "cause", key = 1, zh',
            "edition[2021-02-05].obligation[followup].elements[cause]",
            "key",
        ),
        ('obligation = "outline"', 'obligation = "unheard"', "case[#4]", "obligation"),
        ("edition = 2021-02-05", "edition = 2021-02-06", "case[#1]", "edition"),
        ("due = 2021-03-01T14:20:00+08:00", "due = 2021-03-01T14:21:00+08:00", "case[#1]", "due"),
        ("due = 2021-03-01T14:20:00+08:00", "due = 2021-03-01T14:20:00", "case[#1]", "due"),
        ("due = 2021-03-01T14:20:00+08:00", "due = 9999-12-31T14:20:00+08:00", "case[#1]", "due"),
        ("due = 2021-03-01T14:20:00+08:00\n", "", "case[#1]", "due"),
        ("required = false", "required = true", "case[#2]", "due"),
        ("required = false", "required = false\ndue = 2021-03-01T14:20:00+08:00", "case[#2]", "due"),
        ("required = false", "due = 2021-03-01T14:20:00+08:00", "case[#2]", "due"),
        ('facts = { grade = "II", category = "accident" }\n', "", "case[#1]", "facts"),
        ('facts = { grade = "II"', 'facts = { grade = "V"', "case[#1].facts", "grade"),
        ("anchors = { aware", "facts = { sensitive = true }\nanchors = { aware", "case[#4]", "facts"),
        ("anchors = { aware", "anchors = { occurred = 2021-03-01T14:00:00Z, aware", "case[#4]", "anchors"),
        ('says = { zh = "四级事件不适用。" }', "says = {}", "case[#2].says", ""),
        ('says = { zh = "四级事件不适用。" }', 'says = { fr = "non" }', "case[#2].says", "fr"),
    ],
)
def test_a_problem_is_named_with_its_place(tmp_path: Path, old: str, new: str, table: str, key: str) -> None:
    found = problems(tmp_path, changed(old, new))
    assert (str(tmp_path / "test.toml"), table, key) in [(each.file, each.table, each.key) for each in found]
