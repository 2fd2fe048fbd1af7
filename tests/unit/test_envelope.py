"""What arrives over NATS: an event, or everything that is wrong with it."""

import base64
import hashlib
import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.core.canonical import canonical
from reporter.intake.envelope import Event, Problem, Unreadable, read, reply_subject

SUBJECT = "reporter.in.incident.hitech"
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
DATA: dict[str, object] = {"title": "化工园区爆燃", "occurred": "2026-11-23T14:00:00+08:00"}
CAP = (Path(__file__).parents[1] / "cap" / "alert.xml").read_bytes()


def an_event(**changes: object) -> dict[str, object]:
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "urn:publisher:110",
        "type": "reporter.incident.occurred",
        "data": DATA,
    }
    event |= changes
    return {name: value for name, value in event.items() if value is not ...}


def body_of(value: object) -> bytes:
    return json.dumps(value).encode()


def ce_headers(**changes: str) -> dict[str, str]:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "e-1",
        "ce-source": "urn:publisher:110",
        "ce-type": "reporter.incident.occurred",
        "Content-Type": "application/json",
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    return headers


def errors_of(subject: str, headers: dict[str, str] | None, body: bytes) -> dict[str, str]:
    with pytest.raises(Unreadable) as unreadable:
        read(subject, headers, body)
    errors = unreadable.value.errors
    assert errors
    assert all(problem.path and problem.message for problem in errors)
    assert len({problem.path for problem in errors}) == len(errors)
    return {problem.path: problem.message for problem in errors}


# --- the two modes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (STRUCTURED, body_of(an_event())),
        ({"content-TYPE": "Application/CloudEvents+JSON; charset=UTF-8"}, body_of(an_event())),
        ({"Content-Type": "application/cloudevents"}, body_of(an_event())),
        (None, body_of(an_event())),
        ({}, body_of(an_event())),
        ({"Nats-Msg-Id": "e-1"}, body_of(an_event())),
        ({"Content-Type": "application/json"}, body_of(an_event())),
        (STRUCTURED | ce_headers() | STRUCTURED, body_of(an_event())),
        (None, body_of(an_event(time="yesterday", datacontenttype="application/json", traceparent="x", n=1))),
        (None, body_of(an_event(data=..., data_base64=base64.b64encode(body_of(DATA)).decode()))),
        (None, body_of(an_event(data_base64=None, datacontenttype=None))),
        (ce_headers(), body_of(DATA)),
        ({name.upper(): value for name, value in ce_headers().items()}, body_of(DATA)),
        (ce_headers(ce_time="whenever", ce_extension="x"), body_of(DATA)),
        (ce_headers(Content_Type="application/geo+json;charset=utf-8"), body_of(DATA)),
        ({k: v for k, v in ce_headers().items() if k != "Content-Type"}, body_of(DATA)),
        (ce_headers(ce_datacontenttype="application/json"), json.dumps(DATA, indent=2).encode()),
        (ce_headers(ce_id='"e-1"', ce_source="urn%3apublisher%3A110"), body_of(DATA)),
    ],
)
def test_every_way_to_write_one_event_gives_the_same_event(
    headers: dict[str, str] | None, body: bytes
) -> None:
    canonical_json = canonical([SUBJECT, "reporter.incident.occurred", DATA])

    assert read(SUBJECT, headers, body) == Event(
        source="urn:publisher:110",
        id="e-1",
        type="reporter.incident.occurred",
        subject=SUBJECT,
        kind="incident",
        unit_code="hitech",
        data=DATA,
        digest=hashlib.sha256(canonical_json).hexdigest(),
    )


@pytest.mark.parametrize(
    ("subject", "kind", "unit_code", "type_"),
    [
        ("reporter.in.incident.hitech", "incident", "hitech", "reporter.incident.amended"),
        (
            "reporter.in.incident.nobody.registered.THIS",
            "incident",
            "nobody.registered.THIS",
            "reporter.incident.closed",
        ),
        ("reporter.in.incident.高新区", "incident", "高新区", "reporter.incident.withdrawn"),
        ("reporter.in.incident.a", "incident", "a", "reporter.incident.reopened"),
        ("reporter.in.report.a", "report", "a", "reporter.report.filed"),
        ("reporter.in.ack.a", "ack", "a", "reporter.notice.acknowledged"),
    ],
)
def test_the_subject_says_the_kind_and_the_unit(subject: str, kind: str, unit_code: str, type_: str) -> None:
    event = read(subject, None, body_of(an_event(type=type_)))

    assert (event.kind, event.unit_code, event.type) == (kind, unit_code, type_)


