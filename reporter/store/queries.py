"""The read side: what pages and the API show, as frozen rows, never as ORM objects.

Everything takes a connection of `Database.snapshot()`: a page shows one state, and costs four queries at any length.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar  # Any: columns of SQL and documents of JSON have no narrower type

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    bindparam,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import JSON, Text

from reporter.core.terms import ClockState, FactKind, IncidentState, Verdict
from reporter.store.models import Base, Clock, Incident, Line, Notice, Restricted
from reporter.store.restricted import Scope as _Scope
from reporter.store.restricted import concealed

OVERDUE = "overdue"
"""A filter beside the verdicts: breached and still open."""

IDS_MAX = 10_000
"""How many values one statement may name: both databases allow some more."""

Scope = _Scope


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident as it stands. `unit` owns it; `opened_from` is the unit whose event opened it."""

    id: str
    code: str
    unit: str
    opened_from: str
    state: str
    mode: str
    title: str
    category: str | None
    grade: str | None
    sensitive: bool
    occurred_earliest_at: datetime
    occurred_latest_at: datetime
    is_provisional: bool
    aware_at: datetime | None
    received_at: datetime
    recorded_at: datetime
    closed_at: datetime | None
    survivor: str | None
    schedule: str
    edition: str
    edition_digest: str
    anomalies: list[str]
    facts: dict[str, Any]
    version: int


