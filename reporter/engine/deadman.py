"""The dead man's switch: an address of somebody else's that is called while all is well.

Whoever listens there raises the alarm when the calls stop, so that also a machine that is gone is noticed. A call is
an empty POST; nothing of the service is in it. It waits for nobody: one call at a time, each bounded, none repeated.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from urllib.parse import urlsplit

from reporter import __version__, metrics
from reporter.timesource import sleep

log = logging.getLogger(__name__)

LOOK_S = 1.0
CALL_TIMEOUT_S = 10.0


async def run(url: str, every_s: float, is_well: Callable[[], Awaitable[bool]]) -> None:
    """Calls `url` every `every_s` seconds while `is_well`; runs until cancelled.

    A call that is due while something ails is made as soon as all is well again.
    """
    import httpx

    host = urlsplit(url).hostname  # the rest of the address is often the secret
    called_s: float | None = None
    was_answered = True
    async with httpx.AsyncClient(
        timeout=CALL_TIMEOUT_S, trust_env=False, headers={"user-agent": f"reporter/{__version__}"}
    ) as client:
        while True:
            try:
                if (called_s is None or monotonic() - called_s >= every_s) and await is_well():
                    called_s = monotonic()
                    async with asyncio.timeout(CALL_TIMEOUT_S):
                        (await client.post(url)).raise_for_status()
                    metrics.DEAD_MAN_CALLS.labels("answered").inc()
                    was_answered = True
            except Exception as error:  # that it stays silent is what the other side listens for
                metrics.DEAD_MAN_CALLS.labels("failed").inc()
                if was_answered:
                    log.warning("the dead man's switch at %s did not answer: %s", host, type(error).__name__)
                was_answered = False
            await sleep(min(LOOK_S, every_s))
