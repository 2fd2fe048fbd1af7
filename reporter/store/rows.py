"""Rows and `core` values: how a clock, a view, a notice and a command look in the tables."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any  # rows have no narrower type
from zoneinfo import ZoneInfo

from reporter.core.clock import Clock
from reporter.core.incident import Entry, View
from reporter.core.instants import read_back
from reporter.core.ladder import Awaited, Ladder, Repetition
from reporter.core.notice import Lease
from reporter.core.schedule import Edition
from reporter.core.terms import (
    COMMAND_OF_FACT,
    Anomaly,
    ClockState,
    FactKind,
    NoticeReason,
    NoticeState,
    Verdict,
    field_invalid,
)
from reporter.core.tracked import Notice
from reporter.store.onevisit import Row
from reporter.store.types import document, read_document
from reporter.timesource import from_micros, micros

STICKY = frozenset(
    {
        Anomaly.UNIT_UNKNOWN,
        Anomaly.SCHEDULE_UNKNOWN,
        Anomaly.NO_EDITION_IN_FORCE,
        Anomaly.REPLY_REFUSED,
        Anomaly.FOREIGN_UNIT,
    }
)
"""Anomalies that the gate found; all others follow from the commands and are derived anew."""


_DERIVED = (FactKind.OPENED, FactKind.AMENDED, FactKind.REPORTED)


def _is_sticky(kind: FactKind, anomaly: str) -> bool:
    return (
        anomaly in STICKY
        or anomaly in (field_invalid("unit"), field_invalid("reason"))
        or (kind not in _DERIVED and anomaly.startswith(field_invalid("")))
    )


CLOCK_COLUMNS = (
    "state",
    "verdict",
    "aware_verdict",
    "breach_due_at",
    "breach_certain",
    "ladder",
    "remind_at",
    "judge_at",
    "number",
    "obligation",
    "position",
    "starts_at",
    "due_at",
    "due_latest_at",
    "met_at",
    "met_by",
    "missing_at",
    "complete",
    "undeclared",
    "aware_due_at",
)
"""A clock's columns: those that time changes first, then its key, then what follows from the commands."""
TICKED_COLUMNS = CLOCK_COLUMNS[:8]
KEY_COLUMNS = CLOCK_COLUMNS[8:10]
NOTICE_COLUMNS = (
    "id",
    "number",
    "incident_id",
    "unit",
    "mode",
    "obligation",
    "step",
    "repeat",
    "reason",
    "to_role",
    "person",
    "phone",
    "channel",
    "address",
    "state",
    "due_at",
    "recorded_at",
    "attempts",
    "note",
    "next_try_at",
    "turn",
    "rank",
)


_STATES = {each.value: each for each in ClockState}
_QUEUED = NoticeState.QUEUED.value


def ladder_document(ladder: Ladder) -> list[Any] | None:
    """A ladder as stored: due time and arrival in microseconds, position, top, cause, repetitions, earlier due times.

    None while nothing of it has fired and nothing moved it: it then follows from the clock and the opening.
    """
    if ladder.position == 0 and ladder.cause is None and not ladder.repetitions and ladder.top < 0:
        return None
    awaited = ladder.awaited
    return [
        micros(ladder.due_at),
        micros(ladder.known_at),
        ladder.position,
        ladder.top,
        ladder.cause and ladder.cause.value,
        [[r.step, r.count, r.next_at and micros(r.next_at)] for r in ladder.repetitions],
        [[micros(due), position] for due, position in ladder.earlier.items()],
        *([] if awaited is None else [[awaited.step, micros(awaited.stale_at)]]),
    ]


def _read_ladder(text: str | None, due_at: datetime, received_at: datetime) -> Ladder:
    if text is None:
        return Ladder(due_at, received_at)
    due, known, position, top, cause, repetitions, earlier, *awaited = read_document(text)
    return Ladder(
        from_micros(due),
        from_micros(known),
        position,
        top,
        cause and NoticeReason(cause),
        [Repetition(step, count, _instant(at)) for step, count, at in repetitions],
        {from_micros(at): reached for at, reached in earlier},
        next((Awaited(step, from_micros(at)) for step, at in awaited), None),
    )


