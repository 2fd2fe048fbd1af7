"""One incident with all that its page, its card and its papers show: read in a constant number of statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final  # Any: facts and reports are JSON
from zoneinfo import ZoneInfo

from reporter.core.instants import parse, read_back
from reporter.core.plain import recipient_words
from reporter.core.schedule import Edition
from reporter.core.terms import Form, IncidentState, NoticeReason, NoticeState
from reporter.desk.auth import Caller
from reporter.desk.clockchart import Chart, chart_of
from reporter.desk.drafting import element_of
from reporter.desk.live.alarms import alarms_of
from reporter.desk.live.cards import Card, ClockCell, card_of
from reporter.desk.live.situation import Open, Situation, duties_at
from reporter.desk.problems import not_found
from reporter.desk.services import Desk
from reporter.desk.story import FACT_NAMES, Change, Teller, Told
from reporter.store import attachments, queries, restricted
from reporter.store.attachments import AttachmentRow
from reporter.store.queries import IncidentRecord, NoticeRow, ReportRow

Words = tuple[str, str]
ENTERED: Final = "entered_at"
_AT_ONCE: Final = timedelta(minutes=1)
OPEN_NOTICES: Final = (NoticeState.QUEUED, NoticeState.ACCEPTED, NoticeState.DELIVERED, NoticeState.FAILED)
"""Notices that may still be acknowledged."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact with all it has been, the newest last."""

    name: str
    title: Words
    versions: tuple[Change, ...]

    @property
    def now(self) -> Change:
        return self.versions[-1]


@dataclass(frozen=True, slots=True)
class ShownNotice:
    """A notice and its receipt."""

    row: NoticeRow
    reason: NoticeReason
    state: NoticeState
    clock: Words | None
    to: Words
    is_open: bool


@dataclass(frozen=True, slots=True)
class ShownElement:
    title: Words
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file as a report names it; `row` where it can be downloaded here."""

    name: str
    sha256: str
    row: AttachmentRow | None


@dataclass(frozen=True, slots=True)
class ShownReport:
    """One report. `number` counts them in the order of arrival."""

    id: str
    number: int
    received_at: datetime
    form: Form
    covers: tuple[Words, ...]
    unit: str
    author: str
    text: str
    elements: tuple[ShownElement, ...]
    call: tuple[tuple[Words, str], ...]
    files: tuple[ShownFile, ...]
    anomalies: tuple[str, ...]
    joined_from: str | None


@dataclass(frozen=True, slots=True)
class Dossier:
    """The incident. `etag` changes whenever anything that is shown has changed."""

    record: IncidentRecord
    card: Card
    state: IncidentState
    edition: Edition
    chart: Chart | None
    facts: tuple[Fact, ...]
    extra: tuple[tuple[str, str], ...]
    story: tuple[Told, ...]
    notices: tuple[ShownNotice, ...]
    reports: tuple[ShownReport, ...]
    files: tuple[AttachmentRow, ...]
    phones: tuple[tuple[str, str], ...]
    is_restricted: bool
    now: datetime
    etag: str

    @property
    def waiting(self) -> tuple[ClockCell, ...]:
        """The clocks that still wait for a report."""
        return tuple(cell for cell in self.card.clocks if cell.is_counting)

    @property
    def open_notices(self) -> int:
        return sum(notice.is_open for notice in self.notices)


async def dossier_of(desk: Desk, caller: Caller, incident_id: str) -> Dossier:
    """Everything of the incident, as one state of the database. Errors: 404 outside of the caller's sight."""
    now = desk.services.time.now()
    async with desk.services.database.snapshot() as connection:
        record = await queries.incident(connection, incident_id, caller.scope)
        if record is None:
            raise not_found()
        edition = await desk.editions.of(connection, record.incident.edition_digest)
        lines = await queries.ledger(connection, incident_id)
        duties = await duties_at(connection, caller.tree, now)
        files = await attachments.of(connection, incident_id)
        is_restricted = await restricted.is_restricted(connection, incident_id)
    opened = Open(
        record.incident,
        record.clocks,
        alarms_of(record.clocks, record.notices),
        edition,
        is_restricted=is_restricted,
    )
    card = card_of(opened, Situation(now, {}, caller.tree, duties), now)
    names = {node.code: node.name for node in caller.tree.nodes}
    teller = Teller(edition, desk.services.zone, names)
    titles = {cell.obligation: cell.title for cell in card.clocks}
    histories = teller.histories(lines)
    return Dossier(
        record=record,
        card=card,
        state=IncidentState(record.incident.state),
        edition=edition,
        chart=chart_of(card.clocks, record.notices, edition, now, desk.services.zone),
        facts=tuple(
            Fact(name, title, histories[name]) for name, title in FACT_NAMES.items() if name in histories
        ),
        extra=_extra(record.incident.facts, record.incident.received_at, desk.services.zone),
        story=teller.tell(lines),
        notices=tuple(_notice(row, titles) for row in record.notices),
        reports=tuple(
            _report(number, row, edition, names, files) for number, row in enumerate(record.reports, 1)
        ),
        files=files,
        phones=_phones(caller, record.incident.unit),
        is_restricted=is_restricted,
        now=now,
        etag=etag_of(record.incident.version, record.notices, is_restricted=is_restricted),
    )


