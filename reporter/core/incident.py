"""What an incident is: a function of the set of its commands, ordered by arrival, never by processing.

`derive` folds that set into a `View`: the facts in force, the state, and for each obligation its clock with due
times and the report that met it. It knows no "now": whatever depends on the present is `judge` and `ladder`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from reporter.core import reading
from reporter.core.clocks import due_at
from reporter.core.command import Command, Problem, report_id
from reporter.core.reading import Occurrence, Report
from reporter.core.schedule import SUBMITTED, Edition, Obligation
from reporter.core.terms import Anomaly, CommandKind, IncidentState, Mode, anchor_unknown, field_invalid

FUTURE_TOLERANCE = timedelta(minutes=2)
"""How far past its command's arrival an occurrence may lie (clocks of senders drift) before it is disbelieved."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted command of an incident, as it is kept in its ledger.

    `anomalies`: what the gate found odd when it took the command; with `foreign_unit` a report is kept but stops
    no clock. `report`: the report's id, for filed reports. `said`: its facts and problems, where they have been read.
    """

    kind: CommandKind
    source: str
    id: str
    received_at: datetime
    data: Mapping[str, object]
    anomalies: tuple[str, ...] = ()
    report: str | None = None
    said: tuple[Mapping[str, object], Sequence[Problem]] | None = field(
        default=None, compare=False, repr=False
    )

    @classmethod
    def of(
        cls,
        command: Command,
        anomalies: Sequence[str],
        said: tuple[Mapping[str, object], Sequence[Problem]] | None = None,
    ) -> Self:
        """The command as it is kept; `anomalies`: what is odd about it, its door's findings among them."""
        is_report = command.kind is CommandKind.FILED
        return cls(
            command.kind,
            command.source,
            command.id,
            command.received_at,
            command.data,
            tuple(map(str, anomalies)),
            report_id(command.source, command.id) if is_report else None,
            said,
        )

    @property
    def order(self) -> tuple[datetime, str, str]:
        return (self.received_at, self.source, self.id)

    @property
    def is_foreign(self) -> bool:
        return Anomaly.FOREIGN_UNIT in self.anomalies


@dataclass(slots=True)
class ClockView:
    """One obligation running for one incident, without "now".

    `due_latest_at` is set where the anchor is an interval. `missing_at` is set where the incident is closed: from
    then on an unmet clock is missing and no report counts.
    """

    obligation: Obligation
    position: int
    starts_at: datetime
    due_at: datetime
    due_latest_at: datetime | None = None
    aware_due_at: datetime | None = None
    met_at: datetime | None = None
    met_by: str | None = None
    complete: bool | None = None
    undeclared: list[str] = field(default_factory=list)
    missing_at: datetime | None = None

    @property
    def final_due_at(self) -> datetime:
        """The latest instant that could be the deadline: lateness counts from it."""
        return self.due_latest_at or self.due_at


@dataclass(slots=True)
class View:
    """An incident as its commands make it."""

    state: IncidentState
    mode: Mode
    facts: dict[str, object]
    extra: dict[str, object]
    occurred: Occurrence
    is_provisional: bool
    aware_at: datetime | None
    closed_at: datetime | None
    withdrawn_at: datetime | None
    survivor: str | None
    anomalies: list[str]
    clocks: list[ClockView]
    covers: dict[str, tuple[str, ...]]
    """For each report, the obligations it is for: as named, or as found where it names none."""
    found: dict[str, list[str]]
    """The part of `covers` that was found: it may change when an earlier report is processed later."""


@dataclass(slots=True)
class _Filed:
    entry: Entry
    report: Report
    covers: tuple[str, ...] = ()


def derive(edition: Edition, opened: Entry, others: Sequence[Entry]) -> View:
    """Folds the set of an incident's commands into its view.

    1. The facts: those of the opening, then each amendment's in order of arrival; the mode only ever becomes actual.
    2. The state: the last withdrawal, closure or reopening.
    3. The anchors, and what is odd about them.
    4. The clocks, each met by the earliest qualifying report.
    """
    ordered = sorted(others, key=lambda entry: entry.order)
    read, problems = opened.said or reading.incident_facts(opened.data)
    facts = dict(read)
    extra = reading.extra_fields(CommandKind.OCCURRED, opened.data)
    anomalies = [*opened.anomalies, *(field_invalid(problem.path) for problem in problems)]
    occurrences = [(facts.pop("occurred", None), opened.received_at)]
    for entry in ordered:
        anomalies += entry.anomalies
        if entry.kind is CommandKind.AMENDED:
            corrected, problems = reading.incident_facts(entry.data)
            anomalies += [field_invalid(problem.path) for problem in problems]
            if corrected.get("mode") != Mode.ACTUAL:
                corrected.pop("mode", None)
            if "occurred" in corrected:
                occurrences.append((corrected.pop("occurred"), entry.received_at))
            facts.update(corrected)
            extra.update(reading.extra_fields(CommandKind.AMENDED, entry.data))
    state, closed_at, withdrawn_at, survivor = _state(ordered)
    occurred, is_provisional, oddity = _anchor(*occurrences[-1], opened.received_at)  # type: ignore[arg-type]
    if oddity:
        anomalies.append(oddity)
    aware_at = facts.pop("aware", None)
    if isinstance(aware_at, datetime) and not is_provisional and aware_at < occurred.earliest:
        anomalies.append(Anomaly.AWARE_BEFORE_OCCURRENCE)
        aware_at = None
    view = View(
        state=state,
        mode=Mode(str(facts.pop("mode", Mode.ACTUAL))),
        facts=facts,
        extra=extra,
        occurred=occurred,
        is_provisional=is_provisional,
        aware_at=aware_at if isinstance(aware_at, datetime) else None,
        closed_at=closed_at,
        withdrawn_at=withdrawn_at,
        survivor=survivor,
        anomalies=anomalies,
        clocks=[],
        covers={},
        found={},
    )
    filed = _filed(edition, ordered, view)
    _clocks(edition, view, opened.received_at, filed)
    if ordered:
        _note_oddities(edition, view, filed, occurrences, opened.received_at)
    view.anomalies = list(dict.fromkeys(map(str, view.anomalies)))
    return view


