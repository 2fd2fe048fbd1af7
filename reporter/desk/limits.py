"""Bounds on how often: failed tries in a window of time, and calls of an account by a leaking bucket.

Kept in memory, per process, and bounded: those longest quiet are forgotten first.
"""

from collections import OrderedDict
from time import monotonic
from typing import Final

KEYS_MAX: Final = 4096


class Failures:
    """Failed tries per key (an address, a login) in windows of `window_s` seconds, `most` in each."""

    def __init__(self, most: int, window_s: float) -> None:
        self._most = most
        self._window_s = window_s
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def count(self, key: str) -> int | None:
        """Counts one more. Once it is one too many: the whole seconds until the window ends."""
        now = monotonic()
        started, failures = self._windows.pop(key, (now, 0))
        if now - started >= self._window_s:
            started, failures = now, 0
        self._windows[key] = started, failures + 1
        while len(self._windows) > KEYS_MAX:
            self._windows.popitem(last=False)
        if failures < self._most:
            return None
        return int(started + self._window_s - now) + 1

    def take_back(self, key: str) -> None:
        """Takes the last count back: it was no failure."""
        started, failures = self._windows.get(key, (0.0, 0))
        if failures:
            self._windows[key] = started, failures - 1

    def forgive(self, key: str) -> None:
        """Forgets the failures of a key: it has succeeded."""
        self._windows.pop(key, None)


class Calls:
    """So many calls per key at once, and so many more each second."""

    def __init__(self, burst: int, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> int | None:
        """Counts a call. Where it is one too many, which is not counted: the whole seconds to wait."""
        now = monotonic()
        at, level = self._levels.pop(key, (now, 0.0))
        level = max(0.0, level - (now - at) * self._per_s)
        is_over = level + 1 > self._burst
        self._levels[key] = now, level if is_over else level + 1
        while len(self._levels) > KEYS_MAX:
            self._levels.popitem(last=False)
        return int((level + 1 - self._burst) / self._per_s) + 1 if is_over else None
