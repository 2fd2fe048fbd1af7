"""What every answer has in common, and what happens when something goes wrong inside."""

import logging

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import OperationalError

from reporter import metrics
from reporter.core.command import Command, Outcome
from tests.desk.conftest import OCCURRED, World
from tests.desk.test_auth import problem


def requests_seen(registry: CollectorRegistry = metrics.REGISTRY) -> set[str]:
    """The routes that requests were counted under."""
    families = (family for family in registry.collect() if family.name == "reporter_http_requests")
    return {sample.labels["route"] for family in families for sample in family.samples}


@pytest.mark.parametrize(
    "path", ["/healthz", "/sign-in", "/static/desk.css", "/api/v1/incidents", "/nowhere"]
)
async def test_every_answer_is_guarded(world: World, path: str) -> None:
    answer = await (await world.browser()).get(path)

    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "strict-transport-security" not in answer.headers
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["date"].endswith("GMT")
    assert "server" not in answer.headers
    is_page = answer.headers["content-type"].startswith("text/html")
    assert ("script-src 'self'" in answer.headers["content-security-policy"]) == is_page


async def test_over_tls_a_browser_is_told_to_stay_there(world: World) -> None:
    browser = await world.browser()

    answer = await browser.get("https://desk/sign-in")

    assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_an_unknown_path_and_a_wrong_method_are_problems(world: World) -> None:
    browser = await world.browser()

    nowhere = await browser.get("/api/v1/nowhere")
    wrong = await browser.delete("/api/v1/incidents")

    assert (nowhere.status_code, problem(nowhere)) == (404, "not_found")
    assert (wrong.status_code, problem(wrong)) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/incidents", "GET, HEAD, POST"),
        ("/api/v1/incidents/some-id", "GET, HEAD"),
        ("/api/v1/incidents/some-id/reports", "POST"),
        ("/api/v1/incidents/some-id/restriction", "PUT"),
        ("/log", "GET, HEAD, POST"),
        ("/static/style.css", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_all_the_right_ones(world: World, path: str, methods: str) -> None:
    browser = await world.browser({"Authorization": "Bearer none"})

    for method in ("DELETE", "OPTIONS"):
        answer = await browser.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)


async def test_head_is_answered_as_get(world: World) -> None:
    assert (await (await world.browser()).head("/healthz")).status_code == 200


async def test_unknown_paths_do_not_become_labels(world: World) -> None:
    await (await world.browser()).get("/secret-in-a-path")

    assert "other" in requests_seen()
    assert not any("secret-in-a-path" in route for route in requests_seen())


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RuntimeError("a secret of the inside"), 500, "internal"),
        (OperationalError("SELECT secret", {}, Exception("database is locked")), 503, "database_unavailable"),
    ],
)
async def test_what_goes_wrong_inside_is_logged_and_not_told(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
    code: str,
) -> None:
    async def fails(_: list[Command]) -> list[Outcome]:
        raise error

    client = await world.client()
    monkeypatch.setattr(world.gate, "submit", fails)

    with caplog.at_level(logging.ERROR):
        answer = await client.post(
            "/api/v1/incidents", json={"title": "t", "occurred": OCCURRED, "unit": "yi"}
        )

    assert (answer.status_code, problem(answer)) == (status, code)
    assert "secret" not in answer.text
    assert caplog.records
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_no_page_loads_anything_from_elsewhere(world: World) -> None:
    browser = await world.browser()

    for path in ("/docs", "/redoc"):
        assert (await browser.get(path)).status_code == 404
    page: httpx.Response = await browser.get("/sign-in")
    assert "//" not in page.text.replace("http://desk", "")
