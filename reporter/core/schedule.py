"""A regulation as data: schedule, edition, obligation, span, ladder. What they mean in time is `clocks`."""

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

from reporter.core.terms import Category, Grade

SUBMITTED: Final = "submitted:"
"""An anchor `submitted:<obligation id>` is the instant at which that obligation's report was received."""

RECIPIENTS: Final = ("unit.duty_officer", "unit.leader", "superior.duty_officer", "superior.leader")
"""Whom a step of a ladder may name; they become persons only when the step fires."""

GUARD_FIELDS: Final[Mapping[str, tuple[str | bool, ...]]] = {
    "category": tuple(member.value for member in Category),
    "grade": tuple(member.value for member in Grade),
    "sensitive": (True, False),
}
"""What a guard may look at, and the values each may have. A fact that is not known meets no condition."""

_DESIGNATORS = re.compile(
    r"P(?:([0-9]+)Y)?(?:([0-9]+)M)?(?:([0-9]+)D)?"
    r"(T(?=[0-9])(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)(?:\.([0-9]{1,6}))?S)?)?"
)
_WEEKS = re.compile(r"P([0-9]+)W")
_DIGITS_MAX: Final = 10
_MONTHS_MAX: Final = 1_200
_DAYS_MAX: Final = 36_525
_EXACT_MAX: Final = timedelta(days=_DAYS_MAX)


@dataclass(frozen=True, slots=True)
class Span:
    """How long after its anchor something is due.

    `PT1H` is exact: the same everywhere. `P1M` and `P1D` are counted on the wall calendar of a zone. A span
    may hold both; the calendar parts are counted first (see `clocks.add_span`).
    """

    months: int = 0
    days: int = 0
    exact: timedelta = timedelta(0)

    @property
    def is_exact(self) -> bool:
        """No calendar part, hence no zone needed."""
        return self.months == 0 and self.days == 0


def parse_span(text: str) -> Span:
    """Reads an ISO 8601 duration such as `PT20M`, `P1M`, `P1Y6M`, `P2W`, `P1DT12H`.

    Not negative, weeks alone, fractions only of the seconds and to the microsecond, at most 100 years.
    Errors: ValueError saying what is wrong.
    """
    if len(text) > 6 * _DIGITS_MAX:
        raise ValueError("not an ISO 8601 span: too long")
    weeks = _WEEKS.fullmatch(text)
    if weeks:
        return _bounded(Span(days=7 * int(weeks[1])), text)
    found = _DESIGNATORS.fullmatch(text)
    if not found or text == "P":
        raise ValueError(f"not an ISO 8601 span such as PT20M, PT1H30M, P1D or P1M: {text!r}")
    years, months, days, _, hours, minutes, seconds, fraction = found.groups(default="0")
    if max(map(len, (years, months, days, hours, minutes, seconds))) > _DIGITS_MAX:
        raise ValueError(f"longer than 100 years: {text!r}")
    exact_s = int(hours) * 3_600 + int(minutes) * 60 + int(seconds)
    if exact_s > _EXACT_MAX.total_seconds():
        raise ValueError(f"longer than 100 years: {text!r}")
    exact = timedelta(seconds=exact_s, microseconds=int(fraction.ljust(6, "0")))
    return _bounded(Span(int(years) * 12 + int(months), int(days), exact), text)


def _bounded(span: Span, text: str) -> Span:
    if span.months > _MONTHS_MAX or span.days > _DAYS_MAX or span.exact > _EXACT_MAX:
        raise ValueError(f"longer than 100 years: {text!r}")
    return span


