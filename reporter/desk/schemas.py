"""JSON schemas of what goes in and out, made from the glossary: OpenAPI and AsyncAPI both refer to them.

They describe; they do not check. What comes in is read by `core.reading`, the same for every door.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any  # documents of JSON have no narrower type

from reporter.core.reading import CASUALTY_COUNTS
from reporter.core.terms import (
    Category,
    ClockState,
    CommandKind,
    FactKind,
    Form,
    Grade,
    IncidentState,
    Mode,
    NoticeReason,
    NoticeState,
    Verdict,
)

Schema = dict[str, Any]

INSTANT: Schema = {"type": "string", "format": "date-time"}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
UUID: Schema = {"type": "string", "format": "uuid"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
TEXTS: Schema = {"type": "array", "items": TEXT}
HASH: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
UNIT: Schema = {"type": "string", "pattern": "^[a-z0-9-]{1,64}$"}
MONTH: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}$"}


def ref(name: str) -> Schema:
    """A reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def words(terms: Iterable[StrEnum]) -> Schema:
    """One of these words."""
    return {"type": "string", "enum": [term.value for term in terms]}


def maybe(schema: Schema) -> Schema:
    """The schema, or null."""
    if "type" not in schema or "enum" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def listing(item: Schema) -> Schema:
    """A page of a list."""
    return record({"items": {"type": "array", "items": item}, "next": maybe(TEXT)})


def record(members: Schema, *optional: str, description: str = "") -> Schema:
    """An object; every member is there, but for the optional ones. More members may be added."""
    made: Schema = {"type": "object", "properties": members}
    if required := [name for name in members if name not in optional]:
        made["required"] = required
    if description:
        made["description"] = description
    return made


def sent(members: Schema, required: Iterable[str] = (), description: str = "") -> Schema:
    """An object that somebody sends: unknown members are kept, so only a few are required."""
    made: Schema = {"type": "object", "properties": members, "additionalProperties": True}
    if names := list(required):
        made["required"] = names
    if description:
        made["description"] = description
    return made


ERRORS: Schema = {"type": "array", "items": record({"path": TEXT, "message": TEXT})}
_PLACE = sent(
    {
        "text": TEXT,
        "code": TEXT,
        "lat": {"type": "number", "minimum": -90, "maximum": 90},
        "lon": {"type": "number", "minimum": -180, "maximum": 180},
    }
)
_CASUALTIES = sent(dict.fromkeys(CASUALTY_COUNTS, COUNT))
_OCCURRED = {
    "description": "An RFC 3339 instant with offset, or an interval, or absent where it is not known.",
    "anyOf": [INSTANT, record({"earliest": INSTANT, "latest": INSTANT}), {"type": "null"}],
}
_ELEMENT = {
    "description": "Non-blank text, or why it is still pending, or that there is nothing to say.",
    "anyOf": [TEXT, record({"pending": TEXT}), record({"none": {"const": True}})],
}
_FACTS: Schema = {
    "title": {"type": "string", "minLength": 1},
    "occurred": _OCCURRED,
    "aware": maybe(INSTANT),
    "category": maybe(words(Category)),
    "grade": maybe(words(Grade)),
    "sensitive": FLAG,
    "mode": words(Mode),
    "place": maybe(_PLACE),
    "casualties": maybe(_CASUALTIES),
    "summary": maybe(TEXT),
    "channel": maybe(TEXT),
}
_REPORT: Schema = {
    "covers": {
        **TEXTS,
        "description": "Obligations of the incident's schedule; absent: the earliest unmet one.",
    },
    "form": words(Form),
    "text": TEXT,
    "author": TEXT,
    "elements": {"type": "object", "additionalProperties": _ELEMENT},
    "call": sent({"caller": TEXT, "answered_by": TEXT, "phone": TEXT}),
    "attachments": {"type": "array", "items": sent({"name": TEXT, "sha256": TEXT, "object": TEXT})},
}
_REASON: Schema = {"reason": {"type": "string", "minLength": 1}}
_SAID: Schema = {"by": TEXT, "obligation": TEXT}
"""Who says it, and of which obligation; without one of all of them."""

