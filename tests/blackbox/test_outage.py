"""A long ledger of open incidents, a thousand of which fall due while nobody is there to see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from . import jetstream
from .events import Event, Publisher
from .fleet import Fleet, a_fleet
from .ledgercheck import published
from .moments import ago, eventually, instant, now, pass_by, text
from .natsclient import Nats
from .service import Broker

pytestmark = pytest.mark.alone

OPEN, DUE = 4000, 1000
WITHIN_S = 30.0
"""On any machine, however busy; what it takes on a quiet one is a figure of the bench."""
TWENTY = timedelta(minutes=20)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_fell_due_while_it_was_dead_is_recorded_once_and_soon(
    tmp_path: Path, broker: Broker, request: pytest.FixtureRequest, kind: str
) -> None:
    database: str = request.getfixturevalue("postgres") if kind == "postgresql" else ""
    with a_fleet(tmp_path / "fleet", broker.url, database, 1) as fleet, Nats(broker.url) as nats:
        publisher = Publisher(nats, "east")
        pour(nats, [publisher.occurred(occurred=text(ago(minutes=1))) for _ in range(OPEN)], within=40)
        due = now() + timedelta(seconds=6)
        falling = [publisher.occurred(occurred=text(due - TWENTY)) for _ in range(DUE)]
        pour(nats, falling, within=20)
        fleet.members[0].kill()
        assert now() < due, "the machine was too slow to open a thousand incidents in 6 s"
        pass_by(due, margin_s=0.1)

        started_at = now()
        fleet.members[0].start()

        recorded = eventually(lambda: breaches(nats, DUE), within=20, every=0.3, why="a thousand breaches")
        assert recorded.keys() == {event.incident for event in falling}
        assert {at for at, _ in recorded.values()} == {text(due)}
        took_s = max(
            (instant(recorded_at) - started_at).total_seconds() for _, recorded_at in recorded.values()
        )
        print(f"\n{kind}: {DUE} of {OPEN + DUE} recorded {took_s:.2f} s after the process was started")
        assert took_s <= WITHIN_S
        verify(fleet)


def pour(nats: Nats, events: Sequence[Event], within: float) -> None:
    """Publishes without waiting for each, then waits until all is stored, read and acknowledged."""
    for event in events:
        headers, body = event.structured()
        nats.publish(event.subject, body, headers)
    nats.flush(within)

    def is_read() -> bool:
        info = jetstream.api(nats, "CONSUMER.INFO.REPORTER_IN.reporter-intake")
        return not info["num_pending"] and not info["num_ack_pending"]

    eventually(is_read, within=within, why="everything is read")


def breaches(nats: Nats, count: int) -> dict[str, tuple[str, str]]:
    """Of every breached incident the instants `at` and `recorded_at`, once there are `count` of them."""
    found: dict[str, tuple[str, str]] = {}
    for message in jetstream.messages(nats, "REPORTER_OUT", "reporter.out.breached.>"):
        line = message.json["data"]
        assert found.setdefault(line["incident"], (line["at"], line["recorded_at"]))[0] == line["at"]
    return found if len(found) >= count else {}


def verify(fleet: Fleet) -> None:
    """The chains are whole, by the product's word and by ours."""
    fleet.members[0].verb("ledger", "verify")
    with fleet.connect() as nats:
        assert published(jetstream.messages(nats, "REPORTER_OUT", within=60))
