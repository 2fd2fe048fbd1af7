"""Handing over a shift (交接班): what was frozen never changes; what is said and signed over it forms a chain.

Each entry holds the SHA-256 of the one before it (the first that of the snapshot), so a signature signs the
snapshot and every word that stands before it, and anyone can check that with no code of ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from reporter.core.canonical import canonical
from reporter.core.instants import rfc3339

TEXT_CHARS_MAX: Final = 2000
STATEMENTS: Final = ("instructions", "unfinished", "equipment", "network")
"""What the outgoing shift says: 领导交办, what is promised or unfinished, the state of equipment and of the network."""
CHECKS: Final = ("sound", "notification", "channel", "phone", "clock")
"""What the incoming shift tries out before it signs."""


class EntryKind(StrEnum):
    """What may be added to a handover."""

    STATED = "stated"
    CONFIRMED = "confirmed"
    CHECKED = "checked"
    SIGNED = "signed"
    CANCELLED = "cancelled"


class Part(StrEnum):
    """In what part one signs."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"
    LEADER = "leader"


class HandoverState(StrEnum):
    OPEN = "open"
    SIGNED = "signed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `subject`: the item, the check, or the part signed in; `actor`: the account that was signed in."""

    number: int
    kind: EntryKind
    at: datetime
    actor: str
    subject: str
    body: Mapping[str, object]
    hash: str


@dataclass(slots=True)
class HandoverStanding:
    """How a handover stands: what its entries come to. For one subject of a kind the latest entry holds."""

    state: HandoverState = HandoverState.OPEN
    stated: Entry | None = None
    confirmed: dict[str, Entry] = field(default_factory=dict)
    checked: dict[str, Entry] = field(default_factory=dict)
    signed: dict[str, Entry] = field(default_factory=dict)
    cancelled: Entry | None = None


