"""Trying a channel, for administrators: one marked test message, and what came of it."""

from dataclasses import asdict

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from reporter.core.command import Problem
from reporter.desk import openapi
from reporter.desk.auth import Action
from reporter.desk.bodies import read_object
from reporter.desk.doors import allowed
from reporter.desk.problems import unfit
from reporter.desk.services import Desk
from reporter.engine.trial import attempt
from reporter.store.reach import Reach, reach_of


def router(desk: Desk) -> APIRouter:
    """The routes of the channels."""
    routes = APIRouter(prefix="/api/v1", tags=["channels"])
    services = desk.services

    @routes.post(
        "/channels/test",
        dependencies=[allowed(Action.CHANNELS)],
        responses=openapi.answers("ChannelTests", 408, 413),
        openapi_extra=openapi.secured(openapi.IDEMPOTENCY_KEY, body="ChannelTest"),
    )
    async def test_channel(request: Request) -> Response:
        """Sends a message marked as a test to one address, or to all that the roster has of a person."""
        caller = await desk.auth.caller(request)
        asked = await read_object(request)
        person = asked.get("person")
        reach = await _reach(asked)
        found = await attempt(
            services.channels,
            desk.renderer,
            services.time,
            reach.addresses,
            by=caller.account.actor,
            person=person if isinstance(person, str) else None,
            phone=reach.phone or None,
            public_url=services.public_url,
            key=request.headers.get("idempotency-key") or None,
        )
        return JSONResponse({"items": [asdict(each) for each in found]})

    async def _reach(asked: dict[str, object]) -> Reach:
        """Whom to try. Errors: 422."""
        problems = [Problem(name, "没有这个字段 / unknown") for name in asked.keys() - {"address", "person"}]
        given = [name for name in ("address", "person") if name in asked]
        if len(given) != 1:
            problems.append(Problem("", "给出 address 或 person 之一 / give address or person"))
        problems += [
            Problem(name, "必须是非空文本 / must be a text")
            for name in given
            if not isinstance(asked[name], str) or not str(asked[name]).strip()
        ]
        if problems:
            raise unfit(problems)
        if "address" in asked:
            return Reach((str(asked["address"]).strip(),), "")
        async with services.database.snapshot() as connection:
            reach = await reach_of(connection, str(asked["person"]), services.time.now())
        if reach is None or not reach.addresses:
            raise unfit([Problem("person", "值班表中没有此人，或没有地址 / no such person, or no address")])
        return reach

    return routes
