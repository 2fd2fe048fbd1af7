"""Who is on duty: units, the people there at an instant, the holes to come, and the grid of a span."""

from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from reporter.core.instants import maybe_rfc3339, rfc3339
from reporter.core.roster import Duty, UnitNode, channel_of
from reporter.desk import openapi
from reporter.desk.answers import Json
from reporter.desk.auth import Action
from reporter.desk.doors import allowed
from reporter.desk.parameters import Parameters
from reporter.desk.schemas import COUNT, INSTANT, UNIT
from reporter.desk.services import Desk
from reporter.store import handovers, rosters

DAYS_MAX: Final = 62
_UNIT = openapi.query("unit", UNIT, "This unit and those below it; absent: all that the caller may see.")
_DAYS = openapi.query("days", COUNT, f"How many days from now, 1 to {DAYS_MAX}; 7 by default.")


def router(desk: Desk) -> APIRouter:
    """The reading routes of rosters."""
    routes = APIRouter(prefix="/api/v1", tags=["rosters"])
    services = desk.services
    database, zone = services.database, ZoneInfo(services.zone)

    @routes.get(
        "/units",
        dependencies=[allowed(Action.READ)],
        responses=openapi.answers("Units"),
        openapi_extra=openapi.secured(),
    )
    async def show_units(request: Request) -> Response:
        """The caller's unit and all below it, by code."""
        caller = await desk.auth.caller(request)
        Parameters(request).done()
        codes = sorted(code for code in caller.tree.subtree(caller.unit) if caller.tree.resolve(code) == code)
        return JSONResponse({"items": [unit_json(caller.tree.node(code)) for code in codes], "next": None})

    @routes.get(
        "/rosters/on-duty",
        dependencies=[allowed(Action.READ)],
        responses=openapi.answers("OnDuty"),
        openapi_extra=openapi.secured(
            openapi.query("at", INSTANT, "The instant in question; absent: now."),
            openapi.query(
                "known_at", INSTANT, "As it was known at this instant; absent: as it is known now."
            ),
            _UNIT,
        ),
    )
    async def show_on_duty(request: Request) -> Response:
        """Who is on duty in each unit, with phone and with whom they stand in for; any past instant too."""
        caller = await desk.auth.caller(request)
        read = Parameters(request, "at", "known_at", "unit")
        at, known_at = read.instant("at") or services.time.now(), read.instant("known_at")
        units = read.units("unit", caller)
        read.done()
        async with database.snapshot() as connection:
            found = await rosters.duty_now(connection, at, caller.scope if units is None else units, known_at)
            times = await handovers.times(connection, caller.tree, known_at)
        items = [
            {
                **unit_json(each.unit),
                "contact": each.phone,
                "duty_officer": [duty_json(duty) for duty in each.duty_officers],
                "leader": [duty_json(duty) for duty in each.leaders],
                "handover_times": list(times.get(each.unit.code, ())),
                "next_handover": maybe_rfc3339(
                    handovers.next_handover(times.get(each.unit.code, ()), at, zone)
                ),
            }
            for each in found
        ]
        return JSONResponse({"at": rfc3339(at), "known_at": maybe_rfc3339(known_at), "items": items})

    @routes.get(
        "/rosters/gaps",
        dependencies=[allowed(Action.READ)],
        responses=openapi.answers("Gaps"),
        openapi_extra=openapi.secured(_DAYS, _UNIT),
    )
    async def show_gaps(request: Request) -> Response:
        """The spans of the days to come in which nobody holds a role of an active unit."""
        caller = await desk.auth.caller(request)
        read = Parameters(request, "days", "unit")
        days, units = read.count("days", rosters.DAYS_AHEAD, DAYS_MAX), read.units("unit", caller)
        read.done()
        async with database.snapshot() as connection:
            found = await rosters.holes(
                connection, services.time.now(), days, caller.scope if units is None else units
            )
        items = [
            {
                "unit": hole.gap.unit,
                "role": hole.gap.role.value,
                "starts": rfc3339(hole.gap.starts_at),
                "ends": rfc3339(hole.gap.ends_at),
                "rostered": hole.is_rostered,
            }
            for hole in found
        ]
        return JSONResponse({"items": items, "next": None})

    @routes.get(
        "/rosters/grid",
        dependencies=[allowed(Action.READ)],
        responses=openapi.answers("RosterGrid"),
        openapi_extra=openapi.secured(
            openapi.query("since", INSTANT, "Where the grid begins; absent: now."),
            openapi.query("days", COUNT, f"How many days, 1 to {DAYS_MAX}; 7 by default."),
            openapi.query(
                "known_at", INSTANT, "As it was known at this instant; absent: as it is known now."
            ),
            _UNIT,
        ),
    )
    async def show_grid(request: Request) -> Response:
        """The whole span of each unit and role as slots in which the same people are on duty."""
        caller = await desk.auth.caller(request)
        read = Parameters(request, "since", "days", "known_at", "unit")
        since, known_at = read.instant("since") or services.time.now(), read.instant("known_at")
        days, units = read.count("days", rosters.DAYS_AHEAD, DAYS_MAX), read.units("unit", caller)
        read.done()
        codes = rosters.active_units(caller.tree, caller.scope if units is None else units)
        until = since + timedelta(days=days)
        async with database.snapshot() as connection:
            lines = await rosters.timelines(connection, caller.tree, codes, since, until, known_at)
        items = [
            {
                "unit": unit,
                "role": role.value,
                "slots": [
                    {
                        "starts": rfc3339(slot.starts_at),
                        "ends": rfc3339(slot.ends_at),
                        "covered": slot.is_covered,
                        "people": [duty_json(duty) for duty in slot.duties],
                    }
                    for slot in slots
                ],
            }
            for (unit, role), slots in lines.items()
        ]
        return JSONResponse({"since": rfc3339(since), "until": rfc3339(until), "items": items})

    return routes


def unit_json(node: UnitNode) -> Json:
    """A unit as it was imported."""
    return {
        "code": node.code,
        "name": node.name,
        "parent": node.parent,
        "phone": node.phone,
        "region": node.region,
        "active": node.is_active,
    }


def duty_json(duty: Duty) -> Json:
    """One person on duty. `channels` are kinds alone: an address may hold a secret."""
    kinds = dict.fromkeys(channel_of(address)[0] for address in duty.channels)
    return {
        "person": duty.person,
        "phone": duty.phone,
        "channels": list(kinds),
        "note": duty.note,
        "absent": duty.is_absent,
    }
