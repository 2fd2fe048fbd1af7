"""Plays one seed and has it heard."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reporter.catalog import load
from reporter.engine import signals
from reporter.resources import schedules_dir
from tests.sim import rules
from tests.sim.hearing import Hearing
from tests.sim.simulation import Simulation
from tests.sim.storm import visits_may_fail

FOLDERS = [schedules_dir(), Path(__file__).parent / "schedules"]
CATALOG = load(FOLDERS)
SCHEDULES, BEYOND = rules.read(FOLDERS)


class Failed(AssertionError):
    """A seed did not end as it should; the message says how to play it again."""


@contextmanager
def no_cache_by_the_machines_clock() -> Iterator[None]:
    """Units are read anew each time, so that the number of calls does not hang on how fast the machine is."""
    before, signals.TREE_AGE_S_MAX = signals.TREE_AGE_S_MAX, -1.0
    try:
        yield
    finally:
        signals.TREE_AGE_S_MAX = before


async def play(seed: int, url: str) -> Simulation:
    """Plays a seed on an empty database. Errors: Failed."""
    simulation = Simulation(seed, url, CATALOG, SCHEDULES)
    try:
        with no_cache_by_the_machines_clock(), visits_may_fail():
            await simulation.run()
        await Hearing(simulation).hear()
    except Exception as error:
        raise Failed(
            f"seed {seed}: {error}\nagain: REPORTER_SIM_SEED={seed} python -m pytest tests/sim"
        ) from error
    finally:
        await simulation.close()
    return simulation
