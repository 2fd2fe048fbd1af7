"""Reading request bodies: raw, bounded in size and time, and as strict I-JSON.

No route gets more than `BODY_BYTES_MAX`, however it reads, unless it says so with `allow`.
"""

import asyncio
from typing import Final

from fastapi import Request
from starlette.types import Message, Receive

from reporter.core.command import Problem
from reporter.core.ijson import BODY_BYTES_MAX, NotIJson, loads
from reporter.desk.problems import HttpProblem, unfit

BODY_WAIT_S: Final = 10.0
"""A request has arrived with its header, so nobody may hold back the body until after a deadline."""

BOUND: Final = "reporter.body"
"""Where in the ASGI scope a request's bound stands."""


class Bound:
    """An ASGI `receive` that lets through so many bytes of a body. Errors: 413 past that."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._count = 0
        self.limit = BODY_BYTES_MAX

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._count += len(message.get("body", b""))
            if self._count > self.limit:
                raise _too_large(self.limit)
        return message


def allow(request: Request, limit: int) -> None:
    """Lets this request's body be as large as `limit` bytes: to be called before any of it is read."""
    bound = request.scope[BOUND]
    assert isinstance(bound, Bound)  # noqa: S101 - `edge` has put it there
    bound.limit = limit


async def read_bounded(request: Request, limit: int = BODY_BYTES_MAX) -> bytes:
    """The body. Errors: 413 past `limit` bytes, 408 if it has not come in `BODY_WAIT_S` seconds."""
    allow(request, limit)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WAIT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise HttpProblem(
            408, "request_timeout", "请求正文未及时到达 / the body did not come in time"
        ) from None
    return bytes(body)


async def read_object(request: Request) -> dict[str, object]:
    """The body as a JSON object; an empty one is an empty object. Errors: 413, 408, 422 with the path."""
    body = await read_bounded(request)
    if not body.strip():
        return {}
    try:
        value = loads(body)
    except NotIJson as error:
        raise unfit([Problem(error.path, error.message)], "not_json") from None
    if not isinstance(value, dict):
        raise unfit([Problem("", "必须是 JSON 对象 / must be a JSON object")], "not_json")
    return value


def _too_large(limit: int) -> HttpProblem:
    return HttpProblem(
        413, "content_too_large", f"正文超过 {limit} 字节 / the body is larger than {limit} bytes"
    )
