"""Reading incidents: the list, one, its ledger; and what was rejected or is held."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from reporter.core.ledger import with_hash
from reporter.core.terms import IncidentState, Mode, Verdict
from reporter.desk import openapi
from reporter.desk.answers import incident_json, set_aside_json
from reporter.desk.auth import Action
from reporter.desk.doors import allowed, log_views
from reporter.desk.parameters import Parameters, cursor
from reporter.desk.problems import not_found
from reporter.desk.schemas import INSTANT, TEXT, UNIT, words
from reporter.desk.services import Desk
from reporter.store import queries, rejected, restricted

PAGE_DEFAULT = 50
PAGE_MAX = 200
REJECTED_DEFAULT = 200
REJECTED_MAX = 1000

_VERDICTS = (*Verdict, queries.OVERDUE)
_LIMIT = {"type": "integer", "minimum": 1}


def router(desk: Desk) -> APIRouter:
    """The reading routes."""
    routes = APIRouter(prefix="/api/v1", tags=["incidents"])
    database = desk.services.database

    @routes.get(
        "/incidents",
        dependencies=[allowed(Action.READ)],
        responses=openapi.answers("Incidents"),
        openapi_extra=openapi.secured(
            openapi.query("state", words(IncidentState), "As it stands."),
            openapi.query("unit", UNIT, "The owning unit is this one or below it."),
            openapi.query("mode", words(Mode), "Actual, exercise or test."),
            openapi.query("since", INSTANT, "Occurred at or after."),
            openapi.query("until", INSTANT, "Occurred before."),
            openapi.query("verdict", {"type": "string", "enum": list(_VERDICTS)}, "Of at least one clock."),
            openapi.query("q", TEXT, "Part of the title or the place, in any case."),
            openapi.query(
                "limit", {**_LIMIT, "maximum": PAGE_MAX, "default": PAGE_DEFAULT}, "At most so many."
            ),
            openapi.query("cursor", TEXT, "`next` of the answer before."),
        ),
    )
    async def list_incidents(request: Request) -> Response:
        """Incidents, newest occurrence first."""
        caller = await desk.auth.caller(request)
        read = Parameters(
            request, "state", "unit", "mode", "since", "until", "verdict", "q", "limit", "cursor"
        )
        limit = read.count("limit", PAGE_DEFAULT, PAGE_MAX)
        wanted = queries.IncidentFilter(
            scope=caller.scope,
            units=read.units("unit", caller),
            state=read.word("state", tuple(IncidentState)),
            mode=read.word("mode", tuple(Mode)),
            verdict=read.word("verdict", _VERDICTS),
            since=read.instant("since"),
            until=read.instant("until"),
            text=read.text("q"),
            after=read.place("cursor"),
            limit=limit + 1,
        )
        read.done()
        async with database.snapshot() as connection:
            found = await queries.incidents(connection, wanted)
            page = found[:limit]
            seen = await restricted.among(connection, [each.incident.id for each in page])
        if seen:
            await log_views(request, desk, caller, *sorted(seen))
        last = page[-1].incident if len(found) > limit else None
        following = cursor(last.occurred_earliest_at, last.id) if last else None
        return JSONResponse({"items": [incident_json(each) for each in page], "next": following})

    @routes.get(
        "/incidents/{incident_id}",
        dependencies=[allowed(Action.READ)],
        responses=openapi.answers("Incident", 404),
        openapi_extra=openapi.secured(),
    )
    async def show_incident(request: Request, incident_id: str) -> Response:
        """One incident with its clocks, notices and reports."""
        caller = await desk.auth.caller(request)
        async with database.snapshot() as connection:
            found = await queries.incident(connection, incident_id.lower(), caller.scope)
        if found is None:
            raise not_found()
        return JSONResponse(incident_json(found))

    @routes.get(
        "/incidents/{incident_id}/ledger",
        dependencies=[allowed(Action.READ)],
        responses=openapi.answers("Ledger", 404),
        openapi_extra=openapi.secured(),
    )
    async def show_ledger(incident_id: str) -> Response:
        """The incident's ledger, oldest line first; each line is the text that was hashed, with its hash."""
        async with database.snapshot() as connection:
            lines = await queries.ledger(connection, incident_id.lower())
        # Joined as text: re-serialising a line could change what its hash was taken of.
        items = ",".join(with_hash(text, digest) for text, digest in lines)
        return Response(f'{{"items":[{items}],"next":null}}', media_type="application/json")

    @routes.get(
        "/rejected",
        dependencies=[allowed(Action.REJECTED)],
        responses=openapi.answers("Rejected"),
        openapi_extra=openapi.secured(
            openapi.query(
                "limit", {**_LIMIT, "maximum": REJECTED_MAX, "default": REJECTED_DEFAULT}, "At most so many."
            ),
            openapi.query("cursor", TEXT, "`next` of the answer before."),
        ),
    )
    async def list_rejected(request: Request) -> Response:
        """Messages from the bus that were rejected or are held for their incident, newest first."""
        read = Parameters(request, "limit", "cursor")
        limit = read.count("limit", REJECTED_DEFAULT, REJECTED_MAX)
        before = read.count("cursor", 0, 999_999_999)
        read.done()
        async with database.snapshot() as connection:
            found = await rejected.set_aside(connection, limit + 1, before or None)
        page = found[:limit]
        following = str(page[-1].id) if len(found) > limit else None
        return JSONResponse({"items": [set_aside_json(row) for row in page], "next": following})

    return routes
