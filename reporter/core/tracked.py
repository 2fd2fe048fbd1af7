"""An incident while it is decided on: its clocks, and the lines and notices that the decision adds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from reporter.core.clock import Clock
from reporter.core.command import notice_ids
from reporter.core.ladder import Ladder
from reporter.core.ledger import GENESIS, Line, write_line
from reporter.core.roster import Recipient
from reporter.core.schedule import Edition
from reporter.core.terms import FactKind, IncidentState, Mode, NoticeReason
from reporter.core.turns import NOW, SECOND, Rank, ranks, turns

_PLAIN = (FactKind.REMINDED, FactKind.BREACHED, FactKind.ESCALATED, FactKind.NOTIFIED)
"""Kinds whose bodies are ours alone and hold no number with a fraction."""


class Directory(Protocol):
    """Who is on duty now."""

    def recipients(self, unit: str, roles: Sequence[str]) -> Sequence[Recipient]:
        """The persons and channels to notice for these roles of `unit`; never empty."""
        ...


class Notice(NamedTuple):
    """One notice to one person on one channel, written in the commit of the fact that it tells of.

    `due_at`: the instant of the step or repetition that it belongs to, as the rule names it. `turn` and `wait`:
    which of the person's channels this is, and how long it waits for those before it; `rank`: before which others
    it leaves (`core.turns`).
    """

    id: str
    incident: str
    unit: str
    mode: Mode
    obligation: str | None
    step: str | None
    repeat: int
    reason: NoticeReason
    due_at: datetime | None
    recipient: Recipient
    turn: int = 0
    wait: timedelta = NOW
    rank: Rank = Rank.PLAIN


@dataclass(slots=True)
class Tracked:
    """An incident as it is recorded, with the clocks that the decision at hand concerns."""

    id: str
    unit: str
    mode: Mode
    state: IncidentState
    edition: Edition
    number: int = 0
    """Where it is kept; 0 before it is."""
    code: str = ""
    title: str = ""
    """What people call it, as it is recorded; empty before it is."""
    is_provisional: bool = False
    closed_at: datetime | None = None
    withdrawn_at: datetime | None = None
    version: int = 0
    head: str = GENESIS
    clocks: list[Clock] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    ended: dict[str, Ladder] = field(default_factory=dict)
    """How far the ladders had gone of obligations whose guard once ceased to hold: their clocks ended, and if they
    come back, nothing fires twice."""
    skew_ms: int | None = None
    """The broker's clock less ours while this is decided, where it is past the margin: it goes onto the verdict."""

    def settle(self, clock: Clock, now: datetime) -> None:
        """Recomputes a clock's state, verdict and next looks."""
        clock.settle(now, self.closed_at, self.withdrawn_at, is_provisional=self.is_provisional)

    def write(
        self, kind: FactKind, at: datetime, now: datetime, body: Mapping[str, object], actor: str
    ) -> None:
        """Adds the next line to the incident's ledger."""
        self.version += 1
        is_plain = kind in _PLAIN
        line = write_line(self.id, self.version, kind, at, now, actor, body, self.head, is_plain=is_plain)
        self.head = line.hash
        self.lines.append(line)


def notify(
    incident: Tracked,
    now: datetime,
    recipients: Sequence[Recipient],
    reason: NoticeReason,
    obligation: str | None = None,
    step: str | None = None,
    repeat: int = 1,
    due_at: datetime | None = None,
    wait: timedelta = NOW,
) -> list[dict[str, object]]:
    """Adds one notice per recipient, for the line about to be written `now`; returns how the line tells of them.

    `wait`: how long each of a person's channels waits for the one before it; none: all are sent at once.
    """
    told: list[dict[str, object]] = []
    # The line to come is told from all others by the one that it follows.
    ids = notice_ids(now, incident.head, len(recipients))
    order = turns(recipients) if wait else [0] * len(recipients)
    order_out = ranks(recipients, reason, repeat)
    for id_, recipient, turn, rank in zip(ids, recipients, order, order_out, strict=True):
        incident.notices.append(
            Notice(
                id_,
                incident.id,
                incident.unit,
                incident.mode,
                obligation,
                step,
                repeat,
                reason,
                due_at,
                recipient,
                turn,
                turn * wait,
                rank,
            )
        )
        each: dict[str, object] = {
            "id": id_,
            "to": recipient.to,
            "person": recipient.person,
            "channel": recipient.channel,
            "note": recipient.note,
        }
        if turn:
            each["after_s"] = turn * wait // SECOND
        told.append(each)
    return told
