"""One tap: `/a/<token>` from a message. Looking changes nothing, as previewers of links look too; the button does.

No login: the token stands for one person and one incident, for two hours, and can do nothing but acknowledge.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from fastapi import Request
from fastapi.responses import Response

from reporter.core.canonical import canonical
from reporter.core.command import Command, OutcomeKind
from reporter.core.notice import is_acknowledgeable
from reporter.core.terms import CommandKind, Mode, NoticeReason
from reporter.desk import session
from reporter.desk.auth import Action
from reporter.desk.edge import ARRIVED
from reporter.desk.pages import Page, show
from reporter.desk.problems import HttpProblem
from reporter.desk.services import Desk
from reporter.sending import links
from reporter.store import onetap, rehearsals
from reporter.store.keys import LINKS, signing_key
from reporter.store.onetap import Asked

_COMMANDS_MAX: Final = 200
OPEN: Final = "open"
DONE: Final = "done"
"""Nothing of that person's stands open in the incident, or the test is answered."""
EXPIRED: Final = "expired"
NOTHING: Final = "nothing"
"""The notice is one that cannot be acknowledged."""
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class AcknowledgePage:
    """`state`: as above; of an unknown link nothing else is said. `title`: None if sensitive."""

    state: str
    person: str | None = None
    code: str | None = None
    title: str | None = None
    reason: NoticeReason | None = None
    mode: Mode = Mode.ACTUAL
    due_at: datetime | None = None
    is_rehearsal: bool = False


async def _look(request: Request, desk: Desk) -> Response:
    link, state = await _link(request, desk)
    return _shown(request, desk, link, state)


async def _acknowledge(request: Request, desk: Desk) -> Response:
    link, state = await _link(request, desk)
    if link is not None and state == OPEN:
        if link.incident_id is None:
            await rehearsals.answer(desk.services.database, link.id, request.scope[ARRIVED], "link")
        else:
            await _submit(desk, link, request.scope[ARRIVED])
        link, state = await _link(request, desk)  # what is true now, and not what was asked for
    return _shown(request, desk, link, state)


async def _submit(desk: Desk, link: Asked, received_at: datetime) -> None:
    """One command for each open notice of that person: the same one as from the desk, the bus, or a verb."""
    async with desk.services.database.snapshot() as connection:
        ids = await onetap.open_notices(connection, link)
    source = f"/api/link/{link.id}"
    commands = []
    for id_ in ids[:_COMMANDS_MAX]:
        data = {"incident": link.incident_id, "notice": id_, "by": link.person}
        commands.append(
            Command(
                kind=CommandKind.ACKNOWLEDGED,
                source=source,
                id=id_,
                received_at=received_at,
                unit=link.unit,
                data=data,
                digest=sha256(canonical([source, CommandKind.ACKNOWLEDGED.value, data])).hexdigest(),
                actor=f"link:{link.person or ''}",
            )
        )
    for outcome in await desk.services.gate.submit(commands):
        if outcome.kind is OutcomeKind.REJECTED:
            said = json.dumps([each.message for each in outcome.errors], ensure_ascii=False)
            raise HttpProblem(409, "conflict", f"未能签收 / not acknowledged: {said}")


async def _link(request: Request, desk: Desk) -> tuple[Asked | None, str]:
    """The notice that the token names, and how it stands with it."""
    services = desk.services
    text = request.path_params["token"]
    read = None
    if len(text) <= links.TOKEN_CHARS:
        read = links.read(await signing_key(services.database, LINKS, services.time.now()), text)
    if read is None:
        return None, UNKNOWN
    notice_id, until = read
    async with services.database.snapshot() as connection:
        link = await onetap.asked(connection, notice_id)
        if link is None:
            return None, UNKNOWN
        if not is_acknowledgeable(link.incident_id, link.reason):
            return link, NOTHING
        if not await onetap.open_notices(connection, link):
            return link, DONE
    return link, OPEN if request.scope[ARRIVED] <= until else EXPIRED


def _shown(request: Request, desk: Desk, link: Asked | None, state: str) -> Response:
    page = AcknowledgePage(state)
    if link is not None:
        page = AcknowledgePage(
            state,
            link.person,
            link.code,
            link.title,
            NoticeReason(link.reason),
            Mode(link.mode),
            link.due_at,
            link.reason == NoticeReason.REHEARSAL,
        )
    status = {UNKNOWN: 404, EXPIRED: 410}.get(state, 200)
    answer = show(desk, "pages/acknowledge.html", session.language_of(request, desk), page, status)
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return answer


PAGES = (
    Page("/a/{token}", _look, right=Action.PUBLIC),
    Page("/a/{token}", _acknowledge, "POST", right=Action.PUBLIC),
)
