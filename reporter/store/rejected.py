"""The messages set aside, as they are listed: what nobody understood, and what waits for its incident."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any  # documents of JSON have no narrower type

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.store.models import SetAside

BODY_SHOWN_BYTES = 4096
"""How much of a message is shown; all of it is kept."""


@dataclass(frozen=True, slots=True)
class SetAsideRow:
    """One message that was rejected or is held: the head of its body; size and hash are of all of it."""

    id: int
    state: str
    subject: str
    headers: bytes
    head: bytes
    size_bytes: int
    sha256: str
    stream_seq: int | None
    received_at: datetime
    recorded_at: datetime
    errors: list[Any]
    target: str | None
    noticed_at: datetime | None


async def set_aside(
    connection: AsyncConnection, limit: int, before_id: int | None = None
) -> list[SetAsideRow]:
    """The newest rejected and held messages, those with an id below `before_id`."""
    statement = (
        select(
            SetAside.id,
            SetAside.state,
            SetAside.subject,
            SetAside.headers,
            SetAside.body,
            SetAside.stream_seq,
            SetAside.received_at,
            SetAside.recorded_at,
            SetAside.errors,
            SetAside.target,
            SetAside.noticed_at,
        )
        .where(SetAside.state.in_(("rejected", "held")))
        .order_by(SetAside.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        statement = statement.where(SetAside.id < before_id)
    rows = []
    # Streamed, a few at a time: a body may be near the broker's limit, and only its head and hash are kept.
    async with connection.stream(statement, execution_options={"yield_per": 10}) as found:
        async for id_, state, subject, headers, body, *rest in found:
            size_and_hash = len(body), sha256(body).hexdigest()
            rows.append(
                SetAsideRow(id_, state, subject, headers, body[:BODY_SHOWN_BYTES], *size_and_hash, *rest)
            )
    return rows
