"""One line as a duty officer types it while the phone is still in the other hand, read into facts.

`乙县 化工园区爆燃 死3伤11 重大 13:36` names a unit, a title, casualties, a grade and a time. Everything here is a
proposal: the fields of the form are the truth, and what is not understood stays in the title. Nothing raises.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reporter.core.reading import Occurrence
from reporter.core.spokentime import NUMBER, find_time, number
from reporter.core.terms import Category, Grade
from reporter.core.unitnames import UnitName, find_unit

LINE_CHARS_MAX: Final = 500
_WIDE: Final = {
    **{0xFF10 + digit: str(digit) for digit in range(10)},
    **{0xFF21 + letter: chr(0x41 + letter) for letter in range(26)},
    **{0xFF41 + letter: chr(0x61 + letter) for letter in range(26)},
    0xFF1A: ":",
    0x3000: " ",
}
"""Wide digits, letters, colon and space as narrow ones: character for character, so that places stay."""
_SEPARATORS: Final = re.compile(r"[\s,，;；。、|]+")

_CASUALTIES: Final = {
    "死亡": "dead", "遇难": "dead", "身亡": "dead", "死": "dead", "亡": "dead",
    "失联": "missing", "失踪": "missing", "下落不明": "missing",
    "被困": "trapped", "受困": "trapped", "被埋": "trapped", "困": "trapped",
    "重伤": "serious", "轻伤": "light", "受伤": "injured", "伤": "injured",
    "转移": "evacuated", "疏散": "evacuated", "撤离": "evacuated",
    "dead": "dead", "killed": "dead", "missing": "missing", "trapped": "trapped",
    "injured": "injured", "hurt": "injured", "evacuated": "evacuated",
}  # fmt: skip
_SENTENCE_CHARS: Final = 2
_WORDS = "|".join(sorted(_CASUALTIES, key=len, reverse=True))
_PEOPLE = r"(?:\s*(?:人|名|个|位)(?:群众|工人|人员|学生|居民|村民)?)?"
_COUNTED: Final = re.compile(
    rf"(?P<before>{NUMBER}){_PEOPLE}\s*(?P<of>{_WORDS})"
    rf"|(?P<word>{_WORDS})(?:者|人数)?:?(?P<after>{NUMBER}){_PEOPLE}"
    rf"|(?<![^\s,，;；。、|])(?P<apart>{_WORDS})(?:者|人数)?\s*:?\s+(?P<behind>[0-9]{{1,6}}){_PEOPLE}",
    re.IGNORECASE,
)

_GRADES: Final = (
    (Grade.I, "特别重大", "Ⅰ", "I", "1", "一"),
    (Grade.II, "重大", "Ⅱ", "II", "2", "二"),
    (Grade.III, "较大", "Ⅲ", "III", "3", "三"),
    (Grade.IV, "一般", "Ⅳ", "IV", "4", "四"),
)
_NUMERAL = "|".join(
    sorted((mark for _, _, *marks in _GRADES for mark in marks if mark), key=len, reverse=True)
)
_GRADE: Final = re.compile(
    rf"(?<![0-9A-Za-z])(?P<numeral>{_NUMERAL})\s*级|(?:特别重大|(?<!特别)重大|较大|一般)(?:级|事故|事件|突发事件)"
    rf"|(?<![^\s,，;；。、|])(?:特别重大|重大|较大|一般|Ⅰ|Ⅱ|Ⅲ|Ⅳ|II|III|IV)(?![^\s,，;；。、|])",
    re.IGNORECASE,
)

_CATEGORY_NAMES: Final = {
    "自然灾害": Category.NATURAL, "自然": Category.NATURAL, "事故灾难": Category.ACCIDENT, "事故": Category.ACCIDENT,
    "公共卫生": Category.HEALTH, "公共卫生事件": Category.HEALTH, "卫生": Category.HEALTH,
    "社会安全": Category.SECURITY, "社会安全事件": Category.SECURITY, "社会": Category.SECURITY,
}  # fmt: skip
"""What names a category when it stands alone; it is then no part of the title."""
_CATEGORY_WORDS: Final = {
    Category.NATURAL: "地震 山洪 洪水 洪涝 内涝 暴雨 暴雪 台风 冰雹 干旱 滑坡 泥石流 塌方 山火 森林火灾 龙卷风 "
    "大风 寒潮",
    Category.ACCIDENT: "爆燃 爆炸 火灾 起火 着火 失火 坍塌 垮塌 泄漏 车祸 相撞 追尾 翻车 侧翻 坠落 触电 溺水 中毒窒息 "
    "透水 冒顶 脱轨 坠机 沉船 燃气 危化品 交通事故 电梯 踩踏",
    Category.HEALTH: "食物中毒 疫情 传染病 流感 霍乱 鼠疫 集体发热 感染 职业中毒 动物疫病 禽流感 中毒",
    Category.SECURITY: "聚集 群体性 上访 持刀 砍人 枪击 劫持 恐怖 袭击 骚乱 绑架 纵火 投毒 罢工 械斗 打架",
}
_WORD_OF: Final = {word: category for category, words in _CATEGORY_WORDS.items() for word in words.split()}
_CATEGORY: Final = re.compile("|".join(sorted(map(re.escape, _WORD_OF), key=len, reverse=True)))


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the line that means something. `is_aside`: it is said beside the title, so it goes from its end."""

    start: int
    end: int
    kind: str
    is_aside: bool = True


