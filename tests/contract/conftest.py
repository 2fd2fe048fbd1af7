"""A gate's world on each kind of database; whatever a test did, ledger and tables must agree afterwards."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from reporter.store import models as m
from reporter.store.database import SQLITE_FILE
from reporter.store.ledger_check import verify
from reporter.store.rebuild import differences
from tests.contract.copyworld import Place
from tests.contract.gateworld import World, world_on
from tests.postgres import PostgresServer
from tests.unit.factories import CATALOG, at

REBUILT_MAX = 50


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A gate with units and a roster, its time at the occurrence."""
    file = f"sqlite:///{tmp_path / 'gate.sqlite3'}"
    url = file if request.param == "sqlite" else request.getfixturevalue("postgres")
    async with world_on(url, CATALOG, at(0)) as found:
        yield found
        assert (await verify(found.database)).defects == ()
        async with found.database.snapshot() as connection:
            for row in (await found.rows(m.Incident))[:REBUILT_MAX]:
                assert await differences(connection, row["id"]) == []


@pytest.fixture(params=["sqlite", "postgresql"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """A world and an empty place beside it."""
    if request.param == "sqlite":
        for name in ("live", "new"):
            (tmp_path / name).mkdir()
        urls = [f"sqlite:///{tmp_path / name / SQLITE_FILE}" for name in ("live", "new")]
    else:
        request.getfixturevalue("programs")
        urls = request.getfixturevalue("two_databases")
    async with world_on(urls[0], CATALOG, at(0)) as world:
        yield Place(world, tmp_path, urls[1])


@pytest.fixture
def programs(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts `pg_dump` and `pg_restore` of the tests' own server on the PATH."""
    folder = postgres_server.programs()
    if folder is not None:
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def two_databases(postgres_server: PostgresServer) -> Iterator[list[str]]:
    """The URLs of two empty databases of this test's own."""
    urls = [postgres_server.create_database() for _ in range(2)]
    yield urls
    for url in urls:
        postgres_server.drop_database(url)
