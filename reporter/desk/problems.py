"""Errors as RFC 9457 problems: one exception, one shape, whoever raised it.

`{"type", "title", "status", "detail", "code", "errors": [{"path", "message"}]}`; `type` is
`urn:reporter:problem:<code>`, and `code` is what programs should look at.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

from reporter.core.command import Problem

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:reporter:problem:"

FRAMEWORK_WORDS = {
    404: "没有找到 / not found",
    405: "此处不接受这种请求 / such a request is not taken here",
}
"""What is said where the framework itself finds no route."""

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

log = logging.getLogger(__name__)


class HttpProblem(Exception):
    """What a route raises to answer with a problem. `detail` is for a person: Chinese first, then English."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Iterable[Problem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class SeeOther(Exception):
    """What a door or a view raises to send a browser to another page of ours."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


def unfit(errors: Sequence[Problem], code: str = "invalid") -> HttpProblem:
    """422: every part of the request that cannot be used, by its path."""
    return HttpProblem(422, code, "请求内容有误 / the request cannot be used", errors)


def not_found() -> HttpProblem:
    """404, the same whether a thing does not exist or is not the caller's to see."""
    return HttpProblem(404, "not_found", "没有找到 / not found")


def forbidden(detail: str) -> HttpProblem:
    """403: known, and not allowed."""
    return HttpProblem(403, "forbidden", detail)


def conflict(detail: str) -> HttpProblem:
    """409: the command does not fit the incident as it stands."""
    return HttpProblem(409, "conflict", detail)


def as_response(problem: HttpProblem) -> Response:
    """The answer that says it."""
    document = {
        "type": TYPE_PREFIX + problem.code,
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "errors": [{"path": each.path, "message": each.message} for each in problem.errors],
    }
    body = json.dumps(document, ensure_ascii=False).encode()
    return Response(body, problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def internal() -> Response:
    """500 without a word of what went wrong inside: that is in the log."""
    return as_response(
        HttpProblem(500, "internal", "内部错误，已记录 / an internal error; it has been logged")
    )


def install(
    app: FastAPI, as_page: Callable[[Request, HttpProblem], Awaitable[Response]] | None = None
) -> None:
    """Makes every error of the application a problem, those of the framework too; for a reader of pages `as_page`,
    where there are pages.
    """

    async def answered(request: Request, problem: HttpProblem) -> Response:
        if as_page is not None and "text/html" in request.headers.get("accept", ""):
            return await as_page(request, problem)
        return as_response(problem)

    async def raised(request: Request, error: Exception) -> Response:
        assert isinstance(error, HttpProblem)  # noqa: S101 - what it is registered for
        return await answered(request, error)

    async def elsewhere(_: Request, error: Exception) -> Response:
        assert isinstance(error, SeeOther)  # noqa: S101 - what it is registered for
        return RedirectResponse(error.location, 303)

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_methods(app, request))
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        detail = FRAMEWORK_WORDS.get(error.status_code, str(error.detail))
        return await answered(request, HttpProblem(error.status_code, code, detail, headers=headers))

    async def database(request: Request, error: Exception) -> Response:
        log.error("the database cannot be used: %s", error)
        detail = "数据库暂不可用，请稍后重试 / the database cannot be used at the moment: try again"
        return await answered(
            request, HttpProblem(503, "database_unavailable", detail, headers={"Retry-After": "2"})
        )

    app.add_exception_handler(HttpProblem, raised)
    app.add_exception_handler(SeeOther, elsewhere)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(PoolTimeout, database)
    app.add_exception_handler(OperationalError, database)
    app.add_exception_handler(InterfaceError, database)


def _methods(app: FastAPI, request: Request) -> list[str]:
    """What may be asked of the request's path. The framework names the methods of one route, and a path may have
    several.
    """
    scope = {name: request.scope[name] for name in ("type", "path", "root_path")}
    routes = [
        route for route in app.routes if not isinstance(route, Mount)
    ]  # which leaves methods to its files
    found = [
        method
        for method in _METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    if not found or "GET" in found:
        return ["GET", "HEAD", *(method for method in found if method != "GET")]
    return found
