"""The machine's clock: jumps, standstills, and how far the broker's is from it."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from reporter.clockwatch import ClockWatch, Jump
from reporter.timesource import ManualTime
from tests.unit.factories import at

SECOND = timedelta(seconds=1)
MS = timedelta(milliseconds=1)


@dataclass
class Machine:
    """A wall clock that can be set, and seconds that only go forward."""

    wall: ManualTime
    elapsed_s: float = 100.0

    def passes(self, seconds: float, *, set_by: timedelta = timedelta()) -> None:
        self.wall.advance(timedelta(seconds=seconds) + set_by)
        self.elapsed_s += seconds


def jump_of(watch: ClockWatch) -> Jump | None:
    return watch.jump


def skew_of(watch: ClockWatch) -> timedelta | None:
    return watch.skew


@pytest.fixture
def machine() -> Machine:
    return Machine(ManualTime(at(0)))


@pytest.fixture
def watch(machine: Machine) -> ClockWatch:
    found = ClockWatch(machine.wall, SECOND, lambda: machine.elapsed_s)
    found.look()
    return found


@pytest.mark.parametrize("by", [timedelta(minutes=10), timedelta(minutes=-10), timedelta(seconds=2.1)])
def test_a_clock_that_is_set_between_two_looks_is_a_jump(
    watch: ClockWatch, machine: Machine, by: timedelta
) -> None:
    machine.passes(1, set_by=by)
    watch.look()

    assert watch.jump is not None and watch.jump.by == by
    assert watch.jump_count == 1
    machine.passes(1)
    watch.look()
    assert watch.jump_count == 1


def test_a_clock_that_is_nudged_is_none(watch: ClockWatch, machine: Machine) -> None:
    for _ in range(600):
        machine.passes(1, set_by=5 * MS)
        watch.look()

    assert watch.jump is None


def test_a_jump_is_said_for_a_minute(watch: ClockWatch, machine: Machine) -> None:
    machine.passes(1, set_by=-timedelta(hours=1))
    watch.look()

    machine.passes(59)
    assert jump_of(watch) is not None
    machine.passes(1)
    assert jump_of(watch) is None
    assert watch.jump_count == 1


def test_a_process_that_was_stopped_for_an_hour_stood_still_and_its_clock_did_not_jump(
    watch: ClockWatch, machine: Machine
) -> None:
    machine.passes(3600)
    watch.look()

    assert watch.standstill is not None and watch.standstill.span == timedelta(hours=1)
    assert watch.jump is None


def test_a_machine_that_slept_is_a_jump(watch: ClockWatch, machine: Machine) -> None:
    machine.passes(1, set_by=timedelta(hours=8))  # the seconds that only go forward stand still in sleep
    watch.look()

    assert watch.jump is not None and watch.jump.by == timedelta(hours=8)


def test_the_skew_is_the_brokers_time_less_ours_at_half_the_round_trip(
    watch: ClockWatch, machine: Machine
) -> None:
    watch.compare(machine.wall.at + 250 * MS, round_trip_s=0.1)

    assert watch.skew == 300 * MS
    assert watch.skew_ms == 300


def test_the_quickest_answer_has_the_word(watch: ClockWatch, machine: Machine) -> None:
    watch.compare(machine.wall.at + 40 * MS, round_trip_s=0.002)
    watch.compare(machine.wall.at - 900 * MS, round_trip_s=1.9)

    assert watch.skew_ms == 41


def test_an_old_answer_has_no_word(watch: ClockWatch, machine: Machine) -> None:
    watch.compare(machine.wall.at + 5 * SECOND, round_trip_s=0.001)
    assert watch.apart_since == machine.wall.at
    assert skew_of(watch) == 5.0005 * SECOND

    machine.passes(31)
    assert skew_of(watch) is None
    assert watch.telling_skew_ms is None


@pytest.mark.parametrize(("apart_ms", "told"), [(999, None), (1001, 1001), (-1001, -1001)])
def test_only_past_the_margin_it_belongs_on_a_verdict(
    watch: ClockWatch, machine: Machine, apart_ms: int, told: int | None
) -> None:
    watch.compare(machine.wall.at + apart_ms * MS, round_trip_s=0.0)

    assert watch.telling_skew_ms == told
    assert (watch.apart_since is None) == (told is None)


def test_what_was_measured_before_a_jump_is_forgotten(watch: ClockWatch, machine: Machine) -> None:
    watch.compare(machine.wall.at, round_trip_s=0.001)
    machine.passes(1, set_by=timedelta(minutes=10))
    watch.look()
    assert skew_of(watch) is None

    watch.compare(machine.wall.at - timedelta(minutes=10), round_trip_s=0.05)
    skew = skew_of(watch)
    assert skew is not None and abs(skew + timedelta(minutes=10)) < SECOND
