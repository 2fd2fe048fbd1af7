"""A person's channels in order: which notices go out on all of them at once, and which take turns.

Whatever the law wants a person to hear is sent on every channel at once: the first notice of a breach, of each
escalation, of an amendment. Reminders and repetitions take turns: the person's first channel, then the next one when
the first has failed, or has not delivered within a wait that fits the time left. The desk and the console show
what is recorded and reach nobody who is away, so nothing waits for them, and they wait for nothing.

Where many wait for one channel, each has its `Rank`: of a thousand breaches at one instant every one is told to
somebody before any is told to a second person.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from enum import IntEnum
from typing import Final

from reporter.core.ladder import Firing
from reporter.core.roster import CONSOLE, DESK, Recipient
from reporter.core.terms import NoticeReason

NOW: Final = timedelta(0)
SECOND: Final = timedelta(seconds=1)
WAIT_MIN: Final = timedelta(seconds=20)
"""What a channel gets to deliver in when time is short, or over."""
WAIT_MAX: Final = timedelta(minutes=2)
PARTS: Final = 5
"""A wait before the deadline is at most this part of the time left."""
SHOWN_AT_ONCE: Final = frozenset({DESK, CONSOLE})
_IN_TURN: Final = (NoticeReason.REMINDER, NoticeReason.BREACH, NoticeReason.ESCALATION)
_FIRST: Final = (NoticeReason.BREACH, NoticeReason.ESCALATION, NoticeReason.AMENDED)


class Rank(IntEnum):
    """In which order notices leave by one channel; within a rank the oldest goes first."""

    FIRST = 0
    """On its channel the first that tells of a breach, an escalation, an amendment."""
    PLAIN = 1
    LATER = 2
    """Repetitions and rehearsals."""


def ranks(recipients: Sequence[Recipient], reason: NoticeReason, repeat: int) -> list[Rank]:
    """For each notice of one fact its rank."""
    if repeat > 1:
        return [Rank.LATER] * len(recipients)
    if reason not in _FIRST:
        return [Rank.PLAIN] * len(recipients)
    seen: set[str] = set()
    found = []
    for recipient in recipients:
        found.append(Rank.PLAIN if recipient.channel in seen else Rank.FIRST)
        seen.add(recipient.channel)
    return found


def wait_between(firing: Firing, left: timedelta) -> timedelta:
    """How long each channel of a person waits for the one before it; zero: all at once.

    `left` is the time to the obligation's deadline, negative once that is past. Whole seconds.
    """
    if firing.reason not in _IN_TURN:
        return NOW
    if firing.reason is not NoticeReason.REMINDER and not firing.is_again:
        return NOW
    return min(max(left // PARTS, WAIT_MIN), WAIT_MAX) // SECOND * SECOND


def turns(recipients: Sequence[Recipient]) -> list[int]:
    """For each notice its turn among those of its person, from 0, in the order in which the roster has them."""
    seen: Counter[tuple[str | None, str | None]] = Counter()
    found = []
    for recipient in recipients:
        if recipient.person is None or recipient.channel in SHOWN_AT_ONCE:
            found.append(0)
            continue
        key = recipient.person, recipient.phone
        found.append(seen[key])
        seen[key] += 1
    return found
