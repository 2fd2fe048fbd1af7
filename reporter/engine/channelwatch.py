"""Watches what notices are sent through: what has failed twice in a row, and when each last worked. The desk is told.

It is kept for each account, and for each host of addresses that are URLs: with one dead and one well, a channel as a
whole would never fail twice in a row.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from time import monotonic
from typing import Final

from reporter.channels.contract import UNNAMED, ByAccount, Channel
from reporter.core.notice import ATTEMPT_MARK, NoticeResult
from reporter.store import channelstates
from reporter.store.channelstates import NAME_CHARS_MAX, Faring
from reporter.store.database import Database
from reporter.timesource import TimeSource

log = logging.getLogger(__name__)

ALARM_AFTER: Final = 2
"""Failures in a row from which it is a trouble."""
SAVE_EVERY_S: Final = 5.0
"""A success is written down so often at most; what begins or ends an alarm at once."""
KEPT_MAX: Final = 500
"""Of so many it is kept how they fare: of those sent through last."""
_DIGEST_CHARS: Final = 8


def name_of(channel: str, account: str = "") -> str:
    """`dingtalk:ops-group`, `webhook https://host`, or the channel alone; too long a name is cut, and stays its own."""
    mark = " " if "://" in account else ":" if account else ""
    name = f"{channel}{mark}{account}"
    if len(name) <= NAME_CHARS_MAX:
        return name
    digest = sha256(name.encode()).hexdigest()[:_DIGEST_CHARS]
    return f"{name[: NAME_CHARS_MAX - _DIGEST_CHARS - 1]}…{digest}"


def parts_of(name: str) -> tuple[str, str]:
    """The channel and the account of such a name; the account may be empty."""
    channel = re.split("[: ]", name, maxsplit=1)[0]
    return channel, name[len(channel) + 1 :]


def is_here(name: str, channels: Mapping[str, Channel]) -> bool:
    """Whether anything may still be sent through what has this name."""
    channel, account = parts_of(name)
    if (found := channels.get(channel)) is None:
        return False
    if isinstance(found, ByAccount):
        return account in found.accounts or account == UNNAMED or "://" in account
    return not account


class ChannelWatch:
    """Counts what became of sendings, and keeps it where every replica's desk can read it.

    What none of these channels sends through any more is forgotten at the first look: it could never work again.
    """

    def __init__(self, database: Database, time: TimeSource, channels: Mapping[str, Channel]) -> None:
        self._database = database
        self._time = time
        self._channels = channels
        self._by_account = {name: each for name, each in channels.items() if isinstance(each, ByAccount)}
        self._known: dict[str, Faring] | None = None
        """By name, those heard of last at the end."""
        self._changed: set[str] = set()
        self._forgotten: set[str] = set()
        self._is_urgent = False
        self._saved_s = 0.0

    async def came(self, results: Sequence[NoticeResult]) -> None:
        """These sendings came back: takes in what they tell, and writes it down. Errors: those of the database."""
        await self._load()
        for each in results:
            if each.tells_of_channel:
                said = (each.note or "").rpartition(ATTEMPT_MARK)[2]
                by_account = self._by_account.get(each.channel)
                account = "" if by_account is None else by_account.account_of(each.address)
                await self.note(name_of(each.channel, account), said if each.is_trouble else None)
        await self.save()

    async def note(self, name: str, failure: str | None) -> None:
        """One sending came back: `failure` says why it failed, None that it did not."""
        known = await self._load()
        was, now = known.pop(name, Faring(name)), self._time.now()
        if failure is None:
            is_news = was.failures >= ALARM_AFTER or was.last_success_at is None
            found = Faring(name, last_success_at=now, last_failure_at=was.last_failure_at)
        else:
            is_news = was.failures < ALARM_AFTER
            found = replace(
                was,
                failures=was.failures + 1,
                failing_since=was.failing_since or now,
                reason=failure,
                last_failure_at=now,
            )
            if found.failures == ALARM_AFTER:
                log.warning("%s has failed %d times in a row: %s", name, found.failures, failure)
        known[name] = found
        self._changed.add(name)
        self._forgotten.discard(name)
        self._is_urgent = self._is_urgent or is_news
        if len(known) > KEPT_MAX:
            oldest = next(iter(known))
            del known[oldest]
            self._changed.discard(oldest)
            self._forgotten.add(oldest)

    async def save(self) -> None:
        """Writes down what is new, if it is time."""
        if self._known is None or not (self._changed or self._forgotten):
            return
        if not self._is_urgent and monotonic() - self._saved_s < SAVE_EVERY_S:
            return
        async with self._database.transaction() as connection:
            await channelstates.save(connection, [self._known[name] for name in sorted(self._changed)])
            await channelstates.forget(connection, sorted(self._forgotten))
        self._changed.clear()
        self._forgotten.clear()
        self._is_urgent, self._saved_s = False, monotonic()

    async def _load(self) -> dict[str, Faring]:
        if self._known is None:
            async with self._database.snapshot() as connection:
                stored = await channelstates.load(connection)
            here = [each for each in stored if is_here(each.channel, self._channels)]
            self._known = {each.channel: each for each in here[-KEPT_MAX:]}
            self._forgotten = {each.channel for each in stored} - self._known.keys()
            self._is_urgent = bool(self._forgotten)
        return self._known
