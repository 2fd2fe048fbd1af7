"""What persons have said of an incident's verdicts: the unit's explanations, and findings; all from the ledger."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.instants import read_back
from reporter.core.terms import FactKind
from reporter.store.models import Incident, Line

_KINDS = (FactKind.EXPLAINED, FactKind.FOUND)


@dataclass(frozen=True, slots=True)
class Remark:
    """One explanation or finding, as its ledger line has it. `obligation` is empty where it is about all of them.

    `finding` is empty for an explanation; `by` is the name that was given, `actor` the account that gave it.
    """

    version: int
    kind: str
    at: datetime
    obligation: str
    finding: str
    text: str
    by: str
    actor: str
    unit: str


async def counts(connection: AsyncConnection, incidents: Collection[str]) -> Mapping[tuple[str, str], int]:
    """How many remarks of each kind, by incident and kind. One query, none for no incidents."""
    if not incidents:
        return {}
    statement = (
        select(Line.incident_id, Line.kind, func.count())
        .join(Incident, Incident.number == Line.number)
        .where(Incident.id.in_(sorted(incidents)), Line.kind.in_(_KINDS))
        .group_by(Line.incident_id, Line.kind)
    )
    return {(incident, kind): count for incident, kind, count in await connection.execute(statement)}


def remarks(lines: Sequence[str]) -> list[Remark]:
    """The remarks among an incident's ledger lines (canonical texts), oldest first."""
    found = []
    for text in lines:
        line = json.loads(text)
        if line["kind"] not in _KINDS:
            continue
        body = line["body"]
        said = body["data"]
        found.append(
            Remark(
                version=line["version"],
                kind=line["kind"],
                at=read_back(body["received_at"]),
                obligation=_text(said.get("obligation")),
                finding=_text(said.get("finding")),
                text=_text(said.get("reason")),
                by=_text(said.get("by")),
                actor=line["actor"],
                unit=_text(body.get("unit")),
            )
        )
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
