"""Changing incidents: every route here reads one body, makes one command and takes it through the gate.

1. The door has let the caller through: the right is there, and the incident, for the caller to see (over HTTP
   nothing is held).
2. The body is an object of strict I-JSON; `giving` makes the command of it.
3. What is answered is the incident as it stands after the commit.
"""

import secrets
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from reporter.core.command import OutcomeKind, Problem
from reporter.core.terms import CommandKind
from reporter.desk import openapi
from reporter.desk.answers import Json, incident_json
from reporter.desk.bodies import read_object
from reporter.desk.doors import allowed
from reporter.desk.edge import ARRIVED
from reporter.desk.giving import COMMANDS, Call, give, give_opening
from reporter.desk.problems import not_found, unfit
from reporter.desk.schemas import COMMAND_SCHEMAS
from reporter.desk.services import Desk
from reporter.store import queries

_KEY_CHARS_MAX: Final = 255


def router(desk: Desk) -> APIRouter:
    """The writing routes."""
    routes = APIRouter(prefix="/api/v1", tags=["commands"])
    database = desk.services.database

    async def called(request: Request) -> Call:
        return Call(await desk.auth.caller(request), idempotency_key(request), request.scope[ARRIVED])

    async def shown(incident_id: str | None) -> Json:
        async with database.snapshot() as connection:
            found = await queries.incident(connection, incident_id) if incident_id else None
        if found is None:
            raise not_found()
        return incident_json(found)

    @routes.post(
        "/incidents",
        dependencies=[allowed(CommandKind.OCCURRED)],
        status_code=201,
        responses=openapi.answers(
            "Incident", 408, 413, also={200: "A duplicate: nothing changed.", 201: "Opened."}
        ),
        openapi_extra=openapi.secured(openapi.IDEMPOTENCY_KEY, body=COMMAND_SCHEMAS[CommandKind.OCCURRED][0]),
    )
    async def open_incident(request: Request) -> Response:
        """Opens an incident; `unit` may be left out by a caller who has one unit only."""
        call = await called(request)
        data = await read_object(request)
        outcome = await give_opening(desk, call, data)
        is_new = outcome.kind is OutcomeKind.ACCEPTED
        location = {"Location": f"/api/v1/incidents/{outcome.incident}"} if is_new else {}
        return JSONResponse(await shown(outcome.incident), 201 if is_new else 200, location)

    def add(path: str, kind: CommandKind) -> None:
        name, schema = COMMAND_SCHEMAS[kind]

        async def command(request: Request, incident_id: str) -> Response:
            call = await called(request)
            incident_id = incident_id.lower()
            await give(desk, call, path, incident_id, await read_object(request))
            return JSONResponse(await shown(incident_id))

        routes.add_api_route(
            f"/incidents/{{incident_id}}/{path}",
            command,
            methods=["POST"],
            dependencies=[allowed(kind)],
            name=path,
            summary=schema["description"],
            responses=openapi.answers("Incident", 404, 408, 409, 413),
            openapi_extra=openapi.secured(openapi.IDEMPOTENCY_KEY, body=name),
        )

    for path, kind in COMMANDS.items():
        add(path, kind)
    return routes


def idempotency_key(request: Request) -> str:
    """The command's id. Errors: 422."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return secrets.token_hex(16)
    key = keys[0]
    if len(keys) > 1 or not 0 < len(key) <= _KEY_CHARS_MAX or not (key.isascii() and key.isprintable()):
        message = (
            f"1–{_KEY_CHARS_MAX} 个可见 ASCII 字符 / 1 to {_KEY_CHARS_MAX} printable ASCII characters, once"
        )
        raise unfit([Problem("Idempotency-Key", message)])
    return key
