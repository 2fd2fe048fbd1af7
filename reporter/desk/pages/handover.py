"""Handing over a shift: freezing the snapshot, confirming it item by item, trying things out, signing, printing."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from reporter.core.handover import CHECKS, STATEMENTS, EntryKind, HandoverRefused, HandoverState, Part
from reporter.core.terms import AccountRole
from reporter.desk.auth import Action, Caller
from reporter.desk.doors import log_views
from reporter.desk.edge import ARRIVED
from reporter.desk.forms import Typed, read
from reporter.desk.handover.people import Shift, shift_of
from reporter.desk.handover.shown import (
    STATES,
    HandoverShown,
    body_of_check,
    incidents_of,
    shown,
)
from reporter.desk.handover.snapshot import in_order, snapshot_of
from reporter.desk.live.cards import Words
from reporter.desk.pages import Page, framed, show
from reporter.desk.pages.sign_in import check_password
from reporter.desk.parameters import path_number
from reporter.desk.problems import HttpProblem, forbidden, not_found
from reporter.desk.services import Desk
from reporter.desk.session import language_of
from reporter.desk.units import UnitChoice, choices, chosen_unit
from reporter.engine.trial import attempt
from reporter.store import handoverlog, restricted, rosters, shiftlog
from reporter.store.handoverlog import PAGE, Handover, HandoverLine
from reporter.store.reach import reach_of

Added = tuple[EntryKind, str, Mapping[str, object]]
"""An entry to add: its kind, its subject, its body."""
_LEADERS: Final = (AccountRole.LEADER, AccountRole.ADMIN)


@dataclass(frozen=True, slots=True)
class HandoverPage:
    """`open_id`: the unit's handover under way; `older` the number before which older ones are, if any."""

    unit: str
    unit_name: str
    units: tuple[UnitChoice, ...]
    shift: Shift
    now: datetime
    open_id: int | None
    lines: tuple[HandoverLine, ...]
    names: Mapping[str, str]
    states: Mapping[HandoverState, Words]
    older: int | None
    may: bool
    form_key: str


@dataclass(frozen=True, slots=True)
class HandoverRecordPage:
    """`refused` are messages by field; `typed` what the refused form held; `login` whose visit this is, a person's."""

    shown: HandoverShown
    refused: Mapping[str, str]
    typed: Mapping[str, str]
    login: str
    may: bool


