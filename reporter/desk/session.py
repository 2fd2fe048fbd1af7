"""A person's visit in a browser: the token's secret, in a cookie no script reads and no other site sends."""

from typing import Final
from urllib.parse import parse_qs, urlsplit

from fastapi import Request
from fastapi.responses import Response

from reporter.desk.auth import Caller
from reporter.desk.bodies import read_bounded
from reporter.desk.frame import LANGUAGE_COOKIE
from reporter.desk.problems import forbidden
from reporter.desk.services import Desk
from reporter.render import LANGUAGES

COOKIE: Final = "reporter_session"
_FORM_BYTES_MAX: Final = 4096


async def visitor(request: Request, desk: Desk) -> Caller | None:
    """Whoever is signed in."""
    secret = request.cookies.get(COOKIE)
    return await desk.auth.known(secret) if secret else None


def begin(response: Response, request: Request, secret: str) -> None:
    """Signs in for as long as the browser is open."""
    response.set_cookie(
        COOKIE, secret, path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )


def end(response: Response, request: Request) -> None:
    """Signs out."""
    response.delete_cookie(
        COOKIE, path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )


def require_same_origin(request: Request) -> None:
    """Refuses a form that another site has sent. Errors: 403.

    A browser says where a form comes from, by `Sec-Fetch-Site` or `Origin`; what says neither is no browser.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        is_ours = site in ("same-origin", "none")
    else:
        is_ours = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not is_ours:
        raise forbidden("表单来自其他网站 / the form was sent by another site")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a small form. Errors: 413, 408."""
    body = await read_bounded(request, _FORM_BYTES_MAX)
    fields = parse_qs(body.decode("utf-8", errors="replace"), max_num_fields=20)
    return {name: values[-1] for name, values in fields.items()}


def language_of(request: Request, desk: Desk) -> str:
    """`?lang=`, else what the reader chose last, else the default of the installation."""
    for asked in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if asked in LANGUAGES:
            return asked
    return desk.services.language
