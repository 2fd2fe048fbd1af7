"""Seeded stories through the real gate on a real database, under virtual time and faults, held against the auditor.

A failure names its seed: `REPORTER_SIM_SEED=<seed> python -m pytest tests/sim` plays that one alone.
"""

import os
from pathlib import Path
from random import SystemRandom

import pytest

from tests.sim.play import play

FIXED = int(os.environ.get("REPORTER_SIM_SEED", "0"))
SEEDS = [FIXED] if FIXED else [*range(1, 21), SystemRandom().randrange(1_000, 10**9)]


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_seed_ends_as_the_auditor_says(seed: int, tmp_path: Path) -> None:
    await play(seed, f"sqlite:///{tmp_path / 'sim.sqlite3'}")
