"""One district runs for the whole suite; tests that crash or starve a service bring their own."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from .desk import Desk
from .district import District, Founder, district
from .service import Broker


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    """The shared district: do not stop it, and use titles, sources and units of your own."""
    shared = district(tmp_path_factory.mktemp("town"))
    try:
        yield shared.found()
    finally:
        shared.tear_down()


@pytest.fixture(scope="session")
def desk(town: District) -> Desk:
    """The admin's desk of the shared district."""
    return town.desk


@pytest.fixture
def own_district(tmp_path: Path) -> Iterator[Founder]:
    """A maker of districts, all torn down at the end of the test."""
    founder = Founder(tmp_path)
    yield founder
    for each in founder.made:
        each.tear_down()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A nats-server of the test's own."""
    started = Broker(tmp_path / "broker").start()
    yield started
    started.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],  # noqa: ARG001 - the hook's own signature
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows the end of what each service it used wrote to stderr."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            districts = (
                value.made if isinstance(value, Founder) else [value] if isinstance(value, District) else []
            )
            for each in districts:
                name = f"reporter serve stderr ({each.service.folder.name})"
                report.sections.append((name, each.service.last_words()))
    return report
