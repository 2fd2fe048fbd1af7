"""Seeded stories through the real gate on real databases, under virtual time and faults, held against the auditor.

A failure names its seed: `REPORTER_SIM_SEED=<seed> python -m pytest tests/sim` plays that one alone.
"""

import os
from pathlib import Path
from random import SystemRandom

import pytest

from tests.sim.mutations import ROOT, Mutation, mutations
from tests.sim.play import BEYOND, SCHEDULES, play
from tests.sim.rules import DEFAULT

FIXED = int(os.environ.get("REPORTER_SIM_SEED", "0"))
FRESH = SystemRandom().randrange(1_000, 10**9)
ON_SQLITE = [FIXED] if FIXED else [*range(1, 26), pytest.param(FRESH, id="fresh")]
ON_POSTGRESQL = [FIXED] if FIXED else [*range(101, 107)]
WITHOUT_LAW: frozenset[str] = frozenset()
"""Shipped schedules that say what the auditor knows no law for: they are not simulated."""


@pytest.mark.parametrize("seed", ON_SQLITE)
async def test_a_seed_ends_as_the_auditor_says(seed: int, tmp_path: Path) -> None:
    await play(seed, f"sqlite:///{tmp_path / 'sim.sqlite3'}")


@pytest.mark.parametrize("seed", ON_POSTGRESQL)
async def test_a_seed_ends_as_the_auditor_says_on_postgresql(seed: int, postgres: str) -> None:
    await play(seed, postgres)


async def test_a_seed_replays_exactly(tmp_path: Path) -> None:
    seed = FIXED or 7

    first, second = [await play(seed, f"sqlite:///{tmp_path / name}") for name in ("one", "two")]

    assert first.heads == second.heads
    assert first.trace.ops == second.trace.ops
    assert first.trace.troubles == second.trace.troubles


def test_every_shipped_schedule_and_one_of_two_editions_is_simulated() -> None:
    assert set(BEYOND) == WITHOUT_LAW
    assert DEFAULT in SCHEDULES
    assert any(len(schedule.editions) > 1 for schedule in SCHEDULES.values())


@pytest.mark.parametrize("name", ["said", "rules", "law", "chase", "auditor", "workload"])
def test_the_second_opinion_is_its_own(name: str) -> None:
    source = (Path(__file__).parent / f"{name}.py").read_text("utf-8")

    assert "from reporter" not in source and "import reporter" not in source


@pytest.mark.parametrize("mutation", mutations(), ids=lambda mutation: mutation.name)
def test_a_mutation_fits_the_product(mutation: Mutation) -> None:
    """Whether it is noticed takes minutes, and is asked by hand: `python -m tests.sim.mutations`."""
    before = (ROOT / mutation.file).read_text("utf-8")

    assert mutation.applied(before) != before
