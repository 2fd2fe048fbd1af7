"""Judging with the broker's word (contract 3.13): how far, and how long it waits."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from nats.errors import TimeoutError as NatsTimeoutError

from reporter.bus import Standing
from reporter.engine.fence import Fence
from reporter.timesource import ManualTime
from tests.unit.factories import ONE_US, at

NOW = at(0)
MARGIN = timedelta(milliseconds=50)
SECOND = timedelta(seconds=1)


@dataclass
class Broker:
    """A broker whose stream and reader stand where a test puts them; its clock is `ahead` of ours."""

    time: ManualTime
    last: int = 0
    floor: int = 0
    delivered: int = 0
    is_connected: bool = True
    answers: bool = True
    ahead: timedelta = timedelta(0)
    asked: list[str] = field(default_factory=list)

    async def intake_standing(self) -> Standing:
        self.asked.append("standing")
        if not self.answers:
            raise NatsTimeoutError
        return Standing(
            self.time.at + self.ahead,
            self.floor,
            self.delivered,
            self.last - self.delivered,
            self.delivered - self.floor,
        )

    async def last_sequence(self) -> int:
        self.asked.append("last")
        return self.last

    def reads(self, through: int) -> None:
        """The intake takes and acknowledges everything up to `through`."""
        self.delivered = max(self.delivered, through)
        self.floor = through


@pytest.fixture
def time() -> ManualTime:
    return ManualTime(NOW)


@pytest.fixture
def broker(time: ManualTime) -> Broker:
    return Broker(time)


@pytest.fixture
def fence(broker: Broker, time: ManualTime) -> Fence:
    return Fence(broker, time)


async def test_when_all_is_read_judging_goes_to_the_brokers_own_time_less_fifty_milliseconds(
    fence: Fence, broker: Broker
) -> None:
    broker.ahead = timedelta(milliseconds=-20)

    assert await fence.judged_through() == NOW - timedelta(milliseconds=70)


async def test_a_due_time_is_judged_once_the_brokers_clock_is_past_it_by_fifty_milliseconds(
    fence: Fence, time: ManualTime
) -> None:
    due = NOW + SECOND

    time.at = due + MARGIN - ONE_US
    assert await fence.judged_through() < due
    time.at = due + MARGIN + ONE_US
    assert await fence.judged_through() >= due


async def test_a_broker_whose_clock_runs_ahead_never_lets_judging_pass_our_own_now(
    fence: Fence, broker: Broker
) -> None:
    broker.ahead = timedelta(minutes=5)

    assert await fence.judged_through() <= NOW


async def test_one_question_serves_every_clock(fence: Fence, broker: Broker) -> None:
    await fence.judged_through()

    assert broker.asked == ["standing"]


async def test_a_backlog_keeps_judging_back_until_the_floor_has_reached_what_was_last(
    fence: Fence, broker: Broker, time: ManualTime
) -> None:
    due = NOW
    await fence.judged_through()
    broker.last = 100
    time.at = due + 2 * MARGIN
    assert await fence.judged_through() < due

    broker.last = 200  # what comes later is none of this due time's business
    broker.reads(99)
    time.advance(SECOND)
    assert await fence.judged_through() < due
    broker.reads(100)
    time.advance(MARGIN)
    assert await fence.judged_through() >= due


async def test_a_stream_that_never_ends_does_not_keep_an_older_due_time_waiting(
    fence: Fence, broker: Broker, time: ManualTime
) -> None:
    through = [await fence.judged_through()]
    for step in range(1, 100):
        broker.last = 50 * step + 25
        broker.reads(50 * step)
        time.advance(timedelta(milliseconds=100))
        through.append(await fence.judged_through())

    assert through == sorted(through)
    assert time.at - through[-1] < SECOND


async def test_waiting_ends_thirty_seconds_after_the_due_time_while_the_floor_advances(
    fence: Fence, broker: Broker, time: ManualTime
) -> None:
    due = NOW
    await fence.judged_through()
    broker.last, step = 1_000_000, 0
    judged_after = None
    while judged_after is None:
        step += 1
        time.at = due + step * timedelta(milliseconds=250)
        broker.reads(step)
        if await fence.judged_through() >= due:
            judged_after = time.at - due

    assert timedelta(seconds=25) < judged_after <= timedelta(seconds=31)


async def test_a_floor_that_stands_still_is_not_waited_for_as_long(
    fence: Fence, broker: Broker, time: ManualTime
) -> None:
    due = NOW
    await fence.judged_through()
    broker.last = 10
    judged_after = None
    for step in range(1, 200):
        time.at = due + step * timedelta(milliseconds=250)
        if await fence.judged_through() >= due:
            judged_after = time.at - due
            break

    assert judged_after is not None and judged_after < timedelta(seconds=30)


@pytest.mark.parametrize("overdue", [timedelta(seconds=40), timedelta(minutes=10)])
async def test_after_downtime_the_backlog_is_read_before_what_came_due_meanwhile_is_judged(
    fence: Fence, broker: Broker, time: ManualTime, overdue: timedelta
) -> None:
    due = NOW - overdue
    broker.last = 5_000

    assert await fence.judged_through() < due
    time.advance(SECOND)
    broker.reads(2_500)
    assert await fence.judged_through() < due
    time.advance(SECOND)
    broker.reads(5_000)
    assert await fence.judged_through() >= due


async def test_after_an_idle_hour_a_backlog_is_waited_for_from_now_on(
    fence: Fence, broker: Broker, time: ManualTime
) -> None:
    await fence.judged_through()
    time.advance(timedelta(hours=1))
    due = time.at - timedelta(seconds=10)
    broker.last = 50

    assert await fence.judged_through() < due


async def test_a_service_that_has_just_started_gives_the_broker_a_second_to_be_there(
    fence: Fence, broker: Broker, time: ManualTime
) -> None:
    broker.is_connected = False
    due = NOW - timedelta(minutes=10)

    assert await fence.judged_through() < due
    time.advance(SECOND)
    assert await fence.judged_through() >= due


async def test_seconds_in_which_the_database_takes_nothing_are_no_waiting(
    broker: Broker, time: ManualTime
) -> None:
    writable = [False]
    fence = Fence(broker, time, can_write=lambda: writable[0])
    due = NOW
    await fence.judged_through()
    broker.last = 1

    for _ in range(600):
        time.advance(timedelta(milliseconds=100))
        assert await fence.judged_through() < due
    writable[0] = True
    for _ in range(39):
        time.advance(timedelta(milliseconds=100))
        assert await fence.judged_through() < due
    time.advance(timedelta(seconds=0.1))
    assert await fence.judged_through() >= due


async def test_an_hour_in_which_the_process_was_stopped_is_no_waiting(
    fence: Fence, broker: Broker, time: ManualTime
) -> None:
    broker.last = 1
    due = time.at - MARGIN
    assert await fence.judged_through() < due

    time.advance(timedelta(hours=1))
    assert await fence.judged_through() < due
    for _ in range(30):
        time.advance(timedelta(milliseconds=100))
        await fence.judged_through()
    assert await fence.judged_through() >= due


@pytest.mark.parametrize("how", ["disconnected", "silent"])
async def test_without_the_broker_a_due_time_is_judged_a_second_later(
    fence: Fence, broker: Broker, time: ManualTime, how: str
) -> None:
    due = NOW
    await fence.judged_through()
    broker.is_connected, broker.answers = how != "disconnected", how != "silent"

    time.at = due
    assert await fence.judged_through() < due
    time.at = due + SECOND - ONE_US
    assert await fence.judged_through() < due
    time.at = due + SECOND
    assert await fence.judged_through() >= due


async def test_one_answer_that_is_slow_is_not_yet_a_broker_without_a_word(
    fence: Fence, broker: Broker, time: ManualTime
) -> None:
    def is_silent() -> bool:
        return not fence.has_word

    broker.answers = False
    await fence.judged_through()
    assert not is_silent()

    for _ in range(3):
        time.advance(timedelta(milliseconds=400))
        await fence.judged_through()
    assert is_silent()
    broker.answers = True
    await fence.judged_through()
    assert not is_silent()


async def test_a_backlog_that_keeps_judgements_waiting_for_a_second_is_said(
    fence: Fence, broker: Broker, time: ManualTime
) -> None:
    def is_said() -> bool:
        return fence.waiting_since is not None

    await fence.judged_through()
    assert not is_said()

    broker.last = 10
    for _ in range(6):
        time.advance(timedelta(milliseconds=400))
        await fence.judged_through()
    assert is_said()

    broker.reads(10)
    await fence.judged_through()
    assert not is_said()


async def test_the_products_time_is_answered_where_it_differs_from_the_machines(broker: Broker) -> None:
    class Shifted(ManualTime):
        """Product time: a day behind the machine's."""

        def from_real(self, at: datetime) -> datetime:
            return at - timedelta(days=1)

        def to_real(self, at: datetime) -> datetime:
            return at + timedelta(days=1)

    fence = Fence(broker, Shifted(NOW - timedelta(days=1)))

    assert await fence.judged_through() == NOW - MARGIN - timedelta(days=1)