def test_the_digest_tells_subject_type_and_data_apart_and_nothing_else() -> None:
    digest = read(SUBJECT, None, body_of(an_event())).digest

    others = [
        read("reporter.in.incident.other", None, body_of(an_event())).digest,
        read(SUBJECT, None, body_of(an_event(type="reporter.incident.amended"))).digest,
        read(SUBJECT, None, body_of(an_event(data=DATA | {"grade": "I"}))).digest,
    ]
    assert len({digest, *others}) == 4
    assert read(SUBJECT, None, body_of(an_event(id="e-2", source="s", time="t"))).digest == digest


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("%E9%AB%98%E6%96%B0", "高新"),
        ("Euro%20%e2%82%ac%20%F0%9F%98%80", "Euro € \U0001f600"),
        ("100%25%32%35", "100%25"),
        ("100% sure", "100% sure"),
        ('"a \\"b\\" \\\\ c"', 'a "b" \\ c'),
        ("高新", "高新"),
        ("高新".encode().decode("ascii", "surrogateescape"), "高新"),
    ],
)
def test_a_header_value_is_unquoted_and_percent_decoded_once(sent: str, meant: str) -> None:
    assert read(SUBJECT, ce_headers(ce_source=sent), body_of(DATA)).source == meant


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "path", "words"),
    [
        (an_event(specversion=...), "specversion", "1.0"),
        (an_event(specversion="0.3"), "specversion", "1.0"),
        (an_event(specversion=1.0), "specversion", "1.0"),
        (an_event(id=...), "id", "non-empty"),
        (an_event(id=""), "id", "non-empty"),
        (an_event(id=7), "id", "non-empty"),
        (an_event(id="x" * 1025), "id", "1024"),
        (an_event(id="a\nb"), "id", "control"),
        (an_event(source="a\u0085b"), "source", "control"),
        (an_event(source=None), "source", "non-empty"),
        (an_event(source="/api/x"), "source", "HTTP"),
        (
            an_event(type="reporter.incident.exploded"),
            "type",
            "reporter.incident.occurred, reporter.incident.amended",
        ),
        (an_event(type="reporter.report.filed"), "type", "on reporter.in.incident.>"),
        (an_event(type=["reporter.incident.occurred"]), "type", "non-empty"),
        (an_event(datacontenttype="text/plain"), "datacontenttype", "application/json"),
        (an_event(datacontenttype=3), "datacontenttype", "application/json"),
        (an_event(data=...), "data", "object"),
        (an_event(data=None), "data", "object"),
        (an_event(data=[DATA]), "data", "object"),
        (an_event(data=json.dumps(DATA)), "data", "object"),
        (an_event(data_base64="e30="), "data_base64", "exclude"),
        (an_event(data=..., data_base64="not base64"), "data_base64", "base64"),
        (an_event(data=..., data_base64="非"), "data_base64", "base64"),
        (an_event(data=..., data_base64={}), "data_base64", "base64"),
        (an_event(data=..., data_base64=base64.b64encode(b'{"a": NaN}').decode()), "data_base64.a", "NaN"),
        (an_event(data=..., data_base64=""), "data_base64", "empty"),
        (an_event(data=DATA | {"unit": "other"}), "data.unit", "differs"),
        ([an_event()], "body", "object"),
        ("text", "body", "object"),
    ],
)
def test_one_thing_wrong_is_named_alone(event: object, path: str, words: str) -> None:
    errors = errors_of(SUBJECT, STRUCTURED, body_of(event))

    assert list(errors) == [path]
    assert words in errors[path]


@pytest.mark.parametrize("unit", ["hitech", None, 7])
def test_a_unit_in_the_data_that_contradicts_nothing_is_left_to_the_gate(unit: object) -> None:
    assert read(SUBJECT, None, body_of(an_event(data=DATA | {"unit": unit}))).data["unit"] == unit


def test_all_that_is_wrong_is_told_together() -> None:
    structured = errors_of(SUBJECT, None, b'{"title": "x"}')
    odd = errors_of(SUBJECT, None, body_of(an_event(id="", source="/api/x", type="t", data={"unit": "u"})))
    binary = errors_of(SUBJECT, {"ce-id": "%FF", "ce-source": "", "Content-Type": "text/xml"}, b"")

    assert set(structured) == {"specversion", "id", "source", "type", "data"}
    assert set(odd) == {"id", "source", "type", "data.unit"}
    assert set(binary) == {"ce-specversion", "ce-id", "ce-source", "ce-type", "content-type", "data"}


