"""An incident: its facts, its clocks, its story, who was told, what was reported, and the forms for all of that."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from reporter.core.command import report_id
from reporter.core.reading import INCIDENT_ID
from reporter.core.terms import Category, CommandKind, Form, Grade, IncidentState, Mode
from reporter.desk import forms, handedin, session
from reporter.desk.auth import Action, Caller
from reporter.desk.dossier import Dossier, ShownReport, dossier_of, etag_of
from reporter.desk.drafting import NONE, PENDING, report_values
from reporter.desk.edge import ARRIVED
from reporter.desk.forms import Typed
from reporter.desk.giving import COMMANDS, Call, give
from reporter.desk.incidentfields import CHANNELS, corrections, values_of
from reporter.desk.pages import Page, framed, show
from reporter.desk.problems import HttpProblem
from reporter.desk.services import Desk
from reporter.store import queries, restricted

Words = tuple[str, str]
REPORT: Final = "report"
_REASON_CHARS_MAX: Final = 2000
_SIMPLE: Final = {
    "closure": (CommandKind.CLOSED, ("结束", "Close")),
    "withdrawal": (CommandKind.WITHDRAWN, ("撤回", "Withdraw")),
    "reopening": (CommandKind.REOPENED, ("恢复", "Reopen")),
    "explanations": (CommandKind.EXPLAINED, ("说明", "Explain")),
    "acknowledgements": (CommandKind.ACKNOWLEDGED, ("签收", "Acknowledge")),
}
GRAVE: Final = ("closure", "withdrawal", "reopening")
"""What has to be confirmed."""


@dataclass(frozen=True, slots=True)
class Tab:
    """One form that may be chosen. `tone` is that of the clock it is for."""

    key: str
    title: Words
    is_current: bool
    tone: str = ""
    shape: str = ""


@dataclass(frozen=True, slots=True)
class FormElement:
    """A required element of a report, as the form has it."""

    id: str
    title: Words
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ActiveForm:
    """The form that is open: `kind` is `report`, `amendments`, `restriction`, or the path of a simple command.

    `of` is the obligation that a report is for, `title` its name; `before` is what a correction began with.
    """

    kind: str
    key: str
    of: str
    title: Words
    typed: Typed
    forms: tuple[Form, ...]
    elements: tuple[FormElement, ...]
    before: Mapping[str, str]
    is_grave: bool


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """`receipt` is the report that has just been filed, with its arrival."""

    dossier: Dossier
    tabs: tuple[Tab, ...]
    form: ActiveForm | None
    errors: Mapping[str, Words]
    refused: str | None
    receipt: ShownReport | None
    done: str
    rate: object
    accept: str
    categories: tuple[Category, ...]
    grades: tuple[Grade, ...]
    modes: tuple[Mode, ...]
    channels: tuple[str, ...]


async def _page(request: Request, desk: Desk) -> Response:
    caller = await desk.auth.caller(request)
    dossier = await dossier_of(desk, caller, _id(request))
    return _show(request, desk, caller, dossier)


async def _live(request: Request, desk: Desk) -> Response:
    """The parts of the page that change with the incident."""
    caller = await desk.auth.caller(request)
    dossier = await dossier_of(desk, caller, _id(request))
    language = session.language_of(request, desk)
    text = desk.renderer.render("parts/incident_update.html", language=language, dossier=dossier)
    return Response(text, media_type="text/html; charset=utf-8")


async def _changes(request: Request, desk: Desk) -> Response:
    """Whether an incident shows anything else than `seen`: a page asks this every few seconds, and shows nothing by
    it, so that looking at a restricted incident is logged when it is looked at.
    """
    caller = await desk.auth.caller(request)
    incident_id = request.query_params.get("incident", "").lower()
    async with desk.services.database.snapshot() as connection:
        standing = await queries.standing(connection, incident_id)
        record = None
        if standing is not None and caller.sees(standing):
            record = await queries.incident(connection, incident_id, caller.scope)
        is_restricted = await restricted.is_restricted(connection, incident_id)
    if record is None:
        return Response(status_code=404)
    etag = etag_of(record.incident.version, record.notices, is_restricted=is_restricted)
    if request.query_params.get("seen") == etag:
        return Response(status_code=204)
    return JSONResponse({"etag": etag})


def _command(path: str) -> Page:
    kind = COMMANDS[path]

    async def view(request: Request, desk: Desk) -> Response:
        return await _give(request, desk, path)

    return Page(f"/incidents/{{incident_id}}/{path}", view, "POST", right=kind)


async def _give(request: Request, desk: Desk, path: str) -> Response:
    """Takes a form as a command; what is wrong is shown beside it with everything that was typed."""
    caller = await desk.auth.caller(request)
    box = desk.services.files
    limit = box.bytes_max if path == "reports" and box is not None else 0
    given = await forms.read(request, desk, file_bytes_max=limit)
    try:
        return await _take(request, desk, caller, path, given)
    finally:
        await given.close()


async def _take(request: Request, desk: Desk, caller: Caller, path: str, given: Typed) -> Response:
    incident_id = _id(request)
    call = Call(caller, given.key, given.received_at or request.scope[ARRIVED])
    try:
        data, errors = _data(path, given, call, desk)
        if not errors:
            if given.files:
                data["attachments"] = await handedin.keep(desk, caller, incident_id, given.files)
            await give(desk, call, path, incident_id, data)
    except HttpProblem as problem:
        dossier = await dossier_of(desk, caller, incident_id)
        found = {
            each.path.partition(".")[0] or "form": (each.message, each.message) for each in problem.errors
        }
        return _show(request, desk, caller, dossier, path, given, found, problem.detail, problem.status)
    if errors:
        dossier = await dossier_of(desk, caller, incident_id)
        return _show(request, desk, caller, dossier, path, given, errors, None, 422)
    done = report_id(f"{call.source}/{path}/{incident_id}", call.key) if path == "reports" else path
    language = session.language_of(request, desk)
    return RedirectResponse(f"/incidents/{incident_id}?lang={language}&done={done}", 303)


def _data(path: str, given: Typed, call: Call, desk: Desk) -> tuple[dict[str, object], dict[str, Words]]:
    """The command's data from the form, and what is wrong with it by field."""
    errors: dict[str, Words] = {}
    if path == "reports":
        return report_data(given), errors
    data: dict[str, object] = {}
    if path == "amendments":
        facts = corrections(given, call.received_at, desk.services.zone)
        data, errors = facts.data, dict(facts.errors)
        if not data and not errors:
            errors["form"] = "没有改动任何事实", "nothing has been changed"
    if path == "acknowledgements":
        data["by"] = call.caller.account.title
        if notice := given.one("notice"):
            data["notice"] = notice
        return data, errors
    data["reason"] = given.one("reason")[:_REASON_CHARS_MAX]
    if not data["reason"]:
        errors["reason"] = "必填", "required"
    if path in GRAVE and not given.has("confirm"):
        errors["confirm"] = "请确认后再提交", "confirm it first"
    if path == "withdrawal" and (survivor := given.one("duplicate_of")):
        named = INCIDENT_ID.search(survivor.lower())
        if named is None:
            errors["duplicate_of"] = (
                "请填事件编号或其页面地址",
                "the incident's id, or the address of its page",
            )
        else:
            data["duplicate_of"] = named.group()
    return data, errors