def etag_of(version: int, notices: Sequence[NoticeRow], *, is_restricted: bool) -> str:
    """What an incident shows, as one word: notices change their state without a ledger line."""
    states = [(notice.id, notice.state, notice.attempts, notice.note) for notice in notices]
    return sha256(repr((version, states, is_restricted)).encode()).hexdigest()[:24]


def _notice(row: NoticeRow, titles: Mapping[str, Words]) -> ShownNotice:
    state = NoticeState(row.state)
    return ShownNotice(
        row=row,
        reason=NoticeReason(row.reason),
        state=state,
        clock=titles.get(row.obligation or ""),
        to=recipient_words(row.to_role),
        is_open=state in OPEN_NOTICES,
    )


def _report(
    number: int,
    row: ReportRow,
    edition: Edition,
    units: Mapping[str, str],
    kept: Sequence[AttachmentRow],
) -> ShownReport:
    data = row.data
    titles = {each.id: (each.title_zh, each.title_en) for each in edition.obligations}
    names = {
        element.id: (element.zh, element.en) for each in edition.obligations for element in each.elements
    }
    elements = data.get("elements")
    said = [
        ShownElement(names.get(name, (name, name)), *element_of(element))
        for name, element in (elements if isinstance(elements, dict) else {}).items()
    ]
    call = data.get("call")
    labels = {
        "caller": ("来电人", "Caller"),
        "answered_by": ("接听人", "Answered by"),
        "phone": ("电话", "Phone"),
    }
    told = [(labels.get(k, (k, k)), str(v)) for k, v in (call if isinstance(call, dict) else {}).items() if v]
    return ShownReport(
        id=row.id,
        number=number,
        received_at=read_back(row.received_at),
        form=Form(row.form),
        covers=tuple(titles.get(name, (name, name)) for name in row.covers),
        unit=units.get(row.unit, row.unit),
        author=_text(data.get("author")),
        text=_text(data.get("text")),
        elements=tuple(element for element in said if element.kind),
        call=tuple(told),
        files=_files(data.get("attachments"), kept),
        anomalies=tuple(row.anomalies),
        joined_from=row.joined_from,
    )


def _files(named: Any, kept: Sequence[AttachmentRow]) -> tuple[ShownFile, ...]:
    by_digest = {row.sha256: row for row in kept}
    found = []
    for each in named if isinstance(named, list) else []:
        if isinstance(each, dict):
            digest = _text(each.get("sha256"))
            found.append(
                ShownFile(_text(each.get("name")) or digest[:12] or "?", digest, by_digest.get(digest))
            )
    return tuple(found)


def _phones(caller: Caller, unit: str) -> tuple[tuple[str, str], ...]:
    """The phone contacts of the unit and of those above it, by name."""
    own = caller.tree.resolve(unit) or caller.tree.root
    nodes = [caller.tree.node(code) for code in caller.tree.path(own)]
    return tuple((node.name, node.phone) for node in nodes if node.phone)


def _extra(facts: Mapping[str, Any], received_at: datetime, zone: str) -> tuple[tuple[str, str], ...]:
    """The fields that no rule reads, as they were sent; when somebody typed it only where it came later than that."""
    extra = facts.get("extra")
    said = {str(k): str(v) for k, v in extra.items()} if isinstance(extra, dict) else {}
    try:
        entered_at = parse(said.get(ENTERED))
    except ValueError:
        return tuple(said.items())
    said[ENTERED] = entered_at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
    if received_at - entered_at < _AT_ONCE:
        del said[ENTERED]
    return tuple(said.items())


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
