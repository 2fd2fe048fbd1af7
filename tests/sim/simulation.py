"""One seed played through the real gate on a real database: engines, a broker, a storm, and time that jumps.

Everything is drawn from the seed, one thing happens at a time, and nothing looks at the machine's clock, so a seed
replays exactly. What was said, done and looked at, in the order in which it took effect, is the `Trace` that the
auditor reads.
"""

import heapq
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from reporter.catalog import Catalog
from reporter.core.terms import NoticeState
from reporter.engine.fence import Fence
from reporter.engine.record import Gate, NoticeResult
from reporter.intake.arrival import Arrival, commands_of, settle
from reporter.store import models as m
from reporter.store import schema
from reporter.store.database import Database
from reporter.store.people import import_roster, import_units
from reporter.store.types import AnyRow
from tests.contract.gateworld import ROSTER, UNITS
from tests.sim.rules import DAY, HOUR, MINUTE, SECOND, Schedule, instant, micros, offset
from tests.sim.said import Said
from tests.sim.storm import ACK_WAIT, Clock, Crash, EngineTime, Link, SimBroker, Storm, StormyDatabase, trouble
from tests.sim.workload import START, Event, Tale, Workload

MARGIN = SECOND // 20 + 1_000
"""So long past a due time an engine begins to ask for the broker's word."""
ASK_AGAIN = SECOND // 4
AFTERWARDS = 200 * DAY
OPERATIONS_MAX = 200_000


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

    `waiting`: when each message was stored that was not acknowledged then; `floor`: the broker's acknowledged floor.
    """

    at: int
    now: int
    through: int
    waiting: tuple[int, ...]
    floor: int
    is_cut: bool


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


class Simulation:
    """The world of one seed."""

    def __init__(self, seed: int, url: str, catalog: Catalog, schedules: dict[str, Schedule]) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.catalog = catalog
        self.clock = Clock(START)
        self.broker = SimBroker(self.clock)
        self.trace = Trace()
        self.database = Database(url)
        self.tales: list[Tale] = Workload(self.random, schedules).tales(self.random.randrange(3, 8))
        self.by_id = {tale.id: tale for tale in self.tales}
        self.events: list[Event] = []
        self.engines: list[Engine] = []
        self._url = url
        self._heap: list[tuple[int, int, Callable[[], Awaitable[None]]]] = []
        self._order = 0
        self._rings: dict[str, int] = {}
        self._delivers_at = 0
        self._is_over = False
        self._is_calm = self.random.random() < 0.2
        """One seed in five is played without any fault: then nothing excuses anything."""

    @property
    def days(self) -> float:
        """Virtual days played, without the long wait at the end."""
        return (self.clock.at - AFTERWARDS - START) / DAY

    async def run(self) -> None:
        """Plays the seed to its end, when everything is read and every ladder has run out."""
        await schema.check(self.database)
        await import_units(self.database, UNITS.encode())
        await import_roster(self.database, ROSTER.encode())
        for number in range(self.random.choice([1, 2, 2, 3])):
            self.engines.append(self._engine(f"engine {number + 1}"))
        for tale in self.tales:
            for event in tale.events:
                self._at(event.said.at, self._publishing(tale, event))
        await self._play()
        for engine in self.engines:
            self._heal(engine)
        self._is_over = True
        self.clock.advance_to(self.clock.at + AFTERWARDS)
        await self._ring(self.engines[0])
        await self._play()

    async def close(self) -> None:
        for database in (self.database, *(engine.database for engine in self.engines)):
            await database.close()

    # --- time -----------------------------------------------------------------------------------------------

    def _at(self, at: int, action: Callable[[], Awaitable[None]]) -> None:
        self._order += 1
        heapq.heappush(self._heap, (at, self._order, action))

    async def _play(self) -> None:
        """Everything that is to happen, in the order of time."""
        for _ in range(OPERATIONS_MAX):
            if not self._heap:
                return
            at, _, action = heapq.heappop(self._heap)
            self.clock.advance_to(at)
            await action()
        raise AssertionError("the simulation does not come to its end")

    def _publishing(self, tale: Tale, event: Event) -> Callable[[], Awaitable[None]]:
        async def publish() -> None:
            if event.said.kind == "acknowledged" and tale.acknowledges_one:
                await self._choose_notice(tale, event)
            is_stuck = self._strikes(0.2 if event.said.kind == "filed" else 0.03)
            stuck_for = self._random_span(self.random.choice([6, 60]) * SECOND) if is_stuck else 0
            if stuck_for:
                self._trouble(stuck_for + ACK_WAIT, "a message is stuck")
            self.events.append(event)
            self._put(event, stuck_for)
            if self.random.random() < 0.1:  # the publisher heard nothing, and says it again when all has settled
                self._at(self.clock.at + self._random_span(HOUR), lambda: self._again(event))

        return publish

    async def _again(self, event: Event) -> None:
        if self.broker.waiting():
            self._at(self.clock.at + MINUTE, lambda: self._again(event))
        else:
            self._put(event, 0)

    def _put(self, event: Event, stuck_for: int) -> None:
        self.broker.publish(event.subject, event.body, stuck_for)
        self._deliver_at(self.clock.at + self._latency() + stuck_for)

    async def _choose_notice(self, tale: Tale, event: Event) -> None:
        """Acknowledges one notice that is open now, where there is one."""
        rows = await self._open_notices(tale.id)
        if rows:
            row = self.random.choice(rows)
            said = event.said
            notice = (row.obligation, offset(row.step))
            known = Said(said.kind, said.at, said.id, said.source, notice=notice)
            data = {"incident": tale.id, "notice": row.id, "by": "王五"}
            chosen = Workload(self.random, {}).event(tale, known, data)
            event.said, event.body = chosen.said, chosen.body

    async def _open_notices(self, incident: str) -> list[AnyRow]:
        table = m.table(m.Notice)
        mine = select(table).where(
            table.c.incident_id == incident,
            table.c.step.is_not(None),
            table.c.state != NoticeState.ACKNOWLEDGED.value,
        )
        async with self.database.snapshot() as connection:
            return list(await connection.execute(mine.order_by(table.c.recorded_at, table.c.id)))

    # --- intake ---------------------------------------------------------------------------------------------

    def _deliver_at(self, at: int) -> None:
        at = max(at, self.clock.at + 1)
        if not self.clock.at < self._delivers_at <= at:
            self._delivers_at = at
            self._at(at, self._deliver)

    async def _deliver(self) -> None:
        """Some engine fetches what the broker has; what is left, or comes back, is delivered later."""
        now = self.clock.at
        if self._delivers_at != now:
            return
        free = [each for each in self.broker.waiting() if each.free_at <= now]
        engines = [each for each in self.engines if each.down_until <= now and not each.link.is_cut]
        if free and engines:
            engine = self.random.choice(engines)
            count = self.random.randrange(1, 6)
            chosen = free[:count] if self._is_calm else self.random.sample(free, min(count, len(free)))
            arrivals = self.broker.fetch([each.sequence for each in chosen])
            if self._strikes(0.05):  # fetched, and then stopped for a while with it in hand
                hold_for = self._random_span(HOUR) if self.random.random() < 0.2 else self._random_span(10 * SECOND)
                self._trouble(hold_for + ACK_WAIT, "a slow engine")
                self._at(now + hold_for, lambda: self._take(engine, arrivals))
            else:
                await self._take(engine, arrivals)
        if waiting := self.broker.waiting():
            ready = min(max(each.down_until, each.cut_until) for each in self.engines)
            self._deliver_at(max(now + SECOND // 10, ready, min(each.free_at for each in waiting)))

    async def _take(self, engine: Engine, arrivals: list[Arrival]) -> None:
        """One batch through the gate, as the intake does; what was not acknowledged comes again."""
        if engine.down_until > self.clock.at:
            self._trouble(ACK_WAIT + SECOND, "a batch was lost with its engine")
            return

        async def work() -> None:
            await settle(engine.link, engine.gate, commands_of(arrivals))  # type: ignore[arg-type]

        if not await self._do(engine, work):
            self._trouble(ACK_WAIT + SECOND, "a batch was not acknowledged")
            self._deliver_at(self.clock.at + ACK_WAIT)
        if self.random.random() < 0.05:
            await self._receipts(engine)
            await self._do(engine, engine.gate.sweep)

    async def _receipts(self, engine: Engine) -> None:
        """What channels said of some notices."""
        told = [row for tale in self.tales[:2] for row in (await self._open_notices(tale.id))[-2:]]
        results = [
            NoticeResult(row.id, row.incident_id, row.channel, NoticeState.DELIVERED, 1, "ok") for row in told
        ]
        await self._do(engine, lambda: engine.gate.receipts(results))

    # --- judging --------------------------------------------------------------------------------------------

    async def _arm(self) -> None:
        """Every engine's doorbell is set to what the clocks wait for."""
        remind_at, judge_at = await Gate(self.database, self.catalog, self.engines[0].time).next_looks()
        for engine in self.engines:
            rings = [] if remind_at is None else [micros(remind_at)]
            rings += [] if judge_at is None else [micros(judge_at) + MARGIN]
            if rings:
                self._ring_at(engine, min(rings) - engine.time.offset)

    def _ring_at(self, engine: Engine, at: int) -> None:
        at = max(at, self.clock.at)
        if self.clock.at < self._rings.get(engine.name, 0) <= at:
            return  # it rings before
        self._rings[engine.name] = at

        async def ring() -> None:
            if self._rings.get(engine.name) == at:
                del self._rings[engine.name]
                await self._ring(engine)

        self._at(at, ring)

    async def _ring(self, engine: Engine) -> None:
        """As the doorbell does: asks for the broker's word where a judgement is due, and looks until nothing is."""
        if engine.down_until > self.clock.at:
            self._ring_at(engine, engine.down_until)
            return
        try:
            remind_at, judge_at = await engine.gate.next_looks()
        except OperationalError:
            self._ring_at(engine, self.clock.at + self._retry())
            return
        now = engine.time.now()
        through = None
        if judge_at is not None and judge_at <= now:
            through = await engine.fence.judged_through()
            self._heard(engine, micros(through))
        is_reminder_due = remind_at is not None and remind_at <= now
        is_judged = judge_at is not None and through is not None and judge_at <= through
        if is_reminder_due or is_judged:
            if not await self._look(engine, micros(through) if through else 0):
                self._ring_at(engine, self.clock.at + self._retry())
        elif judge_at is not None and through is not None:
            gap = micros(judge_at) - micros(through) if engine.time.offset else 0
            self._ring_at(engine, self.clock.at + min(max(ASK_AGAIN, gap // 2), MINUTE))
        else:
            await self._arm()

    async def _look(self, engine: Engine, through: int) -> bool:
        """Ticks until nothing is due. False: the look failed, and comes again."""
        counted = [1]

        async def tick() -> None:
            counted.append(await engine.gate.tick(instant(through)))

        while counted[-1]:
            if not await self._do(engine, tick, through):
                return False
            assert len(counted) < 1_000, "the same clock is due again and again"
        return True

    def _heard(self, engine: Engine, through: int) -> None:
        waiting = tuple(each.at for each in self.broker.waiting())
        asked = Asked(
            self.clock.at, engine.time.micros, through, waiting, self.broker.floor, engine.link.is_cut
        )
        self.trace.asked.setdefault(engine.fence, []).append(asked)

    # --- operations and faults ------------------------------------------------------------------------------

    async def _do(self, engine: Engine, work: Callable[[], Awaitable[None]], through: int | None = None) -> bool:
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
            if storm.strikes == strikes and not storm.is_away and not engine.link.is_cut:
                raise
        storm.calm()
        now = engine.time.micros
        took_effect = through is not None and storm.commits > commits
        last_row = await self._last_row()
        self.trace.ops.append(Op(self.clock.at, now, last_row, through if took_effect else None))
        await self._arm()
        return is_done

    async def _last_row(self) -> int:
        async with self.database.snapshot() as connection:
            return int((await connection.execute(select(func.max(m.table(m.Outbox).c.seq)))).scalar_one() or 0)

    def _tempt(self, engine: Engine) -> None:
        """Now and then something is about to go wrong."""
        if not self._strikes(0.12):
            return
        random, storm = self.random, engine.storm
        what = random.choice(
            ["crash", "crash", "cut", "before", "after", "after", "away", "partition", "set", "stopped", "restart"]
        )
        if what in ("crash", "cut"):
            storm.in_statements = random.randrange(1, 30)
            storm.error = Crash() if what == "crash" else trouble("the connection was cut")
        elif what in ("before", "after"):
            error = Crash() if random.random() < 0.5 else trouble("the commit failed")
            setattr(storm, f"{what}_commit", error)
        elif what == "away":
            self._away(self._random_span(10 * MINUTE))
        elif what == "partition":
            self._cut(random.choice([[engine], self.engines]), self._random_span(15 * MINUTE))
        elif what == "set":
            self._set(engine, random.choice([-10, 10]) * MINUTE, self._random_span(HOUR))
        elif what == "stopped":
            self._stop(random.choice([[engine], self.engines]), self._random_span(HOUR))
        else:
            self._restart(engine)
        self._trouble(5 * SECOND, what)

    def _away(self, span: int) -> None:
        """The database is away, for everybody."""
        self._trouble(span + 90 * SECOND, "the database is away")
        for engine in self.engines:
            engine.storm.is_away = True

        async def back() -> None:
            for engine in self.engines:
                engine.storm.is_away = False

        self._at(self.clock.at + span, back)

    def _cut(self, engines: list[Engine], span: int) -> None:
        """These engines cannot reach the broker."""
        self._trouble(span + 35 * SECOND, "cut off from the broker")
        for engine in engines:
            engine.link.is_cut, engine.cut_until = True, self.clock.at + span

        async def back() -> None:
            for engine in engines:
                engine.link.is_cut = engine.cut_until > self.clock.at

        self._at(self.clock.at + span, back)
        self._deliver_at(self.clock.at + span + 1)

    def _set(self, engine: Engine, offset: int, span: int) -> None:
        """A wall clock is set wrong, and right again later."""
        self._trouble(span + 35 * SECOND, "a clock is set wrong")
        engine.time.offset = offset

        async def back() -> None:
            engine.time.offset = 0
            await self._arm()

        self._at(self.clock.at + span, back)

    def _stop(self, engines: list[Engine], span: int) -> None:
        """SIGSTOP: nothing runs, everything is remembered."""
        self._trouble(span + 35 * SECOND, "stopped")
        for engine in engines:
            engine.down_until = max(engine.down_until, self.clock.at + span)
        self._deliver_at(self.clock.at + span + 1)

    def _restart(self, engine: Engine) -> None:
        """The process is gone with all that it had in memory; another one starts from the database."""
        span = self._random_span(5 * MINUTE)
        self._trouble(span + 35 * SECOND, "restarted")
        engine.down_until = max(engine.down_until, self.clock.at + span)
        engine.gate = Gate(engine.database, self.catalog, engine.time)
        engine.fence = Fence(engine.link, engine.time)
        self._deliver_at(self.clock.at + span + 1)
        self._ring_at(engine, engine.down_until)

    def _heal(self, engine: Engine) -> None:
        engine.storm.is_away = engine.link.is_cut = False
        engine.down_until = engine.cut_until = engine.time.offset = 0

    def _engine(self, name: str) -> Engine:
        time, storm = EngineTime(self.clock), Storm()
        link = Link(self.broker, storm)
        database = StormyDatabase(self._url, storm)
        return Engine(
            name, time, storm, link, database, Gate(database, self.catalog, time), Fence(link, time)
        )

    def _trouble(self, span: int, what: str) -> None:
        self.trace.troubles.append((self.clock.at, self.clock.at + span, what))

    def _strikes(self, chance: float) -> bool:
        return not (self._is_calm or self._is_over) and self.random.random() < chance

    def _random_span(self, longest: int) -> int:
        """Mostly short ones."""
        return 1 + int(longest * self.random.random() ** 3)

    @property
    def latency_max(self) -> int:
        """How long a message may be under way while nothing is wrong."""
        return SECOND // 1_000 if self._is_calm else 2 * SECOND

    def _latency(self) -> int:
        return 1 + self.random.randrange(self.latency_max)

    def _retry(self) -> int:
        return self.random.randrange(SECOND // 10, 30 * SECOND)
