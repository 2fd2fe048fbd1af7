"""The one decision: a command, or the passing of time, turns an incident into ledger lines, notices and clocks.

Nothing here reads a clock, a table or a roster: it is handed the incident as recorded, the instant, how far
judging may go, and who is on duty. It changes the `Tracked` incident that it is handed and says what was written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reporter.core import ladder
from reporter.core.clock import Clock, adopt, started
from reporter.core.incident import Entry, View, derive
from reporter.core.instants import maybe_rfc3339, rfc3339
from reporter.core.ladder import Firing
from reporter.core.schedule import format_offset
from reporter.core.terms import (
    FACT_OF_COMMAND,
    Anomaly,
    ClockState,
    CommandKind,
    FactKind,
    IncidentState,
    Mode,
    NoticeReason,
    Verdict,
)
from reporter.core.tracked import Directory, Tracked, notify
from reporter.core.turns import wait_between

ENGINE = "engine"
"""The actor of what time alone brought about."""


def tick(incident: Tracked, now: datetime, judged_through: datetime, directory: Directory) -> None:
    """What time brought about in the incident's clocks: reminders up to `now`, all else up to `judged_through`.

    `judged_through` is the instant up to which every stored message is known to have been read (contract 3.13).
    A second tick at the same instants adds nothing.
    """
    for clock in incident.clocks:
        until = clock.chased_until(incident.closed_at, incident.withdrawn_at)
        firings = list(ladder.fire(clock.ladder, clock.obligation.ladder, now, judged_through, until))
        later = [firing for firing in firings if firing.step.offset >= ladder.ZERO]
        for firing in firings:
            if firing.step.offset < ladder.ZERO:
                incident.write(
                    FactKind.REMINDED, firing.at, now, _fire(incident, clock, firing, now, directory), ENGINE
                )
        if clock.needs_breach(incident.withdrawn_at) and clock.due_at <= judged_through:
            _breach(incident, clock, later, now, judged_through, directory)
        for firing in later:
            incident.write(
                FactKind.ESCALATED, firing.at, now, _fire(incident, clock, firing, now, directory), ENGINE
            )
        _judge(incident, clock, now, judged_through)


def _judge(incident: Tracked, clock: Clock, now: datetime, judged_through: datetime) -> None:
    """Writes down, in one line, that a breach has become certain and that a report is missing."""
    is_sure_now = (
        clock.may_become_certain(is_provisional=incident.is_provisional)
        and clock.final_due_at <= judged_through
    )
    if is_sure_now:
        clock.breach_certain = True
    before = clock.verdict
    incident.settle(clock, judged_through)
    at = clock.missing_at if clock.verdict is not before else None
    if at is None and is_sure_now:
        at = clock.final_due_at
    if at is not None:
        incident.write(FactKind.JUDGED, at, now, _judgement(incident, clock), ENGINE)


def _breach(
    incident: Tracked,
    clock: Clock,
    firings: list[Firing],
    now: datetime,
    judged_through: datetime,
    directory: Directory,
) -> None:
    """Records the breach, dated at its due time, together with the step at zero if that is what fires."""
    clock.breach_due_at = clock.due_at
    clock.breach_certain = clock.is_certain(judged_through, is_provisional=incident.is_provisional)
    body: dict[str, object] = {
        "obligation": clock.obligation.id,
        "due_at": rfc3339(clock.due_at),
        "due_latest_at": maybe_rfc3339(clock.due_latest_at),
        "certain": clock.breach_certain,
        "notices": [],
        **_skew(incident),
    }
    zero = next((each for each in firings if not each.step.offset and not each.is_stale), None)
    if zero:
        firings.remove(zero)
        body |= _fire(incident, clock, zero, now, directory)
    incident.write(FactKind.BREACHED, clock.due_at, now, body, ENGINE)


def _fire(
    incident: Tracked, clock: Clock, firing: Firing, now: datetime, directory: Directory
) -> dict[str, object]:
    """The body of a firing's line; adds its notices."""
    step = format_offset(firing.step.offset)
    notices = notify(
        incident,
        now,
        directory.recipients(incident.unit, firing.recipients),
        firing.reason,
        obligation=clock.obligation.id,
        step=step,
        repeat=firing.repeat,
        due_at=firing.at,
        wait=wait_between(firing, clock.due_at - now),
    )
    return {
        "obligation": clock.obligation.id,
        "due_at": rfc3339(clock.due_at),
        "step": step,
        "steps": [format_offset(each.offset) for each in firing.collapsed],
        "repeat": firing.repeat,
        "reason": str(firing.reason),
        "notices": notices,
    }


def open_incident(
    incident: Tracked, opened: Entry, heading: Mapping[str, object], now: datetime, actor: str
) -> View:
    """Opens an incident: its clocks start, and the first line is written with `heading` in its body."""
    view = derive(incident.edition, opened, ())
    _adopt_state(incident, view)
    incident.clocks = [started(each, opened.received_at) for each in view.clocks]
    for clock in incident.clocks:
        incident.settle(clock, now)
    body = {
        **heading,
        "source": opened.source,
        "id": opened.id,
        "received_at": rfc3339(opened.received_at),
        "data": opened.data,
        "anomalies": view.anomalies,
        "clocks": [_due_times(clock) for clock in incident.clocks],
    }
    incident.write(FactKind.OPENED, opened.received_at, now, body, actor)
    return view


