"""An open incident as a card of the board. A card holds no countdown: it changes only when there is something new,
so that equal cards are the same text and need neither be rendered nor sent again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reporter.core.roster import Duty
from reporter.core.schedule import Obligation
from reporter.core.terms import Category, DutyRole, Form, Grade, Mode, Verdict
from reporter.desk.live.alarms import BREACH
from reporter.desk.live.faces import FACES, SOON_SPAN, Face, tone_of
from reporter.desk.live.situation import Open, Situation
from reporter.store.queries import ClockRow

Words = tuple[str, str]
"""The same in Chinese and in English."""

ZERO: Final = timedelta(0)
NAMES_MAX: Final = 2
_CASUALTIES: Final[Mapping[str, Words]] = {
    "dead": ("亡", "dead"),
    "missing": ("失联", "missing"),
    "trapped": ("被困", "trapped"),
    "serious": ("重伤", "seriously hurt"),
    "light": ("轻伤", "slightly hurt"),
    "injured": ("伤", "hurt"),
    "evacuated": ("转移", "evacuated"),
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on duty; `stands_in` names the unit above that has somebody where the incident's own has nobody."""

    name: str
    phone: str
    stands_in: str | None


@dataclass(frozen=True, slots=True)
class ClockCell:
    """One clock. `missing` are the elements nobody has spoken of; `needs` what an unmet obligation still takes.

    `late` is by how much it came late, `early` how long before; None if neither is known.
    """

    obligation: str
    title: Words
    face: Face
    starts_at: datetime
    due_at: datetime
    due_latest_at: datetime | None
    aware_due_at: datetime | None
    aware_verdict: Verdict | None
    met_at: datetime | None
    late: timedelta | None
    early: timedelta | None
    is_counting: bool
    missing: tuple[Words, ...]
    needs: Words | None
    fired: int

    def left(self, now: datetime) -> timedelta:
        """What is left until the deadline; negative once it has passed."""
        return self.due_at - now

    def elapsed(self, now: datetime) -> int:
        """How much of the span is over, in percent, 0 to 100; what is met or over is at its end."""
        at = self.met_at or now
        span = self.due_at - self.starts_at
        return 100 if at >= self.due_at or span <= ZERO else max(0, (at - self.starts_at) * 100 // span)


@dataclass(frozen=True, slots=True)
class Card:
    """One incident. `tone` is that of its most pressing clock; `unacknowledged` counts alarms that still call."""

    id: str
    code: str
    title: str
    unit: str
    unit_phone: str
    place: str | None
    casualties: tuple[tuple[Words, int], ...]
    mode: Mode
    category: Category | None
    grade: Grade | None
    is_sensitive: bool
    occurred_at: datetime
    occurred_latest_at: datetime | None
    is_provisional: bool
    aware_at: datetime | None
    clocks: tuple[ClockCell, ...]
    tone: str
    officer: Person | None
    leader: Person | None
    unacknowledged: int


def card_of(open_: Open, situation: Situation, now: datetime) -> Card:
    """The card as of `now`."""
    incident = open_.incident
    unit = situation.tree.resolve(incident.unit) or situation.tree.root
    place = incident.facts.get("place")
    text = place.get("text") if isinstance(place, dict) else None
    counts = incident.facts.get("casualties")
    cells = tuple(_cell(open_, clock, now) for clock in open_.clocks)
    tones = [cell.face.tone for cell in cells]
    return Card(
        id=incident.id,
        code=incident.code,
        title=incident.title,
        unit=situation.tree.node(unit).name,
        unit_phone=situation.tree.phone(unit) or "",
        place=text if isinstance(text, str) else None,
        casualties=_casualties(counts if isinstance(counts, dict) else {}),
        mode=Mode(incident.mode),
        category=Category(incident.category) if incident.category else None,
        grade=Grade(incident.grade) if incident.grade else None,
        is_sensitive=incident.sensitive,
        occurred_at=incident.occurred_earliest_at,
        occurred_latest_at=_other(incident.occurred_latest_at, incident.occurred_earliest_at),
        is_provisional=incident.is_provisional,
        aware_at=incident.aware_at,
        clocks=cells,
        tone=next((tone for tone in ("overdue", "soon", "running") if tone in tones), "calm"),
        officer=person(situation, unit, DutyRole.DUTY_OFFICER),
        leader=person(situation, unit, DutyRole.LEADER),
        unacknowledged=sum(alarm.is_calling for alarm in open_.alarms),
    )


def _cell(open_: Open, clock: ClockRow, now: datetime) -> ClockCell:
    obligation = next((each for each in open_.edition.obligations if each.id == clock.obligation), None)
    final_due_at = clock.due_latest_at or clock.due_at
    late_s = clock.late_by_s
    is_on_time = clock.verdict == Verdict.ON_TIME and clock.met_at is not None
    is_waiting = clock.met_at is None and clock.state not in ("stopped",) and clock.verdict is None
    return ClockCell(
        obligation=clock.obligation,
        title=title_of(obligation, clock.obligation),
        face=FACES[tone_of(clock, now)],
        starts_at=clock.starts_at,
        due_at=clock.due_at,
        due_latest_at=_other(final_due_at, clock.due_at),
        aware_due_at=clock.aware_due_at,
        aware_verdict=Verdict(clock.aware_verdict) if clock.aware_verdict else None,
        met_at=clock.met_at,
        late=None if late_s is None else timedelta(seconds=late_s),
        early=final_due_at - clock.met_at if is_on_time and clock.met_at is not None else None,
        is_counting=is_waiting,
        missing=_missing(obligation, clock.undeclared or ()) if clock.complete is False else (),
        needs=_needs(obligation) if is_waiting and obligation is not None else None,
        fired=sum(alarm.clock == clock.obligation and alarm.level >= BREACH for alarm in open_.alarms),
    )


def title_of(obligation: Obligation | None, name: str) -> Words:
    """What readers call an obligation."""
    return (obligation.title_zh, obligation.title_en) if obligation is not None else (name, name)


def _missing(obligation: Obligation | None, undeclared: Sequence[str]) -> tuple[Words, ...]:
    names = {each.id: (each.zh, each.en) for each in obligation.elements} if obligation is not None else {}
    return tuple(names.get(each, (each, each)) for each in undeclared)


def _needs(obligation: Obligation) -> Words:
    is_written = Form.PHONE not in obligation.forms
    zh, en = (
        ("待书面报告", "written report") if is_written else ("待电话或书面报告", "phone or written report")
    )
    if count := len(obligation.elements):
        zh, en = f"{zh}（{count} 要素）", f"{en} ({count} elements)"
    return zh, en


def _casualties(counts: Mapping[str, object]) -> tuple[tuple[Words, int], ...]:
    found = ((words, counts.get(name)) for name, words in _CASUALTIES.items())
    return tuple((words, count) for words, count in found if isinstance(count, int) and count > 0)


def person(situation: Situation, unit: str, role: DutyRole, *, only_own: bool = False) -> Person | None:
    """Who is on duty in the unit, or (unless `only_own`) in the nearest one above that has somebody."""
    for each in situation.tree.path(unit)[: 1 if only_own else None]:
        if duties := situation.on_duty(each, role):
            stands_in = None if each == unit else situation.tree.node(each).name
            return Person(_names(duties), duties[0].phone, stands_in)
    return None


def _names(duties: Sequence[Duty]) -> str:
    names = "、".join(duty.person for duty in duties[:NAMES_MAX])
    return names if len(duties) <= NAMES_MAX else f"{names}…"


def _other(at: datetime, than: datetime) -> datetime | None:
    return None if at == than else at


def changes_at(open_: Open, now: datetime) -> datetime | None:
    """The next instant at which a clock changes its tone by the passing of time alone."""
    waiting = (clock.due_at - SOON_SPAN for clock in open_.clocks if tone_of(clock, now) == "running")
    return min(waiting, default=None)
