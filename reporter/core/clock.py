"""A clock as it is kept: what its incident's commands say, what has been recorded of it, and when to look again."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reporter.core.incident import ClockView
from reporter.core.ladder import FOREVER, Ladder, armed, next_instants
from reporter.core.schedule import Obligation
from reporter.core.terms import ClockState, Verdict

MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class Clock:
    """One obligation running for one incident.

    `breach_due_at`: the due time of the standing breach, if any; `breach_certain`: that no end of an uncertain
    anchor would undo it. `remind_at`, `judge_at`: when to look again; the latter only with the broker's word.
    """

    obligation: Obligation
    position: int
    starts_at: datetime
    due_at: datetime
    ladder: Ladder
    due_latest_at: datetime | None = None
    state: ClockState = ClockState.RUNNING
    met_at: datetime | None = None
    met_by: str | None = None
    missing_at: datetime | None = None
    verdict: Verdict | None = None
    complete: bool | None = None
    undeclared: list[str] = field(default_factory=list)
    aware_due_at: datetime | None = None
    aware_verdict: Verdict | None = None
    breach_due_at: datetime | None = None
    breach_certain: bool | None = None
    remind_at: datetime | None = None
    judge_at: datetime | None = None

    @property
    def final_due_at(self) -> datetime:
        """The latest instant that could be the deadline: lateness counts from it."""
        return self.due_latest_at or self.due_at

    @property
    def is_met_in_time(self) -> bool:
        """A qualifying report arrived at or before `due_at`."""
        return self.met_at is not None and self.met_at <= self.due_at

    @property
    def has_standing_breach(self) -> bool:
        return self.breach_due_at is not None

    @property
    def late_by_s(self) -> float | None:
        """Seconds from the latest possible deadline to the report, where it is late."""
        if self.verdict is not Verdict.LATE or self.met_at is None:
            return None
        return (self.met_at - self.final_due_at).total_seconds()

    def chased_until(self, closed_at: datetime | None, withdrawn_at: datetime | None) -> datetime:
        """Up to which instant the ladder runs: `FOREVER`, or just before what ended it.

        A report that meets the obligation, a withdrawal, and the closure of what was already due each cancel what
        the rule dates at or after them; what it dates before is owed, also when it is looked at later.
        """
        if self.met_at is None and closed_at is None and withdrawn_at is None:
            return FOREVER
        ends = [at for at in (self.met_at, withdrawn_at) if at is not None]
        if closed_at is not None and closed_at > self.due_at:
            ends.append(closed_at)
        return min(ends) - MICROSECOND if ends else FOREVER

    def needs_breach(self, withdrawn_at: datetime | None) -> bool:
        """Whether a breach is owed for `due_at` once that has passed: no report by then, and no withdrawal."""
        return (
            self.breach_due_at != self.due_at
            and not self.obligation.soft
            and not self.is_met_in_time
            and not (withdrawn_at is not None and withdrawn_at <= self.due_at)
        )

    def can_be_certain(self, *, is_provisional: bool) -> bool:
        """Whether a breach can stand whatever the anchor was: not if a report came before the later end."""
        return not is_provisional and not (self.met_at and self.met_at <= self.final_due_at)

    def is_certain(self, through: datetime, *, is_provisional: bool) -> bool:
        """Whether a breach stands whatever the anchor was, where all that was stored up to `through` is known."""
        return self.final_due_at <= through and self.can_be_certain(is_provisional=is_provisional)

    def may_become_certain(self, *, is_provisional: bool) -> bool:
        """Whether the standing breach of an interval becomes certain when its later end passes."""
        is_open = self.breach_certain is False and self.state is not ClockState.STOPPED
        return is_open and self.can_be_certain(is_provisional=is_provisional)

    def settle(
        self,
        now: datetime,
        closed_at: datetime | None,
        withdrawn_at: datetime | None = None,
        *,
        is_provisional: bool,
    ) -> None:
        """Recomputes state, verdict and the next looks from what is known and recorded.

        A verdict that time gave is taken back by a command alone (`adopt`), never by looking less far.
        """
        if self.state is not ClockState.STOPPED:
            if self.met_at is not None:
                self.state = ClockState.MET
            else:
                self.state = ClockState.BREACHED if self.has_standing_breach else ClockState.RUNNING
        self.verdict = self._verdict(now, is_provisional=is_provisional)
        self.aware_verdict = self._aware_verdict()
        until = self.chased_until(closed_at, withdrawn_at)
        remind_at, judge_at = next_instants(self.ladder, self.obligation.ladder, until)
        looks = [judge_at] if judge_at else []
        if self.needs_breach(withdrawn_at):
            looks.append(self.due_at)
        if self.may_become_certain(is_provisional=is_provisional):
            looks.append(self.final_due_at)
        is_open = self.verdict is None and self.state in (ClockState.RUNNING, ClockState.BREACHED)
        if self.missing_at and is_open and not self.obligation.soft:
            looks.append(self.missing_at)
        self.remind_at, self.judge_at = remind_at, min(looks, default=None)

    def _verdict(self, now: datetime, *, is_provisional: bool) -> Verdict | None:
        if self.state is ClockState.STOPPED or self.obligation.soft:
            return None
        if self.met_at is not None:
            if is_provisional:
                return Verdict.UNDETERMINED
            if self.met_at <= self.due_at:
                return Verdict.ON_TIME
            return Verdict.LATE if self.met_at > self.final_due_at else Verdict.UNDETERMINED
        # How far was looked goes back and forth between engines, and between a command and the next tick.
        is_found_missing = self.verdict is not None
        if self.missing_at and self.has_standing_breach and (self.missing_at <= now or is_found_missing):
            return Verdict.UNDETERMINED if is_provisional else Verdict.MISSING
        return None

    def _aware_verdict(self) -> Verdict | None:
        if self.aware_due_at is None or self.obligation.soft or self.state is ClockState.STOPPED:
            return None
        if self.met_at is None:
            return self.verdict if self.verdict is Verdict.MISSING else None
        return Verdict.ON_TIME if self.met_at <= self.aware_due_at else Verdict.LATE


def started(view: ClockView, known_at: datetime) -> Clock:
    """A clock as it starts, from a command received at `known_at`."""
    ladder = armed(view.due_at, known_at)
    clock = Clock(view.obligation, view.position, view.starts_at, view.due_at, ladder)
    adopt(clock, view)
    return clock


def adopt(clock: Clock, view: ClockView) -> None:
    """Takes over what the incident's commands now say; what has been recorded stays, if it rests on the same."""
    if (view.met_at, view.missing_at) != (clock.met_at, clock.missing_at):
        clock.verdict = None
    clock.position = view.position
    clock.starts_at, clock.due_at, clock.due_latest_at = view.starts_at, view.due_at, view.due_latest_at
    clock.met_at, clock.met_by, clock.missing_at = view.met_at, view.met_by, view.missing_at
    clock.complete, clock.undeclared = view.complete, view.undeclared
    clock.aware_due_at = view.aware_due_at