def apply(
    incident: Tracked,
    entries: Sequence[Entry],
    entry: Entry,
    told: Mapping[str, object],
    now: datetime,
    actor: str,
    directory: Directory,
    acknowledged: Sequence[tuple[str, timedelta]] = (),
    stale_at: datetime | None = None,
) -> View:
    """Applies one more command to an incident whose commands, the opening first, are `entries` (with `entry`).

    `stale_at`: until when a report is awaited after this acknowledgement.

    1. Derive the view anew from the whole set. 2. Write the command's own line, `told` in its body. 3. Bring the
    clocks in line with the view: lift breaches that no longer stand, re-arm ladders, end the repetition of the
    `acknowledged` steps (obligation and offset), judge. 4. Notice people where a rule says so.
    """
    before = incident.mode
    view = derive(incident.edition, entries[0], entries[1:])
    was_withdrawn = incident.state is IncidentState.WITHDRAWN
    _adopt_state(incident, view)
    anew = before is not Mode.ACTUAL and view.mode is Mode.ACTUAL
    changed = _reconcile(incident, view, entry, now, anew=anew)
    body: dict[str, object] = {
        **told,
        "source": entry.source,
        "id": entry.id,
        "received_at": rfc3339(entry.received_at),
        "data": entry.data,
        "anomalies": list(entry.anomalies),
    }
    if entry.report is not None:
        body |= {"report": entry.report, "covers": list(view.covers.get(entry.report, ()))}
    if changed.moved:
        body["clocks"] = [_due_times(clock) for clock in changed.moved]
    if changed.ended:
        body["ended"] = [
            {"obligation": clock.obligation.id, "ladder": ladder.remembered(clock.ladder)}
            for clock in changed.ended
        ]
    incident.write(FACT_OF_COMMAND[entry.kind], entry.received_at, now, body, actor)
    for obligation, due, reason in changed.lifted:
        lifted = {"obligation": obligation, "due_at": rfc3339(due), "reason": reason}
        incident.write(FactKind.BREACH_LIFTED, entry.received_at, now, lifted, ENGINE)
    for clock in changed.breached_anew:
        if clock.needs_breach(incident.withdrawn_at) and clock.due_at <= now:
            _breach(incident, clock, [], now, now, directory)
    for clock in incident.clocks:
        for acknowledged_of, offset in acknowledged:
            if acknowledged_of == clock.obligation.id:
                ladder.acknowledge(clock.ladder, clock.obligation.ladder, offset)
                if stale_at is not None:
                    ladder.await_report(clock.ladder, clock.obligation.ladder, offset, stale_at)
        told_before = changed.judged.get(clock.obligation.id, (None, None, None, None, []))
        incident.settle(clock, now)
        if _judged(clock) != told_before and (clock.verdict or told_before[0]) and not _is_stopped(clock):
            incident.write(FactKind.JUDGED, entry.received_at, now, _judgement(incident, clock), ENGINE)
    _notify_oddities(incident, view, entry, now, directory, was_withdrawn=was_withdrawn)
    return view


def _notify_oddities(
    incident: Tracked,
    view: View,
    entry: Entry,
    now: datetime,
    directory: Directory,
    *,
    was_withdrawn: bool,
) -> None:
    """Notices a withdrawal after a breach to the superior, and a report on what is withdrawn to the duty officer."""
    if (
        entry.kind is CommandKind.WITHDRAWN
        and not was_withdrawn
        and Anomaly.WITHDRAWN_AFTER_BREACH in view.anomalies
    ):
        reason, role = NoticeReason.WITHDRAWN, "superior.duty_officer"
    elif entry.kind is CommandKind.FILED and was_withdrawn and not entry.is_foreign:
        reason, role = NoticeReason.REPORT_AFTER_WITHDRAWAL, "unit.duty_officer"
    else:
        return
    told = notify(incident, now, directory.recipients(incident.unit, (role,)), reason)
    incident.write(
        FactKind.NOTIFIED, entry.received_at, now, {"reason": reason.value, "notices": told}, ENGINE
    )


@dataclass(slots=True)
class _Changed:
    moved: list[Clock] = field(default_factory=list)
    ended: list[Clock] = field(default_factory=list)
    lifted: list[tuple[str, datetime, str]] = field(default_factory=list)
    breached_anew: list[Clock] = field(default_factory=list)
    """Clocks that lost a breach to a new due time, at either end: if it has passed too, they breach again in the same
    commit."""
    judged: dict[str, tuple[object, ...]] = field(default_factory=dict)


