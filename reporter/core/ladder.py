"""Reminders and escalation: which steps of a clock's ladder fire now, and when to look again.

A step fires exactly once per clock, per due time, per repetition. What has fired is kept as a small `Ladder`
value beside the clock; every instant in it is derived from the due time or from an arrival, never from the
moment of firing, so lateness of ours never propagates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reporter.core.schedule import Step
from reporter.core.terms import NoticeReason

ZERO = timedelta(0)


@dataclass(slots=True)
class Repetition:
    """A repeated step that has fired: how often, and when next (None: at its end, or acknowledged)."""

    step: int
    count: int
    next_at: datetime | None


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


@dataclass(frozen=True, slots=True)
class Firing:
    """One firing: of a step, of several collapsed into their newest, or of a repetition.

    `at` is the instant that the rule names: the step's own, or the arrival at which collapsed ones were known.
    """

    step: Step
    collapsed: tuple[Step, ...]
    repeat: int
    at: datetime
    reason: NoticeReason

    @property
    def recipients(self) -> tuple[str, ...]:
        """The roles to notice, each once, in the ladder's order, the newest step's first."""
        roles = dict.fromkeys(self.step.recipients)
        for step in reversed(self.collapsed):
            roles.update(dict.fromkeys(step.recipients))
        return tuple(roles)


def armed(due_at: datetime, known_at: datetime) -> Ladder:
    """The ladder of a clock that starts now, known since `known_at`."""
    return Ladder(due_at, known_at)


def rearmed(
    ladder: Ladder, steps: Sequence[Step], due_at: datetime, known_at: datetime, cause: NoticeReason, *, anew: bool
) -> Ladder:
    """The ladder after a command received at `known_at` moved the due time or brought the clock back.

    Steps past by then fire again only if they include a later one than any that has fired (with `anew`, as if none
    had: an exercise became actual); steps still to come all fire for the new due time. Repetitions under way keep
    their count and move with the due time.
    """
    top = -1 if anew else ladder.top
    past = _past(steps, due_at, known_at)
    position = past if top + 1 >= past else top + 1
    kept = []
    for repetition in ladder.repetitions:
        if anew or repetition.step > top or repetition.step >= past:
            continue
        next_at = repetition.next_at
        if next_at is not None:
            every = steps[repetition.step].every or ZERO
            next_at += due_at - ladder.due_at
            if next_at <= known_at and every:
                next_at += ((known_at - next_at) // every + 1) * every
        kept.append(Repetition(repetition.step, repetition.count, next_at))
    return Ladder(due_at, known_at, position, top, cause, kept)


def fire(ladder: Ladder, steps: Sequence[Step], now: datetime, judged_through: datetime) -> Iterator[Firing]:
    """Fires, and marks as fired in `ladder`, what is due: reminders up to `now`, the rest up to `judged_through`.

    After downtime each missed step fires once; missed repetitions become one and the grid goes on.
    """
    for repetition in ladder.repetitions:
        step = steps[repetition.step]
        if repetition.next_at is None or repetition.next_at > judged_through or not step.every:
            continue
        missed = (judged_through - repetition.next_at) // step.every
        repetition.count = min(repetition.count + 1 + missed, step.at_most)
        at = repetition.next_at + missed * step.every
        repetition.next_at = at + step.every if repetition.count < step.at_most else None
        yield Firing(step, (step,), repetition.count, at, NoticeReason.ESCALATION)
    past = _past(steps, ladder.due_at, ladder.known_at)
    if ladder.position < past:
        newest = steps[past - 1]
        limit = now if newest.offset < ZERO else judged_through
        if ladder.due_at + newest.offset > limit:
            return
        group = tuple(steps[ladder.position : past])
        for index in range(ladder.position, past):
            every = steps[index].every
            if every:
                ladder.repetitions.append(Repetition(index, 1, ladder.known_at + every))
        ladder.position, ladder.top = past, max(ladder.top, past - 1)
        yield Firing(newest, group, 1, ladder.known_at, ladder.cause or _reason(newest))
    while ladder.position < len(steps):
        step = steps[ladder.position]
        at = ladder.due_at + step.offset
        limit = now if step.offset < ZERO else judged_through
        if at > limit:
            return
        repeat = 1
        if step.every:
            repeat = min(1 + (limit - at) // step.every, step.at_most)
            next_at = at + repeat * step.every if repeat < step.at_most else None
            ladder.repetitions.append(Repetition(ladder.position, repeat, next_at))
            at += (repeat - 1) * step.every
        ladder.top = max(ladder.top, ladder.position)
        ladder.position += 1
        yield Firing(step, (step,), repeat, at, _reason(step))


def acknowledge(ladder: Ladder, steps: Sequence[Step], offset: timedelta) -> None:
    """Ends the repetition of the step at `offset`."""
    for repetition in ladder.repetitions:
        if steps[repetition.step].offset == offset:
            repetition.next_at = None


def next_instants(ladder: Ladder, steps: Sequence[Step]) -> tuple[datetime | None, datetime | None]:
    """When to look again: the next reminder, and the next instant that needs the broker's word."""
    judge_at = min((r.next_at for r in ladder.repetitions if r.next_at is not None), default=None)
    if ladder.position >= len(steps):
        return None, judge_at
    past = _past(steps, ladder.due_at, ladder.known_at)
    step = steps[max(ladder.position, past - 1)]
    at = ladder.due_at + step.offset
    if step.offset < ZERO:
        breach = next((s for s in steps if s.offset >= ZERO), None)
        later = ladder.due_at + breach.offset if breach else None
        return at, min(filter(None, (judge_at, later)), default=None)
    return None, at if judge_at is None else min(judge_at, at)


def _past(steps: Sequence[Step], due_at: datetime, known_at: datetime) -> int:
    """How many steps lay at or before `known_at`."""
    lead = known_at - due_at
    if steps and lead < steps[0].offset:
        return 0
    return sum(step.offset <= lead for step in steps)


def _reason(step: Step) -> NoticeReason:
    if step.offset < ZERO:
        return NoticeReason.REMINDER
    return NoticeReason.BREACH if step.offset == ZERO else NoticeReason.ESCALATION
