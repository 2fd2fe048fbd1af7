"""A notice on its way: what is sent, what there is to say of it, and what became of it."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from reporter.core.schedule import Edition
from reporter.core.terms import NoticeReason, NoticeState
from reporter.core.turns import Rank

ATTEMPT_MARK: Final = " | "
"""In a note, before what a channel said of the latest attempt."""


def is_acknowledgeable(incident_id: str | None, reason: str) -> bool:
    """Whether a notice can be acknowledged: one of an incident, or a test of a rehearsal, which is answered.

    Any other is told once and repeated by nothing, so there is nothing that an acknowledgement could end.
    """
    return incident_id is not None or reason == NoticeReason.REHEARSAL


class Taken(NamedTuple):
    """A notice on lease, as its row says; `attempts` counts this one.

    `due_at` is the instant at which the notice itself was due: its step's, not the obligation's.
    """

    id: str
    incident_id: str | None
    unit: str
    mode: str
    obligation: str | None
    step: str | None
    repeat: int
    reason: str
    to_role: str
    person: str | None
    phone: str | None
    channel: str
    address: str
    due_at: datetime | None
    recorded_at: datetime
    attempts: int
    note: str | None
    rank: int = Rank.PLAIN


class Lease(NamedTuple):
    """Notices that are taken from the moment they are written, and until when."""

    ids: Set[str] = frozenset()
    until: datetime | None = None


class IncidentWords(NamedTuple):
    """What a notice says of its incident."""

    id: str
    code: str
    title: str
    unit: str
    schedule: str
    edition_digest: str


class UnitContact(NamedTuple):
    """What a notice says of a unit; `phone` may be empty."""

    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class Words:
    """What some notices speak of, read in one go: incidents by id, due instants of their obligations by (incident,
    obligation), units by code, editions by digest, and those of the obligations that a report has met."""

    incidents: Mapping[str, IncidentWords]
    dues: Mapping[tuple[str, str], datetime]
    units: Mapping[str, UnitContact]
    editions: Mapping[str, Edition]
    met: Set[tuple[str, str]] = frozenset()


class NoticeResult(NamedTuple):
    """What a channel said of one notice. With `retry_at` it stays queued until then."""

    notice_id: str
    incident_id: str | None
    channel: str
    state: NoticeState
    attempts: int
    note: str | None = None
    retry_at: datetime | None = None
    provider_id: str | None = None
    """The next hop's own number for it."""
    was_sent: bool = True
    """Whether the attempt was made at all."""
    address: str = ""
    tells_of_channel: bool = True
    """Whether it says how what was sent through fares; not where it was we who did not get that far."""

    @property
    def is_trouble(self) -> bool:
        """Whether the attempt did not succeed."""
        return self.state is NoticeState.FAILED or self.retry_at is not None

    @property
    def made(self) -> int:
        """The attempts that were made."""
        return self.attempts if self.was_sent else self.attempts - 1

    @property
    def told(self) -> dict[str, object]:
        """How the ledger tells of it."""
        return {
            "id": self.notice_id,
            "state": self.state,
            "channel": self.channel,
            "attempts": self.made,
            "note": self.note,
        }


RANKS: Final = {
    NoticeState.QUEUED: 0,
    NoticeState.ACCEPTED: 1,
    NoticeState.FAILED: 2,
    NoticeState.DELIVERED: 3,
    NoticeState.ACKNOWLEDGED: 4,
}
"""How much a state says: a report from outside only ever raises it. Who reports both knows that it arrived."""

NOTE_CHARS_MAX: Final = 300


def written_note(note: str | None) -> str:
    """A notice's note as it was decided, without what a channel said of an attempt; may be empty."""
    return (note or "").partition(ATTEMPT_MARK)[0]


def result(
    notice: Taken,
    state: NoticeState,
    detail: str | None,
    retry_at: datetime | None = None,
    provider_id: str | None = None,
) -> NoticeResult:
    """What came of an attempt; what the channel said (`detail`) is added to the note where it is trouble."""
    note = written_note(notice.note)
    found = NoticeResult(
        notice_id=notice.id,
        incident_id=notice.incident_id,
        channel=notice.channel,
        state=state,
        attempts=notice.attempts,
        note=note or None,
        retry_at=retry_at,
        provider_id=provider_id,
        address=notice.address,
    )
    if found.is_trouble and (said := " ".join((detail or "").split())[:NOTE_CHARS_MAX]):
        return found._replace(note=note + ATTEMPT_MARK + said)
    return found
