"""Calendar links for phones: a secret in an address, one unit's roster, revocable. Only the SHA-256 is kept."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.store.database import Database
from reporter.store.models import RosterFeed, table

PREFIX: Final = "cal_"
SECRET_CHARS_MAX: Final = 64
FEED = table(RosterFeed)


@dataclass(frozen=True, slots=True)
class Feed:
    """One link, without its secret. `name` says whose phone it is for."""

    id: int
    name: str
    unit: str
    author: str
    created_at: datetime
    revoked_at: datetime | None


_COLUMNS: Final = [FEED.c[name] for name in ("id", "name", "unit", "author", "created_at", "revoked_at")]


async def create(database: Database, name: str, unit: str, author: str, now: datetime) -> tuple[Feed, str]:
    """Makes a link to a unit's roster and returns it with its secret, which is nowhere kept."""
    secret = PREFIX + secrets.token_urlsafe(24)
    async with database.transaction() as connection:
        made = await connection.execute(
            insert(FEED)
            .values(name=name, unit=unit, secret_hash=_hash(secret), author=author, created_at=now)
            .returning(*_COLUMNS)
        )
        feed = Feed(*made.one())
    return feed, secret


async def revoke(database: Database, feed: int, now: datetime) -> Feed | None:
    """Ends a link for good; one that is ended stays as it is. None: there is no such link."""
    async with database.transaction() as connection:
        await connection.execute(
            update(FEED).where(FEED.c.id == feed, FEED.c.revoked_at.is_(None)).values(revoked_at=now)
        )
        row = (await connection.execute(select(*_COLUMNS).where(FEED.c.id == feed))).one_or_none()
    return None if row is None else Feed(*row)


async def feeds(connection: AsyncConnection, units: Collection[str] | None = None) -> list[Feed]:
    """The links of these units, the revoked too, newest first."""
    query = select(*_COLUMNS).order_by(FEED.c.id.desc())
    if units is not None:
        query = query.where(FEED.c.unit.in_(units))
    return [Feed(*row) for row in await connection.execute(query)]


async def unit_of(connection: AsyncConnection, secret: str) -> str | None:
    """The unit whose roster the secret opens; None for a wrong or revoked one."""
    if not secret.startswith(PREFIX) or len(secret) > SECRET_CHARS_MAX or not secret.isascii():
        return None
    query = select(FEED.c.unit).where(FEED.c.secret_hash == _hash(secret), FEED.c.revoked_at.is_(None))
    return (await connection.execute(query)).scalar_one_or_none()


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
