"""One call of `reporter bench`: which figures, on which databases, and how they are told."""

import asyncio
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from reporter.bench import archive, arm, board, deadlines, latency, notices, outage, replicas
from reporter.bench.ground import Ground
from reporter.bench.results import Item, Sample, UnknownFigure, summarise
from reporter.bench.shown import Progress, show_table
from reporter.bench.sizes import FULL, QUICK, Sizes
from reporter.settings import Settings

_ON_ONE_BED = {
    arm.FIGURE: arm.measure,
    latency.FIGURE: latency.measure,
    outage.FIGURE: outage.measure,
    board.FIGURE: board.measure,
}


def figures_of(sizes: Sizes) -> list[str]:
    """The names of all figures, in the order in which they are measured."""
    bursts = [f"burst-{clocks}" for clocks in sizes.bursts]
    told = [f"notices-{clocks}" for clocks in sizes.bursts]
    single = [deadlines.PRECISION, replicas.FIGURE, outage.FIGURE, board.FIGURE]
    return [arm.FIGURE, latency.FIGURE, *bursts, *told, *single, *archive.FIGURES]


def chosen(figures: Sequence[str], sizes: Sizes) -> list[str]:
    """The figures asked for, or all; `burst` is all bursts. Errors: UnknownFigure."""
    known = figures_of(sizes)
    wanted = [name for name in known if not figures or name in figures or name.partition("-")[0] in figures]
    unknown = [
        name for name in figures if name not in known and not any(k.startswith(f"{name}-") for k in known)
    ]
    if unknown:
        raise UnknownFigure(f"no such figure: {', '.join(unknown)}; there are {', '.join(known)}")
    return wanted


async def run(
    settings: Settings, *, figures: Sequence[str], runs: int, as_json: bool, quick: bool = False
) -> int | None:
    """Measures the figures on SQLite and, with a `database` in the settings, on that PostgreSQL server too.

    Progress and table go to stderr (the table to stdout on a terminal). JSON goes to stdout: one document
    with `as_json`, else one line per item where stdout is no terminal. Returns 1 if a target is missed.
    Errors: BenchError, also as UnknownFigure.
    """
    sizes = QUICK if quick else FULL
    wanted = chosen(figures, sizes)
    items: list[Item] = []
    machine: dict[str, object] = {}
    with _ended_by_sigterm(), Progress() as progress:
        for server in (None, settings.database) if settings.database else (None,):
            with Ground(server) as ground:
                machine |= ground.machine()
                items += await _measure(ground, sizes, wanted, runs, progress)
    _tell(items, machine, settings.language, as_json=as_json)
    return 1 if any(item.reached is False for item in items) else None


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Lets SIGTERM end the block as Ctrl-C does: what was started is stopped, what was made is removed."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    is_terminated = False

    def terminate() -> None:
        nonlocal is_terminated
        is_terminated = True
        if task is not None:
            task.cancel()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        yield
    except asyncio.CancelledError:
        if is_terminated:
            raise KeyboardInterrupt from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def _measure(
    ground: Ground, sizes: Sizes, wanted: Sequence[str], runs: int, progress: Progress
) -> list[Item]:
    items: list[Item] = []
    for name in wanted:
        if name in archive.FIGURES:
            continue
        samples: list[Sample] = []
        for number in range(runs):
            progress.step(f"{name} · {ground.kind} · {number + 1}/{runs}")
            samples += await _one(ground, sizes, name, progress)
        items += (found := summarise(samples, ground.kind))
        progress.tell(found)
    if grown := [name for name in wanted if name in archive.FIGURES]:
        progress.step(f"{', '.join(grown)} · {ground.kind}")
        found = summarise(await archive.measure(ground, sizes, runs, grown, progress.say), ground.kind)
        progress.tell(found)
        items += found
    return items


async def _one(ground: Ground, sizes: Sizes, name: str, progress: Progress) -> list[Sample]:
    if name == deadlines.PRECISION:
        return await deadlines.precision(ground, sizes, progress.say)
    if name == replicas.FIGURE:
        return await replicas.measure(ground, sizes, progress.say)
    if name.startswith("notices-"):
        return await notices.burst(ground, int(name.partition("-")[2]), progress.say)
    if name not in _ON_ONE_BED:
        return await deadlines.burst(ground, int(name.partition("-")[2]), progress.say)
    with ground.bed() as bed:
        return await _ON_ONE_BED[name](bed, sizes, progress.say)


def _tell(items: Sequence[Item], machine: dict[str, object], language: str, *, as_json: bool) -> None:
    documents = [item.document() for item in items]
    if as_json:
        text = json.dumps({"items": documents, "machine": machine}, ensure_ascii=False, indent=2) + "\n"
        sys.stdout.write(text)
    elif not sys.stdout.isatty():
        sys.stdout.writelines(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
    sys.stdout.flush()
    show_table(items, machine, language)
