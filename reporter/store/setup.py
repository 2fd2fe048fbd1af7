"""The one-time link that makes the first administrator. There is no default password to forget to change."""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.store.accounts import has_admin
from reporter.store.models import SetupKey
from reporter.store.people import lock_people

LASTS: Final = timedelta(hours=1)


async def offer(connection: AsyncConnection, now: datetime) -> str | None:
    """A new key, if nobody administers yet; links that other replicas have printed stay good."""
    await connection.execute(delete(SetupKey).where(SetupKey.expires_at <= now))
    if await has_admin(connection):
        return None
    key = secrets.token_urlsafe(32)
    await connection.execute(insert(SetupKey).values(key_hash=_hash(key), expires_at=now + LASTS))
    return key


async def is_open(connection: AsyncConnection, key: str, now: datetime) -> bool:
    """Whether the key still makes an administrator: not used, not expired, and there is none."""
    statement = select(SetupKey.key_hash).where(
        SetupKey.key_hash == _hash(key), SetupKey.expires_at > now, SetupKey.used_at.is_(None)
    )
    return (await connection.execute(statement)).first() is not None and not await has_admin(connection)


async def use(connection: AsyncConnection, key: str, now: datetime) -> bool:
    """Uses the key up; False if it is not open. Of two who come at once, one gets True."""
    await lock_people(connection)
    if not await is_open(connection, key, now):
        return False
    done = await connection.execute(
        update(SetupKey)
        .where(SetupKey.key_hash == _hash(key), SetupKey.used_at.is_(None))
        .values(used_at=now)
    )
    return done.rowcount == 1


def _hash(key: str) -> str:
    return sha256(key.encode(errors="replace")).hexdigest()
