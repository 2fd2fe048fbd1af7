"""What incidents are found by: written a moment after them, and asked by the pages.

The gate only notes, in its own transaction, which incidents may read differently now (`mark`): one narrow row. The
indexer folds their texts later, outside that transaction, and takes the note away in the one that makes them findable.
So nothing is ever missed, and arming does not wait for it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final  # Any: what publishers sent is JSON

from sqlalchemy import (
    BigInteger,
    Select,
    Text,
    bindparam,
    cast,
    column,
    delete,
    func,
    literal,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.search import folded_document, grams, sought, unit_gram
from reporter.store import models as m
from reporter.store.bulk import Writing, insert_rows
from reporter.store.database import Database
from reporter.store.queries import IncidentFilter, IncidentRow, ReportRow, columns_of, narrowed, reports_of

ENTRY = m.table(m.SearchEntry)
PENDING = m.table(m.SearchPending)
INDEX = table("search_index", column("rowid", BigInteger), column("search_index"))
PAGE: Final = 100
"""Incidents indexed in one transaction: on SQLite it keeps writers waiting for a few milliseconds."""
COUNTED_MAX: Final = 1000
"""Findings beyond this many are not counted: the reader has to say more."""
_TEXTS: Final = select(*columns_of(IncidentRow, m.Incident), m.Incident.number).where(
    m.Incident.number.in_(bindparam("numbers"))
)
_NOTES: Final = select(PENDING.c.id, PENDING.c.number).order_by(PENDING.c.id).limit(PAGE)
_REMOVE: Final = delete(PENDING).where(PENDING.c.id.in_(bindparam("ids")))
_BEFORE: Final = (
    select(ENTRY.c.number, ENTRY.c.version, ENTRY.c.folded)
    .where(ENTRY.c.number.in_(bindparam("numbers")))
    .with_for_update()
)
_TURN_KEY: Final = int.from_bytes(b"search", "big")


@dataclass(frozen=True, slots=True)
class Document:
    """An incident's text as it is compared, at a version of its ledger."""

    number: int
    unit: str
    version: int
    folded: str

    def grams(self, folded: str) -> list[str]:
        """What the incident is indexed by when its text is `folded`."""
        return [*grams(folded), unit_gram(self.unit)]


