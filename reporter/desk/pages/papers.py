"""An incident on paper: the one-page card for the first two hours, and the duty report (值班信息)."""

from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from fastapi.responses import Response

from reporter.core.terms import Form
from reporter.desk import session
from reporter.desk.dossier import Dossier, ShownReport, dossier_of
from reporter.desk.drafting import first_text
from reporter.desk.pages import Page, framed, show
from reporter.desk.services import Desk


@dataclass(frozen=True, slots=True)
class CardPage:
    """The incident card: times, deadlines, phones, and lines to write on."""

    dossier: Dossier
    lines: range
    address: str


@dataclass(frozen=True, slots=True)
class DutyReportPage:
    """The duty report: made from the last written report, or from the log where there is none yet."""

    dossier: Dossier
    report: ShownReport | None
    text: str
    number: int
    issued_at: datetime
    office: str
    signer: str
    address: str


async def _card(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    dossier = await dossier_of(desk, caller, str(request.path_params["incident_id"]).lower())
    page = CardPage(dossier, range(8), _address(desk, dossier))
    language = session.language_of(request, desk)
    return show(desk, "pages/card.html", language, page, frame=framed(request, caller))


async def _duty_report(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    dossier = await dossier_of(desk, caller, str(request.path_params["incident_id"]).lower())
    language = session.language_of(request, desk)
    written = [each for each in dossier.reports if each.form is Form.WRITTEN]
    report = written[-1] if written else None
    drafted = first_text(dossier.record.incident, dossier.card.unit, language, desk.services.zone)
    page = DutyReportPage(
        dossier=dossier,
        report=report,
        text=(report.text if report is not None else "") or drafted,
        number=len(written),
        issued_at=report.received_at if report is not None else dossier.now,
        office=caller.tree.node(caller.unit).name,
        signer=dossier.card.leader.name if dossier.card.leader is not None else "",
        address=_address(desk, dossier),
    )
    return show(desk, "pages/duty_report.html", language, page, frame=framed(request, caller))


def _address(desk: Desk, dossier: Dossier) -> str:
    """Where the incident is to be found, as it is printed."""
    path = f"/incidents/{dossier.card.id}"
    public_url = desk.services.public_url
    return f"{public_url.rstrip('/')}{path}" if public_url else path


PAGES = (
    Page("/incidents/{incident_id}/card", _card),
    Page("/incidents/{incident_id}/duty-report", _duty_report),
)
