"""Builds every object once and runs the service: the only module that knows them all."""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from time import monotonic
from types import TracebackType

from reporter import collector
from reporter.bus import Bus
from reporter.busclient import access_of
from reporter.catalog import Catalog, load
from reporter.channels import Channel
from reporter.channels.folder import close_channels, judge, judging, load_channels, longest_s
from reporter.clockwatch import ClockWatch
from reporter.embedded import EmbeddedNats
from reporter.engine import deadman, heartbeat, lookout
from reporter.engine.doorbell import Doorbell
from reporter.engine.fence import Fence
from reporter.engine.indexer import Indexer
from reporter.engine.notify import Notifier
from reporter.engine.outside import SendingProcess
from reporter.engine.record import Gate
from reporter.engine.rehearsing import MonthlyRehearsal
from reporter.engine.relay import Relay
from reporter.engine.rosterwatch import RosterWatch
from reporter.engine.seal import Sealer
from reporter.engine.selfaudit import SelfAudit, watch_clock, watch_writes
from reporter.health import Health
from reporter.intake.hidden import Hidden
from reporter.intake.replay import Replay
from reporter.intake.stream import Intake
from reporter.resources import schedules_dir
from reporter.sending.frames import Orders
from reporter.settings import Settings
from reporter.store import schema, setup
from reporter.store.database import SERVICE_PATIENCE_MS, Database, open_database
from reporter.store.filebox import FOLDER, FileBox
from reporter.timesource import SystemTime, TimeSource

log = logging.getLogger(__name__)

NATS_FOLDER = "nats"
_FIRST_RUN = """\
还没有管理员。请在一小时内打开此链接创建，仅可使用一次：
Nobody administers this installation yet. Within the hour, open this link, once, to make the administrator:
  {link}"""
CATCH_UP_S = 1.0
"""How long the pages wait for what fell due while the service was away."""
BROKER_WAIT_S = 5.0
"""How long the ready line waits for the first connection; the service is up without it."""


def catalog_of(settings: Settings) -> Catalog:
    """The schedules these settings name: one's own folder first."""
    folders = [settings.schedules] if settings.schedules else []
    return load([*folders, schedules_dir()], settings.default_schedule)


