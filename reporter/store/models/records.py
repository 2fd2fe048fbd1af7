"""Incidents and all that happens to them.

Instants are UTC microseconds; documents are JSON text; nothing here decides anything.

`clocks.remind_at` and `clocks.judge_at` are the two doorbells of a clock: the next reminder, and the next
instant that may only be judged once the broker has given its word (contract 3.13). They are kept apart so that
a judgement that has to wait never holds up a reminder. Both are partial indexes: their cost is that of the
clocks that still wait, not of the archive.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from reporter.store.models.base import SERIAL, Base


class Edition(Base):
    """The text of a schedule's edition that some incident is bound to, kept for ever."""

    __tablename__ = "editions"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    schedule: Mapped[str]
    edition: Mapped[str]
    document: Mapped[dict[str, Any]]


class Incident(Base):
    __tablename__ = "incidents"
    number: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    """Counts up with the openings, so that what is opened together lies together; an id would scatter it."""
    id: Mapped[str] = mapped_column(String(36))
    code: Mapped[str] = mapped_column(String(64))
    code_day: Mapped[str] = mapped_column(String(10))
    unit: Mapped[str]
    opened_from: Mapped[str]
    state: Mapped[str] = mapped_column()
    mode: Mapped[str]
    title: Mapped[str]
    category: Mapped[str | None]
    grade: Mapped[str | None]
    sensitive: Mapped[bool]
    occurred_earliest_at: Mapped[datetime]
    occurred_latest_at: Mapped[datetime]
    is_provisional: Mapped[bool]
    aware_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    survivor: Mapped[str | None] = mapped_column(String(36))
    schedule: Mapped[str]
    edition: Mapped[str]
    edition_digest: Mapped[str] = mapped_column(String(64))
    month: Mapped[str] = mapped_column(String(7))
    anomalies: Mapped[list[Any]]
    facts: Mapped[dict[str, Any]]
    version: Mapped[int]
    head: Mapped[str] = mapped_column(String(64))
    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("code_day", "code"),
        Index("ix_incidents_newest", "occurred_earliest_at", "id"),
        Index(
            "ix_incidents_open",
            "occurred_earliest_at",
            "id",
            sqlite_where=state == "open",
            postgresql_where=state == "open",
        ),
        Index(
            "ix_incidents_survivor",
            "survivor",
            sqlite_where=survivor.is_not(None),
            postgresql_where=survivor.is_not(None),
        ),
    )


class Clock(Base):
    __tablename__ = "clocks"
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """The incident's."""
    obligation: Mapped[str] = mapped_column(String(64), primary_key=True)
    position: Mapped[int]
    starts_at: Mapped[datetime]
    due_at: Mapped[datetime]
    due_latest_at: Mapped[datetime | None]
    state: Mapped[str]
    met_at: Mapped[datetime | None]
    met_by: Mapped[str | None]
    missing_at: Mapped[datetime | None]
    verdict: Mapped[str | None]
    complete: Mapped[bool | None]
    undeclared: Mapped[list[Any] | None]
    aware_due_at: Mapped[datetime | None]
    aware_verdict: Mapped[str | None]
    breach_due_at: Mapped[datetime | None]
    breach_certain: Mapped[bool | None]
    ladder: Mapped[list[Any] | None]
    remind_at: Mapped[datetime | None] = mapped_column()
    judge_at: Mapped[datetime | None] = mapped_column()
    __table_args__ = (
        Index(
            "ix_clocks_remind_at",
            "remind_at",
            sqlite_where=remind_at.is_not(None),
            postgresql_where=remind_at.is_not(None),
        ),
        Index(
            "ix_clocks_judge_at",
            "judge_at",
            sqlite_where=judge_at.is_not(None),
            postgresql_where=judge_at.is_not(None),
        ),
        {"sqlite_with_rowid": False},
    )


class Line(Base):
    """One line of an incident's ledger. `text` is the canonical JSON without `hash`; never updated, never deleted."""

    __tablename__ = "ledger"
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """The incident's: by its id the lines of one commit would be scattered over the whole index."""
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    incident_id: Mapped[str] = mapped_column(String(36))
    kind: Mapped[str]
    text: Mapped[str]
    hash: Mapped[str] = mapped_column(String(64))


class Inbox(Base):
    """Every identity that took effect, for ever: SHA-256 of source, newline, id; and what it meant."""

    __tablename__ = "inbox"
    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    incident_id: Mapped[str] = mapped_column(String(36))
    received_at: Mapped[datetime]
    anomalies: Mapped[list[Any] | None]
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy reads it once


class Outbox(Base):
    """What still has to be published; a row goes when the broker has acknowledged it."""

    __tablename__ = "outbox"
    seq: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    subject: Mapped[str]
    message_id: Mapped[str]
    incident_id: Mapped[str | None] = mapped_column(String(36))
    number: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[int | None]
    payload: Mapped[str | None]
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012


class Notice(Base):
    __tablename__ = "notices"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    number: Mapped[int | None] = mapped_column(BigInteger)
    """The incident's: what is found by it lies where it was written, and by the id it would be scattered."""
    incident_id: Mapped[str | None] = mapped_column(String(36))
    unit: Mapped[str]
    mode: Mapped[str]
    obligation: Mapped[str | None]
    step: Mapped[str | None]
    repeat: Mapped[int]
    reason: Mapped[str]
    to_role: Mapped[str]
    person: Mapped[str | None]
    phone: Mapped[str | None]
    channel: Mapped[str]
    address: Mapped[str]
    state: Mapped[str]
    due_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime]
    attempts: Mapped[int]
    note: Mapped[str | None]
    next_try_at: Mapped[datetime | None] = mapped_column()
    turn: Mapped[int] = mapped_column(server_default=text("0"))
    """0: sent at once. Else which of the person's channels this is, in order; it waits for those before it."""
    rank: Mapped[int] = mapped_column(server_default=text("1"))
    """Which leave first where many wait: `core.turns.Rank`."""
    __table_args__ = (
        Index("ix_notices_number", "number"),
        Index(
            "ix_notices_waiting",
            "channel",
            "rank",
            "next_try_at",
            sqlite_where=next_try_at.is_not(None),
            postgresql_where=next_try_at.is_not(None),
        ),
    )


class SetAside(Base):
    """A message that could not be understood (`rejected`) or whose incident is not yet known (`held`), byte for byte.

    Once replayed or applied it stays, as `accepted` or `duplicate`.
    """

    __tablename__ = "set_aside"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    state: Mapped[str]
    subject: Mapped[str]
    headers: Mapped[bytes]
    body: Mapped[bytes]
    stream_seq: Mapped[int | None] = mapped_column(BigInteger)
    received_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    errors: Mapped[list[Any]]
    key: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    digest: Mapped[str | None] = mapped_column(String(64))
    target: Mapped[str | None] = mapped_column(String(36))
    command: Mapped[dict[str, Any] | None]
    noticed_at: Mapped[datetime | None]
    __table_args__ = (
        Index("ix_set_aside_target", "target"),
        Index("ix_set_aside_key", "key"),
        Index("ix_set_aside_arrival", "stream_seq", "received_at"),
        Index("ix_set_aside_state", "state", "id"),
    )


class RejectedNotice(Base):
    """When the rejection of a subject's messages was last noticed, and how many came since."""

    __tablename__ = "rejected_notices"
    subject: Mapped[str] = mapped_column(primary_key=True)
    noticed_at: Mapped[datetime]
    waiting: Mapped[int]
