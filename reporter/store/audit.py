"""The month's account: who reported in time, per unit and obligation, and every case that needs a word.

1. An incident belongs to the month of its earliest occurrence in its schedule's zone (`incidents.month`).
2. Exercises and tests are never counted. Withdrawn incidents are counted apart, and nowhere else.
3. A clock is due once its due instant has passed by `as_of`; one that is not yet due is in no other column
   either, so that the columns of a row always refer to the same clocks.
4. Each due clock is `on_time`, `late`, `missing` or `undetermined` by its verdict, or `overdue`: breached and
   still open. One whose deadline passed a moment ago and is not judged yet is due and none of these.
5. `incomplete` is apart from timeliness: the report came, and required elements are undeclared.
6. Lateness is only of reports that arrived, and counts from the last instant that could be the deadline.

So the figures of a month change with `as_of` only while its clocks run, and afterwards by amendments alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.terms import Category, ClockState, Grade, IncidentState, Mode, Verdict
from reporter.store.models import Clock, Incident
from reporter.store.queries import OVERDUE, Scope, late_by_s
from reporter.store.restricted import concealed

INCOMPLETE = "incomplete"


@dataclass(slots=True)
class AuditRow:
    """One unit and one obligation. Counts are of clocks; lateness in seconds, None where nothing was late."""

    unit: str
    obligation: str
    due: int = 0
    on_time: int = 0
    late: int = 0
    missing: int = 0
    overdue: int = 0
    undetermined: int = 0
    incomplete: int = 0
    withdrawn: int = 0
    late_median_s: float | None = None
    late_max_s: float | None = None


@dataclass(frozen=True, slots=True)
class AuditCase:
    """One clock that needs a word. `kinds`: late, missing, overdue or undetermined, and incomplete."""

    incident: str
    code: str
    title: str
    unit: str
    obligation: str
    kinds: tuple[str, ...]
    state: str
    occurred_earliest_at: datetime
    due_at: datetime
    due_latest_at: datetime | None
    met_at: datetime | None
    verdict: str | None
    late_by_s: float | None
    undeclared: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A report that met a due clock: how far from the deadline, in seconds, negative before it."""

    incident: str
    code: str
    title: str
    unit: str
    obligation: str
    verdict: str | None
    offset_s: float


