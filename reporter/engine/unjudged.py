"""Incidents whose clocks could not be judged: tried again later, so that they delay no other, and not forgotten."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

AGAIN: Final = timedelta(minutes=1)
FORGOTTEN: Final = 3 * AGAIN
"""Not tried here for so long: another replica tries them, and knows."""


class Unjudged:
    """Since when this process fails to judge which incidents."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[datetime, datetime]] = {}
        """By number: the first failure and the latest one."""

    def note(self, judged: Iterable[int], failed: Iterable[int], now: datetime) -> None:
        """Takes down what came of a look at the clocks of these incidents."""
        for number in failed:
            first, _ = self._since.get(number, (now, now))
            self._since[number] = (first, now)
        if self._since:
            gone = {number for number, (_, last) in self._since.items() if now - last > FORGOTTEN}
            for number in gone.union(judged):
                self._since.pop(number, None)

    @property
    def oldest_at(self) -> datetime | None:
        """Since when the oldest of them has been so; None if all can be judged."""
        return min((first for first, _ in self._since.values()), default=None)
