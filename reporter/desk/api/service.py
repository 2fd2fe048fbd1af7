"""What machines ask of the service itself, without a token: health, metrics, and what it speaks."""

import logging

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from reporter import metrics
from reporter.core.instants import rfc3339
from reporter.desk.asyncapi import document
from reporter.desk.auth import Action
from reporter.desk.doors import allowed
from reporter.desk.schemas import ref
from reporter.desk.services import Desk, Services

log = logging.getLogger(__name__)


def router(desk: Desk) -> APIRouter:
    """The public routes."""
    routes = probes(desk.services)
    asyncapi = document()

    @routes.get("/asyncapi.json", responses={200: {"description": "AsyncAPI 3.0."}})
    async def show_asyncapi() -> Response:
        """What goes in and out over NATS."""
        return JSONResponse(asyncapi)

    return routes


def probes(services: Services) -> APIRouter:
    """The routes of every process, whatever its roles: health and metrics."""
    routes = APIRouter(tags=["service"], dependencies=[allowed(Action.PUBLIC)])

    @routes.get("/healthz", responses={200: _json("The process answers.", "Health")})
    async def healthz() -> Response:
        """Whether the process is alive; says nothing of what it depends on."""
        return JSONResponse({"status": "ok"})

    @routes.get(
        "/readyz",
        responses={
            200: _json("Ready, perhaps degraded: without the broker the desk works.", "Health"),
            503: _json("The database is unusable, or its schema is another version's.", "Health"),
        },
    )
    async def readyz() -> Response:
        """Whether it can do its work; `now` is the service's time (a demo's runs apart from ours)."""
        now = rfc3339(services.time.now())
        try:
            checks = dict(await services.health())
        except Exception:
            log.exception("the checks of /readyz failed")
            checks = {"checks": {"ok": False}}
        if not checks.get("database", {}).get("ok"):
            return JSONResponse({"status": "unavailable", "now": now, "checks": checks}, 503)
        is_well = all(check.get("ok") for check in checks.values())
        return JSONResponse({"status": "ok" if is_well else "degraded", "now": now, "checks": checks})

    @routes.get(
        "/metrics",
        responses={
            200: {
                "description": "OpenMetrics text.",
                "content": {"application/openmetrics-text": {"schema": {"type": "string"}}},
            }
        },
    )
    async def show_metrics() -> Response:
        """Every metric, as OpenMetrics."""
        return Response(metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})

    return routes


def _json(description: str, schema: str) -> dict[str, object]:
    return {"description": description, "content": {"application/json": {"schema": ref(schema)}}}
