"""The board: what is open, with its clocks, the most pressing first; its stream; and acknowledging from it."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from reporter.core.canonical import canonical
from reporter.core.command import Command, OutcomeKind
from reporter.core.terms import CommandKind
from reporter.desk import session
from reporter.desk.auth import Action, Caller
from reporter.desk.doors import log_views
from reporter.desk.edge import ARRIVED
from reporter.desk.live.listing import Board, View
from reporter.desk.live.stream import EventStream
from reporter.desk.live.telling import cursor_of
from reporter.desk.pages import Page, framed, show
from reporter.desk.problems import HttpProblem, not_found, unfit
from reporter.desk.services import Desk
from reporter.engine.troubles import Trouble
from reporter.store import queries
from reporter.timesource import micros

PAGE_MAX: Final = 1000
_KEY_CHARS_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class BoardPage:
    """`rate`: how many of the product's seconds pass in one of the reader's; `cursor`: where the stream goes on."""

    board: Board
    now: datetime
    rate: object
    cursor: int
    troubles: tuple[Trouble, ...]
    may_acknowledge: bool
    is_wall: bool


async def _board(request: Request, desk: Desk) -> Response:
    language = session.language_of(request, desk)
    caller = await desk.auth.caller(request)
    view = _view(request, caller, language)
    board, troubles, now = await desk.hub.board(view)
    await log_views(request, desk, caller, *board.restricted)
    page = BoardPage(
        board=board,
        now=now,
        rate=desk.hub.teller.clock()["rate"],
        cursor=micros(now),
        troubles=troubles,
        may_acknowledge=view.may_acknowledge,
        is_wall=view.is_wall,
    )
    return show(desk, "pages/board.html", language, page, frame=framed(request, caller))


async def _events(request: Request, desk: Desk) -> Response:
    language = session.language_of(request, desk)
    caller = await session.visitor(request, desk)
    bye = desk.hub.teller.event("bye", {}, None)
    if caller is None or caller.account.must_change or not caller.may(Action.READ):
        return Response(bye, media_type="text/event-stream")  # a status other than 200 tells a script nothing
    if desk.hub.is_full:
        detail = "看板连接过多，请稍后再试 / too many boards are open: try again"
        raise HttpProblem(503, "too_many_boards", detail, headers={"Retry-After": "5"})
    view = _view(request, caller, language)
    after = cursor_of(request.headers.get("last-event-id") or request.query_params.get("after"))

    async def may_stay() -> bool:
        still = await session.visitor(request, desk)
        return still is not None and still.scope == view.scope and _view(request, still, language) == view

    return EventStream(desk.hub, await desk.hub.join(view, after), may_stay, bye)


async def _acknowledge(request: Request, desk: Desk) -> Response:
    """Acknowledges every open notice of an incident. A script sends its own key, so that it may try again."""
    caller = await desk.auth.caller(request)
    form = await session.read_form(request)
    incident_id = form.get("incident", "").lower()
    async with desk.services.database.snapshot() as connection:
        standing = await queries.standing(connection, incident_id)
    if standing is None or not caller.sees(standing):
        raise not_found()
    key = form.get("key", "")
    is_usable = 0 < len(key) <= _KEY_CHARS_MAX and key.isascii() and key.isprintable()
    source = f"{caller.account.source}/acknowledgements/{incident_id}"
    data: dict[str, object] = {"incident": incident_id, "by": caller.account.title}
    kind = CommandKind.ACKNOWLEDGED
    command = Command(
        kind=kind,
        source=source,
        id=key if is_usable else secrets.token_hex(16),
        received_at=request.scope[ARRIVED],
        unit=caller.unit,
        data=data,
        digest=sha256(canonical([source, kind.value, data])).hexdigest(),
        actor=caller.account.actor,
    )
    (outcome,) = await desk.services.gate.submit([command])
    if outcome.kind is OutcomeKind.REJECTED:
        raise unfit(outcome.errors, "rejected")
    if "application/json" in request.headers.get("accept", ""):
        return Response(status_code=204)
    back = form.get("back", "/")
    return RedirectResponse(back if back == "/" or back.startswith("/?") else "/", 303)


def _view(request: Request, caller: Caller, language: str) -> View:
    asked = request.query_params.get("page", "1")
    page = int(asked) if asked.isdecimal() and len(asked) < 5 else 1
    return View(
        scope=caller.scope,
        unit=caller.unit,
        language=language,
        page=min(max(page, 1), PAGE_MAX),
        is_wall=request.query_params.get("wall") == "1",
        may_acknowledge=caller.may(CommandKind.ACKNOWLEDGED),
    )


PAGES = (
    Page("/", _board, right=Action.READ),
    # A redirect would tell a script nothing: whoever may not have the stream is told so in it.
    Page("/events", _events, right=Action.PUBLIC),
    Page("/board/acknowledge", _acknowledge, "POST", right=CommandKind.ACKNOWLEDGED),
)
