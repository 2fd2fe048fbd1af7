"""Desk and engine as processes of their own: the one decides nothing by time, the other serves nothing to people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from .desk import Desk
from .fleet import Fleet, a_fleet
from .ledgercheck import of_kind, standing_breaches
from .moments import eventually, now, pass_by, text
from .service import Broker
from .traffic import SCHEDULE, SPAN

DESK, ENGINE = 0, 1


@pytest.fixture
def pair(tmp_path: Path, broker: Broker, postgres: str) -> Iterator[Fleet]:
    """A desk and an engine on one database."""
    with a_fleet(tmp_path / "fleet", broker.url, postgres, 2, roles=("desk", "engine")) as fleet:
        yield fleet


def test_a_desk_decides_nothing_by_time_and_an_engine_shows_no_desk(pair: Fleet) -> None:
    engine = pair.members[ENGINE].http
    assert httpx.get(f"{engine}/healthz").json() == {"status": "ok"}
    assert "reporter_breach_lateness_seconds" in httpx.get(f"{engine}/metrics").text
    eventually(lambda: pair.readiness(ENGINE)[1]["status"] == "ok", within=5)
    assert httpx.get(f"{engine}/api/v1/incidents").status_code == 404
    assert httpx.get(f"{engine}/").status_code == 404

    desk = Desk(pair.members[DESK].http, pair.token)
    pair.members[ENGINE].kill()
    occurred = now()
    incident = desk.open("east", occurred=text(occurred), schedule=SCHEDULE)["id"]
    pass_by(occurred + SPAN + timedelta(seconds=1.5))
    assert [line["kind"] for line in desk.ledger(incident)] == ["opened"]
    assert pair.readiness(DESK)[0] == 200

    pair.members[ENGINE].start()
    line = eventually(lambda: standing_breaches(desk.ledger(incident), "initial")[0], within=10)
    assert line["at"] == text(occurred + SPAN)
    eventually(lambda: of_kind(desk.ledger(incident), "notified"), within=10, why="people are told")
    desk.close()
