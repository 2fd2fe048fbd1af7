"""The audit: who reported in time, drawn and counted, and every case that needs a word, each opening its evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.terms import Category, FactKind, Grade, Mode
from reporter.desk import bulletin, session
from reporter.desk.auditing import heat as heats
from reporter.desk.auditing.asked import KINDS, Asked, read
from reporter.desk.auditing.heat import Heat, name_of
from reporter.desk.auditing.strip import Strip, strip
from reporter.desk.auth import Action, Caller
from reporter.desk.doors import log_views
from reporter.desk.live.faces import FACES, Face
from reporter.desk.pages import Page, framed, show
from reporter.desk.services import Desk
from reporter.desk.units import UnitChoice, choices
from reporter.store import audit, remarks, restricted
from reporter.store.audit import INCOMPLETE, Audit, AuditCase, AuditRow
from reporter.store.months import by_month, months_until

CASES_A_PAGE: Final = 50
KIND_FACES: Final[Mapping[str, Face]] = {
    **FACES,
    INCOMPLETE: Face("undetermined", "◐", ("要素不全", "Incomplete")),
}


@dataclass(frozen=True, slots=True)
class Sums:
    """All rows together. `on_time_share` in per cent, None where nothing was due; spans, None where none is."""

    due: int
    on_time: int
    late: int
    missing: int
    overdue: int
    undetermined: int
    incomplete: int
    withdrawn: int
    on_time_share: float | None
    early_median: timedelta | None
    late_median: timedelta | None


@dataclass(frozen=True, slots=True)
class Stage:
    """One obligation over all units: how many were due, and how many of them in time."""

    id: str
    title: tuple[str, str]
    due: int
    on_time: int
    percent: float


@dataclass(frozen=True, slots=True)
class RowLine:
    """One row of the account, under the unit's name."""

    row: AuditRow
    unit: str
    late_median: timedelta | None
    late_max: timedelta | None


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One case as the list shows it."""

    case: AuditCase
    unit: str
    obligation: tuple[str, str]
    faces: tuple[Face, ...]
    late: timedelta | None
    is_restricted: bool
    explanations: int
    findings: int


@dataclass(frozen=True, slots=True)
class AuditPage:
    """`query` is the question as it stands in the address; `titles` are of obligations, `kinds` what a case may be."""

    asked: Asked
    query: str
    as_of: datetime
    sums: Sums
    stages: tuple[Stage, ...]
    rows: tuple[RowLine, ...]
    heat: Heat
    strip: Strip | None
    cases: tuple[CaseLine, ...]
    case_count: int
    pages: int
    units: tuple[UnitChoice, ...]
    titles: Mapping[str, tuple[str, str]]
    kinds: Mapping[str, Face]
    categories: tuple[Category, ...]
    grades: tuple[Grade, ...]
    modes: tuple[Mode, ...]


async def _page(request: Request, desk: Desk) -> Response:
    language, caller = session.language_of(request, desk), await desk.auth.caller(request)
    now, zone = desk.services.time.now(), desk.services.zone
    asked, units = read(request, caller, now, zone)
    months = months_until(asked.month, heats.MONTHS)
    async with desk.services.database.snapshot() as connection:
        whole = await audit.audit(connection, asked.month, units, now, asked.among)
        by_months = await by_month(connection, months, units, now, asked.among, asked.obligation or None)
        titles = await _titles(connection, desk, whole)
        found = asked.narrowed(whole)
        pages = max(-(-len(found.cases) // CASES_A_PAGE), 1)
        asked = replace(asked, page=min(asked.page, pages))
        shown = found.cases[(asked.page - 1) * CASES_A_PAGE : asked.page * CASES_A_PAGE]
        named = {each.incident for each in shown}
        drawn = strip(found.arrivals)
        listed = {mark.arrival.incident for mark in drawn.marks} if drawn else set()
        hidden = await restricted.among(connection, sorted(named | listed))
        said = await remarks.counts(connection, named)
    await log_views(request, desk, caller, *sorted(hidden))
    page = AuditPage(
        asked=asked,
        query=asked.query(),
        as_of=now,
        sums=_sums(found),
        stages=_stages(found, titles),
        rows=tuple(
            RowLine(row, name_of(caller.tree, row.unit), _span(row.late_median_s), _span(row.late_max_s))
            for row in found.rows
        ),
        heat=heats.heat(by_months, months, asked, caller.tree),
        strip=drawn,
        cases=tuple(_line(case, caller, titles, hidden, said) for case in shown),
        case_count=len(found.cases),
        pages=pages,
        units=choices(caller, asked.unit or caller.unit),
        titles=titles,
        kinds={kind: KIND_FACES[kind] for kind in KINDS},
        categories=tuple(Category),
        grades=tuple(Grade),
        modes=tuple(Mode),
    )
    return show(desk, "pages/audit.html", language, page, frame=framed(request, caller))


async def _rows_csv(request: Request, desk: Desk) -> Response:
    found, caller, language = await _asked_for(request, desk)
    names = {row.unit: name_of(caller.tree, row.unit) for row in found.rows}
    return _csv(bulletin.rows_csv(found, names, language), found, "table")


async def _cases_csv(request: Request, desk: Desk) -> Response:
    found, caller, language = await _asked_for(request, desk)
    async with desk.services.database.snapshot() as connection:
        hidden = await restricted.among(connection, {case.incident for case in found.cases})
    await log_views(request, desk, caller, *sorted(hidden))
    return _csv(bulletin.cases_csv(found, language), found, "cases")


async def _asked_for(request: Request, desk: Desk) -> tuple[Audit, Caller, str]:
    caller, now = await desk.auth.caller(request), desk.services.time.now()
    asked, units = read(request, caller, now, desk.services.zone)
    async with desk.services.database.snapshot() as connection:
        found = await audit.audit(connection, asked.month, units, now, asked.among)
    return asked.narrowed(found), caller, session.language_of(request, desk)


def _csv(text: str, found: Audit, table: str) -> Response:
    as_of = found.as_of.strftime("%Y%m%dT%H%M%SZ")
    name = f"audit-{found.month}-{table}-{as_of}.csv"
    return Response(
        text.encode("utf-8-sig"),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _titles(connection: AsyncConnection, desk: Desk, found: Audit) -> dict[str, tuple[str, str]]:
    """The obligations' titles, by id; of an id in several editions any one. No query once the editions are known."""
    titles = {}
    for digest in sorted(found.editions):
        for each in (await desk.editions.of(connection, digest)).obligations:
            titles[each.id] = (each.title_zh, each.title_en)
    return titles


