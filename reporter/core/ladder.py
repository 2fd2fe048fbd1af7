"""Reminders and escalation: which steps of a clock's ladder fire now, and when to look again.

A step fires exactly once per clock, per due time, per repetition. What has fired is kept as a small `Ladder`
value beside the clock; every instant in it is derived from the due time or from an arrival, never from the
moment of firing, so lateness of ours never propagates.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple  # Any: a document of JSON

from reporter.core.instants import maybe_rfc3339, read_back, rfc3339
from reporter.core.schedule import Step
from reporter.core.terms import NoticeReason

ZERO = timedelta(0)
FOREVER = datetime.max.replace(tzinfo=UTC)
TOLD_OF_STALE = "superior.duty_officer"
"""Who hears, besides those whom the step names, that an acknowledgement has grown stale."""
EARLIER_MAX = 16
"""Earlier due times that are remembered."""


@dataclass(slots=True)
class Repetition:
    """A repeated step that has fired: how often, and when next (None: at its end, or acknowledged)."""

    step: int
    count: int
    next_at: datetime | None


@dataclass(slots=True)
class Awaited:
    """A step that somebody took on: its report is awaited until `stale_at`."""

    step: int
    stale_at: datetime


@dataclass(slots=True)
class Ladder:
    """How far a clock's ladder has gone for the due time `due_at`.

    `position`: the first step not yet dealt with. `top`: the highest step that ever fired for the obligation, -1
    for none. `known_at`: the arrival of the command that set the due time: steps already past then collapse into
    the newest. `cause`: why such a collapse is noticed, where it was not the opening.
    """

    due_at: datetime
    known_at: datetime
    position: int = 0
    top: int = -1
    cause: NoticeReason | None = None
    repetitions: list[Repetition] = field(default_factory=list)
    earlier: dict[datetime, int] = field(default_factory=dict)
    """For due times that the clock has had before: the position reached. Amendments processed out of order may lead
    back to one of them, and what has fired for it must not fire again."""
    awaited: Awaited | None = None
    """The acknowledged step whose report has not come yet, the highest one; None once that has been said."""


class Firing(NamedTuple):
    """One firing: of a step, of several collapsed into their newest, or of a repetition.

    `at` is the instant that the rule names: the step's own, or the arrival at which collapsed ones were known.
    `is_again`: the step has been noticed before.
    """

    step: Step
    collapsed: tuple[Step, ...]
    repeat: int
    at: datetime
    reason: NoticeReason
    is_again: bool = False

    @property
    def is_stale(self) -> bool:
        """It says that an acknowledgement has grown stale."""
        return self.reason is NoticeReason.ACK_STALE

    @property
    def recipients(self) -> tuple[str, ...]:
        """The roles to notice, each once, in the ladder's order, the newest step's first."""
        if len(self.collapsed) == 1 and not self.is_stale:
            return self.step.recipients
        roles = dict.fromkeys(self.step.recipients)
        for step in reversed(self.collapsed):
            roles.update(dict.fromkeys(step.recipients))
        if self.is_stale:
            roles[TOLD_OF_STALE] = None
        return tuple(roles)


def armed(due_at: datetime, known_at: datetime) -> Ladder:
    """The ladder of a clock that starts now, known since `known_at`."""
    return Ladder(due_at, known_at)


def rearmed(
    ladder: Ladder,
    steps: Sequence[Step],
    due_at: datetime,
    known_at: datetime,
    cause: NoticeReason,
    *,
    anew: bool,
) -> Ladder:
    """The ladder after a command received at `known_at` moved the due time or brought the clock back.

    Steps past by then fire only if they include a later one than any that has fired (with `anew`, as if none
    had: an exercise became actual); steps still to come all fire for the new due time. Repetitions under way keep
    their count and move with the due time.
    """
    top = -1 if anew else ladder.top
    past = _past(steps, due_at, known_at)
    earlier = {} if anew else {**ladder.earlier, ladder.due_at: ladder.position}
    position = max(past if top + 1 >= past else top + 1, earlier.get(due_at, 0))
    kept = []
    for repetition in ladder.repetitions:
        if anew or repetition.step > top or repetition.step >= position:
            continue
        next_at = repetition.next_at
        if next_at is not None:
            every = steps[repetition.step].every or ZERO
            next_at += due_at - ladder.due_at
            if next_at <= known_at and every:
                next_at += ((known_at - next_at) // every + 1) * every
        kept.append(Repetition(repetition.step, repetition.count, next_at))
    remembered = dict(list(earlier.items())[-EARLIER_MAX:])
    awaited = ladder.awaited
    if awaited is not None:
        is_over = anew or awaited.step > top or awaited.step >= position
        awaited = None if is_over else Awaited(awaited.step, max(awaited.stale_at, known_at))
    return Ladder(due_at, known_at, position, top, cause, kept, remembered, awaited)


def remembered(ladder: Ladder) -> dict[str, object]:
    """What a clock that ends has fired, as its incident's ledger keeps it in case it comes back."""
    return {
        "due_at": rfc3339(ladder.due_at),
        "position": ladder.position,
        "top": ladder.top,
        "repetitions": [[r.step, r.count, maybe_rfc3339(r.next_at)] for r in ladder.repetitions],
        "earlier": [[rfc3339(due_at), position] for due_at, position in ladder.earlier.items()],
    }