COMMAND_SCHEMAS: dict[CommandKind, tuple[str, Schema]] = {
    CommandKind.OCCURRED: (
        "Occurred",
        sent(
            {**_FACTS, "schedule": maybe(TEXT), "unit": UNIT},
            ["title"],
            "Opens an incident; its clocks start.",
        ),
    ),
    CommandKind.AMENDED: (
        "Amended",
        sent({**_REASON, **_FACTS}, ["reason"], "Corrects facts of an incident."),
    ),
    CommandKind.WITHDRAWN: (
        "Withdrawn",
        {
            **sent(
                {**_REASON, "duplicate_of": UUID}, (), "A false alarm, or a duplicate of another incident."
            ),
            "anyOf": [{"required": ["reason"]}, {"required": ["duplicate_of"]}],
        },
    ),
    CommandKind.CLOSED: ("Closed", sent(_REASON, ["reason"], "Ends an incident.")),
    CommandKind.REOPENED: ("Reopened", sent(_REASON, ["reason"], "Undoes a withdrawal or a closure.")),
    CommandKind.FILED: ("ReportFiled", sent(_REPORT, (), "A report, or part of one, for an incident.")),
    CommandKind.ACKNOWLEDGED: (
        "Acknowledged",
        sent({"notice": UUID, "by": TEXT}, (), "A person took a notice; without `notice`, all open ones."),
    ),
    CommandKind.EXPLAINED: ("Explained", sent({**_REASON, **_SAID}, ["reason"], "The unit says why.")),
    CommandKind.FOUND: (
        "Found",
        sent({**_REASON, **_SAID, "finding": TEXT}, ["reason", "finding", "by"], "A person's finding."),
    ),
}
"""The `data` of each command, without the incident it is for."""

_CLOCK = record(
    {
        "obligation": TEXT,
        "starts_at": INSTANT,
        "due_at": INSTANT,
        "due_latest_at": maybe(INSTANT),
        "state": words(ClockState),
        "met_at": maybe(INSTANT),
        "met_by": maybe(UUID),
        "verdict": maybe(words(Verdict)),
        "late_by_s": maybe(NUMBER),
        "complete": maybe(FLAG),
        "undeclared": TEXTS,
        "aware_due_at": maybe(INSTANT),
        "aware_verdict": maybe(words(Verdict)),
    }
)
_NOTICE = record(
    {
        "id": UUID,
        "obligation": maybe(TEXT),
        "step": maybe(TEXT),
        "repeat": COUNT,
        "reason": words(NoticeReason),
        "to": TEXT,
        "person": maybe(TEXT),
        "channel": TEXT,
        "state": words(NoticeState),
        "due_at": maybe(INSTANT),
        "recorded_at": INSTANT,
        "attempts": COUNT,
        "note": maybe(TEXT),
    }
)
_FILED = record(
    {
        "id": UUID,
        "covers": TEXTS,
        "form": words(Form),
        "received_at": INSTANT,
        "author": maybe(TEXT),
        "elements": {"type": "object"},
        "unit": TEXT,
        "text": {},
        "call": {},
        "attachments": {},
        "anomalies": TEXTS,
        "joined_from": maybe(UUID),
        "extra": {"type": "object", "description": "fields that no rule reads, as sent"},
    }
)
_LINE = record(
    {
        "incident": UUID,
        "version": {"type": "integer", "minimum": 1},
        "kind": words(FactKind),
        "at": INSTANT,
        "recorded_at": INSTANT,
        "actor": TEXT,
        "body": {"type": "object"},
        "prev": HASH,
        "hash": HASH,
    },
    description="`hash` is the SHA-256 of the RFC 8785 canonical JSON of the line without `hash`.",
)
_COLUMNS = ("due", "on_time", "late", "missing", "overdue", "undetermined", "incomplete", "withdrawn")

