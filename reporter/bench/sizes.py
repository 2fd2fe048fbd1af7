"""How much is measured: the sizes of the figures to reach, and small ones for a first look."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of every figure. Spans in seconds."""

    arm_events: int = 50_000
    latency_per_s: int = 50
    latency_s: float = 20
    bursts: tuple[int, ...] = (1_000, 10_000)
    precision_clocks: int = 300
    precision_s: float = 30
    open_incidents: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    """Ascending. Memory is taken at each, as a ratio to the first; start beyond it; idle at the last."""
    replica_clocks: int = 1_000
    outage_open: int = 100_000
    outage_due: int = 1_000
    boards: int = 200
    board_open: int = 500
    board_archive: int = 50_000
    board_changes_per_s: float = 4
    board_s: float = 30
    settle_s: float = 20
    idle_s: float = 30


FULL: Final = Sizes()
QUICK: Final = Sizes(
    arm_events=5_000,
    latency_s=4,
    bursts=(200, 1_000),
    precision_clocks=60,
    precision_s=6,
    open_incidents=(1_000, 20_000),
    replica_clocks=200,
    outage_open=5_000,
    outage_due=200,
    boards=40,
    board_archive=2_000,
    board_s=6,
    settle_s=5,
    idle_s=10,
)
