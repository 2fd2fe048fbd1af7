"""Logging an incident: one line to type, the fields it fills, the deadlines that follow, and what it may repeat."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from reporter.core import reading
from reporter.core.command import incident_id
from reporter.core.instants import parse
from reporter.core.smartline import Read, read
from reporter.core.terms import Category, CommandKind, Grade, Mode
from reporter.core.unitnames import UnitName
from reporter.desk import forms, session
from reporter.desk.auth import Caller
from reporter.desk.dossier import ENTERED
from reporter.desk.duplicates import Likeness, find_alike
from reporter.desk.edge import ARRIVED
from reporter.desk.forecast import Forecast, forecast
from reporter.desk.forms import Typed
from reporter.desk.giving import IDENTITY_REUSED, Call, give_opening
from reporter.desk.incidentfields import CHANNELS, COUNTS, facts_of, local_text
from reporter.desk.pages import Page, framed, show
from reporter.desk.problems import HttpProblem
from reporter.desk.services import Desk

"""When it was typed, said by the browser: a form that had to wait for the network tells how long it waited."""
SCRIPTED: Final = "*"
READABLE: Final = ("title", "category", "grade", "occurred", "occurred_until", *COUNTS)
"""What a line can fill, beside the unit."""
_ENTERED_SPAN_MAX: Final = timedelta(days=2)

Words = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the line says and what would follow: the part of the page that is renewed while one types.

    `chips` are the understood words by kind; `fill` is the same for the script that fills the fields.
    """

    chips: tuple[tuple[str, str], ...]
    line: str
    fill: str
    forecast: Forecast | None
    alike: tuple[Likeness, ...]


@dataclass(frozen=True, slots=True)
class LogPage:
    """`reused` is the incident that this very form has opened already, with other content."""

    typed: Typed
    key: str
    units: tuple[tuple[str, str], ...]
    schedules: tuple[tuple[str, Words], ...]
    categories: tuple[Category, ...]
    grades: tuple[Grade, ...]
    modes: tuple[Mode, ...]
    channels: tuple[str, ...]
    reading: Reading
    errors: Mapping[str, Words]
    refused: str | None
    reused: str | None
    now: datetime


