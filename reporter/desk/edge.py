"""The outermost layer: stamps the arrival, guards every answer, counts it, and lets no exception out."""

import logging
import time
from email.utils import format_datetime
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reporter import metrics
from reporter.desk.problems import internal
from reporter.timesource import TimeSource

ARRIVED: Final = "reporter.received_at"
"""Where in the ASGI scope a request's arrival stands: the instant at which its header was complete."""

STREAM: Final = "/events"
"""How long a board stands open is no measure of anything."""

_API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

log = logging.getLogger(__name__)


class Edge:
    """ASGI middleware; HEAD is answered as GET (the server leaves the body out)."""

    def __init__(self, app: ASGIApp, time_source: TimeSource) -> None:
        self._app = app
        self._time = time_source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        arrived = self._time.now()
        method = scope["method"]
        scope = {**scope, ARRIVED: arrived, "method": "GET" if method == "HEAD" else method}
        status = 0

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._guard(MutableHeaders(scope=message))
            await send(message)

        try:
            await self._app(scope, receive, guarded)
        except ClientDisconnect:
            log.info("the client of %s %s went away", method, scope["path"])
        except Exception:
            log.exception("a bug while answering %s %s", method, scope["path"])
            if status == 0:
                await internal()(scope, receive, guarded)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            known = method if method in ("GET", "HEAD", "POST") else "other"
            metrics.HTTP_REQUESTS.labels(known, route, str(status)).inc()
            if route != STREAM:
                metrics.HTTP_SPAN.labels(route).observe(time.monotonic() - began)

    def _guard(self, headers: MutableHeaders) -> None:
        is_page = headers.get("content-type", "").startswith("text/html")
        headers["Content-Security-Policy"] = _PAGE_POLICY if is_page else _API_POLICY
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Referrer-Policy"] = "no-referrer"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers.setdefault("Cache-Control", "no-store")
        headers["Date"] = format_datetime(self._time.to_real(self._time.now()), usegmt=True)
