"""The lookout: once a second it asks the tables what waits, and wakes whoever's work that is.

Mostly they have been woken already, by the commit that made the work. This finds what nobody in this process can know
of: what another program committed, what an earlier run left, what has just fallen due. The clocks have their own, the
doorbell.
"""

import logging

from reporter.engine.again import Trouble
from reporter.engine.signals import Signals
from reporter.store import waiting
from reporter.store.database import Database
from reporter.timesource import TimeSource, sleep

log = logging.getLogger(__name__)

EVERY_S = 1.0


async def run(database: Database, time: TimeSource, signals: Signals) -> None:
    """Runs until cancelled."""
    trouble = Trouble(log, "looking what waits", EVERY_S)
    while True:
        try:
            async with database.glance() as connection:
                found = await waiting.look(connection, time.now())
        except Exception as error:
            await trouble.failed(error)
            continue
        trouble.over()
        for is_waiting, signal in (
            (found.facts, signals.outbox),
            (found.notices, signals.notices),
            (found.unfindable, signals.unfindable),
            (found.applicable or found.unsaid, signals.aside),
        ):
            if is_waiting:
                signal.set()
        await sleep(EVERY_S)