def report_data(given: Typed) -> dict[str, object]:
    """A report's data from its form. What is blank is not said; the call is kept with reports by phone."""
    data: dict[str, object] = {"form": given.one("form") or Form.WRITTEN.value}
    if covers := [name for name in given.all("of") if name]:
        data["covers"] = covers
    data |= given.given(("text", "author"))
    elements: dict[str, object] = {}
    for field in given.values:
        name = field.removeprefix("e_")
        if name == field:
            continue
        kind, text = given.one(field), given.one(f"t_{name}")
        if kind == NONE:
            elements[name] = {"none": True}
        elif kind == PENDING:
            elements[name] = {"pending": text}
        elif text:
            elements[name] = text
    if elements:
        data["elements"] = elements
    call = given.given(("caller", "answered_by", "phone"))
    if call and data["form"] == Form.PHONE:
        data["call"] = call
    if entered := given.one("entered_at"):
        data["entered_at"] = entered[:64]
    return data


def _show(
    request: Request,
    desk: Desk,
    caller: Caller,
    dossier: Dossier,
    path: str | None = None,
    given: Typed | None = None,
    errors: Mapping[str, Words] | None = None,
    refused: str | None = None,
    status: int = 200,
) -> Response:
    wanted = _wanted(request, path, given)
    available = tabs_of(caller, dossier)
    if wanted not in [tab.key for tab in available]:
        wanted = available[0].key if available and path is None else wanted
    language = session.language_of(request, desk)
    form = _form(desk, caller, dossier, wanted, given, language) if available else None
    done = request.query_params.get("done", "")
    page = IncidentPage(
        dossier=dossier,
        tabs=tuple(replace(tab, is_current=tab.key == wanted) for tab in available),
        form=form,
        errors=errors or {},
        refused=refused,
        receipt=next((each for each in dossier.reports if each.id == done), None),
        done=done if done in COMMANDS else "logged" if "logged" in request.query_params else "",
        rate=desk.hub.teller.clock()["rate"],
        accept=handedin.ACCEPT if desk.services.files is not None else "",
        categories=tuple(Category),
        grades=tuple(Grade),
        modes=tuple(Mode),
        channels=CHANNELS,
    )
    return show(desk, "pages/incident.html", language, page, status, framed(request, caller))


