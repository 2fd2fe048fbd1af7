"""Every table, one file a subject. A new table: its class in such a file, its import here, a migration."""

from reporter.store.models.accounts import LogLine, Person, Restricted, Session, SetupKey
from reporter.store.models.attachments import Attachment
from reporter.store.models.base import Base, table
from reporter.store.models.delivery import (
    ChannelState,
    ProviderId,
    Rehearsal,
    RehearsalAnswer,
    RehearsalCall,
    SigningKey,
)
from reporter.store.models.handovers import HandoverEntry, HandoverSnapshot
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
from reporter.store.models.rosters import Handover, RollCall, RosterEntry, RosterFeed, RosterGap
from reporter.store.models.seals import Seal, SealedHead
from reporter.store.models.search import SearchEntry, SearchPending

APPEND_ONLY = (
    "ledger",
    "seals",
    "sealed_heads",
    "roster_changes",
    "handover_times",
    "roll_calls",
    "rehearsals",
    "rehearsal_calls",
    "rehearsal_answers",
    "desk_log",
    "handovers",
    "handover_entries",
    "attachments",
)
"""Tables whose rows the database itself never lets change or go."""
VERSIONED = ("roster",)
"""Tables whose rows never go, and change once only: `replaced_at` is set."""

__all__ = [
    "APPEND_ONLY",
    "VERSIONED",
    "Attachment",
    "Base",
    "ChannelState",
    "Clock",
    "Edition",
    "Handover",
    "HandoverEntry",
    "HandoverSnapshot",
    "Inbox",
    "Incident",
    "Line",
    "LogLine",
    "Notice",
    "Outbox",
    "Person",
    "ProviderId",
    "Rehearsal",
    "RehearsalAnswer",
    "RehearsalCall",
    "RejectedNotice",
    "Restricted",
    "RollCall",
    "RosterEntry",
    "RosterFeed",
    "RosterGap",
    "Seal",
    "SealedHead",
    "SearchEntry",
    "SearchPending",
    "Session",
    "SetAside",
    "SetupKey",
    "Shift",
    "SigningKey",
    "Token",
    "Unit",
    "table",
]
