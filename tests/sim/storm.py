"""Faults, made from outside: a database that fails at any statement or commit, a broker, clocks that are set.

Nothing here decides at random: the simulation says what fails, and when.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any  # what SQLAlchemy hands to a listener
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.bus import Standing
from reporter.intake.arrival import Arrival
from reporter.store import onevisit
from reporter.store.database import Database
from reporter.store.onevisit import Statement
from tests.sim.rules import SECOND, instant

ACK_WAIT = 3 * SECOND
"""After so long the broker delivers again what was not acknowledged."""


class Crash(BaseException):
    """The process dies here: no handler of the product's may see it."""


def database_error(what: str) -> OperationalError:
    """What a database that is away makes SQLAlchemy raise."""
    return OperationalError(what, None, Exception("the simulation's storm"))


@dataclass
class Storm:
    """What is about to fail. `in_statements`: at the how many-th call from now. `commits`: how many took effect.

    `is_full`: it can be read, and takes nothing. `is_failing`: what was written last failed.
    """

    is_away: bool = False
    is_full: bool = False
    is_failing: bool = False
    in_statements: int = 0
    error: BaseException | None = None
    before_commit: BaseException | None = None
    after_commit: BaseException | None = None
    commits: int = 0
    strikes: int = 0

    @property
    def is_out(self) -> bool:
        """The database cannot be used as it should."""
        return self.is_away or self.is_full

    def call(self) -> None:
        """Somebody is about to call the database, or the broker to acknowledge."""
        if self.is_away:
            raise database_error("the database is away")
        if self.in_statements and self.error:
            self.in_statements -= 1
            if not self.in_statements:
                self.strike("error")

    def strike(self, what: str) -> None:
        """Raises what was to be raised there, once."""
        error = getattr(self, what)
        setattr(self, what, None)
        if error is not None:
            self.strikes += 1
            raise error

    def calm(self) -> None:
        """What did not come about in one operation does not come about in the next."""
        self.in_statements, self.error, self.before_commit, self.after_commit = 0, None, None, None


_STORMS: WeakKeyDictionary[Engine, Storm] = WeakKeyDictionary()


@contextmanager
def visits_may_fail() -> Iterator[None]:
    """What goes past SQLAlchemy in one visit may fail at any of its statements all the same."""
    whole = onevisit.visit

    async def visit(connection: AsyncConnection, statements: Sequence[Statement]) -> None:
        storm = _STORMS.get(connection.sync_engine)
        for statement in statements:
            if storm is not None:
                storm.call()
            await whole(connection, [statement])

    onevisit.visit = visit
    try:
        yield
    finally:
        onevisit.visit = whole


class StormyDatabase(Database):
    """The real database behind one engine, and the storm over it."""

    def __init__(self, url: str, storm: Storm) -> None:
        super().__init__(url)
        self._storm = storm
        for engine in {self._writer.sync_engine, self._reader.sync_engine}:
            event.listen(engine, "before_cursor_execute", self._before)
            _STORMS[engine] = storm

    def _before(self, *_: Any) -> None:
        self._storm.call()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with super().transaction() as connection:
                if self._storm.is_full:
                    raise database_error("the disk is full")
                yield connection
                self._storm.strike("before_commit")
        except OperationalError:
            self._storm.is_failing = True
            raise
        self._storm.is_failing = False
        self._storm.commits += 1
        self._storm.strike("after_commit")


@dataclass
class Clock:
    """True time, as nobody has it."""

    at: int

    def advance_to(self, at: int) -> None:
        self.at = max(self.at, at)


class EngineTime:
    """The wall clock of one machine, which may be set wrong by `offset`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset = 0

    @property
    def micros(self) -> int:
        return self._clock.at + self.offset

    def now(self) -> datetime:
        return instant(self.micros)

    def from_real(self, at: datetime) -> datetime:
        return at

    def to_real(self, at: datetime) -> datetime:
        return at


@dataclass
class Stored:
    """One message as the broker keeps it; `free_at`: from when on it may be delivered (again)."""

    sequence: int
    subject: str
    body: bytes
    at: int
    free_at: int
    is_delivered: bool = False
    is_acknowledged: bool = False


@dataclass
class SimBroker:
    """A stream with one durable, as JetStream's: explicit acknowledgement, redelivery, its own clock for stamps."""

    clock: Clock
    stored: list[Stored] = field(default_factory=list)
    floor: int = 0

    def publish(self, subject: str, body: bytes, stuck_for: int = 0) -> int:
        at = self.clock.at
        self.stored.append(Stored(len(self.stored) + 1, subject, body, at, at + stuck_for))
        return len(self.stored)

    def waiting(self) -> list[Stored]:
        return [each for each in self.stored[self.floor :] if not each.is_acknowledged]

    def fetch(self, sequences: list[int]) -> list[Arrival]:
        """Delivers these messages."""
        arrivals = []
        for each in (self.stored[sequence - 1] for sequence in sequences):
            each.is_delivered, each.free_at = True, self.clock.at + ACK_WAIT
            arrivals.append(
                Arrival(each.subject, None, each.body, each.sequence, instant(each.at), str(each.sequence))
            )
        return arrivals

    def acknowledge(self, sequence: int) -> None:
        self.stored[sequence - 1].is_acknowledged = True
        while self.floor < len(self.stored) and self.stored[self.floor].is_acknowledged:
            self.floor += 1

    def unread_through(self, at: int) -> list[Stored]:
        """What was stored by then and is not acknowledged."""
        return [each for each in self.waiting() if each.at <= at]


class Link:
    """One engine's connection to the broker: what the fence asks, and where acknowledgements go."""

    def __init__(self, broker: SimBroker, storm: Storm) -> None:
        self._broker = broker
        self._storm = storm
        self.is_cut = False
        self.client = self

    @property
    def is_connected(self) -> bool:
        return not self.is_cut

    async def intake_standing(self) -> Standing:
        self._reach()
        waiting = self._broker.waiting()
        delivered = max((each.sequence for each in self._broker.stored if each.is_delivered), default=0)
        unread = sum(not each.is_delivered for each in waiting)
        at = instant(self._broker.clock.at)
        return Standing(at, self._broker.floor, delivered, unread, len(waiting) - unread)

    async def last_sequence(self) -> int:
        self._reach()
        return len(self._broker.stored)

    async def publish(self, subject: str, _: bytes) -> None:
        """An acknowledgement."""
        self._storm.call()
        self._reach()
        self._broker.acknowledge(int(subject))

    def _reach(self) -> None:
        if self.is_cut:
            raise ConnectionError("the broker cannot be reached")
