"""The application: every route, built from the services it is handed."""

import os

from fastapi import Depends, FastAPI
from starlette.responses import Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Scope

from reporter import __version__
from reporter.desk import openapi, problems
from reporter.desk.api import (
    audit,
    channels,
    commands,
    incidents,
    oversight,
    receipts,
    rollcalls,
    rosterchanges,
    rosterfeeds,
    rosters,
    service,
)
from reporter.desk.auth import Authenticator
from reporter.desk.edge import Edge
from reporter.desk.live.hub import Hub
from reporter.desk.pages import bound, find_pages, refusals
from reporter.desk.services import Desk, Services
from reporter.render import Renderer
from reporter.resources import templates_dir
from reporter.store.editions import Editions


def create_app(services: Services) -> FastAPI:
    """The desk and the HTTP API as one ASGI application. It starts and stops nothing: `app.state.hub` has to be
    run for boards to live, and closed before the server is stopped.
    """
    renderer = Renderer(services.zone, services.language)
    editions = Editions()
    hub = Hub(services.database, services.time, renderer, editions, services.troubles, services.changed)
    desk = Desk(services, Authenticator(services.database, services.time), renderer, editions, hub)
    app = FastAPI(
        title="Reporter",
        version=__version__,
        docs_url=None,  # its pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.desk = desk
    app.state.hub = hub
    problems.install(app, refusals(desk))
    openapi.install(app)
    app.add_middleware(Edge, time_source=services.time)
    for part in (
        incidents,
        commands,
        audit,
        oversight,
        channels,
        rosters,
        rosterchanges,
        rosterfeeds,
        rollcalls,
        receipts,
        service,
    ):
        app.include_router(part.router(desk))
    for page in find_pages():
        app.add_api_route(
            page.route,
            bound(page, desk),
            methods=[page.method],
            dependencies=[Depends(page.door)],
            include_in_schema=False,
        )
    app.mount("/static", _Static(directory=templates_dir() / "static"), name="static")
    return app


class _Static(StaticFiles):
    """Files that a browser may keep but asks about each time: after an upgrade nobody sees yesterday's page."""

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers["Cache-Control"] = "no-cache"
        return answer
