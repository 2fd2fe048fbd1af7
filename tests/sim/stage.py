"""Where a seed is played: time that jumps, engines on one database, and what goes wrong with them.

Everything is drawn from the seed and nothing looks at the machine's clock. `Trace` keeps what was done and looked at,
in the order in which it took effect: it is what the auditor is handed.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from reporter.catalog import Catalog
from reporter.engine.fence import Fence
from reporter.engine.record import Gate
from reporter.store import models as m
from reporter.store.database import Database
from tests.sim.rules import HOUR, MINUTE, SECOND
from tests.sim.storm import Clock, Crash, EngineTime, Link, SimBroker, Storm, StormyDatabase, database_error
from tests.sim.workload import START

ACTIONS_MAX, STANDING_MAX = 200_000, 1_000
Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Op:
    """One call of the gate: the true time, the engine's own, and the last outbox row that is there after it.

    `through`: for a look that took effect, how far it judged.
    """

    at: int
    now: int
    last_row: int
    through: int | None = None


@dataclass(frozen=True)
class Asked:
    """What a fence answered: at true time `at`, `now` by its engine's clock, everything was read `through`.

    `waiting`: when each message was stored that was not acknowledged then; `floor`: the broker's acknowledged floor;
    `is_failing`: the database took nothing from this engine the last time that it tried.
    """

    at: int
    now: int
    through: int
    waiting: tuple[int, ...]
    floor: int
    is_cut: bool
    is_failing: bool


@dataclass
class Trace:
    """What happened. `troubles`: from when to when something was wrong, and what."""

    ops: list[Op] = field(default_factory=list)
    asked: dict[Fence, list[Asked]] = field(default_factory=dict)
    troubles: list[tuple[int, int, str]] = field(default_factory=list)


@dataclass
class Engine:
    """One replica. `down_until`: crashed, or stopped by a signal; its memory is gone only when it crashed."""

    name: str
    time: EngineTime
    storm: Storm
    link: Link
    database: StormyDatabase
    gate: Gate
    fence: Fence
    down_until: int = 0
    cut_until: int = 0


class Stage:
    """The engines of one seed, and the faults that befall them."""

    def __init__(self, seed: int, url: str, catalog: Catalog) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.catalog = catalog
        self.clock = Clock(START)
        self.broker = SimBroker(self.clock)
        self.trace = Trace()
        self.database = Database(url)
        self.is_unharmed = self.random.random() < 0.2
        """One seed in five is played without any fault: then nothing excuses anything."""
        self.is_calm = self.is_unharmed
        self.engines = [
            self._engine(f"engine {number + 1}", url) for number in range(self.random.choice([1, 2, 2, 3]))
        ]
        self._heap: list[tuple[int, int, Work]] = []
        self._order = 0

    async def close(self) -> None:
        for database in (self.database, *(engine.database for engine in self.engines)):
            await database.close()

    async def arm(self) -> None:
        """Sets every engine's alarm anew: something may have been committed."""
        raise NotImplementedError

    async def resume(self) -> None:
        """An engine is back, or the broker is: messages are fetched again, alarms set."""
        raise NotImplementedError

    # --- time -----------------------------------------------------------------------------------------------

    def at(self, at: int, action: Work) -> None:
        """Has something happen at a true time, in the order in which it was said."""
        self._order += 1
        heapq.heappush(self._heap, (at, self._order, action))

    async def play(self) -> None:
        """Everything that is to happen, in the order of time."""
        standing = 0
        for _ in range(ACTIONS_MAX):
            if not self._heap:
                return
            at, _, action = heapq.heappop(self._heap)
            standing = 0 if at > self.clock.at else standing + 1
            assert standing < STANDING_MAX, "an engine asks to be looked at again and again, for nothing"
            self.clock.advance_to(at)
            await action()
        raise AssertionError("the simulation does not come to its end")

    def strikes(self, chance: float) -> bool:
        return not self.is_calm and self.random.random() < chance

    def span(self, longest: int) -> int:
        """A random one, mostly short."""
        return 1 + int(longest * self.random.random() ** 3)

    def trouble(self, span: int, what: str) -> None:
        """Notes that for so long something is wrong, and delays are excused."""
        self.trace.troubles.append((self.clock.at, self.clock.at + span, what))

    # --- operations and faults ------------------------------------------------------------------------------

    async def do(self, engine: Engine, work: Work, through: int | None = None) -> bool:
        """One call of the gate, perhaps struck by a fault. False: it failed."""
        self._tempt(engine)
        storm, commits, strikes = engine.storm, engine.storm.commits, engine.storm.strikes
        is_done = False
        try:
            await work()
            is_done = True
        except Crash:
            self._restart(engine)
        except (OperationalError, ConnectionError):
            if storm.strikes == strikes and not storm.is_out and not engine.link.is_cut:
                raise
        storm.calm()
        now = engine.time.micros
        took_effect = through is not None and storm.commits > commits
        last_row = await self._last_row()
        self.trace.ops.append(Op(self.clock.at, now, last_row, through if took_effect else None))
        await self.arm()
        return is_done

    def awake(self) -> list[Engine]:
        """Engines with which nothing is wrong, clocks included: whoever of them is first, the outcome is the same."""
        return [
            each
            for each in self.engines
            if not (
                each.down_until > self.clock.at or each.time.offset or each.storm.is_out or each.link.is_cut
            )
        ]

    async def at_once(self, works: list[tuple[Engine, Work]], through: int | None = None) -> None:
        """The same work by several engines at the same moment. One may lose to another, and its batch comes again."""
        commits = [engine.storm.commits for engine, _ in works]
        ended = await asyncio.gather(*(work() for _, work in works), return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException) and not isinstance(error, OperationalError):
                raise error
        took_effect = through is not None and commits != [engine.storm.commits for engine, _ in works]
        last_row = await self._last_row()
        self.trace.ops.append(Op(self.clock.at, self.clock.at, last_row, through if took_effect else None))
        await self.arm()

    async def _last_row(self) -> int:
        async with self.database.snapshot() as connection:
            return int(
                (await connection.execute(select(func.max(m.table(m.Outbox).c.seq)))).scalar_one() or 0
            )

    def _tempt(self, engine: Engine) -> None:
        """Now and then something is about to go wrong."""
        if not self.strikes(0.12):
            return
        random, storm = self.random, engine.storm
        what = random.choice(
            [
                "crash",
                "crash",
                "cut",
                "before",
                "after",
                "after",
                "away",
                "full",
                "partition",
                "set",
                "stopped",
                "restart",
            ]
        )
        if what in ("crash", "cut"):
            storm.in_statements = random.randrange(1, 30)
            storm.error = Crash() if what == "crash" else database_error("the connection was cut")
        elif what in ("before", "after"):
            error = Crash() if random.random() < 0.5 else database_error("the commit failed")
            setattr(storm, f"{what}_commit", error)
        elif what in ("away", "full"):
            self._away(self.span(MINUTE if what == "full" else 10 * MINUTE), is_readable=what == "full")
        elif what == "partition":
            self._cut(random.choice([[engine], self.engines]), self.span(15 * MINUTE))
        elif what == "set":
            self._set(engine, random.choice([-10, 10]) * MINUTE, self.span(HOUR))
        elif what == "stopped":
            self._stop(random.choice([[engine], self.engines]), self.span(HOUR))
        else:
            self._restart(engine)
        self.trouble(5 * SECOND, what)

    def _away(self, span: int, *, is_readable: bool) -> None:
        """The database is away, for everybody; or it can be read and takes nothing."""
        self.trouble(span + 90 * SECOND, "the database is full" if is_readable else "the database is away")
        name = "is_full" if is_readable else "is_away"
        for engine in self.engines:
            setattr(engine.storm, name, True)

        async def back() -> None:
            for engine in self.engines:
                setattr(engine.storm, name, False)

        self.at(self.clock.at + span, back)

    def _cut(self, engines: list[Engine], span: int) -> None:
        """These engines cannot reach the broker."""
        self.trouble(span + 35 * SECOND, "cut off from the broker")
        for engine in engines:
            engine.link.is_cut, engine.cut_until = True, max(engine.cut_until, self.clock.at + span)

        async def back() -> None:
            for engine in engines:
                engine.link.is_cut = engine.cut_until > self.clock.at

        self.at(self.clock.at + span, back)
        self.at(self.clock.at + span + 1, self.resume)

    def _set(self, engine: Engine, offset: int, span: int) -> None:
        """A wall clock is set wrong, and right again later."""
        self.trouble(span + 35 * SECOND, "a clock is set wrong")
        engine.time.offset = offset

        async def back() -> None:
            engine.time.offset = 0
            await self.arm()

        self.at(self.clock.at + span, back)

    def _stop(self, engines: list[Engine], span: int) -> None:
        """SIGSTOP: nothing runs, everything is remembered."""
        self.trouble(span + 35 * SECOND, "stopped")
        for engine in engines:
            engine.down_until = max(engine.down_until, self.clock.at + span)
        self.at(self.clock.at + span + 1, self.resume)

    def _restart(self, engine: Engine) -> None:
        """The process is gone with all that it had in memory; another one starts from the database."""
        span = self.span(5 * MINUTE)
        self.trouble(span + 35 * SECOND, "restarted")
        engine.down_until = max(engine.down_until, self.clock.at + span)
        engine.gate = Gate(engine.database, self.catalog, engine.time)
        engine.fence = self._fence(engine.link, engine.time, engine.database)
        self.at(self.clock.at + span + 1, self.resume)

    def heal(self, engine: Engine) -> None:
        engine.storm.is_away = engine.storm.is_full = engine.link.is_cut = False
        engine.down_until = engine.cut_until = engine.time.offset = 0

    def _engine(self, name: str, url: str) -> Engine:
        time, storm = EngineTime(self.clock), Storm()
        link = Link(self.broker, storm)
        database = StormyDatabase(url, storm)
        fence = self._fence(link, time, database)
        return Engine(name, time, storm, link, database, Gate(database, self.catalog, time), fence)

    def _fence(self, link: Link, time: EngineTime, database: Database) -> Fence:
        """As the service makes it: it counts seconds that go on whatever a wall clock is set to."""
        return Fence(link, time, lambda: self.clock.at / SECOND, lambda: database.writes.reason is None)
