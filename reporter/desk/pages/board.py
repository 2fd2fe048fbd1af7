"""The board: open incidents with their clocks, the most pressing first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from reporter.core.terms import Category, ClockState, Grade, Mode, Verdict
from reporter.desk import session
from reporter.desk.auth import Action, Caller
from reporter.desk.pages import Page, framed, show
from reporter.desk.services import Desk
from reporter.store import queries
from reporter.store.queries import ClockRow, IncidentRow

INCIDENTS_MAX = 500
SOON_SPAN = timedelta(minutes=10)

_FACES: Mapping[str, tuple[str, tuple[str, str]]] = {
    "running": ("●", ("计时", "Running")),
    "soon": ("▲", ("临期", "Due soon")),
    "overdue": ("■", ("超时", "Overdue")),
    "on_time": ("✔", ("按时", "On time")),
    "late": ("✔+", ("迟报", "Late")),
    "missing": ("✖", ("未报", "Missing")),
    "undetermined": ("?", ("待定", "Undetermined")),
    "stopped": ("–", ("中止", "Stopped")),
}
"""How a clock looks: a shape and a word, so that its state never depends on a colour."""


@dataclass(frozen=True, slots=True)
class ClockCell:
    """One clock. `span` is what is left (negative: over) or how late it was; None if neither."""

    title: tuple[str, str]
    tone: str
    shape: str
    word: tuple[str, str]
    span: timedelta | None
    is_counting: bool
    due_at: datetime
    due_latest_at: datetime | None
    met_at: datetime | None
    is_incomplete: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One incident."""

    id: str
    code: str
    title: str
    unit: str
    place: str | None
    mode: Mode
    is_actual: bool
    category: Category | None
    grade: Grade | None
    occurred_at: datetime
    is_provisional: bool
    clocks: tuple[ClockCell, ...]
    is_overdue: bool
    next_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class BoardPage:
    """`rate`: how many of the product's seconds pass in one of the reader's; `more`: not all are shown."""

    now: datetime
    rate: float
    cards: tuple[Card, ...]
    more: bool
    overdue_count: int
    unit: str


async def _board(request: Request, desk: Desk) -> Response:
    language = session.language_of(request, desk)
    caller = await session.visitor(request, desk)
    if caller is None or not caller.may(Action.READ):
        return RedirectResponse(f"/sign-in?lang={language}", 303)
    return show(desk, "pages/board.html", language, await _read(desk, caller), frame=framed(request, caller))


async def _read(desk: Desk, caller: Caller) -> BoardPage:
    time = desk.services.time
    titles: dict[tuple[str, str], tuple[str, str]] = {}
    async with desk.services.database.snapshot() as connection:
        found = await queries.board(connection, caller.scope, INCIDENTS_MAX + 1)
        for digest in {incident.edition_digest for incident, _ in found}:
            for obligation in (await desk.editions.of(connection, digest)).obligations:
                titles[digest, obligation.id] = (obligation.title_zh, obligation.title_en)
    now = time.now()
    cards = [_card(incident, clocks, titles, caller, now) for incident, clocks in found[:INCIDENTS_MAX]]
    # The overdue first, then by the next deadline; what waits for nothing any more comes last, newest first.
    cards.sort(key=lambda card: (not card.is_overdue, card.next_due_at is None, card.next_due_at or now))
    real = time.to_real(now)
    second = timedelta(seconds=1)
    return BoardPage(
        now=now,
        rate=round((time.from_real(real + second) - time.from_real(real)) / second, 3),
        cards=tuple(cards),
        more=len(found) > INCIDENTS_MAX,
        overdue_count=sum(cell.tone == "overdue" for card in cards for cell in card.clocks),
        unit=caller.tree.node(caller.unit).name,
    )


def _card(
    incident: IncidentRow,
    clocks: tuple[ClockRow, ...],
    titles: Mapping[tuple[str, str], tuple[str, str]],
    caller: Caller,
    now: datetime,
) -> Card:
    unit = caller.tree.resolve(incident.unit)
    place = incident.facts.get("place")
    unmet = [clock for clock in clocks if clock.met_at is None and clock.verdict != Verdict.MISSING]
    cells = tuple(
        _cell(
            clock,
            titles.get((incident.edition_digest, clock.obligation), (clock.obligation, clock.obligation)),
            now,
        )
        for clock in clocks
    )
    return Card(
        id=incident.id,
        code=incident.code,
        title=incident.title,
        unit=caller.tree.node(unit).name if unit else incident.unit,
        place=place.get("text") if isinstance(place, dict) else None,
        mode=Mode(incident.mode),
        is_actual=incident.mode == Mode.ACTUAL,
        category=Category(incident.category) if incident.category else None,
        grade=Grade(incident.grade) if incident.grade else None,
        occurred_at=incident.occurred_earliest_at,
        is_provisional=incident.is_provisional,
        clocks=cells,
        is_overdue=any(cell.tone == "overdue" for cell in cells),
        next_due_at=min((clock.due_at for clock in unmet), default=None),
    )


def _cell(clock: ClockRow, title: tuple[str, str], now: datetime) -> ClockCell:
    tone, span = _face(clock, now)
    shape, word = _FACES[tone]
    return ClockCell(
        title=title,
        tone=tone,
        shape=shape,
        word=word,
        span=span,
        is_counting=clock.met_at is None and span is not None,
        due_at=clock.due_at,
        due_latest_at=clock.due_latest_at,
        met_at=clock.met_at,
        is_incomplete=clock.complete is False,
    )


def _face(clock: ClockRow, now: datetime) -> tuple[str, timedelta | None]:
    """The clock's tone and number, as the record has them: the board never judges by itself."""
    if clock.state == ClockState.STOPPED:
        return "stopped", None
    if clock.verdict == Verdict.MISSING:
        return "missing", None
    left = clock.due_at - now
    if clock.met_at is None:
        if clock.state == ClockState.BREACHED:
            return "overdue", left
        return ("soon" if left <= SOON_SPAN else "running"), left
    late_s = clock.late_by_s
    return clock.verdict or "undetermined", None if late_s is None else timedelta(seconds=-late_s)


PAGES = (Page("/", _board),)
