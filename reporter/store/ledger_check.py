"""Checking the ledger: every chain is walked and every hash computed anew, from what is stored alone.

Nothing here writes. The walk happens in one snapshot, so a service that goes on writing never looks like a
defect; memory stays that of one page, whatever the size of the ledger.
"""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple  # Any: a line is whatever JSON is stored there, that being the question

from sqlalchemy import exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.canonical import canonical
from reporter.core.ledger import GENESIS
from reporter.store.database import Database
from reporter.store.models import Edition, Incident, Line

PAGE = 500
FIELDS = frozenset({"incident", "version", "kind", "at", "recorded_at", "actor", "body", "prev"})


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing wrong: with an incident's chain (`version` is the line's; None: the chain as a whole), or a seal."""

    incident: str | None
    version: int | None
    zh: str
    en: str
    seal: int | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a walk found. The counts are of incidents, lines and seals looked at."""

    incidents: int
    lines: int
    defects: tuple[Defect, ...]
    seals: int = 0


Progress = Callable[[int, int], None]
"""Told how many lines have been checked, of how many."""


async def verify(
    database: Database, incident: str | None = None, progress: Progress | None = None
) -> Checked:
    """Checks the chain of every incident, or of one.

    1. A line's `hash` is the SHA-256 of its text, the text is RFC 8785 canonical JSON with exactly the fields
       of a line, and it tells the same incident, version and kind as the columns beside it.
    2. Versions count from 1 without gaps, and `prev` is the hash before (64 zeros at first).
    3. The last line is the one the incident's `head` and `version` name; no line is without its incident.
    """
    defects: list[Defect] = []
    incidents = lines = 0
    async with database.snapshot() as connection:
        total = 0
        if incident is None:
            total = (await connection.execute(select(func.count()).select_from(Line))).scalar_one()
        async for heads in _pages(connection, incident):
            chains = {number: _Chain(head.id) for number, head in heads.items()}
            columns = (Line.number, Line.incident_id, Line.version, Line.kind, Line.text, Line.hash)
            rows = await connection.stream(
                select(*columns)
                .where(Line.number >= min(heads), Line.number <= max(heads))
                .order_by(Line.number, Line.version)
            )
            async for row in rows:
                lines += 1
                chain = chains.get(row.number)
                if chain is not None:  # a line without its incident is found below
                    chain.add(row.version, row.incident_id, row.kind, row.text, row.hash)
            for number, chain in chains.items():
                chain.end(heads[number].version, heads[number].head)
                defects += chain.defects
            incidents += len(heads)
            if progress is not None:
                progress(lines, max(total, lines))
        if incident is None or not incidents:
            defects += await _orphans(connection, incident)
    return Checked(incidents, lines, tuple(defects))


async def find_incident(connection: AsyncConnection, name: str) -> str | None:
    """The id of the incident whose id or code is `name`: of several the newest, None if there is none."""
    wanted = or_(Incident.id == name.lower(), Incident.code == name.upper())
    statement = select(Incident.id).where(wanted).order_by(Incident.received_at.desc()).limit(1)
    return (await connection.execute(statement)).scalar_one_or_none()


async def pinned_edition(connection: AsyncConnection, incident_id: str) -> dict[str, Any] | None:
    """The text of the edition that the incident keeps for life."""
    statement = (
        select(Edition.document)
        .join(Incident, Incident.edition_digest == Edition.digest)
        .where(Incident.id == incident_id)
    )
    found: dict[str, Any] | None = (await connection.execute(statement)).scalar_one_or_none()
    return found


class _Head(NamedTuple):
    """What an incident says of its chain."""

    id: str
    version: int
    head: str


class _Chain:
    """One incident's lines, as they come in version order."""

    def __init__(self, incident: str) -> None:
        self._incident = incident
        self._version = 0
        self._hash = GENESIS
        self.defects: list[Defect] = []

    def add(self, version: int, incident: str, kind: str, text: str, digest: str) -> None:
        if version != self._version + 1:
            expected = self._version + 1
            self._say(version, f"前面缺第 {expected} 行", f"line {expected} is missing before it")
        if sha256(text.encode()).hexdigest() != digest:
            self._say(
                version, "内容与其哈希不符：这一行被改过", "its text does not give its hash: it was changed"
            )
        self._read(version, incident, kind, text)
        self._version, self._hash = version, digest

    def _read(self, version: int, incident: str, kind: str, text: str) -> None:
        try:
            line = json.loads(text)
            is_canonical = canonical(line) == text.encode()
        except ValueError:
            self._say(version, "不是 JSON", "it is not JSON")
            return
        if not isinstance(line, dict) or line.keys() != FIELDS:
            self._say(version, "字段不是台账行应有的", "its fields are not those of a ledger line")
            return
        if not is_canonical:
            self._say(version, "不是 RFC 8785 规范形式", "it is not in RFC 8785 canonical form")
        said = line["incident"], line["version"], line["kind"]
        if said != (self._incident, version, kind) or incident != self._incident:
            self._say(
                version,
                f"内容写的是 {line['incident']} 第 {line['version']} 行 {line['kind']}",
                f"its text says incident {line['incident']}, version {line['version']}, kind {line['kind']}",
            )
        if version == self._version + 1 and line["prev"] != self._hash:
            self._say(version, "所记的前一行哈希不符", "its `prev` is not the hash of the line before it")

    def end(self, version: int, head: str) -> None:
        if self._version != version:
            zh = f"事件记有 {version} 行，台账到第 {self._version} 行"
            self._say(None, zh, f"the incident counts {version} lines, its ledger ends at {self._version}")
        elif self._hash != head:
            self._say(None, "末行哈希与事件所记不符", "the last line's hash is not the incident's head")

    def _say(self, version: int | None, zh: str, en: str) -> None:
        self.defects.append(Defect(self._incident, version, zh, en))


async def _pages(connection: AsyncConnection, incident: str | None) -> AsyncIterator[dict[int, _Head]]:
    """Incidents in the order in which they were opened, by number."""
    after = 0
    while True:
        wanted = Incident.number > after if incident is None else Incident.id == incident
        columns = select(Incident.number, Incident.id, Incident.version, Incident.head)
        rows = (await connection.execute(columns.where(wanted).order_by(Incident.number).limit(PAGE))).all()
        if rows:
            yield {row.number: _Head(row.id, row.version, row.head) for row in rows}
        if incident is not None or len(rows) < PAGE:
            return
        after = rows[-1].number


async def _orphans(connection: AsyncConnection, incident: str | None) -> list[Defect]:
    wanted = [~exists().where(Incident.number == Line.number)]
    if incident is not None:
        wanted.append(Line.incident_id == incident)
    rows = await connection.execute(
        select(Line.incident_id).where(*wanted).distinct().order_by(Line.incident_id)
    )
    return [
        Defect(id_, None, "台账有此事件，事件表中却没有", "the ledger has this incident, the table has not")
        for (id_,) in rows
    ]
