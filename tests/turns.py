"""Tests that run at the same time, in several processes: a test marked `alone` runs while no other does.

So are those that load the machine themselves, or act on the second of a deadline. One file, locked: by one of them for
itself, by all others together. The lock ends with its process.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(among: Path, *, is_alone: bool) -> Iterator[None]:
    """The time in which a test may run. `among`: the folder that all processes of this run share."""
    with (among / "turns.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
        yield
