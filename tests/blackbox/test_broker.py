"""A broker of the user's own: its word decides, its loss is survived, its streams are respected."""

from __future__ import annotations

import signal
from datetime import timedelta

import httpx
import pytest

from . import jetstream
from .district import District, Founder
from .events import Publisher
from .ledgercheck import of_kind, published, standing_breaches
from .moments import Json, ago, eventually, instant, now, pass_by, text
from .natsclient import Nats, NatsError
from .service import Broker

TWENTY = timedelta(minutes=20)


def test_a_report_stored_before_the_deadline_never_leaves_a_standing_breach(
    own_district: Founder, broker: Broker
) -> None:
    town = own_district(nats=broker.url).found()
    publisher = town.publisher("east")
    due = now() + timedelta(seconds=8)
    answered = publisher.open(occurred=text(due - TWENTY), title="已报")
    silent = publisher.open(occurred=text(due - TWENTY), title="未报")
    town.service.stop()

    filed = publisher.event("filed", {"incident": answered, "covers": ["initial"], "form": "phone"})
    stored = jetstream.stored(town.nats, "REPORTER_IN", publisher.send(filed))
    assert stored.stored_at < due, "the machine was too slow to stop the service in time"
    town.disconnect()
    pass_by(due, margin_s=1)
    town.service.start()
    town.reconnect()

    clock = eventually(lambda: (x := town.desk.clock(answered, "initial"))["verdict"] and x, within=8)
    assert clock["met_at"] == text(stored.stored_at)
    assert clock["verdict"] == "on_time"
    line = eventually(lambda: standing_breaches(town.desk.ledger(silent), "initial")[0], within=8)
    assert line["at"] == text(due)
    assert not of_kind(town.desk.ledger(answered), "breached")
    assert town.desk.verdict(answered, "initial") == "on_time"


def test_a_backlog_is_read_before_a_deadline_in_it_is_judged(own_district: Founder, broker: Broker) -> None:
    """The report lies behind two thousand others when its deadline passes."""
    town = own_district(nats=broker.url).found()
    publisher = town.publisher("east")
    due = now() + timedelta(seconds=10)
    incident = publisher.open(occurred=text(due - TWENTY))
    town.service.stop()

    for _ in range(2000):
        event = publisher.occurred(occurred=text(ago(minutes=1)))
        headers, body = event.structured()
        town.nats.publish(event.subject, body, headers)
    town.nats.flush()
    publisher.send(publisher.event("filed", {"incident": incident, "covers": ["initial"], "form": "phone"}))
    pass_by(due)
    town.disconnect()
    town.service.start()
    town.reconnect()

    eventually(lambda: town.desk.verdict(incident, "initial") == "on_time", within=30)
    assert standing_breaches(town.desk.ledger(incident), "initial") == []


def degraded(town: District) -> Json:
    answer = httpx.get(f"{town.service.http}/readyz")
    assert answer.status_code == 200
    body: Json = answer.json()
    return body if body["status"] == "degraded" else None


def test_without_its_broker_the_desk_works_and_deadlines_are_judged(
    own_district: Founder, broker: Broker
) -> None:
    town = own_district(nats=broker.url).found()
    due = now() + timedelta(seconds=5)
    incident = town.publisher("east").open(occurred=text(due - TWENTY))

    broker.stop(signal.SIGKILL)
    body = eventually(lambda: degraded(town), within=5, why="/readyz says degraded")
    assert body["checks"]["nats"]["ok"] is False
    assert instant(body["checks"]["nats"]["since"]) <= now()
    assert body["checks"]["database"]["ok"] is True
    logged = town.desk.open("west", occurred=text(ago(minutes=1)), title="断网时登记")["id"]
    assert (
        town.desk.tell(logged, "reports", covers=["initial"], form="phone")["clocks"][0]["verdict"]
        == "on_time"
    )

    line = eventually(lambda: standing_breaches(town.desk.ledger(incident), "initial")[0], within=10)
    assert line["at"] == text(due)
    eventually(
        lambda: [x for x in town.receiver.posted if x.at >= due],
        within=10,
        why="people are paged all the same",
    )

    broker.start()
    eventually(lambda: httpx.get(f"{town.service.http}/readyz").json()["status"] == "ok", within=15)
    with Nats(broker.url) as nats:
        ledgers = {x: town.desk.ledger(x) for x in (incident, logged)}

        def all_out() -> bool:
            out = published(jetstream.messages(nats, "REPORTER_OUT"))
            return all(out.get(x, [])[: len(lines)] == lines for x, lines in ledgers.items())

        eventually(all_out, within=10, every=0.3, why="what waited goes out")
        assert Publisher(nats, "east").open(occurred=text(ago(minutes=1)))


def test_a_stream_of_the_users_own_is_only_added_to(own_district: Founder, broker: Broker) -> None:
    with Nats(broker.url) as nats:
        config = {
            "name": "REPORTER_IN", "subjects": ["legacy.in.>"], "storage": "file", "num_replicas": 1,
            "max_age": 90 * 86_400 * 10**9, "max_bytes": 2**30, "duplicate_window": 120 * 10**9,
        }  # fmt: skip
        jetstream.api(nats, "STREAM.CREATE.REPORTER_IN", config)

    town = own_district(nats=broker.url).found()

    found = jetstream.api(town.nats, "STREAM.INFO.REPORTER_IN")["config"]
    assert set(found["subjects"]) == {"legacy.in.>", "reporter.in.>"}
    assert found["max_age"] == config["max_age"]
    assert found["max_bytes"] == config["max_bytes"]
    assert town.publisher("east").open()


def test_the_streams_it_creates_are_those_of_the_contract(own_district: Founder, broker: Broker) -> None:
    town = own_district(nats=broker.url).found()

    into = jetstream.api(town.nats, "STREAM.INFO.REPORTER_IN")["config"]
    out = jetstream.api(town.nats, "STREAM.INFO.REPORTER_OUT")["config"]

    month_ns = 30 * 86_400 * 10**9
    assert (into["subjects"], into["storage"], into["max_age"]) == (["reporter.in.>"], "file", month_ns)
    assert into["duplicate_window"] == 100 * 10**6
    assert (out["subjects"], out["storage"], out["max_age"]) == (["reporter.out.>"], "file", month_ns)

    jetstream.api(town.nats, "STREAM.DELETE.REPORTER_IN")
    with pytest.raises(NatsError, match="no responders"):
        jetstream.publish(town.nats, "reporter.in.incident.east", b"{}")
    eventually(lambda: reappeared(town.nats), within=15, every=0.3, why="a missing stream is created again")
    assert town.publisher("east").open()


def reappeared(nats: Nats) -> bool:
    try:
        return bool(jetstream.api(nats, "STREAM.INFO.REPORTER_IN"))
    except NatsError:
        return False
