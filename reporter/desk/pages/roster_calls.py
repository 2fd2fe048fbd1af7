"""Roll-calls (点名抽查): a post is picked, called, and what came of it is written down once."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from reporter.core.roster import Duty
from reporter.core.terms import DutyRole
from reporter.desk.auth import Action, Caller
from reporter.desk.edge import ARRIVED
from reporter.desk.forms import Typed, read
from reporter.desk.live.cards import Words
from reporter.desk.pages import Page, framed, show
from reporter.desk.problems import forbidden
from reporter.desk.rosters import RosterTab, instant_typed, tabs, typed_instant
from reporter.desk.services import Desk
from reporter.desk.session import language_of
from reporter.desk.units import UnitChoice, choices, chosen_unit
from reporter.store import rollcalls, rosters
from reporter.store.people import on_duty
from reporter.store.rollcalls import Called, KeyReused, RollCallRow

SHOWN: Final = 50
SECONDS_MAX: Final = 3600
NOTE_CHARS_MAX: Final = 2000
CHANNELS: Final[Mapping[str, Words]] = {
    "landline": ("座机", "landline"),
    "mobile": ("手机", "mobile"),
    "video": ("视频", "video"),
    "visit": ("实地", "visit"),
    "other": ("其他", "other"),
}


@dataclass(frozen=True, slots=True)
class RollCallsPage:
    """`duties` are who should answer at the post `role` of the unit; `rows` the newest roll-calls."""

    unit: str
    unit_name: str
    units: tuple[UnitChoice, ...]
    tabs: tuple[RosterTab, ...]
    role: DutyRole
    roles: tuple[DutyRole, ...]
    duties: tuple[Duty, ...]
    phone: str | None
    rows: tuple[RollCallRow, ...]
    names: Mapping[str, str]
    channels: Mapping[str, Words]
    typed: Mapping[str, str]
    refused: Mapping[str, str]
    may: bool
    form_key: str


async def _page(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    unit = chosen_unit(caller, request.query_params.get("unit"))
    return await _show(request, desk, caller, unit, _role(request.query_params.get("role", "")), {}, {})


async def _pick(request: Request, desk: Desk) -> Response:
    """Any post below the caller's unit that somebody should be at: each as likely as the others."""
    caller = await desk.auth.caller(request)
    form = await read(request, desk)
    top = chosen_unit(caller, form.one("unit"))
    now = desk.services.time.now()
    async with desk.services.database.snapshot() as connection:
        found = await on_duty(connection, now)
    below = set(rosters.active_units(caller.tree, caller.tree.subtree(top)))
    posts = sorted(key for key in found if key[0] in below and (key[0] != caller.unit or len(below) == 1))
    if not posts:
        refused = {"pick": "没有在岗的岗位可抽 / nobody is on duty to be called"}
        return await _show(request, desk, caller, top, DutyRole.DUTY_OFFICER, {}, refused)
    unit, role = secrets.choice(posts)
    language = language_of(request, desk)
    return RedirectResponse(f"/roster/roll-calls?unit={unit}&role={role}&lang={language}#new", 303)


async def _write(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    form = await read(request, desk)
    unit = chosen_unit(caller, form.one("unit"))
    if not caller.tree.node(unit).is_active:
        raise forbidden("该单位已停用 / the unit is no longer active")
    arrived: datetime = request.scope[ARRIVED]
    role = _role(form.one("role"))
    called, refused = _called(form, unit, role, caller, arrived, ZoneInfo(desk.services.zone))
    if not refused:
        key = form.one("key") or secrets.token_hex(16)
        try:
            await rollcalls.add(desk.services.database, called, caller.account.actor, key, arrived)
        except KeyReused:
            refused = {
                "": "这张表单已提交过，内容不同：请重新打开本页 / this form was sent already: open the page anew"
            }
        else:
            language = language_of(request, desk)
            return RedirectResponse(f"/roster/roll-calls?unit={unit}&lang={language}#list", 303)
    return await _show(request, desk, caller, unit, role, form.again(), refused)


def _called(
    form: Typed, unit: str, role: DutyRole, caller: Caller, arrived: datetime, zone: ZoneInfo
) -> tuple[Called, dict[str, str]]:
    """What the form says, and what is wrong with it by field."""
    refused = {}
    called_at = instant_typed(form.one("called_at"), zone) or arrived
    if called_at > arrived:
        refused["called_at"] = "不能在将来 / lies in the future"
    answered = form.one("answered")
    if answered not in ("yes", "no"):
        refused["answered"] = "请选择 / choose one"
    seconds = form.one("seconds")
    if seconds and not (seconds.isdecimal() and len(seconds) < 6 and int(seconds) <= SECONDS_MAX):
        refused["seconds"] = f"整数 0–{SECONDS_MAX} / a whole number"
    if len(form.one("note")) > NOTE_CHARS_MAX:
        refused["note"] = f"最多 {NOTE_CHARS_MAX} 字 / at most {NOTE_CHARS_MAX} characters"
    is_answered = answered == "yes"
    is_number = bool(seconds) and "seconds" not in refused
    return Called(
        unit=unit,
        role=role.value,
        called_at=called_at,
        channel=form.one("channel") if form.one("channel") in rollcalls.CHANNELS else "landline",
        is_answered=is_answered,
        answered_by=(form.one("answered_by")[:100] or None) if is_answered else None,
        answered_after_s=int(seconds) if is_answered and is_number else None,
        is_leader_present=_flag(form.one("leader_present")),
        is_log_current=_flag(form.one("log_current")),
        note=form.one("note"),
        caller=caller.account.title,
    ), refused


def _flag(text: str) -> bool | None:
    return {"yes": True, "no": False}.get(text)


def _role(text: str) -> DutyRole:
    return DutyRole(text) if text in set(DutyRole) else DutyRole.DUTY_OFFICER


async def _show(
    request: Request,
    desk: Desk,
    caller: Caller,
    unit: str,
    role: DutyRole,
    typed: Mapping[str, str],
    refused: Mapping[str, str],
) -> Response:
    now = desk.services.time.now()
    async with desk.services.database.snapshot() as connection:
        duties = (await on_duty(connection, now)).get((unit, role), ())
        rows = await rollcalls.roll_calls(connection, caller.tree.subtree(caller.unit), limit=SHOWN)
    context = RollCallsPage(
        unit=unit,
        unit_name=caller.tree.node(unit).name,
        units=choices(caller, unit),
        tabs=tabs(caller, request, unit),
        role=role,
        roles=tuple(DutyRole),
        duties=tuple(duties),
        phone=caller.tree.phone(unit),
        rows=tuple(rows),
        names={row.unit: caller.tree.node(row.unit).name for row in rows},
        channels=CHANNELS,
        typed={"called_at": typed_instant(now, ZoneInfo(desk.services.zone)), **typed},
        refused=refused,
        may=caller.may(Action.ROLL_CALL),
        form_key=secrets.token_hex(16),
    )
    frame = framed(request, caller)
    status = 422 if refused else 200
    return show(desk, "pages/roll_calls.html", language_of(request, desk), context, status, frame)


PAGES = (
    Page("/roster/roll-calls", _page),
    Page("/roster/roll-calls", _write, "POST", right=Action.ROLL_CALL),
    Page("/roster/roll-calls/pick", _pick, "POST", right=Action.ROLL_CALL),
)
