"""Swaps, overrides and absences: recorded with a reason, listed, cancelled. `store.rosterchanges` decides."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from reporter.core.command import Problem
from reporter.core.instants import parse
from reporter.core.terms import DutyRole, RosterChange
from reporter.desk.auth import Action, Caller
from reporter.desk.edge import ARRIVED
from reporter.desk.forms import Typed, read
from reporter.desk.pages import Page, framed, show
from reporter.desk.parameters import path_number
from reporter.desk.problems import not_found
from reporter.desk.rosters import RosterTab, instant_typed, tabs, typed_instant
from reporter.desk.services import Desk
from reporter.desk.session import language_of
from reporter.desk.units import UnitChoice, choices, chosen_unit
from reporter.store import rosterchanges, rosters
from reporter.store.rosterchanges import Agreed, ChangeRefused, Recorded

NAMES_AHEAD: Final = timedelta(days=31)
_GIVEN: Final = ("kind", "role", "person", "taker")


@dataclass(frozen=True, slots=True)
class RosterChangesPage:
    """`refused` are messages by field; `typed` what the form holds; `persons` those on the unit's roster."""

    unit: str
    unit_name: str
    units: tuple[UnitChoice, ...]
    tabs: tuple[RosterTab, ...]
    now: datetime
    changes: tuple[Recorded, ...]
    names: Mapping[str, str]
    persons: tuple[str, ...]
    kinds: tuple[RosterChange, ...]
    roles: tuple[DutyRole, ...]
    typed: Mapping[str, str]
    refused: Mapping[str, str]
    may: bool
    form_key: str


async def _page(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    unit = chosen_unit(caller, request.query_params.get("unit"))
    zone = ZoneInfo(desk.services.zone)
    typed = {name: request.query_params.get(name, "") for name in _GIVEN}
    for name in ("starts", "ends"):
        try:
            typed[name] = typed_instant(parse(request.query_params.get(name)), zone)
        except ValueError:
            typed[name] = ""
    return await _show(request, desk, caller, unit, typed)


async def _record(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    form = await read(request, desk)
    unit = chosen_unit(caller, form.one("unit"))
    agreed, problems = _agreed(form, unit, ZoneInfo(desk.services.zone))
    if agreed is not None:
        key = form.one("key") or secrets.token_hex(16)
        author = caller.account.actor
        try:
            await rosterchanges.record(desk.services.database, agreed, author, key, request.scope[ARRIVED])
        except ChangeRefused as refused:
            problems = list(refused.problems)
        else:
            return RedirectResponse(
                f"/roster/changes?unit={unit}&lang={language_of(request, desk)}#list", 303
            )
    return await _show(request, desk, caller, unit, form.again(), problems)


async def _cancel(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    form = await read(request, desk)
    number = path_number(request.path_params["change"])
    async with desk.services.database.snapshot() as connection:
        unit = await rosterchanges.unit_of(connection, number)
    code = caller.tree.resolve(unit) if unit else None
    if code is None or code not in caller.tree.subtree(caller.unit):
        raise not_found()
    key = form.one("key") or secrets.token_hex(16)
    try:
        await rosterchanges.cancel(
            desk.services.database,
            number,
            form.one("reason"),
            caller.account.actor,
            key,
            request.scope[ARRIVED],
        )
    except ChangeRefused as refused:
        problems = [Problem(f"cancel-{number}", each.message) for each in refused.problems]
        return await _show(request, desk, caller, code, {}, problems)
    return RedirectResponse(f"/roster/changes?unit={code}&lang={language_of(request, desk)}#list", 303)


def _agreed(form: Typed, unit: str, zone: ZoneInfo) -> tuple[Agreed | None, list[Problem]]:
    """What the form asks for, or what is wrong with it as far as can be said without the roster."""
    problems = []
    kind = form.one("kind")
    if kind not in set(RosterChange):
        problems.append(Problem("kind", "请选择 / choose one"))
    instants = {
        name: instant_typed(form.one(name), zone) for name in ("starts", "ends", "back_starts", "back_ends")
    }
    for name, at in instants.items():
        is_back = name.startswith("back_")
        if at is None and (not is_back or form.one(name)):
            problems.append(Problem(name, "请填日期和时间 / a date and a time are needed"))
    is_swap = kind == RosterChange.SWAP
    back = instants["back_starts"], instants["back_ends"]
    if is_swap and (back[0] is None) != (back[1] is None):
        problems.append(Problem("back_ends", "两端都要 / both ends are needed"))
    starts_at, ends_at = instants["starts"], instants["ends"]
    if problems or starts_at is None or ends_at is None:
        return None, problems
    phone = form.one("phone")
    return Agreed(
        RosterChange(kind),
        unit,
        form.one("role") or None,
        form.one("person") or None,
        starts_at,
        ends_at,
        form.one("taker") or None,
        form.one("reason"),
        phone or None,
        None,
        (back[0], back[1]) if is_swap and back[0] is not None and back[1] is not None else None,
    ), []


async def _show(
    request: Request,
    desk: Desk,
    caller: Caller,
    unit: str,
    typed: Mapping[str, str],
    problems: list[Problem] | None = None,
) -> Response:
    now = desk.services.time.now()
    below = caller.tree.subtree(unit)
    async with desk.services.database.snapshot() as connection:
        found = await rosterchanges.changes(connection, below)
        lines = await rosters.timelines(connection, caller.tree, [unit], now, now + NAMES_AHEAD)
    persons = dict.fromkeys(duty.person for slots in lines.values() for slot in slots for duty in slot.duties)
    context = RosterChangesPage(
        unit=unit,
        unit_name=caller.tree.node(unit).name,
        units=choices(caller, unit),
        tabs=tabs(caller, request, unit),
        now=now,
        changes=tuple(found),
        names={each.unit: caller.tree.node(each.unit).name for each in found},
        persons=tuple(persons),
        kinds=tuple(RosterChange),
        roles=tuple(DutyRole),
        typed=typed,
        refused={each.path: each.message for each in problems or ()},
        may=caller.may(Action.ROSTER),
        form_key=secrets.token_hex(16),
    )
    frame = framed(request, caller)
    status = 422 if problems else 200
    return show(desk, "pages/roster_changes.html", language_of(request, desk), context, status, frame)


PAGES = (
    Page("/roster/changes", _page),
    Page("/roster/changes", _record, "POST", right=Action.ROSTER),
    Page("/roster/changes/{change}/cancellation", _cancel, "POST", right=Action.ROSTER),
)
