"""The outermost layer: stamps the arrival, refuses what another site sends, bounds the body, guards every answer,
counts it, and lets no exception out.
"""

import logging
import time
from email.utils import format_datetime
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reporter import metrics
from reporter.desk.bodies import BOUND, Bound
from reporter.desk.problems import as_response, forbidden, internal
from reporter.desk.session import comes_from_elsewhere
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

_PERMISSIONS: Final = ", ".join(
    [
        *(
            f"{each}=()"
            for each in ("camera", "geolocation", "microphone", "payment", "usb", "display-capture")
        ),
        *(f"{each}=(self)" for each in ("autoplay", "fullscreen", "screen-wake-lock")),
    ]
)
"""What a page may ask of the browser: a board sounds alarms, fills the screen and keeps it awake."""
_TLS_ONLY: Final = "max-age=31536000"
_SAFE: Final = ("GET", "HEAD", "OPTIONS")

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
        bound = Bound(receive)
        scope = {**scope, ARRIVED: arrived, BOUND: bound, "method": "GET" if method == "HEAD" else method}
        status = 0

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._guard(MutableHeaders(scope=message), is_tls=scope["scheme"] == "https")
            await send(message)

        try:
            if method not in _SAFE and _is_forged(Headers(scope=scope)):
                refused = forbidden("请求来自其他网站 / the request was sent by another site")
                await as_response(refused)(scope, receive, guarded)
            else:
                await self._app(scope, bound, guarded)
        except ClientDisconnect:
            log.info("the client of %s %s went away", method, scope["path"])
        except Exception:
            log.exception("a bug while answering %s %s", method, scope["path"])
            if status == 0:
                await internal()(scope, receive, guarded)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            known = method if method in ("GET", "HEAD", "POST", "PUT") else "other"
            metrics.HTTP_REQUESTS.labels(known, route, str(status)).inc()
            if route != STREAM:
                metrics.HTTP_SPAN.labels(route).observe(time.monotonic() - began)

    def _guard(self, headers: MutableHeaders, *, is_tls: bool) -> None:
        is_page = headers.get("content-type", "").startswith("text/html")
        headers["Content-Security-Policy"] = _PAGE_POLICY if is_page else _API_POLICY
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        # Not `no-referrer`: under it a browser says `Origin: null` of our own forms, and where there is no TLS
        # it says nothing else of where they come from.
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = _PERMISSIONS
        if is_tls:
            headers["Strict-Transport-Security"] = _TLS_ONLY
        headers.setdefault("Cache-Control", "no-store")
        headers["Date"] = format_datetime(self._time.to_real(self._time.now()), usegmt=True)


def _is_forged(headers: Headers) -> bool:
    """Whether another site may be using the reader's cookie: a token is never sent by a browser of itself."""
    return not headers.get("authorization", "").lower().startswith("bearer ") and comes_from_elsewhere(
        headers
    )
