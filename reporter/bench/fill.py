"""A database with many open incidents, quickly: a few go through the gate, and their rows are copied.

The rows are thus what this version of the product writes, whatever its columns. Each copy has an identity, a
code and a hash of its own; its clocks fall due in a month or later.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from itertools import islice
from typing import Any, Final  # rows of any columns

from reporter.bench.plain import Plain
from reporter.bench.results import BenchError
from reporter.bench.shown import Say
from reporter.bench.traffic import UNITS, occurred_data
from reporter.core.canonical import canonical
from reporter.core.command import Command, identity, incident_id
from reporter.core.terms import CommandKind
from reporter.engine.record import Gate
from reporter.settings import Settings
from reporter.store.database import Database
from reporter.timesource import SystemTime
from reporter.wiring import catalog_of

SOURCE: Final = "urn:bench:archive"
TEMPLATES: Final = 64
AHEAD: Final = timedelta(days=30)
APART: Final = timedelta(hours=7)
CHUNK: Final = 50_000
TABLES: Final = ("incidents", "clocks", "ledger", "inbox")

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """The rows of one incident that came through the gate."""

    event: str
    id: str
    code: str
    incident: Row
    clocks: list[Row]
    line: Row
    inbox: Row


@dataclass(frozen=True, slots=True)
class Copied:
    """The rows of one copy."""

    incident: Row
    clocks: list[Row]
    line: Row
    inbox: Row


def command(event: str, number: int, ahead: timedelta) -> Command:
    """An occurred event that arrives, and happens, `ahead` of now."""
    at = SystemTime().now() + ahead
    unit = UNITS[number % len(UNITS)]
    data = occurred_data(number, at)
    digest = sha256(canonical([unit, CommandKind.OCCURRED.value, data])).hexdigest()
    return Command(CommandKind.OCCURRED, SOURCE, event, at, unit, data, digest, f"nats:{unit}")


async def submit(database_url: str, commands: Sequence[Command]) -> None:
    """Takes commands through the product's gate, in this process. Errors: BenchError if one is refused."""
    database = Database(database_url)
    try:
        gate = Gate(database, catalog_of(Settings()), SystemTime())
        outcomes = await gate.submit(commands)
    finally:
        await database.close()
    if odd := [outcome for outcome in outcomes if outcome.kind != "accepted"]:
        raise BenchError(f"the gate did not accept {len(odd)} commands: {odd[0]}")


class Filler:
    """Adds open incidents to a database that has a schema and a district, and that nobody uses."""

    def __init__(self, database_url: str, say: Say) -> None:
        self._url = database_url
        self._say = say
        self._columns: dict[str, list[str]] = {}
        self._templates: list[Template] = []
        self.count = 0

    async def fill(self, count: int) -> None:
        """Adds incidents until there are `count` of ours."""
        if not self._templates:
            commands = [
                command(f"template-{i:04d}", i, AHEAD + i * APART) for i in range(min(TEMPLATES, count))
            ]
            await submit(self._url, commands)
            self.count = len(commands)
        plain = Plain(self._url)
        try:
            if not self._templates:
                self._read(plain)
                plain.run("DELETE FROM outbox")
            self._copy(plain, count)
        finally:
            plain.close()

    def _read(self, plain: Plain) -> None:
        self._columns = {table: plain.columns(table) for table in TABLES}
        clocks: dict[int, list[Row]] = {}
        for row in plain.rows("SELECT * FROM clocks ORDER BY position"):
            clocks.setdefault(self._value("clocks", row, "number"), []).append(row)
        lines = {self._value("ledger", row, "incident_id"): row for row in plain.rows("SELECT * FROM ledger")}
        keys = {bytes(self._value("inbox", row, "key")): row for row in plain.rows("SELECT * FROM inbox")}
        incidents = {
            self._value("incidents", row, "id"): row for row in plain.rows("SELECT * FROM incidents")
        }
        for number in range(self.count):
            event = f"template-{number:04d}"
            id_ = incident_id(SOURCE, event)
            incident = incidents[id_]
            code = self._value("incidents", incident, "code")
            inbox = keys[identity(SOURCE, event)]
            found = clocks[self._value("incidents", incident, "number")]
            self._templates.append(Template(event, id_, code, incident, found, lines[id_], inbox))

    def _copy(self, plain: Plain, count: int) -> None:
        numbers = iter(range(self.count, count))
        if plain.is_sqlite:  # a database half filled is thrown away, so nothing has to be safe meanwhile
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-500000"):
                plain.run(f"PRAGMA {pragma}")
        [[last]] = plain.rows(
            "SELECT max(number) FROM incidents"
        )  # what came over the bus meanwhile has some too
        while chunk := list(islice(numbers, CHUNK)):
            self._say(f"filling: {self.count:,} of {count:,} incidents")
            copies = list(self.copies(chunk, last - chunk[0] + 1))
            last += len(chunk)
            with plain.transaction():
                plain.load("incidents", self._columns["incidents"], (each.incident for each in copies))
                plain.load(
                    "clocks", self._columns["clocks"], (clock for each in copies for clock in each.clocks)
                )
                plain.load("ledger", self._columns["ledger"], (each.line for each in copies))
                by_key = sorted((each.inbox for each in copies), key=lambda row: bytes(row[0]))
                plain.load("inbox", self._columns["inbox"], by_key)
            self.count += len(chunk)
        if plain.is_sqlite:
            plain.run("PRAGMA synchronous=FULL")
            plain.run("PRAGMA journal_mode=WAL")
        else:
            plain.run("SELECT setval('incidents_number_seq', ?)", last)
            plain.run("ANALYZE")
            plain.run("CHECKPOINT")

    def copies(self, numbers: Sequence[int], ahead: int = 1) -> Iterator[Copied]:
        """A copy for each number; the incident's own is `ahead` of it."""
        for number in numbers:
            template = self._templates[number % len(self._templates)]
            event = f"archived-{number:08d}"
            id_ = incident_id(SOURCE, event)
            code = f"{template.code[:5]}{number:08d}"
            text: str = self._value("ledger", template.line, "text")
            for old, new in ((template.id, id_), (template.event, event), (template.code, code)):
                text = text.replace(old, new)
            digest = sha256(text.encode()).hexdigest()
            yield Copied(
                incident=self._with(
                    "incidents",
                    template.incident,
                    {"number": number + ahead, "id": id_, "code": code, "head": digest},
                ),
                clocks=[self._with("clocks", clock, {"number": number + ahead}) for clock in template.clocks],
                line=self._with(
                    "ledger",
                    template.line,
                    {"number": number + ahead, "incident_id": id_, "text": text, "hash": digest},
                ),
                inbox=self._with(
                    "inbox", template.inbox, {"key": identity(SOURCE, event), "incident_id": id_}
                ),
            )

    def _value(self, table: str, row: Row, column: str) -> Any:
        return row[self._columns[table].index(column)]

    def _with(self, table: str, row: Row, changes: dict[str, object]) -> Row:
        changed = list(row)
        for column, value in changes.items():
            changed[self._columns[table].index(column)] = value
        return tuple(changed)
