"""The pages: one file each, found by walking this folder; to add a page, drop a file with `PAGES` in it.

A page's context is a frozen dataclass beside its view; its fields are all that its template may use.
"""

import pkgutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from reporter.desk.auth import Action, Caller, Right
from reporter.desk.doors import Door
from reporter.desk.frame import LANGUAGE_COOKIE, LANGUAGE_COOKIE_S, NOBODY, Frame, frame_of
from reporter.desk.problems import HttpProblem, SeeOther, forbidden
from reporter.desk.services import Desk, desk_of
from reporter.desk.session import language_of
from reporter.render import LANGUAGES

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class View(Protocol):
    """Answers one request for a page."""

    def __call__(self, request: Request, desk: Desk) -> Awaitable[Response]: ...


@dataclass(frozen=True, slots=True)
class Page:
    """One route of a page, and the right that opens it.

    Without a right named, whoever may read may get it; what changes something has to name one, or it is
    refused to everybody.
    """

    route: str
    view: View
    method: str = "GET"
    right: Right | None = None

    @property
    def door(self) -> Callable[[Request], Awaitable[None]]:
        """What stands before it."""
        if self.right is not None:
            return Door(self.right, is_page=True)
        return Door(Action.READ, is_page=True) if self.method == "GET" else _closed


async def _closed(_: Request) -> None:
    raise forbidden("此操作未声明权限 / nobody has said who may do this")


def find_pages() -> Iterator[Page]:
    """Every page in this folder."""
    for module in pkgutil.iter_modules(__path__):
        yield from import_module(f"{__name__}.{module.name}").PAGES


def framed(request: Request, caller: Caller | None) -> Frame:
    """The frame of the page that answers `request`: pass it to `show`."""
    return frame_of(request, caller, _routes(), desk_of(request).hub.troubles)


def show(
    desk: Desk,
    template: str,
    language: str,
    context: "DataclassInstance",
    status: int = 200,
    frame: Frame = NOBODY,
) -> HTMLResponse:
    """The page, rendered from its context within its frame."""
    values = {each.name: getattr(context, each.name) for each in fields(context)}
    answer = HTMLResponse(desk.renderer.render(template, language=language, frame=frame, **values), status)
    if frame.chosen_language in LANGUAGES:
        answer.set_cookie(
            LANGUAGE_COOKIE, frame.chosen_language, max_age=LANGUAGE_COOKIE_S, path="/", samesite="lax"
        )
    return answer


@cache
def _routes() -> frozenset[str]:
    return frozenset(page.route for page in find_pages() if page.method == "GET")


@dataclass(frozen=True, slots=True)
class RefusedPage:
    """Why there is no such page for the reader, or not now."""

    status: int
    heading: str
    errors: tuple[str, ...]


_SIGNED_IN_SEE: Final = frozenset({403, 404, 405, 409, 413, 422})
"""Problems that say nothing about who is asking: the page around them is the reader's own."""


def refusals(desk: Desk) -> Callable[[Request, HttpProblem], Awaitable[Response]]:
    """How a problem is shown to somebody with a browser: in their language, with their way back."""

    async def as_page(request: Request, problem: HttpProblem) -> Response:
        language, caller = language_of(request, desk), None
        if problem.status in _SIGNED_IN_SEE:
            with suppress(HttpProblem, SeeOther):
                caller = await desk.auth.caller(request)
        errors = tuple(f"{each.path}: {_one_of(each.message, language)}" for each in problem.errors)
        answer = show(
            desk,
            "pages/refused.html",
            language,
            RefusedPage(problem.status, _one_of(problem.detail, language), errors),
            problem.status,
            framed(request, caller),
        )
        answer.headers.update(problem.headers)
        return answer

    return as_page


def _one_of(words: str, language: str) -> str:
    """The half of a problem's words that the reader reads: `中文 / English`."""
    zh, _, en = words.partition(" / ")
    return (en or zh) if language == "en" else zh


def bound(page: Page, desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """The page's view as a route of the application."""

    async def view(request: Request) -> Response:
        return await page.view(request, desk)

    return view
