"""Folding the ledger gives the tables: an incident rebuilt from its lines alone, and held against its rows.

Nothing here writes. Commands are applied anew, and the lines that they bring about must be those that stand
there; what time brought about (steps fired, breaches, certainty, what became missing) is taken over from its
lines. Besides the lines only the edition is read, under the digest that the first line names.

The ledger does not say: a notice's phone and address (they are a person's, and it is for ever), and attempts
that are not final. Of a collapsed step that repeats and is not the newest, the number reached is taken from
the moment of recording.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any  # columns of rows, and bodies of lines

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core import decide
from reporter.core.clock import Clock
from reporter.core.incident import Entry, View
from reporter.core.instants import read_back
from reporter.core.ladder import Repetition, reopen
from reporter.core.ledger import Line
from reporter.core.roster import Recipient
from reporter.core.schedule import Edition, parse_offset
from reporter.core.terms import COMMAND_OF_FACT, FactKind, IncidentState, Mode, NoticeReason, NoticeState
from reporter.core.tracked import Tracked
from reporter.store import models as m
from reporter.store.editions import Editions
from reporter.store.rows import CLOCK_COLUMNS, incident_columns, ladder_document, take_entry
from reporter.timesource import EPOCH

_OF_COMMANDS = frozenset(
    {"source", "id", "received_at", "data", "anomalies", "report", "covers", "clocks", "ended"}
)
_OF_DECISIONS = frozenset({FactKind.REMINDED, FactKind.BREACHED, FactKind.ESCALATED})
_NEVER = timedelta(0)


@dataclass(slots=True)
class Rebuilt:
    """The rows that the ledger says there should be; clocks by obligation, notices by id, columns by name.

    `differences`: lines that do not follow from those before them.
    """

    incident: dict[str, Any] = field(default_factory=dict)
    clocks: dict[str, dict[str, Any]] = field(default_factory=dict)
    notices: dict[str, dict[str, Any]] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)


async def rebuild(connection: AsyncConnection, incident_id: str) -> Rebuilt:
    """The incident's rows, from its ledger alone.

    Errors: LookupError if it has no ledger; KeyError, ValueError for what is no line (see `ledger verify`).
    """
    number = await _number(connection, incident_id)
    wanted = select(m.Line.text, m.Line.hash).where(m.Line.number == number).order_by(m.Line.version)
    rows = (await connection.execute(wanted)).all()
    if not rows:
        raise LookupError(f"no ledger of an incident {incident_id}")
    lines = [(json.loads(row.text), row.text, row.hash) for row in rows]
    edition = await Editions().of(connection, lines[0][0]["body"]["edition_digest"])
    return _Fold(incident_id, edition, lines).rebuilt()


async def differences(connection: AsyncConnection, incident_id: str) -> list[str]:
    """What the incident's rows say and its ledger does not, or the other way round; empty when they agree."""
    rebuilt = await rebuild(connection, incident_id)
    found = list(rebuilt.differences)
    incidents = await _rows(connection, m.Incident, "id", incident_id)
    clocks = [row for each in incidents for row in await _rows(connection, m.Clock, "number", each["number"])]
    notices = [
        row for each in incidents for row in await _rows(connection, m.Notice, "number", each["number"])
    ]
    found += _compared("incidents", {incident_id: rebuilt.incident}, {row["id"]: row for row in incidents})
    found += _compared("clocks", rebuilt.clocks, {row["obligation"]: row for row in clocks})
    found += _compared("notices", rebuilt.notices, {row["id"]: row for row in notices})
    return found


class _Nobody:
    """Whoever was on duty is told by the lines themselves."""

    def recipients(self, unit: str, roles: Sequence[str]) -> Sequence[Recipient]:  # noqa: ARG002
        return ()


