"""The facts of an incident as fields of a form, for logging one and for correcting one: text in, `data` out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final  # Any: facts are JSON
from zoneinfo import ZoneInfo

from reporter.core.instants import rfc3339
from reporter.core.reading import CASUALTY_COUNTS
from reporter.core.spokentime import find_time
from reporter.core.terms import Category, Grade, Mode
from reporter.desk.forms import Typed
from reporter.store.queries import IncidentRow

COUNTS: Final = tuple(f"c_{name}" for name in CASUALTY_COUNTS)
TIMES: Final = ("occurred", "occurred_until", "aware")
FIELDS: Final = (
    "title", "category", "grade", "mode", "sensitive", "place", "summary", "channel", *TIMES, *COUNTS,
)  # fmt: skip
CHANNELS: Final = ("110", "119", "120", "12345", "电话", "下级单位", "网络舆情", "现场")
"""From where one usually learns of it; anything else may be typed."""
_TEXT_CHARS_MAX: Final = 4000
_TITLE_CHARS_MAX: Final = 200
_COUNT_MAX: Final = 9_999_999


@dataclass(frozen=True, slots=True)
class Facts:
    """What the fields say, as the data of a command; what cannot be read, by the field's name."""

    data: dict[str, object]
    errors: dict[str, tuple[str, str]]


def local_text(at: datetime | None, zone: str) -> str:
    """An instant as a field of date and time shows it, in that zone; to the second."""
    return "" if at is None else at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M:%S")


def facts_of(given: Typed, now: datetime, zone: str) -> Facts:
    """Reads the fields. `now`: what a time without a day refers to."""
    data: dict[str, object] = {}
    errors: dict[str, tuple[str, str]] = {}
    for name, limit in (("title", _TITLE_CHARS_MAX), ("summary", _TEXT_CHARS_MAX), ("channel", 100)):
        if text := given.one(name):
            data[name] = text
            if len(text) > limit:
                errors[name] = f"至多 {limit} 字", f"at most {limit} characters"
    for name, words in (("category", Category), ("grade", Grade), ("mode", Mode)):
        if text := given.one(name):
            data[name] = text
            if text not in {word.value for word in words}:
                errors[name] = "请从列表中选择", "choose one of the list"
    if given.has("sensitive"):
        data["sensitive"] = True
    if text := given.one("place"):
        data["place"] = {"text": text[:_TEXT_CHARS_MAX]}
    _counts(given, data, errors)
    _times(given, data, errors, now, zone)
    return Facts(data, errors)


def _counts(given: Typed, data: dict[str, object], errors: dict[str, tuple[str, str]]) -> None:
    counts: dict[str, int] = {}
    for name in CASUALTY_COUNTS:
        if not (text := given.one(f"c_{name}")):
            continue
        if text.isascii() and text.isdecimal() and int(text[:8]) <= _COUNT_MAX:
            counts[name] = int(text[:8])
        else:
            errors[f"c_{name}"] = "请填整数", "a whole number"
    if counts:
        data["casualties"] = counts


def _times(
    given: Typed, data: dict[str, object], errors: dict[str, tuple[str, str]], now: datetime, zone: str
) -> None:
    read: dict[str, datetime] = {}
    for name in TIMES:
        if not (text := given.one(name)):
            continue
        at = instant_of(text, now, zone)
        if at is None:
            errors[name] = (
                "时间无法识别，例如 2026-11-23 13:36",
                "not a time; write it as 2026-11-23 13:36",
            )
        else:
            read[name] = at
    if "aware" in read:
        data["aware"] = rfc3339(read["aware"])
    if "occurred_until" in read and "occurred" not in read and "occurred" not in errors:
        errors["occurred"] = "填了止时间，请也填起时间", "an end needs a beginning"
    if "occurred" in read:
        data["occurred"] = rfc3339(read["occurred"])
        if "occurred_until" in read:
            until = read["occurred_until"]
            data["occurred"] = {"earliest": rfc3339(read["occurred"]), "latest": rfc3339(until)}
            if until < read["occurred"]:
                errors["occurred_until"] = "止时间早于起时间", "it ends before it begins"


def instant_of(text: str, now: datetime, zone: str) -> datetime | None:
    """An instant from a field of date and time, or from words (`13:36`, `昨天22:10`); None for what is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        occurred, _ = find_time(text, now, zone)
        return occurred.earliest if occurred is not None and occurred.earliest == occurred.latest else None
    if not 1970 <= at.year < 2200:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(zone))


def values_of(incident: IncidentRow, zone: str) -> dict[str, str]:
    """The facts of an incident as the fields show them, to be corrected."""
    facts: Mapping[str, Any] = incident.facts
    place, counts = facts.get("place"), facts.get("casualties")
    is_interval = incident.occurred_latest_at != incident.occurred_earliest_at
    known = not incident.is_provisional
    values = {
        "title": incident.title,
        "category": incident.category or "",
        "grade": incident.grade or "",
        "mode": incident.mode,
        "sensitive": "1" if incident.sensitive else "",
        "place": str(place.get("text") or "") if isinstance(place, dict) else "",
        "summary": str(facts.get("summary") or ""),
        "channel": str(facts.get("channel") or ""),
        "occurred": local_text(incident.occurred_earliest_at, zone) if known else "",
        "occurred_until": local_text(incident.occurred_latest_at, zone) if known and is_interval else "",
        "aware": local_text(incident.aware_at, zone),
    }
    for name in CASUALTY_COUNTS:
        count = counts.get(name) if isinstance(counts, dict) else None
        values[f"c_{name}"] = "" if count is None else str(count)
    return values


def corrections(given: Typed, now: datetime, zone: str) -> Facts:
    """What the fields of a correction change: those that differ from what the form began with (`was_<name>`).

    So a correction says nothing of facts that somebody else has corrected in the meantime.
    """
    changed = {name for name in FIELDS if given.one(name) != given.one(f"was_{name}")}
    facts = facts_of(given, now, zone)
    data: dict[str, object] = {}
    for name in ("title", "category", "grade", "mode", "summary", "channel", "place"):
        if name in changed:
            data[name] = facts.data.get(name)
    if "sensitive" in changed:
        data["sensitive"] = facts.data.get("sensitive", False)
    if changed & {"occurred", "occurred_until"}:
        data["occurred"] = facts.data.get("occurred")
    if "aware" in changed:
        data["aware"] = facts.data.get("aware")
    if changed & set(COUNTS):
        data["casualties"] = facts.data.get("casualties")
    errors = {name: error for name, error in facts.errors.items() if name in changed}
    if "title" in changed and not data["title"]:
        errors["title"] = "必填", "required"
    if "occurred" in data and data["occurred"] is None and "occurred" not in errors:
        errors["occurred"] = "发生时间不能改回未知", "the occurrence cannot become unknown again"
    return Facts(data, errors)
