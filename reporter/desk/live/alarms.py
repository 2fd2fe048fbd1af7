"""Alarms: the steps of ladders that fired for an open incident, one for all the notices a step has written.

An alarm is told by the event that reports it, never by a timer of a browser; it calls until somebody has
acknowledged its notices, or its report has come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reporter.core.terms import ClockState, NoticeReason, NoticeState
from reporter.store.queries import ClockRow, NoticeRow
from reporter.timesource import micros

CALM: Final = 1
BREACH: Final = 2
ESCALATION: Final = 3
_LEVELS: Final[Mapping[str, int]] = {
    NoticeReason.BREACH: BREACH,
    NoticeReason.ESCALATION: ESCALATION,
    NoticeReason.WITHDRAWN: BREACH,
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One firing. `level`: 1 a reminder, 2 a breach, 3 an escalation. `at` is when it was recorded.

    `is_calling`: at level 2 or 3, its clock still waits and nobody has acknowledged it. `clock` is the
    obligation, or None for an alarm of the incident as a whole.
    """

    id: str
    incident_id: str
    at: datetime
    level: int
    reason: NoticeReason
    clock: str | None
    is_calling: bool


def alarms_of(clocks: Sequence[ClockRow], notices: Sequence[NoticeRow]) -> tuple[Alarm, ...]:
    """The alarms of one incident, oldest first."""
    waiting = {
        clock.obligation: clock.state
        for clock in clocks
        if clock.state in (ClockState.RUNNING, ClockState.BREACHED)
    }
    firings: dict[tuple[object, ...], list[NoticeRow]] = {}
    for notice in notices:
        key = (notice.recorded_at, notice.obligation, notice.step, notice.repeat, notice.reason)
        firings.setdefault(key, []).append(notice)
    return tuple(
        _alarm(found, waiting) for _, found in sorted(firings.items(), key=lambda each: str(each[0]))
    )


def _alarm(notices: Sequence[NoticeRow], waiting: Mapping[str, str]) -> Alarm:
    first = notices[0]
    reason = NoticeReason(first.reason)
    level = _LEVELS.get(reason, CALM)
    if reason in (NoticeReason.AMENDED, NoticeReason.REOPENED):
        level = BREACH if waiting.get(first.obligation or "") == ClockState.BREACHED else CALM
    return Alarm(
        id=f"{first.incident_id}/{first.obligation}/{first.step}/{first.repeat}/{micros(first.recorded_at)}",
        incident_id=first.incident_id,
        at=first.recorded_at,
        level=level,
        reason=reason,
        clock=first.obligation,
        is_calling=level >= BREACH
        and (first.obligation is None or first.obligation in waiting)
        and all(notice.state != NoticeState.ACKNOWLEDGED for notice in notices),
    )