def _sums(found: Audit) -> Sums:
    rows = found.rows
    due, on_time = sum(row.due for row in rows), sum(row.on_time for row in rows)
    early = [-each.offset_s for each in found.arrivals if each.offset_s <= 0]
    late = [each.offset_s for each in found.arrivals if each.offset_s > 0]
    return Sums(
        due=due,
        on_time=on_time,
        late=sum(row.late for row in rows),
        missing=sum(row.missing for row in rows),
        overdue=sum(row.overdue for row in rows),
        undetermined=sum(row.undetermined for row in rows),
        incomplete=sum(row.incomplete for row in rows),
        withdrawn=sum(row.withdrawn for row in rows),
        on_time_share=round(100 * on_time / due, 1) if due else None,
        early_median=_span(median(early)) if early else None,
        late_median=_span(median(late)) if late else None,
    )


def _stages(found: Audit, titles: Mapping[str, tuple[str, str]]) -> tuple[Stage, ...]:
    """In the order of the editions, which is that of the titles."""
    due: dict[str, int] = {}
    on_time: dict[str, int] = {}
    for row in found.rows:
        due[row.obligation] = due.get(row.obligation, 0) + row.due
        on_time[row.obligation] = on_time.get(row.obligation, 0) + row.on_time
    return tuple(
        Stage(name, titles[name], due[name], on_time[name], round(100 * on_time[name] / due[name], 1))
        for name in titles
        if due.get(name)
    )


def _line(
    case: AuditCase,
    caller: Caller,
    titles: Mapping[str, tuple[str, str]],
    hidden: frozenset[str],
    said: Mapping[tuple[str, str], int],
) -> CaseLine:
    return CaseLine(
        case=case,
        unit=name_of(caller.tree, case.unit),
        obligation=titles.get(case.obligation, (case.obligation, case.obligation)),
        faces=tuple(KIND_FACES[kind] for kind in case.kinds),
        late=_span(case.late_by_s),
        is_restricted=case.incident in hidden,
        explanations=said.get((case.incident, FactKind.EXPLAINED.value), 0),
        findings=said.get((case.incident, FactKind.FOUND.value), 0),
    )


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


PAGES = (
    Page("/audit", _page, right=Action.READ),
    Page("/audit/table.csv", _rows_csv, right=Action.READ),
    Page("/audit/cases.csv", _cases_csv, right=Action.READ),
)
