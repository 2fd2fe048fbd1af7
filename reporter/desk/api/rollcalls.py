"""Roll-calls (点名抽查): a duty post was called, and who answered. Written down once, never changed."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from reporter.core.command import Problem
from reporter.core.instants import rfc3339
from reporter.core.terms import DutyRole
from reporter.desk import openapi
from reporter.desk.answers import Json
from reporter.desk.api.commands import idempotency_key
from reporter.desk.auth import Action
from reporter.desk.bodies import read_object
from reporter.desk.doors import allowed
from reporter.desk.edge import ARRIVED
from reporter.desk.fields import Fields
from reporter.desk.parameters import Parameters
from reporter.desk.problems import unfit
from reporter.desk.schemas import COUNT, INSTANT, UNIT
from reporter.desk.services import Desk
from reporter.store import rollcalls
from reporter.store.rollcalls import Called, KeyReused, RollCallRow

_FIELDS = (
    "unit", "role", "called_at", "channel", "answered", "answered_by", "answered_after_s", "leader_present",
    "log_current", "note", "caller",
)  # fmt: skip
_SECONDS_MAX = 86_400
_LIMIT = 50
_LIMIT_MAX = 200


def router(desk: Desk) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1", tags=["rosters"])
    database = desk.services.database

    @routes.get(
        "/roll-calls",
        dependencies=[allowed(Action.READ)],
        responses=openapi.answers("RollCalls"),
        openapi_extra=openapi.secured(
            openapi.query("unit", UNIT, "This unit and those below it; absent: all that the caller may see."),
            openapi.query("since", INSTANT, "Called at or after this instant."),
            openapi.query("until", INSTANT, "Called before this instant."),
            openapi.query("limit", COUNT, f"At most so many, 1 to {_LIMIT_MAX}; {_LIMIT} by default."),
            openapi.query("cursor", {"type": "string"}, "`next` of the page before."),
        ),
    )
    async def show_roll_calls(request: Request) -> Response:
        """Roll-calls, the newest first."""
        caller = await desk.auth.caller(request)
        read = Parameters(request, "unit", "since", "until", "limit", "cursor")
        units, since, until = read.units("unit", caller), read.instant("since"), read.instant("until")
        limit, before = read.count("limit", _LIMIT, _LIMIT_MAX), read.count("cursor", 0, 10**9)
        read.done()
        async with database.snapshot() as connection:
            found = await rollcalls.roll_calls(
                connection, caller.scope if units is None else units, since, until, before or None, limit + 1
            )
        shown = found[:limit]
        after = str(shown[-1].id) if len(found) > limit else None
        return JSONResponse({"items": [roll_call_json(each) for each in shown], "next": after})

    @routes.post(
        "/roll-calls",
        dependencies=[allowed(Action.ROLL_CALL)],
        status_code=201,
        responses=openapi.answers(
            "RollCall", 408, 413, also={200: "A duplicate: nothing changed.", 201: "Written down."}
        ),
        openapi_extra=openapi.secured(openapi.IDEMPOTENCY_KEY, body="RollCallMade"),
    )
    async def add_roll_call(request: Request) -> Response:
        """Writes one down; who should have answered is added from the roster."""
        caller = await desk.auth.caller(request)
        key, arrived = idempotency_key(request), request.scope[ARRIVED]
        read = Fields(await read_object(request), *_FIELDS)
        called_at = read.instant("called_at", required=True)
        answered = read.flag("answered", required=True)
        called = Called(
            unit=read.unit("unit", caller),
            role=read.word("role", list(DutyRole)) or DutyRole.DUTY_OFFICER.value,
            called_at=called_at or arrived,
            channel=read.word("channel", rollcalls.CHANNELS) or "landline",
            is_answered=bool(answered),
            answered_by=read.text("answered_by"),
            answered_after_s=read.count("answered_after_s", _SECONDS_MAX),
            is_leader_present=read.flag("leader_present"),
            is_log_current=read.flag("log_current"),
            note=read.text("note") or "",
            caller=read.text("caller") or caller.account.name,
        )
        read.done()
        if called.called_at > arrived:
            raise unfit([Problem("called_at", "不能在将来 / lies in the future")])
        if not called.is_answered and (called.answered_by or called.answered_after_s is not None):
            raise unfit([Problem("answered", "无人接听则无接听人 / nobody answered, yet somebody is named")])
        try:
            found, is_new = await rollcalls.add(database, called, caller.account.actor, key, arrived)
        except KeyReused:
            message = "此键已用于其他内容 / the key stands for something else already"
            raise unfit([Problem("Idempotency-Key", message)], "identity_reused") from None
        return JSONResponse(roll_call_json(found), 201 if is_new else 200)

    return routes


def roll_call_json(row: RollCallRow) -> Json:
    """A roll-call as it is kept."""
    return {
        "id": row.id,
        "unit": row.unit,
        "role": row.role,
        "called_at": rfc3339(row.called_at),
        "channel": row.channel,
        "expected": list(row.expected),
        "answered": row.is_answered,
        "answered_by": row.answered_by,
        "answered_after_s": row.answered_after_s,
        "leader_present": row.is_leader_present,
        "log_current": row.is_log_current,
        "note": row.note,
        "caller": row.caller,
        "author": row.author,
        "recorded_at": rfc3339(row.recorded_at),
    }
