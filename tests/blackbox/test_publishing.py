"""What a foreign program publishes opens incidents: both modes, identity, outcomes, holding, who may act."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest

from . import jetstream
from .desk import Desk
from .district import District
from .events import STRUCTURED, Event, Mode, Publisher, incident_id
from .ledgercheck import of_kind
from .moments import ago, eventually, instant, now, pass_by, text
from .natsclient import NatsError


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_an_event_in_either_mode_opens_the_incident_its_publisher_computed(
    town: District, mode: Mode
) -> None:
    publisher = town.publisher("east")
    event = publisher.occurred(occurred=text(ago(minutes=1)), title="化工园区爆燃", grade="II")

    sequence = publisher.send(event, mode)

    incident = town.desk.appears(incident_id(publisher.source, event.id))
    stored = jetstream.stored(town.nats, "REPORTER_IN", sequence)
    assert incident["title"] == "化工园区爆燃"
    assert (incident["unit"], incident["grade"], incident["state"]) == ("east", "II", "open")
    assert incident["mode"] == "actual"
    assert incident["schedule"] == "cn-zaozhuang-hitech-2021-9"
    assert incident["edition"] == "2021-02-05"
    assert instant(incident["received_at"]) == stored.stored_at


def test_json_without_any_header_is_structured_mode(town: District) -> None:
    publisher = town.publisher("east")
    event = publisher.occurred()

    jetstream.publish(town.nats, event.subject, event.structured()[1])

    assert town.desk.appears(event.incident)["title"] == event.data["title"]


def test_content_type_is_read_whatever_its_case_and_parameters(town: District) -> None:
    publisher = town.publisher("east")
    event = publisher.occurred()

    headers = {"content-type": "Application/CloudEvents+JSON; charset=UTF-8"}
    jetstream.publish(town.nats, event.subject, event.structured()[1], headers)

    assert town.desk.appears(event.incident)


def test_the_three_clocks_run_from_the_occurrence(town: District) -> None:
    occurred = ago(minutes=3)

    incident = town.desk.appears(town.publisher("east").open(occurred=text(occurred)))

    due = {
        x["obligation"]: (instant(x["starts_at"]), instant(x["due_at"]), x["state"])
        for x in incident["clocks"]
    }
    assert due == {
        name: (occurred, occurred + timedelta(minutes=minutes), "running")
        for name, minutes in {"initial": 20, "verified": 60, "detailed": 120}.items()
    }
    assert incident["occurred"] == {
        "earliest": text(occurred),
        "latest": text(occurred),
        "provisional": False,
    }


def test_received_at_is_the_brokers_stamp_cut_to_microseconds(town: District) -> None:
    publisher = town.publisher("east")

    for _ in range(8):
        event = publisher.occurred()
        stored = jetstream.stored(town.nats, "REPORTER_IN", publisher.send(event))
        incident = town.desk.appears(event.incident)
        assert incident["received_at"] == text(stored.stored_at), stored.nanoseconds


def test_a_broken_event_among_three_hundred_delays_none_of_them(town: District) -> None:
    publisher = town.publisher("north")
    events = [publisher.occurred(occurred=text(ago(minutes=2))) for _ in range(300)]
    reply = town.nats.inbox()
    outcomes = town.nats.subscribe(reply)

    for number, event in enumerate(events):
        if number == 150:
            town.nats.publish("reporter.in.incident.north", b'{"specversion": "1.0", "id"', STRUCTURED)
        headers, body = event.encode("structured" if number % 2 else "binary")
        town.nats.publish(event.subject, body, {**headers, "Reporter-Reply": reply})

    answers = [outcomes.next(within=10).json for _ in events]
    assert {x["outcome"] for x in answers} == {"accepted"}
    assert {x["incident"] for x in answers} == {event.incident for event in events}
    eventually(
        lambda: town.desk.rejected("reporter.in.incident.north"), within=5, why="the broken one is listed"
    )
    outcomes.close()


def test_an_outcome_comes_after_the_commit(town: District) -> None:
    publisher = town.publisher("east")

    answer = publisher.outcome(publisher.occurred(grade="2"))

    incident = town.desk.incident(answer["incident"])  # no waiting: it must be there
    assert answer["outcome"] == "accepted"
    assert "field_invalid:grade" in answer["anomalies"]
    assert answer["anomalies"] == incident["anomalies"]


def test_a_redelivery_answers_duplicate_with_the_same_incident(town: District) -> None:
    publisher = town.publisher("east")
    event = publisher.occurred(grade="2")
    first = publisher.outcome(event)

    structured = publisher.outcome(event)
    binary = publisher.outcome(event, "binary")

    assert first["outcome"] == "accepted"
    for again in (structured, binary):
        assert again["outcome"] == "duplicate"
        assert (again["incident"], again["anomalies"]) == (first["incident"], first["anomalies"])


def test_envelope_time_and_extensions_do_not_make_another_event(town: District) -> None:
    publisher = town.publisher("east")
    event = publisher.occurred()
    publisher.outcome(event)
    extensions = {
        "time": text(now()),
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }

    again = publisher.outcome(Event(event.what, event.unit, event.data, event.source, event.id, extensions))

    assert again["outcome"] == "duplicate"


@pytest.mark.parametrize("change", ["data", "subject", "type"])
def test_an_identity_with_other_content_is_rejected(town: District, change: str) -> None:
    publisher = town.publisher("east")
    event = publisher.occurred()
    publisher.outcome(event)
    other = {
        "data": event.but(title="另一件事"),
        "subject": Event(event.what, "west", event.data, event.source, event.id),
        "type": Event(
            "filed", "east", {"incident": event.incident, "form": "written"}, event.source, event.id
        ),
    }[change]

    answer = publisher.outcome(other)

    assert answer["outcome"] == "rejected"
    assert "identity_reused" in json.dumps(answer["errors"])
    assert town.desk.incident(event.incident)["title"] == event.data["title"]


def test_a_rejected_message_does_not_use_up_its_identity(town: District) -> None:
    publisher = town.publisher("east")
    event = publisher.occurred()
    without_title = event.but(title=None)

    refused = publisher.outcome(without_title)
    accepted = publisher.outcome(event)

    assert refused["outcome"] == "rejected"
    assert any("title" in error["path"] for error in refused["errors"]), refused
    assert accepted["outcome"] == "accepted"


def test_sources_of_the_http_api_are_refused_on_the_bus(town: District) -> None:
    publisher = Publisher(town.nats, "east", source="/api/chief")

    assert publisher.outcome(publisher.occurred())["outcome"] == "rejected"


def test_a_unit_in_the_data_that_contradicts_the_subject_is_refused(town: District) -> None:
    publisher = town.publisher("east")

    assert publisher.outcome(publisher.occurred().but(unit="west"))["outcome"] == "rejected"
    assert publisher.outcome(publisher.occurred().but(unit="east"))["outcome"] == "accepted"


def test_the_same_message_id_from_two_units_lands_twice(town: District) -> None:
    east, west = town.publisher("east"), town.publisher("west")
    first, second = east.occurred(), west.occurred()

    east.send(first, headers={"Nats-Msg-Id": "1"})
    pass_by(now(), margin_s=0.3)  # beyond the smallest window the broker has, 100 ms
    west.send(second, headers={"Nats-Msg-Id": "1"})

    assert town.desk.appears(first.incident)["unit"] == "east"
    assert town.desk.appears(second.incident)["unit"] == "west"


def test_replies_go_only_where_replies_belong(town: District) -> None:
    publisher = town.publisher("east")
    elsewhere = town.nats.subscribe("elsewhere.>")
    allowed = town.nats.subscribe("reporter.reply.>")
    event, other = publisher.occurred(), publisher.occurred()

    publisher.send(event, headers={"Reporter-Reply": "elsewhere.please"})
    publisher.send(other, headers={"Reporter-Reply": f"reporter.reply.{uuid.uuid4().hex}"})

    assert allowed.next(within=5).json["outcome"] == "accepted"
    assert "reply_refused" in town.desk.appears(event.incident)["anomalies"]
    with pytest.raises(NatsError, match="no message"):
        elsewhere.next(within=0.2)
    allowed.close()
    elsewhere.close()


def test_an_unknown_unit_loses_nothing(town: District) -> None:
    publisher = town.publisher("nobody-knows-me")

    answer = publisher.outcome(publisher.occurred())

    incident = town.desk.incident(answer["incident"])
    assert incident["unit"] == "hitech"
    assert "unit_unknown" in incident["anomalies"]
    filed = publisher.tell("filed", incident["id"], covers=["initial"], form="phone")
    assert filed["outcome"] == "accepted"
    assert town.desk.verdict(incident["id"], "initial") is not None  # it may act: it opened the incident


def test_the_alias_root_remains_after_units_were_imported(town: District) -> None:
    publisher = town.publisher("root")

    incident = town.desk.incident(publisher.open())

    assert incident["unit"] == "hitech"
    assert "unit_unknown" not in incident["anomalies"]


def test_a_report_before_its_event_is_held_and_then_applied(town: District) -> None:
    publisher = town.publisher("east")
    event = publisher.occurred(occurred=text(ago(minutes=5)))
    report = publisher.event("filed", {"incident": event.incident, "covers": ["initial"], "form": "written"})
    reply = town.nats.inbox()
    answers = town.nats.subscribe(reply)

    sequence = publisher.send(report, headers={"Reporter-Reply": reply})
    held = answers.next(within=5).json
    listed = town.desk.rejected(report.subject)
    answer = publisher.outcome(event)

    incident = town.desk.incident(event.incident)
    stored = jetstream.stored(town.nats, "REPORTER_IN", sequence)
    assert held["outcome"] == "held"
    assert any(sequence in item.values() for item in listed), listed
    assert answer["outcome"] == "accepted"
    assert incident["clocks"][0]["verdict"] == "on_time"
    assert incident["clocks"][0]["met_at"] == text(stored.stored_at)
    assert incident["reports"][0]["received_at"] == text(stored.stored_at)
    assert not any(sequence in item.values() for item in town.desk.rejected(report.subject))
    answers.close()


def test_a_report_may_name_the_event_instead_of_the_incident(town: District) -> None:
    publisher = town.publisher("east")
    event = publisher.occurred(occurred=text(ago(minutes=1)))
    publisher.outcome(event)

    named = {"event": {"source": event.source, "id": event.id}, "form": "phone"}
    answer = publisher.outcome(publisher.event("filed", named))

    assert (answer["outcome"], answer["incident"]) == ("accepted", event.incident)
    assert town.desk.verdict(event.incident, "initial") == "on_time"


def test_a_strangers_report_is_kept_and_stops_no_clock(town: District) -> None:
    incident = town.publisher("east").open(occurred=text(ago(minutes=1)))

    answer = town.publisher("west").tell("filed", incident, covers=["initial"], form="written")

    seen = town.desk.incident(incident)
    assert answer["outcome"] == "accepted"
    assert "foreign_unit" in seen["anomalies"]
    assert len(seen["reports"]) == 1
    assert seen["clocks"][0]["state"] == "running"


@pytest.mark.parametrize("command", ["amended", "withdrawn", "closed"])
def test_a_strangers_other_commands_are_rejected(town: District, command: str) -> None:
    incident = town.publisher("east").open()

    answer = town.publisher("west").tell(command, incident, reason="不归我管")

    assert answer["outcome"] == "rejected"
    assert town.desk.incident(incident)["state"] == "open"


@pytest.mark.parametrize("unit", ["hitech", "east-park"])
def test_ancestors_and_descendants_may_act(town: District, unit: str) -> None:
    incident = town.publisher("east").open(occurred=text(ago(minutes=1)))

    answer = town.publisher(unit).tell("filed", incident, covers=["initial"], form="phone")

    assert answer["outcome"] == "accepted"
    assert town.desk.verdict(incident, "initial") == "on_time"


def test_unknown_obligations_are_rejected_with_the_valid_ones(town: District) -> None:
    publisher = town.publisher("east")
    incident = publisher.open()

    answer = publisher.tell("filed", incident, covers=["final"], form="written")

    errors = json.dumps(answer["errors"])
    assert answer["outcome"] == "rejected"
    assert all(name in errors for name in ("initial", "verified", "detailed")), errors


def test_every_ledger_line_goes_out_once_and_in_order(town: District, desk: Desk) -> None:
    publisher = town.publisher("north")
    heard = town.nats.subscribe("reporter.out.*.north")
    incident = publisher.open(occurred=text(ago(minutes=1)))
    publisher.tell("filed", incident, covers=["initial"], form="phone", author="王五")

    lines = desk.ledger(incident)
    assert of_kind(lines, "reported")
    assert of_kind(lines, "judged")

    def all_out() -> bool:
        for message in heard.waiting():
            line = message.json["data"]
            if line.get("incident") == incident:
                assert message.headers["Nats-Msg-Id"] == f"{incident}/{line['version']}"
                got.append(line)
        return len(got) >= len(lines)

    got: list[object] = []
    eventually(all_out, within=5, why="the ledger is on the bus")
    assert got == lines
    heard.close()
