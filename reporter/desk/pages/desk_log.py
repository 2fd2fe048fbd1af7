"""The desk's log, for auditors: sign-ins, changes of accounts, and every view of a restricted incident."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from fastapi.responses import Response

from reporter.core.instants import rfc3339
from reporter.core.plain import Words
from reporter.core.terms import AccountRole, label
from reporter.desk import session
from reporter.desk.auth import Action
from reporter.desk.pages import Page, framed, show
from reporter.desk.parameters import Parameters
from reporter.desk.services import Desk
from reporter.desk.sheet import csv_text
from reporter.store import desk_log
from reporter.store.desk_log import Logged

PAGE_MAX = 100
CSV_MAX = 10_000
NUMBER_MAX = 999_999_999

_WORDS: Mapping[str, Words] = {
    desk_log.SIGNED_IN: ("登录", "Signed in"),
    desk_log.REFUSED: ("登录被拒", "Sign-in refused"),
    desk_log.SIGNED_OUT: ("退出", "Signed out"),
    desk_log.VIEWED: ("查看受限事件", "Viewed a restricted incident"),
    desk_log.RESTRICTED: ("设为受限", "Restricted an incident"),
    desk_log.LIFTED: ("解除受限", "Lifted a restriction"),
    "account.created": ("新建账号", "Made an account"),
    "account.disabled": ("停用账号", "Shut an account"),
    "account.enabled": ("启用账号", "Opened an account"),
    "account.password_changed": ("更改口令", "Changed a password"),
}

_DETAILS: Mapping[str, Words] = {
    "address": ("地址", "from"),
    "page": ("页面", "page"),
    "reason": ("理由", "because"),
    "role": ("角色", "role"),
    "unit": ("单位", "unit"),
}


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line, in both languages."""

    at: datetime
    actor: str
    word: Words
    about: str
    details: Words


@dataclass(frozen=True, slots=True)
class DeskLogPage:
    """`older` is the number to ask for what came before, if there is more; the others are the filter."""

    rows: tuple[LogRow, ...]
    older: int | None
    what: str
    about: str
    actor: str


async def _page(request: Request, desk: Desk) -> Response:
    lines, what, about, actor = await _read(request, desk, PAGE_MAX + 1)
    shown = lines[:PAGE_MAX]
    older = shown[-1].id if len(lines) > PAGE_MAX else None
    context = DeskLogPage(tuple(_row(line) for line in shown), older, what, about, actor)
    language, caller = session.language_of(request, desk), await desk.auth.caller(request)
    return show(desk, "pages/desk_log.html", language, context, frame=framed(request, caller))


async def _csv(request: Request, desk: Desk) -> Response:
    lines, *_ = await _read(request, desk, CSV_MAX)
    text = csv_text(
        ["id", "at", "actor", "what", "about", "unit", "details"],
        (
            (line.id, rfc3339(line.at), line.actor, line.what, line.about, line.unit, _said(line))
            for line in lines
        ),
    )
    headers = {"Content-Disposition": 'attachment; filename="desk-log.csv"'}
    return Response(text.encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=headers)


async def _read(request: Request, desk: Desk, limit: int) -> tuple[list[Logged], str, str, str]:
    caller = await desk.auth.caller(request)
    read = Parameters(request, "what", "about", "actor", "before", "lang")
    what, about, actor = (read.text(name) for name in ("what", "about", "actor"))
    before = read.count("before", 0, NUMBER_MAX)
    read.done()
    async with desk.services.database.snapshot() as connection:
        lines = await desk_log.read(
            connection, caller.scope, limit, before=before or None, what=what, about=about, actor=actor
        )
    return lines, what or "", about or "", actor or ""


def _row(line: Logged) -> LogRow:
    details = [_detail(name, value) for name, value in (line.details or {}).items()]
    return LogRow(
        line.at,
        line.actor,
        _WORDS.get(line.what, (line.what, line.what)),
        line.about,
        ("；".join(zh for zh, _ in details), "; ".join(en for _, en in details)),
    )


def _detail(name: str, value: object) -> Words:
    label_zh, label_en = _DETAILS.get(name, (name, name))
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    role = next((each for each in AccountRole if name == "role" and each == said), None)
    zh, en = (said, said) if role is None else (label(role, "zh"), label(role, "en"))
    return f"{label_zh} {zh}", f"{label_en} {en}"


def _said(line: Logged) -> str:
    return json.dumps(line.details, ensure_ascii=False) if line.details else ""


PAGES = (
    Page("/desk-log", _page, right=Action.LOG),
    Page("/desk-log.csv", _csv, right=Action.LOG),
)
