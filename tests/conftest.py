"""Plumbing for all tests: servers they share, names nobody else uses, a loud word on what did not run."""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from reporter.embedded import EmbeddedNats
from tests.postgres import NoPostgresError, PostgresServer
from tests.turns import turn

NOT_RUN = "NOT RUN: "

# A shared machine may pause anywhere: an example that takes long says nothing about the code.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


def cannot_run(what: str, why: str) -> NoReturn:
    """Ends a test that this machine cannot run: skipped and named at the end, but a failure in CI."""
    if os.environ.get("CI", "") not in {"", "0", "false"}:
        pytest.fail(f"{what} must run in CI, but: {why}", pytrace=False)
    pytest.skip(f"{NOT_RUN}{what}: {why}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says once for each reason what was not run, so that a green line is never taken for more than it is."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.getreports("skipped"):
        if isinstance(report.longrepr, tuple) and NOT_RUN in report.longrepr[2]:
            reason = report.longrepr[2].partition(NOT_RUN)[2]
            reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{NOT_RUN}{reason} ({count} tests)", red=True, bold=True)


@pytest.fixture(autouse=True)
def its_turn(
    request: pytest.FixtureRequest, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Where several processes share the tests, each waits for its turn."""
    if worker_id == "master":
        yield
    else:
        is_alone = request.node.get_closest_marker("alone") is not None
        with turn(tmp_path_factory.getbasetemp().parent, is_alone=is_alone):
            yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the whole run."""
    server = PostgresServer()
    try:
        server.start()
    except NoPostgresError as reason:
        cannot_run("tests on PostgreSQL", str(reason))
    yield server
    server.stop()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a PostgreSQL database of this test's own."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNats]:
    """One nats-server for the whole run, on any free port. Tests share it: take names from `fresh`."""
    server = EmbeddedNats(tmp_path_factory.mktemp("nats"), port=0)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(scope="session")
def fresh() -> Callable[[str], str]:
    """Makes names nobody else in this run uses: `fresh("stream")` → `stream-1`, `stream-2` …"""
    numbers = itertools.count(1)
    return lambda word: f"{word}-{next(numbers)}"
