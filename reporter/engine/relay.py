"""The relay: ledger lines from the outbox to the broker, at least once, in version order per incident.

A row goes when the broker has acknowledged it. The lines of one incident are sent one after the other, those of
different incidents side by side; one that cannot be published holds up only its own incident's. Replicas take turns,
a page each.
"""

import asyncio
import json
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from nats.js.api import PubAck
from nats.js.errors import NoStreamResponseError

from reporter import metrics
from reporter.bus import Bus
from reporter.core.ledger import with_hash
from reporter.engine.again import Trouble
from reporter.engine.signals import Signals
from reporter.store import outbox
from reporter.store.database import Database
from reporter.store.types import AnyRow
from reporter.timesource import sleep

log = logging.getLogger(__name__)

BATCH_MAX = 256
REREAD_S = 1.0
GIVE_WAY_S_MAX = 5.0
BACKLOG_S_MAX = 5.0
LOOK_S = 0.05
STUCK_S = 5.0
"""How long an incident is left alone whose next line could not be published."""
PUBLISH_TIMEOUT_S = 5.0
SOURCE = "/reporter"
TYPE_PREFIX = "reporter.fact."
_AT = re.compile(r'\{"actor":"(?:[^"\\]|\\.)*","at":"([^"]+)"')


@dataclass(frozen=True, slots=True)
class _Page:
    """What was done: the last row's sequence (None: there are no more), and whether some of it is still there."""

    last: int | None
    is_left_over: bool = False


class Relay:
    """Publishes what the outbox holds."""

    def __init__(self, database: Database, bus: Bus, signals: Signals) -> None:
        self._database = database
        self._bus = bus
        self._signals = signals
        self._stuck: dict[str, float] = {}
        """Incidents whose next line could not be published, and until when (monotonic) they are left alone."""
        self._telling_since_s: float | None = None
        """Since when (monotonic) this has given way to notices: once, however long a channel may hang."""
        self.is_stuck = False
        """Whether something could not be published at the last attempt: what `/readyz` sees of this loop."""

    async def run(self) -> None:
        """Runs until cancelled."""
        trouble = Trouble(log, "publishing")
        is_done = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if is_done else REREAD_S):
                    await self._signals.outbox.wait()
            self._signals.outbox.clear()
            if not self._bus.is_connected:
                continue
            try:
                is_done = await self._drain()
                trouble.over()
            except Exception as error:
                await trouble.failed(error)
                self._signals.outbox.set()

    async def _drain(self) -> bool:
        """Publishes page by page until nothing is left but what is stuck. True when nothing is left at all."""
        after = 0
        behind: set[str] = set()
        while self._bus.is_connected:
            await self._give_way()
            async with outbox.turn(self._database) as is_mine:
                page = await self._publish_page(after, behind) if is_mine else None
            if page is None:
                await sleep(LOOK_S)  # another replica publishes; there may be more when it is done
            elif page.last is None:
                return after == 0
            elif page.is_left_over:
                after = page.last
        return False

    async def _publish_page(self, after: int, behind: set[str]) -> "_Page":
        """Publishes up to `BATCH_MAX` rows past `after`, except those left `behind`, to whom it adds who gets stuck."""
        async with self._database.glance() as connection:
            rows = await outbox.load_unsent(connection, BATCH_MAX, after)
        sent = await self._send(rows, behind) if rows else []
        if sent:
            async with self._database.transaction() as connection:
                await outbox.remove_sent(connection, sent)
            metrics.PUBLISHED.inc(len(sent))
        if after == 0 and len(sent) == len(rows) < BATCH_MAX:
            self._stuck.clear()  # another replica may have published it
            self.is_stuck = False
            metrics.OUTBOX_ROWS.set(0)
            return _Page(None)
        if not rows:
            async with self._database.glance() as connection:
                metrics.OUTBOX_ROWS.set(await outbox.count_unsent(connection))
            return _Page(None)
        return _Page(rows[-1].seq, len(sent) < len(rows))

    async def _give_way(self) -> None:
        """Lets deadlines go first, people, and a backlog of messages, each for a while: the machine is shared."""
        given_up_at = monotonic() + BACKLOG_S_MAX
        while self._signals.backlog and monotonic() < given_up_at:
            await sleep(LOOK_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVE_WAY_S_MAX):
                await self._signals.calm.wait()
        if self._signals.told.is_set():
            self._telling_since_s = None
            return
        self._telling_since_s = self._telling_since_s or monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._telling_since_s + GIVE_WAY_S_MAX - monotonic()):
                await self._signals.told.wait()

    async def _send(self, rows: Sequence[AnyRow], behind: set[str]) -> list[int]:
        """Publishes the rows, an incident's one after the other; returns the sequences that were acknowledged.

        An incident of which a line was left `behind` in an earlier page has to wait for the next round: its wait may
        be over by now, but this page holds its later lines.
        """
        chains: dict[str, list[AnyRow]] = {}
        now = monotonic()
        self._stuck = {incident: until for incident, until in self._stuck.items() if until > now}
        for row in rows:
            chain = row.incident_id or row.message_id
            if chain in self._stuck:
                behind.add(chain)
            if chain not in behind:
                chains.setdefault(chain, []).append(row)
        sent: list[int] = []
        is_stream_gone = False
        while chains:
            wave = [(chain, lines[0]) for chain, lines in chains.items()]
            futures = {await self._publish(row): (chain, row) for chain, row in wave}
            await asyncio.wait(futures, timeout=PUBLISH_TIMEOUT_S)
            for future, (chain, row) in futures.items():
                error: BaseException | None = TimeoutError("the broker did not say that it stored it")
                if future.done():
                    error = future.exception()
                else:
                    future.cancel()
                if error is not None:
                    is_stream_gone = is_stream_gone or isinstance(error, NoStreamResponseError)
                    log.warning("%s could not be published: %r", row.message_id, error)
                    self._stuck[chain] = monotonic() + STUCK_S
                    behind.add(chain)
                    del chains[chain]
                    continue
                sent.append(row.seq)
                chains[chain].pop(0)
                if not chains[chain]:
                    del chains[chain]
        if is_stream_gone:
            await self._bus.ensure()
        self.is_stuck = bool(self._stuck)
        return sent

    async def _publish(self, row: AnyRow) -> asyncio.Future[PubAck]:
        headers = {"Nats-Msg-Id": row.message_id, "Content-Type": "application/cloudevents+json"}
        return await self._bus.publish_stored(row.subject, envelope(row).encode(), headers)


def envelope(row: AnyRow) -> str:
    """The structured CloudEvent of an outbox row; a ledger line stands in it as the very text that was hashed."""
    if row.text is None:
        return _enveloped(
            row.message_id, row.subject.split(".")[2], json.loads(row.payload)["at"], row.payload
        )
    found = _AT.match(row.text)
    at = found[1] if found else ""
    return _enveloped(row.message_id, row.kind, at, with_hash(row.text, row.hash), row.incident_id)


def _enveloped(id_: str, kind: str, at: str, text: str, subject: str | None = None) -> str:
    about = f'"subject":"{subject}",' if subject else ""
    return (
        f'{{"specversion":"1.0","id":"{id_}","source":"{SOURCE}","type":"{TYPE_PREFIX}{kind}",{about}'
        f'"time":"{at}","datacontenttype":"application/json","data":{text}}}'
    )