class _Fold:
    """One incident on its way through its lines."""

    def __init__(self, id_: str, edition: Edition, lines: Sequence[tuple[dict[str, Any], str, str]]) -> None:
        self._lines = lines
        self._entries: list[Entry] = []
        self._result = Rebuilt()
        unit = lines[0][0]["body"]["unit"]
        self._tracked = Tracked(id_, unit, Mode.ACTUAL, IncidentState.OPEN, edition)
        self._view: View | None = None

    def rebuilt(self) -> Rebuilt:
        index = 0
        while index < len(self._lines):
            line, _, _ = self._lines[index]
            kind = FactKind(line["kind"])
            if kind in COMMAND_OF_FACT:
                index += self._take_command(index, kind, line)
            else:
                self._take_fact(kind, line)
                index += 1
        self._result.incident = self._incident_row()
        self._result.clocks = {clock.obligation.id: self._clock_row(clock) for clock in self._tracked.clocks}
        return self._result

    # --- commands -------------------------------------------------------------------------------------------

    def _take_command(self, index: int, kind: FactKind, line: Mapping[str, Any]) -> int:
        """Applies a command anew. Returns how many lines that accounts for."""
        body, now = line["body"], read_back(line["recorded_at"])
        told = {name: value for name, value in body.items() if name not in _OF_COMMANDS}
        take_entry(self._entries, kind, body)
        entry = self._entries[-1]
        tracked = self._tracked
        tracked.version, tracked.head, tracked.lines = line["version"] - 1, line["prev"], []
        if kind is FactKind.OPENED:
            self._view = decide.open_incident(tracked, entry, told, now, line["actor"])
        else:
            steps = self._acknowledge(body) if kind is FactKind.ACKNOWLEDGED else []
            stale_at = read_back(body["stale_at"]) if "stale_at" in body else None
            self._view = decide.apply(
                tracked, self._entries, entry, told, now, line["actor"], _Nobody(), steps, stale_at
            )
        return self._follow(index, tracked.lines)

    def _acknowledge(self, body: Mapping[str, Any]) -> list[tuple[str, timedelta]]:
        steps = []
        for id_ in body["notices"]:
            notice = self._result.notices[id_]
            notice["state"] = NoticeState.ACKNOWLEDGED.value
            if notice["obligation"] and notice["step"]:
                steps.append((notice["obligation"], parse_offset(notice["step"])))
        self._settle_notices({"notices": body.get("not_needed", ())})
        return steps

    def _follow(self, index: int, expected: Sequence[Line]) -> int:
        """Holds the lines that a command brings about against those that stand there."""
        for offset, line in enumerate(expected):
            if index + offset >= len(self._lines):
                self._differ(line.version, f"the command brings about a line {line.kind} that is not there")
                return offset
            found, text, _ = self._lines[index + offset]
            if found["kind"] != line.kind:
                self._differ(line.version, f"is {found['kind']}, and the command brings about {line.kind}")
                return max(offset, 1)
            if line.kind is FactKind.NOTIFIED:
                self._keep_notices(found, found["body"]["reason"], None, None, 1, None)
            elif text != line.text and _in_order(found) != _in_order(json.loads(line.text)):
                self._differ(line.version, f"differs from what follows from the commands: {line.text}")
        return len(expected)

    # --- facts ----------------------------------------------------------------------------------------------

    def _take_fact(self, kind: FactKind, line: Mapping[str, Any]) -> None:
        body = line["body"]
        if kind is FactKind.NOTIFIED:
            self._settle_notices(body)
            return
        clock = next((c for c in self._tracked.clocks if c.obligation.id == body["obligation"]), None)
        if clock is None:
            self._differ(
                line["version"], f"speaks of the obligation {body['obligation']}, which has no clock"
            )
            return
        if kind is FactKind.JUDGED:
            clock.breach_certain = body["certain"]
            judged_at = max(
                read_back(line["at"]), clock.missing_at or EPOCH
            )  # certainty is dated at the deadline
            if body["verdict"] is None:  # ticks once took back what a closure had said, and gave it again
                clock.verdict = None
            self._settle(clock, judged_at if body["verdict"] else EPOCH)
            if clock.verdict != body["verdict"]:
                self._differ(
                    line["version"], f"says {body['verdict']}, and the lines before it {clock.verdict}"
                )
        elif kind in _OF_DECISIONS:
            if kind is FactKind.BREACHED:
                clock.breach_due_at, clock.breach_certain = read_back(body["due_at"]), body["certain"]
            if "step" in body:
                until = clock.chased_until(self._tracked.closed_at, self._tracked.withdrawn_at)
                at = _fire(clock, body, min(read_back(line["recorded_at"]), until))
                step, repeat = body["step"], body["repeat"]
                self._keep_notices(line, body["reason"], clock.obligation.id, step, repeat, at)
            self._settle(clock, EPOCH)
        else:
            self._differ(line["version"], f"a line {kind} follows from no command")

    def _settle(self, clock: Clock, now: datetime) -> None:
        tracked = self._tracked
        tracked.settle(clock, now)

    def _keep_notices(
        self,
        line: Mapping[str, Any],
        reason: str,
        obligation: str | None,
        step: str | None,
        repeat: int,
        due_at: datetime | None,
    ) -> None:
        for told in line["body"]["notices"]:
            self._result.notices[told["id"]] = {
                "id": told["id"],
                "incident_id": self._tracked.id,
                "unit": self._tracked.unit,
                "mode": self._tracked.mode.value,
                "obligation": obligation,
                "step": step,
                "repeat": repeat,
                "reason": reason,
                "to_role": told["to"],
                "person": told["person"],
                "channel": told["channel"],
                "state": NoticeState.QUEUED.value,
                "due_at": due_at,
                "recorded_at": read_back(line["recorded_at"]),
            }

    def _settle_notices(self, body: Mapping[str, Any]) -> None:
        for told in body["notices"]:
            notice = self._result.notices[told["id"]]
            if notice["state"] != NoticeState.ACKNOWLEDGED:
                settled = {"state": told["state"], "attempts": told["attempts"], "note": told["note"]}
                notice |= settled

    # --- rows -----------------------------------------------------------------------------------------------

    def _incident_row(self) -> dict[str, Any]:
        if self._view is None:
            raise ValueError("a ledger begins with a command")
        line, _, _ = self._lines[0]
        body, received_at = line["body"], read_back(line["body"]["received_at"])
        return incident_columns(self._view, self._tracked.edition.zone) | {
            "id": self._tracked.id,
            "code": body["code"],
            "code_day": _code_day(body["code"], received_at),
            "unit": body["unit"],
            "opened_from": body["from"],
            "received_at": received_at,
            "recorded_at": read_back(line["recorded_at"]),
            "schedule": body["schedule"],
            "edition": body["edition"],
            "edition_digest": body["edition_digest"],
            "version": len(self._lines),
            "head": self._lines[-1][2],
        }

    def _clock_row(self, clock: Clock) -> dict[str, Any]:
        row = {name: getattr(clock, name) for name in CLOCK_COLUMNS if name not in _ELSEWHERE}
        return row | {
            "obligation": clock.obligation.id,
            "undeclared": clock.undeclared or None,
            "ladder": ladder_document(clock.ladder),
        }

    def _differ(self, version: int, what: str) -> None:
        self._result.differences.append(f"ledger line {version}: {what}")


