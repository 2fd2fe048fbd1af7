"""Secrets that the service makes itself, once, and shares with its replicas through the database."""

import secrets
from datetime import datetime
from typing import Final

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from reporter.store.database import Database
from reporter.store.models import SigningKey

LINKS: Final = "links"
"""The key that signs links in messages."""
_BYTES: Final = 32


async def signing_key(database: Database, name: str, now: datetime) -> bytes:
    """The key of that name, made if there is none; where two replicas make one at a time, the first one's."""
    wanted = select(SigningKey.key).where(SigningKey.name == name)
    async with database.snapshot() as connection:
        found = (await connection.execute(wanted)).scalar_one_or_none()
    if found is not None:
        return bytes(found)
    made = insert(SigningKey).values(name=name, key=secrets.token_bytes(_BYTES), created_at=now)
    try:
        async with database.transaction() as connection:
            await connection.execute(made)
    except IntegrityError:
        pass  # another replica was first
    async with database.snapshot() as connection:
        return bytes((await connection.execute(wanted)).scalar_one())