def format_span(span: Span) -> str:
    """The one text of a span: `PT90M` prints as `PT1H30M`, two weeks as `P14D`, nothing at all as `PT0S`.

    `PT24H` stays so: it is not `P1D`. `parse_span` reads it back to an equal span.
    """
    years, months = divmod(span.months, 12)
    text = "".join(
        f"{count}{letter}" for count, letter in ((years, "Y"), (months, "M"), (span.days, "D")) if count
    )
    minutes, seconds = divmod(span.exact // timedelta(seconds=1), 60)
    hours, minutes = divmod(minutes, 60)
    clock = "".join(f"{count}{letter}" for count, letter in ((hours, "H"), (minutes, "M")) if count)
    if span.exact.microseconds:
        clock += f"{seconds}.{span.exact.microseconds:06d}".rstrip("0") + "S"
    elif seconds:
        clock += f"{seconds}S"
    if clock:
        text += f"T{clock}"
    return f"P{text}" if text else "PT0S"


def parse_offset(text: str) -> timedelta:
    """Reads a ladder offset: an exact span with an optional `-`, such as `-PT10M`, `PT0S`, `PT5M`.

    Errors: ValueError, also for calendar parts (`P1D`): write `PT24H`.
    """
    span = parse_span(text.removeprefix("-"))
    if not span.is_exact:
        raise ValueError(f"an offset is counted in hours, minutes and seconds (PT24H, not P1D): {text!r}")
    return -span.exact if text.startswith("-") else span.exact


@lru_cache(maxsize=256)
def format_offset(offset: timedelta) -> str:
    """The one text of an offset: `-PT10M`, `PT0S`, `PT1H30M`."""
    return ("-" if offset < timedelta(0) else "") + format_span(Span(exact=abs(offset)))


@dataclass(frozen=True, slots=True)
class Bound:
    """One way to compute a due instant: `span` after `anchor`.

    `anchor` is `occurred`, `aware`, `received`, `classified`, `determined`, another name in `[a-z_]+`, or
    `submitted:<obligation id>`. With `unless_past_at`, the bound is left out where its instant lies before
    that anchor: a limit that had already run out when, say, the incident was classified.
    """

    anchor: str
    span: Span
    unless_past_at: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of a ladder at `offset` from `due_at`: before (reminder), at (breach), after it (escalation).

    `every` repeats it until acknowledged, `at_most` times in all, the first included (1 where not repeated).
    """

    offset: timedelta
    recipients: tuple[str, ...]
    every: timedelta | None = None
    at_most: int = 1


@dataclass(frozen=True, slots=True)
class Element:
    """Something a complete report must speak of."""

    id: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds when every named field has one of its allowed values."""

    all_of: tuple[tuple[str, tuple[str | bool, ...]], ...]

    def holds(self, facts: Mapping[str, object]) -> bool:
        """Whether `facts` meet it; an absent or null fact meets nothing."""
        return all(facts.get(name) in allowed for name, allowed in self.all_of)


@dataclass(frozen=True, slots=True)
class Guard:
    """Says for which incidents an obligation exists: for all when empty, else where any condition holds."""

    any_of: tuple[Condition, ...] = ()

    def holds(self, facts: Mapping[str, object]) -> bool:
        """Whether the obligation exists for an incident with these facts (keys as in `GUARD_FIELDS`)."""
        return not self.any_of or any(condition.holds(facts) for condition in self.any_of)


@dataclass(frozen=True, slots=True)
class Citation:
    """Where the rule stands; `checked` when last compared. `href` may be empty: not all is published."""

    title: str
    article: str
    href: str
    checked: date


@dataclass(frozen=True, slots=True)
class Obligation:
    """One row of a regulation: which report is due within which span.

    `covers_earlier`: a report for it also counts for every earlier obligation of the edition not yet met.
    `ladder` is sorted by offset and has one step at zero, the breach. A `soft` obligation ("at once", without
    a number in the rule) is measured and shown against its span, never breached, never judged, and its ladder
    only reminds. `authority_*` says to whom, for readers, and is empty where the rule does not.
    """

    id: str
    title_zh: str
    title_en: str
    bounds: tuple[Bound, ...]
    forms: tuple[str, ...]
    ladder: tuple[Step, ...]
    combine: Literal["earliest_of", "latest_of"] = "earliest_of"
    elements: tuple[Element, ...] = ()
    covers_earlier: bool = True
    guard: Guard = Guard()
    soft: bool = False
    authority_zh: str = ""
    authority_en: str = ""
    quick: tuple[str, timedelta] | None = field(init=False, repr=False, compare=False)
    """Anchor and exact span, where there is a single such bound: the case every arming takes, kept ready."""

    def __post_init__(self) -> None:
        quick = None
        if len(self.bounds) == 1 and self.bounds[0].span.is_exact and self.bounds[0].unless_past_at is None:
            quick = self.bounds[0].anchor, self.bounds[0].span.exact
        object.__setattr__(self, "quick", quick)


@dataclass(frozen=True, slots=True)
class Edition:
    """The text in force from a date, in full: an incident keeps the one it was opened under for life.

    `id` is the ISO date of `in_force`; `digest` the SHA-256, in hex, of the canonical JSON of its document.
    Obligations stand in the order in which they count as earlier and later.
    """

    schedule_id: str
    id: str
    in_force: date
    zone: str
    obligations: tuple[Obligation, ...]
    citation: Citation
    digest: str = ""
    is_chained: bool = field(init=False, repr=False, compare=False)
    """Some obligation starts at the submission of another."""

    def __post_init__(self) -> None:
        chained = any(
            bound.anchor.startswith(SUBMITTED) for each in self.obligations for bound in each.bounds
        )
        object.__setattr__(self, "is_chained", chained)

    def obligation(self, obligation_id: str) -> Obligation | None:
        """The obligation with that id."""
        for each in self.obligations:
            if each.id == obligation_id:
                return each
        return None


@dataclass(frozen=True, slots=True)
class Case:
    """A worked example kept beside the rule: with these anchors (UTC), this obligation is due then.

    `due_at` is None where the case says that for its `facts` the obligation does not exist.
    """

    says_zh: str
    says_en: str
    edition_id: str
    obligation_id: str
    anchors: tuple[tuple[str, datetime], ...]
    facts: tuple[tuple[str, str | bool], ...]
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """One regulation with all its editions, oldest first."""

    id: str
    title_zh: str
    title_en: str
    jurisdiction: str
    zone: str
    editions: tuple[Edition, ...]
    cases: tuple[Case, ...] = ()
    _starts: tuple[datetime, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = tuple(_start_of_day(edition.in_force, edition.zone) for edition in self.editions)
        if not starts or sorted(starts) != list(starts):
            raise ValueError(f"schedule {self.id}: needs editions, oldest first")
        object.__setattr__(self, "_starts", starts)

    def edition_in_force(self, at: datetime) -> tuple[Edition, bool]:
        """The edition in force at an aware instant, and True.

        An edition is in force from the first instant of its day in its zone until the next one is. Before the
        first there is none: then the first, and False.
        """
        if at >= self._starts[-1]:
            return self.editions[-1], True
        index = bisect_right(self._starts, at)
        return (self.editions[index - 1], True) if index else (self.editions[0], False)

    def edition(self, edition_id: str) -> Edition | None:
        """The edition with that id."""
        return next((each for each in self.editions if each.id == edition_id), None)


def _start_of_day(day: date, zone: str) -> datetime:
    # Where midnight does not exist, `fold=0` reads it with the offset before the gap: the first instant.
    return datetime.combine(day, time.min, ZoneInfo(zone)).astimezone(UTC)