class HandoverRefused(ValueError):
    """What was not added to a handover; `path` is the field it is about, the message Chinese first."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


def standing_of(entries: Sequence[Entry]) -> HandoverStanding:
    """What the entries, in their order, come to."""
    found = HandoverStanding()
    for entry in entries:
        match entry.kind:
            case EntryKind.STATED:
                found.stated = entry
            case EntryKind.CONFIRMED:
                found.confirmed.setdefault(entry.subject, entry)
            case EntryKind.CHECKED:
                found.checked[entry.subject] = entry
            case EntryKind.SIGNED:
                found.signed[entry.subject] = entry
            case EntryKind.CANCELLED:
                found.cancelled = entry
    if found.cancelled is not None:
        found.state = HandoverState.CANCELLED
    elif set(found.signed) == set(Part):
        found.state = HandoverState.SIGNED
    return found


def check_entry(
    standing: HandoverStanding,
    items: Sequence[str],
    kind: EntryKind,
    subject: str,
    body: Mapping[str, object],
) -> bool:
    """Whether the entry adds anything: False for what stands there already. Errors: HandoverRefused.

    1. Nothing is added to what is signed by all three, or cancelled.
    2. What the outgoing shift says is fixed by its signature; what the incoming one confirms and tries, by its own.
    3. The incoming shift signs when each item is confirmed and each check has an answer.
    4. Outgoing and incoming are two people. The leader signs last, over what both have signed.
    """
    if standing.state is not HandoverState.OPEN:
        if kind is EntryKind.SIGNED and _is_same_signature(standing, subject, body):
            return False
        word = "已交接完毕 / is complete" if standing.signed else "已取消 / is cancelled"
        raise HandoverRefused("", f"本次交接{word}")
    match kind:
        case EntryKind.STATED:
            return _states(standing, body)
        case EntryKind.CONFIRMED:
            return _confirms(standing, items, subject)
        case EntryKind.CHECKED:
            return _checks(standing, subject, body)
        case EntryKind.SIGNED:
            return _signs(standing, items, subject, body)
        case EntryKind.CANCELLED:
            if not str(body.get("reason") or "").strip():
                raise HandoverRefused("reason", "请写明原因 / say why")
            return True


def _states(standing: HandoverStanding, body: Mapping[str, object]) -> bool:
    if Part.OUTGOING in standing.signed:
        raise HandoverRefused("instructions", "交班人已签字，不能再改 / the outgoing officer has signed")
    for name in STATEMENTS:
        if len(str(body.get(name) or "")) > TEXT_CHARS_MAX:
            raise HandoverRefused(name, f"最多 {TEXT_CHARS_MAX} 字 / at most {TEXT_CHARS_MAX} characters")
    return standing.stated is None or dict(standing.stated.body) != dict(body)


def _confirms(standing: HandoverStanding, items: Sequence[str], subject: str) -> bool:
    if subject not in items:
        raise HandoverRefused("items", "快照中没有这一项 / there is no such item in the snapshot")
    if subject in standing.confirmed:
        return False
    if Part.INCOMING in standing.signed:
        raise HandoverRefused("items", "接班人已签字 / the incoming officer has signed")
    return True


def _checks(standing: HandoverStanding, subject: str, body: Mapping[str, object]) -> bool:
    if subject not in CHECKS:
        raise HandoverRefused("checks", f"取值 / must be one of {', '.join(CHECKS)}")
    note = str(body.get("note") or "").strip()
    if len(note) > TEXT_CHARS_MAX:
        raise HandoverRefused(subject, f"最多 {TEXT_CHARS_MAX} 字 / at most {TEXT_CHARS_MAX} characters")
    if body.get("ok") is not True and not note:
        raise HandoverRefused(
            subject, "异常或未做的，请写明情况 / say what is wrong, or why it was not tried"
        )
    before = standing.checked.get(subject)
    if before is not None and dict(before.body) == dict(body):
        return False
    if Part.INCOMING in standing.signed:
        raise HandoverRefused("checks", "接班人已签字 / the incoming officer has signed")
    return True


def _signs(
    standing: HandoverStanding, items: Sequence[str], subject: str, body: Mapping[str, object]
) -> bool:
    if subject not in set(Part):
        raise HandoverRefused("part", f"取值 / must be one of {', '.join(Part)}")
    if subject in standing.signed:
        if _is_same_signature(standing, subject, body):
            return False
        raise HandoverRefused("part", "此处已签字 / somebody has signed here already")
    others = {Part.OUTGOING: Part.INCOMING, Part.INCOMING: Part.OUTGOING}
    other = standing.signed.get(others.get(Part(subject), Part.LEADER))
    if subject != Part.LEADER and other is not None and other.body.get("login") == body.get("login"):
        raise HandoverRefused("login", "交班与接班不能是同一人 / outgoing and incoming are two people")
    if subject == Part.INCOMING:
        _ready(standing, items)
    if subject == Part.LEADER and len(standing.signed) < 2:
        raise HandoverRefused("part", "请交班人、接班人先签字 / the two officers sign first")
    return True


def _ready(standing: HandoverStanding, items: Sequence[str]) -> None:
    left = [item for item in items if item not in standing.confirmed]
    if left:
        raise HandoverRefused("items", f"还有 {len(left)} 项未确认 / items not confirmed: {len(left)}")
    untried = [name for name in CHECKS if name not in standing.checked]
    if untried:
        raise HandoverRefused(
            "checks", f"还有 {len(untried)} 项检查未做 / checks without an answer: {len(untried)}"
        )


def _is_same_signature(standing: HandoverStanding, subject: str, body: Mapping[str, object]) -> bool:
    signed = standing.signed.get(subject)
    return signed is not None and signed.body.get("login") == body.get("login")


def entry_text(
    handover: int,
    number: int,
    kind: EntryKind,
    at: datetime,
    actor: str,
    subject: str,
    body: Mapping[str, object],
    prev: str,
) -> tuple[str, str]:
    """The entry's canonical text, and its SHA-256 in hex. `prev`: that of the entry before it, or of the snapshot."""
    text = canonical(
        {
            "handover": handover,
            "number": number,
            "kind": kind.value,
            "at": rfc3339(at),
            "actor": actor,
            "subject": subject,
            "body": dict(body),
            "prev": prev,
        }
    )
    return text.decode(), sha256(text).hexdigest()
