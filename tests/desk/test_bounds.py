"""What is refused before anybody looks at it: other sites' requests, bodies too large, calls too many."""

from collections.abc import AsyncIterator

import pytest

from reporter.desk import limits, services
from reporter.desk.limits import Calls
from reporter.desk.sheet import csv_text
from tests.desk.conftest import OCCURRED, World
from tests.desk.people import at_the_desk
from tests.desk.test_auth import problem

SENT = {"title": "t", "occurred": OCCURRED, "unit": "yi"}


@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://desk"}, False),
        ({"Origin": "http://desk"}, True),
        ({"Origin": "http://desk.evil.example"}, False),
        ({"Origin": "null"}, False),
        ({}, True),
    ],
)
async def test_another_site_cannot_use_a_reader_s_cookie(
    world: World, headers: dict[str, str], is_let_in: bool
) -> None:
    browser = await at_the_desk(world)

    opened = await browser.post("/api/v1/incidents", json=SENT, headers=headers)
    form = await browser.post("/account/sessions", data={"session": "others"}, headers=headers)

    assert (opened.status_code == 201) == (form.status_code == 303) == is_let_in
    if not is_let_in:
        assert (opened.status_code, problem(opened)) == (403, "forbidden")


async def test_a_token_is_never_sent_by_a_browser_of_itself(world: World) -> None:
    client = await world.client()

    answer = await client.post("/api/v1/incidents", json=SENT, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/sign-in"),
        ("POST", "/setup"),
        ("POST", "/account/password"),
        ("POST", "/accounts"),
        ("POST", "/api/v1/incidents"),
    ],
)
async def test_no_route_reads_more_than_it_needs(world: World, method: str, path: str) -> None:
    browser = await at_the_desk(world, "管理员", "admin")
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100:
            read += 1
            yield b"x" * 65536

    answer = await browser.request(method, path, content=endless(), headers={"Sec-Fetch-Site": "none"})

    assert answer.status_code in (404, 413)
    assert read < 10


async def test_an_account_that_calls_without_end_is_told_to_wait_and_others_are_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "monotonic", lambda: 1000.0)
    wild, calm = await world.client("duty"), await world.client("leader")
    desk = world.app.state.desk
    for _ in range(services.CALLS_BURST):
        desk.calls.take("token:duty.root")

    refused = await wild.get("/api/v1/incidents")

    assert (refused.status_code, problem(refused)) == (429, "too_many_requests")
    assert int(refused.headers["retry-after"]) >= 1
    assert (await calm.get("/api/v1/incidents")).status_code == 200


def test_calls_come_back_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(limits, "monotonic", lambda: now)
    calls = Calls(burst=2, per_s=0.5)

    assert [calls.take("a") for _ in range(3)] == [None, None, 3]
    assert calls.take("b") is None
    now += 2
    assert [calls.take("a"), calls.take("a") is None] == [None, False]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "＝"])
def test_a_cell_that_a_spreadsheet_would_run_is_disarmed(start: str) -> None:
    text = csv_text([f"{start}heading"], [[f"{start}1+1", -5, 1.5, None, "平常"]])

    assert text.count("'" + start) == 2
    assert "-5,1.5,,平常" in text
