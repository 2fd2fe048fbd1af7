"""Has the simulation teeth? One rule at a time is broken in a copy of the product, and some seed must notice.

`python -m tests.sim.mutations` plays seeds against every mutation until one fails; `--only WORD` those whose name
holds the word, `--seeds 1-40` other seeds than these. It ends with 1 if a mutation went unnoticed. A mutation is an
edit of text: one that no longer fits the product is a failure too, and `tests/sim/test_mutations.py` says so early.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("reporter", "tests", "schedules", "templates", "pyproject.toml")
SEEDS = "1-60"
TIMEOUT_S = 900


@dataclass(frozen=True)
class Mutation:
    """In `file`, `before` (it stands there once) becomes `after`."""

    name: str
    file: str
    before: str
    after: str

    def applied(self, text: str) -> str:
        """The broken file. Errors: ValueError if the text does not stand there exactly once."""
        if text.count(self.before) != 1:
            raise ValueError(
                f"{self.name}: stands {text.count(self.before)} times in {self.file}: {self.before!r}"
            )
        return text.replace(self.before, self.after)


def mutations() -> list[Mutation]:
    """Those of `mutations.toml`."""
    with (Path(__file__).parent / "mutations.toml").open("rb") as file:
        return [Mutation(**table) for table in tomllib.load(file)["mutation"]]


def main() -> int:
    """0: every mutation was noticed. 1: one was not, or does not fit the product any more."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.mutations")
    parser.add_argument("--only", default="", help="mutations whose name holds this")
    parser.add_argument("--seeds", default=SEEDS)
    arguments = parser.parse_args()
    if found := hunt(None, arguments.seeds):
        print(f"{found} fails without any mutation: nothing can be said of them")
        return 1
    unnoticed = []
    for mutation in (each for each in mutations() if arguments.only in each.name):
        started = time.monotonic()
        found = hunt(mutation, arguments.seeds)
        unnoticed += [] if found else [mutation.name]
        print(f"{time.monotonic() - started:5.0f} s  {found or 'UNNOTICED':<10}  {mutation.name}", flush=True)
    print(f"{len(unnoticed)} unnoticed")
    return 1 if unnoticed else 0


def hunt(mutation: Mutation | None, seeds: str) -> str:
    """Plays seeds against a copy with the mutation. Returns what noticed it, empty if nothing did."""
    with tempfile.TemporaryDirectory(prefix="reporter-mutation-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
        if mutation is not None:
            file = copy / mutation.file
            file.write_text(mutation.applied(file.read_text("utf-8")), "utf-8")
        played = subprocess.run(
            [sys.executable, "-m", "tests.sim", "--seeds", seeds],
            cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    said = [line for line in played.stderr.splitlines() if line.startswith("seed ")]
    if "CatalogError" in played.stderr:
        return "the cases"  # worked examples beside the rules, checked at every start
    if played.returncode and not said:
        raise RuntimeError(f"the simulation did not run: {mutation}: {played.stderr[-2000:]}")
    return " ".join(said[-1].split()[:2]) if said else ""


if __name__ == "__main__":
    sys.exit(main())
