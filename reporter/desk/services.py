"""What the desk is handed: wiring fills it, tests fill it with the same real things."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from fastapi import Request

from reporter.catalog import Catalog
from reporter.channels.contract import Channel
from reporter.core.command import Command, Outcome
from reporter.core.terms import NoticeState
from reporter.desk.auth import Authenticator
from reporter.desk.limits import Calls, Failures
from reporter.desk.live.hub import Hub
from reporter.engine.troubles import Trouble
from reporter.render import Renderer
from reporter.store.database import Database
from reporter.store.editions import Editions
from reporter.store.filebox import FileBox
from reporter.store.passwords import Passwords
from reporter.timesource import TimeSource

Check = Mapping[str, object]
"""One check of `/readyz`: `{"ok": bool}` and whatever explains it (`since`, `oldest_s`, …)."""


class Gate(Protocol):
    """The one way in for changes (`engine.record.Gate`)."""

    async def submit(self, commands: Sequence[Command]) -> list[Outcome]:
        """Commits the commands in one transaction and says what became of each, in order."""
        ...

    async def delivered(
        self, channel: str, reports: Mapping[str, tuple[NoticeState, str | None]]
    ) -> set[str]:
        """Writes what the next hop of a channel reports of notices, by id. Returns the ids known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything `create_app` needs.

    `schedules` are the ids an opening may name; without any, whatever it names is left to the gate.
    `health` answers the checks by name; `database` must be among them, and is false also where its schema
    does not match. `troubles` says what ails the service, for people.
    `changed` is set by whoever commits something in this process: the boards wait for it.
    `channels` are those that may be tried; `receipt_secrets`, by channel, prove who reports what was delivered.
    `catalog` says what an opening would start, `files` is where attachments are kept; without them nothing is
    foretold and nothing can be attached.
    `zone` is the one people read times in; `language` (`zh`, `en`) that of pages by default.
    """

    database: Database
    gate: Gate
    time: TimeSource
    health: Callable[[], Awaitable[Mapping[str, Check]]]
    troubles: Callable[[], Awaitable[tuple[Trouble, ...]]]
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    schedules: Collection[str] = ()
    zone: str = "Asia/Shanghai"
    language: str = "zh"
    channels: Mapping[str, Channel] = field(default_factory=dict)
    catalog: Catalog | None = None
    files: FileBox | None = None
    public_url: str | None = None
    receipt_secrets: Mapping[str, Sequence[str]] = field(default_factory=dict)


CALLS_BURST: Final = 6000
CALLS_PER_S: Final = 500.0
"""What one account may call: far above any person and any honest program, so that no emergency ever waits."""


class SignIns:
    """Checking passwords, and how often that may fail: per account, per address, and of both together."""

    def __init__(self) -> None:
        self.passwords = Passwords()
        self.by_both = Failures(5, 300)
        self.by_login = Failures(30, 900)
        self.by_address = Failures(60, 900)


@dataclass(frozen=True, slots=True)
class Desk:
    """The services, and what the desk makes of them once: every route is built from this."""

    services: Services
    auth: Authenticator
    renderer: Renderer
    editions: Editions
    hub: Hub
    sign_ins: SignIns = field(default_factory=SignIns)
    calls: Calls = field(default_factory=lambda: Calls(CALLS_BURST, CALLS_PER_S))


def desk_of(request: Request) -> Desk:
    """The desk whose application answers the request."""
    desk = request.app.state.desk
    assert isinstance(desk, Desk)  # noqa: S101 - `create_app` has put it there
    return desk
