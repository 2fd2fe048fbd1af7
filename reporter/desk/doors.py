"""The one place where rights are enforced: a door stands before every route, of the API and of pages alike.

1. Who is it? Without token or session: 401, and a page sends to the form.
2. Whoever has to change the password first does that, and nothing else.
3. The account is not calling more often than anybody needs to: 429.
4. The role has the right the route declares: 403.
5. A route with `{incident_id}` in its path: the incident is there, in the caller's subtree, and not hidden:
   404. Of a restricted one the view is written into the desk's log before anything is answered.
"""

from dataclasses import dataclass
from typing import Any, Final  # what FastAPI's `Depends` is, FastAPI leaves open
from urllib.parse import quote

from fastapi import Depends, Request

from reporter.desk.auth import Action, Caller, Right
from reporter.desk.problems import HttpProblem, SeeOther, forbidden, not_found
from reporter.desk.services import Desk, desk_of
from reporter.desk.session import language_of, visitor
from reporter.store import desk_log, queries

ACCOUNT_PAGE: Final = "/account"
SIGN_IN_PAGE: Final = "/sign-in"
_PATH_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Door:
    """Lets those through who have the right. `is_page`: who is not signed in is sent to the form."""

    right: Right
    is_page: bool = False

    async def __call__(self, request: Request) -> None:
        if self.right is Action.PUBLIC:
            return
        desk = desk_of(request)
        caller = await self._who(request, desk)
        wait_s = desk.calls.take(caller.account.actor)
        if wait_s is not None:
            detail = "请求过于频繁，请稍后再试 / this account calls too often: wait"
            raise HttpProblem(429, "too_many_requests", detail, headers={"Retry-After": str(wait_s)})
        caller.require(self.right)
        incident_id = request.path_params.get("incident_id")
        if incident_id is not None:
            await _to_incident(request, desk, caller, incident_id.lower())

    async def _who(self, request: Request, desk: Desk) -> Caller:
        if not self.is_page:
            caller = await desk.auth.caller(request)
            if caller.account.must_change:
                raise forbidden("请先修改口令 / the password has to be changed first")
            return caller
        language = language_of(request, desk)
        visiting = await visitor(request, desk)
        if visiting is None:
            path = request.url.path if request.method == "GET" and request.url.path != "/" else ""
            following = f"&next={quote(path, safe='/')}" if path else ""
            raise SeeOther(f"{SIGN_IN_PAGE}?lang={language}{following}")
        if visiting.account.must_change and self.right is not Action.SELF:
            raise SeeOther(f"{ACCOUNT_PAGE}?lang={language}")
        return visiting


def allowed(right: Right) -> Any:
    """The declaration of a call of the API: `dependencies=[allowed(Action.READ)]`."""
    return Depends(Door(right))


async def log_views(request: Request, desk: Desk, caller: Caller, *incident_ids: str) -> None:
    """Writes into the desk's log that the caller is shown these restricted incidents, if any."""
    if not incident_ids:
        return
    path = f"{request.method} {request.url.path}"[:_PATH_CHARS_MAX]
    address = request.client.host if request.client else ""
    async with desk.services.database.transaction() as connection:
        for incident_id in incident_ids:
            standing = await queries.standing(connection, incident_id)
            await desk_log.record(
                connection,
                desk.services.time.now(),
                caller.account.actor,
                desk_log.VIEWED,
                incident_id,
                {"page": path, "address": address},
                unit=standing.unit if standing else None,
            )


async def _to_incident(request: Request, desk: Desk, caller: Caller, incident_id: str) -> None:
    async with desk.services.database.snapshot() as connection:
        standing = await queries.standing(connection, incident_id)
    if standing is None or not caller.sees(standing):
        raise not_found()
    if standing.is_restricted:
        await log_views(request, desk, caller, incident_id)
