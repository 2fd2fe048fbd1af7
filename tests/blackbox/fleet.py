"""Replicas under fire: services on one database and one broker, or a cluster of three, and what befalls them."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import psycopg

from tests.postgres import PostgresServer

from .desk import Desk
from .district import ON_DUTY, UNITS
from .moments import Json, eventually, now, text
from .natsclient import Nats, NatsError
from .reckoning import Reckoning, caught_up_s, reckon
from .service import Broker, Service, read_lines
from .traffic import RULES, Traffic

SETTLED_S = 25.0
READ_S_MAX = 900.0
"""For reading a whole stream: seconds in the suite, minutes after an hour's soak."""


def desk_roster() -> str:
    """Who is on duty where, each reached at the desk alone: nothing outside takes part in the count."""
    starts, ends = text(now() - timedelta(hours=1)), text(now() + timedelta(days=2))
    rows = [("unit", "role", "starts", "ends", "person", "phone", "channels")]
    for unit, people in ON_DUTY.items():
        rows += [(unit, role, starts, ends, person, "138", "desk") for role, person in people.items()]
    return read_lines(rows)


@dataclass
class Fleet:
    """Services that share a database and a broker; the first one is asked when anything is to be known."""

    folder: Path
    nats: str
    database: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    members: list[Service] = field(default_factory=list)
    token: str = ""

    def launch(self, count: int, roles: tuple[str, ...] = ()) -> Fleet:
        """Prepares the district and starts so many services at once, with these roles where given."""
        rules = self.folder / "rules"
        rules.mkdir(parents=True)
        (rules / "fire.toml").write_text(RULES, encoding="utf-8")
        settings = {"REPORTER_SCHEDULES": str(rules), "REPORTER_LOG_FORMAT": "json"} | self.settings
        if self.database:
            settings["REPORTER_DATABASE"] = self.database
        for number in range(count):
            own = {"REPORTER_ROLES": roles[number]} if roles else {}
            self.members.append(Service(self.folder / f"replica-{number}", self.nats, settings | own))
        first = self.members[0]
        first.import_file("unit", read_lines(UNITS))
        first.import_file("roster", desk_roster())
        self.token = first.token("chief", "admin")
        with ThreadPoolExecutor(count) as starting:
            list(starting.map(Service.start, self.members))
        return self

    @property
    def desk(self) -> Desk:
        """An admin's desk at the first member that has one and runs; the caller closes it."""
        member = next(x for x in self.members if x.running and "desk" in x.env.get("REPORTER_ROLES", "desk"))
        return Desk(member.http, self.token)

    def connect(self) -> Nats:
        """A bare connection to the first broker that answers."""
        for url in self.nats.split(","):
            with suppress(NatsError, OSError):
                return Nats(url)
        raise NatsError("no broker answers")

    def readiness(self, member: int = 0) -> tuple[int, Json]:
        """Status and body of `/readyz`."""
        answer = httpx.get(f"{self.members[member].http}/readyz", timeout=10)
        return answer.status_code, answer.json()

    def log(self) -> list[str]:
        """What all members wrote to stderr."""
        return [line for x in self.members if x.errors.exists() for line in x.errors.read_text().splitlines()]

    def settle(self, traffic: Traffic, within: float = SETTLED_S) -> Reckoning:
        """Counts until nothing is lost any more, or for `within` seconds, and gives the last count."""
        limit = time.monotonic() + within
        with self.connect() as nats:
            desk = self.desk
            try:
                while True:
                    found = reckon(nats, desk, traffic.acknowledged, READ_S_MAX)
                    if not (found.lost or found.unjust) or time.monotonic() > limit:
                        return found
                    time.sleep(0.3)
            finally:
                desk.close()

    def clean_up(self) -> None:
        for each in self.members:
            each.clean_up()

    def last_words(self) -> str:
        return "\n".join(f"--- {each.folder.name}\n{each.last_words(2500)}" for each in self.members)


def under_fire(fleet: Fleet, fault: Iterator[None], *, rate: float, before: int, after: int) -> Reckoning:
    """Traffic, and the fault in the middle: `fault` breaks something at its first step and mends it at its second."""
    traffic = Traffic(fleet.nats.split(","), rate).start()
    traffic.until(before)
    struck_at = now()
    next(fault)
    next(fault, None)
    healed_at = now()
    traffic.until(before + after)
    traffic.finish()
    found = fleet.settle(traffic)
    print(f"\n{found}; {said_catch_up(fleet, struck_at, healed_at)}")
    return found


def said_catch_up(fleet: Fleet, struck_at: datetime, healed_at: datetime) -> str:
    """In words: how long it was away, and how long it took to have caught up."""
    with fleet.connect() as nats:
        caught_up = caught_up_s(nats, struck_at, healed_at, READ_S_MAX)
    return f"away {(healed_at - struck_at).total_seconds():.1f} s, caught up {caught_up:.2f} s later"


# --- faults: the first step breaks, the second mends ----------------------------------------------------------


def kill_service(fleet: Fleet, member: int = 0, away_s: float = 0.0) -> Iterator[None]:
    fleet.members[member].kill()
    yield
    wait(away_s)
    fleet.members[member].start()


def kill_broker(broker: Broker, away_s: float = 1.0) -> Iterator[None]:
    broker.stop(signal.SIGKILL)
    yield
    wait(away_s)
    broker.start()


def kill_database(server: PostgresServer, away_s: float = 1.5) -> Iterator[None]:
    server.kill()
    yield
    wait(away_s)
    server.start_again()


def cut_connections(server: PostgresServer, times: int = 10) -> Iterator[None]:
    """Ends every session of the database, again and again, as a careless administrator or a proxy does."""
    yield
    with psycopg.connect(server.url, autocommit=True) as connection:
        for _ in range(times):
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname LIKE 'reporter_%' AND pid <> pg_backend_pid()"
            )
            wait(0.15)


def suspend_service(fleet: Fleet, member: int = 0, away_s: float = 4.0) -> Iterator[None]:
    """SIGSTOP: it holds what it holds, and comes back without knowing that time has passed."""
    fleet.members[member].send(signal.SIGSTOP)
    yield
    wait(away_s)
    fleet.members[member].send(signal.SIGCONT)


def wait(seconds: float) -> None:
    """Lets a stated time pass, during which something is away."""
    until = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= until, within=seconds + 1)


@contextmanager
def a_fleet(
    folder: Path,
    nats: str,
    database: str,
    count: int,
    *,
    roles: tuple[str, ...] = (),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Fleet]:
    """A fleet that is gone at the end; when the block fails, the last words of its members are in the error."""
    fleet = Fleet(folder, nats, database, dict(settings or {}))
    try:
        yield fleet.launch(count, roles)
    except AssertionError as failure:
        failure.add_note(fleet.last_words())
        raise
    finally:
        fleet.clean_up()
