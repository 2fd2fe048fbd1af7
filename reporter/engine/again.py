"""Trying again: a lost transaction at once and a few times, a failing loop for ever and ever more quietly."""

import logging
import random
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from reporter import metrics
from reporter.store.failures import is_worth_another
from reporter.timesource import sleep

ATTEMPTS_MAX = 6
PAUSE_S = 0.01
SPAN_S_MAX = 12.0
"""No further attempt after this long: one that waited for a lock in vain (10 s) has one more."""
SAID_AGAIN_S = 30.0

T = TypeVar("T")


async def again(transaction: Callable[[], Awaitable[T]]) -> T:
    """Runs a transaction, and runs it anew from the beginning where it lost to another or was cut off.

    At most `ATTEMPTS_MAX` times, with pauses that double and are spread, so that two replicas that met do not meet
    again: 0.3 s of pauses in all. What lasts longer is an outage: the error goes to the caller's loop, which waits
    for it to end and has acknowledged nothing.

    After a cut connection nobody knows whether the commit went through. That is why this is the gate's and no
    wider: each of its transactions, run twice, finds what the first one did (the identity is taken, the clock is
    not due, the notice is settled) and adds nothing.
    """
    started = monotonic()
    for attempt in range(1, ATTEMPTS_MAX):
        try:
            return await transaction()
        except Exception as error:
            if not is_worth_another(error) or monotonic() - started > SPAN_S_MAX:
                raise
            metrics.TRANSACTIONS_AGAIN.inc()
        await sleep(PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.0))
    return await transaction()


class Trouble:
    """What a loop that fails does until it works again: pauses, and says so without filling the log.

    The first failure is logged with its traceback, then a line every half minute, then that it is over.
    """

    def __init__(self, log: logging.Logger, what: str, pause_s_max: float = 1.0) -> None:
        self._log = log
        self._what = what
        self._pause_s_max = pause_s_max
        self._count = 0
        self._since = self._said_at = 0.0

    async def failed(self, error: BaseException) -> None:
        """Says it, in measure, and pauses: 0.1 s at first, then ever longer."""
        now = monotonic()
        if not self._count:
            self._since = self._said_at = now
            self._log.error("%s failed; it is tried again until it succeeds", self._what, exc_info=error)
        elif now - self._said_at >= SAID_AGAIN_S:
            self._said_at = now
            name = type(error).__name__
            self._log.error("%s has been failing for %.0f s: %s", self._what, now - self._since, name)
        pause_s = min(self._pause_s_max, 0.1 * 2 ** min(self._count, 10))
        self._count += 1
        await sleep(pause_s * random.uniform(0.75, 1.0))

    def over(self) -> None:
        """It worked."""
        if self._count:
            span_s, count = monotonic() - self._since, self._count
            self._log.warning("%s works again, after %.1f s and %d attempts", self._what, span_s, count)
            self._count = 0
