"""Rosters as calendars: for who has a token, and through links that a phone can subscribe to."""

import re
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from reporter.core.instants import maybe_rfc3339, rfc3339
from reporter.core.roster import UnitTree
from reporter.desk import openapi
from reporter.desk.answers import Json
from reporter.desk.api.commands import idempotency_key
from reporter.desk.auth import Action
from reporter.desk.bodies import read_object
from reporter.desk.doors import allowed
from reporter.desk.fields import Fields
from reporter.desk.parameters import Parameters, path_number
from reporter.desk.problems import not_found
from reporter.desk.services import Desk
from reporter.store import feeds, rosters
from reporter.store.calendarout import write_calendar
from reporter.store.people import load_tree

FEED_BEFORE: Final = timedelta(days=7)
FEED_AFTER: Final = timedelta(days=62)
CALENDAR: Final = "text/calendar; charset=utf-8"


def router(desk: Desk) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["rosters"])
    database, time = desk.services.database, desk.services.time

    async def calendar(unit: str, tree: UnitTree) -> Response:
        now = time.now()
        async with database.snapshot() as connection:
            lines = await rosters.timelines(connection, tree, [unit], now - FEED_BEFORE, now + FEED_AFTER)
        node = tree.node(unit)
        content = write_calendar(lines, {unit: node}, now, f"值班 {node.name}")
        headers = {"Content-Disposition": f'inline; filename="{unit}.ics"'}
        return Response(content, headers=headers, media_type=CALENDAR)

    @routes.get(
        "/api/v1/rosters/{unit}.ics",
        dependencies=[allowed(Action.READ)],
        responses=openapi.answers("Calendar", 404, media="text/calendar"),
        openapi_extra=openapi.secured(),
    )
    async def show_calendar(request: Request, unit: str) -> Response:
        """One unit's roster as a calendar, from a week ago to two months ahead."""
        caller = await desk.auth.caller(request)
        Parameters(request).done()
        code = caller.tree.resolve(unit)
        if code is None or code not in caller.tree.subtree(caller.unit):
            raise not_found()
        return await calendar(code, caller.tree)

    @routes.get("/feeds/rosters/{secret}.ics", dependencies=[allowed(Action.PUBLIC)], include_in_schema=False)
    async def show_feed(secret: str) -> Response:
        """The same for a phone, which has no token: whoever knows the link reads this one roster."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", secret):
            raise not_found()
        async with database.snapshot() as connection:
            unit = await feeds.unit_of(connection, secret)
            tree = await load_tree(connection) if unit else None
        code = tree.resolve(unit) if tree is not None and unit is not None else None
        if tree is None or code is None:
            raise not_found()
        return await calendar(code, tree)

    @routes.get(
        "/api/v1/rosters/feeds",
        dependencies=[allowed(Action.ROSTER)],
        responses=openapi.answers("Feeds"),
        openapi_extra=openapi.secured(),
    )
    async def show_feeds(request: Request) -> Response:
        """The calendar links of the caller's units, without their secrets."""
        caller = await desk.auth.caller(request)
        Parameters(request).done()
        async with database.snapshot() as connection:
            found = await feeds.feeds(connection, caller.scope)
        return JSONResponse({"items": [feed_json(each) for each in found], "next": None})

    @routes.post(
        "/api/v1/rosters/feeds",
        dependencies=[allowed(Action.ROSTER)],
        status_code=201,
        responses=openapi.answers("FeedMade", 408, 413, also={201: "Made: the link is shown this once."}),
        openapi_extra=openapi.secured(openapi.IDEMPOTENCY_KEY, body="FeedAsked"),
    )
    async def add_feed(request: Request) -> Response:
        """Makes a link to one unit's roster for a phone. Asked twice, it makes two: each can be revoked."""
        caller = await desk.auth.caller(request)
        idempotency_key(request)
        read = Fields(await read_object(request), "unit", "name")
        unit, name = read.unit("unit", caller), read.text("name", required=True)
        read.done()
        feed, secret = await feeds.create(database, name or "", unit, caller.account.actor, time.now())
        return JSONResponse(feed_json(feed) | {"path": f"/feeds/rosters/{secret}.ics"}, 201)

    @routes.post(
        "/api/v1/rosters/feeds/{feed}/revocation",
        dependencies=[allowed(Action.ROSTER)],
        responses=openapi.answers("Feed", 404, 408, 413),
        openapi_extra=openapi.secured(openapi.IDEMPOTENCY_KEY, body="Empty"),
    )
    async def revoke_feed(request: Request, feed: str) -> Response:
        """Ends a link for good."""
        caller = await desk.auth.caller(request)
        idempotency_key(request)
        await read_object(request)
        number = path_number(feed)
        async with database.snapshot() as connection:
            mine = {each.id for each in await feeds.feeds(connection, caller.scope)}
        found = await feeds.revoke(database, number, time.now()) if number in mine else None
        if found is None:
            raise not_found()
        return JSONResponse(feed_json(found))

    return routes


def feed_json(feed: feeds.Feed) -> Json:
    """A link, without its secret."""
    return {
        "id": feed.id,
        "name": feed.name,
        "unit": feed.unit,
        "author": feed.author,
        "created_at": rfc3339(feed.created_at),
        "revoked_at": maybe_rfc3339(feed.revoked_at),
    }
