"""The administrators' page: people's accounts within one's subtree, made, changed, shut."""

from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response

from reporter.core.terms import AccountRole
from reporter.desk import session
from reporter.desk.auth import Action, Caller
from reporter.desk.pages import Page, framed, show
from reporter.desk.problems import conflict, forbidden, not_found
from reporter.desk.services import Desk
from reporter.store import accounts, passwords
from reporter.store.accounts import AccountRefused, NewPerson, PersonRow


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account. `is_own`: the reader's, which cannot be shut here."""

    person: PersonRow
    role: AccountRole
    unit: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class AccountsPage:
    """`handed` is a login and its new password, shown this once; `typed` what the refused form held."""

    lines: tuple[AccountLine, ...]
    roles: tuple[AccountRole, ...]
    units: tuple[tuple[str, str], ...]
    refused: str | None
    handed: tuple[str, str] | None
    typed: dict[str, str]


async def _page(request: Request, desk: Desk) -> Response:
    return await _show(request, desk, await desk.auth.caller(request))


async def _create(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    fields = await session.read_form(request)
    unit = caller.tree.resolve(fields.get("unit", ""))
    if unit is not None and unit not in caller.tree.subtree(caller.unit):
        raise forbidden("该单位不在您的管辖范围 / that unit is not within yours")
    password = passwords.made_up()
    new = NewPerson(
        login=fields.get("login", ""),
        display_name=fields.get("display_name", ""),
        role=fields.get("role", ""),
        unit=fields.get("unit", ""),
        phone=fields.get("phone", ""),
        password_hash=await desk.sign_ins.passwords.hashed(password),
        must_change=True,
    )
    try:
        async with desk.services.database.transaction() as connection:
            person = await accounts.create(connection, new, desk.services.time.now(), caller.account.actor)
    except AccountRefused as why:
        return await _show(request, desk, caller, refused=str(why), typed=fields)
    return await _show(request, desk, caller, handed=(person.login, password))


async def _change(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    number = request.path_params["account_id"]
    asked = (await session.read_form(request)).get("do", "")
    is_number = number.isascii() and number.isdecimal() and len(number) < 10
    now = desk.services.time.now()
    actor = caller.account.actor
    password = passwords.made_up()
    hashed = await desk.sign_ins.passwords.hashed(password) if asked == "password" else ""
    handed = None
    async with desk.services.database.transaction() as connection:
        person = await accounts.by_id(connection, int(number)) if is_number else None
        if person is None or not _is_within(caller, person):
            raise not_found()
        if person.id == caller.account.person_id:
            raise conflict("不能在此修改自己的账号 / your own account is not changed here")
        if asked == "password":
            await accounts.set_password(connection, person, hashed, now, actor, must_change=True)
            handed = (person.login, password)
        elif asked in ("enable", "disable"):
            await accounts.set_active(connection, person, now, actor, is_active=asked == "enable")
        else:
            raise conflict("不支持的操作 / there is no such action")
    desk.auth.forget()
    return await _show(request, desk, caller, handed=handed)


def _is_within(caller: Caller, person: PersonRow) -> bool:
    unit = caller.tree.resolve(person.unit)
    return (unit is None and caller.is_at_root) or unit in caller.tree.subtree(caller.unit)


async def _show(
    request: Request,
    desk: Desk,
    caller: Caller,
    *,
    refused: str | None = None,
    handed: tuple[str, str] | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    async with desk.services.database.snapshot() as connection:
        people = await accounts.listed(connection)
    tree = caller.tree
    lines = tuple(
        AccountLine(
            person,
            AccountRole(person.role),
            tree.node(unit).name if (unit := tree.resolve(person.unit)) else person.unit,
            person.id == caller.account.person_id,
        )
        for person in people
        if _is_within(caller, person)
    )
    codes = sorted({tree.resolve(code) or code for code in tree.subtree(caller.unit)})
    context = AccountsPage(
        lines=lines,
        roles=tuple(AccountRole),
        units=tuple((code, tree.node(code).name) for code in codes if tree.node(code).is_active),
        refused=refused,
        handed=handed,
        typed=typed or {},
    )
    language = session.language_of(request, desk)
    status = 422 if refused else 200
    return show(desk, "pages/accounts.html", language, context, status, framed(request, caller))


PAGES = (
    Page("/accounts", _page, right=Action.ACCOUNTS),
    Page("/accounts", _create, "POST", right=Action.ACCOUNTS),
    Page("/accounts/{account_id}", _change, "POST", right=Action.ACCOUNTS),
)