def _state(ordered: Sequence[Entry]) -> tuple[IncidentState, datetime | None, datetime | None, str | None]:
    """The state after the commands in order, when it was closed or withdrawn, and the incident that survives it.

    A closure of what is withdrawn changes nothing; a withdrawal ends a closure; a reopening undoes either.
    """
    state, closed_at, withdrawn_at, survivor = IncidentState.OPEN, None, None, None
    for entry in ordered:
        match entry.kind:
            case CommandKind.WITHDRAWN if state is not IncidentState.WITHDRAWN:
                named = entry.data.get("duplicate_of")
                survivor = named.lower() if isinstance(named, str) else None
                state, closed_at, withdrawn_at = IncidentState.WITHDRAWN, None, entry.received_at
            case CommandKind.CLOSED if state is IncidentState.OPEN:
                state, closed_at = IncidentState.CLOSED, entry.received_at
            case CommandKind.REOPENED:
                state, closed_at, withdrawn_at, survivor = IncidentState.OPEN, None, None, None
            case _:
                pass
    return state, closed_at, withdrawn_at, survivor


def _anchor(
    said: Occurrence | None, said_at: datetime, received_at: datetime
) -> tuple[Occurrence, bool, Anomaly | None]:
    """The occurrence to count from, whether it is provisional (then it is `received_at`), and why."""
    if said is None:
        oddity = Anomaly.OCCURRENCE_UNKNOWN
    elif said.latest < said.earliest:
        oddity = Anomaly.OCCURRENCE_INVALID
    elif said.latest > said_at + FUTURE_TOLERANCE:
        oddity = Anomaly.OCCURRENCE_IN_FUTURE
    else:
        return said, False, None
    return Occurrence(received_at, received_at), True, oddity


def _filed(edition: Edition, ordered: Sequence[Entry], view: View) -> list[_Filed]:
    """The reports in order of arrival, each with the obligations it is for."""
    filed = []
    met: set[str] = set()
    for entry in ordered:
        if entry.kind is not CommandKind.FILED:
            continue
        report, problems = reading.report(entry.data)
        item = _Filed(entry, report)
        view.anomalies += [field_invalid(problem.path) for problem in problems]
        if item.report.covers is not None:
            item.covers = item.report.covers
        elif not entry.is_foreign:
            unmet = [o.id for o in edition.obligations if o.id not in met and item.report.form in o.forms]
            item.covers = tuple(unmet[:1])
        if not entry.is_foreign:
            met |= {o.id for o in edition.obligations if _qualifies(item, o, edition)}
        if entry.report:
            view.covers[entry.report] = item.covers
            if item.report.covers is None:
                view.found[entry.report] = list(item.covers)
        filed.append(item)
    return filed


def _qualifies(item: _Filed, obligation: Obligation, edition: Edition) -> bool:
    """Whether a report is for the obligation, by name or by covering a later one, in a form that it allows."""
    if item.entry.is_foreign or item.report.form not in obligation.forms:
        return False
    if obligation.id in item.covers:
        return True
    is_later = False
    for other in edition.obligations:
        if is_later and other.covers_earlier and other.id in item.covers:
            return True
        is_later = is_later or other.id == obligation.id
    return False


