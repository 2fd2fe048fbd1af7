"""Plays seeds until time is up, or one fails: `python -m tests.sim --seconds 60`, `--seeds 1-20`, `--seed 7`."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom

from tests.sim.play import Failed, play

PROGRESS_S = 5.0


def main() -> int:
    """0: every seed ended as the auditor says. 1: one did not; it is named, and how to play it again."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to play fresh seeds")
    parser.add_argument("--seed", type=int, help="play this one alone")
    parser.add_argument("--seeds", help="play these, such as 1-20")
    arguments = parser.parse_args()
    return asyncio.run(_run(_seeds(arguments.seed, arguments.seeds), arguments.seconds))


def _seeds(one: int | None, span: str | None) -> list[int]:
    if one is not None:
        return [one]
    if span:
        first, _, last = span.partition("-")
        return list(range(int(first), int(last or first) + 1))
    return []


async def _run(chosen: list[int], seconds: float) -> int:
    started = said_at = time.monotonic()
    operations = faults = 0
    days = 0.0
    for count, seed in enumerate(chosen or _fresh(started + seconds), 1):
        with tempfile.TemporaryDirectory(prefix="reporter-sim-") as folder:
            try:
                played = await play(seed, f"sqlite:///{Path(folder) / 'sim.sqlite3'}")
            except Failed as failed:
                print(failed, file=sys.stderr)
                print(f"seed {seed} failed after {count - 1} good ones", file=sys.stderr)
                return 1
        operations += len(played.trace.ops)
        faults += len(played.trace.troubles)
        days += played.days
        if time.monotonic() - said_at > PROGRESS_S or seed in chosen[-1:]:
            said_at = time.monotonic()
            print(
                f"{said_at - started:6.0f} s  {count} seeds  {days:,.0f} virtual days  {operations} transactions  "
                f"{faults} troubles  last seed {seed}",
                flush=True,
            )
    return 0


def _fresh(until: float) -> Iterator[int]:
    while time.monotonic() < until:
        yield SystemRandom().randrange(1_000, 10**9)


if __name__ == "__main__":
    sys.exit(main())
