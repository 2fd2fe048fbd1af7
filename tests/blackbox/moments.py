"""Time as an outsider has it: the wall clock, RFC 3339 text, and bounded waiting for a condition.

Nothing here sleeps *instead of* synchronising: every wait is a poll for a stated condition with a
bound, and says at the end what it last saw.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

# What `json.loads` answers: a black-box test reads it by key, as an outsider would, and breaks loudly.
Json = Any

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
POLL_S = 0.04


def now() -> datetime:
    """The wall clock, in UTC, cut to microseconds with integers."""
    return EPOCH + timedelta(microseconds=time.time_ns() // 1000)


def ago(*, minutes: float = 0, seconds: float = 0) -> datetime:
    """The instant that many minutes and seconds before now."""
    return now() - timedelta(minutes=minutes, seconds=seconds)


def text(instant: datetime) -> str:
    """RFC 3339 with offset and microseconds, as the contract prints it: `2026-11-23T06:00:00.000000Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def instant(stamp: str) -> datetime:
    """Reads a time the service printed. ValueError if it is not RFC 3339 with an offset."""
    read = datetime.fromisoformat(stamp)
    if read.tzinfo is None:
        raise ValueError(f"a time without offset: {stamp!r}")
    return read.astimezone(UTC)


def eventually(probe: Callable[[], T], *, within: float, why: str = "", every: float = POLL_S) -> T:
    """Polls `probe` until it answers something truthy, and returns that.

    An AssertionError, KeyError, IndexError or StopIteration inside the probe means "not yet". After
    `within` seconds it fails, naming `why` and what it last saw.
    """
    started = time.monotonic()
    last: object = None
    while True:
        try:
            seen = probe()
            if seen:
                return seen
            last = seen
        except (AssertionError, KeyError, IndexError, StopIteration) as not_yet:
            last = f"{type(not_yet).__name__}: {not_yet}"
        if time.monotonic() - started > within:
            raise AssertionError(f"not within {within} s: {why or probe}; last seen: {last!r:.2000}")
        time.sleep(every)


def pass_by(moment: datetime, *, margin_s: float = 0.0) -> None:
    """Waits until the wall clock has passed `moment` by `margin_s` (bounded: at most a minute away)."""
    until = moment + timedelta(seconds=margin_s)
    left_s = (until - now()).total_seconds()
    assert left_s < 60, f"a test may not wait {left_s:.0f} s"
    eventually(lambda: now() > until, within=max(left_s, 0) + 1, why=f"the clock passes {text(until)}")
