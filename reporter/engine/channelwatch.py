"""Watches the channels: which has failed twice in a row, and when each last worked. People at the desk are told."""

import logging
from dataclasses import replace
from time import monotonic
from typing import Final

from reporter.store import channelstates
from reporter.store.channelstates import Faring
from reporter.store.database import Database
from reporter.timesource import TimeSource

log = logging.getLogger(__name__)

ALARM_AFTER: Final = 2
"""Failures in a row from which a channel is a trouble."""
SAVE_EVERY_S: Final = 5.0
"""A success is written down so often at most; what begins or ends an alarm at once."""


class ChannelWatch:
    """Counts what became of sendings, and keeps it where every replica's desk can read it."""

    def __init__(self, database: Database, time: TimeSource) -> None:
        self._database = database
        self._time = time
        self._known: dict[str, Faring] | None = None
        self._changed: set[str] = set()
        self._is_urgent = False
        self._saved_s = 0.0

    async def note(self, channel: str, failure: str | None) -> None:
        """One sending came back: `failure` says why it failed, None that it did not."""
        if self._known is None:
            async with self._database.snapshot() as connection:
                self._known = {each.channel: each for each in await channelstates.load(connection)}
        was, now = self._known.get(channel, Faring(channel)), self._time.now()
        if failure is None:
            is_news = was.failures >= ALARM_AFTER or was.last_success_at is None
            found = Faring(channel, last_success_at=now, last_failure_at=was.last_failure_at)
        else:
            is_news = was.failures < ALARM_AFTER
            found = replace(
                was,
                failures=was.failures + 1,
                failing_since=was.failing_since or now,
                reason=failure,
                last_failure_at=now,
            )
        self._known[channel] = found
        self._changed.add(channel)
        self._is_urgent = self._is_urgent or is_news

    async def save(self) -> None:
        """Writes down what is new, if it is time."""
        if not self._changed or self._known is None:
            return
        if not self._is_urgent and monotonic() - self._saved_s < SAVE_EVERY_S:
            return
        async with self._database.transaction() as connection:
            await channelstates.save(connection, [self._known[name] for name in sorted(self._changed)])
        self._changed.clear()
        self._is_urgent, self._saved_s = False, monotonic()
