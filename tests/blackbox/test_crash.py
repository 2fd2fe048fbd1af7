"""`kill -9` at the worst moments: nothing is lost, nothing happens twice."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest

from . import jetstream
from .district import District, Founder
from .events import Event
from .ledgercheck import check_chain, of_kind, published, standing_breaches
from .moments import Json, ago, eventually, instant, now, pass_by, text
from .natsclient import Nats, NatsError

pytestmark = pytest.mark.alone

TWENTY = timedelta(minutes=20)


def all_incidents(town: District) -> list[Json]:
    """Every incident of the district, page by page."""
    items: list[Json] = []
    query: dict[str, str | int] = {"limit": 200}
    while True:
        page = town.desk.get("/api/v1/incidents", query=query)
        items += page["items"]
        if page["next"] is None:
            return items
        query["cursor"] = page["next"]


def test_one_event_a_thousand_times_from_two_publishers_across_a_crash(own_district: Founder) -> None:
    town = own_district().found()
    source, event_id = "urn:storm:112", "call-0001"
    data = {"title": "同一件事报一千遍", "occurred": text(ago(minutes=1))}
    event = Event("occurred", "east", data, source, event_id)

    def storm(count: int, reply: str) -> None:
        """Half from each of two publishers, one structured and one binary, waiting for nothing."""
        with town.service.connect() as one, town.service.connect() as two:
            for number in range(count):
                nats, (headers, body) = (one, event.structured()) if number % 2 else (two, event.binary())
                nats.publish(event.subject, body, {**headers, "Reporter-Reply": reply})
            one.flush()
            two.flush()

    storm(500, town.nats.inbox())
    town.service.kill()
    town.disconnect()
    town.service.start()
    town.reconnect()
    reply = town.nats.inbox()
    outcomes = town.nats.subscribe(reply)
    town.desk.appears(event.incident, within=15)
    storm(500, reply)

    answers = [outcomes.next(within=15).json for _ in range(500)]
    assert {(x["outcome"], x["incident"]) for x in answers} == {("duplicate", event.incident)}
    lines = town.desk.ledger(event.incident)
    assert len(of_kind(lines, "opened")) == 1
    assert [x["id"] for x in all_incidents(town)] == [event.incident]


def test_two_hundred_clocks_due_at_once_survive_a_kill_in_the_middle(own_district: Founder) -> None:
    town = own_district().found()
    publisher = town.publisher("east")
    due = now() + timedelta(seconds=8)
    events = [publisher.occurred(occurred=text(due - TWENTY), title=f"并发到期 {n}") for n in range(200)]
    outcomes = town.nats.subscribe(reply := town.nats.inbox())
    for event in events:
        headers, body = event.structured()
        town.nats.publish(event.subject, body, {**headers, "Reporter-Reply": reply})
    assert {outcomes.next(within=8).json["outcome"] for _ in events} == {"accepted"}
    assert now() < due, "the machine was too slow to arm 200 clocks in 8 s"

    breaches = town.nats.subscribe("reporter.out.breached.>")
    pass_by(due - timedelta(seconds=0.5))
    # the first breach on the bus, or the bound: the kill comes in the middle either way
    with contextlib.suppress(NatsError):
        breaches.next(within=2)
    town.service.kill()
    town.disconnect()
    town.service.start()
    town.reconnect()

    def settled() -> bool:
        return all(x["clocks"][0]["state"] == "breached" for x in all_incidents(town))

    eventually(settled, within=20, every=0.5, why="200 breaches")
    ledgers = {event.incident: town.desk.ledger(event.incident) for event in events}
    for incident, lines in ledgers.items():
        assert [x["at"] for x in of_kind(lines, "breached", "initial")] == [text(due)], incident
        steps = [
            (x["step"], x["repeat"], x["person"], x["channel"])
            for x in town.desk.incident(incident)["notices"]
        ]
        assert len(steps) == len(set(steps)), steps
    eventually(
        lambda: everything_is_out(town.nats, ledgers), within=15, every=0.5, why="REPORTER_OUT holds it all"
    )
    town.service.verb("ledger", "verify")


def everything_is_out(nats: Nats, ledgers: dict[str, list[Json]]) -> bool:
    """Whether REPORTER_OUT holds each ledger, every line once per Nats-Msg-Id and in version order."""
    out = published(jetstream.messages(nats, "REPORTER_OUT"))
    for incident, lines in ledgers.items():
        assert len(out.get(incident, [])) >= len(lines), (
            f"{incident}: {len(out.get(incident, []))} of {len(lines)}"
        )
        assert out[incident][: len(lines)] == lines
        check_chain(out[incident], incident)
    return True


def test_a_deadline_that_passes_while_the_service_is_dead_is_breached_at_its_own_time(
    own_district: Founder,
) -> None:
    town = own_district().found()
    due = now() + timedelta(seconds=5)
    incident = town.publisher("east").open(occurred=text(due - TWENTY))
    key = "once-and-for-all"
    posted = town.desk.open("west", key=key, title="断电前登记", occurred=text(ago(minutes=1)))

    town.service.kill()
    town.disconnect()
    pass_by(due, margin_s=0.5)
    town.service.start()
    town.reconnect()

    line = eventually(lambda: standing_breaches(town.desk.ledger(incident), "initial")[0], within=6)
    assert line["at"] == text(due)  # dated at its deadline although recorded later
    assert instant(line["recorded_at"]) > due
    again = town.desk.open("west", 200, key=key, title="断电前登记", occurred=posted["occurred"]["earliest"])
    assert again["id"] == posted["id"]


def test_an_orderly_stop_is_quick_and_says_nothing_twice(own_district: Founder) -> None:
    town = own_district().found()
    incident = town.publisher("east").open(occurred=text(ago(minutes=30)))
    eventually(lambda: standing_breaches(town.desk.ledger(incident), "initial"), within=6)

    def said() -> list[Json]:
        """What the engine and people said; what channels answer may come any time after."""
        return [line for line in town.desk.ledger(incident) if line["kind"] != "notified"]

    before = said()

    town.service.stop()
    town.disconnect()
    town.service.start()
    town.reconnect()

    town.publisher("east").open()  # the engine has looked round since
    assert said() == before
