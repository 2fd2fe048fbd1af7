"""Who may see what, and who did: restricting an incident, and the desk's log."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from reporter.core.command import Problem
from reporter.core.instants import rfc3339
from reporter.desk import openapi
from reporter.desk.auth import Action, Caller
from reporter.desk.bodies import read_object
from reporter.desk.doors import allowed
from reporter.desk.parameters import Parameters
from reporter.desk.problems import unfit
from reporter.desk.schemas import TEXT
from reporter.desk.services import Desk
from reporter.store import desk_log, queries, restricted

LINES_DEFAULT = 100
LINES_MAX = 1000
NUMBER_MAX = 999_999_999
REASON_CHARS_MAX = 1000


def router(desk: Desk) -> APIRouter:
    """The routes of oversight."""
    routes = APIRouter(prefix="/api/v1", tags=["oversight"])

    @routes.put(
        "/incidents/{incident_id}/restriction",
        dependencies=[allowed(Action.RESTRICT)],
        responses=openapi.answers("Restriction", 404, 408, 413),
        openapi_extra=openapi.secured(body="RestrictionSent"),
    )
    async def restrict_incident(request: Request, incident_id: str) -> Response:
        """Restricts the incident, or lifts that: it is hidden from units that do not own it, and views are logged."""
        caller = await desk.auth.caller(request)
        sent = await read_object(request)
        wanted, reason = sent.get("restricted"), sent.get("reason")
        errors = []
        if not isinstance(wanted, bool):
            errors.append(Problem("restricted", "必填，true 或 false / required: true or false"))
        if not isinstance(reason, str) or not 0 < len(reason.strip()) <= REASON_CHARS_MAX or "\0" in reason:
            errors.append(
                Problem("reason", f"必填，至多 {REASON_CHARS_MAX} 字 / required, at most {REASON_CHARS_MAX}")
            )
        if errors:
            raise unfit(errors)
        await set_restricted(desk, caller, incident_id.lower(), str(reason).strip(), wanted=bool(wanted))
        return JSONResponse({"incident": incident_id.lower(), "restricted": wanted})

    @routes.get(
        "/desk-log",
        dependencies=[allowed(Action.LOG)],
        responses=openapi.answers("DeskLog"),
        openapi_extra=openapi.secured(
            openapi.query(
                "what", TEXT, "`session.begun`, or a subject alone: `session`, `account`, `incident`."
            ),
            openapi.query("about", TEXT, "The incident's id, or the login."),
            openapi.query("actor", TEXT, "`account:<login>`, `token:<name>`, `cli`, `setup`."),
            openapi.query(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": LINES_MAX, "default": LINES_DEFAULT},
                "At most so many.",
            ),
            openapi.query("cursor", TEXT, "`next` of the answer before."),
        ),
    )
    async def show_desk_log(request: Request) -> Response:
        """Sign-ins, changes of accounts, views of restricted incidents: newest first."""
        caller = await desk.auth.caller(request)
        read = Parameters(request, "what", "about", "actor", "limit", "cursor")
        limit = read.count("limit", LINES_DEFAULT, LINES_MAX)
        before = read.count("cursor", 0, NUMBER_MAX)
        what, about, actor = (read.text(name) for name in ("what", "about", "actor"))
        read.done()
        async with desk.services.database.snapshot() as connection:
            lines = await desk_log.read(
                connection,
                caller.scope,
                limit + 1,
                before=before or None,
                what=what,
                about=about,
                actor=actor,
            )
        items = [
            {
                "id": line.id,
                "at": rfc3339(line.at),
                "actor": line.actor,
                "what": line.what,
                "about": line.about,
                "unit": line.unit,
                "details": line.details,
            }
            for line in lines[:limit]
        ]
        following = str(lines[limit - 1].id) if len(lines) > limit else None
        return JSONResponse({"items": items, "next": following})

    return routes


async def set_restricted(desk: Desk, caller: Caller, incident_id: str, reason: str, *, wanted: bool) -> None:
    """Restricts an incident that is there, or lifts that; what changes nothing is not logged."""
    now, actor = desk.services.time.now(), caller.account.actor
    async with desk.services.database.transaction() as connection:
        if wanted:
            has_changed = await restricted.restrict(connection, incident_id, now, actor, reason)
        else:
            has_changed = await restricted.lift(connection, incident_id)
        if has_changed:
            standing = await queries.standing(connection, incident_id)
            what = desk_log.RESTRICTED if wanted else desk_log.LIFTED
            unit = standing.unit if standing else None
            await desk_log.record(connection, now, actor, what, incident_id, {"reason": reason}, unit=unit)
