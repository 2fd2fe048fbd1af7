"""A handover as one reader may see it: the frozen document made ready for a template.

Frozen is what is shown, with one exception: an incident that is restricted by now is named only to those who may
see it, whenever the snapshot was taken.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final  # Any: the snapshot is JSON

from reporter.core.handover import CHECKS, STATEMENTS, Entry, HandoverState, Part
from reporter.core.instants import read_back
from reporter.core.terms import DutyRole, Grade, IncidentState, Mode, NoticeReason
from reporter.desk.live.cards import Words
from reporter.desk.live.faces import FACES
from reporter.store.handoverlog import Handover
from reporter.store.queries import Scope
from reporter.store.restricted import is_in_sight

PART_TITLES: Final[Mapping[str, Words]] = {
    Part.OUTGOING: ("交班人", "Outgoing"),
    Part.INCOMING: ("接班人", "Incoming"),
    Part.LEADER: ("带班领导", "Leader on duty"),
}
STATEMENT_TITLES: Final[Mapping[str, Words]] = {
    "instructions": ("领导交办", "Instructions of leaders"),
    "unfinished": ("未办结事项、承诺的回电", "Unfinished business, calls promised"),
    "equipment": ("设备情况", "Equipment"),
    "network": ("网络与值班电话", "Network and duty telephone"),
}
CHECK_TITLES: Final[Mapping[str, Words]] = {
    "sound": ("提示音听得到", "The alarm can be heard"),
    "notification": ("浏览器通知看得到", "Notifications can be seen"),
    "channel": ("通知通道测试收到", "The test message has arrived"),
    "phone": ("值班电话拨测正常", "The duty telephone rings"),
    "clock": ("本机时钟与服务器一致", "This computer's clock agrees with the server's"),
}
STATES: Final[Mapping[HandoverState, Words]] = {
    HandoverState.OPEN: ("交接中", "Under way"),
    HandoverState.SIGNED: ("已交接", "Handed over"),
    HandoverState.CANCELLED: ("已取消", "Cancelled"),
}


@dataclass(frozen=True, slots=True)
class SignatureShown:
    """One line to sign on; `entry` None while nobody has."""

    part: str
    title: Words
    entry: Entry | None
    expected: str


@dataclass(frozen=True, slots=True)
class CheckShown:
    """One thing that the incoming shift tries; `ok` None while there is no answer."""

    name: str
    title: Words
    ok: bool | None
    note: str
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class StatementShown:
    """One thing that the outgoing shift says."""

    name: str
    title: Words
    text: str


@dataclass(frozen=True, slots=True)
class HandoverShown:
    """A handover for one reader. `snapshot` as frozen, with instants and terms read."""

    handover: Handover
    snapshot: Mapping[str, Any]
    confirmed: Mapping[str, Entry]
    left: int
    statements: tuple[StatementShown, ...]
    checks: tuple[CheckShown, ...]
    signatures: tuple[SignatureShown, ...]
    state: Words
    is_open: bool
    may_state: bool
    may_confirm: bool
    cancelled: Entry | None
    restricted: tuple[str, ...]


def shown(handover: Handover, scope: Scope, restricted: Collection[str], *, may_write: bool) -> HandoverShown:
    """What a reader of this scope sees; `restricted` are the incidents of the snapshot that are so now."""
    standing = handover.standing
    is_open = standing.state is HandoverState.OPEN
    snapshot = _read(handover.snapshot)
    for part in ("incidents", "logged"):
        snapshot[part] = [_seen(each, scope, restricted) for each in snapshot[part]]
    in_sight = dict.fromkeys(
        each["id"] for part in ("incidents", "logged") for each in snapshot[part] if not each["is_hidden"]
    )
    said = standing.stated.body if standing.stated else {}
    return HandoverShown(
        handover=handover,
        snapshot=snapshot,
        confirmed=standing.confirmed,
        left=sum(item not in standing.confirmed for item in handover.items),
        statements=tuple(
            StatementShown(name, STATEMENT_TITLES[name], str(said.get(name) or "")) for name in STATEMENTS
        ),
        checks=tuple(_check(name, standing.checked.get(name)) for name in CHECKS),
        signatures=tuple(_signature(part, handover) for part in Part),
        state=STATES[standing.state],
        is_open=is_open,
        may_state=may_write and is_open and Part.OUTGOING not in standing.signed,
        may_confirm=may_write and is_open and Part.INCOMING not in standing.signed,
        cancelled=standing.cancelled,
        restricted=tuple(each for each in in_sight if each in restricted),
    )


def incidents_of(handover: Handover) -> set[str]:
    """The ids of every incident that a snapshot names."""
    return {each["id"] for part in ("incidents", "logged") for each in handover.snapshot[part]}


def _check(name: str, entry: Entry | None) -> CheckShown:
    ok = None if entry is None else entry.body.get("ok") is True
    note = "" if entry is None else str(entry.body.get("note") or "")
    return CheckShown(name, CHECK_TITLES[name], ok, note, entry)


def _signature(part: Part, handover: Handover) -> SignatureShown:
    names = {Part.OUTGOING: "outgoing", Part.INCOMING: "incoming", Part.LEADER: "leaders"}
    expected = "、".join(each["name"] for each in handover.snapshot["shift"][names[part]])
    return SignatureShown(part.value, PART_TITLES[part], handover.standing.signed.get(part), expected)


def _seen(each: dict[str, Any], scope: Scope, restricted: Collection[str]) -> dict[str, Any]:
    is_restricted = each["id"] in restricted
    if is_in_sight(scope, each["unit"], each["opened_from"], is_restricted=is_restricted):
        return each | {"is_hidden": False}
    return each | {
        "is_hidden": True,
        "title": "",
        "code": "",
        "place": None,
        "clocks": [],
        "unacknowledged": [],
    }


_TERMS: Final[Mapping[str, type[Any]]] = {
    "mode": Mode,
    "grade": Grade,
    "role": DutyRole,
    "reason": NoticeReason,
}


def _read(value: Any, key: str = "") -> Any:
    """The document with its instants and terms in place of their texts."""
    if isinstance(value, dict):
        found = {name: _read(member, name) for name, member in value.items()}
        if "due_at" in found:
            found["face"] = FACES[found["state"]]
        elif "received_at" in found:
            found["state"] = IncidentState(found["state"])
        return found
    if isinstance(value, list):
        return [_read(member, key) for member in value]
    if isinstance(value, str):
        if key in _TERMS:
            return _TERMS[key](value)
        return read_back(value) if key in ("at", "since") or key.endswith("_at") else value
    return value


def body_of_check(ok: str, note: str, offset_ms: str) -> dict[str, object]:
    """What is kept of an answer to a check. `offset_ms`: by how much this computer's clock was ahead."""
    body: dict[str, object] = {"ok": ok == "ok", "note": note}
    if offset_ms.lstrip("-").isdecimal() and len(offset_ms) < 16:
        body["offset_ms"] = int(offset_ms)
    return body
