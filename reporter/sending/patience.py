"""How long to wait before a sending is tried again: longer each time, and never past the next thing to be said; and
when it has been tried for long enough.
"""

import random
from datetime import datetime, timedelta
from typing import Final

from reporter.core.notice import Taken, Words
from reporter.core.terms import NoticeReason

RETRY_AFTER_S: Final = (2, 6, 18, 54, 160, 300, 600)
"""Waits between the attempts, each ±20 %; the last one stays."""
PAUSE_S_MAX: Final = 600.0
"""How long anybody is left alone who asks to be."""
ATTEMPTS_MIN: Final = 8
TRIED_FOR: Final = timedelta(minutes=30)
"""A notice is tried so often and for so long, whichever takes longer. Where the ladder speaks often, eight attempts are
made within minutes, and yet the next step may speak to somebody else."""
SHORT_S: Final = 10.0
"""What is left may always be waited for: a channel that is down is not helped by being asked each second."""


def is_spent(notice: Taken, words: Words, now: datetime, age: timedelta) -> bool:
    """Whether this attempt was the last. `age`: of the notice, in the machine's time.

    A reminder is not tried after its deadline: then there is more to be said, and that is.
    """
    due_at = words.dues.get((notice.incident_id or "", notice.obligation or ""), notice.due_at)
    if notice.reason == NoticeReason.REMINDER and due_at is not None and now >= due_at:
        return True
    return notice.attempts >= ATTEMPTS_MIN and age >= TRIED_FOR


def retry_after_s(notice: Taken, left_s: float | None, not_before_s: float = 0.0) -> float:
    """Seconds until the attempt after this one, in the machine's time.

    At most half of what is left (`left_s`) before the next step of the ladder speaks, so that an attempt still fits;
    but not before the other side asked for it (`not_before_s`).
    """
    wait_s = RETRY_AFTER_S[min(notice.attempts, len(RETRY_AFTER_S)) - 1] * random.uniform(0.8, 1.2)
    if left_s is not None:
        wait_s = min(wait_s, max(left_s / 2, SHORT_S))
    return max(wait_s, min(not_before_s, PAUSE_S_MAX))


def next_step_at(notice: Taken, words: Words, now: datetime) -> datetime | None:
    """When the ladder of the notice's obligation speaks next, as far as its schedule says; None: never."""
    incident = words.incidents.get(notice.incident_id or "")
    due_at = words.dues.get((notice.incident_id or "", notice.obligation or ""))
    edition = None if incident is None else words.editions.get(incident.edition_digest)
    obligation = None if edition is None else edition.obligation(notice.obligation or "")
    if due_at is None or obligation is None:
        return None
    instants = []
    for step in obligation.ladder:
        at = due_at + step.offset
        if at <= now and step.every:
            at += min((now - at) // step.every + 1, step.at_most - 1) * step.every
        if at > now:
            instants.append(at)
    return min(instants, default=None)
