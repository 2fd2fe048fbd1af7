"""What a line says: whatever is typed, and however the parts are put together."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reporter.core.smartline import read
from reporter.core.terms import Category, Grade
from reporter.core.unitnames import UnitName, initials

ZONE = "Asia/Shanghai"
NOW = datetime(2026, 11, 23, 6, 5, 7, tzinfo=UTC)
UNITS = [
    UnitName("city", "某市"),
    UnitName("yi", "乙县"),
    UnitName("jia", "甲县总值班室"),
    UnitName("yi-town", "乙县某镇"),
]


def said(line: str) -> tuple[str, str]:
    """The ends of the occurrence, in the zone."""
    occurred = read(line, UNITS, NOW, ZONE).occurred
    assert occurred is not None
    ends = [
        at.astimezone(ZoneInfo(ZONE)).strftime("%m-%d %H:%M") for at in (occurred.earliest, occurred.latest)
    ]
    return ends[0], ends[1]


def test_the_line_of_the_manual_is_understood_in_full() -> None:
    found = read("乙县 化工园区爆燃 死3伤11 重大 13:36", UNITS, NOW, ZONE)

    assert (found.title, found.unit, found.category, found.grade) == (
        "化工园区爆燃",
        "yi",
        Category.ACCIDENT,
        Grade.II,
    )
    assert dict(found.casualties) == {"dead": 3, "injured": 11}
    assert said("乙县 化工园区爆燃 死3伤11 重大 13:36") == ("11-23 13:36", "11-23 13:36")


@pytest.mark.parametrize(
    ("words", "when"),
    [
        ("13:36", "11-23 13:36"),
        ("13：36", "11-23 13:36"),
        ("14:06", "11-23 14:06"),
        ("22:10", "11-22 22:10"),
        ("刚才", "11-23 14:05"),
        ("20分钟前", "11-23 13:45"),
        ("半小时前", "11-23 13:35"),
        ("一小时20分钟前", "11-23 12:45"),
        ("两小时前", "11-23 12:05"),
        ("昨天22:10", "11-22 22:10"),
        ("昨晚10点", "11-22 22:00"),
        ("昨晚1点", "11-23 01:00"),
        ("前天 8时5分", "11-21 08:05"),
        ("下午一点半", "11-23 13:30"),
        ("11月20日 8时", "11-20 08:00"),
        ("2026-11-22 08:05:30", "11-22 08:05"),
        ("20 min ago", "11-23 13:45"),
    ],
)
def test_times_as_people_say_them(words: str, when: str) -> None:
    assert said(f"乙县 爆炸 {words}") == (when, when)
    assert read(f"乙县 爆炸 {words}", UNITS, NOW, ZONE).title == "爆炸"


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        ("13:50-14:05", ("11-23 13:50", "11-23 14:05")),
        ("13时50分至14时05分之间", ("11-23 13:50", "11-23 14:05")),
        ("23:50到00:10", ("11-22 23:50", "11-23 00:10")),
        ("昨天22:10~23:00", ("11-22 22:10", "11-22 23:00")),
    ],
)
def test_an_uncertain_time_is_an_interval(words: str, ends: tuple[str, str]) -> None:
    assert said(f"爆炸 {words}") == ends


@pytest.mark.parametrize("words", ["25:70", "2月31日 8时", "9:5", "24:01"])
def test_what_is_no_time_is_none_and_stays_in_the_title(words: str) -> None:
    found = read(f"爆炸 {words}", UNITS, NOW, ZONE)

    assert found.occurred is None
    assert found.title == f"爆炸 {words}"


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        ("死3伤11", {"dead": 3, "injured": 11}),
        ("3死11伤", {"dead": 3, "injured": 11}),
        ("亡 3 失联 2", {"dead": 3, "missing": 2}),
        ("死亡三人，重伤两人", {"dead": 3, "serious": 2}),
        ("3人死亡 十一人受伤", {"dead": 3, "injured": 11}),
        ("转移1200人", {"evacuated": 1200}),
        ("3 dead", {"dead": 3}),
    ],
)
def test_casualties_are_counted_whichever_way_round(words: str, counts: dict[str, int]) -> None:
    assert dict(read(f"爆炸 {words}", UNITS, NOW, ZONE).casualties) == counts


@pytest.mark.parametrize(
    ("words", "grade"),
    [
        ("特别重大", Grade.I), ("重大", Grade.II), ("较大", Grade.III), ("一般", Grade.IV),
        ("Ⅰ级", Grade.I), ("II级", Grade.II), ("3级", Grade.III), ("四级", Grade.IV), ("Ⅲ", Grade.III),
        ("较大事故", Grade.III),
    ],
)  # fmt: skip
def test_grades_by_word_and_numeral(words: str, grade: Grade) -> None:
    assert read(f"爆炸 {words} 13:36", UNITS, NOW, ZONE).grade is grade


def test_a_grade_within_a_word_is_none() -> None:
    found = read("重大危险源泄漏", UNITS, NOW, ZONE)

    assert (found.grade, found.title) == (None, "重大危险源泄漏")


@pytest.mark.parametrize(
    ("word", "unit"),
    [
        ("乙县", "yi"),
        ("yx", "yi"),
        ("YI", "yi"),
        ("甲县", "jia"),
        ("jx", "jia"),
        ("甲县总值班室", "jia"),
        ("乙县某镇", "yi-town"),
        ("丙县", None),
    ],
)
def test_units_by_name_code_and_initials(word: str, unit: str | None) -> None:
    assert read(f"{word} 爆炸", UNITS, NOW, ZONE).unit == unit


def test_a_word_that_could_mean_two_units_means_none() -> None:
    twins = [UnitName("a", "乙县"), UnitName("b", "阳县")]

    assert read("yx 爆炸", twins, NOW, ZONE).unit is None


def test_a_unit_within_the_title_is_understood_and_stays() -> None:
    found = read("乙县某镇小学食物中毒", UNITS, NOW, ZONE)

    assert (found.unit, found.title, found.category) == ("yi-town", "乙县某镇小学食物中毒", Category.HEALTH)


def test_people_in_a_sentence_stay_in_it() -> None:
    found = read("山洪围困 三人被困小桥", UNITS, NOW, ZONE)

    assert dict(found.casualties) == {"trapped": 3}
    assert found.title == "山洪围困 三人被困小桥"


def test_initials_are_those_of_the_pinyin() -> None:
    assert [initials(name) for name in ("枣庄高新区", "乙县", "A区", "龘")] == ["zzgxq", "yx", "aq", ""]


@given(st.text(max_size=600))
@example("二十十百百前")
@example("9" * 40 + "分钟前")
@example("9999-99-99 99:99")
def test_any_text_is_read_without_a_fault_and_nothing_is_invented(line: str) -> None:
    found = read(line, UNITS, NOW, ZONE)

    assert set(found.title) <= set(line) | {" "}
    assert all(count >= 0 for _, count in found.casualties)
    assert all(words in line for _, words in found.understood)
    if found.occurred is not None:
        assert found.occurred.earliest <= found.occurred.latest


PARTS = {
    "unit": st.sampled_from(["乙县", "yi", "yx"]),
    "title": st.sampled_from(["化工园区爆燃", "仓库火灾", "大桥坍塌"]),
    "dead": st.integers(0, 999).map(lambda count: f"死{count}"),
    "time": st.integers(0, 13).map(lambda hour: f"{hour:02}:36"),
    "grade": st.sampled_from(["重大", "Ⅱ级", "2级"]),
}


@given(st.fixed_dictionaries(PARTS), st.permutations(sorted(PARTS)), st.sampled_from([" ", "，", "  ", "、"]))
def test_the_order_of_the_parts_does_not_matter(
    parts: dict[str, str], order: list[str], between: str
) -> None:
    found = read(between.join(parts[name] for name in order), UNITS, NOW, ZONE)

    assert (found.title, found.unit, found.grade) == (parts["title"], "yi", Grade.II)
    assert dict(found.casualties) == {"dead": int(parts["dead"][1:])}
    assert found.occurred is not None
    local = found.occurred.earliest.astimezone(ZoneInfo(ZONE))
    assert local.strftime("%H:%M") == parts["time"]
    assert timedelta(0) <= NOW - found.occurred.earliest < timedelta(days=1)


@given(st.integers(0, 2000))
def test_minutes_ago_are_counted_back_from_now(minutes: int) -> None:
    occurred = read(f"爆炸 {minutes}分钟前", UNITS, NOW, ZONE).occurred

    assert occurred is not None
    assert occurred.earliest == NOW - timedelta(minutes=minutes)
