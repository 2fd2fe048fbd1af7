"""Units, who is on duty in them, and the accounts of programs."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from reporter.store.models.base import Base


class Unit(Base):
    __tablename__ = "units"
    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str]
    parent: Mapped[str | None] = mapped_column(String(64))
    phone: Mapped[str]
    region: Mapped[str]
    is_active: Mapped[bool]


class Shift(Base):
    """One person on duty in one role: `starts_at` inclusive, `ends_at` exclusive.

    Written once. `replaced_at`: since when another import has it otherwise; until then the shift holds. What was
    known at any instant can therefore be told for ever.
    """

    __tablename__ = "roster"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    unit: Mapped[str] = mapped_column(String(64))
    role: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    person: Mapped[str]
    phone: Mapped[str]
    channels: Mapped[list[Any]]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]
    replaced_at: Mapped[datetime | None] = mapped_column()
    __table_args__ = (
        Index("ix_roster_ends_at", "ends_at"),
        Index(
            "ix_roster_standing",
            "ends_at",
            sqlite_where=replaced_at.is_(None),
            postgresql_where=replaced_at.is_(None),
        ),
    )


class Token(Base):
    """An account for the API. Only the SHA-256 of the secret is kept."""

    __tablename__ = "tokens"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str]
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str]
    unit: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
