"""The verbs for people's accounts: account create, list, disable, enable, password."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from reporter.cli.stored import opened
from reporter.cli.trouble import Trouble
from reporter.cli.verb import STORE, Call, Document, verb
from reporter.core.instants import rfc3339
from reporter.core.terms import AccountRole, label
from reporter.timesource import SystemTime

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from reporter.store.accounts import PersonRow

Login = Annotated[str, typer.Argument(metavar="LOGIN", help="登录名，可用中文。The login.")]
FromStdin = Annotated[
    bool,
    typer.Option(
        "--password-stdin", help="从标准输入读口令；缺省生成一个，首次登录须改。Reads it from stdin."
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    account = typer.Typer(help="人员账号。Accounts of people.", no_args_is_help=True)
    app.add_typer(account, name="account")

    @verb(account, "create", *STORE)
    async def account_create(
        call: Call,
        login: Login,
        role: Annotated[AccountRole, typer.Option("--role", help="角色。Role.")],
        name: Annotated[str, typer.Option("--name", help="姓名；缺省同登录名。Name to show.")] = "",
        unit: Annotated[str, typer.Option("--unit", help="单位代码，权限限其下级。Unit.")] = "root",
        phone: Annotated[str, typer.Option("--phone", help="电话。Phone.")] = "",
        password_stdin: FromStdin = False,
    ) -> None:
        """新建人员账号，stdout 只有生成的口令。Makes a person's account; stdout holds the password alone."""
        from reporter.store.accounts import AccountRefused, NewPerson, create
        from reporter.store.desk_log import ACTOR_OF_VERBS
        from reporter.store.passwords import hash_now

        password, is_given = _password(password_stdin, login, name)
        new = NewPerson(
            login=login,
            display_name=name,
            role=role.value,
            unit=unit,
            phone=phone,
            password_hash=hash_now(password),
            must_change=not is_given,
        )
        async with opened(call.settings, create=True) as database:
            try:
                async with database.transaction() as connection:
                    made = await create(connection, new, SystemTime().now(), ACTOR_OF_VERBS)
            except AccountRefused as why:
                raise _refused(why) from None
        document = _shown(made) | {"password": None if is_given else password}
        call.answer(document, lambda: None if is_given else password)

    @verb(account, "list", *STORE)
    async def account_list(call: Call) -> None:
        """列出人员账号。Lists the accounts of people."""
        from reporter.cli.shown import table
        from reporter.store.accounts import listed

        async with opened(call.settings) as database, database.snapshot() as connection:
            people = await listed(connection)
        headings = call.say("登录名 姓名 角色 单位 电话 状态", "login name role unit phone state").split()
        rows = [
            (
                each.login,
                each.display_name,
                label(AccountRole(each.role), call.settings.language),
                each.unit,
                each.phone,
                call.say("启用", "open") if each.is_active else call.say("停用", "shut"),
            )
            for each in people
        ]
        call.answer({"items": [_shown(each) for each in people]}, lambda: table(headings, rows))

    @verb(account, "disable", *STORE)
    async def account_disable(call: Call, login: Login) -> None:
        """停用账号，结束其全部登录。Shuts an account and ends its sessions."""
        await _set_active(call, login, is_active=False)

    @verb(account, "enable", *STORE)
    async def account_enable(call: Call, login: Login) -> None:
        """重新启用账号。Opens an account again."""
        await _set_active(call, login, is_active=True)

    @verb(account, "password", *STORE)
    async def account_password(call: Call, login: Login, password_stdin: FromStdin = False) -> None:
        """重置口令，结束其全部登录。Gives an account a new password and ends its sessions."""
        from reporter.store.accounts import set_password
        from reporter.store.desk_log import ACTOR_OF_VERBS
        from reporter.store.passwords import hash_now

        password, is_given = _password(password_stdin, login)
        hashed = hash_now(password)
        async with opened(call.settings) as database, database.transaction() as connection:
            person = await _find(connection, login)
            now = SystemTime().now()
            await set_password(connection, person, hashed, now, ACTOR_OF_VERBS, must_change=not is_given)
        document = {"login": person.login, "password": None if is_given else password}
        call.answer(document, lambda: None if is_given else password)


async def _set_active(call: Call, login: str, *, is_active: bool) -> None:
    from reporter.store.accounts import set_active
    from reporter.store.desk_log import ACTOR_OF_VERBS

    async with opened(call.settings) as database, database.transaction() as connection:
        person = await _find(connection, login)
        await set_active(connection, person, SystemTime().now(), ACTOR_OF_VERBS, is_active=is_active)
    done = ("已启用", "open") if is_active else ("已停用", "shut")
    document = {"login": person.login, "is_active": is_active}
    call.answer(document, lambda: call.say(f"{done[0]}：{person.login}", f"{person.login} is {done[1]}"))


async def _find(connection: "AsyncConnection", login: str) -> "PersonRow":
    from reporter.store.accounts import find

    person = await find(connection, login)
    if person is None:
        raise Trouble(
            f"没有账号 {login}：`reporter account list` 列出全部",
            f"there is no account {login}: `reporter account list` names them",
        )
    return person


def _password(from_stdin: bool, *names: str) -> tuple[str, bool]:
    """The password, and whether it was given rather than made up."""
    from reporter.store.passwords import PasswordRefused, check, made_up

    if not from_stdin:
        return made_up(), False
    password = sys.stdin.readline().rstrip("\r\n")
    try:
        check(password, *names)
    except PasswordRefused as why:
        raise _refused(why) from None
    return password, True


def _refused(why: Exception) -> Trouble:
    zh, _, en = str(why).partition(" / ")
    return Trouble(f"未完成：{zh}", f"not done: {en or zh}")


def _shown(person: "PersonRow") -> Document:
    return asdict(person) | {"created_at": rfc3339(person.created_at)}
