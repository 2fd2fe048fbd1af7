"""Searching: every word has to be found somewhere in an incident, its reports or its unit's name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import Response

from reporter.core.instants import read_back
from reporter.core.search import WORDS_MAX, Piece, fold, marked, snippet, words
from reporter.core.terms import Form, Grade, IncidentState, Mode
from reporter.desk import session
from reporter.desk.auditing.heat import name_of
from reporter.desk.auth import Action, Caller
from reporter.desk.doors import log_views
from reporter.desk.pages import Page, framed, show
from reporter.desk.parameters import Parameters
from reporter.desk.services import Desk
from reporter.desk.units import UnitChoice, choices
from reporter.store import queries, restricted, search
from reporter.store.search import COUNTED_MAX, Hit

HITS_A_PAGE: Final = 20
SNIPPETS_MAX: Final = 4
_PAGES_MAX: Final = -(-COUNTED_MAX // HITS_A_PAGE)


@dataclass(frozen=True, slots=True)
class Snippet:
    """Where a word was found: in which text, perhaps received when, and what stands around it."""

    label: tuple[str, str]
    at: datetime | None
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class HitLine:
    """One incident that was found."""

    id: str
    code: tuple[Piece, ...]
    title: tuple[Piece, ...]
    unit: tuple[Piece, ...]
    mode: Mode
    state: IncidentState
    grade: Grade | None
    occurred_at: datetime
    snippets: tuple[Snippet, ...]
    is_restricted: bool


@dataclass(frozen=True, slots=True)
class SearchPage:
    """`asked` is what was typed; `query` the address's, up to the page; `total` stops counting at `most` and one."""

    asked: str
    has_asked: bool
    is_cut: bool
    unit: str
    units: tuple[UnitChoice, ...]
    mode: str
    modes: tuple[Mode, ...]
    state: str
    states: tuple[IncidentState, ...]
    since: str
    until: str
    total: int
    most: int
    hits: tuple[HitLine, ...]
    page: int
    pages: int
    query: str


async def _page(request: Request, desk: Desk) -> Response:
    language, caller = session.language_of(request, desk), await desk.auth.caller(request)
    read = Parameters(request, "q", "unit", "mode", "state", "since", "until", "page", "lang")
    asked, page = read.text("q") or "", read.count("page", 1, _PAGES_MAX)
    since, until = read.day("since"), read.day("until")
    units, unit = read.units("unit", caller), caller.tree.resolve(read.text("unit") or "") or ""
    zone = ZoneInfo(desk.services.zone)
    wanted = queries.IncidentFilter(
        scope=caller.scope,
        units=units,
        mode=read.word("mode", tuple(Mode)),
        state=read.word("state", tuple(IncidentState)),
        since=datetime.combine(since, time(), zone) if since else None,
        until=datetime.combine(until, time(), zone) + timedelta(days=1) if until else None,
        limit=HITS_A_PAGE,
    )
    read.done()
    sought = words(asked)
    found, hidden = search.Found(0, ()), frozenset[str]()
    if sought:
        named = {word: _named(word, caller) for word in sought}
        async with desk.services.database.snapshot() as connection:
            found = await search.find(connection, sought, named, wanted, (page - 1) * HITS_A_PAGE)
            hidden = await restricted.among(connection, [hit.incident.id for hit in found.hits])
        await log_views(request, desk, caller, *sorted(hidden))
    usual = {
        "q": asked,
        "unit": "" if unit == caller.unit else unit,
        "mode": wanted.mode or "",
        "state": wanted.state or "",
        "since": since.isoformat() if since else "",
        "until": until.isoformat() if until else "",
    }
    context = SearchPage(
        asked=asked,
        has_asked=bool(sought),
        is_cut=len(fold(asked).split()) > WORDS_MAX,
        unit=unit,
        units=choices(caller, unit or caller.unit),
        mode=usual["mode"],
        modes=tuple(Mode),
        state=usual["state"],
        states=tuple(IncidentState),
        since=usual["since"],
        until=usual["until"],
        total=found.total,
        most=COUNTED_MAX,
        hits=tuple(_line(hit, sought, caller, hit.incident.id in hidden) for hit in found.hits),
        page=page,
        pages=min(max(-(-found.total // HITS_A_PAGE), 1), _PAGES_MAX),
        query=urlencode({name: value for name, value in usual.items() if value}),
    )
    return show(desk, "pages/search.html", language, context, frame=framed(request, caller))


def _named(word: str, caller: Caller) -> list[str]:
    """The units of the caller's subtree in whose name the word stands."""
    return [code for code in caller.tree.subtree(caller.unit) if word in fold(name_of(caller.tree, code))]


def _line(hit: Hit, sought: tuple[str, ...], caller: Caller, is_restricted: bool) -> HitLine:
    row = hit.incident
    return HitLine(
        id=row.id,
        code=marked(row.code, sought),
        title=marked(row.title, sought),
        unit=marked(name_of(caller.tree, row.unit), sought),
        mode=Mode(row.mode),
        state=IncidentState(row.state),
        grade=Grade(row.grade) if row.grade else None,
        occurred_at=row.occurred_earliest_at,
        snippets=tuple(_snippets(hit, sought)),
        is_restricted=is_restricted,
    )


def _snippets(hit: Hit, sought: tuple[str, ...]) -> Iterator[Snippet]:
    """What was found outside of title, code and unit, at most `SNIPPETS_MAX`."""
    count = 0
    for label, at, text in _texts(hit):
        pieces = snippet(text, sought)
        if pieces:
            yield Snippet(label, at, pieces)
            count += 1
            if count == SNIPPETS_MAX:
                return


def _texts(hit: Hit) -> Iterable[tuple[tuple[str, str], datetime | None, str]]:
    names = {"place": ("地点", "Place"), "summary": ("概要", "Summary"), "channel": ("来源", "Channel")}
    for name, label in names.items():
        for text in search.strings(hit.incident.facts.get(name)):
            yield label, None, text
    for report in hit.reports:
        form = {Form.PHONE: ("电话报告", "Phone report"), Form.WRITTEN: ("书面报告", "Written report")}
        label = form.get(Form(report.form), ("报告", "Report"))
        for text in search.report_texts(report):
            yield label, read_back(report.received_at), text


PAGES = (Page("/search", _page, right=Action.READ),)
