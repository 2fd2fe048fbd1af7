"""Reading a roster from an iCalendar file, as people keep it in a calendar; the convention is in `channels/README.md`.

Each event is one shift for each person it names. Repeating events are unrolled within bounds. A line is the one on
which the event begins.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, Final  # the library's values have many shapes
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrulestr  # type: ignore[import-untyped]
from icalendar import Calendar, Event

from reporter.core.instants import rfc3339
from reporter.core.roster import UnitTree
from reporter.core.terms import DutyRole
from reporter.store.csvfile import WHOLE_FILE, Findings, ImportRefused, Row, decoded
from reporter.store.sheetfile import local_instant

HORIZON: Final = timedelta(days=366)
"""How far ahead of the import, or of its own start, a repeating event is unrolled."""
OCCURRENCES_MAX: Final = 2_000
"""The most shifts that one repeating event may make."""
EVENTS_MAX: Final = 50_000
_SLOW_ENOUGH: Final = {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}
_ROLES: Final = (
    ("duty_officer", DutyRole.DUTY_OFFICER),
    ("duty officer", DutyRole.DUTY_OFFICER),
    ("值班员", DutyRole.DUTY_OFFICER),
    ("值班", DutyRole.DUTY_OFFICER),
    ("leader on duty", DutyRole.LEADER),
    ("leader", DutyRole.LEADER),
    ("带班领导", DutyRole.LEADER),
    ("带班", DutyRole.LEADER),
)
"""What a role is called, the longer names first."""
_KEYS: Final = {
    "unit": "unit", "单位": "unit", "role": "role", "岗位": "role", "person": "person", "姓名": "person",
    "phone": "phone", "电话": "phone", "channels": "channels", "渠道": "channels",
}  # fmt: skip
_SAID = re.compile(r"\s*([^:：]{1,20}?)\s*[:：]\s*(.*?)\s*")


def read_calendar(
    content: bytes, tree: UnitTree, rows_max: int, zone: ZoneInfo, now: datetime, findings: Findings
) -> list[Row]:
    """The shifts of a calendar as rows of the roster's columns.

    `zone` is that of times without one, unless the calendar names its own. Occurrences of repeating events that are
    over by `now` are left out: they are history already. Errors: ImportRefused where nothing can be read at all.
    """
    text = decoded(content)
    lines = [n for n, line in enumerate(text.splitlines(), 1) if line.strip().upper() == "BEGIN:VEVENT"]
    if len(lines) > EVENTS_MAX:
        raise ImportRefused([(WHOLE_FILE, f"more than {EVENTS_MAX} events")])
    try:
        calendar = Calendar.from_ical(text)
        events = [each for each in calendar.walk("VEVENT") if isinstance(each, Event)]
        zone = _own_zone(calendar, zone)
    except (ValueError, LookupError, AttributeError) as error:
        raise ImportRefused([(WHOLE_FILE, f"no calendar that can be read (.ics): {error}")]) from None
    if len(events) != len(lines):
        raise ImportRefused([(WHOLE_FILE, "no calendar that can be read (.ics): an event does not end")])
    moved = _moved(events, zone)
    names = _names(tree)
    rows: list[Row] = []
    for line, event in zip(lines, events, strict=True):
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        try:
            people = _people(event, calendar, names)
            spans = list(_spans(event, moved.get(str(event.get("UID", "")), set()), zone, now))
        except ValueError as error:
            findings.add(line, f"{_title(event)}: {error}")
            continue
        for starts_at, ends_at in spans:
            span = {"starts": rfc3339(starts_at), "ends": rfc3339(ends_at)}
            rows += [Row(line, {**person, **span}) for person in people]
        if len(rows) > rows_max:
            raise ImportRefused([(WHOLE_FILE, f"more than {rows_max} shifts")])
    if not rows and not findings.problems:
        findings.add(WHOLE_FILE, "no shift in the calendar")
    return rows


def _own_zone(calendar: Calendar, zone: ZoneInfo) -> ZoneInfo:
    named = str(calendar.get("X-WR-TIMEZONE", "")).strip()
    try:
        return ZoneInfo(named) if named else zone
    except (ZoneInfoNotFoundError, ValueError):
        msg = f"the calendar's time zone {named!r} is unknown"
        raise ValueError(msg) from None


def _names(tree: UnitTree) -> dict[str, str]:
    """Codes of units by their code and, where it is one unit's alone, by their name."""
    codes = sorted({code for each in tree.subtree(tree.root) if (code := tree.resolve(each))})
    by_name: dict[str, list[str]] = {}
    for code in codes:
        by_name.setdefault(tree.node(code).name, []).append(code)
    return {name: found[0] for name, found in by_name.items() if len(found) == 1} | {
        code: code for code in codes
    }