def _wanted(request: Request, path: str | None, given: Typed | None) -> str:
    if path is None:
        return request.query_params.get("do", "")
    return f"{REPORT}:{given.one('of')}" if path == "reports" and given is not None else path


def tabs_of(caller: Caller, dossier: Dossier) -> list[Tab]:
    """The forms that the caller may use on the incident as it stands: reports still owed first."""
    found = []
    if caller.may(CommandKind.FILED):
        cells = dossier.card.clocks
        owed = [cell for cell in cells if cell.is_counting]
        others = [cell for cell in cells if not cell.is_counting]
        found += [
            Tab(f"{REPORT}:{cell.obligation}", cell.title, False, cell.face.tone, cell.face.shape)
            for cell in (*owed, *others)
        ]
    simple = {
        "acknowledgements": dossier.open_notices > 0,
        "explanations": True,
        "closure": dossier.state is IncidentState.OPEN,
        "reopening": dossier.state is not IncidentState.OPEN,
        "withdrawal": dossier.state is not IncidentState.WITHDRAWN,
    }
    if caller.may(CommandKind.AMENDED):
        found.append(Tab("amendments", ("更正", "Correct"), False))
    for path, is_fit in simple.items():
        kind, title = _SIMPLE[path]
        if is_fit and caller.may(kind):
            found.append(Tab(path, title, False))
    if caller.may(Action.RESTRICT):
        found.append(Tab("restriction", ("受限", "Restrict"), False))
    return found


def _form(
    desk: Desk, caller: Caller, dossier: Dossier, wanted: str, given: Typed | None, language: str
) -> ActiveForm:
    kind, _, of = wanted.partition(":")
    obligation = dossier.edition.obligation(of)
    before: dict[str, str] = {}
    typed = given
    elements: tuple[FormElement, ...] = ()
    if kind == REPORT and obligation is not None:
        if typed is None:
            typed = forms.typed(
                report_values(
                    dossier.record.incident,
                    dossier.record.reports,
                    obligation,
                    author=caller.account.title,
                    unit=dossier.card.unit,
                    language=language,
                    zone=desk.services.zone,
                )
            )
        elements = tuple(
            FormElement(each.id, (each.zh, each.en), typed.one(f"e_{each.id}"), typed.one(f"t_{each.id}"))
            for each in obligation.elements
        )
    elif kind == "amendments":
        before = values_of(dossier.record.incident, desk.services.zone)
        if typed is None:
            typed = forms.typed(before)
        else:
            before = {name: typed.one(f"was_{name}", value) for name, value in before.items()}
    titles = {"amendments": ("更正", "Correct"), "restriction": ("受限", "Restrict")} | {
        path: title for path, (_, title) in _SIMPLE.items()
    }
    title = (
        (obligation.title_zh, obligation.title_en) if obligation is not None else titles.get(kind, ("", ""))
    )
    typed = typed or Typed()
    return ActiveForm(
        kind=kind,
        key=typed.key,
        of=of,
        title=title,
        typed=typed,
        forms=tuple(Form(form) for form in obligation.forms) if obligation is not None else (),
        elements=elements,
        before=before,
        is_grave=kind in GRAVE,
    )


async def _attachment(request: Request, desk: Desk) -> Response:
    return await handedin.download(desk, _id(request), request.path_params["digest"])


def _id(request: Request) -> str:
    return str(request.path_params["incident_id"]).lower()


PAGES = (
    Page("/incidents/{incident_id}", _page),
    Page("/incidents/{incident_id}/live", _live),
    Page("/incidents/{incident_id}/attachments/{digest}", _attachment),
    Page("/changes", _changes),
    *(_command(path) for path in COMMANDS if path != "findings"),
)
