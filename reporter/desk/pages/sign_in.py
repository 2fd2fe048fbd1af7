"""Signing in with a token, and out."""

from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from reporter.desk import session
from reporter.desk.pages import Page, framed, show
from reporter.desk.problems import HttpProblem
from reporter.desk.services import Desk


@dataclass(frozen=True, slots=True)
class SignInPage:
    """`refused` is the reason for which the last try was refused, if it was."""

    refused: str | None


async def _form(request: Request, desk: Desk) -> Response:
    language = session.language_of(request, desk)
    return show(desk, "pages/sign_in.html", language, SignInPage(None), frame=framed(request, None))


async def _sign_in(request: Request, desk: Desk) -> Response:
    session.require_same_origin(request)
    language = session.language_of(request, desk)
    secret = (await session.read_form(request)).get("token", "").strip()
    try:
        await desk.auth.check(request, secret)
    except HttpProblem as problem:
        answer: Response = show(
            desk,
            "pages/sign_in.html",
            language,
            SignInPage(problem.detail),
            problem.status,
            framed(request, None),
        )
        answer.headers.update(problem.headers)
        return answer
    answer = RedirectResponse(f"/?lang={language}", 303)
    session.begin(answer, request, secret)
    return answer


async def _sign_out(request: Request, desk: Desk) -> Response:
    session.require_same_origin(request)
    answer = RedirectResponse(f"/sign-in?lang={session.language_of(request, desk)}", 303)
    session.end(answer, request)
    return answer


PAGES = (
    Page("/sign-in", _form),
    Page("/sign-in", _sign_in, "POST"),
    Page("/sign-out", _sign_out, "POST"),
)
