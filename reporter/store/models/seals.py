"""Seals over the ledger, and which line of each incident they sealed."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from reporter.store.models.base import Base


class Seal(Base):
    """One seal. `text` is the canonical JSON without `hash`; never updated, never deleted.

    At most one for each `hour`; those made on demand have none.
    """

    __tablename__ = "seals"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hour: Mapped[datetime | None] = mapped_column(unique=True)
    text: Mapped[str]
    hash: Mapped[str] = mapped_column(String(64))


class SealedHead(Base):
    """The line that was an incident's last when a seal was made, where an earlier seal did not seal it already.

    So an incident's version in seal N is that of its last row whose `seal` is N or less. Never updated or deleted.
    """

    __tablename__ = "sealed_heads"
    incident_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seal: Mapped[int]
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012
