"""Every route as everybody: what comes of it is the table below. A route that is not in it fails the test."""

import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from reporter.core.terms import AccountRole
from reporter.desk.doors import Door
from reporter.store import accounts, sessions
from reporter.store.accounts import NewPerson
from tests.desk.conftest import World

WHO = ("anonymous", "duty", "leader", "unit", "auditor", "admin", "foreign", "restricted")
"""`unit` is the incident's own, the other roles are the root's; `foreign` leads another unit; `restricted` is
the unit above the incident's, when the incident is restricted."""

# yes: let through · no: 403 · none: 404, as if it were not there · in: asked to sign in · -: not asked
TABLE = """
GET  /                                          in  yes yes yes yes yes yes  yes
GET  /events                                    yes yes yes yes yes yes yes  yes
POST /board/acknowledge                         in  yes yes yes no  yes yes  yes
GET  /sign-in                                   yes yes yes yes yes yes yes  yes
POST /sign-in                                   yes yes yes yes yes yes yes  yes
POST /sign-out                                  yes yes yes yes yes yes yes  yes
GET  /setup                                     yes yes yes yes yes yes yes  yes
POST /setup                                     yes yes yes yes yes yes yes  yes
GET  /account                                        in  yes yes yes yes yes yes  yes
POST /account/password                               in  yes yes yes yes yes yes  yes
POST /account/sessions                               in  yes yes yes yes yes yes  yes
GET  /accounts                                  in  no  no  no  no  yes no   no
POST /accounts                                  in  no  no  no  no  yes no   no
POST /accounts/{account_id}                     in  no  no  no  no  yes no   no
GET  /channels                                  in  no  no  no  no  yes no   no
POST /channels/test                             in  no  no  no  no  yes no   no
POST /channels/rehearsals                       in  no  no  no  no  yes no   no
POST /channels/rehearsals/{number}/answers      in  no  no  no  no  yes no   no
GET  /desk-log                                       in  no  no  no  yes yes no   no
GET  /desk-log.csv                                   in  no  no  no  yes yes no   no
GET  /audit                                     in  yes yes yes yes yes yes  yes
GET  /audit/table.csv                           in  yes yes yes yes yes yes  yes
GET  /audit/cases.csv                           in  yes yes yes yes yes yes  yes
GET  /audit/cases/{incident_id}/{obligation}    in  yes yes yes yes yes none none
POST /audit/cases/{incident_id}/{obligation}/findings in no yes no  yes yes none no
POST /audit/cases/{incident_id}/{obligation}/explanations in yes yes yes no yes none none
GET  /search                                    in  yes yes yes yes yes yes  yes
POST /incidents/{incident_id}/restriction       in  yes yes no  no  yes none no
GET  /log                                       in  yes yes yes no  yes yes  yes
POST /log                                       in  yes yes yes no  yes yes  yes
GET  /log/reading                               in  yes yes yes no  yes yes  yes
GET  /changes                                   in  yes yes yes yes yes yes  yes
GET  /incidents/{incident_id}                   in  yes yes yes yes yes none none
GET  /incidents/{incident_id}/live              in  yes yes yes yes yes none none
GET  /incidents/{incident_id}/card              in  yes yes yes yes yes none none
GET  /incidents/{incident_id}/duty-report       in  yes yes yes yes yes none none
GET  /incidents/{incident_id}/attachments/{digest} in none none none none none none none
POST /incidents/{incident_id}/reports           in  yes yes yes no  yes none none
POST /incidents/{incident_id}/amendments        in  yes yes no  no  yes none no
POST /incidents/{incident_id}/withdrawal        in  yes yes no  no  yes none no
POST /incidents/{incident_id}/closure           in  yes yes no  no  yes none no
POST /incidents/{incident_id}/reopening         in  yes yes no  no  yes none no
POST /incidents/{incident_id}/acknowledgements  in  yes yes yes no  yes none none
POST /incidents/{incident_id}/explanations      in  yes yes yes no  yes none none
GET  /api/v1/incidents                          in  yes yes yes yes yes yes  yes
POST /api/v1/incidents                          in  yes yes yes no  yes yes  yes
GET  /api/v1/incidents/{incident_id}            in  yes yes yes yes yes none none
GET  /api/v1/incidents/{incident_id}/ledger     in  yes yes yes yes yes none none
POST /api/v1/incidents/{incident_id}/reports    in  yes yes yes no  yes none none
POST /api/v1/incidents/{incident_id}/amendments in  yes yes no  no  yes none no
POST /api/v1/incidents/{incident_id}/withdrawal in  yes yes no  no  yes none no
POST /api/v1/incidents/{incident_id}/closure    in  yes yes no  no  yes none no
POST /api/v1/incidents/{incident_id}/reopening  in  yes yes no  no  yes none no
POST /api/v1/incidents/{incident_id}/acknowledgements in yes yes yes no yes none none
POST /api/v1/incidents/{incident_id}/explanations in yes yes yes no yes none none
POST /api/v1/incidents/{incident_id}/findings   in  no  yes no  yes yes none no
PUT  /api/v1/incidents/{incident_id}/restriction in yes yes no  no  yes none no
GET  /api/v1/rejected                           in  yes yes no  yes yes no   no
GET  /api/v1/audit                              in  yes yes yes yes yes yes  yes
GET  /api/v1/bulletins/{month}.{extension}      in  yes yes yes yes yes yes  yes
GET  /api/v1/units                              in  yes yes yes yes yes yes  yes
GET  /api/v1/rosters/on-duty                    in  yes yes yes yes yes yes  yes
GET  /api/v1/rosters/gaps                       in  yes yes yes yes yes yes  yes
GET  /api/v1/rosters/grid                       in  yes yes yes yes yes yes  yes
GET  /api/v1/rosters/changes                    in  yes yes yes yes yes yes  yes
POST /api/v1/rosters/changes                    in  yes yes no  no  yes yes  no
POST /api/v1/rosters/changes/{change}/cancellation in yes yes no no yes yes  no
GET  /api/v1/rosters/feeds                      in  yes yes no  no  yes yes  no
POST /api/v1/rosters/feeds                      in  yes yes no  no  yes yes  no
POST /api/v1/rosters/feeds/{feed}/revocation    in  yes yes no  no  yes yes  no
GET  /api/v1/rosters/{unit}.ics                 in  yes yes yes yes yes yes  yes
GET  /feeds/rosters/{secret}.ics                yes yes yes yes yes yes yes  yes
GET  /api/v1/roll-calls                         in  yes yes yes yes yes yes  yes
POST /api/v1/roll-calls                         in  yes yes no  yes yes yes  no
POST /api/v1/channels/test                      in  no  no  no  no  yes no   no
GET  /api/v1/desk-log                           in  no  no  no  yes yes no   no
GET  /a/{token}                                 yes yes yes yes yes yes yes  yes
POST /a/{token}                                 yes yes yes yes yes yes yes  yes
POST /api/receipts/{channel}                    yes yes yes yes yes yes yes  yes
GET  /handover                                  in  yes yes yes yes yes yes  yes
POST /handover                                  in  yes yes yes no  yes yes  yes
GET  /handover/clock                            in  yes yes yes yes yes yes  yes
GET  /handover/{number}                         in  yes yes yes yes yes yes  yes
GET  /handover/{number}/snapshot.json           in  yes yes yes yes yes yes  yes
POST /handover/{number}/confirmations           in  yes yes yes no  yes yes  yes
POST /handover/{number}/statements              in  yes yes yes no  yes yes  yes
POST /handover/{number}/checks                  in  yes yes yes no  yes yes  yes
POST /handover/{number}/channel-test            in  yes yes yes no  yes yes  yes
POST /handover/{number}/signatures              in  yes yes yes no  yes yes  yes
POST /handover/{number}/cancellation            in  yes yes yes no  yes yes  yes
GET  /roster                                    in  yes yes yes yes yes yes  yes
GET  /roster/week                               in  yes yes yes yes yes yes  yes
GET  /roster/changes                            in  yes yes yes yes yes yes  yes
POST /roster/changes                            in  yes yes no  no  yes yes  no
POST /roster/changes/{change}/cancellation      in  yes yes no  no  yes yes  no
GET  /roster/roll-calls                         in  yes yes yes yes yes yes  yes
POST /roster/roll-calls                         in  yes yes no  yes yes yes  no
POST /roster/roll-calls/pick                    in  yes yes no  yes yes yes  no
GET  /roster/settings                           in  yes yes no  no  yes yes  no
POST /roster/settings/times                     in  yes yes no  no  yes yes  no
POST /roster/settings/import                    in  yes yes no  no  yes yes  no
POST /roster/settings/links                     in  yes yes no  no  yes yes  no
POST /roster/settings/links/{link}/revocation   in  yes yes no  no  yes yes  no
GET  /roster/units                              in  no  no  no  no  yes no   no
GET  /healthz                                   yes yes yes yes yes yes yes  yes
GET  /readyz                                    yes yes yes yes yes yes yes  yes
GET  /metrics                                   yes yes yes yes yes yes yes  yes
GET  /asyncapi.json                             yes yes yes yes yes yes yes  yes
"""
EXPECTED = {(line.split()[0], line.split()[1]): tuple(line.split()[2:]) for line in TABLE.split("\n") if line}
NO_DOOR = {"/openapi.json", "/static"}
"""What the framework serves, to anybody."""
ROLES = {
    "duty": ("duty", "city"),
    "leader": ("leader", "city"),
    "unit": ("unit", "yi-town"),
    "auditor": ("auditor", "city"),
    "admin": ("admin", "city"),
    "foreign": ("leader", "jia"),
    "restricted": ("unit", "yi"),
}


