"""What is known of sending beside the notices themselves: channels' health, next hops' numbers, keys, rehearsals."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from reporter.store.models.base import SERIAL, Base


class ChannelState(Base):
    """How an account of a channel fares; `channel` names both.

    `failures` in a row; `failing_since` the first of them; `reason` the latest's.
    """

    __tablename__ = "channel_states"
    channel: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    failing_since: Mapped[datetime | None]
    reason: Mapped[str | None]
    last_success_at: Mapped[datetime | None]
    last_failure_at: Mapped[datetime | None]


class ProviderId(Base):
    """The number by which a next hop knows a notice: its delivery reports name nothing else."""

    __tablename__ = "provider_ids"
    channel: Mapped[str] = mapped_column(String(64), primary_key=True)
    provider_id: Mapped[str] = mapped_column(String(160), primary_key=True)
    notice_id: Mapped[str] = mapped_column(String(36))
    recorded_at: Mapped[datetime]


class SigningKey(Base):
    """A secret that the service made itself, shared by its replicas."""

    __tablename__ = "signing_keys"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime]


class Rehearsal(Base):
    """One rehearsal: everybody on duty in a unit and below it was sent a marked test. `month`: of a monthly one."""

    __tablename__ = "rehearsals"
    id: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    unit: Mapped[str] = mapped_column(String(64))
    month: Mapped[str | None] = mapped_column(String(7), unique=True)
    author: Mapped[str]
    started_at: Mapped[datetime]


class RehearsalCall(Base):
    """One person's place in a rehearsal; `notice_id` is the test sent, None for an address nothing can be sent to."""

    __tablename__ = "rehearsal_calls"
    rehearsal: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    unit: Mapped[str] = mapped_column(String(64))
    role: Mapped[str]
    person: Mapped[str]
    channel: Mapped[str]
    notice_id: Mapped[str | None] = mapped_column(String(36))
    __table_args__ = (Index("ix_rehearsal_calls_notice_id", "notice_id"),)


class RehearsalAnswer(Base):
    """A person answered a test, at the earliest so; `via`: by which way."""

    __tablename__ = "rehearsal_answers"
    notice_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    answered_at: Mapped[datetime]
    via: Mapped[str]
