"""Rosters from files, handover times, calendar links; and, for administrators, the units."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from reporter.channels import judge
from reporter.core.roster import UnitNode
from reporter.desk.auth import Action, Caller
from reporter.desk.bodies import allow
from reporter.desk.forms import read
from reporter.desk.pages import Page, framed, show
from reporter.desk.parameters import path_number
from reporter.desk.problems import forbidden, not_found
from reporter.desk.rosters import RosterTab, tabs
from reporter.desk.services import Desk
from reporter.desk.session import language_of
from reporter.desk.units import UnitChoice, choices, chosen_unit, in_tree_order
from reporter.store import feeds, handovers
from reporter.store.csvfile import BYTES_MAX, ImportRefused
from reporter.store.feeds import Feed
from reporter.store.handovers import HandoverRefused
from reporter.store.people import RosterSummary, import_roster
from reporter.store.peoplefiles import FORMS

SHOWN_LINES: Final = 200
NAME_CHARS_MAX: Final = 100
UNITS_MAX: Final = 2000


@dataclass(frozen=True, slots=True)
class RosterSettingsPage:
    """`bad_lines` are those of a refused file, `summary` what an accepted one did; `link` is shown this once."""

    unit: str
    unit_name: str
    units: tuple[UnitChoice, ...]
    tabs: tuple[RosterTab, ...]
    times: tuple[str, ...]
    has_own_times: bool
    times_typed: str | None
    links: tuple[Feed, ...]
    names: Mapping[str, str]
    refused: Mapping[str, str]
    bad_lines: tuple[tuple[int, str], ...] = ()
    bad_count: int = 0
    summary: RosterSummary | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class UnitLine:
    """One unit of the tree."""

    unit: UnitNode
    depth: int


@dataclass(frozen=True, slots=True)
class RosterUnitsPage:
    """The units at and below the reader's: the active ones in the order of the tree, then those deactivated."""

    unit_name: str
    units: tuple[UnitChoice, ...]
    tabs: tuple[RosterTab, ...]
    lines: tuple[UnitLine, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Sent:
    """An uploaded file, and the unit whose page it was sent from."""

    name: str
    content: bytes
    unit: str


async def _page(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    unit = chosen_unit(caller, request.query_params.get("unit"))
    return _shown(request, desk, caller, await _context(request, desk, caller, unit))


async def _set_times(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    form = await read(request, desk)
    unit = chosen_unit(caller, form.one("unit"))
    typed = form.one("times")
    times = [each for each in typed.replace("，", ",").replace("、", ",").replace(",", " ").split() if each]
    try:
        await handovers.set_times(
            desk.services.database, unit, times, caller.account.actor, desk.services.time.now()
        )
    except HandoverRefused as refused:
        context = await _context(request, desk, caller, unit)
        return _shown(
            request, desk, caller, replace(context, times_typed=typed, refused={"times": str(refused)})
        )
    return _back(request, desk, unit, "times-title")


async def _upload(request: Request, desk: Desk) -> Response:
    """Takes a roster over from a file: all of it or nothing, and every bad line is named."""
    caller = await desk.auth.caller(request)
    sent = await _sent(request)
    unit = chosen_unit(caller, sent.unit)
    context = await _context(request, desk, caller, unit)
    extension = PurePath(sent.name).suffix.lower().lstrip(".")
    if extension not in FORMS:
        why = f"请选择文件：{'、'.join(FORMS)} / choose a file: {', '.join(FORMS)}"
        return _shown(request, desk, caller, replace(context, refused={"file": why}))
    try:
        summary = await import_roster(
            desk.services.database,
            sent.content,
            judge(desk.services.channels),
            form=extension,
            zone=ZoneInfo(desk.services.zone),
            now=desk.services.time.now(),
            author=caller.account.actor,
            within=caller.tree.subtree(caller.unit),
        )
    except ImportRefused as refused:
        lines = tuple(refused.problems)
        why = "文件有误，什么都没有改动 / the file has errors: nothing was changed"
        context = replace(context, refused={"file": why}, bad_lines=lines[:SHOWN_LINES], bad_count=len(lines))
        return _shown(request, desk, caller, context)
    return _shown(request, desk, caller, replace(context, summary=summary))


async def _sent(request: Request) -> Sent:
    """The file that was uploaded; nameless and empty where there is none. Errors: 413."""
    allow(request, BYTES_MAX + 64 * 1024)
    try:
        async with request.form(max_files=1, max_fields=5) as form:
            file = form.get("file")
            content = await file.read() if isinstance(file, UploadFile) else b""
            name = (file.filename or "") if isinstance(file, UploadFile) else ""
            return Sent(name, content, str(form.get("unit") or ""))
    except HTTPException:  # no such form, or one of too many parts
        return Sent("", b"", "")


async def _make_link(request: Request, desk: Desk) -> Response:
    """Makes a calendar link and shows it, this once: it is in no address and in no history."""
    caller = await desk.auth.caller(request)
    form = await read(request, desk)
    unit = chosen_unit(caller, form.one("unit"))
    name = form.one("name")
    if not 0 < len(name) <= NAME_CHARS_MAX or not name.isprintable():
        context = await _context(request, desk, caller, unit)
        why = f"请写明给谁用，至多 {NAME_CHARS_MAX} 字 / say whose phone it is for"
        return _shown(request, desk, caller, replace(context, refused={"name": why}))
    services = desk.services
    _, secret = await feeds.create(services.database, name, unit, caller.account.actor, services.time.now())
    base = (services.public_url or str(request.base_url)).rstrip("/")
    context = await _context(request, desk, caller, unit)
    return _shown(request, desk, caller, replace(context, link=f"{base}/feeds/rosters/{secret}.ics"))


async def _revoke_link(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    number = path_number(request.path_params["link"])
    async with desk.services.database.snapshot() as connection:
        mine = await feeds.feeds(connection, caller.tree.subtree(caller.unit))
    found = next((each for each in mine if each.id == number), None)
    if found is None:
        raise not_found()
    await feeds.revoke(desk.services.database, number, desk.services.time.now())
    return _back(request, desk, caller.tree.resolve(found.unit) or caller.unit, "links-title")


async def _units(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    unit = chosen_unit(caller, request.query_params.get("unit"))
    order = in_tree_order(caller, unit)
    below = caller.tree.subtree(unit)
    idle = [node for node in caller.tree.nodes if node.code in below and not node.is_active]
    lines = [UnitLine(caller.tree.node(code), min(depth, 3)) for code, depth in order]
    lines += [UnitLine(node, 0) for node in sorted(idle, key=lambda node: node.code)]
    context = RosterUnitsPage(
        unit_name=caller.tree.node(unit).name,
        units=choices(caller, unit),
        tabs=tabs(caller, request, unit),
        lines=tuple(lines[:UNITS_MAX]),
        count=len(lines),
    )
    frame = framed(request, caller)
    return show(desk, "pages/roster_units.html", language_of(request, desk), context, frame=frame)


async def _context(request: Request, desk: Desk, caller: Caller, unit: str) -> RosterSettingsPage:
    below = caller.tree.subtree(caller.unit)
    async with desk.services.database.snapshot() as connection:
        times = await handovers.times(connection, caller.tree)
        links = await feeds.feeds(connection, below)
    above = caller.tree.parent(unit)
    return RosterSettingsPage(
        unit=unit,
        unit_name=caller.tree.node(unit).name,
        units=choices(caller, unit),
        tabs=tabs(caller, request, unit),
        times=times.get(unit, ()),
        has_own_times=above == unit or times.get(unit) != times.get(above),
        times_typed=None,
        links=tuple(links),
        names={each.unit: caller.tree.node(each.unit).name for each in links},
        refused={},
    )


def _shown(request: Request, desk: Desk, caller: Caller, context: RosterSettingsPage) -> Response:
    if not caller.may(Action.ROSTER):
        raise forbidden("该角色不能改动名册 / this role does not change rosters")
    status = 422 if context.refused else 200
    frame = framed(request, caller)
    return show(desk, "pages/roster_settings.html", language_of(request, desk), context, status, frame)


def _back(request: Request, desk: Desk, unit: str, anchor: str) -> Response:
    return RedirectResponse(f"/roster/settings?unit={unit}&lang={language_of(request, desk)}#{anchor}", 303)


PAGES = (
    Page("/roster/settings", _page, right=Action.ROSTER),
    Page("/roster/settings/times", _set_times, "POST", right=Action.ROSTER),
    Page("/roster/settings/import", _upload, "POST", right=Action.ROSTER),
    Page("/roster/settings/links", _make_link, "POST", right=Action.ROSTER),
    Page("/roster/settings/links/{link}/revocation", _revoke_link, "POST", right=Action.ROSTER),
    Page("/roster/units", _units, right=Action.ACCOUNTS),
)