@dataclass
class Seconds:
    """Seconds that only go forward, whatever the wall clock does."""

    s: float = 0.0

    def __call__(self) -> float:
        return self.s


async def test_a_clock_that_is_set_forward_cuts_no_wait_short(broker: Broker, time: ManualTime) -> None:
    elapsed = Seconds()
    fence = Fence(broker, time, elapsed)
    due = NOW
    await fence.judged_through()
    broker.last = 100
    time.advance(2 * MARGIN)
    assert await fence.judged_through() < due

    time.advance(timedelta(minutes=10))
    broker.ahead = -timedelta(minutes=10)  # only ours was set
    elapsed.s += 1
    broker.reads(50)
    assert await fence.judged_through() < due
    elapsed.s += 0.1
    broker.reads(100)
    assert await fence.judged_through() >= due


async def test_a_broker_whose_clock_was_set_back_has_its_word_on_those_minutes_anew(
    fence: Fence, broker: Broker, time: ManualTime
) -> None:
    broker.ahead = timedelta(minutes=10)
    await fence.judged_through()
    broker.ahead = timedelta(0)
    time.advance(SECOND)
    due = time.at

    broker.last = 10
    time.advance(2 * MARGIN)
    assert await fence.judged_through() < due, "what a wrong clock said let a backlog be passed over"
    broker.reads(10)
    time.advance(2 * MARGIN)
    assert await fence.judged_through() >= due
