"""Tests that run at the same time, in several processes: those of the black box hold the machine to a contract counted
in milliseconds, so while one of them runs nothing else does.

One file, locked: by one of them for itself, by all others together. The lock ends with its process.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ALONE = Path(__file__).parent / "blackbox"


@contextmanager
def turn(test: Path, among: Path) -> Iterator[None]:
    """The time in which the test of that file may run. `among`: the folder that all processes of this run share."""
    with (among / "turns.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if test.is_relative_to(ALONE) else fcntl.LOCK_SH)
        yield