def routes(app: FastAPI) -> Iterator[tuple[str, str, bool]]:
    """Method and path of every route, and whether a door stands before it."""
    for context in iter_route_contexts(app.routes):
        path = context.path or ""
        dependant = getattr(context, "dependant", None)
        calls = [each.call for each in dependant.dependencies] if dependant else []
        has_door = any(isinstance(call, Door) for call in calls)
        for method in sorted((context.methods or {"GET"}) - {"HEAD"}):
            yield method, path, has_door


async def visit(world: World, role: str, unit: str) -> httpx.AsyncClient:
    """A person of that role and unit, signed in."""
    async with world.database.transaction() as connection:
        new = NewPerson(
            login=f"{role}@{unit}",
            display_name="",
            role=role,
            unit=unit,
            password_hash="never used",
            must_change=False,
        )
        person = await accounts.create(connection, new, world.time.now(), "test")
        secret = await sessions.begin(connection, world.time.now(), account_id=person.id)
    browser = await world.browser()
    browser.cookies.set("reporter_session", secret)
    return browser


def outcome(answer: httpx.Response) -> str:
    """What the door made of it."""
    if answer.status_code == 401 and "/sign-in" not in str(answer.request.url):
        return "in"
    if answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?"):
        return "yes" if answer.request.url.path == "/sign-out" else "in"
    if answer.status_code == 403:
        return "no"
    if answer.status_code == 404 and re.search("/(incidents|cases)/", str(answer.request.url)):
        return "none"
    return "yes"


