"""What came of notices: a channel's answer to one sending, and which of two states says more."""

from dataclasses import dataclass
from datetime import datetime

from reporter.core.terms import NoticeState


@dataclass(frozen=True, slots=True)
class NoticeResult:
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


RANKS = {
    NoticeState.QUEUED: 0,
    NoticeState.ACCEPTED: 1,
    NoticeState.FAILED: 2,
    NoticeState.DELIVERED: 3,
    NoticeState.ACKNOWLEDGED: 4,
}
"""How much a state says: a report from outside only ever raises it. Who reports both knows that it arrived."""
