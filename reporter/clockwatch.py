"""Watches the machine's clock: whether it jumps, whether the process stood still, how far the broker's is from it.

Verdicts compare the broker's timestamps and ours with instants that people name, so a clock that is wrong is a
fact that belongs on the record. Nothing here corrects anything: it is measured, said, and left to people.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from reporter import metrics
from reporter.timesource import TimeSource

log = logging.getLogger(__name__)

LOOK_S = 1.0
JUMP_S_MIN = 2.0
"""Wall and monotonic time that differ by more than this between two looks: the clock was set, or the machine slept."""
STANDSTILL_S_MIN = 5.0
"""A look that comes so much too late: the process was stopped, or starved."""
SHOWN_S = 60.0
"""How long a jump or a standstill is said after it was seen."""
SAMPLES_MAX = 16
SAMPLE_AGE_S_MAX = 30.0
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Jump:
    """The clock moved by `by` (negative: back) beside the time that passed; seen at `at`, by the new clock."""

    at: datetime
    by: timedelta


@dataclass(frozen=True, slots=True)
class Standstill:
    """The process did nothing for `span`; seen at `at`."""

    at: datetime
    span: timedelta


@dataclass(frozen=True, slots=True)
class _Sample:
    taken_s: float
    round_trip_s: float
    skew: timedelta


class ClockWatch:
    """What is known of the machine's clock. Instants are the machine's own; `elapsed` counts seconds, only forward."""

    def __init__(
        self,
        time: TimeSource,
        margin: timedelta = timedelta(seconds=1),
        elapsed: Callable[[], float] = monotonic,
    ) -> None:
        self.margin = margin
        self.jump_count = 0
        self._time = time
        self._elapsed = elapsed
        self._looked: tuple[datetime, float] | None = None
        self._jump: tuple[Jump, float] | None = None
        self._standstill: tuple[Standstill, float] | None = None
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES_MAX)
        self._apart_since: datetime | None = None

    def look(self) -> None:
        """Compares the wall clock with the time that has passed since the look before."""
        at, elapsed_s = self._wall(), self._elapsed()
        before, self._looked = self._looked, (at, elapsed_s)
        if before is None:
            return
        passed_s = elapsed_s - before[1]
        by = at - before[0] - timedelta(seconds=passed_s)
        if abs(by.total_seconds()) > JUMP_S_MIN:
            self.jump_count += 1
            self._jump = Jump(at, by), elapsed_s
            self._samples.clear()
            metrics.CLOCK_JUMPS.inc()
            log.warning("the machine's clock jumped by %+.3f s", by.total_seconds())
        if passed_s > LOOK_S + STANDSTILL_S_MIN:
            self._standstill = Standstill(at, timedelta(seconds=passed_s)), elapsed_s
            metrics.STANDSTILLS.inc()
            log.warning("the process stood still for %.1f s", passed_s)

    def compare(self, broker_at: datetime, round_trip_s: float) -> None:
        """Takes the broker's time out of an answer that has just come, `round_trip_s` after it was asked for."""
        halfway = self._wall() - timedelta(seconds=round_trip_s / 2)
        self._samples.append(_Sample(self._elapsed(), round_trip_s, broker_at - halfway))
        skew = self.skew
        if skew is None or abs(skew) <= self.margin:
            self._apart_since = None
        elif self._apart_since is None:
            self._apart_since = self._wall()
            log.warning("the broker's clock and ours are apart by %+d ms", skew // MILLISECOND)
        metrics.CLOCK_SKEW.set(skew.total_seconds() if skew is not None else 0)

    @property
    def skew(self) -> timedelta | None:
        """The broker's clock less ours, as the quickest of the newest answers has it; None when it is not known."""
        oldest_s = self._elapsed() - SAMPLE_AGE_S_MAX
        while self._samples and self._samples[0].taken_s < oldest_s:
            self._samples.popleft()
        quickest = min(self._samples, key=lambda sample: sample.round_trip_s, default=None)
        return quickest.skew if quickest else None

    @property
    def skew_ms(self) -> int | None:
        """The skew in whole milliseconds; None when it is not known."""
        skew = self.skew
        return None if skew is None else round(skew / MILLISECOND)

    @property
    def telling_skew_ms(self) -> int | None:
        """The skew where it is past the margin, so that it belongs on a verdict; else None."""
        skew = self.skew
        return None if skew is None or abs(skew) <= self.margin else self.skew_ms

    @property
    def apart_since(self) -> datetime | None:
        """Since when the skew has been past the margin; None while it is not."""
        return None if self.telling_skew_ms is None else self._apart_since

    @property
    def is_comparing(self) -> bool:
        """Whether somebody has compared within the last seconds."""
        return bool(self._samples) and self._elapsed() - self._samples[-1].taken_s < 3 * LOOK_S

    @property
    def jump(self) -> Jump | None:
        """The newest jump, for a minute."""
        return self._jump[0] if self._jump and self._elapsed() - self._jump[1] < SHOWN_S else None

    @property
    def standstill(self) -> Standstill | None:
        """The newest standstill, for a minute."""
        newest = self._standstill
        return newest[0] if newest and self._elapsed() - newest[1] < SHOWN_S else None

    def _wall(self) -> datetime:
        return self._time.to_real(self._time.now())
