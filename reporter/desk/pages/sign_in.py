"""Signing in with login and password (or, for keepers of programs, a token), and out.

A name nobody has takes as long and is answered as a wrong password. Failures are counted per login and address
together, per address, and per login; the last does not shut out whoever has signed in from this address before,
so that strangers who guess cannot keep an officer from the desk.
"""

from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from reporter import metrics
from reporter.desk import session
from reporter.desk.auth import Action, address_of, cookie_name
from reporter.desk.pages import Page, framed, show
from reporter.desk.problems import HttpProblem
from reporter.desk.services import Desk
from reporter.store import accounts, desk_log, sessions, tokens
from reporter.store.accounts import PersonRow


@dataclass(frozen=True, slots=True)
class SignInPage:
    """`refused` is why the last try was refused, if it was; `next` the path to go on to."""

    refused: str | None
    login: str
    next: str


async def _form(request: Request, desk: Desk) -> Response:
    following = session.local_path(request.query_params.get("next", "/"))
    language = session.language_of(request, desk)
    context = SignInPage(None, "", following)
    return show(desk, "pages/sign_in.html", language, context, frame=framed(request, None))


async def _sign_in(request: Request, desk: Desk) -> Response:
    language = session.language_of(request, desk)
    fields = await session.read_form(request)
    following = session.local_path(fields.get("next", "/"))
    login = fields.get("login", "").strip()[: accounts.LOGIN_CHARS_MAX]
    try:
        if "token" in fields:
            secret = await _with_token(request, desk, fields["token"].strip())
        else:
            person = await check_password(request, desk, login, fields.get("password", ""))
            secret = await session.start(request, desk, person.account, person.unit)
    except HttpProblem as problem:
        context = SignInPage(problem.detail, login, following)
        frame = framed(request, None)
        refused: Response = show(desk, "pages/sign_in.html", language, context, problem.status, frame)
        refused.headers.update(problem.headers)
        return refused
    answer = RedirectResponse(f"{following}?lang={language}", 303)
    session.begin(answer, request, secret)
    return answer


async def check_password(request: Request, desk: Desk, login: str, password: str) -> PersonRow:
    """The person whose login and password these are. Errors: 401, and 429 after too many wrong ones."""
    key, address = accounts.login_key(login), address_of(request)
    limits = desk.sign_ins
    async with desk.services.database.snapshot() as connection:
        found = await accounts.kept_password(connection, login)
        is_at_home = found is not None and await sessions.has_come_from(connection, found[0].id, address)
    counted = [(limits.by_both, f"{key}\n{address}"), (limits.by_address, address)]
    if not is_at_home:
        counted.append((limits.by_login, key))
    # Counted before the password is looked at, so that a thousand tries at once are not a thousand hashes.
    waits = [wait_s for failures, each in counted if (wait_s := failures.count(each)) is not None]
    if waits:
        detail = "尝试过多，请稍后再试 / too many tries: wait"
        raise HttpProblem(429, "too_many_requests", detail, headers={"Retry-After": str(max(waits))})
    person, kept = found or (None, None)
    if await limits.passwords.matches(password, kept) and person is not None:
        limits.by_both.forgive(f"{key}\n{address}")
        for failures, each in counted[1:]:
            failures.take_back(each)
        return person
    metrics.AUTH_FAILURES.inc()
    async with desk.services.database.transaction() as connection:
        unit = person.unit if person is not None else None
        details = {"address": address}
        now = desk.services.time.now()
        await desk_log.record(connection, now, "", desk_log.REFUSED, login, details, unit=unit)
    raise HttpProblem(401, "unauthorized", "登录名或口令不对 / the login or the password is wrong")


async def _with_token(request: Request, desk: Desk, token: str) -> str:
    caller = await desk.auth.check(request, token)
    async with desk.services.database.snapshot() as connection:
        token_id = await tokens.number(connection, token)
    return await session.start(request, desk, caller.account, caller.unit, token_id=token_id)


async def _sign_out(request: Request, desk: Desk) -> Response:
    caller = await session.visitor(request, desk)
    secret = request.cookies.get(cookie_name(request))
    if caller is not None and secret:
        now = desk.services.time.now()
        async with desk.services.database.transaction() as connection:
            await sessions.end(connection, secret, now)
            account = caller.account
            await desk_log.record(
                connection, now, account.actor, desk_log.SIGNED_OUT, account.name, unit=caller.unit
            )
        desk.auth.forget()
    answer = RedirectResponse(f"/sign-in?lang={session.language_of(request, desk)}", 303)
    session.end(answer, request)
    return answer


PAGES = (
    Page("/sign-in", _form, right=Action.PUBLIC),
    Page("/sign-in", _sign_in, "POST", right=Action.PUBLIC),
    Page("/sign-out", _sign_out, "POST", right=Action.PUBLIC),
)
