"""A person's visit in a browser: a cookie no script reads, and the small things that all pages need."""

from typing import Final
from urllib.parse import parse_qs, urlsplit

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import Headers

from reporter.desk.auth import COOKIE, Caller, address_of, cookie_name
from reporter.desk.bodies import read_bounded
from reporter.desk.frame import LANGUAGE_COOKIE
from reporter.desk.services import Desk
from reporter.render import LANGUAGES
from reporter.store import desk_log, sessions
from reporter.store.tokens import Account

__all__ = [
    "COOKIE",
    "begin",
    "comes_from_elsewhere",
    "end",
    "language_of",
    "local_path",
    "read_form",
    "start",
    "visitor",
]

_FORM_BYTES_MAX: Final = 4096
_FIELDS_MAX: Final = 20


async def visitor(request: Request, desk: Desk) -> Caller | None:
    """Whoever is signed in; looked up at most once a second, so a long answer may ask again and again."""
    secret = request.cookies.get(cookie_name(request))
    return await desk.auth.visitor(secret) if secret else None


async def start(
    request: Request, desk: Desk, account: Account, unit: str, *, token_id: int | None = None
) -> str:
    """Begins a visit, of a person or of a token's holder; the browser's one before is over. Returns its secret."""
    before = request.cookies.get(cookie_name(request))
    now = desk.services.time.now()
    address = address_of(request)
    async with desk.services.database.transaction() as connection:
        if before:
            await sessions.end(connection, before, now)
        secret = await sessions.begin(
            connection,
            now,
            account_id=account.person_id,
            token_id=token_id,
            address=address,
            agent=request.headers.get("user-agent", ""),
        )
        details = {"address": address}
        await desk_log.record(
            connection, now, account.actor, desk_log.SIGNED_IN, account.name, details, unit=unit
        )
    desk.auth.forget()
    return secret


def begin(response: Response, request: Request, secret: str) -> None:
    """Hands the session's secret to the browser, for as long as a session may last."""
    response.set_cookie(
        cookie_name(request),
        secret,
        path="/",
        max_age=int(sessions.LONGEST_SPAN.total_seconds()),
        httponly=True,
        samesite="lax",  # a link in a notice has to find its reader signed in
        secure=request.url.scheme == "https",
    )


def end(response: Response, request: Request) -> None:
    """Takes the cookie back."""
    response.delete_cookie(
        cookie_name(request), path="/", httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )


def comes_from_elsewhere(headers: Headers) -> bool:
    """Whether another site has made the browser send this.

    A browser says where a request comes from, by `Sec-Fetch-Site` (to trustworthy addresses only) or by
    `Origin`; what says neither is no browser.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def local_path(path: str) -> str:
    """A path of this site, or `/` for anything else: where to go on after signing in."""
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_ours else "/"


async def read_form(request: Request, limit: int = _FORM_BYTES_MAX) -> dict[str, str]:
    """The fields of a small form, of at most `limit` bytes. Errors: 413, 408."""
    body = await read_bounded(request, limit)
    fields = parse_qs(body.decode("utf-8", errors="replace"), max_num_fields=_FIELDS_MAX)
    return {name: values[-1] for name, values in fields.items()}


def language_of(request: Request, desk: Desk) -> str:
    """`?lang=`, else what the reader chose last, else the default of the installation."""
    for asked in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if asked in LANGUAGES:
            return asked
    return desk.services.language
