"""A regulation as the auditor reads it: the schedule files once more, with a reader of its own.

Instants are whole microseconds since 1970 UTC, spans and offsets too. Nothing of the product is used.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any  # documents of TOML
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
DEFAULT = "cn-zaozhuang-hitech-2021-9"

_DURATION = re.compile(r"(-?)P(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_KNOWN = {
    "id", "title", "authority", "starts_on", "span", "bounds", "combine", "forms", "elements", "covers_earlier",
    "when", "soft", "ladder",
}  # fmt: skip
_KNOWN_OF_BOUND = {"starts_on", "span", "unless_past_at"}
_KNOWN_OF_STEP = {"at", "to", "every", "at_most"}


class BeyondTheAuditor(Exception):
    """The file says something that the auditor knows no law for."""


@dataclass(frozen=True)
class Bound:
    anchor: str
    months: int
    days: int
    exact: int
    unless_past_at: str | None


@dataclass(frozen=True)
class Step:
    """`every` is 0 where the step is not repeated."""

    offset: int
    to: tuple[str, ...]
    every: int
    at_most: int


@dataclass(frozen=True)
class Duty:
    """One obligation."""

    name: str
    bounds: tuple[Bound, ...]
    is_latest_of: bool
    forms: tuple[str, ...]
    elements: tuple[str, ...]
    covers_earlier: bool
    when: tuple[Mapping[str, list[object]], ...]
    is_soft: bool
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Edition:
    """`starts`: its first instant."""

    schedule: str
    day: str
    starts: int
    zone: str
    duties: tuple[Duty, ...]


@dataclass(frozen=True)
class Schedule:
    """`editions`: the oldest first."""

    name: str
    editions: tuple[Edition, ...]

    def in_force(self, at: int) -> Edition:
        """The edition in force; before the first there is the first."""
        return [each for each in self.editions if each.starts <= at or each is self.editions[0]][-1]


def micros(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def instant(at: int) -> datetime:
    return EPOCH + timedelta(microseconds=at)


def add(at: int, bound: Bound, zone: str) -> int:
    """`at` plus the bound's span: months and days on the wall calendar of the zone, the rest in elapsed time."""
    if bound.months or bound.days:
        local = instant(at).astimezone(ZoneInfo(zone))
        index = local.year * 12 + local.month - 1 + bound.months
        year, month = index // 12, index % 12 + 1
        last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
        moved = local.replace(year=year, month=month, day=min(local.day, last), fold=0, tzinfo=None)
        at = micros((moved + timedelta(days=bound.days)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC))
    return at + bound.exact


def offset(text: str) -> int:
    """`-PT10M`, in microseconds."""
    sign, _, _, exact = _span(text)
    return sign * exact


def read(folders: list[Path]) -> tuple[dict[str, Schedule], list[str]]:
    """The schedules of these folders by id, and the ids of those that the auditor knows no law for."""
    schedules, beyond = {}, []
    for file in sorted(each for folder in folders for each in folder.rglob("*.toml")):
        document = tomllib.loads(file.read_text("utf-8-sig"))
        try:
            schedules[document["id"]] = _schedule(document)
        except BeyondTheAuditor:
            beyond.append(document["id"])
    return schedules, beyond


def _schedule(document: Mapping[str, Any]) -> Schedule:
    zone = document["zone"]
    editions = []
    for each in document["edition"]:
        _expect(each, {"in_force", "citation", "obligation"})
        starts = datetime.combine(each["in_force"], time.min, ZoneInfo(zone)).astimezone(UTC)
        duties = tuple(map(_duty, each["obligation"]))
        day = each["in_force"].isoformat()
        editions.append(Edition(document["id"], day, micros(starts), zone, duties))
    return Schedule(document["id"], tuple(editions))


def _duty(table: Mapping[str, Any]) -> Duty:
    _expect(table, _KNOWN)
    bounds = table.get("bounds") or [{name: table[name] for name in ("starts_on", "span")}]
    return Duty(
        name=table["id"],
        bounds=tuple(map(_bound, bounds)),
        is_latest_of=table.get("combine") == "latest_of",
        forms=tuple(table["forms"]),
        elements=tuple(each["id"] for each in table.get("elements", ())),
        covers_earlier=table.get("covers_earlier", True),
        when=tuple(table.get("when", ())),
        is_soft=table.get("soft", False),
        steps=tuple(sorted(map(_step, table.get("ladder", ())), key=lambda step: step.offset)),
    )


def _bound(table: Mapping[str, Any]) -> Bound:
    _expect(table, _KNOWN_OF_BOUND)
    sign, months, days, exact = _span(table["span"])
    return Bound(table["starts_on"], months, days, sign * exact, table.get("unless_past_at"))


def _step(table: Mapping[str, Any]) -> Step:
    _expect(table, _KNOWN_OF_STEP)
    every = offset(table["every"]) if "every" in table else 0
    return Step(offset(table["at"]), tuple(table["to"]), every, table.get("at_most", 1))


def _span(text: str) -> tuple[int, int, int, int]:
    """Sign, months, days, microseconds."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise BeyondTheAuditor(text)
    months, days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
    return -1 if found[1] else 1, months, days, hours * HOUR + minutes * MINUTE + seconds * SECOND


def _expect(table: Mapping[str, Any], keys: set[str]) -> None:
    if beyond := table.keys() - keys:
        raise BeyondTheAuditor(", ".join(sorted(beyond)))