async def _overview(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    unit = chosen_unit(caller, request.query_params.get("unit"))
    before = request.query_params.get("before", "")
    now = desk.services.time.now()
    async with desk.services.database.snapshot() as connection:
        shift = await shift_of(connection, caller.tree, unit, now, ZoneInfo(desk.services.zone))
        open_id = await handoverlog.open_one(connection, unit)
        lines = await handoverlog.listed(
            connection,
            caller.tree.subtree(unit),
            int(before) if before.isdecimal() and len(before) < 10 else None,
            PAGE + 1,
        )
    context = HandoverPage(
        unit=unit,
        unit_name=caller.tree.node(unit).name,
        units=choices(caller, unit),
        shift=shift,
        now=now,
        open_id=open_id,
        lines=tuple(lines[:PAGE]),
        names={line.unit: caller.tree.node(line.unit).name for line in lines},
        states=STATES,
        older=lines[PAGE - 1].id if len(lines) > PAGE else None,
        may=caller.may(Action.HANDOVER),
        form_key=secrets.token_hex(16),
    )
    frame = framed(request, caller)
    return show(desk, "pages/handover.html", language_of(request, desk), context, frame=frame)


async def _freeze(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    form = await read(request, desk)
    unit = caller.tree.resolve(form.one("unit")) or caller.unit
    if unit not in caller.tree.subtree(caller.unit):
        raise forbidden("该单位不在您的管辖范围 / that unit is not within yours")
    services = desk.services
    scope = caller.within(unit)
    situation = await desk.hub.situation()
    now = services.time.now()
    troubles = await services.troubles()
    opens = in_order(each for each in situation.opens.values() if each.is_within(scope))
    async with services.database.snapshot() as connection:
        shift = await shift_of(connection, caller.tree, unit, now, ZoneInfo(services.zone))
        holes = await rosters.holes(connection, now, 1, scope)
        logged = await shiftlog.logged_since(connection, scope, shift.began_at)
        ids = {each.id for each in logged} | {each.incident.id for each in opens}
        failed = await shiftlog.failed_since(connection, ids, shift.began_at)
    document = snapshot_of(unit, situation, opens, shift, holes, troubles, logged, failed, now)
    key = form.one("key") or secrets.token_hex(16)
    actor = caller.account.actor
    number, _ = await handoverlog.freeze(services.database, unit, document, actor, key, now)
    return RedirectResponse(f"/handover/{number}?lang={language_of(request, desk)}", 303)


async def _record(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    return await _show(request, desk, caller, await _load(request, desk, caller))


async def _snapshot(request: Request, desk: Desk) -> Response:
    """The frozen text itself, whose SHA-256 is the one that is shown and signed."""
    caller = await desk.auth.caller(request)
    found = await _load(request, desk, caller)
    seen = await _seen(desk, caller, found)
    if _hides(seen):
        raise forbidden("快照含限制查看的事件 / the snapshot holds restricted incidents")
    await log_views(request, desk, caller, *seen.restricted)
    headers = {"Content-Disposition": f'attachment; filename="handover-{found.id}.json"'}
    return Response(found.text.encode(), media_type="application/json", headers=headers)


async def _clock(request: Request, desk: Desk) -> Response:
    """The machine's time, for a browser that measures its own against it."""
    await desk.auth.caller(request)
    now = desk.services.time
    return JSONResponse({"now_ms": int(now.to_real(now.now()).timestamp() * 1000)})


async def _confirm(request: Request, desk: Desk) -> Response:
    form = await read(request, desk)
    entries: list[Added] = [(EntryKind.CONFIRMED, item, {}) for item in dict.fromkeys(form.all("item"))]
    return await _add(request, desk, form, entries, "items")


async def _state(request: Request, desk: Desk) -> Response:
    form = await read(request, desk)
    body: dict[str, object] = {name: form.one(name) for name in STATEMENTS}
    return await _add(request, desk, form, [(EntryKind.STATED, "", body)], "statements")


async def _check(request: Request, desk: Desk) -> Response:
    form = await read(request, desk)
    entries = [
        (EntryKind.CHECKED, name, body_of_check(ok, form.one(f"note-{name}"), form.one(f"offset-{name}")))
        for name in CHECKS
        if (ok := form.one(f"check-{name}"))
    ]
    return await _add(request, desk, form, entries, "checks")


async def _cancel(request: Request, desk: Desk) -> Response:
    form = await read(request, desk)
    return await _add(
        request, desk, form, [(EntryKind.CANCELLED, "", {"reason": form.one("reason")})], "cancel"
    )


async def _try_channels(request: Request, desk: Desk) -> Response:
    """Sends a marked test message to whoever comes on duty, and writes down what the channels answered."""
    form = await read(request, desk)
    caller = await desk.auth.caller(request)
    found = await _load(request, desk, caller)
    person = form.one("person")
    incoming = {each["name"] for each in found.snapshot["shift"]["incoming"]}
    if person not in incoming:
        return await _show(
            request, desk, caller, found, {"channel": "请选择接班人 / choose who comes on"}, form
        )
    services = desk.services
    async with services.database.snapshot() as connection:
        reach = await reach_of(connection, person, services.time.now())
    if reach is None or not reach.addresses:
        why = "值班表中没有此人的通知地址 / the roster has no address of this person"
        return await _show(request, desk, caller, found, {"channel": why}, form)
    trials = await attempt(
        services.channels,
        desk.renderer,
        services.time,
        reach.addresses,
        by=caller.account.actor,
        unit=found.snapshot["unit_name"],
        person=person,
        phone=reach.phone or None,
        public_url=services.public_url,
    )
    note = "；".join(f"{each.channel} {'✔' if each.is_sent else '✖'} {each.state.value}" for each in trials)
    body: dict[str, object] = {"ok": all(each.is_sent for each in trials), "note": f"{person}: {note}"}
    return await _add(request, desk, form, [(EntryKind.CHECKED, "channel", body)], "checks")


async def _sign(request: Request, desk: Desk) -> Response:
    """Signs with a login and its password: one's own, or that of whoever sits at the same console."""
    form = await read(request, desk)
    caller = await desk.auth.caller(request)
    found = await _load(request, desk, caller)
    part, login = form.one("part"), form.one("login")
    place = f"sign-{part}" if part in set(Part) else "part"
    try:
        person = await check_password(request, desk, login, form.one("password"))
    except HttpProblem as problem:
        answer = await _show(request, desk, caller, found, {place: problem.detail}, form, problem.status)
        answer.headers.update(problem.headers)
        return answer
    why = _unfit(caller, person.unit, person.role, found.unit, part)
    if person.must_change:
        why = "请先登录并修改口令 / sign in and change the password first"
    if why:
        return await _show(request, desk, caller, found, {place: why}, form)
    body = {
        "login": person.login,
        "name": person.display_name,
        "role": person.role,
        "own": person.id == caller.account.person_id,
    }
    return await _add(request, desk, form, [(EntryKind.SIGNED, part, body)], place)


def _unfit(caller: Caller, unit: str, role: str, of: str, part: str) -> str | None:
    """Why somebody of this unit and role may not sign the handover of the unit `of` in that part."""
    own = caller.tree.resolve(unit)
    if own is None or of not in caller.tree.subtree(own):
        return "该账号不属于本单位或上级单位 / the account is not of this unit or one above"
    if part == Part.LEADER and role not in _LEADERS:
        return "带班领导须用领导账号签字 / a leader's account is needed here"
    if role == AccountRole.AUDITOR:
        return "审计账号不能签字 / an auditor does not sign"
    return None


async def _add(
    request: Request,
    desk: Desk,
    form: Typed,
    entries: Sequence[Added],
    anchor: str,
) -> Response:
    """Adds what a form says, and goes back to the record; what is refused is shown beside the field."""
    caller = await desk.auth.caller(request)
    found = await _load(request, desk, caller)
    wants_json = "application/json" in request.headers.get("accept", "")
    try:
        await handoverlog.add(
            desk.services.database, found.id, entries, caller.account.actor, request.scope[ARRIVED]
        )
    except HandoverRefused as refused:
        if wants_json:
            return JSONResponse({"path": refused.path, "message": str(refused)}, 409)
        path = anchor if anchor.startswith("sign-") else refused.path or anchor
        return await _show(request, desk, caller, found, {path: str(refused)}, form)
    if wants_json:
        return Response(status_code=204)
    return RedirectResponse(f"/handover/{found.id}?lang={language_of(request, desk)}#{anchor}", 303)


async def _load(request: Request, desk: Desk, caller: Caller) -> Handover:
    """The handover in the path. Errors: 404, also for one of a unit that is not the caller's to see."""
    number = path_number(request.path_params["number"])
    async with desk.services.database.snapshot() as connection:
        found = await handoverlog.load(connection, number)
    if found is None or caller.tree.resolve(found.unit) not in caller.tree.subtree(caller.unit):
        raise not_found()
    return found


async def _seen(desk: Desk, caller: Caller, found: Handover) -> HandoverShown:
    async with desk.services.database.snapshot() as connection:
        now_restricted = await restricted.among(connection, incidents_of(found))
    return shown(found, caller.scope, now_restricted, may_write=caller.may(Action.HANDOVER))


def _hides(seen: HandoverShown) -> bool:
    return any(each["is_hidden"] for part in ("incidents", "logged") for each in seen.snapshot[part])


async def _show(
    request: Request,
    desk: Desk,
    caller: Caller,
    found: Handover,
    refused: Mapping[str, str] | None = None,
    form: Typed | None = None,
    status: int = 422,
) -> Response:
    seen = await _seen(desk, caller, found)
    await log_views(request, desk, caller, *seen.restricted)
    context = HandoverRecordPage(
        shown=seen,
        refused=refused or {},
        typed=form.again() if form and refused else {},
        login=caller.account.name if caller.account.is_person else "",
        may=caller.may(Action.HANDOVER) and seen.is_open,
    )
    frame = framed(request, caller)
    language = language_of(request, desk)
    return show(desk, "pages/handover_record.html", language, context, status if refused else 200, frame)


PAGES = (
    Page("/handover", _overview),
    Page("/handover", _freeze, "POST", right=Action.HANDOVER),
    Page("/handover/clock", _clock),
    Page("/handover/{number}", _record),
    Page("/handover/{number}/snapshot.json", _snapshot),
    Page("/handover/{number}/confirmations", _confirm, "POST", right=Action.HANDOVER),
    Page("/handover/{number}/statements", _state, "POST", right=Action.HANDOVER),
    Page("/handover/{number}/checks", _check, "POST", right=Action.HANDOVER),
    Page("/handover/{number}/channel-test", _try_channels, "POST", right=Action.HANDOVER),
    Page("/handover/{number}/signatures", _sign, "POST", right=Action.HANDOVER),
    Page("/handover/{number}/cancellation", _cancel, "POST", right=Action.HANDOVER),
)
