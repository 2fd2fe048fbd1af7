"""JSON schemas of rosters, in the words of `schemas`."""

from reporter.core.terms import DutyRole, RosterChange
from reporter.desk.schemas import (
    COUNT,
    FLAG,
    INSTANT,
    TEXT,
    TEXTS,
    UNIT,
    Schema,
    listing,
    maybe,
    record,
    ref,
    sent,
    words,
)
from reporter.store.rollcalls import CHANNELS

_UNIT: Schema = {
    "code": UNIT,
    "name": TEXT,
    "parent": maybe(UNIT),
    "phone": TEXT,
    "region": TEXT,
    "active": FLAG,
}
_DUTY = record(
    {
        "person": TEXT,
        "phone": TEXT,
        "channels": TEXTS,
        "note": {**maybe(TEXT), "description": "In whose place: `swap:…`, `override:…`, `deputy_of:…`."},
        "absent": {**FLAG, "description": "On the roster, away, and without a deputy."},
    }
)
_DUTIES: Schema = {"type": "array", "items": _DUTY}
_CHANNEL: Schema = {"type": "string", "enum": list(CHANNELS)}
_SPAN: Schema = {"starts": INSTANT, "ends": INSTANT}
_CALL: Schema = {
    "unit": UNIT,
    "role": words(DutyRole),
    "called_at": INSTANT,
    "channel": _CHANNEL,
    "answered": FLAG,
    "answered_by": maybe(TEXT),
    "answered_after_s": maybe(COUNT),
    "leader_present": maybe(FLAG),
    "log_current": maybe(FLAG),
    "note": TEXT,
    "caller": TEXT,
}

ROSTER_SCHEMAS: dict[str, Schema] = {
    "Unit": record(_UNIT),
    "Units": listing(ref("Unit")),
    "OnDuty": record(
        {
            "at": INSTANT,
            "known_at": maybe(INSTANT),
            "items": {
                "type": "array",
                "items": record(
                    {
                        **_UNIT,
                        "contact": {**maybe(TEXT), "description": "The nearest phone contact, upwards."},
                        "duty_officer": _DUTIES,
                        "leader": _DUTIES,
                        "handover_times": TEXTS,
                        "next_handover": maybe(INSTANT),
                    }
                ),
            },
        }
    ),
    "Gaps": listing(
        record(
            {
                "unit": UNIT,
                "role": words(DutyRole),
                **_SPAN,
                "rostered": {**FLAG, "description": "False: nobody has held the role for days before."},
            }
        )
    ),
    "RosterGrid": record(
        {
            "since": INSTANT,
            "until": INSTANT,
            "items": {
                "type": "array",
                "items": record(
                    {
                        "unit": UNIT,
                        "role": words(DutyRole),
                        "slots": {
                            "type": "array",
                            "items": record({**_SPAN, "covered": FLAG, "people": _DUTIES}),
                        },
                    }
                ),
            },
        }
    ),
    "RosterChange": record(
        {
            "id": COUNT,
            "kind": words(RosterChange),
            "unit": UNIT,
            "role": maybe(words(DutyRole)),
            "person": maybe(TEXT),
            **_SPAN,
            "taker": maybe(TEXT),
            "phone": TEXT,
            "reason": TEXT,
            "author": TEXT,
            "recorded_at": INSTANT,
            "cancelled_at": maybe(INSTANT),
            "cancelled_by": maybe(TEXT),
            "cancel_reason": maybe(TEXT),
        }
    ),
    "RosterChanges": listing(ref("RosterChange")),
    "RosterChangeAsked": sent(
        {
            "kind": words(RosterChange),
            "unit": UNIT,
            "role": maybe(words(DutyRole)),
            "person": maybe(TEXT),
            **_SPAN,
            "taker": maybe(TEXT),
            "phone": maybe(TEXT),
            "channels": TEXTS,
            "reason": TEXT,
            "back_starts": maybe(INSTANT),
            "back_ends": maybe(INSTANT),
        },
        ["kind", "unit", "starts", "ends", "reason"],
        "`taker` takes the span of `person` (override without `person`: of whoever is on duty, and of nobody); of a "
        "swap `person` takes `back_starts` to `back_ends` in return; of an absence `taker` is the deputy. `phone` and "
        "`channels` absent: as the roster knows the taker.",
    ),
    "Calendar": {**TEXT, "description": "iCalendar."},
    "Reason": sent({"reason": TEXT}, ["reason"]),
    "Empty": sent({}),
    "Feed": record(
        {
            "id": COUNT,
            "name": TEXT,
            "unit": UNIT,
            "author": TEXT,
            "created_at": INSTANT,
            "revoked_at": maybe(INSTANT),
            "path": {**TEXT, "description": "Told once, when the link is made."},
        },
        "path",
    ),
    "Feeds": listing(ref("Feed")),
    "FeedMade": ref("Feed"),
    "FeedAsked": sent({"unit": UNIT, "name": TEXT}, ["unit", "name"], "`name`: whose phone it is for."),
    "RollCall": record(
        {"id": COUNT, **_CALL, "expected": TEXTS, "author": TEXT, "recorded_at": INSTANT},
        description="`expected`: who should have answered by the roster.",
    ),
    "RollCalls": listing(ref("RollCall")),
    "RollCallMade": sent(_CALL, ["unit", "called_at", "answered"], "A duty post was called."),
}
