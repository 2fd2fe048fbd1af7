"""What the auditor reads of a command. Times are whole microseconds from some instant."""

from dataclasses import dataclass

MINUTE = 60_000_000


@dataclass(frozen=True)
class Said:
    """One command: what, when it arrived, and its words.

    `occurred`: earliest and latest, None where it cannot be read.
    """

    kind: str
    at: int
    id: str
    occurred: tuple[int, int] | None = None
    says_occurred: bool = False
    covers: tuple[str, ...] = ()
    form: str = "written"
    elements: frozenset[str] = frozenset()
    mode: str | None = None
