"""The AsyncAPI 3.0 document: every subject of contract sections 2 and 5, made from the glossary."""

from reporter import __version__
from reporter.core.terms import CommandKind, FactKind
from reporter.desk.schemas import (
    COMMAND_SCHEMAS,
    COUNT,
    ERRORS,
    HASH,
    INSTANT,
    NUMBER,
    SCHEMAS,
    TEXT,
    TEXTS,
    UUID,
    Schema,
    maybe,
    record,
    ref,
    sent,
)

EVENT_TYPE = "application/cloudevents+json"

_IN: dict[str, tuple[str, tuple[CommandKind, ...]]] = {
    "incident": (
        "Opens incidents, amends, withdraws, closes and reopens them.",
        (
            CommandKind.OCCURRED,
            CommandKind.AMENDED,
            CommandKind.WITHDRAWN,
            CommandKind.CLOSED,
            CommandKind.REOPENED,
        ),
    ),
    "report": ("Files reports.", (CommandKind.FILED,)),
    "ack": ("A person takes notices.", (CommandKind.ACKNOWLEDGED,)),
}
_TARGET: Schema = {
    "incident": {**UUID, "description": "The incident; or name its occurred event by `event`."},
    "event": sent({"source": TEXT, "id": TEXT}, ["source", "id"]),
}
_UNIT: Schema = {"unit": {"description": "A registered unit's code, [a-z0-9-]{1,64}."}}
_REPLY = "Reporter-Reply"
_HEADERS: Schema = {
    "type": "object",
    "properties": {
        "Content-Type": {
            "type": "string",
            "description": "application/cloudevents+json; in binary mode (ce-… headers) that of the data.",
        },
        _REPLY: {
            "type": "string",
            "description": "Where the outcome is published, after the commit: _INBOX.> or reporter.reply.>",
        },
    },
}
_OUTCOME = record(
    {
        "outcome": {"type": "string", "enum": ["accepted", "duplicate", "held", "rejected"]},
        "incident": maybe(UUID),
        "anomalies": TEXTS,
        "errors": ERRORS,
    },
    description="What became of a message, said after the commit and at most once.",
)
_REJECTED = sent(
    {
        "subject": TEXT,
        "stream_seq": maybe(COUNT),
        "received_at": INSTANT,
        "reasons": ERRORS,
        "size": COUNT,
        "sha256": HASH,
        "head_base64": TEXT,
        "headers_base64": TEXT,
    },
    description="A message nobody could understand: it is kept byte for byte; here are its first 4096 bytes.",
)
_SEALED = record(
    {
        "at": INSTANT,
        "hour": maybe(INSTANT),
        "incidents": COUNT,
        "lines": COUNT,
        "number": COUNT,
        "prev": HASH,
        "root": HASH,
        "hash": HASH,
    },
    description="The Merkle root of all ledger heads, chained: a whole incident cannot vanish unseen.",
)


