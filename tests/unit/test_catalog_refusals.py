"""What the catalog refuses, and how it says so."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from reporter import catalog
from reporter.catalog import CatalogError
from tests.unit.catalogworld import SOUND, changed, load, problems


def test_an_obligation_without_a_case_is_refused(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, SOUND[: SOUND.rindex("[[case]]")])
    assert (found.key, found.message) == ("case", "none for obligation 'outline' of edition 2021-02-05")


def test_two_editions_of_one_day_are_refused(tmp_path: Path) -> None:
    start, end = SOUND.index("[[edition]]"), SOUND.index("[[case]]")
    found = problems(tmp_path, SOUND[:end] + SOUND[start:])
    assert "two editions are in force from 2021-02-05" in [each.message for each in found]


def test_a_failing_case_shows_both_instants_in_local_time(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, changed("14:20:00+08:00", "06:21:00Z"))
    assert str(found) == (
        f"{tmp_path / 'test.toml'}: case[#1]: due: the rule says 2021-03-01T14:20:00+08:00, "
        "the case 2021-03-01T14:21:00+08:00"
    )


def test_one_mistake_makes_one_problem(tmp_path: Path) -> None:
    # A case of what cannot be read is tried once that is mended, also where it only waits for it.
    (found,) = problems(tmp_path, changed('span = "PT20M"', 'span = "20 minutes"'))
    assert found.key == "span"


def test_every_problem_of_every_file_is_listed(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("id = ")
    (tmp_path / "bytes.toml").write_bytes(b"id = '\xff'")
    text = changed('span = "PT20M"', 'span = "20 minutes"').replace('"superior.leader"', '"mayor"')
    text = text.replace("T15:00:00+08:00", "T15:00:01+08:00").replace('jurisdiction = "CN"', "juris = 1")
    found = problems(tmp_path, text)
    places = [(Path(each.file).name, each.table, each.key) for each in found]
    assert places == [
        ("broken.toml", "", ""),
        ("bytes.toml", "", ""),
        ("test.toml", "", "jurisdiction"),
        ("test.toml", "edition[2021-02-05].obligation[initial]", "span"),
        ("test.toml", "edition[2021-02-05].obligation[initial].ladder[#1]", "to"),
        ("test.toml", "case[#4]", "due"),
        ("test.toml", "", "juris"),
    ]


@pytest.mark.parametrize("text", ["", "edition = 1", "edition = [1]\ncase = {}", "title = 3\nedition = []"])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)


def test_an_id_twice_in_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "again.toml").write_text(SOUND, "utf-8")
    (found,) = problems(tmp_path, SOUND)
    assert (found.file, found.key) == (str(tmp_path / "test.toml"), "id")
    assert "again.toml" in found.message


def test_the_earlier_folder_wins(tmp_path: Path) -> None:
    own, shipped = tmp_path / "own", tmp_path / "shipped" / "cn"
    own.mkdir()
    shipped.mkdir(parents=True)
    (own / "house.toml").write_text(changed("A trial rule", "A house rule"), "utf-8")
    (shipped / "test.toml").write_text(SOUND, "utf-8")
    (shipped / "other.toml").write_text(changed('id = "test"', 'id = "other"'), "utf-8")
    found = catalog.load([own, shipped.parent], default_id="test")
    assert list(found.schedules) == ["other", "test"]
    assert found.default.title_en == "A house rule"


def test_a_missing_folder_and_a_missing_default_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no such folder"):
        catalog.load([tmp_path / "nowhere"])
    with pytest.raises(CatalogError, match=catalog.DEFAULT_SCHEDULE_ID):
        catalog.load([tmp_path])


def test_the_document_of_an_edition_is_json_and_comes_back_equal(tmp_path: Path) -> None:
    edition = load(tmp_path, SOUND).default.editions[0]
    document = catalog.edition_document(edition)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert edition.digest == sha256(text.encode()).hexdigest()
    again = catalog.edition_from_document(json.loads(text))
    assert again == edition
    assert again.digest == edition.digest


def test_the_digest_knows_the_rule_and_not_its_spelling(tmp_path: Path) -> None:
    digest = load(tmp_path, SOUND).default.editions[0].digest
    same = changed('"PT20M"', '"PT1200S"').replace(
        "soft = true", "soft = true # at once\ncovers_earlier = true"
    )
    assert load(tmp_path, same).default.editions[0].digest == digest
    other = changed("at_most = 6", "at_most = 7")
    assert load(tmp_path, other).default.editions[0].digest != digest


@pytest.mark.parametrize(
    "change",
    [{"later_key": 1}, {"obligation": []}, {"in_force": "soon"}, {"zone": "Mars/Base"}, {"schedule": None}],
)
def test_a_document_of_another_format_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    document = catalog.edition_document(load(tmp_path, SOUND).default.editions[0])
    with pytest.raises(CatalogError, match="edition document"):
        catalog.edition_from_document({**document, **change})
    with pytest.raises(CatalogError):
        catalog.edition_from_document({})


def test_a_schedule_is_read_out_in_chinese(tmp_path: Path) -> None:
    text = catalog.describe(load(tmp_path, SOUND).default)
    for line in (
        "时限: 发生后 20 分钟内 [PT20M]",
        "形式: 电话或书面",
        "受理机关: 总值班室",
        "适用: 事故灾难 且 Ⅰ级 特别重大/Ⅱ级 重大；或 敏感",
        "时限: 初报报出后 1 个月内 [P1M]；handled后 1 日 2 小时内 [P1DT2H]（定级时已过的不计）（取最晚）",
        "要素: 起因",
        "软性义务：只计量，不判定",
        "上级带班领导（每 10 分钟一次，签收为止，共至多 6 次）",
        "发生 2021-03-01 14:00:00+08:00 → 到期 2021-03-01 14:20:00+08:00",
        "发生 2021-03-01 14:00:00+08:00 → 不适用",
    ):
        assert line in text


def test_a_schedule_is_read_out_in_english(tmp_path: Path) -> None:
    text = catalog.describe(load(tmp_path, SOUND).default, "en")
    for line in (
        "Due: within 20 minutes of occurrence [PT20M]",
        "Only for: Accident and Grade I, extraordinary or Grade II, major; or sensitive",
        "Must speak of: Cause",
        "superior leader on duty (every 10 minutes until acknowledged, at most 6 in all)",
        "四级事件不适用。",
    ):
        assert line in text