@dataclass(frozen=True, slots=True)
class ClockRow:
    """One clock of an incident."""

    incident_id: str
    obligation: str
    starts_at: datetime
    due_at: datetime
    due_latest_at: datetime | None
    state: str
    met_at: datetime | None
    met_by: str | None
    verdict: str | None
    complete: bool | None
    undeclared: list[str] | None
    aware_due_at: datetime | None
    aware_verdict: str | None

    @property
    def late_by_s(self) -> float | None:
        """Seconds from the last possible deadline to the report; None unless the verdict is late."""
        return late_by_s(self.verdict, self.met_at, self.due_latest_at or self.due_at)


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One notice to one person on one channel."""

    id: str
    incident_id: str
    obligation: str | None
    step: str | None
    repeat: int
    reason: str
    to_role: str
    person: str | None
    channel: str
    state: str
    due_at: datetime | None
    recorded_at: datetime
    attempts: int
    note: str | None


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One report that counts for an incident, as its ledger line has it; `received_at` is RFC 3339 text."""

    id: str
    covers: list[str]
    form: str
    received_at: str
    unit: str
    data: dict[str, Any]
    anomalies: list[str]
    joined_from: str | None


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """An incident with all that is shown of it."""

    incident: IncidentRow
    clocks: tuple[ClockRow, ...]
    notices: tuple[NoticeRow, ...]
    reports: tuple[ReportRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter:
    """Which incidents, newest occurrence first.

    `scope` is what the reader may see at all; `units` filters by owning unit. `since` is inclusive, `until`
    exclusive, both on the occurrence's earliest end. `verdict` may be `OVERDUE`. `after` is the place in the
    order (earliest occurrence, id) of the last row already seen. `text` is part of title or place, or a code.
    """

    scope: Scope = None
    units: Scope = None
    state: str | None = None
    mode: str | None = None
    verdict: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    after: tuple[datetime, str] | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """What has to be known of an incident before a command for it may enter."""

    unit: str
    opened_from: str
    state: str
    mode: str
    edition_digest: str
    is_restricted: bool = False


def late_by_s(verdict: str | None, met_at: datetime | None, final_due_at: datetime) -> float | None:
    """How late, in seconds: a whole number as an int, None unless the verdict is late."""
    if verdict != Verdict.LATE or met_at is None:
        return None
    seconds = (met_at - final_due_at).total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


async def incidents(connection: AsyncConnection, wanted: IncidentFilter) -> list[IncidentRecord]:
    """At most `limit` incidents, with their parts: four queries."""
    return await _with_parts(connection, await incident_rows(connection, wanted))


async def incident_rows(connection: AsyncConnection, wanted: IncidentFilter) -> list[IncidentRow]:
    """At most `limit` incidents, without their parts: one query."""
    statement = narrowed(wanted, connection.dialect.name).order_by(
        Incident.occurred_earliest_at.desc(), Incident.id.desc()
    )
    return [IncidentRow(*row) for row in await connection.execute(statement.limit(wanted.limit))]


async def incident(
    connection: AsyncConnection, incident_id: str, scope: Scope = None
) -> IncidentRecord | None:
    """One incident with its parts, or None if there is none in `scope`."""
    statement = select(*columns_of(IncidentRow, Incident)).where(Incident.id == incident_id, *_visible(scope))
    rows = [IncidentRow(*row) for row in await connection.execute(statement)]
    records = await _with_parts(connection, rows)
    return records[0] if records else None


async def open_versions(connection: AsyncConnection, limit: int) -> dict[str, tuple[int, bool]]:
    """Of open incidents, the last to occur first, by id: version, whether restricted. Any change moves one of them."""
    rows = await connection.execute(_OPEN_VERSIONS.limit(limit))
    return {row.id: (row.version, row.is_restricted) for row in rows}


async def open_parts(connection: AsyncConnection, ids: Sequence[str]) -> list[IncidentRecord]:
    """These incidents with clocks and notices, without reports: three queries, none for none."""
    found: list[IncidentRecord] = []
    for start in range(0, len(ids), IDS_MAX):
        part = ids[start : start + IDS_MAX]
        rows = [IncidentRow(*row) for row in await connection.execute(_INCIDENTS, {"ids": part})]
        clocks = await _clocks(connection, part)
        notices = await _notices(connection, part)
        found += [
            IncidentRecord(row, tuple(clocks.get(row.id, ())), tuple(notices.get(row.id, ())), ())
            for row in rows
        ]
    return found


async def standing(connection: AsyncConnection, incident_id: str) -> Standing | None:
    """Whose an incident is and how it stands; None if there is no such incident."""
    named = ("unit", "opened_from", "state", "mode", "edition_digest")
    columns = (*(getattr(Incident, name) for name in named), _IS_RESTRICTED)
    row = (await connection.execute(select(*columns).where(Incident.id == incident_id))).one_or_none()
    return Standing(*row) if row else None


async def has_notice(connection: AsyncConnection, incident_id: str, notice_id: str) -> bool:
    """Whether the notice exists and is of that incident."""
    found = select(Notice.id).where(Notice.id == notice_id, Notice.incident_id == incident_id)
    return (await connection.execute(found)).first() is not None


async def ledger(connection: AsyncConnection, incident_id: str) -> list[tuple[str, str]]:
    """The incident's ledger lines, oldest first: canonical text without `hash`, and the hash."""
    lines = select(Line.text, Line.hash).where(Line.number == Incident.number, Incident.id == incident_id)
    return [(row.text, row.hash) for row in await connection.execute(lines.order_by(Line.version))]


# --- the filter ---------------------------------------------------------------------------------------------


def narrowed(wanted: IncidentFilter, dialect: str) -> Select[Any]:
    """The rows (`IncidentRow`) that a filter lets through, in no order and of any number."""
    conditions = _visible(wanted.scope)
    if wanted.units is not None:
        conditions.append(Incident.unit.in_(sorted(wanted.units)))
    if wanted.state is not None:
        conditions.append(Incident.state == wanted.state)
    if wanted.mode is not None:
        conditions.append(Incident.mode == wanted.mode)
    if wanted.since is not None:
        conditions.append(Incident.occurred_earliest_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Incident.occurred_earliest_at < wanted.until)
    if wanted.verdict == OVERDUE:
        conditions.append(Incident.state == IncidentState.OPEN)
        conditions.append(_has_clock(Clock.state == ClockState.BREACHED))
    elif wanted.verdict is not None:
        conditions.append(_has_clock(Clock.verdict == wanted.verdict))
    if wanted.text is not None:
        # `icontains` ignores case and escapes the wildcards that the reader typed.
        texts = (Incident.title, _place_text(dialect))
        sought = [text.icontains(wanted.text, autoescape=True) for text in texts]
        conditions.append(or_(Incident.code == wanted.text.upper(), *sought))
    if wanted.after is not None:
        at, last_id = wanted.after
        # Said so that the index serves the first half: the second alone would be a scan.
        conditions.append(Incident.occurred_earliest_at <= at)
        conditions.append(or_(Incident.occurred_earliest_at < at, Incident.id < last_id))
    return select(*columns_of(IncidentRow, Incident)).where(*conditions)


def _place_text(dialect: str) -> ColumnElement[str]:
    # The facts are JSON kept as text. A cast to JSON means a number on SQLite; PostgreSQL needs it.
    if dialect == "sqlite":
        return func.json_extract(Incident.facts, "$.place.text", type_=Text)
    # mypy cannot see through an index into JSON.
    path: ColumnElement[str] = cast(Incident.facts, JSON)["place"]["text"].as_string()
    return path


def _visible(scope: Scope) -> list[ColumnElement[bool]]:
    if scope is None:
        return []
    codes = sorted(scope)
    return [or_(Incident.unit.in_(codes), Incident.opened_from.in_(codes)), not_(concealed(scope))]


def _has_clock(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Clock.number == Incident.number, condition)


def columns_of(row: type[Any], model: type[Base]) -> list[InstrumentedAttribute[Any]]:
    """The columns of a model from which such a row is made, in its order."""
    return [getattr(model, each.name) for each in fields(row)]


# --- the parts ----------------------------------------------------------------------------------------------


Part = TypeVar("Part", ClockRow, NoticeRow)


async def _with_parts(connection: AsyncConnection, rows: Sequence[IncidentRow]) -> list[IncidentRecord]:
    if not rows:
        return []
    ids = [row.id for row in rows]
    clocks = await _clocks(connection, ids)
    notices = await _notices(connection, ids)
    reports = await reports_of(connection, rows)
    return [
        IncidentRecord(
            row, tuple(clocks.get(row.id, ())), tuple(notices.get(row.id, ())), tuple(reports.get(row.id, ()))
        )
        for row in rows
    ]


# Made once: to build a statement costs as much as to run it, and every command ends with these.
_IDS: BindParameter[list[str]] = bindparam("ids", expanding=True)
# The state is written into the statement: only then do the databases see that the index of open incidents serves.
_IS_RESTRICTED = exists().where(Restricted.incident_id == Incident.id).label("is_restricted")
_IS_OPEN = Incident.state == literal(IncidentState.OPEN.value, literal_execute=True)
_NEWEST = (Incident.occurred_earliest_at.desc(), Incident.id.desc())
_OPEN_VERSIONS = select(Incident.id, Incident.version, _IS_RESTRICTED).where(_IS_OPEN).order_by(*_NEWEST)
_INCIDENTS = select(*columns_of(IncidentRow, Incident)).where(Incident.id.in_(_IDS))
_CLOCKS = (
    select(Incident.id, *(getattr(Clock, each.name) for each in fields(ClockRow)[1:]))
    .join(Incident, Incident.number == Clock.number)
    .where(Incident.id.in_(_IDS))
    .order_by(Clock.position)
)
_NOTICES = (
    select(*columns_of(NoticeRow, Notice))
    .join(Incident, Incident.number == Notice.number)
    .where(Incident.id.in_(_IDS))
    .order_by(Notice.recorded_at, Notice.due_at, Notice.id)
)
_REPORTS = (
    select(Line.incident_id, Line.kind, Line.text)
    .join(Incident, Incident.number == Line.number)
    .where(Incident.id.in_(_IDS), Line.kind.in_((FactKind.REPORTED, FactKind.AMENDED)))
    .order_by(Line.number, Line.version)
)


async def _clocks(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[ClockRow]]:
    return _by_incident(ClockRow(*row) for row in await connection.execute(_CLOCKS, {"ids": ids}))


async def _notices(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[NoticeRow]]:
    return _by_incident(NoticeRow(*row) for row in await connection.execute(_NOTICES, {"ids": ids}))


def _by_incident(rows: Iterable[Part]) -> dict[str, list[Part]]:
    grouped: dict[str, list[Part]] = {}
    for row in rows:
        grouped.setdefault(row.incident_id, []).append(row)
    return grouped


async def reports_of(
    connection: AsyncConnection, incidents_found: Iterable[IncidentRow]
) -> dict[str, list[ReportRow]]:
    """The reports that count now: those the ledger says came, less those an amended line says have left. One query."""
    # What a report that names nothing is for may have changed since: the facts say it.
    found_covers: dict[str, Mapping[str, list[str]]] = {
        row.id: row.facts.get("covers", {}) for row in incidents_found
    }
    found: dict[str, dict[str, ReportRow]] = {}
    for incident_id, kind, text in await connection.execute(_REPORTS, {"ids": list(found_covers)}):
        body = json.loads(text)["body"]
        counted = found.setdefault(incident_id, {})
        if kind == FactKind.REPORTED:
            counted[body["report"]] = ReportRow(
                id=body["report"],
                covers=found_covers[incident_id].get(body["report"], body["covers"]),
                form=body["form"],
                received_at=body["received_at"],
                unit=body["unit"],
                data=body["data"],
                anomalies=body["anomalies"],
                joined_from=body.get("joined_from"),
            )
        else:
            for report_id in body.get("left", ()):
                counted.pop(report_id, None)
    return {
        incident_id: sorted(counted.values(), key=lambda report: (report.received_at, report.id))
        for incident_id, counted in found.items()
    }
