"""The broker is away, killed or robbed of its streams; the process stands still; somebody watches from outside."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

import httpx

from . import jetstream
from .desk import Desk
from .district import UNITS, District, Founder, roster
from .ledgercheck import of_kind, published, standing_breaches
from .moments import Json, ago, eventually, instant, now, pass_by, text
from .natsclient import Nats, NatsError
from .service import Broker, read_lines

TWENTY = timedelta(minutes=20)


def ready(town: District) -> Json:
    """What `/readyz` says, which is 200 as long as the database can be read."""
    answer = httpx.get(f"{town.service.http}/readyz")
    assert answer.status_code == 200, answer.text
    return answer.json()


def is_well(town: District) -> bool:
    return bool(ready(town)["status"] == "ok")


def test_started_without_its_broker_it_does_its_work_and_sends_what_waited_in_order(
    own_district: Founder, broker: Broker
) -> None:
    broker.stop(signal.SIGKILL)
    town = own_district(nats=broker.url)
    town.service.import_file("unit", read_lines(UNITS))
    town.service.import_file("roster", roster(town.receiver))
    desk = Desk("http://127.0.0.1:9", token := town.service.token("chief", "admin"))
    desk.close()
    town.service.start()
    desk = Desk(town.service.http, token)

    body = ready(town)
    assert body["status"] == "degraded"
    assert body["checks"]["nats"]["ok"] is False and instant(body["checks"]["nats"]["since"]) <= now()
    incident = desk.open("east", title="无总线登记", occurred=text(now()), schedule="town-quick")["id"]
    due = instant(desk.clock(incident, "initial")["due_at"])
    line = eventually(lambda: standing_breaches(desk.ledger(incident), "initial")[0], within=12)
    assert line["at"] == text(due)
    eventually(lambda: town.receiver.about("无总线登记"), within=5, why="people are paged")
    desk.tell(incident, "reports", covers=["initial"], form="phone")
    assert desk.verdict(incident, "initial") == "late"

    broker.start()
    eventually(lambda: is_well(town), within=15, why="it finds the broker by itself")
    with Nats(broker.url) as nats:

        def all_out() -> bool:
            lines = desk.ledger(incident)
            return (
                published(jetstream.messages(nats, "REPORTER_OUT")).get(incident, [])[: len(lines)] == lines
            )

        eventually(all_out, within=10, every=0.3, why="what waited goes out, in version order")
    desk.close()


def test_a_killed_embedded_broker_is_started_again_with_its_store(own_district: Founder) -> None:
    town = own_district().found()
    publisher = town.publisher("east")
    before = publisher.occurred(occurred=text(ago(minutes=1)))
    sequence = publisher.send(before)
    town.desk.appears(before.incident)
    [pid] = town.service.brokers()

    os.kill(pid, signal.SIGKILL)
    eventually(lambda: pid not in town.service.brokers() and town.service.brokers(), within=15)
    town.nats.close()
    eventually(lambda: listens(town), within=10, why="it listens where it did")
    town.nats = town.service.connect()

    assert jetstream.stored(town.nats, "REPORTER_IN", sequence).subject == before.subject
    assert town.publisher("east").open(occurred=text(ago(minutes=1)))
    assert len(town.service.brokers()) == 1
    eventually(lambda: is_well(town), within=15)


def listens(town: District) -> bool:
    try:
        with town.service.connect():
            return True
    except (OSError, NatsError):
        return False


def test_the_broker_of_a_killed_service_is_replaced_and_never_doubled(own_district: Founder) -> None:
    town = own_district().found()
    [orphan] = town.service.brokers()

    town.service.kill()
    town.desk.close()
    event = town.publisher("east").occurred(occurred=text(ago(minutes=1)))
    town.publisher("east").send(event)  # the orphan takes it
    town.nats.close()
    (town.service.data / "nats" / "nats-server.pid").unlink()
    town.service.start()
    town.reconnect()

    [broker] = town.service.brokers()
    assert broker != orphan
    town.desk.appears(event.incident, within=10)


def test_streams_and_durable_deleted_under_it_are_made_again(own_district: Founder, broker: Broker) -> None:
    town = own_district(nats=broker.url).found()
    publisher = town.publisher("east")
    kept = publisher.open(occurred=text(ago(minutes=1)))

    jetstream.api(town.nats, "CONSUMER.DELETE.REPORTER_IN.reporter-intake")
    assert publisher.open(occurred=text(ago(minutes=1)))
    assert len(of_kind(town.desk.ledger(kept), "opened")) == 1  # it was delivered again, to no effect

    jetstream.api(town.nats, "STREAM.DELETE.REPORTER_OUT")
    after = publisher.open(occurred=text(ago(minutes=1)))
    eventually(
        lambda: after in published(jetstream.messages(town.nats, "REPORTER_OUT")),
        within=15,
        every=0.3,
        why="the stream is there again, with what happened since",
    )
    assert is_well(town)


def test_a_process_that_stood_still_skips_nothing_doubles_nothing_and_wrongs_nobody(
    own_district: Founder, broker: Broker
) -> None:
    town = own_district(nats=broker.url).found()
    publisher = town.publisher("east")
    due = now() + timedelta(seconds=3)
    answered = publisher.open(occurred=text(due - timedelta(seconds=4)), schedule="town-quick")
    silent = publisher.open(occurred=text(due - timedelta(seconds=4)), schedule="town-quick")

    os.kill(town.service.pid, signal.SIGSTOP)
    filed = publisher.event("filed", {"incident": answered, "covers": ["initial"], "form": "phone"})
    stored = jetstream.stored(town.nats, "REPORTER_IN", publisher.send(filed))
    assert stored.stored_at < due, "the machine was too slow to file before the deadline"
    pass_by(due, margin_s=7)
    os.kill(town.service.pid, signal.SIGCONT)

    line = eventually(lambda: standing_breaches(town.desk.ledger(silent), "initial")[0], within=8)
    assert line["at"] == text(due)
    eventually(lambda: town.desk.verdict(answered, "initial") == "on_time", within=8)
    assert not of_kind(town.desk.ledger(answered), "breached")
    for lines in (town.desk.ledger(silent), town.desk.ledger(answered)):
        fired = [
            (x["kind"], x["body"]["obligation"], x["body"].get("step"), x["body"].get("repeat"))
            for x in lines
            if x["kind"] in ("reminded", "breached", "escalated")
        ]
        assert len(fired) == len(set(fired)), fired
    clock = ready(town)["checks"]["clock"]
    assert clock["standstill"]["span_s"] > 6
    assert clock["jumps"] == 0


def test_the_heartbeat_says_how_judging_stands_and_the_dead_mans_switch_is_called_while_all_is_well(
    own_district: Founder, broker: Broker
) -> None:
    town = own_district(nats=broker.url)
    town.service.env |= {
        "REPORTER_DEAD_MAN_URL": town.receiver.address("/alive"),
        "REPORTER_DEAD_MAN_EVERY_S": "1",
    }
    town.found()

    def calls() -> list[float]:
        return [x.at.timestamp() for x in town.receiver.posted if x.path == "/alive"]

    heard = town.nats.subscribe("reporter.heartbeat")
    beat = heard.next(within=15).json
    assert beat["oldest_undecided_s"] < 1 and abs(beat["skew_ms"]) < 1000
    assert beat["replica"] and instant(beat["at"]) <= now()
    eventually(lambda: len(calls()) >= 3, within=15)
    broker.stop(signal.SIGKILL)
    eventually(lambda: not is_well(town), within=5)
    count = eventually(lambda: len(calls()), within=10)

    pass_by(now() + timedelta(seconds=3))
    assert len(calls()) <= count + 1  # one may have been under way
    broker.start()
    eventually(lambda: len(calls()) > count + 1, within=20)
