"""The accounts of people: made, changed and found by their login. What they may do, the desk decides."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.terms import AccountRole
from reporter.store import desk_log, sessions
from reporter.store.models import Person, Token
from reporter.store.people import load_tree, lock_people
from reporter.store.tokens import Account

LOGIN_CHARS_MAX: Final = 64
TEXT_CHARS_MAX: Final = 100
_LOGIN = re.compile(r"\w[\w.@·-]*")


class AccountRefused(ValueError):
    """An account that was not made or changed; `str` says why, in Chinese and in English."""


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person's account."""

    id: int
    login: str
    display_name: str
    role: str
    unit: str
    phone: str
    must_change: bool
    is_active: bool
    created_at: datetime

    @property
    def account(self) -> Account:
        """Whom a session of this person speaks for."""
        return Account(
            self.login, AccountRole(self.role), self.unit, self.id, self.display_name, self.must_change
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPerson:
    """What an account is made of. `password_hash` as `passwords` makes it."""

    login: str
    display_name: str
    role: str
    unit: str
    phone: str = ""
    password_hash: str
    must_change: bool


_COLUMNS = (
    Person.id,
    Person.login,
    Person.display_name,
    Person.role,
    Person.unit,
    Person.phone,
    Person.must_change,
    Person.is_active,
    Person.created_at,
)


def login_key(login: str) -> str:
    """The login as it is compared: width and case make no difference."""
    return unicodedata.normalize("NFKC", login.strip()).casefold()


async def create(connection: AsyncConnection, person: NewPerson, at: datetime, actor: str) -> PersonRow:
    """Makes an account, within the caller's transaction.

    Errors: AccountRefused for a login that is taken or unfit, an unknown role or unit.
    """
    login = unicodedata.normalize("NFKC", person.login.strip())
    if not _LOGIN.fullmatch(login) or len(login) > LOGIN_CHARS_MAX:
        raise AccountRefused(
            f"登录名为 1–{LOGIN_CHARS_MAX} 个字母、汉字、数字或 . _ - @ · / "
            f"a login is 1 to {LOGIN_CHARS_MAX} letters, digits or . _ - @ ·"
        )
    name, phone = (_line(text) for text in (person.display_name or login, person.phone))
    if person.role not in set(AccountRole):
        raise AccountRefused(f"没有这个角色 / no such role: {person.role!r}; {', '.join(AccountRole)}")
    await lock_people(connection)
    unit = (await load_tree(connection)).resolve(person.unit)
    if unit is None:
        raise AccountRefused(f"没有这个单位 / no such unit: {person.unit!r}")
    if await find(connection, login) is not None:
        raise AccountRefused(f"登录名已有人使用 / the login is taken: {login}")
    values = {
        "login": login,
        "login_key": login_key(login),
        "display_name": name,
        "role": person.role,
        "unit": person.unit,
        "phone": phone,
        "password_hash": person.password_hash,
        "must_change": person.must_change,
        "is_active": True,
        "created_at": at,
    }
    await connection.execute(insert(Person).values(**values))
    await desk_log.record(
        connection, at, actor, "account.created", login, {"role": person.role, "unit": unit}, unit=unit
    )
    made = await find(connection, login)
    assert made is not None  # noqa: S101 - it was just written
    return made


async def find(connection: AsyncConnection, login: str) -> PersonRow | None:
    """The account of that login, active or not."""
    statement = select(*_COLUMNS).where(Person.login_key == login_key(login))
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else PersonRow(*row)


async def by_id(connection: AsyncConnection, account_id: int) -> PersonRow | None:
    """The account of that number."""
    row = (await connection.execute(select(*_COLUMNS).where(Person.id == account_id))).one_or_none()
    return None if row is None else PersonRow(*row)


async def listed(connection: AsyncConnection) -> list[PersonRow]:
    """Every account, by login."""
    return [PersonRow(*row) for row in await connection.execute(select(*_COLUMNS).order_by(Person.login_key))]


async def kept_password(connection: AsyncConnection, login: str) -> tuple[PersonRow, str] | None:
    """An active account and the hash of its password, for checking."""
    person = await find(connection, login)
    if person is None or not person.is_active:
        return None
    kept = await connection.execute(select(Person.password_hash).where(Person.id == person.id))
    return person, kept.scalar_one()


async def set_password(
    connection: AsyncConnection,
    person: PersonRow,
    password_hash: str,
    at: datetime,
    actor: str,
    *,
    must_change: bool,
) -> None:
    """Changes the password and ends every visit of the person."""
    changed = {"password_hash": password_hash, "must_change": must_change}
    await connection.execute(update(Person).where(Person.id == person.id).values(**changed))
    await sessions.end_all(connection, person.id, at)
    details = {"must_change": must_change}
    await desk_log.record(
        connection, at, actor, "account.password_changed", person.login, details, unit=person.unit
    )


async def set_active(
    connection: AsyncConnection, person: PersonRow, at: datetime, actor: str, *, is_active: bool
) -> None:
    """Lets the person in again, or no more; the latter ends every visit."""
    await connection.execute(update(Person).where(Person.id == person.id).values(is_active=is_active))
    if not is_active:
        await sessions.end_all(connection, person.id, at)
    what = "account.enabled" if is_active else "account.disabled"
    await desk_log.record(connection, at, actor, what, person.login, unit=person.unit)


async def has_admin(connection: AsyncConnection) -> bool:
    """Whether anybody, a person or a program, may administer."""
    people = select(func.count()).where(Person.role == AccountRole.ADMIN, Person.is_active)
    tokens = select(func.count()).where(Token.role == AccountRole.ADMIN, Token.revoked_at.is_(None))
    return any([(await connection.execute(each)).scalar_one() for each in (people, tokens)])


def _line(text: str) -> str:
    cleaned = " ".join(text.split())
    if len(cleaned) > TEXT_CHARS_MAX or not cleaned.isprintable():
        raise AccountRefused(
            f"姓名、电话至多 {TEXT_CHARS_MAX} 字 / a name or phone has at most {TEXT_CHARS_MAX} characters"
        )
    return cleaned
