"""What `/readyz` says: whether the database, the broker, the clocks and the engine's loops do their work.

The one place to ask what ails the service. `checks()` is for machines: a mapping of names to `{"ok": …}` with what
explains it, `since` (RFC 3339) wherever `ok` is false. `troubles()` is for people: a tuple of `Trouble`
(`reporter/engine/troubles.py`), the grave ones first, empty when all is well; each has

- `code`: a word that stays the same (`broker`, `backlog`, `deadlines_late`, `clock_skew`, `writes_full` …),
- `zh`, `en`: one short sentence, fit for a banner,
- `since`: an aware datetime of the product's time,
- `is_grave`: deadlines or reports are concerned now, and somebody has to act.

It is made from the checks alone (`troubles_of(checks)`), so a page that has the checks needs nothing else. `run()`
keeps them fresh, and says in the log when a trouble comes and when it has gone.

The checks, besides `database`, `nats`, `intake`, `clocks` (the doorbell) and `backlog`:

- `writes`: `reason` locked, full, read_only, lost or other while nothing can be written;
- `outbox`: not ok while the broker is there and some fact cannot be published to it all the same;
- `sending`: not ok while there is no process that sends notices;
- `deadlines`: by the self-audit; `oldest_s`, `reason` late or audit_stopped;
- `channels`: `last_success_at` of each, and `failing`, by account (`sms:default`, `webhook https://host`): the
  `channel`, `failures` in a row, `since`, `reason`, `last_success_at`;
- `clock`: `skew_ms` (the broker's clock less ours, null while not known), `jumps` counted, `jump` (`by_s`, `at`) and
  `standstill` (`span_s`, `at`) for a minute after; `reason` skew or jump.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from time import monotonic

from reporter import metrics
from reporter.bus import Bus
from reporter.clockwatch import ClockWatch
from reporter.core.instants import maybe_rfc3339, rfc3339
from reporter.engine.channelwatch import ALARM_AFTER, parts_of
from reporter.engine.doorbell import REREAD_S, Doorbell
from reporter.engine.fence import Fence
from reporter.engine.outside import SendingProcess
from reporter.engine.relay import Relay
from reporter.engine.selfaudit import SelfAudit
from reporter.engine.troubles import Trouble, troubles_of
from reporter.intake.stream import SILENCE_S_MAX, Intake
from reporter.store import channelstates, schema
from reporter.store.database import Database
from reporter.timesource import TimeSource, sleep

log = logging.getLogger(__name__)

DATABASE_TIMEOUT_S = 2.0
DOORBELL_SILENCE_S_MAX = 10 * REREAD_S
EVERY_S = 2.0
FRESH_S = 3.0


class Health:
    """The checks by name, each `{"ok": …}` with what explains it; and the troubles that they tell of."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        fence: Fence,
        intake: Intake,
        doorbell: Doorbell,
        time: TimeSource,
        roles: frozenset[str],
        watch: ClockWatch | None = None,
        audit: SelfAudit | None = None,
        relay: Relay | None = None,
        sending: SendingProcess | None = None,
    ) -> None:
        self._database = database
        self._bus = bus
        self._fence = fence
        self._intake = intake
        self._doorbell = doorbell
        self._time = time
        self._watch = watch
        self._audit = audit
        self._relay = relay
        self._sending = sending
        self._is_engine = "engine" in roles
        self._bad_since: dict[str, datetime] = {}
        self._told: tuple[Trouble, ...] = ()
        self._told_s: float | None = None

    async def run(self) -> None:
        """Looks every two seconds, so that every `since` is true, and logs what comes and goes; never ends."""
        said: dict[str, Trouble] = {}
        while True:
            await sleep(EVERY_S)  # first of all: what has not started yet is no trouble
            try:
                told = {trouble.code: trouble for trouble in await self._look()}
            except Exception:
                log.exception("the checks could not be made")
            else:
                for code in told.keys() - said.keys():
                    level = logging.ERROR if told[code].is_grave else logging.WARNING
                    log.log(level, "%s / %s", told[code].zh, told[code].en)
                for code in said.keys() - told.keys():
                    log.info("no longer: %s / %s", said[code].zh, said[code].en)
                    metrics.TROUBLE.labels(code).set(0)
                for code in told:
                    metrics.TROUBLE.labels(code).set(1)
                said = told

    async def troubles(self) -> tuple[Trouble, ...]:
        """What ails the service, as of the last seconds, the grave first; empty when all is well."""
        if self._told_s is None or monotonic() - self._told_s > FRESH_S:
            await self._look()
        return self._told

    async def _look(self) -> tuple[Trouble, ...]:
        self._told = troubles_of(await self.checks())
        self._told_s = monotonic()
        return self._told

    async def is_well(self) -> bool:
        """Whether every check is well now."""
        return all(check["ok"] for check in (await self.checks()).values())

    async def checks(self) -> Mapping[str, Mapping[str, object]]:
        """All checks, now."""
        found: dict[str, dict[str, object]] = {
            "database": await self._database_check(),
            "writes": self._writes_check(),
            "nats": {"ok": self._bus.is_connected and (not self._is_engine or self._fence.has_word)},
        }
        if self._is_engine:
            found["intake"] = self._intake_check()
            looked = self._doorbell.looked_at
            found["clocks"] = {"ok": looked is not None and monotonic() - looked < DOORBELL_SILENCE_S_MAX}
            waiting = self._fence.waiting_since
            found["backlog"] = {"ok": waiting is None}
            if waiting is not None:
                found["backlog"]["since"] = rfc3339(self._time.from_real(waiting))
        if self._relay is not None:
            found["outbox"] = {"ok": not (self._relay.is_stuck and self._bus.is_connected)}
        if self._sending is not None:
            found["sending"] = {"ok": not self._sending.is_missed}
        if self._audit is not None:
            found["deadlines"] = self._deadlines_check(self._audit)
        if self._watch is not None:
            found["clock"] = self._clock_check(self._watch)
        if found["database"]["ok"]:
            found["channels"] = await self._channels_check()
        for name, each in found.items():
            if each["ok"]:
                self._bad_since.pop(name, None)
            else:
                each.setdefault("since", rfc3339(self._bad_since.setdefault(name, self._time.now())))
        return found

    async def _database_check(self) -> dict[str, object]:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT_S), self._database.glance() as connection:
                if not await schema.is_current(connection):
                    return {"ok": False, "reason": "schema"}
        except Exception as error:  # whatever it is, the database cannot be used
            return {"ok": False, "reason": type(error).__name__}
        return {"ok": True}

    async def _channels_check(self) -> dict[str, object]:
        """Always ok: a channel that fails is told on the board, and makes nothing here less ready."""
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT_S), self._database.glance() as connection:
                known = await channelstates.load(connection)
        except Exception as error:  # the next look knows more
            return {"ok": True, "reason": type(error).__name__}
        failing = {
            each.channel: {
                "channel": parts_of(each.channel)[0],
                "failures": each.failures,
                "since": rfc3339(each.failing_since or self._time.now()),
                "reason": each.reason,
                "last_success_at": maybe_rfc3339(each.last_success_at),
            }
            for each in known
            if each.failures >= ALARM_AFTER
        }
        worked: dict[str, datetime | None] = {}
        for each in known:
            channel = parts_of(each.channel)[0]
            times = [at for at in (worked.get(channel), each.last_success_at) if at is not None]
            worked[channel] = max(times, default=None)
        told = {channel: maybe_rfc3339(at) for channel, at in sorted(worked.items())}
        return {"ok": True, "failing": failing, "last_success_at": told}

    def _writes_check(self) -> dict[str, object]:
        writes = self._database.writes
        reason = writes.reason
        if reason is None:
            return {"ok": True}
        since = self._time.to_real(self._time.now()) - timedelta(seconds=writes.failing_for_s)
        return {"ok": False, "reason": reason, "since": rfc3339(self._time.from_real(since))}

    def _intake_check(self) -> dict[str, object]:
        fetched = self._intake.fetched_at
        found: dict[str, object] = {
            "ok": fetched is not None and monotonic() - fetched < SILENCE_S_MAX,
            "restarts": self._intake.restarts,
        }
        if restarted := self._intake.restarted:
            found["restarted"] = {"reason": restarted[0], "at": rfc3339(restarted[1])}
        return found

    def _deadlines_check(self, audit: SelfAudit) -> dict[str, object]:
        oldest_s = round(audit.oldest_s, 1)
        if audit.is_silent:
            return {"ok": False, "reason": "audit_stopped", "oldest_s": oldest_s}
        if audit.is_late:
            since = rfc3339(audit.oldest_at or self._time.now())
            return {"ok": False, "reason": "late", "oldest_s": oldest_s, "since": since}
        return {"ok": True, "oldest_s": oldest_s}

    def _clock_check(self, watch: ClockWatch) -> dict[str, object]:
        from_real = self._time.from_real
        found: dict[str, object] = {"ok": True, "skew_ms": watch.skew_ms, "jumps": watch.jump_count}
        if watch.standstill is not None:
            still = watch.standstill
            found["standstill"] = {"span_s": still.span.total_seconds(), "at": rfc3339(from_real(still.at))}
        if watch.jump is not None:
            at = rfc3339(from_real(watch.jump.at))
            found |= {"ok": False, "reason": "jump", "since": at}
            found["jump"] = {"by_s": round(watch.jump.by.total_seconds(), 3), "at": at}
        if (apart := watch.apart_since) is not None:
            found |= {"ok": False, "reason": "skew", "since": rfc3339(from_real(apart))}
        return found
