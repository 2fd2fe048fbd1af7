"""One case of the audit: the evidence of a verdict, what the unit says to it, and what a named person finds.

A verdict is computed, and nothing here changes it. A finding is somebody's, by name, with evidence; the unit's
explanations stand beside it.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from reporter.catalog import Language
from reporter.core.plain import recipient_words
from reporter.core.terms import CommandKind, FactKind, Finding, Form, Mode, NoticeReason, NoticeState
from reporter.desk import session
from reporter.desk.auditing.evidence import Evidence, evidence
from reporter.desk.auditing.heat import name_of
from reporter.desk.auth import Action, Caller
from reporter.desk.edge import ARRIVED
from reporter.desk.giving import Call, give
from reporter.desk.live.faces import FACES, Face, tone_of
from reporter.desk.pages import Page, framed, show
from reporter.desk.problems import HttpProblem, forbidden, not_found
from reporter.desk.services import Desk
from reporter.store.queries import NoticeRow
from reporter.store.remarks import Remark

TEXT_CHARS_MAX: Final = 4000
_FORM_BYTES_MAX: Final = 64 * 1024
_KEY_CHARS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed into a form that was refused: `which` form, and what is wrong with each field."""

    which: str = ""
    finding: str = ""
    text: str = ""
    finding_error: str = ""
    text_error: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """One notice with its receipt; a state or reason that has no name here is shown as it is."""

    notice: NoticeRow
    reason: NoticeReason
    state: NoticeState
    to: tuple[str, str]


@dataclass(frozen=True, slots=True)
class RemarkLine:
    """One explanation or finding; `finding` is the word for it."""

    remark: Remark
    finding: Finding | None
    unit: str


@dataclass(frozen=True, slots=True)
class CasePage:
    """`key` makes a second sending of the same form count once; `may_find`: named, and with the right."""

    case: Evidence
    unit: str
    mode: Mode
    face: Face
    late: timedelta | None
    forms: dict[str, Form]
    notices: tuple[NoticeLine, ...]
    explanations: tuple[RemarkLine, ...]
    findings: tuple[RemarkLine, ...]
    words: tuple[Finding, ...]
    may_explain: bool
    may_find: bool
    has_right: bool
    finder: str
    key: str
    typed: Typed
    address: str


async def _page(request: Request, desk: Desk) -> Response:
    return await _shown(request, desk, Typed(), 200)


async def _find(request: Request, desk: Desk) -> Response:
    """A finding: of a person, with evidence. Errors: 403 for a program's token, which is nobody."""
    caller = await desk.auth.caller(request)
    if not caller.account.is_person:
        raise forbidden(
            "认定须由具名人员以个人账号作出 / a finding is a named person's: sign in with an account"
        )
    form = await session.read_form(request, _FORM_BYTES_MAX)
    finding, text = form.get("finding", ""), _text(form)
    typed = Typed(
        "finding",
        finding,
        text,
        "" if finding in set(Finding) else "请选择一项 / choose one",
        _wrong(text, "请写明依据 / say what it rests on"),
    )
    sent: dict[str, object] = {"finding": finding, "by": caller.account.title}
    return await _given(request, desk, caller, "findings", sent, form, typed)


async def _explain(request: Request, desk: Desk) -> Response:
    """The unit's reply."""
    caller = await desk.auth.caller(request)
    form = await session.read_form(request, _FORM_BYTES_MAX)
    text = _text(form)
    typed = Typed("explanation", text=text, text_error=_wrong(text, "请写明情况 / say what happened"))
    return await _given(request, desk, caller, "explanations", {"by": caller.account.title}, form, typed)


async def _given(
    request: Request,
    desk: Desk,
    caller: Caller,
    path: str,
    sent: dict[str, object],
    form: dict[str, str],
    typed: Typed,
) -> Response:
    if typed.finding_error or typed.text_error:
        return await _shown(request, desk, typed, 422)
    incident_id, obligation = _named(request)
    data = sent | {"reason": typed.text, "obligation": obligation}
    call = Call(caller, _key(form), request.scope[ARRIVED])
    if await evidence(desk, incident_id, obligation, caller.scope, "zh") is None:
        raise not_found()
    try:
        await give(desk, call, path, incident_id, data)
    except HttpProblem as problem:
        wrong = "；".join(error.message for error in problem.errors)
        refused = Typed(typed.which, typed.finding, typed.text, detail=wrong or problem.detail)
        return await _shown(request, desk, refused, problem.status)
    return RedirectResponse(f"/audit/cases/{incident_id}/{obligation}#remarks", 303)


async def _shown(request: Request, desk: Desk, typed: Typed, status: int) -> Response:
    caller = await desk.auth.caller(request)
    incident_id, obligation = _named(request)
    language: Language = "en" if session.language_of(request, desk) == "en" else "zh"
    case = await evidence(desk, incident_id, obligation, caller.scope, language)
    if case is None:
        raise not_found()
    said = [_remark(each, caller) for each in case.remarks]
    late_s = case.clock.late_by_s
    has_right = caller.may(CommandKind.FOUND)
    page = CasePage(
        case=case,
        unit=name_of(caller.tree, case.record.incident.unit),
        mode=Mode(case.record.incident.mode),
        face=FACES[tone_of(case.clock, desk.services.time.now())],
        late=None if late_s is None else timedelta(seconds=late_s),
        forms={form.value: form for form in Form},
        notices=tuple(
            NoticeLine(
                each, NoticeReason(each.reason), NoticeState(each.state), recipient_words(each.to_role)
            )
            for each in case.notices
        ),
        explanations=tuple(each for each in said if each.remark.kind == FactKind.EXPLAINED),
        findings=tuple(each for each in said if each.remark.kind == FactKind.FOUND),
        words=tuple(Finding),
        may_explain=caller.may(CommandKind.EXPLAINED),
        may_find=has_right and caller.account.is_person,
        has_right=has_right,
        finder=caller.account.title,
        key=secrets.token_hex(16),
        typed=typed,
        address=f"/audit/cases/{incident_id}/{obligation}",
    )
    return show(desk, "pages/audit_case.html", language, page, status, framed(request, caller))


def _named(request: Request) -> tuple[str, str]:
    return request.path_params["incident_id"].lower(), request.path_params["obligation"]


def _text(form: dict[str, str]) -> str:
    return form.get("reason", "").replace("\r\n", "\n").strip()


def _wrong(text: str, missing: str) -> str:
    if not text:
        return missing
    if len(text) > TEXT_CHARS_MAX:
        return f"最多 {TEXT_CHARS_MAX} 字 / at most {TEXT_CHARS_MAX} characters"
    return "" if "\0" not in text else missing


def _key(form: dict[str, str]) -> str:
    key = form.get("key", "")
    is_usable = 0 < len(key) <= _KEY_CHARS_MAX and key.isascii() and key.isalnum()
    return key if is_usable else secrets.token_hex(16)


def _remark(remark: Remark, caller: Caller) -> RemarkLine:
    finding = Finding(remark.finding) if remark.finding in set(Finding) else None
    return RemarkLine(remark, finding, name_of(caller.tree, remark.unit) if remark.unit else "")


_ROUTE: Final = "/audit/cases/{incident_id}/{obligation}"
PAGES = (
    Page(_ROUTE, _page, right=Action.READ),
    Page(f"{_ROUTE}/findings", _find, "POST", right=CommandKind.FOUND),
    Page(f"{_ROUTE}/explanations", _explain, "POST", right=CommandKind.EXPLAINED),
)