@dataclass(frozen=True, slots=True)
class Hit:
    """An incident that was found, with the reports that count for it."""

    incident: IncidentRow
    reports: tuple[ReportRow, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One page of what was found; `total` counts up to `COUNTED_MAX` and stands still at one more."""

    total: int
    hits: tuple[Hit, ...]


# --- writing ------------------------------------------------------------------------------------------------


def mark(writing: Writing, numbers: Iterable[int]) -> None:
    """Notes that these incidents may have to be found by other words."""
    writing.insert(PENDING, ("number",), [(number,) for number in numbers])


async def index_pending(database: Database) -> int:
    """Makes up to a page of noted incidents findable. Returns how many notes are gone: 0 when nothing waits."""
    async with database.glance() as connection:
        waiting = (await connection.execute(_NOTES)).all()
    if not waiting:
        return 0
    async with database.snapshot() as connection:
        found = await documents(connection, {number for _, number in waiting})
    async with database.transaction() as connection:
        if not await _is_mine(connection):
            return 0
        await _write(connection, found)
        await connection.execute(_REMOVE, {"ids": [id_ for id_, _ in waiting]})
    return len(waiting)


async def rebuild(database: Database, progress: Callable[[int], None] | None = None) -> int:
    """Makes the whole index anew from incidents and ledger, page by page; services may run. Returns how many."""
    async with database.transaction() as connection:
        if database.kind == "sqlite":
            await connection.execute(text("INSERT INTO search_index (search_index) VALUES ('delete-all')"))
        await connection.execute(delete(ENTRY))
    done = after = 0
    while True:
        page = select(m.Incident.number).where(m.Incident.number > after).order_by(m.Incident.number)
        async with database.snapshot() as connection:
            numbers = (await connection.execute(page.limit(PAGE))).scalars().all()
            found = await documents(connection, numbers)
        if not numbers:
            return done
        async with database.transaction() as connection:
            await _write(connection, found)
        after, done = numbers[-1], done + len(numbers)
        if progress is not None:
            progress(done)


async def documents(connection: AsyncConnection, numbers: Iterable[int]) -> list[Document]:
    """These incidents' texts: two queries."""
    found = await connection.execute(_TEXTS, {"numbers": sorted(numbers)})
    rows = [(number, IncidentRow(*rest)) for *rest, number in found]
    reports = await reports_of(connection, [row for _, row in rows])
    return [
        Document(number, row.unit, row.version, folded_document(_texts(row, reports.get(row.id, ()))))
        for number, row in rows
    ]


async def _is_mine(connection: AsyncConnection) -> bool:
    """Whether no other replica is at it: for the sake of the work alone, `_write` minds the versions."""
    if connection.dialect.name == "sqlite":
        return True
    taken = select(func.pg_try_advisory_xact_lock(_TURN_KEY))
    return bool((await connection.execute(taken)).scalar_one())


async def _write(connection: AsyncConnection, found: Sequence[Document]) -> None:
    """Puts these texts in the place of older ones; what another has made newer meanwhile stays."""
    held = await connection.execute(_BEFORE, {"numbers": [each.number for each in found]})
    before = {row.number: row for row in held}
    changed = [
        each
        for each in found
        if (old := before.get(each.number)) is None
        or (old.version <= each.version and old.folded != each.folded)
    ]
    if not changed:
        return
    gone = [
        (each.number, each.grams(before[each.number].folded)) for each in changed if each.number in before
    ]
    if gone:
        await connection.execute(delete(ENTRY).where(ENTRY.c.number.in_([number for number, _ in gone])))
    if connection.dialect.name == "sqlite":
        await _write_sqlite(connection, changed, gone)
    else:
        rows = [(each.number, each.version, each.folded, each.grams(each.folded)) for each in changed]
        await connection.exec_driver_sql(_INSERT_POSTGRESQL, rows)


async def _write_sqlite(
    connection: AsyncConnection, changed: Sequence[Document], gone: Sequence[tuple[int, list[str]]]
) -> None:
    if gone:  # an index without content has to be told what it held
        await connection.exec_driver_sql(
            "INSERT INTO search_index (search_index, rowid, grams) VALUES ('delete', ?, ?)",
            [(number, " ".join(held)) for number, held in gone],
        )
    entries = [(each.number, each.version, each.folded) for each in changed]
    await insert_rows(connection, ENTRY, ("number", "version", "folded"), entries)
    indexed = [(each.number, " ".join(each.grams(each.folded))) for each in changed]
    await connection.exec_driver_sql("INSERT INTO search_index (rowid, grams) VALUES (?, ?)", indexed)


_INSERT_POSTGRESQL: Final = (
    "INSERT INTO search_entries (number, version, folded, grams) "
    "VALUES (%s, %s, %s, array_to_tsvector(%s::text[])) ON CONFLICT DO NOTHING"
)


# --- what is found ------------------------------------------------------------------------------------------


def report_texts(report: ReportRow) -> Iterator[str]:
    """What can be found of a report: text, author, elements, and what was said on the phone."""
    for name in ("text", "author", "elements", "call"):
        yield from strings(report.data.get(name))


def _texts(row: IncidentRow, reports: Iterable[ReportRow]) -> Iterator[str]:
    yield row.title
    yield row.code
    for name in ("place", "summary", "channel"):
        yield from strings(row.facts.get(name))
    for report in reports:
        yield from report_texts(report)


def strings(document: Any) -> Iterator[str]:
    """Every string among the values of a document."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, Mapping):
        for value in document.values():
            yield from strings(value)
    elif isinstance(document, list):
        for value in document:
            yield from strings(value)


async def find(
    connection: AsyncConnection,
    words: Sequence[str],
    units_named: Mapping[str, Iterable[str]],
    wanted: IncidentFilter,
    offset: int,
) -> Found:
    """One page of the incidents that hold all these folded words, the last logged first: three queries.

    `units_named`, by word: the codes of units in whose name it stands; that of the owner counts as the incident's.
    `wanted` says what else is asked for; its `limit` is the page.
    """
    if not words:
        return Found(0, ())
    matching = matched(connection.dialect.name, words, units_named, wanted)
    counted = select(func.count()).select_from(
        matching.with_only_columns(m.Incident.number).order_by(None).limit(COUNTED_MAX + 1).subquery()
    )
    total = int((await connection.execute(counted)).scalar_one())
    rows = [
        IncidentRow(*row) for row in await connection.execute(matching.limit(wanted.limit).offset(offset))
    ]
    reports = await reports_of(connection, rows)
    return Found(total, tuple(Hit(row, tuple(reports.get(row.id, ()))) for row in rows))


def matched(
    dialect: str, words: Sequence[str], units_named: Mapping[str, Iterable[str]], wanted: IncidentFilter
) -> Select[Any]:
    """The statement behind `find`: the index narrows down, the folded text decides."""
    statement = narrowed(replace(wanted, text=None, after=None), dialect)
    statement = statement.join(ENTRY, ENTRY.c.number == m.Incident.number)
    asked: list[tuple[str, list[str]]] = [(word, sorted(units_named.get(word, ()))) for word in words]
    for word, codes in asked:
        stands = (
            func.instr(ENTRY.c.folded, word) if dialect == "sqlite" else func.strpos(ENTRY.c.folded, word)
        )
        statement = statement.where(or_(stands > 0, m.Incident.unit.in_(codes)) if codes else stands > 0)
    if dialect == "sqlite":
        statement = statement.join(INDEX, INDEX.c.rowid == m.Incident.number)
        statement = statement.where(INDEX.c.search_index.op("MATCH")(_expression(asked, _FTS5)))
        return statement.order_by(INDEX.c.rowid.desc())
    statement = statement.where(
        ENTRY.c.grams.op("@@")(cast(literal(_expression(asked, _TSQUERY), Text()), TSQUERY))
    )
    return statement.order_by(m.Incident.number.desc())


@dataclass(frozen=True, slots=True)
class _Grammar:
    """How a database writes conditions over grams."""

    both: str
    either: str
    begins: str


_FTS5: Final = _Grammar(" AND ", " OR ", " *")
_TSQUERY: Final = _Grammar(" & ", " | ", ":*")


def _expression(asked: Iterable[tuple[str, list[str]]], grammar: _Grammar) -> str:
    """All the words, each by its grams or by a unit of that name. Grams are letters and digits: nothing to escape."""
    return grammar.both.join(f"({_alternatives(word, codes, grammar)})" for word, codes in asked)


def _alternatives(word: str, codes: Iterable[str], grammar: _Grammar) -> str:
    pairs, begins = sought(word)
    spelt = grammar.both.join(pair + grammar.begins if begins else pair for pair in pairs)
    return grammar.either.join([f"({spelt})", *map(unit_gram, codes)])
