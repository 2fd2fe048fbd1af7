"""The accounts of the API: a name, a role, a unit; of the secret only its SHA-256 is kept."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.terms import AccountRole
from reporter.store.database import Database
from reporter.store.models import Token
from reporter.store.people import load_tree, lock_people

PREFIX: Final = "rpt_"
SECRET_CHARS_MAX: Final = 128
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class TokenRefused(ValueError):
    """A token that was not created; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a token or a session speaks for. `unit` may be `root`, the alias of whatever the root is.

    `name` is the token's name or the person's login; the rest is of persons alone. `must_change`: the
    password has to be changed before anything else.
    """

    name: str
    role: AccountRole
    unit: str
    person_id: int | None = None
    display_name: str = ""
    must_change: bool = False

    @property
    def is_person(self) -> bool:
        return self.person_id is not None

    @property
    def title(self) -> str:
        """The name that people know."""
        return self.display_name or self.name

    @property
    def actor(self) -> str:
        """Who did it, as the ledger and the desk's log say."""
        return f"account:{self.name}" if self.is_person else f"token:{self.name}"

    @property
    def source(self) -> str:
        """The CloudEvents source of the account's commands; no token's can be a person's."""
        return f"/api/account:{quote(self.name, safe='')}" if self.is_person else f"/api/{self.name}"


async def create(database: Database, name: str, role: str, unit: str, now: datetime) -> str:
    """Makes a token and returns its secret, which is nowhere kept; one of the same name is revoked.

    Errors: TokenRefused for an unknown role or unit and for a name outside `[A-Za-z0-9._-]{1,64}`.
    """
    if not _NAME.fullmatch(name):
        msg = f"a token's name is 1 to 64 of the characters A-Z a-z 0-9 . _ -, not {name!r}"
        raise TokenRefused(msg)
    if role not in set(AccountRole):
        msg = f"unknown role {role!r}; roles: {', '.join(AccountRole)}"
        raise TokenRefused(msg)
    secret = PREFIX + secrets.token_urlsafe(32)
    async with database.transaction() as connection:
        await lock_people(connection)
        if (await load_tree(connection)).resolve(unit) is None:
            msg = f"unknown unit {unit!r}"
            raise TokenRefused(msg)
        await connection.execute(
            update(Token).where(Token.name == name, Token.revoked_at.is_(None)).values(revoked_at=now)
        )
        await connection.execute(
            insert(Token).values(name=name, secret_hash=_hash(secret), role=role, unit=unit, created_at=now)
        )
    return secret


async def number(connection: AsyncConnection, secret: str) -> int | None:
    """The row of a secret's token, or None if it is nobody's (any more)."""
    query = select(Token.id).where(Token.secret_hash == _hash(secret), Token.revoked_at.is_(None))
    return (await connection.execute(query)).scalar_one_or_none()


async def lookup(connection: AsyncConnection, secret: str) -> Account | None:
    """The account of a secret, or None if there is none (any more)."""
    if not secret.startswith(PREFIX) or len(secret) > SECRET_CHARS_MAX or not secret.isascii():
        return None
    query = select(Token.name, Token.role, Token.unit)
    found = await connection.execute(
        query.where(Token.secret_hash == _hash(secret), Token.revoked_at.is_(None))
    )
    row = found.one_or_none()
    return None if row is None else Account(row.name, AccountRole(row.role), row.unit)


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