def _reconcile(incident: Tracked, view: View, entry: Entry, now: datetime, *, anew: bool) -> _Changed:
    """Brings the recorded clocks in line with the view; a clock whose due time or chase changed is armed again.

    A breach whose line says that it is certain, and that an amendment makes uncertain, is lifted and recorded anew:
    of a line that stands both must hold. That an uncertain one became certain is told by a judgement.
    """
    changed = _Changed()
    recorded = {clock.obligation.id: clock for clock in incident.clocks}
    was_ended = incident.closed_at, incident.withdrawn_at
    incident.closed_at, incident.withdrawn_at = view.closed_at, view.withdrawn_at
    incident.clocks = []
    cause = NoticeReason.REOPENED if entry.kind is CommandKind.REOPENED else NoticeReason.AMENDED
    for each in view.clocks:
        clock = recorded.pop(each.obligation.id, None)
        if clock is None:
            clock = started(each, entry.received_at)
            clock.ladder.cause = cause
            if (reached := incident.ended.get(each.obligation.id)) is not None:
                clock.ladder = ladder.rearmed(
                    reached, clock.obligation.ladder, clock.due_at, entry.received_at, cause, anew=anew
                )
            if view.state is IncidentState.WITHDRAWN:
                clock.state = ClockState.STOPPED
            incident.clocks.append(clock)
            changed.moved.append(clock)
            continue
        changed.judged[each.obligation.id] = _judged(clock)
        was_due_at, was_final = clock.due_at, clock.final_due_at
        was_chased_until = clock.chased_until(*was_ended)
        adopt(clock, each)
        is_stopped = view.state is IncidentState.WITHDRAWN
        clock.state = ClockState.STOPPED if is_stopped else ClockState.RUNNING
        is_moved = clock.due_at != was_due_at
        if is_moved or clock.final_due_at != was_final:
            changed.moved.append(clock)
        is_withdrawn_in_time = view.withdrawn_at is not None and view.withdrawn_at <= clock.due_at
        is_unsure_again = (
            clock.breach_certain is True
            and (clock.final_due_at != was_final or view.is_provisional)
            and not clock.is_certain(now, is_provisional=view.is_provisional)
        )
        is_amended = is_moved or is_unsure_again
        if clock.breach_due_at is not None and (is_amended or clock.is_met_in_time or is_withdrawn_in_time):
            reason = "amended" if is_amended else "withdrawn" if is_withdrawn_in_time else "arrived_in_time"
            changed.lifted.append((clock.obligation.id, clock.breach_due_at, reason))
            clock.breach_due_at = clock.breach_certain = None
            changed.breached_anew.append(clock)
        elif clock.breach_certain and not clock.can_be_certain(is_provisional=view.is_provisional):
            clock.breach_certain = False  # a report between the ends came to be known: the judgement says so
        is_chased_longer = clock.chased_until(view.closed_at, view.withdrawn_at) > was_chased_until
        if is_moved or anew or is_chased_longer:
            clock.ladder = ladder.rearmed(
                clock.ladder, clock.obligation.ladder, clock.due_at, entry.received_at, cause, anew=anew
            )
        incident.clocks.append(clock)
    for obligation, clock in recorded.items():
        incident.ended[obligation] = clock.ladder
        changed.ended.append(clock)
        if clock.breach_due_at is not None:
            changed.lifted.append((obligation, clock.breach_due_at, "amended"))
    return changed


def _adopt_state(incident: Tracked, view: View) -> None:
    incident.state, incident.mode, incident.is_provisional = view.state, view.mode, view.is_provisional


def _is_stopped(clock: Clock) -> bool:
    return clock.state is ClockState.STOPPED


def _judged(clock: Clock) -> tuple[object, ...]:
    """What a `judged` line says of a clock; a change of any of it is worth a line."""
    return (clock.verdict, clock.met_at, clock.complete, clock.aware_verdict, clock.undeclared)


def _skew(incident: Tracked) -> dict[str, object]:
    """How far the broker's clock and ours were apart, where that is worth a word beside a verdict."""
    return {} if incident.skew_ms is None else {"skew_ms": incident.skew_ms}


def _judgement(incident: Tracked, clock: Clock) -> dict[str, object]:
    late_by_s = clock.late_by_s
    return {
        "obligation": clock.obligation.id,
        "verdict": clock.verdict,
        "due_at": rfc3339(clock.due_at),
        "due_latest_at": maybe_rfc3339(clock.due_latest_at),
        "met_at": maybe_rfc3339(clock.met_at),
        "met_by": clock.met_by,
        "late_by_s": late_by_s if clock.verdict is Verdict.LATE else None,
        "complete": clock.complete,
        "undeclared": clock.undeclared,
        "aware_due_at": maybe_rfc3339(clock.aware_due_at),
        "aware_verdict": clock.aware_verdict,
        "certain": clock.breach_certain,
        **_skew(incident),
    }


def _due_times(clock: Clock) -> dict[str, object]:
    return {
        "obligation": clock.obligation.id,
        "starts_at": rfc3339(clock.starts_at),
        "due_at": rfc3339(clock.due_at),
        "due_latest_at": maybe_rfc3339(clock.due_latest_at),
    }
