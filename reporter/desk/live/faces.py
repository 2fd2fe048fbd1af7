"""How a clock looks: a tone with its shape and its word, so that a state never depends on a colour alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reporter.core.terms import ClockState, Verdict
from reporter.store.queries import ClockRow

SOON_SPAN: Final = timedelta(minutes=10)
"""From so long before its deadline a running clock is due soon: when the first reminder of most ladders is sent."""


@dataclass(frozen=True, slots=True)
class Face:
    """`tone` is the class in the style sheet; shape and word stand beside every number."""

    tone: str
    shape: str
    word: tuple[str, str]


FACES: Final[Mapping[str, Face]] = {
    face.tone: face
    for face in (
        Face("running", "●", ("计时", "Running")),
        Face("soon", "▲", ("临期", "Due soon")),
        Face("overdue", "■", ("超时", "Overdue")),
        Face("on_time", "✔", ("按时", "On time")),
        Face("late", "✔+", ("迟报", "Late")),
        Face("missing", "✖", ("未报", "Missing")),
        Face("undetermined", "?", ("待定", "Undetermined")),
        Face("stopped", "–", ("中止", "Stopped")),
    )
}


def tone_of(clock: ClockRow, now: datetime) -> str:
    """The clock's tone, as the record has it: past its deadline it is overdue once the engine has said so."""
    if clock.state == ClockState.STOPPED:
        return "stopped"
    if clock.verdict == Verdict.MISSING:
        return "missing"
    if clock.met_at is not None:
        return clock.verdict or "undetermined"
    if clock.state == ClockState.BREACHED:
        return "overdue"
    return "soon" if clock.due_at - now <= SOON_SPAN else "running"
