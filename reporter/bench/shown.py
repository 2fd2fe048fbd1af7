"""What people see of a measurement: what is under way, and the table at the end."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.status import Status
from rich.table import Table

from reporter.bench.results import Item

Say = Callable[[str], None]
"""Tells what is under way just now, within a run."""

PIPE_WIDTH: Final = 120
TOLD_EVERY_S: Final = 10.0
MARKS: Final = {True: "[green]✔[/]", False: "[red]✘[/]", None: ""}


class Progress:
    """What is under way, on stderr: a line that changes on a terminal; else a line now and then."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._status: Status | None = None
        self._step = ""
        self._told_at = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status = self._console.status("")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def step(self, text: str) -> None:
        """A new run begins."""
        self._step = text
        if self._status is None:
            self._console.print(text, markup=False)
        else:
            self._status.update(text)

    def say(self, text: str) -> None:
        """What the run is doing now; where it is no terminal, every now and then."""
        if self._status is not None:
            self._status.update(f"{self._step} · {text}")
        elif time.monotonic() - self._told_at > TOLD_EVERY_S:
            self._told_at = time.monotonic()
            self._console.print(f"  {text}", markup=False)

    def tell(self, items: Sequence[Item]) -> None:
        """Figures that are done."""
        for item in items:
            mark = {True: " ✔", False: " ✘", None: ""}[item.reached]
            ratio = "" if item.ratio is None else f" ({item.ratio:g} × reference)"
            told = (
                f"  {item.figure} {item.metric} · {item.database}: {item.median:,g} {item.unit}{ratio}{mark}"
            )
            self._console.print(told, markup=False)


def show_table(items: Sequence[Item], machine: Mapping[str, object], language: str) -> None:
    """The table, on stdout if that is a terminal; else on stderr, and stdout is left to JSON."""
    console = Console(stderr=not sys.stdout.isatty(), highlight=False)
    if not console.is_terminal:
        console = Console(stderr=True, highlight=False, width=PIPE_WIDTH)
    console.print(table(items, machine, language))


def table(items: Sequence[Item], machine: Mapping[str, object], language: str) -> Table:
    """All items with their targets; below it what they were measured on."""
    words = {
        "zh": ("指标", "数据库", "项", "中位数", "最小–最大", "参照", "比值", "应达到", ""),
        "en": ("figure", "database", "metric", "median", "min–max", "reference", "ratio", "to reach", ""),
    }
    caption = " · ".join(f"{name} {value}" for name, value in machine.items())
    shown = Table(caption=caption, caption_justify="left")
    for index, word in enumerate(words["zh" if language == "zh" else "en"]):
        shown.add_column(word, justify="right" if index in (3, 4, 5, 6) else "left", no_wrap=index != 7)
    for item in items:
        shown.add_row(
            item.figure,
            item.database,
            item.metric,
            f"{item.median:,g} {item.unit}",
            f"{item.min:,g}–{item.max:,g}",
            "" if item.reference is None else f"{item.reference:,g}",
            "" if item.ratio is None else f"{item.ratio:.2f}",
            item.target or "",
            MARKS[item.reached],
        )
    return shown
