"""Which unit a word means: by name, by the name without its office, by code, by the initials of its pinyin."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

_OFFICES: Final = re.compile(
    r"(?:总值班室|值班室|应急管理局|应急局|人民政府|政府|管委会|管理委员会|街道办事处|街道办|办事处|党政办公室|党政办|办公室)$"
)
_CHARS_MIN: Final = 2

_FIRSTS: Final = (
    (0xB0A1, "a"), (0xB0C5, "b"), (0xB2C1, "c"), (0xB4EE, "d"), (0xB6EA, "e"), (0xB7A2, "f"), (0xB8C1, "g"),
    (0xB9FE, "h"), (0xBBF7, "j"), (0xBFA6, "k"), (0xC0AC, "l"), (0xC2E8, "m"), (0xC4C3, "n"), (0xC5B6, "o"),
    (0xC5BE, "p"), (0xC6DA, "q"), (0xC8BB, "r"), (0xC8F6, "s"), (0xCBFA, "t"), (0xCDDA, "w"), (0xCEF4, "x"),
    (0xD1B9, "y"), (0xD4D1, "z"),
)  # fmt: skip
"""The common characters of GB 2312 stand in the order of their pinyin: where each initial begins."""
_BEGINS: Final = [code for code, _ in _FIRSTS]
_COMMON_END: Final = 0xD7FA


@dataclass(frozen=True, slots=True)
class UnitName:
    """A unit that may be meant, with the words that mean it."""

    code: str
    name: str
    stem: str = field(init=False)
    initials: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        stem = self.name.strip()
        while (shorter := _OFFICES.sub("", stem)) and shorter != stem:
            stem = shorter
        object.__setattr__(self, "stem", stem)
        object.__setattr__(self, "initials", frozenset({initials(self.name), initials(stem)} - {""}))

    def is_meant_by(self, word: str) -> bool:
        """Whether a word that stands alone means the unit."""
        folded = word.casefold()
        return (
            folded in (self.name.casefold(), self.stem.casefold(), self.code.casefold())
            or (len(word) >= _CHARS_MIN and folded in self.initials)
            or (len(word) >= _CHARS_MIN and self.name.casefold().startswith(folded))
        )


def initials(name: str) -> str:
    """The first letters of the pinyin (`乙县` → `yx`); empty where a character is none of the common 3755.

    Of a character with several readings it is the one that the character set has.
    """
    letters = []
    for character in name:
        if character.isascii():
            letters.append(character.casefold() if character.isalnum() else "")
            continue
        try:
            code = int.from_bytes(character.encode("gb2312"), "big")
        except UnicodeEncodeError:
            return ""
        if not _BEGINS[0] <= code < _COMMON_END:
            return ""
        letters.append(_FIRSTS[bisect_right(_BEGINS, code) - 1][1])
    return "".join(letters)


def find_unit(
    text: str, segments: Iterable[tuple[int, int]], units: Sequence[UnitName]
) -> tuple[str | None, tuple[int, int] | None, bool]:
    """The code of the unit meant, where it is said, and whether it stands there alone.

    A word that stands alone comes first, then the longest name found within the text; what could mean two units
    means none.
    """
    for start, end in segments:
        word = text[start:end]
        exact = [unit for unit in units if word in (unit.name, unit.stem, unit.code)]
        meant = exact or [unit for unit in units if unit.is_meant_by(word)]
        if len(meant) == 1:
            return meant[0].code, (start, end), True
    best: tuple[int, int, UnitName] | None = None
    is_tied = False
    for unit in units:
        for name in {unit.name, unit.stem}:
            place = text.find(name) if len(name) >= _CHARS_MIN else -1
            if place < 0:
                continue
            if best is None or len(name) > best[1] - best[0]:
                best, is_tied = (place, place + len(name), unit), False
            elif len(name) == best[1] - best[0] and unit is not best[2]:
                is_tied = True
    if best is None or is_tied:
        return None, None, False
    return best[2].code, best[:2], False
