"""Where "now" comes from: the only module that may read the system clock or sleep.

Everything stored and compared in the product is an aware UTC instant of a `TimeSource`. In production that is
the system's own; in the demo it runs fast from the past until it meets the present. `core/` never asks: it is
handed `now`.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class TimeSource(Protocol):
    """Tells the product's time, and translates between it and the machine's."""

    def now(self) -> datetime:
        """The product's present instant, aware UTC, microseconds."""
        ...

    def from_real(self, at: datetime) -> datetime:
        """The product's instant for the machine's (or the broker's) instant `at`."""
        ...

    def to_real(self, at: datetime) -> datetime:
        """The machine's instant at which the product's time will be `at`: what an alarm is set to."""
        ...


class SystemTime:
    """The system clock itself."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def from_real(self, at: datetime) -> datetime:
        return at

    def to_real(self, at: datetime) -> datetime:
        return at


class ScaledTime:
    """Time that starts `behind` the present and runs `rate` times as fast until it meets the present, then 1×.

    It is one line of algebra on the machine's time (`started + …`), so it never goes backwards and two readers
    never disagree. Used by the demo only.
    """

    def __init__(self, behind: timedelta, rate: float) -> None:
        if rate <= 1:
            msg = f"a demo's speed must be above 1, not {rate}"
            raise ValueError(msg)
        self._real_start = datetime.now(UTC)
        self._start = self._real_start - behind
        self._rate = rate
        self._met_at = self._real_start + behind / (rate - 1)

    @property
    def meets_present_at(self) -> datetime:
        """The instant (the machine's) from which the product's time is the machine's."""
        return self._met_at

    def now(self) -> datetime:
        return self.from_real(datetime.now(UTC))

    def from_real(self, at: datetime) -> datetime:
        if at >= self._met_at:
            return at
        return self._start + (at - self._real_start) * self._rate

    def to_real(self, at: datetime) -> datetime:
        if at >= self._met_at:
            return at
        return self._real_start + (at - self._start) / self._rate


class ManualTime:
    """Time that moves only when told: for simulations and tests."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def from_real(self, at: datetime) -> datetime:
        return at

    def to_real(self, at: datetime) -> datetime:
        return at

    def advance(self, span: timedelta) -> None:
        """Moves time on by `span` (or back, if negative: a clock step)."""
        self.at += span


def micros(at: datetime) -> int:
    """The instant as whole microseconds since 1970 UTC."""
    return (at - EPOCH) // MICROSECOND


@lru_cache(maxsize=1024)  # what falls due together is read together, and speaks of the same few instants
def from_micros(value: int) -> datetime:
    """The instant `value` microseconds after 1970 UTC."""
    return EPOCH + timedelta(microseconds=value)


def from_nanos(value: int) -> datetime:
    """A broker's timestamp in nanoseconds, cut (never rounded, and with integers only) to microseconds."""
    return EPOCH + timedelta(microseconds=value // 1000)


async def sleep(seconds: float) -> None:
    """Lets `seconds` pass on the machine. Never used to wait for a deadline: those are alarms and re-reads."""
    await asyncio.sleep(seconds)
