"""Three brokers that are one cluster, streams with three copies: one is lost under load, then another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import jetstream
from .cluster import Cluster
from .fleet import a_fleet, said_catch_up
from .moments import eventually, now
from .natsclient import Nats
from .traffic import Traffic

pytestmark = pytest.mark.alone


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    started = Cluster(tmp_path / "cluster").start()
    yield started
    started.stop()


def test_one_broker_of_three_is_killed_under_load_and_then_another(tmp_path: Path, cluster: Cluster) -> None:
    with a_fleet(tmp_path / "fleet", cluster.url, "", 1, settings={"REPORTER_NATS_REPLICAS": "3"}) as fleet:
        eventually(cluster.is_whole, within=20, every=0.2, why="streams and durable have three copies each")
        traffic = Traffic(cluster.url.split(","), 40).start()
        for number, opened in ((cluster.leader("REPORTER_IN"), 80), (None, 240)):
            traffic.until(opened)
            struck = cluster.leader("REPORTER_OUT") if number is None else number
            struck_at = now()
            cluster.kill(struck)
            traffic.until(opened + 80)
            cluster.start_member(struck)
            eventually(cluster.is_whole, within=30, every=0.2, why="the cluster has recovered")
            print(f"\nbroker {struck}: {said_catch_up(fleet, struck_at, now())}")
        traffic.finish()
        found = fleet.settle(traffic)
        print(found)
        found.assert_clean()


def test_streams_made_beforehand_keep_their_copies(tmp_path: Path, cluster: Cluster) -> None:
    cluster.make_streams()

    with a_fleet(tmp_path / "fleet", cluster.url, "", 1) as fleet, fleet.connect() as nats:
        assert copies(nats) == {"REPORTER_IN": 3, "REPORTER_OUT": 3}
        eventually(lambda: fleet.readiness()[1]["status"] == "ok", within=5, why="/readyz is content")


def copies(nats: Nats) -> dict[str, int]:
    names = ("REPORTER_IN", "REPORTER_OUT")
    return {name: jetstream.api(nats, f"STREAM.INFO.{name}")["config"]["num_replicas"] for name in names}
