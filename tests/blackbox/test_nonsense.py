"""Nonsense from outside: nothing is lost, nothing is delayed, everything is listed with its bytes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from . import jetstream
from .district import District
from .events import STRUCTURED, Publisher
from .moments import Json, ago, eventually, instant, text
from .natsclient import header_block


def raw(data: bytes) -> bytes:
    """A structured occurred event whose `data` is these bytes."""
    envelope = (
        b'{"specversion":"1.0","id":"x","source":"urn:nonsense","type":"reporter.incident.occurred","data":'
    )
    return envelope + data + b"}"


# each on a unit code of its own, so that the subject names it
UNREADABLE: dict[str, bytes] = {
    "noise": bytes(range(256)) * 3516,  # 900 kB
    "too-long": raw(b'{"title":"' + b"a" * 270_000 + b'"}'),
    "bomb": raw(b'{"title":"t","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "deep": raw(b'{"title":"t","x":' + b"[" * 33 + b"]" * 33 + b"}"),
    "bad-utf8": raw('{"title":"爆燃"}'.encode("gb18030")),
    "nan": raw(b'{"title":"t","lat":NaN}'),
    "infinite": raw(b'{"title":"t","lat":1e400}'),
    "big-integer": raw(b'{"title":"t","n":9007199254740993}'),
    "twice": raw(b'{"title":"t","title":"u"}'),
    "surrogate": raw(rb'{"title":"\ud800"}'),
    "nul": raw(rb'{"title":"a\u0000b"}'),
    "half": b'{"specversion":"1.0","id":"x"',
    "empty": b"",
    "a-list": b"[]",
    "no-title": raw(b"{}"),
    "blank-title": raw(b'{"title":"  "}'),
    "number-title": raw(b'{"title":7}'),
    "no-id": b'{"specversion":"1.0","source":"s","type":"reporter.incident.occurred","data":{"title":"t"}}',
    "odd-type": raw(b'{"title":"t"}').replace(b"incident.occurred", b"incident.exploded"),
    "wrong-door": raw(b'{"title":"t"}').replace(b"reporter.incident.occurred", b"reporter.report.filed"),
}


@dataclass
class Mess:
    """What was thrown at the service, by unit code: stream sequences, and the good events among it."""

    town: District
    sequences: dict[str, int]
    hidden: dict[str, str]
    good: list[str]


@pytest.fixture(scope="module")
def mess(town: District) -> Mess:
    """Publishes all of it at once, with good events before, between and after."""
    publisher = town.publisher("north")
    sequences: dict[str, int] = {}
    hidden: dict[str, str] = {}
    good: list[str] = []

    def one_good() -> None:
        event = publisher.occurred()
        publisher.send(event)
        good.append(event.incident)

    blocks = {
        "hidden-status": header_block(STRUCTURED | {"Status": "404"}),
        "hidden-inline": b"NATS/1.0 404 No Messages\r\nContent-Type: application/cloudevents+json\r\n\r\n",
        "hidden-busy": header_block(STRUCTURED | {"Status": "503", "Description": "x"}),
        "hidden-garbled": b"NATS/1.0\r\nno colon here\r\n\xff\xfe: \xff\r\n\r\n",
    }
    for code, block in blocks.items():
        event = publisher.occurred(unit=code)
        sequences[code] = jetstream.publish(town.nats, event.subject, event.structured()[1], block)
        hidden[code] = event.incident
    for code, body in UNREADABLE.items():
        one_good()
        sequences[code] = jetstream.publish(town.nats, f"reporter.in.incident.{code}", body, STRUCTURED)
    one_good()
    return Mess(town, sequences, hidden, good)


def listed(mess: Mess, code: str) -> Json:
    """The rejected message of one unit code."""
    items = mess.town.desk.rejected(f"reporter.in.incident.{code}")
    assert len(items) == 1, items
    assert mess.sequences[code] in items[0].values(), (
        f"no stream sequence {mess.sequences[code]} in {items[0]}"
    )
    return items[0]


def test_the_good_events_among_the_nonsense_open_at_once(mess: Mess) -> None:
    for incident in mess.good:
        assert mess.town.desk.appears(incident, within=5)


@pytest.mark.parametrize("code", UNREADABLE)
def test_what_cannot_be_understood_is_listed_with_its_reasons(mess: Mess, code: str) -> None:
    item = eventually(lambda: listed(mess, code), within=5, why=f"{code} is listed")

    stored = jetstream.stored(mess.town.nats, "REPORTER_IN", mess.sequences[code])
    assert instant(item["received_at"]) == stored.stored_at
    assert item["reasons"], item


def test_what_cannot_be_understood_is_announced_with_its_first_bytes(mess: Mess) -> None:
    body = UNREADABLE["noise"]

    def announced() -> Json:
        out = jetstream.messages(mess.town.nats, "REPORTER_OUT", "reporter.out.rejected.>")
        return next(x.json["data"] for x in out if x.json["data"]["subject"] == "reporter.in.incident.noise")

    facts: Mapping[str, Json] = eventually(announced, within=5)
    assert facts["size"] == len(body)
    assert facts["sha256"] == hashlib.sha256(body).hexdigest()
    assert base64.b64encode(body[:4096]).decode() in facts.values()


def test_the_root_units_duty_officer_hears_of_it_at_once(mess: Mess) -> None:
    eventually(
        lambda: [
            x for x in mess.town.receiver.posted if x.path == "/hitech/duty_officer" and "noise" in x.text
        ],
        within=5,
        why="a notice about reporter.in.incident.noise",
    )


@pytest.mark.parametrize("code", ["hidden-status", "hidden-inline", "hidden-busy"])
def test_messages_a_client_library_would_swallow_are_found(mess: Mess, code: str) -> None:
    incident = mess.town.desk.appears(mess.hidden[code], within=20)

    stored = jetstream.stored(mess.town.nats, "REPORTER_IN", mess.sequences[code])
    assert instant(incident["received_at"]) == stored.stored_at


def test_a_garbled_header_block_is_opened_or_listed_but_never_lost(mess: Mess) -> None:
    path = f"/api/v1/incidents/{mess.hidden['hidden-garbled']}"
    eventually(
        lambda: mess.town.desk.client.get(path).status_code == 200 or listed(mess, "hidden-garbled"),
        within=20,
    )


def test_the_verb_lists_what_the_desk_lists(mess: Mess) -> None:
    eventually(lambda: listed(mess, "nan"), within=5)

    items = mess.town.service.verb_json("rejected", "list", expect=None)["items"]

    subjects = [x["subject"] for x in items]
    assert subjects.count("reporter.in.incident.nan") == 1


def test_a_replay_changes_nothing_that_is_still_nonsense(mess: Mess) -> None:
    eventually(lambda: listed(mess, "nan"), within=5)

    mess.town.service.verb("rejected", "replay", expect=None)

    assert listed(mess, "nan")
    assert mess.town.desk.appears(mess.good[0])


# --- lenient: a title suffices -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "anomaly"),
    [
        ("grade", "2", "field_invalid:grade"),
        ("grade", ["II"], "field_invalid:grade"),
        ("category", "volcano", "field_invalid:category"),
        ("sensitive", "yes", "field_invalid:sensitive"),
        ("casualties", {"dead": -1}, "field_invalid:casualties.dead"),
        ("casualties", {"dead": "三"}, "field_invalid:casualties.dead"),
        ("schedule", "cn-nowhere", "schedule_unknown"),
        ("occurred", "0001-01-01T00:00:00+00:00", "occurrence_unknown"),
        ("occurred", "9999-12-31T23:59:59+00:00", "occurrence_unknown"),
        ("occurred", "2026-11-23T14:00:00", "occurrence_unknown"),
        ("occurred", "yesterday", "occurrence_unknown"),
        ("occurred", 1_763_900_000, "occurrence_unknown"),
        ("occurred", "2015-03-04T05:06:07+08:00", "no_edition_in_force"),
    ],
)
def test_a_field_that_cannot_be_read_is_named_and_the_incident_opens(
    town: District, field: str, value: object, anomaly: str
) -> None:
    publisher = town.publisher("east")

    answer = publisher.outcome(publisher.occurred().but(**{field: value}))

    incident = town.desk.incident(answer["incident"])
    assert answer["outcome"] == "accepted"
    assert anomaly in incident["anomalies"]
    assert len(incident["clocks"]) == 3


def test_an_unreadable_occurrence_counts_as_absent_and_is_named(town: District) -> None:
    incident = town.desk.incident(town.publisher("east").open(occurred="2026-11-23T14:00:00"))

    assert {"occurrence_unknown", "field_invalid:occurred"} <= set(incident["anomalies"])
    assert incident["occurred"]["provisional"] is True
    assert incident["clocks"][0]["starts_at"] == incident["received_at"]


def test_a_leap_second_is_the_next_second(town: District) -> None:
    incident = town.desk.incident(town.publisher("east").open(occurred="2016-12-31T23:59:60Z"))

    assert incident["occurred"]["earliest"] == "2017-01-01T00:00:00.000000Z"
    assert not [x for x in incident["anomalies"] if x.startswith(("field_invalid", "occurrence"))]


def test_unknown_extra_fields_are_kept_and_shown(town: District) -> None:
    incident = town.desk.incident(town.publisher("east").open(wind={"speed": 7, "from": "东南风"}))

    assert "东南风" in json.dumps(incident, ensure_ascii=False)


# --- CAP -----------------------------------------------------------------------------------------

CAP = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
  <identifier>{id}</identifier><sender>cap@example.org</sender><sent>{sent}</sent>
  <status>{status}</status><msgType>Alert</msgType><scope>Public</scope>
  <info><language>zh-CN</language><category>Fire</category><event>火灾</event><urgency>Immediate</urgency>
    <severity>Severe</severity><certainty>Observed</certainty><onset>{onset}</onset>
    <headline>仓库火灾 {id}</headline><area><areaDesc>东街道3号库</areaDesc></area></info>
</alert>"""


