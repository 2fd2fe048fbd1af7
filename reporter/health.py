"""What `/readyz` says: whether the database, the broker and the engine's loops do their work."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from time import monotonic

from sqlalchemy import text

from reporter.bus import Bus
from reporter.core.instants import rfc3339
from reporter.engine.doorbell import REREAD_S, Doorbell
from reporter.engine.fence import Fence
from reporter.intake.stream import SILENCE_S_MAX, Intake
from reporter.store import schema
from reporter.store.database import Database
from reporter.timesource import TimeSource

DATABASE_TIMEOUT_S = 2.0
DOORBELL_SILENCE_S_MAX = 10 * REREAD_S


class Health:
    """The checks by name, each `{"ok": …}` with what explains it."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        fence: Fence,
        intake: Intake,
        doorbell: Doorbell,
        time: TimeSource,
        roles: frozenset[str],
    ) -> None:
        self._database = database
        self._bus = bus
        self._fence = fence
        self._intake = intake
        self._doorbell = doorbell
        self._time = time
        self._is_engine = "engine" in roles
        self._bad_since: dict[str, datetime] = {}

    async def checks(self) -> Mapping[str, Mapping[str, object]]:
        """All checks, now."""
        found: dict[str, dict[str, object]] = {
            "database": await self._database_check(),
            "nats": {"ok": self._bus.is_connected and (not self._is_engine or self._fence.has_word)},
        }
        if self._is_engine:
            fetched = self._intake.fetched_at
            found["intake"] = {"ok": fetched is not None and monotonic() - fetched < SILENCE_S_MAX}
            looked = self._doorbell.looked_at
            found["clocks"] = {"ok": looked is not None and monotonic() - looked < DOORBELL_SILENCE_S_MAX}
            waiting = self._fence.waiting_since
            found["backlog"] = {"ok": waiting is None}
            if waiting is not None:
                found["backlog"]["since"] = rfc3339(waiting)
        for name, each in found.items():
            if each["ok"]:
                self._bad_since.pop(name, None)
            else:
                each.setdefault("since", rfc3339(self._bad_since.setdefault(name, self._time.now())))
        return found

    async def _database_check(self) -> dict[str, object]:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT_S):
                if await schema.revision(self._database) != schema.REVISION:
                    return {"ok": False, "reason": "schema"}
                async with self._database.snapshot() as connection:
                    await connection.execute(text("SELECT 1"))
        except Exception as error:  # whatever it is, the database cannot be used
            return {"ok": False, "reason": type(error).__name__}
        return {"ok": True}
