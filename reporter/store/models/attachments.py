"""What was handed in with reports: the names; the content is in a folder, by its SHA-256 (`store.filebox`)."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from reporter.store.models.base import Base


class Attachment(Base):
    """One file of one incident. The same content handed in twice is one; never updated, never deleted."""

    __tablename__ = "attachments"
    incident_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str]
    media_type: Mapped[str]
    bytes_count: Mapped[int] = mapped_column(BigInteger)
    recorded_at: Mapped[datetime]
    actor: Mapped[str]
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy reads it once