@dataclass(frozen=True, slots=True)
class Read:
    """What a line says. `casualties` are counts by their names in the record; `understood` the words it came from."""

    title: str
    unit: str | None = None
    category: Category | None = None
    grade: Grade | None = None
    casualties: tuple[tuple[str, int], ...] = ()
    occurred: Occurrence | None = None
    understood: tuple[tuple[str, str], ...] = ()


def read(line: str, units: Sequence[UnitName], now: datetime, zone: str) -> Read:
    """Reads a line, of which everything past `LINE_CHARS_MAX` is ignored.

    `units` are those that may be meant; `now` is the instant at which it was typed, and `zone` the one in which its
    times are. A time without a day that lies ahead is yesterday's. Where a word could mean two units it means none.
    """
    line = line[:LINE_CHARS_MAX]
    text = line.translate(_WIDE)
    occurred, times = find_time(text, now, zone)
    spans = [Span(start, end, "occurred") for start, end in times]
    text_left = _blanked(text, spans)
    casualties, counted = _casualties(text_left)
    spans += counted
    text_left = _blanked(text, spans)
    grade, graded = _grade(text_left)
    spans += graded
    unit, place, is_alone = find_unit(_blanked(text, spans), _segments(text), units)
    if place is not None:
        spans.append(Span(*place, "unit", is_aside=is_alone))
    category, named = _category(text)
    spans += named
    title = _title(line, text, spans)
    understood = tuple(
        (span.kind, line[span.start : span.end].strip())
        for span in sorted(spans, key=lambda each: each.start)
    )
    return Read(title, unit, category, grade, tuple(casualties.items()), occurred, understood)


def _blanked(text: str, spans: Iterable[Span]) -> str:
    """The text with what is understood already made into separators, so that nothing counts twice."""
    characters = list(text)
    for span in spans:
        characters[span.start : span.end] = "|" * (span.end - span.start)
    return "".join(characters)


def _casualties(text: str) -> tuple[dict[str, int], list[Span]]:
    counts: dict[str, int] = {}
    spans = []
    for found in _COUNTED.finditer(text):
        count = number(found["before"] or found["after"] or found["behind"])
        if count is None:
            continue
        of = found["of"] or ""
        counts[_CASUALTIES[(of or found["word"] or found["apart"]).lower()]] = count
        # “三人被困” is part of a sentence and stays in it; “死3伤11” and “3死” are notes beside the title.
        is_note = len(of) < _SENTENCE_CHARS or of.isascii()
        spans.append(Span(found.start(), found.end(), "casualties", is_aside=is_note))
    return counts, spans


def _grade(text: str) -> tuple[Grade | None, list[Span]]:
    found = _GRADE.search(text)
    if found is None:
        return None, []
    said = found.group().upper()
    for grade, word, *marks in reversed(
        _GRADES
    ):  # “特别重大” holds “重大”, “III” holds “I”: so each is compared whole
        numeral = found["numeral"]
        if (numeral and numeral.upper() in marks) or (
            not numeral and (said in marks or said.startswith(word))
        ):
            is_note = not said.endswith(("事故", "事件"))
            return grade, [Span(found.start(), found.end(), "grade", is_aside=is_note)]
    return None, []


def _category(text: str) -> tuple[Category | None, list[Span]]:
    for start, end in _segments(text):
        if (category := _CATEGORY_NAMES.get(text[start:end])) is not None:
            return category, [Span(start, end, "category")]
    if found := _CATEGORY.search(text):
        return _WORD_OF[found.group()], [Span(found.start(), found.end(), "category", is_aside=False)]
    return None, []


def _segments(text: str) -> list[tuple[int, int]]:
    """The parts between blanks and punctuation."""
    places = []
    start = 0
    for found in _SEPARATORS.finditer(text):
        if found.start() > start:
            places.append((start, found.start()))
        start = found.end()
    if start < len(text):
        places.append((start, len(text)))
    return places


def _title(line: str, text: str, spans: Sequence[Span]) -> str:
    """What is left: each part without the times in it and without the notes at its end."""
    return " ".join(part for part in _parts(line, text, spans) if part)


def _parts(line: str, text: str, spans: Sequence[Span]) -> Iterator[str]:
    covered = [False] * len(text)
    timed = [False] * len(text)
    for span in spans:
        for place in range(span.start, span.end):
            covered[place] = covered[place] or span.is_aside
            timed[place] = timed[place] or span.kind == "occurred"
    whole = [False] * len(text)
    for span in spans:
        if span.kind != "category" or span.is_aside:
            whole[span.start : span.end] = [True] * (span.end - span.start)
    for start, end in _segments(text):
        is_note = all(whole[place] for place in range(start, end))
        has_aside = any(covered[place] for place in range(start, end))
        if is_note and has_aside:
            continue
        last = end
        while last > start and covered[last - 1]:
            last -= 1
        yield "".join(line[place] for place in range(start, last) if not timed[place]).strip()