def cap(publisher: Publisher, body: str) -> Json:
    """Publishes a CAP alert and returns its outcome."""
    reply = publisher.nats.inbox()
    answers = publisher.nats.subscribe(reply)
    headers = {"Content-Type": "application/cap+xml", "Reporter-Reply": reply}
    jetstream.publish(publisher.nats, f"reporter.in.cap.{publisher.unit}", body.encode(), headers)
    answer = answers.next(within=8).json
    answers.close()
    return answer


@pytest.mark.parametrize(("status", "mode"), [("Actual", "actual"), ("Exercise", "exercise")])
def test_a_cap_alert_opens_an_incident(town: District, status: str, mode: str) -> None:
    onset = ago(minutes=4).replace(microsecond=0)
    local: Callable[[str], str] = lambda stamp: stamp.replace(".000000Z", "-00:00")  # noqa: E731
    body = CAP.format(id=f"cap-{status}", status=status, sent=local(text(onset)), onset=local(text(onset)))

    answer = cap(town.publisher("east"), body)

    incident = town.desk.incident(answer["incident"])
    assert answer["outcome"] == "accepted"
    assert incident["title"].startswith("仓库火灾")
    assert (incident["mode"], incident["category"], incident["unit"]) == (mode, "accident", "east")
    assert instant(incident["occurred"]["earliest"]) == onset


def test_hostile_xml_is_rejected_without_harm(town: District) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><alert>&c;</alert>'

    assert cap(town.publisher("east"), bomb)["outcome"] == "rejected"
