"""Random stories from one seed: incidents under every schedule, and what is said of them, as messages and as `Said`.

Arrivals crowd round the deadlines: exactly at one, a microsecond off, minutes off, or anywhere.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any  # documents of JSON

from tests.sim import law
from tests.sim.rules import DEFAULT, HOUR, MINUTE, SECOND, Edition, Schedule, instant
from tests.sim.said import Said

START = 1_795_446_000 * SECOND
"""2026-11-23 23:00 in Zaozhuang: stories run over the end of the day, and over a change of editions."""
SOURCE = "urn:publisher"
TYPES = {
    "occurred": ("incident", "reporter.incident.occurred"),
    "amended": ("incident", "reporter.incident.amended"),
    "withdrawn": ("incident", "reporter.incident.withdrawn"),
    "closed": ("incident", "reporter.incident.closed"),
    "reopened": ("incident", "reporter.incident.reopened"),
    "filed": ("report", "reporter.report.filed"),
    "acknowledged": ("ack", "reporter.notice.acknowledged"),
}
FOREIGN = {"east": "west", "quiet": "east", "city": "nowhere", "nowhere": "elsewhere"}
"""For each unit one that has no say in its incidents; nobody registered `nowhere`, so the root has its incidents."""
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:reporter:incident")


def text(at: int) -> str:
    """RFC 3339, to the microsecond."""
    return instant(at).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass
class Event:
    """One message as it is published. `is_refused`: by the contract it must be rejected; None: as it is read before or
    after another. `stuck_for`: so long nobody is handed it.
    """

    said: Said
    incident: str
    subject: str
    body: bytes
    is_refused: bool | None = False
    stuck_for: int = 0


@dataclass
class Tale:
    """One incident, in the order in which things are said of it."""

    id: str
    unit: str
    edition: Edition
    opened: Said
    events: list[Event] = field(default_factory=list)
    acknowledges_one: bool = False
    """Acknowledgements are of single notices, chosen when they are published; else of all."""


class Workload:
    """Tells tales."""

    def __init__(self, random: Random, schedules: Mapping[str, Schedule]) -> None:
        self._random = random
        self._schedules = schedules
        self._numbers = 0

    def tales(self, count: int) -> list[Tale]:
        """So many incidents; some end as duplicates of others."""
        tales = [self._tale() for _ in range(count)]
        for one, other in zip(tales[::3], tales[1::3], strict=False):
            units = {one.unit, other.unit}
            if len(units) == 1 or ("city" in units and "nowhere" not in units):
                self._withdraw(one, other)
        return tales

    def event(
        self,
        tale: Tale,
        said: Said,
        data: Mapping[str, object],
        unit: str = "",
        *,
        is_refused: bool | None = False,
    ) -> Event:
        """The message of a command."""
        about, type_ = TYPES[said.kind]
        envelope = {"specversion": "1.0", "id": said.id, "source": said.source, "type": type_, "data": data}
        body = json.dumps(envelope, ensure_ascii=False).encode()
        return Event(said, tale.id, f"reporter.in.{about}.{unit or tale.unit}", body, is_refused)

    def _tale(self) -> Tale:
        random = self._random
        name = random.choice([DEFAULT] * 3 + sorted(self._schedules) * 2)
        schedule = self._schedules[name]
        unit = random.choice(["east", "east", "east", "quiet", "city", "nowhere"])
        happened = START + random.randrange(0, 120) * MINUTE + random.randrange(MINUTE)
        received = happened + random.choice([2, 15, 60, 150]) * MINUTE - random.randrange(MINUTE)
        aware = random.choice([None, happened + random.randrange(-3, 20) * MINUTE])
        mode = random.choice(["actual", "actual", "actual", "exercise", "test"])
        grade = random.choice(["I", "II", "III", "IV", None])
        data: dict[str, Any] = {"title": "险情", "mode": mode, "grade": grade, "schedule": name}
        ends, written = self._occurrence(happened, received, is_sound=len(schedule.editions) > 1)
        data |= {} if written is None else {"occurred": written}
        data |= {} if aware is None else {"aware": text(aware)}
        source, id_ = self._name("occurred")
        opened = Said(
            "occurred", received, id_, source, occurred=ends, aware=aware, grade=grade, mode=mode
        )  # fmt: skip
        tale = Tale(
            str(uuid.uuid5(NAMESPACE, f"{source}\n{id_}")), unit, law.edition_of(schedule, opened), opened
        )
        tale.acknowledges_one = random.random() < 0.5
        tale.events.append(self.event(tale, opened, data))
        kinds = (
            ["filed"] * 5
            + ["amended"] * 4
            + ["acknowledged"] * 2
            + ["closed", "reopened", "withdrawn", "refused"]
        )
        for kind in random.choices(kinds, k=random.randrange(0, 9)):
            self._command(tale, kind)
        if random.random() < 0.5:
            self._exact(tale)
        if random.random() < 0.5:
            self._between(tale)
        if random.random() < 0.3:
            self._back(tale)
        if random.random() < 0.3:
            self._twins(tale)
        if mode != "actual" and random.random() < 0.5:
            self._drill(tale)
        if random.random() < 0.5 and any(duty.when for duty in tale.edition.duties):
            for grade in ("IV", "I", "IV", "II")[: random.randrange(2, 5)]:
                self._grade(tale, max(self._arrival(tale), tale.opened.at + 1), grade)
        return tale

    def _command(self, tale: Tale, kind: str) -> None:
        random = self._random
        at = self._arrival(tale)
        if kind == "filed":
            self._report(tale, at)
        elif kind == "amended":
            self._amend(tale, at)
        elif kind == "refused":
            self._refused(tale, at)
        else:
            self._add(tale, kind, max(at, tale.opened.at + 1), {})
            if kind in ("closed", "withdrawn") and random.random() < 0.6:
                self._add(tale, "reopened", at + random.randrange(1, 120) * MINUTE, {})

    def _report(self, tale: Tale, at: int) -> None:
        random = self._random
        names = [duty.name for duty in tale.edition.duties]
        covers = tuple(random.sample(names, min(len(names), random.choice([0, 1, 1, 1, 2]))))
        wanted = [element for duty in tale.edition.duties for element in duty.elements]
        named = random.sample(wanted, random.choice([0, len(wanted) // 2, len(wanted)]))
        words: list[Any] = ["有", {"none": True}, {"pending": "核实"}, " ", {"pending": ""}, {"none": False}]
        chosen = {
            name: random.choice(range(len(words)) if random.random() < 0.3 else range(3)) for name in named
        }
        form = random.choice(["phone", "written", "written"])
        data = {"form": form, "elements": {name: words[index] for name, index in chosen.items()}}
        data |= {"covers": list(covers)} if covers else {}
        known: dict[str, Any] = {
            "covers": covers,
            "form": form,
            "elements": {name: i < 3 for name, i in chosen.items()},
        }
        is_foreign = random.random() < 0.12
        unit = FOREIGN[tale.unit] if is_foreign else ""
        self._add(tale, "filed", at, data, unit, is_foreign=is_foreign, **known)

    def _amend(self, tale: Tale, at: int) -> None:
        random = self._random
        at = max(at, tale.opened.at + 1)
        wanted = random.choice(["occurred"] * 3 + ["aware", "grade", "grade", "mode", "text"])
        happened = tale.opened.occurred[0] if tale.opened.occurred else tale.opened.at
        moved = happened + random.randrange(-40, 40) * MINUTE
        if wanted == "mode" and tale.opened.mode != "actual":
            self._add(tale, "amended", at, {"mode": "actual"}, mode="actual", says=frozenset({"mode"}))
        elif wanted == "grade":
            self._grade(tale, at, random.choice(["I", "II", "IV", None]))
        elif wanted == "aware":
            self._add(tale, "amended", at, {"aware": text(moved)}, aware=moved, says=frozenset({"aware"}))
        elif wanted == "occurred":
            ends, written = self._occurrence(moved, at)
            if written is not None:
                said: dict[str, Any] = {"occurred": ends, "says": frozenset({"occurred"})}
                self._add(tale, "amended", at, {"occurred": written}, **said)
        else:
            self._add(tale, "amended", at, {"summary": "续"})

    def _exact(self, tale: Tale) -> None:
        """The occurrence is corrected so that a deadline falls on a report's arrival, or a microsecond beside it."""
        random = self._random
        filed = [event.said for event in tale.events if event.said.kind == "filed"]
        spans = [
            bound.exact
            for duty in tale.edition.duties
            for bound in duty.bounds
            if bound.anchor == "occurred" and not bound.days
        ]
        if not filed or not spans:
            return
        report = random.choice(filed)
        earliest = report.at - random.choice(spans) + random.choice([-1, 0, 1])
        at = max(self._arrival(tale), earliest + 1, tale.opened.at + 1)
        said: dict[str, Any] = {"occurred": (earliest, earliest), "says": frozenset({"occurred"})}
        self._add(tale, "amended", at, {"occurred": text(earliest)}, **said)

    def _between(self, tale: Tale) -> None:
        """A report comes between the two instants at which its duty may have been due."""
        for clock in law.view(tale.edition, [tale.opened]).clocks.values():
            at = self._random.randrange(clock.due, clock.last_due + 1)
            if clock.due < clock.last_due and at > tale.opened.at:
                name = clock.duty.name
                self._add(tale, "filed", at, {"covers": [name], "form": "written"}, covers=(name,))
                return

    def _back(self, tale: Tale) -> None:
        """The occurrence is corrected, and later back to what it was: due times return, perhaps all read too late."""
        if tale.opened.occurred is None:
            return
        dues = [clock.due for clock in law.view(tale.edition, [tale.opened]).clocks.values()]
        shortly = self._random.choice([self._arrival(tale), *(due - 5 * MINUTE for due in dues)])
        first = max(shortly, tale.opened.at + 1)
        was, at = tale.opened.occurred[0], first + self._random.choice([1, 1, 30, 60]) * MINUTE
        stuck_for = self._random.choice([0, 1, 1]) * self._random.randrange(10, 90) * MINUTE
        for moved, when in ((was + self._random.randrange(-20, 20) * MINUTE, first), (was, at)):
            said: dict[str, Any] = {"occurred": (moved, moved), "says": frozenset({"occurred"})}
            self._add(tale, "amended", when, {"occurred": text(moved)}, **said)
            tale.events[-1].stuck_for = stuck_for

    def _twins(self, tale: Tale) -> None:
        """Two corrections arrive at one instant: their sources decide, and then their ids, which is later."""
        at = max(self._arrival(tale), tale.opened.at + 1)
        happened = tale.opened.occurred[0] if tale.opened.occurred else tale.opened.at
        for _ in range(2):
            moved = happened - self._random.randrange(0, 30) * MINUTE
            said: dict[str, Any] = {"occurred": (moved, moved), "says": frozenset({"occurred"})}
            self._add(tale, "amended", at, {"occurred": text(moved)}, **said)

    def _drill(self, tale: Tale) -> None:
        """A drill becomes actual and is called a drill again, which is refused, unless that word is read first."""
        at = max(self._arrival(tale), tale.opened.at + 1)
        stuck_for = self._random.randrange(10) * MINUTE
        for mode, when in (("actual", at), (tale.opened.mode, at + 1)):
            known: dict[str, Any] = {"mode": mode, "says": frozenset({"mode"})}
            self._add(tale, "amended", when, {"mode": mode}, is_refused=None if when > at else False, **known)
        tale.events[-2].stuck_for = stuck_for

    def _grade(self, tale: Tale, at: int, grade: str | None) -> None:
        self._add(tale, "amended", at, {"grade": grade}, grade=grade, says=frozenset({"grade"}))

    def _refused(self, tale: Tale, at: int) -> None:
        """What the gate must refuse: a stranger's command, an unknown obligation, an actual incident made a drill."""
        at = max(at, tale.opened.at + 1)
        wanted = self._random.choice(["stranger", "covers", "drill"])
        if wanted == "stranger":
            kind = self._random.choice(["withdrawn", "closed", "amended"])
            self._add(tale, kind, at, {"grade": "I"}, FOREIGN[tale.unit], is_refused=True)
        elif wanted == "covers":
            self._add(tale, "filed", at, {"covers": ["no-such-thing"]}, is_refused=True)
        elif tale.opened.mode == "actual":
            self._add(tale, "amended", at, {"mode": "exercise"}, is_refused=True)

    def _withdraw(self, tale: Tale, survivor: Tale) -> None:
        at = max(self._arrival(tale), tale.opened.at + 1)
        self._add(tale, "withdrawn", at, {"duplicate_of": survivor.id}, survivor=survivor.id)
        if self._random.random() < 0.3:
            self._add(tale, "reopened", at + self._random.randrange(1, 90) * MINUTE, {})

    def _add(
        self, tale: Tale, kind: str, at: int, data: Mapping[str, object], unit: str = "", *,
        is_refused: bool | None = False, **known: Any,
    ) -> None:  # fmt: skip
        source, id_ = self._name(kind)
        said = Said(kind, at, id_, source, **known)
        document = {"incident": tale.id, "reason": "核实", **data}
        tale.events.append(self.event(tale, said, document, unit, is_refused=is_refused))

    def _arrival(self, tale: Tale) -> int:
        """Round a deadline as it stands at the opening, with another command, or anywhere in the schedule's time."""
        random, opened = self._random, tale.opened
        clocks = list(law.view(tale.edition, [opened]).clocks.values())
        dues = [clock.due for clock in clocks]
        clock = random.choice(clocks) if clocks else None
        due = random.choice([clock.due, clock.last_due]) if clock else opened.at
        shape = random.choice(["anywhere"] * 4 + ["near"] * 3 + ["exact", "within", "within", "same"])
        if shape == "same" and len(tale.events) > 1:
            return random.choice(tale.events[1:]).said.at
        if shape == "within" and clock and clock.last_due > clock.due:
            return max(random.randrange(clock.due + 1, clock.last_due + 1), opened.at)
        if shape == "anywhere":
            longest = max([opened.at + 3 * HOUR, *dues]) - opened.at
            return opened.at + random.randrange(1, longest * 5 // 4)
        width = 40 * MINUTE if due - opened.at < 3 * HOUR else 24 * HOUR
        near = due + (random.randrange(-width, width) if shape == "near" else random.choice([-1, 0, 1]))
        return max(near, opened.at - 2 * MINUTE, START)

    def _occurrence(
        self, at: int, received: int, *, is_sound: bool = False
    ) -> tuple[tuple[int, int] | None, object]:
        """An instant, an interval, one in the future, one that is invalid, or nothing; and how it is written."""
        width = self._random.randrange(1, 40) * MINUTE
        shape = self._random.choice(["instant"] * 5 + ["interval"] * 4 + ["future", "invalid", "none"])
        if is_sound or shape == "instant":
            at = min(at, received) if is_sound else at
            return (at, at), text(at)
        if shape == "none":
            return None, None
        ends = {
            "interval": (at, at + width), "future": (at, received + width + 3 * MINUTE), "invalid": (at, at - width)
        }[shape]  # fmt: skip
        return ends, {"earliest": text(ends[0]), "latest": text(ends[1])}

    def _name(self, kind: str) -> tuple[str, str]:
        """A source and an id: sources differ, so that the order of equal arrivals is not that of the ids."""
        self._numbers += 1
        return f"{SOURCE}:{self._random.randrange(3)}", f"{kind}-{self._numbers}"
