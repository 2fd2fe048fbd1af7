"""`reporter bench`: the figures, measured on the real service with its real broker and database.

Nothing is measured in isolation: each run starts `reporter serve` in a process of its own, on a fresh folder
on a disk, speaks to it over NATS as a program outside would, and looks at what it committed from outside.
Where a plain loop can do the same job, it is measured in the same run, and what counts is the ratio.
"""

from reporter.bench.results import BenchError, UnknownFigure
from reporter.bench.session import run

__all__ = ["BenchError", "UnknownFigure", "run"]