SCHEMAS: dict[str, Schema] = {
    "Incident": record(
        {
            "id": UUID,
            "code": TEXT,
            "title": TEXT,
            "unit": TEXT,
            "mode": words(Mode),
            "state": words(IncidentState),
            "category": maybe(words(Category)),
            "grade": maybe(words(Grade)),
            "sensitive": FLAG,
            "occurred": record({"earliest": INSTANT, "latest": INSTANT, "provisional": FLAG}),
            "aware_at": maybe(INSTANT),
            "received_at": INSTANT,
            "recorded_at": INSTANT,
            "closed_at": maybe(INSTANT),
            "duplicate_of": maybe(UUID),
            "schedule": TEXT,
            "edition": TEXT,
            "place": maybe(_PLACE),
            "casualties": maybe(_CASUALTIES),
            "summary": maybe(TEXT),
            "channel": maybe(TEXT),
            "extra": {"type": "object", "description": "Unknown members, as they were sent."},
            "anomalies": TEXTS,
            "version": {"type": "integer", "minimum": 1},
            "clocks": {"type": "array", "items": _CLOCK},
            "notices": {"type": "array", "items": _NOTICE},
            "reports": {"type": "array", "items": _FILED},
        }
    ),
    "Incidents": listing(ref("Incident")),
    "LedgerLine": _LINE,
    "Ledger": listing(ref("LedgerLine")),
    "ChannelTest": {
        "type": "object",
        "properties": {"address": TEXT, "person": TEXT},
        "additionalProperties": False,
        "description": "One of the two: an address as a roster has it, or a person's name.",
    },
    "ChannelTests": record(
        {
            "items": {
                "type": "array",
                "items": record(
                    {
                        "id": UUID,
                        "address": TEXT,
                        "channel": TEXT,
                        "state": words([NoticeState.ACCEPTED, NoticeState.DELIVERED, NoticeState.FAILED]),
                        "detail": TEXT,
                        "permanent": FLAG,
                        "took_ms": COUNT,
                    }
                ),
            }
        }
    ),
    "Rejected": listing(
        record(
            {
                "id": COUNT,
                "state": {"type": "string", "enum": ["rejected", "held"]},
                "subject": TEXT,
                "stream_seq": maybe(COUNT),
                "received_at": INSTANT,
                "recorded_at": INSTANT,
                "noticed_at": {
                    **maybe(INSTANT),
                    "description": "when a held message was noticed; rejected ones are noticed by subject, together",
                },
                "reasons": ERRORS,
                "incident": maybe(UUID),
                "headers_base64": TEXT,
                "body_base64": {**TEXT, "description": "The first 4096 bytes."},
                "size": COUNT,
                "sha256": HASH,
            }
        )
    ),
    "Audit": record(
        {
            "month": MONTH,
            "as_of": INSTANT,
            "rows": {
                "type": "array",
                "items": record(
                    {
                        "unit": TEXT,
                        "obligation": TEXT,
                        **dict.fromkeys(_COLUMNS, COUNT),
                        "late_median_s": maybe(NUMBER),
                        "late_max_s": maybe(NUMBER),
                    }
                ),
            },
            "cases": {
                "type": "array",
                "items": record(
                    {
                        "incident": UUID,
                        "code": TEXT,
                        "title": TEXT,
                        "unit": TEXT,
                        "obligation": TEXT,
                        "kinds": TEXTS,
                        "state": words(IncidentState),
                        "occurred_at": INSTANT,
                        "due_at": INSTANT,
                        "due_latest_at": maybe(INSTANT),
                        "met_at": maybe(INSTANT),
                        "verdict": maybe(words(Verdict)),
                        "late_by_s": maybe(NUMBER),
                        "undeclared": TEXTS,
                    }
                ),
            },
        }
    ),
    "RestrictionSent": sent(
        {"restricted": FLAG, "reason": {"type": "string", "minLength": 1, "maxLength": 1000}},
        ["restricted", "reason"],
    ),
    "Restriction": record({"incident": UUID, "restricted": FLAG}),
    "DeskLog": listing(
        record(
            {
                "id": COUNT,
                "at": INSTANT,
                "actor": TEXT,
                "what": TEXT,
                "about": TEXT,
                "unit": maybe(UNIT),
                "details": {"type": "object"},
            }
        )
    ),
    "Health": record({"status": TEXT, "now": INSTANT, "checks": {"type": "object"}}, "now", "checks"),
    "Problem": record(
        {
            "type": {"type": "string", "format": "uri"},
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "code": TEXT,
            "errors": ERRORS,
        },
        description="RFC 9457. Programs look at `code`.",
    ),
    **dict(COMMAND_SCHEMAS.values()),
}
