"""Handovers of a shift: a frozen snapshot each, and what was said and signed over it. Both only ever grow."""

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from reporter.store.models.base import SERIAL, Base


class HandoverSnapshot(Base):
    """One handover. `text` is the snapshot's canonical JSON, `digest` the SHA-256 of exactly this text."""

    __tablename__ = "handovers"
    id: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    unit: Mapped[str] = mapped_column(String(64))
    frozen_at: Mapped[datetime]
    author: Mapped[str]
    text: Mapped[str]
    digest: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(unique=True)
    __table_args__ = (Index("ix_handovers_unit", "unit", "id"),)


class HandoverEntry(Base):
    """One entry (`core.handover`): its canonical text holds the `hash` of the entry before it."""

    __tablename__ = "handover_entries"
    handover: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    hash: Mapped[str] = mapped_column(String(64))
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy reads it once
