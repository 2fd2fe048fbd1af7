"""What the auditor reads of a command. Instants are whole microseconds since 1970 UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Said:
    """One command: what, when it arrived, and its words.

    `occurred`: earliest and latest. `aware`, `mode`, `grade`, `elements` (whether each is declared): as said here;
    `says` names those of them that this command speaks of. `is_foreign`: its unit has no say in the incident.
    `survivor`: of which incident a withdrawn one is a duplicate. `notice`: the obligation and the offset of the step
    whose notice was taken, None for all of them; `notice_id` which one.
    """

    kind: str
    at: int
    id: str
    source: str = ""
    says: frozenset[str] = frozenset()
    occurred: tuple[int, int] | None = None
    aware: int | None = None
    grade: str | None = None
    mode: str | None = None
    covers: tuple[str, ...] = ()
    form: str = "written"
    elements: Mapping[str, bool] = field(default_factory=dict)
    is_foreign: bool = False
    survivor: str | None = None
    notice: tuple[str, int] | None = None
    notice_id: str | None = None

    @property
    def order(self) -> tuple[int, str, str]:
        return (self.at, self.source, self.id)