@pytest.mark.parametrize(
    ("headers", "body", "path", "words"),
    [
        (ce_headers(), b"[]", "data", "object"),
        (ce_headers(), b"", "data", "empty"),
        (ce_headers(), b'{"place": {"lat": NaN}}', "data.place.lat", "NaN"),
        (ce_headers(), b'{"unit": "other"}', "data.unit", "differs"),
        (ce_headers(ce_id="%C0%A0"), b"{}", "ce-id", "UTF-8"),
        (ce_headers(ce_id="a%0Ab"), b"{}", "ce-id", "control"),
        (ce_headers(ce_id="a%00b"), b"{}", "ce-id", "control"),
        (ce_headers(ce_id="%EF%BF%BF"), b"{}", "ce-id", "forbidden"),
        (ce_headers(ce_id="\ud800"), b"{}", "ce-id", "UTF-8"),
        (ce_headers(ce_source="/api/x"), b"{}", "ce-source", "HTTP"),
        (ce_headers(ce_type="reporter.report.filed"), b"{}", "ce-type", "reporter.incident.occurred"),
        (ce_headers(Content_Type="text/plain"), b"{}", "content-type", "application/json"),
        (ce_headers(ce_datacontenttype="image/png"), b"{}", "ce-datacontenttype", "application/json"),
        (ce_headers(**{"CE-ID": "other"}), b"{}", "ce-id", "two different"),
        ({"Content-Type": "application/cloudevents-batch+json"}, b"[]", "content-type", "batch"),
        ({"Content-Type": "application/cloudevents+avro"}, b"", "content-type", "+json"),
        ({"Content-Type": "application/cap+xml"}, CAP, "body", "reporter.in.cap"),
        (None, CAP, "body", "reporter.in.cap"),
        (STRUCTURED, b"\x00\x01 not json", "body", "not JSON"),
        (STRUCTURED, b'{"data": {"title": "\\ud800"}}', "data.title", "U+D800"),
    ],
)
def test_a_message_in_a_wrong_form_is_refused(
    headers: dict[str, str] | None, body: bytes, path: str, words: str
) -> None:
    errors = errors_of(SUBJECT, headers, body)

    assert list(errors) == [path]
    assert words in errors[path]


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "reporter",
        "reporter.in",
        "reporter.in.incident",
        "reporter.in.incident.",
        "reporter.in.alarm.hitech",
        "reporter.out.incident.hitech",
        "xreporter.in.incident.hitech",
        "incident.hitech",
        "reporter.in.incident.a\0",
        "reporter.in.incident.\ud800",
        "reporter.in.cap.",
        "reporter.in.cap.\n",
    ],
)
def test_a_subject_that_no_row_of_the_table_has_is_refused(subject: str) -> None:
    assert list(errors_of(subject, None, body_of(an_event()))) == ["subject"]


@pytest.mark.parametrize(
    "noise",
    [
        Random(1).randbytes(900_000),
        b"[" * 262_144,
        b'{"a":' * 50_000,
        b"\xff\xfe\xfd",
        body_of(an_event()).replace(b'"1.0"', b"NaN"),
        body_of(an_event()).replace(b'"e-1"', b'"e-1", "id": "e-1"'),
        body_of(an_event()).replace(b'"e-1"', b"1" * 30),
        body_of(an_event()).replace(b"e-1", b"\\ud800"),
        body_of(an_event()).replace(b"e-1", b"\\u0000"),
        body_of(an_event()) + b" " * 262_144,
        body_of(an_event())[:-1],
        body_of(an_event()).decode().encode("utf-16"),
    ],
    ids=lambda noise: noise[:8].hex(),
)
@pytest.mark.parametrize("headers", [None, STRUCTURED, ce_headers()], ids=["bare", "structured", "binary"])
def test_nonsense_is_refused_in_every_mode(noise: bytes, headers: dict[str, str] | None) -> None:
    for subject in (SUBJECT, "reporter.in.report.a", "reporter.in.cap.a"):
        if headers is not None and "ce-id" in headers and noise.startswith(b"{") and len(noise) < 1000:
            continue  # in binary mode the body's envelope is only data
        assert errors_of(subject, headers, noise)


header_texts = st.text(max_size=20) | st.sampled_from(
    ["1.0", "reporter.incident.occurred", "application/json"]
)


