"""What people agree on over a roster, what its holes are, and who answered when called. `Shift` is in `people`.

A roster's history is never destroyed. Shifts are replaced, not changed: `recorded_at` and `replaced_at` say when we
knew of one. Changes, handover times and roll-calls only ever grow.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from reporter.store.models.base import SERIAL, Base


class RosterEntry(Base):
    """A swap, an override or an absence (`core.standin.Change`); or, as `cancelled`, the end of one (`cancels`)."""

    __tablename__ = "roster_changes"
    id: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    kind: Mapped[str]
    cancels: Mapped[int | None] = mapped_column(SERIAL, unique=True)
    unit: Mapped[str] = mapped_column(String(64))
    role: Mapped[str | None]
    person: Mapped[str | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    taker: Mapped[str | None]
    phone: Mapped[str]
    channels: Mapped[list[Any]]
    reason: Mapped[str]
    author: Mapped[str]
    recorded_at: Mapped[datetime]
    key: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str] = mapped_column(String(64))
    __table_args__ = (Index("ix_roster_changes_ends_at", "ends_at"),)


class Handover(Base):
    """The times of day at which a unit hands over, from `recorded_at` on: `HH:MM` in the service's zone."""

    __tablename__ = "handover_times"
    id: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    unit: Mapped[str] = mapped_column(String(64))
    times: Mapped[list[Any]]
    author: Mapped[str]
    recorded_at: Mapped[datetime]


class RosterGap(Base):
    """A hole in a roster that the watch has seen; `noticed_at` None: it may still be filled before anybody is told."""

    __tablename__ = "roster_gaps"
    unit: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    noticed_at: Mapped[datetime | None]
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy reads it once


class RosterFeed(Base):
    """A calendar link for a phone: who knows the secret reads one unit's roster. Only its SHA-256 is kept."""

    __tablename__ = "roster_feeds"
    id: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    name: Mapped[str]
    unit: Mapped[str] = mapped_column(String(64))
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    author: Mapped[str]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class RollCall(Base):
    """One check of a duty post (点名抽查): who was called, when, how, by whom, and what came of it.

    `expected` is who should have answered by the roster as it stood then.
    """

    __tablename__ = "roll_calls"
    id: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    unit: Mapped[str] = mapped_column(String(64))
    role: Mapped[str]
    called_at: Mapped[datetime]
    channel: Mapped[str]
    expected: Mapped[list[Any]]
    is_answered: Mapped[bool]
    answered_by: Mapped[str | None]
    answered_after_s: Mapped[int | None]
    is_leader_present: Mapped[bool | None]
    is_log_current: Mapped[bool | None]
    note: Mapped[str]
    caller: Mapped[str]
    author: Mapped[str]
    recorded_at: Mapped[datetime]
    key: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str] = mapped_column(String(64))
    __table_args__ = (Index("ix_roll_calls_called_at", "called_at", "id"),)