def _in_order(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line with its anomalies in order: their order says nothing, and was once that of the keys in a message."""
    body = line["body"]
    if "anomalies" in body:
        body = body | {"anomalies": sorted(body["anomalies"])}
    return {**line, "body": body}


_ELSEWHERE = frozenset({"number", "obligation", "undeclared", "ladder"})
"""Columns of a clock that are not as its attribute of that name is."""


def _fire(clock: Clock, body: Mapping[str, Any], looked_to: datetime) -> datetime:
    """Notes in the clock's ladder that a step fired; returns the instant that the rule names for it."""
    ladder, steps = clock.ladder, clock.obligation.ladder
    if body["reason"] == NoticeReason.ACK_STALE and ladder.awaited is not None:
        return reopen(ladder, steps, ladder.awaited).at
    offset, repeat = parse_offset(body["step"]), int(body["repeat"])
    index = next(i for i, step in enumerate(steps) if step.offset == offset)
    step = steps[index]
    every = step.every or _NEVER
    under_way = next((r for r in ladder.repetitions if r.step == index and r.next_at is not None), None)
    if index < ladder.position and under_way is not None and under_way.next_at is not None:
        at = under_way.next_at + (repeat - under_way.count - 1) * every
        under_way.count = repeat
        under_way.next_at = at + every if repeat < step.at_most else None
        return at
    first = ladder.due_at + offset
    is_known_late = first <= ladder.known_at
    if is_known_late:
        first = ladder.known_at
        for other in range(ladder.position, index):
            if span := steps[other].every:
                count = max(1, min(1 + (looked_to - first) // span, steps[other].at_most))
                next_at = first + count * span if count < steps[other].at_most else None
                ladder.repetitions.append(Repetition(other, count, next_at))
    if step.every:
        ladder.repetitions.append(
            Repetition(index, repeat, first + repeat * every if repeat < step.at_most else None)
        )
    ladder.position, ladder.top = max(ladder.position, index + 1), max(ladder.top, index)
    return first + (repeat - 1) * every


def _code_day(code: str, received_at: datetime) -> str:
    """The local day of the arrival, with which the code begins: never more than a day away from UTC's."""
    days = (received_at.date() + timedelta(days=shift) for shift in (0, 1, -1))
    return next((day.isoformat() for day in days if f"{day:%m%d}" == code[:4]), "")


async def _number(connection: AsyncConnection, incident_id: str) -> int | None:
    """The incident's number. Where its row is gone, all lines are looked through for it."""
    for table, id_ in ((m.Incident, m.Incident.id), (m.Line, m.Line.incident_id)):
        found = await connection.execute(select(table.number).where(id_ == incident_id).limit(1))
        if (number := found.scalar_one_or_none()) is not None:
            return number
    return None


async def _rows(
    connection: AsyncConnection, model: type[m.Base], column: str, value: str | int
) -> list[dict[str, Any]]:
    table = m.table(model)
    found = await connection.execute(select(table).where(table.c[column] == value))
    return [dict(row) for row in found.mappings()]


def _compared(
    name: str, expected: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What differs, column by column; columns that the ledger says nothing of are left alone."""
    told = [f"{name} {key}: is in the table and not in the ledger" for key in found.keys() - expected.keys()]
    told += [f"{name} {key}: is in the ledger and not in the table" for key in expected.keys() - found.keys()]
    for key in sorted(expected.keys() & found.keys()):
        for column, value in expected[key].items():
            is_same = found[key][column] == value
            if column == "anomalies":  # as in `_in_order`
                is_same = sorted(found[key][column]) == sorted(value)
            if not is_same:
                told.append(f"{name} {key}: {column} is {found[key][column]!r}, the ledger says {value!r}")
    return told