@given(
    subject=st.text(max_size=20) | st.sampled_from([SUBJECT, "reporter.in.cap.a", "reporter.in.ack.b"]),
    headers=st.none()
    | st.dictionaries(
        st.sampled_from([*ce_headers(), "CE-Id", "ce-", "ce-time", "Reporter-Reply"]) | st.text(max_size=9),
        header_texts,
    ),
    body=st.binary(max_size=80)
    | st.sampled_from([body_of(DATA), body_of(an_event()), CAP, CAP[:500], b"<a/>"])
    | st.dictionaries(st.sampled_from([*an_event(), "data_base64"]), st.text(max_size=9) | st.integers()).map(
        body_of
    ),
)
def test_whatever_is_sent_the_answer_is_an_event_or_unreadable(
    subject: str, headers: dict[str, str] | None, body: bytes
) -> None:
    reply_subject(headers)
    event, errors = None, []
    try:
        event = read(subject, headers, body)
    except Unreadable as unreadable:
        errors = unreadable.errors

    if event is None:
        assert errors
        assert "".join(problem.message for problem in errors).encode()
    else:
        assert event.source
        assert event.id
        assert len(event.digest) == 64


# --- CAP, and the reply ------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [None, {"Content-Type": "application/cap+xml"}, ce_headers()])
def test_a_cap_alert_becomes_the_event_it_stands_for(headers: dict[str, str] | None) -> None:
    event = read("reporter.in.cap.hitech", headers, CAP)

    assert (event.kind, event.unit_code, event.type) == ("cap", "hitech", "reporter.incident.occurred")
    assert (event.source, event.id) == ("cap:duty@park.example", "PARK-2026-0417")
    assert event.digest == hashlib.sha256(canonical([event.subject, event.type, event.data])).hexdigest()


def test_a_cap_alert_without_a_usable_identity_is_refused() -> None:
    assert list(errors_of("reporter.in.cap.a", None, CAP.replace(b"duty@park", b"x" * 1024))) == ["sender"]
    assert list(errors_of("reporter.in.cap.a", None, CAP.replace(b"PARK-2", b"PARK&#10;2"))) == ["identifier"]


def test_json_on_the_cap_subject_is_refused() -> None:
    assert "CAP 1.2" in errors_of("reporter.in.cap.a", None, body_of(an_event()))["body"]


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        (None, (None, False)),
        ({}, (None, False)),
        ({"Reply-To": "_INBOX.a"}, (None, False)),
        ({"Reporter-Reply": "_INBOX.abc.1"}, ("_INBOX.abc.1", False)),
        ({"reporter-REPLY": " reporter.reply.town "}, ("reporter.reply.town", False)),
        ({"Reporter-Reply": "_INBOX.a", "reporter-reply": "_INBOX.a"}, ("_INBOX.a", False)),
        ({"Reporter-Reply": "_INBOX.a", "reporter-reply": "_INBOX.b"}, (None, True)),
        ({"Reporter-Reply": ""}, (None, True)),
        ({"Reporter-Reply": "_INBOX"}, (None, True)),
        ({"Reporter-Reply": "_INBOX."}, (None, True)),
        ({"Reporter-Reply": "_INBOX..a"}, (None, True)),
        ({"Reporter-Reply": "_INBOX.a."}, (None, True)),
        ({"Reporter-Reply": "_INBOX.*"}, (None, True)),
        ({"Reporter-Reply": "_INBOX.>"}, (None, True)),
        ({"Reporter-Reply": "_INBOX.a b"}, (None, True)),
        ({"Reporter-Reply": "_INBOX.a\r\nPUB x 1"}, (None, True)),
        ({"Reporter-Reply": "_inbox.a"}, (None, True)),
        ({"Reporter-Reply": "reporter.out.opened.a"}, (None, True)),
        ({"Reporter-Reply": "reporter.in.incident.a"}, (None, True)),
        ({"Reporter-Reply": "$JS.API.STREAM.DELETE.REPORTER_IN"}, (None, True)),
        ({"Reporter-Reply": "_INBOX." + "a" * 2000}, (None, True)),
    ],
)
def test_the_outcome_goes_only_where_it_may(
    headers: dict[str, str] | None, answer: tuple[str | None, bool]
) -> None:
    assert reply_subject(headers) == answer


def test_problems_can_be_compared_and_read() -> None:
    unreadable = Unreadable(Problem("a", "b"), Problem("c", "d"))

    assert unreadable.errors == [Problem("a", "b"), Problem("c", "d")]
    assert str(unreadable) == "a: b; c: d"
