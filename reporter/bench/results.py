"""What is measured: samples, their medians, and the figures to reach."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Final


class BenchError(Exception):
    """A figure cannot be measured here, or the service did what it must not; the message says which."""


class UnknownFigure(BenchError):
    """There is no figure of that name; the message names those that there are."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run's value of one metric; `reference`: what the plain loop, or a smaller size, took in it."""

    figure: str
    metric: str
    unit: str
    value: float
    reference: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a median, and its ratio to the reference, have to reach; None: no bound of that kind."""

    least: float | None = None
    most: float | None = None
    ratio_least: float | None = None
    ratio_most: float | None = None

    def __str__(self) -> str:
        bounds = (
            ("≥ {:g}", self.least),
            ("≤ {:g}", self.most),
            ("≥ {:g} × reference", self.ratio_least),
            ("≤ {:g} × reference", self.ratio_most),
        )
        return ", ".join(form.format(bound) for form, bound in bounds if bound is not None)

    def is_reached(self, value: float, ratio: float | None) -> bool:
        """Whether every bound holds; one on the ratio does not where there is no ratio."""
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.ratio_least is None or (ratio is not None and ratio >= self.ratio_least))
            and (self.ratio_most is None or (ratio is not None and ratio <= self.ratio_most))
        )


@dataclass(frozen=True, slots=True)
class Item:
    """One metric over all runs. `ratio`: the median of the runs' own, as noise strikes both sides."""

    figure: str
    database: str
    metric: str
    unit: str
    median: float
    min: float
    max: float
    runs: int
    reference: float | None
    ratio: float | None
    target: str | None
    reached: bool | None

    def document(self) -> dict[str, object]:
        """The item as JSON."""
        return asdict(self)


TARGETS: Final[dict[tuple[str, str], Target]] = {
    ("latency", "p50"): Target(most=15),
    ("latency", "p99"): Target(most=60),
    ("burst-1000", "p99"): Target(most=250),
    ("burst-10000", "p99"): Target(ratio_most=20),
    ("notices-1000", "p99"): Target(most=1000),
    ("notices-10000", "p99"): Target(most=3000),
    ("notices-10000", "sockets"): Target(most=64),
    ("precision", "p50_past_margin"): Target(most=10),
    ("precision", "p99_past_margin"): Target(most=50),
    ("replicas", "two_p99"): Target(ratio_most=1.2),
    ("replicas", "added_by_a_death"): Target(most=1),
    ("outage", "recorded"): Target(most=5),
    ("board", "visible_p95"): Target(most=300),
    ("board", "page_p95"): Target(most=150),
    ("board", "page_size"): Target(most=200),
    ("board", "archive_page_p95"): Target(most=150),
    ("board", "archive_page_size"): Target(most=200),
    ("memory", "rss_1000000"): Target(most=200, ratio_most=1.2),
    ("start", "first_decision_1000000"): Target(most=3),
    ("idle", "cpu_1000000"): Target(most=2),
}
"""The figures to reach, by figure and metric, in the units of the samples. Only full sizes have them."""

ARM_RATE: Final = {
    "sqlite": Target(least=2500, ratio_least=0.25),
    "postgresql": Target(least=1500, ratio_least=0.25),
}


def target_of(figure: str, metric: str, database: str) -> Target | None:
    """What this metric has to reach on this database; None where it is only told."""
    if (figure, metric) == ("arm", "rate"):
        return ARM_RATE[database]
    return TARGETS.get((figure, metric))


def summarise(samples: Iterable[Sample], database: str) -> list[Item]:
    """One item per figure and metric, in the order of first appearance."""
    grouped: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        grouped.setdefault((sample.figure, sample.metric), []).append(sample)
    return [_item(group, database) for group in grouped.values()]


def _item(group: Sequence[Sample], database: str) -> Item:
    first = group[0]
    values = [sample.value for sample in group]
    pairs = [(sample.value, sample.reference) for sample in group if sample.reference]
    ratio = median(value / reference for value, reference in pairs) if pairs else None
    target = target_of(first.figure, first.metric, database)
    return Item(
        figure=first.figure,
        database=database,
        metric=first.metric,
        unit=first.unit,
        median=round(median(values), 3),
        min=round(min(values), 3),
        max=round(max(values), 3),
        runs=len(values),
        reference=round(median(reference for _, reference in pairs), 3) if pairs else None,
        ratio=None if ratio is None else round(ratio, 3),
        target=None if target is None else str(target),
        reached=None if target is None else target.is_reached(median(values), ratio),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed (nearest rank)."""
    if not values:
        raise BenchError("no values: nothing was measured")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
