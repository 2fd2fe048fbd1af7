"""The month's account and its bulletins."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from reporter.desk import bulletin, openapi
from reporter.desk.answers import audit_json
from reporter.desk.auth import Action, Caller
from reporter.desk.doors import allowed, log_views
from reporter.desk.parameters import Parameters, is_month
from reporter.desk.problems import HttpProblem, not_found
from reporter.desk.schemas import MONTH, UNIT
from reporter.desk.services import Desk
from reporter.store import audit, restricted
from reporter.store.queries import Scope

_LATER = ("html", "docx", "xlsx", "pdf")
_UNIT = openapi.query("unit", UNIT, "This unit and those below it; absent: all that the caller may see.")


def router(desk: Desk) -> APIRouter:
    """The routes of the audit."""
    routes = APIRouter(prefix="/api/v1", tags=["audit"])
    services = desk.services

    async def accounted(
        request: Request, caller: Caller, month: str, units: Scope
    ) -> tuple[audit.Audit, dict[str, str]]:
        async with services.database.snapshot() as connection:
            found = await audit.audit(
                connection, month, caller.scope if units is None else units, services.time.now()
            )
            seen = await restricted.among(connection, {case.incident for case in found.cases})
        if seen:
            await log_views(request, desk, caller, *sorted(seen))
        units_met = {row.unit for row in found.rows}
        return found, {code: caller.tree.node(code).name for code in units_met if caller.tree.resolve(code)}

    @routes.get(
        "/audit",
        dependencies=[allowed(Action.READ)],
        responses=openapi.answers("Audit"),
        openapi_extra=openapi.secured(
            openapi.query("month", MONTH, "Of the earliest occurrence.", required=True), _UNIT
        ),
    )
    async def show_audit(request: Request) -> Response:
        """Timeliness per unit and obligation in one month, and the cases that need a word."""
        caller = await desk.auth.caller(request)
        read = Parameters(request, "month", "unit")
        month, units = read.month("month"), read.units("unit", caller)
        read.done()
        found, _ = await accounted(request, caller, month, units)
        return JSONResponse(audit_json(found))

    @routes.get(
        "/bulletins/{month}.{extension}",
        dependencies=[allowed(Action.READ)],
        responses={
            **openapi.answers("Audit", 404, 501),
            200: {
                "description": "The bulletin: json or csv for now.",
                "content": {
                    "application/json": {"schema": {"type": "object"}},
                    "text/csv": {"schema": {"type": "string"}},
                },
            },
        },
        openapi_extra=openapi.secured(
            _UNIT,
            openapi.query("table", {"type": "string", "enum": ["rows", "cases"]}, "Which table, for csv."),
            openapi.query("lang", {"type": "string", "enum": ["zh", "en"]}, "Language of the headings."),
        ),
    )
    async def show_bulletin(request: Request, month: str, extension: str) -> Response:
        """The month's bulletin, for readers."""
        caller = await desk.auth.caller(request)
        if not is_month(month):
            raise not_found()
        if extension in _LATER:
            detail = f"通报暂无 {extension} 格式，请用 json 或 csv / no {extension} yet: use json or csv"
            raise HttpProblem(501, "not_implemented", detail)
        if extension not in ("json", "csv"):
            raise not_found()
        read = Parameters(request, "unit", "table", "lang")
        units = read.units("unit", caller)
        table = read.word("table", ("rows", "cases")) or "rows"
        language = read.word("lang", ("zh", "en")) or services.language
        read.done()
        found, names = await accounted(request, caller, month, units)
        if extension == "json":
            return JSONResponse(bulletin.as_json(found, names, language))
        text = (
            bulletin.rows_csv(found, names, language)
            if table == "rows"
            else bulletin.cases_csv(found, language)
        )
        return Response(
            text.encode("utf-8-sig"),  # with BOM: a spreadsheet would take the Chinese for something else
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="bulletin-{month}-{table}.csv"'},
        )

    return routes
