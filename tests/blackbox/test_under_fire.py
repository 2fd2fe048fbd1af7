"""`kill -9` of anything in the middle of a burst, with deadlines coming due: lost 0, doubled 0, unjust 0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import cannot_run
from tests.postgres import NoPostgresError, PostgresServer

from .fleet import (
    Fleet,
    a_fleet,
    cut_connections,
    kill_broker,
    kill_database,
    kill_service,
    suspend_service,
    under_fire,
)
from .moments import eventually
from .service import Broker

pytestmark = pytest.mark.alone

RATE = 60
BEFORE, AFTER = 120, 120


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL that may be killed: fsync on, so that what was committed is there afterwards."""
    server = PostgresServer(fsync=True, own=True)
    try:
        server.start()
    except NoPostgresError as reason:
        cannot_run("PostgreSQL under fire", str(reason))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def its_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The trio's broker."""
    started = Broker(tmp_path_factory.mktemp("broker")).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def trio(
    tmp_path_factory: pytest.TempPathFactory, its_broker: Broker, server: PostgresServer
) -> Iterator[Fleet]:
    """Three replicas on one PostgreSQL and one broker, for all their tests: what one left wrong the next counts too."""
    with a_fleet(
        tmp_path_factory.mktemp("trio") / "fleet", its_broker.url, server.create_database(), 3
    ) as fleet:
        yield fleet


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_service_is_killed(tmp_path: Path, broker: Broker, server: PostgresServer, kind: str) -> None:
    database = server.create_database() if kind == "postgresql" else ""
    with a_fleet(tmp_path / "fleet", broker.url, database, 1) as fleet:
        under_fire(fleet, kill_service(fleet), rate=RATE, before=BEFORE, after=AFTER).assert_clean()


def test_the_broker_is_killed_under_a_service_on_sqlite(tmp_path: Path, broker: Broker) -> None:
    with a_fleet(tmp_path / "fleet", broker.url, "", 1) as fleet:
        under_fire(fleet, kill_broker(broker), rate=RATE, before=BEFORE, after=AFTER).assert_clean()


def test_one_replica_of_three_is_killed(trio: Fleet) -> None:
    under_fire(trio, kill_service(trio, 1, away_s=1.0), rate=RATE, before=BEFORE, after=AFTER).assert_clean()


def test_one_replica_of_three_is_suspended_and_comes_back(trio: Fleet) -> None:
    under_fire(trio, suspend_service(trio, 1), rate=RATE, before=BEFORE, after=AFTER).assert_clean()


def test_the_broker_is_killed_under_three_replicas(trio: Fleet, its_broker: Broker) -> None:
    under_fire(trio, kill_broker(its_broker), rate=RATE, before=BEFORE, after=AFTER).assert_clean()


def test_the_connections_to_the_database_are_cut(trio: Fleet, server: PostgresServer) -> None:
    under_fire(trio, cut_connections(server), rate=RATE, before=BEFORE, after=AFTER).assert_clean()


def test_the_database_is_killed_and_readyz_says_so_and_the_log_is_not_flooded(
    trio: Fleet, server: PostgresServer
) -> None:
    def fault() -> Iterator[None]:
        killing = kill_database(server)
        next(killing)
        yield
        eventually(lambda: trio.readiness()[0] == 503, within=5, why="/readyz says 503")
        next(killing, None)
        eventually(lambda: trio.readiness()[0] == 200, within=5, why="/readyz says 200 again")

    under_fire(trio, fault(), rate=RATE, before=BEFORE, after=AFTER).assert_clean()
    assert eventually(lambda: trio.readiness()[1]["status"] == "ok", within=5)
    troubles = [line for line in trio.log() if '"level": "error"' in line or '"level":"error"' in line]
    assert len(troubles) < 60, troubles[-3:]
