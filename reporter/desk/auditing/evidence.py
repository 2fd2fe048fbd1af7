"""All that a verdict rests on, for one obligation of one incident: read in one snapshot, checked while one looks.

The sums are done again from the pinned edition (`store.explained`), and the incident's chain is walked anew.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any  # documents of JSON

from reporter.catalog import Language, describe_edition
from reporter.core.instants import read_back
from reporter.core.schedule import Edition, Obligation
from reporter.core.terms import FactKind
from reporter.desk.services import Desk
from reporter.store import queries, remarks
from reporter.store.explained import ClockTold, Explainer
from reporter.store.ledger_check import Checked, verify
from reporter.store.queries import ClockRow, IncidentRecord, NoticeRow
from reporter.store.remarks import Remark
from reporter.store.restricted import Scope


@dataclass(frozen=True, slots=True)
class Received:
    """Something that came in, as its ledger line tells of it: `document` is what was sent, as JSON to read.

    `counts`: it is the report that met the obligation.
    """

    version: int
    kind: str
    at: datetime
    source: str
    id: str
    actor: str
    form: str
    document: str
    hash: str
    counts: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the page of a case shows. `told` are the sums and what was fired, in sentences."""

    record: IncidentRecord
    clock: ClockRow
    edition: Edition
    edition_text: str
    obligation: Obligation | None
    told: ClockTold
    opening: tuple[str, ...]
    received: tuple[Received, ...]
    notices: tuple[NoticeRow, ...]
    remarks: tuple[Remark, ...]
    chain: Checked
    head: str


_CAME_IN = (FactKind.OPENED, FactKind.AMENDED, FactKind.REPORTED)


async def evidence(
    desk: Desk, incident_id: str, obligation_id: str, scope: Scope, language: Language
) -> Evidence | None:
    """The evidence, or None where the incident has no such clock. A constant number of queries."""
    async with desk.services.database.snapshot() as connection:
        record = await queries.incident(connection, incident_id, scope)
        if record is None:
            return None
        lines = await queries.ledger(connection, incident_id)
        edition = await desk.editions.of(connection, record.incident.edition_digest)
    clock = next((each for each in record.clocks if each.obligation == obligation_id), None)
    if clock is None:
        return None
    texts = [text for text, _ in lines]
    explained = Explainer(language, desk.services.zone).explain(record, edition, texts)
    said = [each for each in remarks.remarks(texts) if each.obligation in ("", obligation_id)]
    return Evidence(
        record=record,
        clock=clock,
        edition=edition,
        edition_text=describe_edition(edition, language),
        obligation=edition.obligation(obligation_id),
        told=next(each for each in explained.clocks if each.obligation == obligation_id),
        opening=explained.opening,
        received=tuple(_received(lines, clock)),
        notices=tuple(each for each in record.notices if each.obligation in (None, obligation_id)),
        remarks=tuple(said),
        chain=await verify(desk.services.database, incident_id),
        head=lines[-1][1] if lines else "",
    )


def _received(lines: Sequence[tuple[str, str]], clock: ClockRow) -> list[Received]:
    """What opened the incident, what corrected it, and its reports; of a report told of again the last line."""
    found: dict[str, Received] = {}
    for text, digest in lines:
        line = json.loads(text)
        if line["kind"] not in _CAME_IN:
            continue
        body: Mapping[str, Any] = line["body"]
        key = body.get("report") or f"{body['source']}\n{body['id']}"
        found[key] = Received(
            version=line["version"],
            kind=line["kind"],
            at=read_back(body["received_at"]),
            source=body["source"],
            id=body["id"],
            actor=line["actor"],
            form=body.get("form", ""),
            document=json.dumps(body["data"], ensure_ascii=False, indent=2, sort_keys=True),
            hash=digest,
            counts=clock.met_by is not None and body.get("report") == clock.met_by,
        )
    return sorted(found.values(), key=lambda each: (each.at, each.version))
