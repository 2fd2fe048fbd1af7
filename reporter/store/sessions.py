"""Visits: a random secret in the browser's cookie, its hash here, so that any of them can be ended."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.terms import AccountRole
from reporter.store.models import Person, Session, Token
from reporter.store.tokens import Account

PREFIX: Final = "rps_"
IDLE_SPAN: Final = timedelta(hours=12)
LONGEST_SPAN: Final = timedelta(hours=24)
SEEN_SPAN: Final = timedelta(minutes=1)
"""How stale `seen_at` may become: a page a second should not be a write a second."""
KEPT_SPAN: Final = timedelta(days=90)
"""How long a session that is over is remembered, with the address that it came from."""
_SECRET_CHARS_MAX: Final = 128
_AGENT_CHARS_MAX: Final = 200
_LISTED_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Visit:
    """A session under way: whose, and whether `seen_at` wants to be renewed."""

    id: int
    account: Account
    is_stale: bool


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session of a person, for that person to see."""

    id: int
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    agent: str


async def begin(
    connection: AsyncConnection,
    at: datetime,
    *,
    account_id: int | None = None,
    token_id: int | None = None,
    address: str = "",
    agent: str = "",
) -> str:
    """Starts a visit of a person or of a token's holder, and returns its secret. Those long over are forgotten."""
    await connection.execute(delete(Session).where(Session.expires_at < at - KEPT_SPAN))
    secret = PREFIX + secrets.token_urlsafe(32)
    values = {
        "secret_hash": _hash(secret),
        "account_id": account_id,
        "token_id": token_id,
        "created_at": at,
        "seen_at": at,
        "expires_at": at + LONGEST_SPAN,
        "address": address,
        "agent": agent[:_AGENT_CHARS_MAX],
    }
    await connection.execute(insert(Session).values(**values))
    return secret


async def lookup(connection: AsyncConnection, secret: str, now: datetime) -> Visit | None:
    """The visit of a secret, while it lasts and its account or token is good. One query."""
    if not secret.startswith(PREFIX) or len(secret) > _SECRET_CHARS_MAX or not secret.isascii():
        return None
    statement = (
        select(
            Session.id,
            Session.seen_at,
            Session.token_id,
            Person.id.label("person_id"),
            Person.login,
            Person.display_name,
            Person.role,
            Person.unit,
            Person.must_change,
            Token.name.label("token_name"),
            Token.role.label("token_role"),
            Token.unit.label("token_unit"),
        )
        .outerjoin(Person, Person.id == Session.account_id)
        .outerjoin(Token, Token.id == Session.token_id)
        .where(Session.secret_hash == _hash(secret), *_lasting(now))
        .where(or_(Person.is_active, Session.account_id.is_(None)))
        .where(or_(Session.token_id.is_(None), Token.revoked_at.is_(None)))
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    if row.token_id is not None:
        account = Account(row.token_name, AccountRole(row.token_role), row.token_unit)
    else:
        account = Account(
            row.login,
            AccountRole(row.role),
            row.unit,
            person_id=row.person_id,
            display_name=row.display_name,
            must_change=row.must_change,
        )
    return Visit(row.id, account, is_stale=now - row.seen_at >= SEEN_SPAN)


async def touch(connection: AsyncConnection, session_id: int, now: datetime) -> None:
    """Puts the end of idleness off."""
    await connection.execute(update(Session).where(Session.id == session_id).values(seen_at=now))


async def end(connection: AsyncConnection, secret: str, at: datetime) -> None:
    """Ends the visit of that secret, if there is one."""
    await connection.execute(
        update(Session)
        .where(Session.secret_hash == _hash(secret), Session.ended_at.is_(None))
        .values(ended_at=at)
    )


async def end_all(
    connection: AsyncConnection, account_id: int, at: datetime, *, only: int | None = None, but: int = 0
) -> None:
    """Ends the person's visits: every one, `only` that one, or all `but` one."""
    statement = update(Session).where(
        Session.account_id == account_id, Session.ended_at.is_(None), Session.id != but
    )
    if only is not None:
        statement = statement.where(Session.id == only)
    await connection.execute(statement.values(ended_at=at))


async def listed(connection: AsyncConnection, account_id: int, now: datetime) -> list[SessionRow]:
    """The person's visits that last, the newest first."""
    columns = (
        Session.id,
        Session.created_at,
        Session.seen_at,
        Session.expires_at,
        Session.address,
        Session.agent,
    )
    statement = select(*columns).where(Session.account_id == account_id, *_lasting(now))
    rows = await connection.execute(statement.order_by(Session.id.desc()).limit(_LISTED_MAX))
    return [SessionRow(*row) for row in rows]


async def has_come_from(connection: AsyncConnection, account_id: int, address: str) -> bool:
    """Whether the person has ever signed in from that address."""
    statement = select(Session.id).where(Session.account_id == account_id, Session.address == address)
    return (await connection.execute(statement.limit(1))).first() is not None


def _lasting(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (Session.ended_at.is_(None), Session.expires_at > now, Session.seen_at > now - IDLE_SPAN)


def _hash(secret: str) -> str:
    return sha256(secret.encode(errors="replace")).hexdigest()
