"""A database with ledgers in it, written with the product's own hand and without its engine."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import insert, text

from reporter.core.instants import parse, rfc3339
from reporter.core.ledger import GENESIS, write_line
from reporter.core.ledger import Line as Written
from reporter.core.schedule import Edition
from reporter.core.terms import FactKind
from reporter.store import models as m
from reporter.store.bulk import Writing
from reporter.store.database import Database, open_database
from reporter.store.editions import Editions
from reporter.store.schema import upgrade

AT = parse("2026-11-23T06:00:00Z")
Body = Mapping[str, object]


async def fresh_database(folder: Path) -> Database:
    """An empty database with every table, and without the triggers that would keep a test from tampering."""
    database = open_database(None, folder)
    await upgrade(database)
    async with database.transaction() as connection:
        for verb in ("update", "delete"):
            await connection.execute(text(f"DROP TRIGGER ledger_no_{verb}"))
    return database


def chain(incident: str, facts: Sequence[tuple[FactKind, Body]], at: datetime = AT) -> list[Written]:
    """The ledger lines of these facts."""
    lines: list[Written] = []
    for version, (kind, body) in enumerate(facts, start=1):
        prev = lines[-1].hash if lines else GENESIS
        lines.append(write_line(incident, version, kind, at, at, "nats:yi-xian", body, prev))
    return lines


async def keep(database: Database, lines: list[Written], edition: Edition, **changes: object) -> None:
    """Stores an incident of the default schedule with these lines; `changes` are columns of the incident."""
    last = lines[-1]
    row: dict[str, object] = {
        "id": last.incident,
        "code": "1123-7KQF",
        "code_day": "2026-11-23",
        "unit": "yi-xian",
        "opened_from": "yi-xian",
        "state": "open",
        "mode": "actual",
        "title": "化工园区爆燃",
        "sensitive": False,
        "occurred_earliest_at": AT,
        "occurred_latest_at": AT,
        "is_provisional": False,
        "received_at": AT,
        "recorded_at": AT,
        "schedule": edition.schedule_id,
        "edition": edition.id,
        "edition_digest": edition.digest,
        "month": "2026-11",
        "anomalies": [],
        "facts": {},
        "version": last.version,
        "head": last.hash,
    }
    async with database.transaction() as connection:
        writing = Writing(connection)
        Editions().keep(writing, [edition])
        await writing.done()
        opened = await connection.execute(
            insert(m.Incident).values(row | changes).returning(m.Incident.number)
        )
        number = opened.scalar_one()
        columns = [
            {
                "number": number,
                "version": x.version,
                "incident_id": x.incident,
                "kind": x.kind,
                "text": x.text,
                "hash": x.hash,
            }
            for x in lines
        ]
        await connection.execute(insert(m.Line), columns)


def reported(report: str, covers: list[str], form: str, at: datetime) -> tuple[FactKind, Body]:
    """The fact of a report."""
    body = {
        "report": report,
        "covers": covers,
        "form": form,
        "received_at": rfc3339(at),
        "unit": "yi-xian",
        "source": "urn:a",
        "id": report,
        "data": {},
        "anomalies": [],
    }
    return FactKind.REPORTED, body