def document() -> Schema:
    """The whole document. Each call makes a new one."""
    messages: dict[str, Schema] = {}
    channels: dict[str, Schema] = {}
    operations: dict[str, Schema] = {}
    for door, (summary, kinds) in _IN.items():
        names = []
        for kind in kinds:
            name = COMMAND_SCHEMAS[kind][0]
            names.append(name)
            messages[name] = _message(kind.value, _command_event(kind), _HEADERS)
        channels[f"in-{door}"] = _channel(f"reporter.in.{door}.{{unit}}", names, summary, _UNIT)
        operations[f"take-{door}"] = _operation("receive", f"in-{door}", names, reply=True)
    messages["CapAlert"] = {
        "name": "CapAlert",
        "title": "OASIS CAP 1.2 alert",
        "contentType": "application/cap+xml",
        "headers": _HEADERS,
        "payload": {
            "type": "string",
            "description": "XML; becomes an occurred, amended or withdrawn command.",
        },
    }
    channels["in-cap"] = _channel("reporter.in.cap.{unit}", ["CapAlert"], "Takes CAP alerts.", _UNIT)
    operations["take-cap"] = _operation("receive", "in-cap", ["CapAlert"], reply=True)
    for fact in FactKind:
        name = f"Fact-{fact.value}"
        line = {"allOf": [ref("LedgerLine"), {"properties": {"kind": {"const": fact.value}}}]}
        messages[name] = _message(f"reporter.fact.{fact.value}", _event(f"reporter.fact.{fact.value}", line))
    messages["Rejected"] = _message(
        "reporter.fact.rejected", _event("reporter.fact.rejected", ref("RejectedFact"))
    )
    messages["Sealed"] = _message("reporter.fact.sealed", _event("reporter.fact.sealed", ref("Sealed")))
    out = {
        **{fact.value: f"Fact-{fact.value}" for fact in FactKind},
        "rejected": "Rejected",
        "sealed": "Sealed",
    }
    for word, name in out.items():
        summary = f"Facts of kind {word}, at least once, in version order per incident."
        channels[f"out-{word}"] = _channel(f"reporter.out.{word}.{{unit}}", [name], summary, _UNIT)
        operations[f"publish-{word}"] = _operation("send", f"out-{word}", [name])
    messages["Outcome"] = {
        "name": "Outcome",
        "title": "What became of a message",
        "contentType": "application/json",
        "payload": ref("Outcome"),
    }
    channels["outcome"] = _channel(None, ["Outcome"], f"Where a message's {_REPLY} header says.")
    messages["Heartbeat"] = {
        "name": "Heartbeat",
        "title": "The service is alive",
        "contentType": "application/json",
        "payload": sent(
            {
                "at": INSTANT,
                "replica": TEXT,
                "count": COUNT,
                "oldest_undecided_s": NUMBER,
                "skew_ms": maybe({"type": "integer"}),
            }
        ),
    }
    channels["heartbeat"] = _channel("reporter.heartbeat", ["Heartbeat"], "Core NATS, in no stream.")
    operations["beat"] = _operation("send", "heartbeat", ["Heartbeat"])
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Reporter 突发事件直报时限跟踪",
            "version": __version__,
            "description": "Streams REPORTER_IN and REPORTER_OUT (file storage, 30 days). CloudEvents 1.0; "
            "(source, id) names an event for ever.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": EVENT_TYPE,
        "servers": {
            "broker": {
                "host": "{host}:{port}",
                "pathname": "",
                "protocol": "nats",
                "variables": {
                    "host": {"default": "127.0.0.1", "description": "The broker's host."},
                    "port": {"default": "4222", "description": "The broker's port."},
                },
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": {
                **dict(COMMAND_SCHEMAS.values()),
                "LedgerLine": SCHEMAS["LedgerLine"],
                "RejectedFact": _REJECTED,
                "Sealed": _SEALED,
                "Outcome": _OUTCOME,
            },
        },
    }


def _command_event(kind: CommandKind) -> Schema:
    data = ref(COMMAND_SCHEMAS[kind][0])
    if kind is not CommandKind.OCCURRED:
        data = {"allOf": [data, sent(_TARGET)]}
    return _event(kind.value, data)


def _event(type_: str, data: Schema) -> Schema:
    """A structured CloudEvent."""
    return record(
        {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1},
            "source": {"type": "string", "minLength": 1},
            "type": {"const": type_},
            "time": INSTANT,
            "subject": TEXT,
            "datacontenttype": TEXT,
            "data": data,
        },
        "time",
        "subject",
        "datacontenttype",
    )


def _message(name: str, payload: Schema, headers: Schema | None = None) -> Schema:
    made: Schema = {"name": name, "title": name, "contentType": EVENT_TYPE, "payload": payload}
    if headers:
        made["headers"] = headers
    return made


def _channel(
    address: str | None, messages: list[str], summary: str, parameters: Schema | None = None
) -> Schema:
    made: Schema = {
        "address": address,
        "summary": summary,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }
    if parameters:
        made["parameters"] = parameters
    return made


def _operation(action: str, channel: str, messages: list[str], *, reply: bool = False) -> Schema:
    made: Schema = {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }
    if reply:
        made["reply"] = {
            "address": {"location": f"$message.header#/{_REPLY}"},
            "channel": {"$ref": "#/channels/outcome"},
            "messages": [{"$ref": "#/channels/outcome/messages/Outcome"}],
        }
    return made