async def _form(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    given = _query(request)
    now = desk.services.time.now()
    given = _filled(given, _read_line(desk, caller, given, now), caller, desk.services.zone)
    return await _show(request, desk, caller, given, now)


async def _reading(request: Request, desk: Desk) -> Response:
    """The part beside the fields, for what has been typed so far."""
    caller = await desk.auth.caller(request)
    now = desk.services.time.now()
    given = _query(request)
    language = session.language_of(request, desk)
    said = _read_line(desk, caller, given, now)
    filled = _filled(given, said, caller, desk.services.zone)
    part = await _read_part(desk, caller, filled, said, now)
    return Response(
        desk.renderer.render("parts/log_reading.html", language=language, reading=part),
        media_type="text/html; charset=utf-8",
    )


async def _log(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    given = await forms.read(request, desk)
    received_at = given.received_at or request.scope[ARRIVED]
    typed_at = _typed_at(given, received_at)
    language = session.language_of(request, desk)
    given = _filled(given, _read_line(desk, caller, given, typed_at), caller, desk.services.zone)
    facts = facts_of(given, typed_at, desk.services.zone)
    errors = dict(facts.errors)
    if not given.one("title"):
        errors["title"] = "必填：发生了什么", "required: what has happened"
    if not given.one("unit"):
        errors["unit"] = "必填：哪个单位", "required: which unit"
    if errors:
        return await _show(request, desk, caller, given, received_at, errors, status=422)
    data = {**facts.data, "unit": given.one("unit")}
    if schedule := given.one("schedule"):
        data["schedule"] = schedule
    if given.one(ENTERED):
        data[ENTERED] = given.one(ENTERED)[:64]
    call = Call(caller, given.key, received_at)
    try:
        outcome = await give_opening(desk, call, data)
    except HttpProblem as problem:
        reused = incident_id(call.source, call.key) if problem.code == IDENTITY_REUSED else None
        found = {each.path.partition(".")[0]: (each.message, each.message) for each in problem.errors}
        return await _show(
            request, desk, caller, given, received_at, found, problem.status, problem.detail, reused
        )
    return RedirectResponse(f"/incidents/{outcome.incident}?lang={language}&logged=1", 303)


def _query(request: Request) -> Typed:
    return forms.typed(
        {name: value.strip() for name, value in request.query_params.items() if name != "lang"}
    )


def _typed_at(given: Typed, received_at: datetime) -> datetime:
    """When the form was typed: what the browser says, if that is believable, else its arrival."""
    try:
        entered_at = parse(given.one(ENTERED))
    except ValueError:
        return received_at
    is_believable = received_at - _ENTERED_SPAN_MAX <= entered_at <= received_at + timedelta(minutes=2)
    return entered_at if is_believable else received_at


def _read_line(desk: Desk, caller: Caller, given: Typed, now: datetime) -> Read:
    return read(given.one("line"), [UnitName(*unit) for unit in _units(caller)], now, desk.services.zone)


def _units(caller: Caller) -> tuple[tuple[str, str], ...]:
    """The units that may be named, as code and name: one's own first, then as they stand in the tree."""
    codes = caller.tree.subtree(caller.unit)
    nodes = [node for node in caller.tree.nodes if node.code in codes and node.is_active]
    nodes.sort(key=lambda node: (len(caller.tree.path(node.code)), node.code))
    return tuple((node.code, node.name) for node in nodes)


def values_read(said: Read, zone: str) -> dict[str, str]:
    """What the line says, as values of the fields."""
    values = {"title": said.title, "unit": said.unit or ""}
    values |= {"category": said.category or "", "grade": said.grade or ""}
    values |= {f"c_{name}": str(count) for name, count in said.casualties}
    if said.occurred is not None:
        values["occurred"] = local_text(said.occurred.earliest, zone)
        if said.occurred.latest != said.occurred.earliest:
            values["occurred_until"] = local_text(said.occurred.latest, zone)
    return {name: str(value) for name, value in values.items() if value}


def _filled(given: Typed, said: Read, caller: Caller, zone: str) -> Typed:
    """The fields as they are meant: blank ones filled from the line, unless a script has done that already.

    The field `read` holds the line that the fields were last filled from; they are then the truth as they are. The
    unit that the form began with gives way to the one that the line names. Where a script fills the fields, `own`
    names those that somebody has touched (behind a `*`): the others follow the line, back and forth.
    """
    values = dict(given.values)
    if given.one("line") and given.one("read") != given.one("line"):
        mark, *own = given.one("own").split(",")
        found = values_read(said, zone)
        if mark == SCRIPTED:
            values |= {name: ("",) for name in READABLE if name not in own and name not in ("unit", *found)}
        for name, value in found.items():
            is_first = not given.one(name) or (name == "unit" and given.one("unit") == caller.unit)
            if name not in own and (is_first or mark == SCRIPTED):
                values[name] = (value,)
    values.setdefault("unit", (caller.unit,))
    return replace(given, values=values)


async def _read_part(desk: Desk, caller: Caller, given: Typed, said: Read, now: datetime) -> Reading:
    facts = facts_of(given, now, desk.services.zone)
    data = dict(facts.data)
    if schedule := given.one("schedule"):
        data["schedule"] = schedule
    catalog = desk.services.catalog
    foretold = forecast(catalog, data, now) if catalog is not None else None
    occurred = reading.incident_facts(data)[0].get("occurred")
    at = occurred.earliest if isinstance(occurred, reading.Occurrence) else now
    alike: tuple[Likeness, ...] = ()
    unit = caller.tree.resolve(given.one("unit"))
    if given.one("title") or given.one("line"):
        async with desk.services.database.snapshot() as connection:
            alike = await find_alike(
                connection, caller.scope, caller.tree, title=given.one("title"), unit=unit, at=at
            )
    fill = json.dumps(values_read(said, desk.services.zone), ensure_ascii=False)
    return Reading(said.understood, given.one("line"), fill, foretold, alike)


async def _show(
    request: Request,
    desk: Desk,
    caller: Caller,
    given: Typed,
    now: datetime,
    errors: Mapping[str, Words] | None = None,
    status: int = 200,
    refused: str | None = None,
    reused: str | None = None,
) -> Response:
    said = _read_line(desk, caller, given, now)
    catalog = desk.services.catalog
    schedules = catalog.schedules.values() if catalog is not None else ()
    page = LogPage(
        typed=given,
        key=forms.new_key() if reused else given.key,
        units=_units(caller),
        schedules=tuple((each.id, (each.title_zh, each.title_en)) for each in schedules),
        categories=tuple(Category),
        grades=tuple(Grade),
        modes=tuple(Mode),
        channels=CHANNELS,
        reading=await _read_part(desk, caller, given, said, now),
        errors=errors or {},
        refused=refused,
        reused=reused,
        now=now,
    )
    language = session.language_of(request, desk)
    return show(desk, "pages/log.html", language, page, status, framed(request, caller))


PAGES = (
    Page("/log", _form, right=CommandKind.OCCURRED),
    Page("/log", _log, "POST", right=CommandKind.OCCURRED),
    Page("/log/reading", _reading, right=CommandKind.OCCURRED),
)
