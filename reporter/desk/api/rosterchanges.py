"""Swaps, overrides, absences and their cancellation: asked for here, decided on by `store.rosterchanges`."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from reporter.core.command import Problem
from reporter.core.instants import maybe_rfc3339, rfc3339
from reporter.core.terms import DutyRole, RosterChange
from reporter.desk import openapi
from reporter.desk.answers import Json
from reporter.desk.api.commands import idempotency_key
from reporter.desk.auth import Action
from reporter.desk.bodies import read_object
from reporter.desk.doors import allowed
from reporter.desk.edge import ARRIVED
from reporter.desk.fields import Fields
from reporter.desk.parameters import Parameters, path_number
from reporter.desk.problems import HttpProblem, conflict, not_found, unfit
from reporter.desk.schemas import INSTANT, UNIT
from reporter.desk.services import Desk
from reporter.store import rosterchanges
from reporter.store.rosterchanges import Agreed, ChangeRefused, Recorded

_FIELDS = (
    "kind", "unit", "role", "person", "starts", "ends", "taker", "phone", "channels", "reason", "back_starts",
    "back_ends",
)  # fmt: skip


def router(desk: Desk) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/rosters", tags=["rosters"])
    database = desk.services.database

    @routes.get(
        "/changes",
        dependencies=[allowed(Action.READ)],
        responses=openapi.answers("RosterChanges"),
        openapi_extra=openapi.secured(
            openapi.query("unit", UNIT, "This unit and those below it; absent: all that the caller may see."),
            openapi.query("since", INSTANT, "Only what holds after this instant."),
            openapi.query("until", INSTANT, "Only what holds before this instant."),
        ),
    )
    async def show_changes(request: Request) -> Response:
        """What was agreed over rosters, the cancelled too, newest first: at most 200."""
        caller = await desk.auth.caller(request)
        read = Parameters(request, "unit", "since", "until")
        units, since, until = read.units("unit", caller), read.instant("since"), read.instant("until")
        read.done()
        async with database.snapshot() as connection:
            found = await rosterchanges.changes(
                connection, caller.scope if units is None else units, since, until
            )
        return JSONResponse({"items": [change_json(each) for each in found], "next": None})

    @routes.post(
        "/changes",
        dependencies=[allowed(Action.ROSTER)],
        status_code=201,
        responses=openapi.answers(
            "RosterChanges", 408, 413, also={200: "A duplicate: nothing changed.", 201: "Recorded."}
        ),
        openapi_extra=openapi.secured(openapi.IDEMPOTENCY_KEY, body="RosterChangeAsked"),
    )
    async def add_change(request: Request) -> Response:
        """Records who takes which span of whom, or who is away and who the deputy is."""
        caller = await desk.auth.caller(request)
        key = idempotency_key(request)
        read = Fields(await read_object(request), *_FIELDS)
        kind = read.word("kind", list(RosterChange), required=True)
        unit, role = read.unit("unit", caller), read.word("role", list(DutyRole))
        starts_at, ends_at = read.instant("starts", required=True), read.instant("ends", required=True)
        back = read.instant("back_starts"), read.instant("back_ends")
        person, taker = read.text("person"), read.text("taker")
        phone, channels = read.text("phone"), read.texts("channels")
        reason = read.text("reason", required=True)
        read.done()
        if (back[0] is None) != (back[1] is None):
            raise unfit([Problem("back_ends", "两端都要 / both ends are needed")])
        assert kind is not None and starts_at is not None and ends_at is not None  # noqa: S101, PT018 - read above
        agreed = Agreed(
            RosterChange(kind),
            unit,
            role,
            person,
            starts_at,
            ends_at,
            taker,
            reason or "",
            phone,
            channels,
            None if back[0] is None or back[1] is None else (back[0], back[1]),
        )
        author = caller.account.actor
        try:
            found, is_new = await rosterchanges.record(database, agreed, author, key, request.scope[ARRIVED])
        except ChangeRefused as refused:
            raise _problem(refused) from None
        answer = {"items": [change_json(each) for each in found], "next": None}
        return JSONResponse(answer, 201 if is_new else 200)

    @routes.post(
        "/changes/{change}/cancellation",
        dependencies=[allowed(Action.ROSTER)],
        responses=openapi.answers("RosterChange", 404, 408, 409, 413),
        openapi_extra=openapi.secured(openapi.IDEMPOTENCY_KEY, body="Reason"),
    )
    async def cancel_change(request: Request, change: str) -> Response:
        """Ends one of them from now on; what it made of the past stays known."""
        caller = await desk.auth.caller(request)
        key, number = idempotency_key(request), path_number(change)
        body = await read_object(request)
        async with database.snapshot() as connection:
            unit = await rosterchanges.unit_of(connection, number)
        if unit is None or unit not in caller.tree.subtree(caller.unit):
            raise not_found()
        read = Fields(body, "reason")
        reason = read.text("reason", required=True)
        read.done()
        author = caller.account.actor
        try:
            found, _ = await rosterchanges.cancel(
                database, number, reason or "", author, key, request.scope[ARRIVED]
            )
        except ChangeRefused as refused:
            raise _problem(refused) from None
        return JSONResponse(change_json(found))

    return routes


def change_json(change: Recorded) -> Json:
    """A change as it stands."""
    return {
        "id": change.id,
        "kind": change.kind.value,
        "unit": change.unit,
        "role": change.role,
        "person": change.person,
        "starts": rfc3339(change.starts_at),
        "ends": rfc3339(change.ends_at),
        "taker": change.taker,
        "phone": change.phone,
        "reason": change.reason,
        "author": change.author,
        "recorded_at": rfc3339(change.recorded_at),
        "cancelled_at": maybe_rfc3339(change.cancelled_at),
        "cancelled_by": change.cancelled_by,
        "cancel_reason": change.cancel_reason,
    }


def _problem(refused: ChangeRefused) -> HttpProblem:
    if refused.code == "not_found":
        return not_found()
    if refused.code == "conflict":
        return conflict(refused.problems[0].message)
    return unfit(refused.problems, refused.code)
