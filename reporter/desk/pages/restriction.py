"""The form on an incident's page that restricts it or lifts that (`parts/restriction.html`)."""

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from reporter.core.command import Problem
from reporter.desk import session
from reporter.desk.api.oversight import REASON_CHARS_MAX, set_restricted
from reporter.desk.auth import Action
from reporter.desk.pages import Page
from reporter.desk.problems import unfit
from reporter.desk.services import Desk


async def _set(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    fields = await session.read_form(request)
    reason = fields.get("reason", "").strip()
    if not 0 < len(reason) <= REASON_CHARS_MAX:
        raise unfit([Problem("reason", f"必填，至多 {REASON_CHARS_MAX} 字 / required")])
    incident_id = request.path_params["incident_id"].lower()
    await set_restricted(desk, caller, incident_id, reason, wanted=fields.get("restricted") == "1")
    return RedirectResponse(f"/incidents/{incident_id}?lang={session.language_of(request, desk)}", 303)


PAGES = (Page("/incidents/{incident_id}/restriction", _set, "POST", right=Action.RESTRICT),)
