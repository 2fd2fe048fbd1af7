"""Times as people say them: `13:36`, `刚才`, `20分钟前`, `昨天22:10`, `下午三点半`, `13:50-14:05`, `11月23日 8时`."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from reporter.core.incident import FUTURE_TOLERANCE
from reporter.core.reading import Occurrence

Place = tuple[int, int]
"""Start and end in the text."""

_DIGITS: Final = {mark: value for value, mark in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
NUMBER: Final = r"(?:[0-9]{1,6}|[零〇一二两三四五六七八九十百]{1,5})"
_DATE = r"(?:(?P<{0}year>\d{{4}})\s*[-/.年]\s*)?(?P<{0}month>\d{{1,2}})\s*[-/.月]\s*(?P<{0}day>\d{{1,2}})\s*(?:日|号)?"
_WORD = r"(?P<{0}word>今天|今日|今早|今晚|昨天|昨日|昨晚|昨夜|前天|前日|today|yesterday)"
_PART = r"(?P<{0}part>凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|晚|夜里|夜间)"
_CLOCK = (
    r"(?:(?P<{0}h>\d{{1,2}}):(?P<{0}m>\d{{2}})(?::(?P<{0}s>\d{{2}}))?(?![0-9:])"
    r"|(?P<{0}H>(?:[0-9]{{1,2}}|[零〇一二两三四五六七八九十]{{1,3}}))\s*[点时](?!候|间)"
    r"(?:(?P<{0}M>(?:[0-9]{{1,2}}|[零〇一二两三四五六七八九十]{{1,3}}))\s*分?"
    r"|(?P<{0}half>半)|(?P<{0}quarter>一刻)|整)?)"
)


def _moment(prefix: str) -> str:
    day = rf"(?:(?:{_WORD.format(prefix)}|{_DATE.format(prefix)})\s*)?"
    return rf"(?<![0-9.:]){day}(?:{_PART.format(prefix)}\s*)?{_CLOCK.format(prefix)}"


_TAIL = r"(?:\s*(?:左右|许|前后|之间))?"
_SPAN: Final = re.compile(
    rf"{_moment('a')}\s*(?:-|~|—|–|至|到)\s*{_moment('b').replace('(?<![0-9.:])', '')}{_TAIL}"
)
_POINT: Final = re.compile(rf"(?:约\s*)?{_moment('a')}{_TAIL}")
_AGO: Final = re.compile(
    rf"(?:(?P<hours>{NUMBER})\s*(?:个)?\s*(?:小时|钟头)(?P<andhalf>半)?\s*)?(?:(?P<minutes>{NUMBER})\s*(?:分钟|分))?\s*(?:之)?(?:前|以前)"
    rf"|(?P<half>半)\s*个?\s*(?:小时|钟头)\s*(?:之)?前|(?P<quarter>一刻钟)\s*(?:之)?前"
    r"|(?P<count>\d{1,4})\s*(?P<unit>min(?:ute)?s?|h(?:ou)?rs?|h)\s+ago",
    re.IGNORECASE,
)
_NOW: Final = re.compile(r"刚才|刚刚|方才|just now", re.IGNORECASE)
_EVENING: Final = ("下午", "傍晚", "晚上", "晚", "夜里", "夜间")
_DAYS_BACK: Final = {
    "昨天": 1, "昨日": 1, "昨晚": 1, "昨夜": 1, "yesterday": 1, "前天": 2, "前日": 2,
}  # fmt: skip


def number(text: str) -> int | None:
    """A whole number in digits, or in Chinese up to 999; None for what is none."""
    if text.isdecimal():
        return int(text)
    total, digit = 0, None
    for mark in text:
        if mark in _DIGITS:
            digit = _DIGITS[mark] if digit is None else digit * 10 + _DIGITS[mark]
        else:
            total += (1 if digit is None else digit) * (10 if mark == "十" else 100)
            digit = None
    return total + (digit or 0)


def find_time(text: str, now: datetime, zone: str) -> tuple[Occurrence | None, list[Place]]:
    """The first time in the text as an instant or an interval, and where it stands; None where there is none.

    What is no time of day (`25:70`, 31 February) is none. An interval that ends before it begins ends a day later.
    """
    local = now.astimezone(ZoneInfo(zone))
    for tries in (_spans, _ago, _now, _points):
        for occurred, place in tries(text, local):
            return occurred, [place]
    return None, []


def _spans(text: str, now: datetime) -> Iterator[tuple[Occurrence, Place]]:
    for found in _SPAN.finditer(text):
        first = _read(found.groupdict(), "a", now, None)
        if first is None:
            continue
        has_part = found["bpart"] is not None or found["apart"] is None
        last = _read(found.groupdict(), "b", now, first.date(), None if has_part else found["apart"])
        if last is None:
            continue
        if last < first:
            last += timedelta(days=1)
        if found["aword"] is None and found["amonth"] is None and first > now + FUTURE_TOLERANCE:
            first, last = first - timedelta(days=1), last - timedelta(days=1)
        yield Occurrence(_utc(first), _utc(last)), found.span()


def _points(text: str, now: datetime) -> Iterator[tuple[Occurrence, Place]]:
    for found in _POINT.finditer(text):
        at = _read(found.groupdict(), "a", now, None)
        if at is None:
            continue
        if found["aword"] is None and found["amonth"] is None and at > now + FUTURE_TOLERANCE:
            at -= timedelta(days=1)
        yield Occurrence(_utc(at), _utc(at)), found.span()


def _ago(text: str, now: datetime) -> Iterator[tuple[Occurrence, Place]]:
    for found in _AGO.finditer(text):
        groups = found.groupdict()
        if groups["count"]:
            is_hours = groups["unit"].lower().startswith("h")
            span = (
                timedelta(hours=int(groups["count"])) if is_hours else timedelta(minutes=int(groups["count"]))
            )
        elif groups["half"] or groups["quarter"]:
            span = timedelta(minutes=30 if groups["half"] else 15)
        elif groups["hours"] or groups["minutes"]:
            hours, minutes = number(groups["hours"] or "0") or 0, number(groups["minutes"] or "0") or 0
            if hours > 999 or minutes > 99_999:
                continue
            span = timedelta(hours=hours, minutes=minutes + (30 if groups["andhalf"] else 0))
        else:
            continue
        at = _utc(now - span).replace(microsecond=0)
        yield Occurrence(at, at), found.span()


def _now(text: str, now: datetime) -> Iterator[tuple[Occurrence, Place]]:
    for found in _NOW.finditer(text):
        at = _utc(now).replace(microsecond=0)
        yield Occurrence(at, at), found.span()


def _read(
    groups: dict[str, str | None], prefix: str, now: datetime, day: date | None, part: str | None = None
) -> datetime | None:
    """The moment that these groups say, in `now`'s zone; None if there is none such."""
    said: Callable[[str], str | None] = lambda name: groups[prefix + name]  # noqa: E731 - a name for a lookup
    hour = number(said("h") or said("H") or "")
    minute = 30 if said("half") else 15 if said("quarter") else number(said("m") or said("M") or "0")
    second = int(said("s") or 0)
    if hour is None or minute is None or hour > 24 or minute > 59 or second > 59:
        return None
    if hour == 24 and (minute or second):
        return None
    word, part = said("word") or "", said("part") or part
    on = _day(groups, prefix, now, word, day)
    if on is None:
        return None
    try:
        midnight = datetime(on.year, on.month, on.day, tzinfo=now.tzinfo)
        return midnight + timedelta(hours=_hour(hour, word, part), minutes=minute, seconds=second)
    except (ValueError, OverflowError):
        return None


def _hour(hour: int, word: str, part: str | None) -> int:
    """The hour of the day; past 24 where “last night at one” is the next day's."""
    if word in ("昨晚", "昨夜", "今晚") and part is None:
        return hour + 24 if hour < 5 else hour + 12 if hour < 12 else hour
    if (part in _EVENING and hour < 12) or (part == "中午" and hour < 3):
        return hour + 12
    if part in ("晚上", "夜里", "夜间", "晚") and hour == 12:
        return 24
    return 0 if part == "凌晨" and hour == 12 else hour


def _day(
    groups: dict[str, str | None], prefix: str, now: datetime, word: str, default: date | None
) -> date | None:
    month = groups[prefix + "month"]
    if month is None:
        back = _DAYS_BACK.get(word.lower(), 0)
        return now.date() - timedelta(days=back) if word or default is None else default
    year = groups[prefix + "year"]
    try:
        on = date(int(year or now.year), int(month), int(groups[prefix + "day"] or 0))
        if year is None and on > now.date():
            on = on.replace(year=now.year - 1)
    except ValueError:
        return None
    return on


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)
