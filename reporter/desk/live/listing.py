"""Which incidents a board shows, in which order: the worst first, the overdue pinned to every page."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reporter.core.terms import DutyRole, Mode
from reporter.desk.live.alarms import Alarm
from reporter.desk.live.cards import Card, Person, Words, card_of, person, title_of
from reporter.desk.live.faces import tone_of
from reporter.desk.live.situation import Open, Situation
from reporter.store.queries import Scope

PAGE: Final = 30
WALL_PAGE: Final = 9
PINNED_MAX: Final = 3
CALLS_MAX: Final = 3
UNITS_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class View:
    """What a board shows to whom: boards with the same view share everything."""

    scope: Scope
    unit: str
    language: str
    page: int
    is_wall: bool
    may_acknowledge: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """Incidents, and clocks by tone: of actual incidents, the drills apart."""

    incidents: int
    drills: int
    overdue: int
    soon: int
    running: int


@dataclass(frozen=True, slots=True)
class Call:
    """An alarm as it is told: what happened to which incident."""

    alarm: Alarm
    title: str
    mode: Mode
    unit: str
    clock: Words | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class OnDuty:
    """Who answers for one unit now; None: nobody."""

    unit: str
    phone: str
    officer: Person | None
    leader: Person | None


@dataclass(frozen=True, slots=True)
class Board:
    """One page of the board. `calls` are the alarms nobody has acknowledged, the worst first, `calling` of them.

    `restricted` are the ids of the restricted incidents that it shows.
    """

    view: View
    cards: tuple[Card, ...]
    page: int
    pages: int
    density: str
    counts: Counts
    calls: tuple[Call, ...]
    calling: int
    own: OnDuty
    units: tuple[OnDuty, ...]
    restricted: tuple[str, ...]

    @property
    def here(self) -> str:
        """The address of this page."""
        return f"/?wall=1&page={self.page}" if self.view.is_wall else f"/?page={self.page}"

    @property
    def base(self) -> str:
        """The address up to the page's number."""
        return "/?wall=1&page=" if self.view.is_wall else "/?page="


Ranked = tuple[Open, tuple[str, ...]]
"""An open incident with the tones of its clocks."""


class Cards:
    """The cards of the situation, each made once and kept while nothing in it changes."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Open, tuple[str, ...], Card]] = {}
        self._people: tuple[object, object] = (None, None)
        self._ranked: tuple[object, datetime | None, list[Ranked]] = (None, None, [])

    def card(self, open_: Open, tones: tuple[str, ...], situation: Situation, now: datetime) -> Card:
        """The incident's card; the same object as before where it is equal."""
        if self._people[0] is not situation.duties or self._people[1] is not situation.tree:
            self._people = situation.duties, situation.tree
            self._known.clear()
        known = self._known.get(open_.incident.id)
        if known is not None and known[0] is open_ and known[1] == tones:
            return known[2]
        made = card_of(open_, situation, now)
        self._known[open_.incident.id] = open_, tones, made
        return made

    def ranked(self, situation: Situation, now: datetime) -> list[Ranked]:
        """All that is open with the tones of its clocks, in order: once for all views of one moment."""
        if self._ranked[0] is not situation or self._ranked[1] != now:
            found = [
                (open_, tuple(tone_of(clock, now) for clock in open_.clocks))
                for open_ in situation.opens.values()
            ]
            found.sort(key=lambda each: _rank(*each))
            self._ranked = situation, now, found
        return self._ranked[2]

    def forget(self, situation: Situation) -> None:
        """Drops what is not open any more."""
        for id_ in self._known.keys() - situation.opens.keys():
            del self._known[id_]


def board_of(situation: Situation, view: View, now: datetime, cards: Cards) -> Board:
    """One page of what is open within the view's scope.

    Order: actual incidents before drills and tests; the overdue, the longest first; then by the next deadline;
    then those that wait for nothing any more, the newest first. Where there is more than one page, the worst
    overdue ones stand on each.
    """
    seen = [each for each in cards.ranked(situation, now) if each[0].is_within(view.scope)]
    size = WALL_PAGE if view.is_wall else PAGE
    pinned = 0
    if len(seen) > size:
        pinned = sum("overdue" in tones for _, tones in seen[:PINNED_MAX])
    rest = seen[pinned:]
    pages = max(1, -(-len(rest) // (size - pinned)))
    page = min(max(view.page, 1), pages)
    first = (page - 1) * (size - pinned)
    shown = seen[:pinned] + rest[first : first + size - pinned]
    # Of one clock the newest alarm speaks for those before it.
    newest = {
        (alarm.incident_id, alarm.clock): (open_, alarm)
        for open_, _ in seen
        for alarm in open_.alarms
        if alarm.is_calling
    }
    calls = sorted(
        newest.values(),
        key=lambda each: (each[0].incident.mode != Mode.ACTUAL, -each[1].level, each[1].at),
    )
    units = dict.fromkeys(
        unit
        for open_, _ in seen
        if (unit := situation.tree.resolve(open_.incident.unit)) != view.unit and unit
    )
    return Board(
        view=view,
        cards=tuple(cards.card(open_, tones, situation, now) for open_, tones in shown),
        page=page,
        pages=pages,
        density="comfortable" if len(seen) <= 4 else "compact" if len(seen) <= WALL_PAGE else "many",
        counts=_counts(seen),
        calls=tuple(call_of(open_, alarm) for open_, alarm in calls[:CALLS_MAX]),
        calling=len(calls),
        own=on_duty_in(situation, view.unit),
        units=tuple(on_duty_in(situation, unit) for unit in list(units)[:UNITS_MAX]),
        restricted=tuple(open_.incident.id for open_, _ in shown if open_.is_restricted),
    )


def call_of(open_: Open, alarm: Alarm) -> Call:
    """The alarm in words for a reader."""
    clock = next((each for each in open_.clocks if each.obligation == alarm.clock), None)
    obligation = next((each for each in open_.edition.obligations if each.id == alarm.clock), None)
    return Call(
        alarm=alarm,
        title=open_.incident.title,
        mode=Mode(open_.incident.mode),
        unit=open_.incident.unit,
        clock=title_of(obligation, alarm.clock) if alarm.clock is not None else None,
        due_at=clock.due_at if clock is not None else None,
    )


def on_duty_in(situation: Situation, unit: str) -> OnDuty:
    """Who is on duty in the unit itself."""
    return OnDuty(
        unit=situation.tree.node(unit).name,
        phone=situation.tree.phone(unit) or "",
        officer=person(situation, unit, DutyRole.DUTY_OFFICER, only_own=True),
        leader=person(situation, unit, DutyRole.LEADER, only_own=True),
    )


def _rank(open_: Open, tones: tuple[str, ...]) -> tuple[bool, int, float]:
    is_drill = open_.incident.mode != Mode.ACTUAL
    waiting = [
        clock.due_at
        for clock, tone in zip(open_.clocks, tones, strict=True)
        if tone in ("overdue", "soon", "running")
    ]
    if not waiting:
        return is_drill, 2, -open_.incident.occurred_earliest_at.timestamp()
    return is_drill, 0 if "overdue" in tones else 1, min(waiting).timestamp()


def _counts(seen: list[Ranked]) -> Counts:
    actual = [tones for open_, tones in seen if open_.incident.mode == Mode.ACTUAL]
    found = Counter(tone for tones in actual for tone in tones)
    return Counts(len(actual), len(seen) - len(actual), found["overdue"], found["soon"], found["running"])
