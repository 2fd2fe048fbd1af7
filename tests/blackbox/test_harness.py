"""The suite's own tools, against a real nats-server: they must be right before they judge anything."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from . import jetstream
from .events import STRUCTURED, Event, Publisher, incident_id
from .ledgercheck import FIRST_PREV, check_chain, line_hash, published, standing_breaches
from .moments import Json, eventually, instant, now, text
from .natsclient import Message, Nats, NatsError, header_block
from .reckoning import Case
from .service import Broker
from .traffic import SPAN
from .webhook import Receiver


@pytest.fixture
def nats(broker: Broker) -> Iterator[Nats]:
    with Nats(broker.url) as client:
        yield client


def a_stream(nats: Nats, name: str = "PROBE") -> None:
    jetstream.api(nats, f"STREAM.CREATE.{name}", {"name": name, "subjects": ["probe.>"], "storage": "file"})


def test_plain_messages_arrive_in_order_with_their_reply_subject(nats: Nats) -> None:
    heard = nats.subscribe("talk.*")

    nats.publish("talk.a", b"one", reply="back.here")
    nats.publish("talk.b", "两".encode())

    assert heard.next() == Message("talk.a", "back.here", b"", b"one")
    assert heard.next().data.decode() == "两"


def test_any_header_block_goes_out_byte_for_byte(nats: Nats) -> None:
    heard = nats.subscribe("talk.*")
    blocks = [
        header_block({"Status": "404", "Description": "No Messages"}),
        b"NATS/1.0 404 No Messages\r\n\r\n",
        b"no colon here\r\n\xff\xfe\r\n\r\n",
    ]

    for block in blocks:
        nats.publish("talk.x", b"body", block)

    assert [(m.header, m.data) for m in (heard.next() for _ in blocks)] == [(b, b"body") for b in blocks]


def test_jetstream_acknowledges_and_gives_back_the_exact_bytes(nats: Nats) -> None:
    a_stream(nats)
    before = now()

    first = jetstream.publish(nats, "probe.a", b"\xff\x00body", {"X": "1"})
    second = jetstream.publish(nats, "probe.b", b"", b"NATS/1.0 503\r\n\r\n")

    held = jetstream.stored(nats, "PROBE", first)
    assert (first, second) == (1, 2)
    assert (held.subject, held.data, held.header) == ("probe.a", b"\xff\x00body", header_block({"X": "1"}))
    assert before - timedelta(seconds=1) < held.stored_at < now() + timedelta(seconds=1)
    assert [m.subject for m in jetstream.messages(nats, "PROBE")] == ["probe.a", "probe.b"]
    assert [m.subject for m in jetstream.messages(nats, "PROBE", "probe.b")] == ["probe.b"]


def test_a_subject_without_a_stream_is_an_error_not_a_silence(nats: Nats) -> None:
    with pytest.raises(NatsError, match="no responders"):
        jetstream.publish(nats, "nowhere.at.all", b"")


def test_a_broker_that_dies_ends_waiting_at_once(broker: Broker, nats: Nats) -> None:
    heard = nats.subscribe("talk.*")

    broker.stop()

    with pytest.raises(NatsError, match="closed"):
        heard.next(within=5)


def test_both_modes_carry_the_same_event() -> None:
    event = Event("occurred", "east", {"title": "爆燃"}, "urn:来源", "id-1", {"traceparent": "00-ab-cd-01"})

    headers, body = event.structured()
    binary, data = event.binary()

    assert headers == STRUCTURED and event.subject == "reporter.in.incident.east"
    assert json.loads(body)["data"] == json.loads(data) == {"title": "爆燃"}
    assert binary["ce-source"] == "urn:%E6%9D%A5%E6%BA%90" and binary["ce-traceparent"] == "00-ab-cd-01"
    assert event.incident == incident_id("urn:来源", "id-1")
    assert incident_id("a", "b") == str(
        uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, "urn:reporter:incident"), "a\nb")
    )


def test_a_publisher_waits_for_an_outcome_and_says_when_none_comes(nats: Nats) -> None:
    jetstream.api(nats, "STREAM.CREATE.IN", {"name": "IN", "subjects": ["reporter.in.>"]})
    publisher = Publisher(nats, "east")

    with pytest.raises(AssertionError, match="no outcome"):
        publisher.outcome(publisher.occurred(), within=0.2)


def a_chain(count: int = 3) -> list[Json]:
    lines: list[Json] = []
    for version in range(1, count + 1):
        kind = "opened" if version == 1 else "breached"
        line: Json = {
            "incident": "i", "version": version, "kind": kind, "at": text(now()), "recorded_at": text(now()),
            "actor": "engine", "body": {"obligation": f"o{version}", "字": 1.5},
            "prev": lines[-1]["hash"] if lines else FIRST_PREV,
        }  # fmt: skip
        lines.append(line | {"hash": line_hash(line)})
    return lines


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1]["body"].update(obligation="other"),
        lambda lines: lines[1].update(at="2021-01-01T00:00:00Z"),
        lambda lines: lines.pop(1),
        lambda lines: lines[1].update(prev=FIRST_PREV, hash=line_hash({**lines[1], "prev": FIRST_PREV})),
        lambda lines: lines.clear(),
        lambda lines: lines[2].update(version=4),
    ],
)
def test_the_ledger_check_finds_every_kind_of_tampering(change: object) -> None:
    lines = a_chain()
    check_chain(lines, "i")
    tampered = copy.deepcopy(lines)

    assert callable(change)
    change(tampered)

    with pytest.raises(AssertionError):
        check_chain(tampered, "i")


def test_a_second_breach_upon_a_standing_one_is_found() -> None:
    breach: Json = {"kind": "breached", "body": {"obligation": "initial"}}
    lifted: Json = {"kind": "breach_lifted", "body": {"obligation": "initial"}}

    assert len(standing_breaches([breach, lifted, breach], "initial")) == 1
    assert standing_breaches([breach, lifted], "initial") == []
    with pytest.raises(AssertionError, match="second breach"):
        standing_breaches([breach, breach], "initial")


def out(line: Json, name: str) -> Message:
    event = {"specversion": "1.0", "id": name, "source": "/x", "type": "t", "data": line}
    headers = header_block(STRUCTURED | {"Nats-Msg-Id": name})
    return Message(f"reporter.out.{line['kind']}.east", "", headers, json.dumps(event).encode())


def test_the_check_of_what_was_published_takes_repeats_and_refuses_gaps() -> None:
    one, two, three = a_chain()

    repeated = published([out(one, "i/1"), out(two, "i/2"), out(two, "i/2"), out(three, "i/3")])
    assert [x["version"] for x in repeated["i"]] == [1, 2, 3]
    with pytest.raises(AssertionError, match="out of order"):
        published([out(one, "i/1"), out(three, "i/3")])
    with pytest.raises(AssertionError, match="two contents"):
        published([out(one, "i/1"), out({**one, "at": "x"}, "i/1")])


def test_an_incident_opened_by_a_later_copy_owes_no_reminder_that_was_past_when_that_came() -> None:
    occurred = now() - timedelta(minutes=1)
    first, second = occurred + timedelta(milliseconds=1), occurred + SPAN + timedelta(milliseconds=30)

    case = Case("an incident", occurred, {first, second})

    owed = [
        case.owes(kind, now(), opened_at)
        for kind in ("reminded", "breached")
        for opened_at in (first, second)
    ]
    assert owed == [True, False, True, True]


def test_instants_are_read_and_printed_to_the_microsecond() -> None:
    moment = now()

    assert instant(text(moment)) == moment
    assert jetstream.cut("2026-11-23T06:00:00.999999999Z") == instant("2026-11-23T06:00:00.999999Z")
    assert jetstream.cut("2026-11-23T06:00:00.5Z") == instant("2026-11-23T06:00:00.500000Z")
    assert jetstream.cut("2026-11-23T06:00:00Z") == instant("2026-11-23T06:00:00Z")
    with pytest.raises(ValueError, match="offset"):
        instant("2026-11-23T06:00:00")


def test_waiting_is_bounded_and_says_what_it_last_saw() -> None:
    with pytest.raises(AssertionError, match=r"not within 0.1 s: the moon; last seen: 0"):
        eventually(lambda: 0, within=0.1, why="the moon")


def test_the_receiver_keeps_what_is_posted_and_answers_as_told() -> None:
    receiver = Receiver(answers=[500, 200])
    try:
        answers = [httpx.post(receiver.address("/a"), json={"t": "超时"}).status_code for _ in range(3)]

        assert answers == [500, 200, 200]
        assert [x.path for x in receiver.about("超时")] == ["/a"] * 3
    finally:
        receiver.close()