def _clocks(edition: Edition, view: View, received_at: datetime, filed: Sequence[_Filed]) -> None:
    """Adds to the view the clock of each obligation whose guard holds and whose anchor exists."""
    early = {"occurred": view.occurred.earliest, "received": received_at}
    late = {"occurred": view.occurred.latest, "received": received_at}
    if view.aware_at:
        early["aware"] = late["aware"] = view.aware_at
    is_interval = view.occurred.latest != view.occurred.earliest
    for position, obligation in enumerate(edition.obligations):
        if not obligation.guard.holds(view.facts):
            continue
        due = due_at(obligation, early, edition.zone)
        if due is None:
            # Who told us knew by then, so an unknown awareness is at the latest the arrival; others have no such bound.
            unknown = next(bound.anchor for bound in obligation.bounds if bound.anchor not in early)
            view.anomalies.append(anchor_unknown(unknown))
            early.setdefault("aware", received_at)
            late.setdefault("aware", received_at)
            due = due_at(obligation, early, edition.zone)
        if due is None:
            continue
        clock = ClockView(obligation, position, _start(obligation, early), due)
        if is_interval and (latest := due_at(obligation, late, edition.zone)) not in (None, due):
            clock.due_latest_at = latest
        if view.aware_at and not view.is_provisional and view.aware_at > view.occurred.earliest:
            moved = {**early, "occurred": view.aware_at}
            clock.aware_due_at = due_at(obligation, moved, edition.zone)
        if view.closed_at:
            clock.missing_at = max(view.closed_at, clock.final_due_at)
        if filed:
            _meet(clock, edition, view, filed)
        view.clocks.append(clock)
        early[SUBMITTED + obligation.id] = clock.met_at or due
        late[SUBMITTED + obligation.id] = clock.met_at or clock.final_due_at


def _start(obligation: Obligation, anchors: Mapping[str, datetime]) -> datetime:
    for bound in obligation.bounds:
        if bound.anchor in anchors:
            return anchors[bound.anchor]
    raise KeyError(obligation.id)


def _meet(clock: ClockView, edition: Edition, view: View, filed: Sequence[_Filed]) -> None:
    """Finds the earliest report that meets the clock, and what its reports leave undeclared."""
    said: dict[str, object] = {}
    for item in filed:
        if not _qualifies(item, clock.obligation, edition):
            continue
        if clock.met_at is None:
            if clock.missing_at and item.entry.received_at > clock.missing_at:
                view.anomalies.append(Anomaly.REPORT_AFTER_CLOSE)
                continue
            clock.met_at, clock.met_by = item.entry.received_at, item.entry.report
        if clock.obligation.id in item.covers:
            said.update(item.report.elements)
    declared = {name for name, element in said.items() if reading.is_declared(element)}
    if clock.met_at and clock.obligation.elements:
        clock.undeclared = [element.id for element in clock.obligation.elements if element.id not in declared]
        clock.complete = not clock.undeclared


def _note_oddities(
    edition: Edition,
    view: View,
    filed: Sequence[_Filed],
    occurrences: Sequence[tuple[object, datetime]],
    received_at: datetime,
) -> None:
    """Adds the anomalies that look at a deadline that had passed when something was done about it."""

    if withdrawn_at := view.withdrawn_at:
        if any(_is_breached(clock, clock.due_at, withdrawn_at, view) for clock in view.clocks):
            view.anomalies.append(Anomaly.WITHDRAWN_AFTER_BREACH)
        if any(item.entry.received_at > withdrawn_at for item in filed):
            view.anomalies.append(Anomaly.REPORT_AFTER_WITHDRAWAL)
    if len(occurrences) > 1 and _is_moved_after_breach(edition, view, occurrences, received_at):
        view.anomalies.append(Anomaly.OCCURRENCE_MOVED_AFTER_BREACH)


def _is_breached(clock: ClockView, due: datetime, at: datetime, view: View) -> bool:
    """Whether at `at` a clock due at `due` had been breached."""
    is_owed = not clock.obligation.soft and not (view.withdrawn_at and view.withdrawn_at <= due)
    return is_owed and due < at and not (clock.met_at and clock.met_at <= due)


def _is_moved_after_breach(
    edition: Edition,
    view: View,
    occurrences: Sequence[tuple[object, datetime]],
    received_at: datetime,
) -> bool:
    """Whether the occurrence ever moved later when a deadline, as it stood then, had passed unmet.

    Each anchor is held against the one before it, also where either is provisional, and either end of what is said
    against what was said last: so a breach cannot be talked away by way of nonsense, or by an interval.
    """
    was: Occurrence | None = None
    stated: Occurrence | None = None
    for said, said_at in occurrences:
        now, is_provisional, _ = _anchor(said, said_at, received_at)  # type: ignore[arg-type]
        is_later = was is not None and now.earliest > was.earliest
        if stated is not None and not is_provisional:
            is_later = is_later or now.earliest > stated.earliest or now.latest > stated.latest
        if is_later and was is not None and _had_breach(edition, view, was.earliest, said_at, received_at):
            return True
        was, stated = now, stated if is_provisional else now
    return False


def _had_breach(
    edition: Edition, view: View, occurred_at: datetime, at: datetime, received_at: datetime
) -> bool:
    """Whether at `at` any clock had been breached, where the occurrence to count from was `occurred_at`."""
    anchors = {"occurred": occurred_at, "received": received_at}
    if view.aware_at:
        anchors["aware"] = view.aware_at
    for clock in view.clocks:
        due = due_at(clock.obligation, anchors, edition.zone)
        if due is None:  # for want of an awareness, as in `_clocks`
            due = due_at(clock.obligation, {"aware": received_at, **anchors}, edition.zone)
        if due is None:
            continue
        if _is_breached(clock, due, at, view):
            return True
        anchors[SUBMITTED + clock.obligation.id] = clock.met_at or due
    return False