def read_clock(row: Row, edition: Edition, received_at: datetime) -> Clock:
    """The clock of a row as it is stored, `CLOCK_COLUMNS`. Errors: LookupError for an obligation the edition lacks."""
    (
        state,
        verdict,
        aware_verdict,
        breach_due_at,
        breach_certain,
        ladder,
        remind_at,
        judge_at,
        _,
        obligation_id,
        position,
        starts_at,
        due,
        due_latest_at,
        met_at,
        met_by,
        missing_at,
        complete,
        undeclared,
        aware_due_at,
    ) = row
    obligation = edition.obligation(obligation_id)
    if obligation is None:
        raise LookupError(f"edition {edition.digest} has no obligation {obligation_id}")
    due_at = from_micros(due)
    return Clock(
        obligation=obligation,
        position=position,
        starts_at=from_micros(starts_at),
        due_at=due_at,
        ladder=_read_ladder(ladder, due_at, received_at),
        due_latest_at=_instant(due_latest_at),
        state=_STATES[state],
        met_at=_instant(met_at),
        met_by=met_by,
        missing_at=_instant(missing_at),
        verdict=verdict and Verdict(verdict),
        complete=None if complete is None else bool(complete),
        undeclared=read_document(undeclared) or [],
        aware_due_at=_instant(aware_due_at),
        aware_verdict=aware_verdict and Verdict(aware_verdict),
        breach_due_at=_instant(breach_due_at),
        breach_certain=None if breach_certain is None else bool(breach_certain),
        remind_at=_instant(remind_at),
        judge_at=_instant(judge_at),
    )


def _instant(value: int | None) -> datetime | None:
    return None if value is None else from_micros(value)


def ticked_row(number: int, clock: Clock) -> Row:
    """What time changes of a clock, and its key: `TICKED_COLUMNS`, `KEY_COLUMNS`."""
    return (
        str(clock.state),
        clock.verdict and clock.verdict.value,
        clock.aware_verdict and clock.aware_verdict.value,
        _micros(clock.breach_due_at),
        clock.breach_certain,
        document(ladder_document(clock.ladder)),
        _micros(clock.remind_at),
        _micros(clock.judge_at),
        number,
        clock.obligation.id,
    )


def clock_row(number: int, clock: Clock) -> Row:
    """A clock as its whole row: `CLOCK_COLUMNS`."""
    return (
        *ticked_row(number, clock),
        clock.position,
        micros(clock.starts_at),
        micros(clock.due_at),
        _micros(clock.due_latest_at),
        _micros(clock.met_at),
        clock.met_by,
        _micros(clock.missing_at),
        clock.complete,
        document(clock.undeclared or None),
        _micros(clock.aware_due_at),
    )


def incident_columns(view: View, zone: str) -> dict[str, Any]:
    """The columns of `incidents` that follow from the commands; `zone` says whose month it is."""
    facts = dict(view.facts)
    return {
        "state": view.state.value,
        "mode": view.mode.value,
        "title": facts.pop("title"),
        "category": facts.pop("category", None),
        "grade": facts.pop("grade", None),
        "sensitive": bool(facts.pop("sensitive", False)),
        "occurred_earliest_at": view.occurred.earliest,
        "occurred_latest_at": view.occurred.latest,
        "month": view.occurred.earliest.astimezone(ZoneInfo(zone)).date().isoformat()[:7],
        "is_provisional": view.is_provisional,
        "aware_at": view.aware_at,
        "closed_at": view.closed_at,
        "withdrawn_at": view.withdrawn_at,
        "survivor": view.survivor,
        "anomalies": view.anomalies,
        "facts": facts
        | {name: kept for name, kept in (("extra", view.extra), ("covers", view.found)) if kept},
    }


def take_entry(entries: list[Entry], kind: FactKind, body: Mapping[str, Any]) -> None:
    """Adds the command told of by a ledger line; a line that says which reports `left` takes them away again.

    A report told of once more has arrived earlier than was known: the new line stands for it.
    """
    if report := body.get("report"):
        entries[:] = [entry for entry in entries if entry.report != report]
    if left := body.get("left"):
        entries[:] = [entry for entry in entries if entry.report not in left]
    entries.append(
        Entry(
            COMMAND_OF_FACT[kind],
            body["source"],
            body["id"],
            read_back(body["received_at"]),
            body["data"],
            tuple(anomaly for anomaly in body["anomalies"] if _is_sticky(kind, anomaly)),
            body.get("report"),
        )
    )


def notice_row(number: int, notice: Notice, now: datetime, at: int, lease: Lease) -> Row:
    """A notice as its row, taken on `lease`, or waiting to be sent at once or in its turn: `NOTICE_COLUMNS`.

    `at` is `now` as stored.
    """
    recipient = notice.recipient
    is_taken = notice.id in lease.ids
    next_try_at = lease.until if is_taken else now + notice.wait if notice.turn else None
    return (
        notice.id,
        number,
        notice.incident,
        notice.unit,
        str(notice.mode),
        notice.obligation,
        notice.step,
        notice.repeat,
        str(notice.reason),
        recipient.to,
        recipient.person,
        recipient.phone,
        recipient.channel,
        recipient.address,
        _QUEUED,
        _micros(notice.due_at),
        at,
        int(is_taken),
        recipient.note,
        at if next_try_at is None else micros(next_try_at),
        notice.turn,
        int(notice.rank),
    )


def _micros(at: datetime | None) -> int | None:
    return None if at is None else micros(at)
