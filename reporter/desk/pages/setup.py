"""The first administrator, made by whoever opens the one-time link that `serve` prints."""

from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from reporter.core.roster import ROOT
from reporter.core.terms import AccountRole
from reporter.desk import session
from reporter.desk.auth import Action
from reporter.desk.pages import Page, framed, show
from reporter.desk.problems import HttpProblem
from reporter.desk.services import Desk
from reporter.store import accounts, desk_log, passwords, setup
from reporter.store.accounts import AccountRefused, NewPerson
from reporter.store.passwords import PasswordRefused


@dataclass(frozen=True, slots=True)
class SetupPage:
    """`refused` is why the last try was refused, if it was; `least`: how long a password has to be."""

    setup_key: str
    refused: str | None
    login: str
    display_name: str
    least: int


async def _form(request: Request, desk: Desk) -> Response:
    key = request.query_params.get("key", "")
    await _require_open(desk, key)
    context = SetupPage(key, None, "", "", passwords.CHARS_MIN)
    language = session.language_of(request, desk)
    return show(desk, "pages/setup.html", language, context, frame=framed(request, None))


async def _make(request: Request, desk: Desk) -> Response:
    language = session.language_of(request, desk)
    fields = await session.read_form(request)
    key, login, name = (fields.get(each, "") for each in ("key", "login", "display_name"))
    await _require_open(desk, key)
    try:
        password = chosen(fields, login, name)
        hashed = await desk.sign_ins.passwords.hashed(password)
        now = desk.services.time.now()
        new = NewPerson(
            login=login,
            display_name=name,
            role=AccountRole.ADMIN,
            unit=ROOT,
            password_hash=hashed,
            must_change=False,
        )
        async with desk.services.database.transaction() as connection:
            if not await setup.use(connection, key, now):
                raise _closed()
            person = await accounts.create(connection, new, now, desk_log.ACTOR_OF_SETUP)
    except (AccountRefused, PasswordRefused) as why:
        context = SetupPage(key, str(why), login, name, passwords.CHARS_MIN)
        return show(desk, "pages/setup.html", language, context, 422, framed(request, None))
    answer = RedirectResponse(f"/?lang={language}", 303)
    session.begin(answer, request, await session.start(request, desk, person.account, person.unit))
    return answer


def chosen(fields: dict[str, str], *names: str) -> str:
    """The password typed twice into a form. Errors: PasswordRefused."""
    password = fields.get("password", "")
    if password != fields.get("again", ""):
        raise PasswordRefused("两次输入的口令不同 / the two passwords differ")
    passwords.check(password, *names)
    return password


async def _require_open(desk: Desk, key: str) -> None:
    async with desk.services.database.snapshot() as connection:
        if not await setup.is_open(connection, key, desk.services.time.now()):
            raise _closed()


def _closed() -> HttpProblem:
    detail = (
        "链接无效、已使用或已过期；重新启动 reporter serve 可得到新的 / "
        "the link is wrong, used or expired; `reporter serve` prints a new one when it starts"
    )
    return HttpProblem(404, "not_found", detail)


PAGES = (
    Page("/setup", _form, right=Action.PUBLIC),
    Page("/setup", _make, "POST", right=Action.PUBLIC),
)