def _title(event: Event) -> str:
    return str(event.get("SUMMARY") or event.get("UID") or "an event")[:80]


def _people(event: Event, calendar: Calendar, names: Mapping[str, str]) -> list[dict[str, str]]:
    """One set of cells, without the span, for each person of the event. Errors: ValueError."""
    said: dict[str, str] = {}
    for line in str(event.get("DESCRIPTION", "")).splitlines():
        found = _SAID.fullmatch(line)
        if found and (key := _KEYS.get(found[1].lower())):
            said[key] = found[2]
    role, rest = _role(str(event.get("SUMMARY", "")))
    role = _role(said.get("role", ""))[0] or role
    if role is None:
        raise ValueError("the title begins with no role: 值班员 (duty officer) or 带班领导 (leader)")
    unit = said.get("unit") or next(
        (
            names[where]
            for where in (
                str(event.get("LOCATION", "")).strip(),
                str(calendar.get("X-WR-CALNAME", "")).strip(),
            )
            if where in names
        ),
        "",
    )
    if not unit:
        raise ValueError("names no unit: write `unit: CODE` into the description")
    attendees = [_attendee(each) for each in _all(event, "ATTENDEE")]
    phones = {name: phone for name, phone in attendees if name}
    named = said.get("person") or rest
    persons = [named] if named else list(phones)
    if not persons:
        raise ValueError("names no person: write the name behind the role, or invite the person")
    common = {"unit": names.get(unit, unit), "role": role.value, "channels": said.get("channels", "")}
    return [
        {**common, "person": person, "phone": said.get("phone") or phones.get(person, "")}
        for person in persons
    ]


def _role(title: str) -> tuple[DutyRole | None, str]:
    """The role with which a title begins, and what comes after it."""
    title = title.strip()
    for word, role in _ROLES:
        if title.lower().startswith(word):
            return role, title[len(word) :].strip(" \t:：-—·,，")
    return None, title


def _attendee(value: Any) -> tuple[str, str]:
    """Name and phone number of somebody invited."""
    name = str(getattr(value, "params", {}).get("CN", "")).strip()
    address = str(value).strip()
    return name, address[4:] if address.lower().startswith("tel:") else ""


def _all(event: Event, name: str) -> list[Any]:
    """All values of a property: the library hands over one alone as itself."""
    found = event.get(name)
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def _instant(value: Any, zone: ZoneInfo) -> datetime:
    """The instant of a date or a time; without a zone of its own it is local. Errors: ValueError."""
    if isinstance(value, datetime):
        return local_instant(value, zone) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return local_instant(datetime(value.year, value.month, value.day), zone)  # noqa: DTZ001 - the zone follows
    raise ValueError("a time that is neither a date nor a date with a time of day")


def _when(event: Event, name: str) -> Any:
    found = event.get(name)
    if found is None or not hasattr(found, "dt"):
        msg = f"{name} is missing or cannot be read"
        raise ValueError(msg)
    return found.dt


