"""The database takes nothing for a while: nothing is acknowledged that was not committed, and it mends by itself."""

from __future__ import annotations

import os
import resource
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import httpx

from . import jetstream
from .district import District, Founder
from .ledgercheck import of_kind, standing_breaches
from .moments import Json, ago, eventually, now, pass_by, text
from .test_away import is_well, ready

TWENTY = timedelta(minutes=20)
DATABASE = "reporter.sqlite3"
HELD_S = 22.0
"""Longer than the service waits for a lock."""
LINES_MAX = 250
CPU_S_MAX = 8.0


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """The write lock, held by another program."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def full_disk(pid: int) -> Iterator[None]:
    """A disk on which that process can make no file any longer: as much as it sees of a full one."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def cpu_s(pid: int) -> float:
    """Seconds of processor that the process has used."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def floor(town: District) -> int:
    """Up to which sequence everything has been acknowledged."""
    info = jetstream.api(town.nats, "CONSUMER.INFO.REPORTER_IN.reporter-intake")
    return int(info["ack_floor"]["stream_seq"])


def trouble(town: District, *reasons: str) -> Json:
    """The check that says that nothing can be written, once it does."""
    body = ready(town)
    check = body["checks"]["writes"]
    return check if body["status"] == "degraded" and check.get("reason") in reasons else None


def test_another_program_locks_the_database_for_longer_than_we_wait(own_district: Founder) -> None:
    town = own_district().found()
    publisher = town.publisher("east")
    due = now() + timedelta(seconds=8)
    incident = publisher.open(occurred=text(due - TWENTY))
    eventually(lambda: floor(town) == 1, within=5)
    key = uuid.uuid4().hex
    said, used_s = len(town.service.errors.read_text().splitlines()), cpu_s(town.service.pid)

    with locked(town.service.data / DATABASE):
        ends_at = now() + timedelta(seconds=HELD_S)
        filed = publisher.event("filed", {"incident": incident, "covers": ["initial"], "form": "phone"})
        answers = town.nats.subscribe(reply := town.nats.inbox())
        stored = jetstream.stored(
            town.nats, "REPORTER_IN", publisher.send(filed, headers={"Reporter-Reply": reply})
        )
        assert stored.stored_at < due
        check = eventually(lambda: trouble(town, "locked"), within=8, why="/readyz says that it is locked")
        assert check["since"]
        assert town.desk.incident(incident)["id"] == incident  # reading goes on
        body = {"title": "占用时登记", "unit": "west", "occurred": text(ago(minutes=1))}
        answer = httpx.post(
            f"{town.service.http}/api/v1/incidents",
            json=body,
            headers={"Authorization": f"Bearer {town.tokens['chief']}", "Idempotency-Key": key},
            timeout=60,
        )
        assert answer.status_code == 503 and answer.headers["Retry-After"], answer.text
        pass_by(ends_at)
        assert trouble(town, "locked")
        assert floor(town) == 1, "a message was acknowledged that cannot have been committed"
        assert not list(answers.waiting())

    assert answers.next(within=20).json["outcome"] == "accepted"
    assert town.desk.verdict(incident, "initial") == "on_time"
    assert not of_kind(town.desk.ledger(incident), "breached")
    again = town.desk.open("west", key=key, title="占用时登记", occurred=body["occurred"])
    assert again["title"] == "占用时登记"
    eventually(lambda: is_well(town), within=15, why="it is well again by itself")
    assert len(town.service.errors.read_text().splitlines()) - said < LINES_MAX, "a hot loop in the log"
    assert cpu_s(town.service.pid) - used_s < CPU_S_MAX, "a hot loop"


def test_the_disk_is_full_for_a_while(own_district: Founder) -> None:
    town = own_district().found()
    publisher = town.publisher("east")
    due = now() + timedelta(seconds=6)
    incident = publisher.open(occurred=text(due - TWENTY))
    eventually(lambda: floor(town) == 1, within=5)

    with full_disk(town.service.pid):
        late = publisher.occurred(occurred=text(ago(minutes=1)))
        answers = town.nats.subscribe(reply := town.nats.inbox())
        publisher.send(late, headers={"Reporter-Reply": reply})
        check = eventually(lambda: trouble(town, "full"), within=8, why="/readyz says that the disk is full")
        assert check["since"]
        assert town.desk.post("/api/v1/incidents", {"title": "满盘", "unit": "west"}, expect=503)
        assert town.desk.incident(incident)["clocks"]  # reading goes on
        pass_by(due, margin_s=2)
        assert trouble(town, "full")
        assert floor(town) == 1, "a message was acknowledged that cannot have been committed"
        assert not list(answers.waiting())

    assert answers.next(within=20).json["outcome"] == "accepted"
    town.desk.appears(late.incident)
    line = eventually(lambda: standing_breaches(town.desk.ledger(incident), "initial")[0], within=15)
    assert line["at"] == text(due)
    eventually(lambda: is_well(town), within=15, why="it is well again by itself")
    town.service.verb("ledger", "verify")
