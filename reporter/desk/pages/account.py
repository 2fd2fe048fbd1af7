"""One's own account: changing the password, seeing and ending one's sessions."""

from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from reporter.core.terms import AccountRole
from reporter.desk import session
from reporter.desk.auth import Action, Caller
from reporter.desk.pages import Page, framed, show
from reporter.desk.pages.setup import chosen
from reporter.desk.pages.sign_in import check_password
from reporter.desk.problems import HttpProblem, forbidden
from reporter.desk.services import Desk
from reporter.store import accounts, passwords, sessions
from reporter.store.passwords import PasswordRefused
from reporter.store.sessions import SessionRow


@dataclass(frozen=True, slots=True)
class AccountPage:
    """`current` is the number of the session that asks; `visits` is empty for a token's holder."""

    login: str
    display_name: str
    role: AccountRole
    unit: str
    is_person: bool
    must_change: bool
    least: int
    visits: tuple[SessionRow, ...]
    current: int | None
    refused: str | None
    is_changed: bool


async def _page(request: Request, desk: Desk) -> Response:
    return await _show(request, desk, await _caller(request, desk))


async def _change(request: Request, desk: Desk) -> Response:
    caller = await _caller(request, desk)
    if not caller.account.is_person:
        raise forbidden("令牌没有口令 / a token has no password")
    fields = await session.read_form(request)
    account = caller.account
    try:
        person = await check_password(request, desk, account.name, fields.get("current", ""))
        password = chosen(fields, account.name, account.display_name)
        if password == fields.get("current"):
            raise PasswordRefused("新口令与原口令相同 / the new password is the old one")
    except HttpProblem as problem:
        return await _show(request, desk, caller, refused=problem.detail, status=problem.status)
    except PasswordRefused as why:
        return await _show(request, desk, caller, refused=str(why), status=422)
    hashed = await desk.sign_ins.passwords.hashed(password)
    now = desk.services.time.now()
    async with desk.services.database.transaction() as connection:
        await accounts.set_password(connection, person, hashed, now, account.actor, must_change=False)
    # Every session is over now, this one too: whoever had stolen it is out.
    answer = RedirectResponse(f"/account?changed=1&lang={session.language_of(request, desk)}", 303)
    session.begin(answer, request, await session.start(request, desk, account, caller.unit))
    return answer


async def _end_sessions(request: Request, desk: Desk) -> Response:
    caller = await _caller(request, desk)
    named = (await session.read_form(request)).get("session", "")
    person_id = caller.account.person_id
    if person_id is not None:
        only = int(named) if named.isascii() and named.isdecimal() and len(named) < 10 else None
        if only is not None or named == "others":
            now = desk.services.time.now()
            async with desk.services.database.transaction() as connection:
                await sessions.end_all(connection, person_id, now, only=only, but=caller.session_id or 0)
            desk.auth.forget()
    return RedirectResponse(f"/account?lang={session.language_of(request, desk)}", 303)


async def _caller(request: Request, desk: Desk) -> Caller:
    return await desk.auth.caller(request)


async def _show(
    request: Request, desk: Desk, caller: Caller, *, refused: str | None = None, status: int = 200
) -> Response:
    account = caller.account
    visits: list[SessionRow] = []
    if account.person_id is not None:
        async with desk.services.database.snapshot() as connection:
            visits = await sessions.listed(connection, account.person_id, desk.services.time.now())
    context = AccountPage(
        login=account.name,
        display_name=account.title,
        role=account.role,
        unit=caller.tree.node(caller.unit).name,
        is_person=account.is_person,
        must_change=account.must_change,
        least=passwords.CHARS_MIN,
        visits=tuple(visits),
        current=caller.session_id,
        refused=refused,
        is_changed="changed" in request.query_params and refused is None,
    )
    language = session.language_of(request, desk)
    return show(desk, "pages/account.html", language, context, status, framed(request, caller))


PAGES = (
    Page("/account", _page, right=Action.SELF),
    Page("/account/password", _change, "POST", right=Action.SELF),
    Page("/account/sessions", _end_sessions, "POST", right=Action.SELF),
)