class Service:
    """The whole service in one process: `async with Service(settings) as service` is ready inside the block.

    `setup_link` then makes the first administrator, once; None where there is one already.
    """

    def __init__(self, settings: Settings, time: TimeSource | None = None) -> None:
        self.settings = settings
        self.time = time or SystemTime()
        self.ready: dict[str, object] = {}
        self.setup_link: str | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Service":
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _start(self) -> None:
        settings = self.settings
        catalog = catalog_of(settings)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        embedded: EmbeddedNats | None = None
        url = settings.nats
        if url is None:
            embedded = EmbeddedNats(settings.data_dir / NATS_FOLDER, port=settings.nats_port)
            await embedded.start()
            self._stack.push_async_callback(embedded.stop)
            url = embedded.url
        database = open_database(settings.database, settings.data_dir)
        self._stack.push_async_callback(database.close)
        await schema.check(database)
        database.patience_ms = SERVICE_PATIENCE_MS
        channels = load_channels(settings)
        self._stack.push_async_callback(close_channels, channels.values())
        flaw_of = judge(channels)
        gate = Gate(database, catalog, self.time, flaw_of)
        watch = ClockWatch(self.time, timedelta(seconds=settings.clock_margin_s))
        gate.skew_ms = lambda: watch.telling_skew_ms
        gate.stale_after = timedelta(seconds=settings.ack_stale_after_s)
        bus = Bus(url, watch, settings.nats_replicas, access_of(settings) if embedded is None else None)
        self._stack.push_async_callback(bus.close)
        fence = Fence(bus, self.time, monotonic, lambda: database.writes.reason is None)
        intake = Intake(bus, gate, self.time)
        doorbell = Doorbell(gate, fence, self.time)
        is_engine = "engine" in settings.roles
        audit = SelfAudit(gate, self.time)
        relay = Relay(database, bus, gate.signals) if is_engine else None
        send_timeout_s = max(15.0, longest_s(channels.values()) + 5)
        orders = Orders(settings, self.time, send_timeout_s)
        sending = SendingProcess(orders, gate.signals.notices.set) if is_engine else None
        health = Health(
            database, bus, fence, intake, doorbell, self.time, settings.roles, watch, audit, relay, sending
        )
        connected = asyncio.Event()

        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        parts = [
            bus.keep_connected(connected),
            watch_clock(watch, bus),
            watch_writes(database),
            audit.run(),
            health.run(),
        ]
        if embedded is not None:
            parts.append(embedded.supervise())
        if relay is not None and sending is not None:
            notifier = Notifier(
                database,
                gate,
                channels,
                sending,
                self.time,
                gate.signals,
                send_timeout_s=send_timeout_s,
                has_links=settings.public_url is not None,
            )
            gate.reserving = notifier.reserving
            replica = f"{socket.gethostname()}/{os.getpid()}"
            parts += [
                doorbell.run(),
                intake.run(),
                Hidden(bus, gate, intake, self.time).run(),
                relay.run(),
                Sealer(database, self.time, gate.signals).run(),
                Indexer(database, gate.signals).run(),
                notifier.run(),
                RosterWatch(database, self.time, gate.signals, settings.zone, flaw_of).run(),
                heartbeat.run(gate),
                lookout.run(database, self.time, gate.signals),
                heartbeat.beat(
                    bus,
                    self.time,
                    replica,
                    lambda: {"oldest_undecided_s": round(audit.oldest_s, 3), "skew_ms": watch.skew_ms},
                ),
            ]
        if is_engine and settings.rehearsal_day is not None:
            rehearsal = MonthlyRehearsal(
                database, self.time, gate.signals, settings.zone, flaw_of, settings.rehearsal_day
            )
            parts.append(rehearsal.run())
        if settings.dead_man_url is not None:
            parts.append(deadman.run(settings.dead_man_url, settings.dead_man_every_s, health.is_well))
        for task in [group.create_task(part) for part in parts]:
            self._stack.callback(task.cancel)
        if is_engine:
            # What fell due meanwhile is judged before pages are loaded, which keeps this thread for half a second.
            await _is_set_within(CATCH_UP_S, doorbell.caught_up)
        address = await self._open_http(database, gate, health, catalog, channels, group)
        if not await _is_set_within(BROKER_WAIT_S, intake.is_serving if is_engine else connected):
            log.warning("the broker at %s is not reachable yet; the service works without it", url)
        self.ready = {"ready": True, "http": address, "nats": url, "database": database.kind}
        if address is not None:
            async with database.transaction() as connection:
                key = await setup.offer(connection, self.time.now())
            self.setup_link = key and f"{address}/setup?key={key}"

    async def _open_http(
        self,
        database: Database,
        gate: Gate,
        health: Health,
        catalog: Catalog,
        channels: Mapping[str, Channel],
        group: asyncio.TaskGroup,
    ) -> str | None:
        """Serves the desk, or only health and metrics where it is not among the roles. Returns the address."""
        from reporter.desk.app import create_app
        from reporter.desk.probe import create_probe
        from reporter.desk.server import Server
        from reporter.desk.services import Services

        services = Services(
            database=database,
            gate=gate,
            time=self.time,
            health=health.checks,
            troubles=health.troubles,
            changed=gate.signals.boards,
            zone=self.settings.zone,
            language=self.settings.language,
            schedules=catalog.schedules.keys(),
            catalog=catalog,
            files=FileBox(self.settings.data_dir / FOLDER, self.settings.attachment_bytes_max),
            channels=channels,
            public_url=self.settings.public_url,
            receipt_secrets=_by_channel(self.settings.receipt_secrets),
        )
        is_desk = "desk" in self.settings.roles
        app = create_app(services) if is_desk else create_probe(services)
        server = Server(app, self.settings.trusted_proxies)
        try:
            address = await server.start(self.settings.http_host, self.settings.http_port)
        except OSError as error:
            if is_desk:
                raise
            log.warning("health and metrics are not served at %s: %s", self.settings.http, error)
            return None
        self._stack.push_async_callback(server.stop)
        if is_desk:
            self._stack.callback(group.create_task(app.state.hub.run()).cancel)
            self._stack.callback(app.state.hub.close)
        return address


async def _is_set_within(seconds: float, event: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _by_channel(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for channel, secret in pairs:
        found.setdefault(channel, []).append(secret)
    return found


async def serve(settings: Settings) -> int:
    """Runs the service until SIGINT or SIGTERM; prints the ready line. Returns the exit status."""
    from reporter.logs import configure

    configure(settings.log_level, settings.log_format)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with Service(settings) as service:
            collector.spare()
            if service.setup_link is not None:
                print(_FIRST_RUN.format(link=service.setup_link), file=sys.stderr, flush=True)
            print(json.dumps(service.ready), flush=True)
            await stop.wait()
    except schema.SchemaMismatch as mismatch:
        print(mismatch, file=sys.stderr)
        return 1
    except ExceptionGroup:
        log.critical("a part of the service failed for good; it ends", exc_info=True)
        return 1
    return 0


@asynccontextmanager
async def open_gate(settings: Settings) -> AsyncIterator[Replay]:
    """A gate on the database alone, for verbs: running services see what it commits within a second."""
    database = open_database(settings.database, settings.data_dir)
    try:
        await schema.check(database)
        async with judging(settings) as flaw_of:
            gate = Gate(database, catalog_of(settings), SystemTime(), flaw_of)
            gate.stale_after = timedelta(seconds=settings.ack_stale_after_s)
            yield Replay(database, gate)
    finally:
        await database.close()
