"""A command: what somebody asks for, as it arrived at its first durable edge; and what became of it."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from hashlib import sha1, sha256

from reporter.core.terms import CommandKind

INCIDENT_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:reporter:incident")
REPORT_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:reporter:report")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: where (`path`, dotted; empty for the whole) and what to do about it."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the stream as the broker keeps it: its raw header block and body, byte for byte."""

    subject: str
    headers: bytes
    body: bytes
    stream_seq: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `data` is as sent; `unit` is the acting unit's code as the subject or the token names it.

    `received_at` is the broker's stored timestamp or the HTTP request's arrival, never the moment of processing.
    `digest` identifies the content (subject, type, data): the same identity with another digest is refused.
    `actor` says who in the ledger: `nats:<unit>` or `token:<name>`. `anomalies` are those its door found odd.
    `message` is the message it came in, where it came over the bus.
    """

    kind: CommandKind
    source: str
    id: str
    received_at: datetime
    unit: str
    data: Mapping[str, object]
    digest: str
    actor: str
    anomalies: tuple[str, ...] = ()
    message: Message | None = None
    said: tuple[Mapping[str, object], Sequence[Problem]] | None = field(
        default=None, compare=False, repr=False
    )
    """What `reading.incident_facts` finds in the data of an opening, where its door has read it already."""

    key: bytes = field(init=False, repr=False)
    """The identity, as the inbox keeps it: SHA-256 of source, newline, id."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", identity(self.source, self.id))

    @property
    def order(self) -> tuple[datetime, str, str]:
        """Where the command stands among its incident's (contract 3.14)."""
        return (self.received_at, self.source, self.id)


class OutcomeKind(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    HELD = "held"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one command, said only after the commit."""

    kind: OutcomeKind
    incident: str | None = None
    anomalies: tuple[str, ...] = ()
    errors: tuple[Problem, ...] = ()


def identity(source: str, id_: str) -> bytes:
    """SHA-256 of source, newline, id."""
    return sha256(f"{source}\n{id_}".encode()).digest()


def uuid5(namespace: uuid.UUID, name: str) -> str:
    """The text of `uuid.uuid5`, without making the object: every event needs one."""
    text = sha1(namespace.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def notice_ids(recorded_at: datetime, digest: str, count: int) -> list[str]:
    """The ids of the notices of one fact: UUIDv8s that grow with time, so that thousands written at once lie side by
    side; then comes the beginning of `digest`, a hash in hex that belongs to this fact alone, and their number.
    """
    variant = "89ab"[int(digest[3], 16) & 3]
    common = f"{_clock_text(recorded_at)}-8{digest[:3]}-{variant}{digest[4:7]}-{digest[7:15]}"
    return [common + number for number in _numbers(count)]


@lru_cache(maxsize=64)
def _numbers(count: int) -> tuple[str, ...]:
    return tuple([f"{index:04x}" for index in range(count)])


@lru_cache(maxsize=8)  # thousands of facts are recorded at one instant
def _clock_text(at: datetime) -> str:
    """Milliseconds since 1970 UTC, as the first 48 bits of such an id are written."""
    text = f"{(at - _EPOCH) // _MILLISECOND:012x}"
    return f"{text[:8]}-{text[8:]}"


def incident_id(source: str, id_: str) -> str:
    """The incident opened by the event (`source`, `id_`): a UUIDv5 that any publisher can compute."""
    return uuid5(INCIDENT_NAMESPACE, f"{source}\n{id_}")


def report_id(source: str, id_: str) -> str:
    """The report filed by the event (`source`, `id_`)."""
    return uuid5(REPORT_NAMESPACE, f"{source}\n{id_}")
