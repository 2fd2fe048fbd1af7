"""Fixtures that several unit tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.noticeworld import World, world_on


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A world for notices, on each kind of database."""
    url = (
        f"sqlite:///{tmp_path / 'w.sqlite3'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres")
    )
    async with world_on(url) as found:
        yield found
