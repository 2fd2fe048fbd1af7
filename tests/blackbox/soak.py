"""The long run, by hand: `python -m tests.blackbox.soak --minutes 60`.

Three replicas on one PostgreSQL (fsync on) and one broker, 50 events a second, a fault every 30 s: the service of the
shared desk, a replica, the broker or the database killed, connections cut, a replica suspended. It counts with the
same reckoning as the suite, at the end, and prints what each replica's memory did.
Exit status 1: something was lost, doubled, unjust, or memory grew.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from tests.postgres import PostgresServer

from . import jetstream
from .fleet import (
    Fleet,
    a_fleet,
    cut_connections,
    kill_broker,
    kill_database,
    kill_service,
    said_catch_up,
    suspend_service,
    wait,
)
from .moments import now
from .service import Broker
from .traffic import Traffic

EVENTS_A_SECOND = 50.0
EVENTS_PER_INCIDENT = 1.75
"""One opening and, of four incidents, three reports."""
CALM_S = 10.0
"""So long nothing has gone out when all is done."""
GROWTH_MAX = 1.3
"""A replica's memory at the end, over what it was after it had warmed up."""


def faults(fleet: Fleet, broker: Broker, server: PostgresServer) -> dict[str, Callable[[], Iterator[None]]]:
    """Every fault by name."""
    return {
        "service killed": lambda: kill_service(fleet, 0),
        "replica killed": lambda: kill_service(fleet, 1, away_s=3),
        "broker killed": lambda: kill_broker(broker, away_s=2),
        "database killed": lambda: kill_database(server, away_s=2),
        "connections cut": lambda: cut_connections(server),
        "replica suspended": lambda: suspend_service(fleet, 2, away_s=6),
    }


def memory_mb(fleet: Fleet) -> list[float]:
    """Resident memory of each member."""
    return [each.memory_mb for each in fleet.members]


def soak(folder: Path, minutes: float, every_s: float) -> bool:
    """Runs it, says what happens, and answers whether all was well."""
    broker = Broker(folder / "broker").start()
    try:
        with (
            PostgresServer(fsync=True, own=True) as server,
            a_fleet(folder / "fleet", broker.url, server.create_database(), 3) as fleet,
        ):
            return run(fleet, faults(fleet, broker, server), minutes, every_s)
    finally:
        broker.stop()


def calm(fleet: Fleet, within_s: float = 900.0) -> None:
    """Returns once all that was stored is read and nothing more goes out, so that one count is of one moment."""
    limit, sent, since = time.monotonic() + within_s, -1, 0.0
    with fleet.connect() as nats:
        while time.monotonic() < limit:
            info = jetstream.api(nats, "CONSUMER.INFO.REPORTER_IN.reporter-intake")
            out = jetstream.api(nats, "STREAM.INFO.REPORTER_OUT")["state"]["last_seq"]
            if info["num_pending"] or info["num_ack_pending"] or out != sent:
                sent, since = out, time.monotonic()
            elif time.monotonic() - since > CALM_S:
                return
            wait(1)


def run(fleet: Fleet, known: dict[str, Callable[[], Iterator[None]]], minutes: float, every_s: float) -> bool:
    """Traffic until the time is up, a fault every `every_s`; then the reckoning."""
    until = now() + timedelta(minutes=minutes)
    traffic = Traffic([fleet.nats], EVENTS_A_SECOND / EVENTS_PER_INCIDENT).start()
    early = 0.0
    for name in itertools.cycle(known):
        wait(every_s)
        if now() >= until:
            break
        struck_at = now()
        fault = known[name]()
        next(fault)
        next(fault, None)
        traffic.until(traffic.opened + 1)
        memory = memory_mb(fleet)
        early = early or memory[2]
        away_s = (now() - struck_at).total_seconds()
        print(f"{now():%H:%M:%S} {name}, {away_s:.1f} s; {traffic.opened} opened; MB {memory}", flush=True)
    ended_at = now()
    traffic.finish(within=120)
    calm(fleet)
    found = fleet.settle(traffic, within=120)
    memory = memory_mb(fleet)
    print(f"{found}; {said_catch_up(fleet, ended_at - timedelta(seconds=60), ended_at)}; MB {memory}")
    for sentence in (*found.lost[:10], *found.doubled[:10], *found.unjust[:10]):
        print(sentence)
    # The suspended one is never started anew, so it is its memory that would show a leak.
    is_flat = memory[2] <= GROWTH_MAX * (early or memory[2])
    print(
        f"memory of the replica that ran throughout: {early} MB after the first fault, {memory[2]} MB at the end"
    )
    return not (found.lost or found.doubled or found.unjust) and is_flat


def main() -> int:
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--minutes", type=float, default=5)
    reader.add_argument("--every", type=float, default=30, help="seconds between two faults")
    given = reader.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="reporter-soak-"))
    print(f"{given.minutes:g} min in {folder}", flush=True)
    started = time.monotonic()
    is_well = soak(folder, given.minutes, given.every)
    print(f"{'all well' if is_well else 'NOT WELL'} after {time.monotonic() - started:.0f} s")
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
