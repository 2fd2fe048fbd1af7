"""The desk's own log: sign-ins, changes of accounts, views of restricted incidents, roll-calls. It only grows.

What happens to an incident stands in its ledger; here is the rest of what an auditor asks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any  # details are JSON

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.store.models import LogLine
from reporter.store.restricted import Scope

VIEWED = "incident.viewed"
"""Somebody was shown a restricted incident; `about` is its id."""
RESTRICTED = "incident.restricted"
LIFTED = "incident.restriction_lifted"
SIGNED_IN = "session.begun"
REFUSED = "session.refused"
"""A wrong password, or a login that nobody has; `about` is what was typed."""
SIGNED_OUT = "session.ended"
ACTOR_OF_VERBS = "cli"
ACTOR_OF_SETUP = "setup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One line. `actor`: `account:<login>`, `token:<name>`, or a word (`cli`, `setup`)."""

    id: int
    at: datetime
    actor: str
    what: str
    about: str
    unit: str | None
    details: dict[str, Any]


async def record(
    connection: AsyncConnection,
    at: datetime,
    actor: str,
    what: str,
    about: str,
    details: Mapping[str, object] | None = None,
    *,
    unit: str | None = None,
) -> None:
    """Adds a line, within the caller's transaction.

    `what` is `<subject>.<past participle>`. Auditors of `unit` and above read it; without one, the root's.
    """
    values = {"at": at, "actor": actor, "what": what, "about": about, "unit": unit}
    await connection.execute(insert(LogLine).values(**values, details=dict(details or {})))


async def read(
    connection: AsyncConnection,
    scope: Scope,
    limit: int,
    *,
    before: int | None = None,
    what: str | None = None,
    about: str | None = None,
    actor: str | None = None,
) -> list[Logged]:
    """At most `limit` lines, the newest first; `before` is the id of the last line already seen.

    `what` may be a subject alone (`incident`), which means all that begins with it.
    """
    statement = select(
        LogLine.id, LogLine.at, LogLine.actor, LogLine.what, LogLine.about, LogLine.unit, LogLine.details
    )
    if scope is not None:
        statement = statement.where(LogLine.unit.in_(sorted(scope)))
    if before is not None:
        statement = statement.where(LogLine.id < before)
    if what is not None:
        exact = "." in what
        statement = statement.where(
            LogLine.what == what if exact else LogLine.what.startswith(what + ".", autoescape=True)
        )
    if about is not None:
        statement = statement.where(LogLine.about == about)
    if actor is not None:
        statement = statement.where(LogLine.actor == actor)
    rows = await connection.execute(statement.order_by(LogLine.id.desc()).limit(limit))
    return [Logged(**row) for row in rows.mappings()]
