"""Random stories: incidents, and what is said of them, from one seed. Times are microseconds from `START`."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any  # documents of JSON

from reporter.core.command import Command, incident_id
from reporter.core.instants import rfc3339
from tests.sim.auditor import ELEMENTS, ORDER
from tests.sim.said import MINUTE, Said
from tests.unit.factories import SOURCE, a_command

START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
"""An hour before midnight in Zaozhuang: stories run over the end of the day."""


def instant(us: int) -> datetime:
    return START + timedelta(microseconds=us)


def micros(at: datetime) -> int:
    return (at - START) // timedelta(microseconds=1)


@dataclass
class Tale:
    """One incident: its commands as the auditor reads them, and as the gate takes them."""

    id: str
    said: list[Said] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)


class Workload:
    """Tells tales. No two instants of one seed coincide: each arrival has microseconds of its own."""

    def __init__(self, random: Random, *, joins: bool = False) -> None:
        self._random = random
        self._joins = joins
        self._numbers = 0

    def tales(self, count: int) -> list[Tale]:
        tales = [self._tale() for _ in range(count)]
        if self._joins:
            for one, other in zip(tales[::3], tales[1::3], strict=False):
                at = self._at(one.said[0].at, 200)
                self._add(one, "withdrawn", at, {"duplicate_of": other.id})
        return tales

    def _tale(self) -> Tale:
        random = self._random
        happened = random.randrange(0, 60) * MINUTE
        received = self._at(happened, random.choice([2, 15, 60, 150]))
        id_ = f"event-{self._next()}"
        tale = Tale(incident_id(SOURCE, id_))
        mode = random.choice(["actual", "actual", "exercise"])
        occurred = self._occurrence(happened, received)
        data = {"title": "险情", "mode": mode, **({} if occurred is None else {"occurred": occurred[1]})}
        said = Said("occurred", received, id_, occurred and occurred[0], occurred is not None, mode=mode)
        self._keep(tale, said, data)
        kinds = ["filed"] * 4 + ["amended"] * 3 + ["closed", "reopened", "acknowledged", "acknowledged"]
        kinds += [] if self._joins else ["withdrawn"]
        for kind in random.choices(kinds, k=random.randrange(0, 8)):
            self._command(tale, kind, self._at(received, 260), happened, mode)
        return tale

    def _command(self, tale: Tale, kind: str, at: int, happened: int, mode: str) -> None:
        random = self._random
        if kind == "filed":
            covers = tuple(random.sample(ORDER, random.choice([0, 1, 1, 1, 2])))
            elements = frozenset(random.sample(sorted(ELEMENTS), random.choice([0, 3, 7])))
            data: dict[str, Any] = {"form": random.choice(["phone", "written"])}
            data |= {"covers": list(covers)} if covers else {}
            data |= {
                "elements": {
                    name: random.choice(["有", {"none": True}, {"pending": "核实"}]) for name in elements
                }
            }
            self._add(tale, kind, at, data, covers=covers, form=data["form"], elements=elements)
        elif kind == "amended":
            wanted = random.choice(["occurred", "occurred", "grade", "mode"])
            occurred = self._occurrence(happened + random.randrange(-40, 40) * MINUTE, at)
            if wanted == "mode" and mode != "actual":
                self._add(tale, kind, at, {"mode": "actual"}, mode="actual")
            elif wanted == "occurred" and occurred is not None:
                self._add(tale, kind, at, {"occurred": occurred[1]}, occurred=occurred[0], says_occurred=True)
            else:
                self._add(tale, kind, at, {"grade": random.choice(["I", "IV", None])})
        else:
            self._add(tale, kind, at, {})

    def _occurrence(self, at: int, received: int) -> tuple[tuple[int, int], Any] | None:
        """An instant, an interval, one in the future, one that is invalid, or nothing."""
        width = self._random.randrange(1, 40) * MINUTE
        shape = self._random.choice(["instant"] * 5 + ["interval"] * 2 + ["future", "invalid", "none"])
        ends = {
            "instant": (at, at), "interval": (at, at + width), "future": (at, received + width + 3 * MINUTE),
            "invalid": (at, at - width), "none": (at, at),
        }[shape]  # fmt: skip
        if shape == "none":
            return None
        written = [rfc3339(instant(end)) for end in ends]
        return ends, written[0] if shape == "instant" else {"earliest": written[0], "latest": written[1]}

    def _add(self, tale: Tale, kind: str, at: int, data: dict[str, Any], **known: Any) -> None:
        said = Said(kind, at, f"{kind}-{self._next()}", **known)
        self._keep(tale, said, {"incident": tale.id, "reason": "核实", **data})

    def _keep(self, tale: Tale, said: Said, data: dict[str, Any]) -> None:
        tale.said.append(said)
        command = a_command(said.kind, data, instant(said.at), id_=said.id, sequence=self._numbers)
        tale.commands.append(command)

    def _at(self, after: int, minutes: int) -> int:
        """A random instant in so many minutes after another, whose microseconds no other has."""
        return after // MINUTE * MINUTE + self._random.randrange(1, minutes + 1) * MINUTE + 1 + self._next()

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers
