"""The accounts of people, their visits, and what the desk keeps beside the ledger.

`desk_log` only grows: the database itself refuses anything else. Of every secret only a hash is kept.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from reporter.store.models.base import SERIAL, Base


class Person(Base):
    """Somebody who signs in. `login_key` is the login as it is compared; `must_change`: the password is a loan."""

    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    login: Mapped[str]
    login_key: Mapped[str]
    display_name: Mapped[str]
    role: Mapped[str]
    unit: Mapped[str] = mapped_column(String(64))
    phone: Mapped[str]
    password_hash: Mapped[str]
    must_change: Mapped[bool]
    is_active: Mapped[bool]
    created_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("login_key"),)


class Session(Base):
    """One visit, of a person or (with a token pasted into the form) of a program's keeper.

    It ends at `expires_at`, when it has been idle too long, or at `ended_at`.
    """

    __tablename__ = "sessions"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    token_id: Mapped[int | None] = mapped_column(ForeignKey("tokens.id"))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    address: Mapped[str]
    agent: Mapped[str]
    __table_args__ = (Index("ix_sessions_account", "account_id", "id"),)


class SetupKey(Base):
    """The key of a one-time link that makes the first administrator."""

    __tablename__ = "setup_keys"
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Restricted(Base):
    """An incident that is restricted now, by whom and why; the history is in the desk's log."""

    __tablename__ = "restricted"
    incident_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    reason: Mapped[str]


class LogLine(Base):
    """One thing that happened at the desk and is no incident's own: who, what, about what.

    `unit` is whose it is to read; null: the root's alone.
    """

    __tablename__ = "desk_log"
    id: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    what: Mapped[str]
    about: Mapped[str]
    unit: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[dict[str, Any]]
    __table_args__ = (
        Index("ix_desk_log_what", "what", "id"),
        Index("ix_desk_log_about", "about", "id"),
    )
