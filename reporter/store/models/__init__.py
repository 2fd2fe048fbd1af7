"""Every table, one file a subject. A new table: its class in such a file, its import here, a migration."""

from reporter.store.models.accounts import LogLine, Person, Restricted, Session, SetupKey
from reporter.store.models.base import Base, table
from reporter.store.models.people import Shift, Token, Unit
from reporter.store.models.records import (
    Clock,
    Edition,
    Inbox,
    Incident,
    Line,
    Notice,
    Outbox,
    RejectedNotice,
    SetAside,
)

APPEND_ONLY = ("ledger", "desk_log")
"""Tables whose rows the database itself never lets change or go."""

__all__ = [
    "APPEND_ONLY",
    "Base",
    "Clock",
    "Edition",
    "Inbox",
    "Incident",
    "Line",
    "LogLine",
    "Notice",
    "Outbox",
    "Person",
    "RejectedNotice",
    "Restricted",
    "Session",
    "SetAside",
    "SetupKey",
    "Shift",
    "Token",
    "Unit",
    "table",
]
