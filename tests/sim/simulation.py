"""One seed played through the real gate on a real database: what is published, read, and judged when."""

from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from reporter.catalog import Catalog
from reporter.core.notice import NoticeResult
from reporter.core.terms import NoticeState
from reporter.engine.record import Gate
from reporter.intake.arrival import Arrival, commands_of, settle
from reporter.store import models as m
from reporter.store import schema
from reporter.store.people import import_roster, import_units
from reporter.store.types import AnyRow
from tests.contract.gateworld import ROSTER, UNITS
from tests.sim.rules import DAY, HOUR, MINUTE, SECOND, Schedule, instant, micros, offset
from tests.sim.said import Said
from tests.sim.stage import Asked, Engine, Stage, Work
from tests.sim.storm import ACK_WAIT
from tests.sim.workload import START, Event, Tale, Workload

MARGIN = SECOND // 20 + 1_000
"""So long past a due time an engine begins to ask for the broker's word."""
ASK_AGAIN = SECOND // 4
RETRY_MAX = 5 * SECOND
AFTERWARDS = 200 * DAY
"""When all is said, so long passes that every ladder has run out."""


class Simulation(Stage):
    """The world of one seed."""

    def __init__(self, seed: int, url: str, catalog: Catalog, schedules: dict[str, Schedule]) -> None:
        super().__init__(seed, url, catalog)
        self.tales: list[Tale] = Workload(self.random, schedules).tales(self.random.randrange(3, 8))
        self.by_id = {tale.id: tale for tale in self.tales}
        self.events: list[Event] = []
        """The messages that were published, each once."""
        self.heads: dict[str, str] = {}
        """The hash of each incident's last line, once the seed has been heard."""
        self._rings: dict[str, int] = {}
        self._delivers_at = 0

    @property
    def days(self) -> float:
        """Virtual days played, without the long wait at the end."""
        return (self.clock.at - AFTERWARDS - START) / DAY

    async def run(self) -> None:
        """Plays the seed to its end, when everything is read and every ladder has run out."""
        await schema.check(self.database)
        await import_units(self.database, UNITS.encode())
        await import_roster(self.database, ROSTER.encode())
        for tale in self.tales:
            for event in tale.events:
                self.at(event.said.at, self._publishing(tale, event))
        await self.play()
        for engine in self.engines:
            self.heal(engine)
        self.is_calm = True
        self.clock.advance_to(self.clock.at + AFTERWARDS)
        await self._ring(self.engines[0])
        await self.play()

    @property
    def latency_max(self) -> int:
        """How long a message may be under way while nothing is wrong."""
        return SECOND // 1_000 if self.is_unharmed else 2 * SECOND

    # --- publishing -----------------------------------------------------------------------------------------

    def _publishing(self, tale: Tale, event: Event) -> Work:
        async def publish() -> None:
            if event.said.kind == "acknowledged" and tale.acknowledges_one:
                await self._choose_notice(tale, event)
            stuck_for = 0 if self.is_unharmed else event.stuck_for
            if not stuck_for and self.strikes(0.2 if event.said.kind == "filed" else 0.1):
                stuck_for = self.span(self.random.choice([6, 60]) * SECOND)
            if stuck_for:
                self.trouble(stuck_for + ACK_WAIT, "a message is stuck")
            self.events.append(event)
            self._put(event, stuck_for)
            if (
                self.random.random() < 0.1
            ):  # the publisher heard nothing, and says it again when all has settled
                self.at(self.clock.at + self.span(HOUR), lambda: self._again(event))

        return publish

    async def _again(self, event: Event) -> None:
        if self.broker.waiting():
            self.at(self.clock.at + MINUTE, lambda: self._again(event))
        else:
            self._put(event, 0)

    def _put(self, event: Event, stuck_for: int) -> None:
        self.broker.publish(event.subject, event.body, stuck_for)
        self._deliver_at(self.clock.at + 1 + self.random.randrange(self.latency_max) + stuck_for)

    async def _choose_notice(self, tale: Tale, event: Event) -> None:
        """Acknowledges one notice that is open now, where there is one."""
        rows = await self._open_notices(tale.id)
        if rows:
            row = self.random.choice(rows)
            said = event.said
            notice = (row.obligation, offset(row.step))
            known = Said(said.kind, said.at, said.id, said.source, notice=notice, notice_id=row.id)
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
            self.at(at, self._deliver)

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
            chosen = free[:count] if self.is_unharmed else self.random.sample(free, min(count, len(free)))
            arrivals = self.broker.fetch([each.sequence for each in chosen])
            if self.strikes(0.05):  # fetched, and then stopped for a while with it in hand
                hold_for = self.span(HOUR) if self.random.random() < 0.2 else self.span(10 * SECOND)
                self.trouble(hold_for + ACK_WAIT, "a slow engine")
                self.at(now + hold_for, lambda: self._take(engine, arrivals))
            else:
                await self._take(engine, arrivals)
        if waiting := self.broker.waiting():
            ready = min(max(each.down_until, each.cut_until) for each in self.engines)
            self._deliver_at(max(now + SECOND // 10, ready, min(each.free_at for each in waiting)))

    async def _take(self, engine: Engine, arrivals: list[Arrival]) -> None:
        """One batch through the gate, as the intake does; what was not acknowledged comes again."""
        if engine.down_until > self.clock.at:
            self.trouble(ACK_WAIT + SECOND, "a batch was lost with its engine")
            return

        def work(one: Engine) -> Work:
            return lambda: settle(one.link, one.gate, commands_of(arrivals))  # type: ignore[arg-type]

        if self.strikes(0.1):
            await self.at_once([(one, work(one)) for one in self.awake()])
        if not await self.do(engine, work(engine)):
            self.trouble(ACK_WAIT + SECOND, "a batch was not acknowledged")
            self._deliver_at(self.clock.at + ACK_WAIT)
        if self.random.random() < 0.05:
            await self._receipts(engine)
            await self.do(engine, engine.gate.sweep)

    async def _receipts(self, engine: Engine) -> None:
        """What channels said of some notices."""
        told = [row for tale in self.tales[:2] for row in (await self._open_notices(tale.id))[-2:]]
        results = [
            NoticeResult(row.id, row.incident_id, row.channel, NoticeState.DELIVERED, 1, "ok") for row in told
        ]
        await self.do(engine, lambda: engine.gate.receipts(results))

    # --- judging --------------------------------------------------------------------------------------------

    async def resume(self) -> None:
        self._deliver_at(self.clock.at + 1)
        await self.arm()

    async def arm(self) -> None:
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

        self.at(at, ring)

    async def _ring(self, engine: Engine) -> None:
        """As the doorbell does: asks for the broker's word where a judgement is due, and looks until nothing is."""
        if engine.down_until > self.clock.at:
            self._ring_at(engine, engine.down_until)
            return
        try:
            remind_at, judge_at = await engine.gate.next_looks()
        except OperationalError:
            self._retry(engine)
            return
        now = engine.time.now()
        through = None
        await self._probe(engine)
        if judge_at is not None and judge_at <= now:
            through = await engine.fence.judged_through()
            self._heard(engine, micros(through))
        is_reminder_due = remind_at is not None and remind_at <= now
        is_judged = judge_at is not None and through is not None and judge_at <= through
        if is_reminder_due or is_judged:
            if not await self._look(engine, micros(through) if through else 0):
                self._retry(engine)
        elif judge_at is not None and through is not None:
            gap = micros(judge_at) - micros(through) if engine.time.offset else 0
            self._ring_at(engine, self.clock.at + min(max(ASK_AGAIN, gap // 2), MINUTE))
        else:
            await self.arm()

    async def _probe(self, engine: Engine) -> None:
        """Learns whether writing is possible again where the last write failed, as the service does beside it all."""
        if engine.database.writes.needs_probe:
            with suppress(OperationalError):
                await engine.database.probe()

    def _retry(self, engine: Engine) -> None:
        """A look failed: it is made again in at most five seconds (here less often in a long outage)."""
        span = self.random.randrange(SECOND // 10, MINUTE if engine.storm.is_out else RETRY_MAX)
        self.trouble(span + SECOND, "a look failed")
        self._ring_at(engine, self.clock.at + span)

    async def _look(self, engine: Engine, through: int) -> bool:
        """Ticks until nothing is due. False: the look failed, and comes again."""
        counted = [1]

        def work(one: Engine) -> Work:
            async def tick() -> None:
                counted.append(await one.gate.tick(instant(through)))

            return tick

        if engine in self.awake() and self.strikes(0.3):
            await self.at_once([(one, work(one)) for one in self.awake()], through)
            counted = [1]
        while counted[-1]:
            if not await self.do(engine, work(engine), through):
                return False
            assert len(counted) < 1_000, "the same clock is due again and again"
        return True

    def _heard(self, engine: Engine, through: int) -> None:
        waiting = tuple(each.at for each in self.broker.waiting())
        asked = Asked(
            self.clock.at, engine.time.micros, through, waiting, self.broker.floor, engine.link.is_cut,
            engine.storm.is_failing,
        )  # fmt: skip
        self.trace.asked.setdefault(engine.fence, []).append(asked)