def recalled(kept: Mapping[str, Any]) -> Ladder:
    """The ladder that `remembered` was given, to be armed anew."""
    due_at = read_back(kept["due_at"])
    return Ladder(
        due_at,
        due_at,
        kept["position"],
        kept["top"],
        None,
        [Repetition(step, count, read_back(at) if at else None) for step, count, at in kept["repetitions"]],
        {read_back(at): position for at, position in kept["earlier"]},
    )


def fire(
    ladder: Ladder, steps: Sequence[Step], now: datetime, judged_through: datetime, until: datetime = FOREVER
) -> Iterator[Firing]:
    """Fires, and marks as fired in `ladder`, what is due: reminders up to `now`, the rest up to `judged_through`.

    What the rule dates after `until` is cancelled and never fires. After downtime each missed step fires once;
    missed repetitions become one and the grid goes on.
    """
    reminded_to, judged_to = min(now, until), min(judged_through, until)
    if ladder.awaited is not None and ladder.awaited.stale_at <= judged_to:
        yield reopen(ladder, steps, ladder.awaited)
    for repetition in ladder.repetitions:
        step = steps[repetition.step]
        limit = reminded_to if step.offset < ZERO else judged_to
        if repetition.next_at is None or repetition.next_at > limit or not step.every:
            continue
        missed = min((limit - repetition.next_at) // step.every, step.at_most - repetition.count - 1)
        repetition.count += 1 + missed
        at = repetition.next_at + missed * step.every
        repetition.next_at = at + step.every if repetition.count < step.at_most else None
        yield Firing(step, (step,), repetition.count, at, _reason(step), is_again=True)
    past = _past(steps, ladder.due_at, ladder.known_at, ladder.position)
    if ladder.position < past:
        newest = steps[past - 1]
        limit = reminded_to if newest.offset < ZERO else judged_to
        if ladder.due_at + newest.offset > limit or ladder.known_at > until:
            return
        group = tuple(steps[ladder.position : past])
        counts = [
            _begin(
                ladder,
                steps,
                index,
                ladder.known_at,
                reminded_to if steps[index].offset < ZERO else judged_to,
            )
            for index in range(ladder.position, past)
        ]
        ladder.position, ladder.top = past, max(ladder.top, past - 1)
        at = ladder.known_at + (counts[-1] - 1) * (newest.every or ZERO)
        yield Firing(newest, group, counts[-1], at, ladder.cause or _reason(newest))
    while ladder.position < len(steps):
        step = steps[ladder.position]
        at = ladder.due_at + step.offset
        limit = reminded_to if step.offset < ZERO else judged_to
        if at > limit:
            return
        count = _begin(ladder, steps, ladder.position, at, limit)
        ladder.top = max(ladder.top, ladder.position)
        ladder.position += 1
        yield Firing(step, (step,), count, at + (count - 1) * (step.every or ZERO), _reason(step))


def _begin(ladder: Ladder, steps: Sequence[Step], index: int, at: datetime, limit: datetime) -> int:
    """Starts the repetition of a step that fires first, its grid at `at`; returns the number that it has reached."""
    step = steps[index]
    if not step.every:
        return 1
    count = max(1, min(1 + (limit - at) // step.every, step.at_most))
    next_at = at + count * step.every if count < step.at_most else None
    ladder.repetitions.append(Repetition(index, count, next_at))
    return count


def acknowledge(ladder: Ladder, steps: Sequence[Step], offset: timedelta) -> None:
    """Ends the repetition of the step at `offset`."""
    for repetition in ladder.repetitions:
        if steps[repetition.step].offset == offset:
            repetition.next_at = None


def await_report(ladder: Ladder, steps: Sequence[Step], offset: timedelta, stale_at: datetime) -> None:
    """Notes that somebody took on the step at `offset`: unless the report comes by `stale_at`, that will be said.

    Reminders are left out, since the deadline itself comes next. Of several steps the highest counts, and the last
    acknowledgement says until when.
    """
    index = next((i for i, step in enumerate(steps) if step.offset == offset), len(steps))
    if offset < ZERO or index >= ladder.position:
        return
    known = ladder.awaited or Awaited(index, stale_at)
    ladder.awaited = Awaited(max(known.step, index), max(known.stale_at, stale_at))


def reopen(ladder: Ladder, steps: Sequence[Step], awaited: Awaited) -> Firing:
    """The acknowledgement of a step has grown stale: says so, once, and the step's repetition goes on from there."""
    ladder.awaited = None
    step, at = steps[awaited.step], awaited.stale_at
    repetition = next((each for each in ladder.repetitions if each.step == awaited.step), None)
    if repetition is None:
        repetition = Repetition(awaited.step, 1, None)
        ladder.repetitions.append(repetition)
    repetition.count += 1
    goes_on = bool(step.every) and repetition.count < step.at_most
    repetition.next_at = at + (step.every or ZERO) if goes_on else None
    return Firing(step, (step,), repetition.count, at, NoticeReason.ACK_STALE)


def next_instants(
    ladder: Ladder, steps: Sequence[Step], until: datetime = FOREVER
) -> tuple[datetime | None, datetime | None]:
    """When to look again: the next reminder, and the next instant that needs the broker's word."""
    remind_at: datetime | None = None
    judge_at: datetime | None = None
    for repetition in ladder.repetitions:
        at = repetition.next_at
        if at is not None and at <= until:
            if steps[repetition.step].offset < ZERO:
                remind_at = _earlier(remind_at, at)
            else:
                judge_at = _earlier(judge_at, at)
    if ladder.awaited is not None and ladder.awaited.stale_at <= until:
        judge_at = _earlier(judge_at, ladder.awaited.stale_at)
    past = _past(steps, ladder.due_at, ladder.known_at, ladder.position)
    index = max(ladder.position, past - 1)
    while index < len(steps):
        at = ladder.due_at + steps[index].offset
        if (ladder.known_at if index < past else at) > until:
            break
        if steps[index].offset >= ZERO:
            return remind_at, _earlier(judge_at, at)
        remind_at = _earlier(remind_at, at)
        index += 1
    return remind_at, judge_at


def _earlier(one: datetime | None, other: datetime) -> datetime:
    return other if one is None or other < one else one


def _past(steps: Sequence[Step], due_at: datetime, known_at: datetime, count: int = 0) -> int:
    """How many steps lay at or before `known_at`, or had been dealt with (`count`)."""
    lead = known_at - due_at
    while count < len(steps) and steps[count].offset <= lead:  # in the order of their offsets
        count += 1
    return count


def _reason(step: Step) -> NoticeReason:
    if step.offset < ZERO:
        return NoticeReason.REMINDER
    return NoticeReason.BREACH if step.offset == ZERO else NoticeReason.ESCALATION
