"""A board's stream of server-sent events, as an ASGI answer: it ends with its client, its rights or the service."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from reporter.desk.live.hub import Client, Hub

SEND_S_MAX: Final = 20.0
"""A connection that takes nothing for so long is dead: its browser has gone without a word."""
RECHECK_S: Final = 10.0


class EventStream(Response):
    """Sends what the hub tells the client.

    `may_stay` is asked every ten seconds whether the reader may still see this; once not, `bye` is sent, and
    the browser asks for the page anew.
    """

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, client: Client, may_stay: Callable[[], Awaitable[bool]], bye: bytes) -> None:
        self._hub = hub
        self._client = client
        self._may_stay = may_stay
        self._bye = bye
        self.status_code = 200
        self.background = None
        self.init_headers({"X-Accel-Buffering": "no"})
        # The length that an empty body has is not the stream's.
        self.raw_headers = [each for each in self.raw_headers if each[0] != b"content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        is_dead = False
        try:
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._listen(receive))
                try:
                    await self._pump(send)
                finally:
                    listening.cancel()
        except* TimeoutError:
            is_dead = True
        finally:
            self._hub.leave(self._client)
        if is_dead:
            raise ClientDisconnect

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._client.end()

    async def _pump(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        checked_at = monotonic()
        while (message := await self._client.queue.get()) is not None:
            if monotonic() - checked_at >= RECHECK_S:
                if not await self._may_stay():
                    message, self._client.is_over = self._bye, True
                checked_at = monotonic()
            async with asyncio.timeout(SEND_S_MAX):
                await send({"type": "http.response.body", "body": message, "more_body": True})
            if self._client.is_over and self._client.queue.empty():
                break
        await send({"type": "http.response.body", "body": b"", "more_body": False})