def test_every_route_is_in_the_table_and_has_a_door(world: World) -> None:
    found = list(routes(world.app))

    declared = {(method, path) for method, path, _ in found if path not in NO_DOOR}
    assert declared == set(EXPECTED), "say in TABLE who may come in here"
    assert [(m, p) for m, p, has_door in found if not has_door and p not in NO_DOOR] == []


async def test_everybody_gets_what_the_table_says(world: World) -> None:
    people = {who: await visit(world, role, unit) for who, (role, unit) in ROLES.items()}
    people["anonymous"] = await world.browser()
    world.app.state.hub.close()  # else a stream of events would never end
    incident = (await world.open("yi-town"))["id"]

    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for who in WHO:
        if who == "restricted":
            sent = {"restricted": True, "reason": "涉密来源"}
            done = await people["leader"].put(f"/api/v1/incidents/{incident}/restriction", json=sent)
            assert done.status_code == 200
        for method, route in EXPECTED:
            path = route.format_map(
                {
                    "digest": "0" * 64,
                    "incident_id": incident,
                    "obligation": "initial",
                    "account_id": 999,
                    "month": "2026-11",
                    "extension": "csv",
                    "unit": "yi",
                    "change": 999,
                    "feed": 999,
                    "number": 999,
                    "link": 999,
                    "secret": "none",
                    "token": "none",
                    "channel": "none",
                }
            )
            answer = await people[who].request(method, path, content=b"", params=query(route))
            found[method, route] = (*found.get((method, route), ()), outcome(answer))
            if route == "/sign-out":  # the visit is over: a new one of the same person
                people[who] = await again(world, people[who], who)

    wrong = [
        f"{method} {route}: {who} expected {wanted}, got {got}"
        for (method, route), expected in EXPECTED.items()
        for who, wanted, got in zip(WHO, expected, found[method, route], strict=True)
        if wanted != got
    ]
    assert wrong == []


def query(route: str) -> dict[str, str]:
    return {"month": "2026-11"} if route == "/api/v1/audit" else {}


async def again(world: World, browser: httpx.AsyncClient, who: str) -> httpx.AsyncClient:
    if who == "anonymous":
        return browser
    role, unit = ROLES[who]
    async with world.database.transaction() as connection:
        person = await accounts.find(connection, f"{role}@{unit}")
        assert person is not None
        secret = await sessions.begin(connection, world.time.now(), account_id=person.id)
    browser.cookies.set("reporter_session", secret)
    return browser


@pytest.mark.parametrize("role", list(AccountRole))
async def test_a_token_has_the_rights_of_its_role_too(world: World, role: str) -> None:
    client = await world.client(role)
    expected = EXPECTED["GET", "/api/v1/desk-log"][WHO.index(role)]

    assert outcome(await client.get("/api/v1/desk-log")) == expected
