"""Who may do what, and where."""

import httpx
import pytest

from reporter.core.terms import AccountRole, CommandKind
from reporter.desk import auth
from reporter.desk.auth import RIGHTS, Action
from reporter.desk.limits import KEYS_MAX, Failures
from tests.desk.conftest import OCCURRED, World

REASON = {"reason": "核实有误"}


def problem(answer: httpx.Response) -> str:
    """The code of a problem, which must be a whole one."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document = answer.json()
    assert document["status"] == answer.status_code
    assert document["type"] == f"urn:reporter:problem:{document['code']}"
    assert all(set(each) == {"path", "message"} for each in document["errors"])
    return str(document["code"])


async def test_without_a_token_one_is_asked_for(world: World) -> None:
    answer = await (await world.browser()).get("/api/v1/incidents")

    assert (answer.status_code, problem(answer)) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="reporter"'


@pytest.mark.parametrize(
    "header", ["Bearer rpt_wrong", "Basic dTpw", "Bearer", "Bearer \xe9", "Bearer " + "x" * 999]
)
async def test_a_wrong_token_is_refused(world: World, header: str) -> None:
    browser = await world.browser()

    answer = await browser.get("/api/v1/incidents", headers={b"Authorization": header.encode("latin-1")})

    assert answer.status_code == 401
    assert "Bearer" in answer.headers["www-authenticate"]


async def test_a_revoked_token_is_refused_within_a_second(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(0, 10_000, 2))
    monkeypatch.setattr("reporter.desk.auth.monotonic", lambda: next(ticks))
    client = await world.client("duty")
    assert (await client.get("/api/v1/incidents")).status_code == 200

    await world.secret("duty")  # the same name again: the old one is revoked

    assert (await client.get("/api/v1/incidents")).status_code == 401


async def test_a_token_is_looked_up_once_a_second(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await world.client("duty")
    monkeypatch.setattr("reporter.desk.auth.monotonic", lambda: 1000.0)
    await client.get("/api/v1/incidents")

    await world.secret("duty")

    assert (await client.get("/api/v1/incidents")).status_code == 200


async def test_too_many_wrong_tokens_are_answered_429_and_a_right_one_is_not(world: World) -> None:
    browser = await world.browser({"Authorization": "Bearer rpt_guess"})
    codes = [(await browser.get("/api/v1/incidents")).status_code for _ in range(auth.FAILURES_MAX + 2)]

    assert codes == [401] * auth.FAILURES_MAX + [429] * 2
    refused = await browser.get("/api/v1/incidents")
    assert problem(refused) == "too_many_requests"
    assert 0 < int(refused.headers["retry-after"]) <= auth.FAILURES_WINDOW_S + 1
    assert (await (await world.client()).get("/api/v1/incidents")).status_code == 200


def test_what_is_remembered_of_failures_is_bounded() -> None:
    failures = Failures(auth.FAILURES_MAX, auth.FAILURES_WINDOW_S)

    for number in range(KEYS_MAX * 2):
        failures.count(str(number))

    assert len(failures) == KEYS_MAX


def test_every_role_has_its_rights() -> None:
    assert set(RIGHTS) == set(AccountRole)
    commands = {
        role: {right for right in rights if isinstance(right, CommandKind)} for role, rights in RIGHTS.items()
    }
    assert commands[AccountRole.AUDITOR] == {CommandKind.FOUND}
    assert commands[AccountRole.LEADER] == commands[AccountRole.ADMIN] == set(CommandKind)
    assert commands[AccountRole.DUTY] == set(CommandKind) - {CommandKind.FOUND}
    assert commands[AccountRole.UNIT] == {
        CommandKind.OCCURRED,
        CommandKind.FILED,
        CommandKind.ACKNOWLEDGED,
        CommandKind.EXPLAINED,
    }
    assert all(Action.READ in rights for rights in RIGHTS.values())


@pytest.mark.parametrize(
    ("role", "command", "body", "status"),
    [
        ("auditor", "closure", REASON, 403),
        ("auditor", "reports", {}, 403),
        ("auditor", "findings", {**REASON, "finding": "omission", "by": "赵六"}, 200),
        ("duty", "findings", {**REASON, "finding": "omission", "by": "赵六"}, 403),
        ("unit", "withdrawal", REASON, 403),
        ("unit", "explanations", REASON, 200),
        ("leader", "findings", {**REASON, "finding": "omission", "by": "赵六"}, 200),
        ("admin", "closure", REASON, 200),
    ],
)
async def test_a_role_does_what_it_may(
    world: World, role: str, command: str, body: object, status: int
) -> None:
    incident = await world.open("yi")
    client = await world.client(role, "yi" if role == "unit" else "root")

    answer = await client.post(f"/api/v1/incidents/{incident['id']}/{command}", json=body)

    assert answer.status_code == status, answer.text


async def test_an_incident_of_another_branch_does_not_exist_for_one(world: World) -> None:
    incident = await world.open("jia")
    stranger = await world.client("leader", "yi")
    path = f"/api/v1/incidents/{incident['id']}"

    answers = [
        await stranger.get(path),
        await stranger.get(f"{path}/ledger"),
        await stranger.post(f"{path}/closure", json=REASON),
    ]
    nowhere = await stranger.get("/api/v1/incidents/00000000-0000-5000-8000-000000000000")

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.text for answer in answers} == {nowhere.text}
    assert (await stranger.get("/api/v1/incidents")).json()["items"] == []


async def test_one_sees_and_acts_below_oneself(world: World) -> None:
    incident = await world.open("yi-town")
    above = await world.client("duty", "yi")

    listed = (await above.get("/api/v1/incidents")).json()["items"]
    closed = await above.post(f"/api/v1/incidents/{incident['id']}/closure", json=REASON)

    assert [each["id"] for each in listed] == [incident["id"]]
    assert closed.json()["state"] == "closed"


async def test_opening_for_a_unit_outside_is_refused(world: World) -> None:
    client, leaf = await world.client("unit", "yi"), await world.client("unit", "yi-town")

    above = await client.post("/api/v1/incidents", json={"title": "t", "occurred": OCCURRED, "unit": "city"})
    beside = await client.post("/api/v1/incidents", json={"title": "t", "occurred": OCCURRED, "unit": "jia"})
    own = await leaf.post("/api/v1/incidents", json={"title": "t", "occurred": OCCURRED})
    unsaid = await client.post("/api/v1/incidents", json={"title": "t", "occurred": OCCURRED})

    assert (above.status_code, beside.status_code) == (403, 403)
    assert (own.status_code, own.json()["unit"]) == (201, "yi-town")
    assert (unsaid.status_code, unsaid.json()["errors"][0]["path"]) == (422, "unit")


async def test_what_was_rejected_is_the_roots_to_see(world: World) -> None:
    answers = {
        (role, unit): (await (await world.client(role, unit)).get("/api/v1/rejected")).status_code
        for role, unit in [("duty", "root"), ("auditor", "city"), ("unit", "root"), ("admin", "yi")]
    }

    assert answers == {
        ("duty", "root"): 200,
        ("auditor", "city"): 200,
        ("unit", "root"): 403,
        ("admin", "yi"): 403,
    }


async def test_a_filter_by_a_unit_outside_is_refused(world: World) -> None:
    client = await world.client("auditor", "yi")

    outside = await client.get("/api/v1/incidents?unit=jia")
    unknown = await client.get("/api/v1/audit?month=2026-11&unit=nowhere")

    assert (outside.status_code, problem(outside)) == (403, "forbidden")
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["path"] == "unit"