@dataclass(frozen=True, slots=True)
class Audit:
    """The account of one month as of one instant; rows by unit and in the order of obligations.

    `editions`: the digests of the editions that the incidents are bound to.
    """

    month: str
    as_of: datetime
    rows: tuple[AuditRow, ...]
    cases: tuple[AuditCase, ...]
    arrivals: tuple[Arrival, ...] = ()
    editions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Among:
    """Which incidents an account is of. An exercise never counts as actual: it has an account of its own."""

    mode: Mode = Mode.ACTUAL
    category: Category | None = None
    grade: Grade | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same, of columns of `incidents`."""
        found = [Incident.mode == self.mode]
        if self.category is not None:
            found.append(Incident.category == self.category)
        if self.grade is not None:
            found.append(Incident.grade == self.grade)
        return found


@dataclass(slots=True)
class _Sum:
    row: AuditRow
    position: int
    lates_s: list[float] = field(default_factory=list)


def _around(month: str) -> tuple[datetime, datetime]:
    """Instants well before and after the month in any zone."""
    start = datetime(int(month[:4]), int(month[5:7]), 1, tzinfo=UTC)
    return start - timedelta(days=2), start + timedelta(days=33)


async def audit(
    connection: AsyncConnection, month: str, units: Scope, as_of: datetime, among: Among | None = None
) -> Audit:
    """The account of `month` (`YYYY-MM`) for incidents owned by `units` (None: all). One query.

    Restricted incidents count in the rows like any other; those out of sight are neither cases nor arrivals.
    `among` narrows it further; None: all actual ones.
    """
    statement = (
        select(
            Incident.id,
            Incident.code,
            Incident.title,
            Incident.unit,
            Incident.state.label("incident_state"),
            Incident.occurred_earliest_at,
            Incident.edition_digest,
            Clock.obligation,
            Clock.position,
            Clock.due_at,
            Clock.due_latest_at,
            Clock.state,
            Clock.met_at,
            Clock.verdict,
            Clock.complete,
            Clock.undeclared,
            concealed(units).label("is_concealed"),
        )
        .join(Clock, Clock.number == Incident.number)
        .where(Incident.occurred_earliest_at.between(*_around(month)))  # indexed; the month itself is exact
        .where(Incident.month == month, *(among or Among()).conditions())
        .order_by(Clock.due_at, Incident.id, Clock.position)
    )
    if units is not None:
        statement = statement.where(Incident.unit.in_(sorted(units)))
    sums: dict[tuple[str, str], _Sum] = {}
    cases: list[AuditCase] = []
    arrivals: list[Arrival] = []
    editions: set[str] = set()
    async with connection.stream(statement, execution_options={"yield_per": 1000}) as found:
        async for page in found.partitions():  # row by row it took twice as long
            for clock in page:
                key = (clock.unit, clock.obligation)
                total = sums.get(key)
                if total is None:
                    total = sums[key] = _Sum(AuditRow(*key), clock.position)
                total.position = min(total.position, clock.position)
                row = total.row
                editions.add(clock.edition_digest)
                if clock.incident_state == IncidentState.WITHDRAWN:
                    row.withdrawn += 1
                    continue
                if not clock.due_at < as_of:
                    continue
                row.due += 1
                late_s = late_by_s(clock.verdict, clock.met_at, clock.due_latest_at or clock.due_at)
                if late_s is not None:
                    total.lates_s.append(late_s)
                kinds = tuple(_kinds(clock.verdict, clock.state, clock.incident_state, clock.complete))
                for kind in kinds:
                    setattr(row, kind, getattr(row, kind) + 1)
                if clock.met_at is not None and not clock.is_concealed:
                    whose = (clock.id, clock.code, clock.title, clock.unit, clock.obligation, clock.verdict)
                    arrivals.append(
                        Arrival(*whose, offset_s(clock.met_at, clock.due_at, clock.due_latest_at))
                    )
                odd = tuple(kind for kind in kinds if kind != Verdict.ON_TIME)
                if odd and not clock.is_concealed:
                    cases.append(
                        AuditCase(
                            incident=clock.id,
                            code=clock.code,
                            title=clock.title,
                            unit=clock.unit,
                            obligation=clock.obligation,
                            kinds=odd,
                            state=clock.incident_state,
                            occurred_earliest_at=clock.occurred_earliest_at,
                            due_at=clock.due_at,
                            due_latest_at=clock.due_latest_at,
                            met_at=clock.met_at,
                            verdict=clock.verdict,
                            late_by_s=late_s,
                            undeclared=tuple(clock.undeclared or ()),
                        )
                    )
    return Audit(
        month, as_of, tuple(_rows(sums.values())), tuple(cases), tuple(arrivals), frozenset(editions)
    )


def offset_s(met_at: datetime, due_at: datetime, due_latest_at: datetime | None) -> float:
    """Seconds from the deadline to the report, 0 and less in time; of an uncertain deadline, from the nearer end."""
    if due_latest_at is None or met_at <= due_at:
        return (met_at - due_at).total_seconds()
    return max((met_at - due_latest_at).total_seconds(), 0.0)


def _kinds(verdict: str | None, state: str, incident_state: str, complete: bool | None) -> Iterable[str]:
    """The columns a due clock is counted in."""
    if verdict is not None:
        yield verdict
    elif state == ClockState.BREACHED and incident_state == IncidentState.OPEN:
        yield OVERDUE
    if complete is False:
        yield INCOMPLETE


def _rows(sums: Iterable[_Sum]) -> Iterable[AuditRow]:
    for total in sorted(sums, key=lambda each: (each.row.unit, each.position, each.row.obligation)):
        if total.lates_s:
            total.row.late_median_s = median(total.lates_s)
            total.row.late_max_s = max(total.lates_s)
        yield total.row
