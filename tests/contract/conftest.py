"""A gate's world on each kind of database; whatever a test did, ledger and tables must agree afterwards."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reporter.store import models as m
from reporter.store.ledger_check import verify
from reporter.store.rebuild import differences
from tests.contract.gateworld import World, world_on
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