def _moved(events: list[Event], zone: ZoneInfo) -> dict[str, set[datetime]]:
    """The occurrences of repeating events that have an event of their own, by UID."""
    found: dict[str, set[datetime]] = {}
    for event in events:
        if (value := event.get("RECURRENCE-ID")) is not None and hasattr(value, "dt"):
            try:
                found.setdefault(str(event.get("UID", "")), set()).add(_instant(value.dt, zone))
            except ValueError:
                continue  # then both stay, and show
    return found


def _spans(
    event: Event, moved: set[datetime], zone: ZoneInfo, now: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Start and end of each occurrence. Errors: ValueError."""
    begins = _when(event, "DTSTART")
    if "DTEND" in event:
        ends = _when(event, "DTEND")
    elif "DURATION" in event:
        ends = begins + _when(event, "DURATION")
    elif not isinstance(begins, datetime):
        ends = begins + timedelta(days=1)
    else:
        raise ValueError("has neither an end nor a duration")
    if isinstance(begins, datetime) != isinstance(ends, datetime):
        raise ValueError("its start is a date and its end a time, or the reverse")
    rules = _all(event, "RRULE")
    if "RECURRENCE-ID" in event or not (rules or "RDATE" in event):
        yield _instant(begins, zone), _instant(ends, zone)
        return
    if len(rules) > 1:
        raise ValueError("has more than one rule of repetition")
    left_out = moved | {_instant(each.dt, zone) for dates in _all(event, "EXDATE") for each in dates.dts}
    # Every occurrence begins and ends at the same local time, also where the clocks change between them.
    tz = begins.tzinfo if isinstance(begins, datetime) and begins.tzinfo else zone
    local = _instant(begins, zone).astimezone(tz).replace(tzinfo=None)
    length = _instant(ends, zone).astimezone(tz).replace(tzinfo=None) - local
    horizon = (max(now, _instant(begins, zone)) + HORIZON).astimezone(tz).replace(tzinfo=None)
    starts = {local, *(_unrolled(rules[0], local, tz, horizon) if rules else ())}
    for dates in _all(event, "RDATE"):
        starts |= {_instant(each.dt, zone).astimezone(tz).replace(tzinfo=None) for each in dates.dts}
    count = 0
    for start in sorted(starts):
        starts_at = start.replace(tzinfo=tz).astimezone(UTC)
        ends_at = (start + length).replace(tzinfo=tz).astimezone(UTC)
        if starts_at in left_out or ends_at <= now:
            continue
        count += 1
        if count > OCCURRENCES_MAX:
            msg = f"repeats more than {OCCURRENCES_MAX} times"
            raise ValueError(msg)
        yield starts_at, ends_at


def _unrolled(rule: Any, local: datetime, tz: Any, horizon: datetime) -> Iterator[datetime]:
    """The local starts of a rule up to `horizon`. Errors: ValueError for one that is too fast or unreadable."""
    parts = {key.upper(): value for key, value in rule.items()}
    if str((parts.get("FREQ") or [""])[0]).upper() not in _SLOW_ENOUGH:
        raise ValueError("repeats more often than daily")
    count = parts.pop("COUNT", None)
    until = (parts.pop("UNTIL", None) or [None])[0]
    if isinstance(until, datetime):
        last = until.astimezone(tz).replace(tzinfo=None) if until.tzinfo else until
        horizon = min(horizon, last)
    elif isinstance(until, date):
        horizon = min(horizon, datetime(until.year, until.month, until.day, 23, 59, 59))  # noqa: DTZ001 - local
    # UNTIL always, and COUNT by hand: a rule that never matches would else be searched to the year 9999.
    text = type(rule)(parts).to_ical().decode() + f";UNTIL={horizon:%Y%m%dT%H%M%S}"
    try:
        found = rrulestr(text, dtstart=local)
    except (ValueError, TypeError, KeyError) as error:
        msg = f"its rule of repetition cannot be read: {error}"
        raise ValueError(msg) from None
    return islice(found, int(count[0]) if count else None)
