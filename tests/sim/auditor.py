"""The auditor: reads what was said, and when it was looked at, and says what the ledger must hold.

It is handed the trace of a seed, which of its commands each transaction took, and the ledger; from the first two and
from `law` and `chase` alone it predicts every breach, every lifting and every step, commit by commit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.sim import law
from tests.sim.chase import Chase, Firing
from tests.sim.law import Clock, View
from tests.sim.rules import Edition
from tests.sim.said import Said

Fact = tuple[object, ...]
"""("fired", obligation, due, offset, repeat, instant, mode, who) · ("breached", obligation, due, whether
certainly) · ("lifted", obligation, due)"""

STALE = 15 * 60 * 1_000_000
"""So long a report is awaited after an acknowledgement."""
STAFFED = frozenset({"city", "county", "east"})
ABOVE = {"east": ("east", "county", "city"), "quiet": ("quiet", "county", "city"), "city": ("city", "city")}
"""For each unit the way up; the superior of the root is the root."""


def people(unit: str, roles: Iterable[str]) -> tuple[str, ...]:
    """[12] Who is to be told: for a role that nobody holds the desk, and who holds it further up."""
    found: set[str] = set()
    for scope, role in (each.split(".") for each in roles):
        way = ABOVE[unit][scope == "superior" :]
        found |= {"nobody"} if way[0] not in STAFFED else set()
        found.add(f"{next(each for each in way if each in STAFFED)} {role}")
    return tuple(sorted(found))


@dataclass
class Story:
    """One incident as the auditor follows it: what has been read of it, its ladders, its standing breaches.

    `said`: everything that counts for it, with the reports of its duplicates; `own`: what was said of itself;
    `certain`: whether the standing breach of each clock has been called certain.
    """

    edition: Edition
    unit: str
    said: list[Said] = field(default_factory=list)
    own: list[Said] = field(default_factory=list)
    chases: dict[str, Chase] = field(default_factory=dict)
    breaches: dict[str, int] = field(default_factory=dict)
    certain: dict[str, bool] = field(default_factory=dict)
    seen: View | None = None

    @property
    def view(self) -> View:
        if self.seen is None:
            self.seen = law.view(self.edition, self.said)
        return self.seen

    def told(
        self, said: Said, now: int, left: Sequence[Said] = (), taken: Iterable[tuple[str, int]] = ()
    ) -> list[Fact]:
        """One more command was read, at `now`; with `left`, reports that had been joined no longer count.

        `taken`: obligation and offset of the notices that it is the first to acknowledge.
        """
        before = self.view if self.said else None
        self.said = [each for each in self.said if each not in left]
        if not left:
            self.said.append(said)
        self.seen = None
        facts: list[Fact] = []
        is_actual_now = before is not None and before.mode != "actual" and self.view.mode == "actual"
        for name, clock in self.view.clocks.items():
            was = before.clocks.get(name) if before else None
            if name not in self.chases:
                self.chases[name] = Chase(clock.duty, clock.due, said.at)
            if was is None or before is None:
                self.chases[name].stale = None
                self.chases[name].move(
                    clock.due, said.at, anew=False
                )  # [12] a step fires once per clock and due time
                continue
            facts += self._lifted(name, clock, was, now)
            is_longer = _until(self.view, clock) > _until(before, was)
            if clock.due != was.due or is_actual_now or is_longer:
                self.chases[name].move(clock.due, said.at, anew=is_actual_now)
        for name in [name for name in self.breaches if name not in self.view.clocks]:
            facts.append(("lifted", name, self.breaches.pop(name)))
        for name, offset in taken:
            if name in self.view.clocks:
                self.chases[name].acknowledge(offset, said.at + STALE)
        return facts

    def _lifted(self, name: str, clock: Clock, was: Clock, now: int) -> list[Fact]:
        """[9, 13] A breach that no longer stands is lifted; if the new due time has passed too, there is a new one.

        [3] So is one that has been called certain, where what was said of the occurrence makes it uncertain.
        """
        breached = self.breaches.get(name)
        if breached is None:
            return []
        is_said_otherwise = clock.last_due != was.last_due or self.view.is_provisional
        is_unsure = self.certain[name] and is_said_otherwise and not self._is_sure(clock, now)
        if breached == clock.due and self.view.is_breached(clock) and not is_unsure:
            self.certain[name] = self.certain[name] and self.view.is_certain(clock)
            return []
        del self.breaches[name]
        if not self.view.is_breached(clock) or clock.due > now:
            return [("lifted", name, breached)]
        return [("lifted", name, breached), self._breached(name, clock, now)]

    def _breached(self, name: str, clock: Clock, through: int) -> Fact:
        self.breaches[name], self.certain[name] = clock.due, self._is_sure(clock, through)
        return ("breached", name, clock.due, self.certain[name])

    def _is_sure(self, clock: Clock, through: int) -> bool:
        """[3] Whether, as far as is known, a breach is certain."""
        return self.view.is_certain(clock) and clock.last_due <= through

    def looked(self, now: int, through: int) -> list[Fact]:
        """Time was looked at: reminders up to `now`, everything else up to `through`."""
        facts: list[Fact] = []
        for name, clock in self.view.clocks.items():
            fired = self.chases[name].look(now, through, self.view.ends(clock))
            facts += [self._fact(name, clock, each) for each in fired]
            if self.view.is_breached(clock) and clock.due <= through and self.breaches.get(name) != clock.due:
                facts.append(self._breached(name, clock, through))
            elif name in self.breaches and self.view.state != "withdrawn" and self._is_sure(clock, through):
                self.certain[name] = True
        return facts

    def _fact(self, name: str, clock: Clock, fired: Firing) -> Fact:
        who = people(self.unit, fired.roles)
        return ("fired", name, clock.due, fired.step.offset, fired.repeat, fired.at, self.view.mode, who)


def _until(view: View, clock: Clock) -> int:
    end = view.ends(clock)
    return law.FOREVER if end is None else end


def reports_owed(stories: Mapping[str, Story], id_: str) -> set[tuple[str, str]]:
    """[10] The reports that count for an incident: its own, and every one of its duplicates."""
    found = {
        (each.source, each.id) for each in stories[id_].own if each.kind == "filed" and not each.is_foreign
    }
    for other, story in stories.items():
        if law.standing(story.own)[2] == id_:
            found |= reports_owed(stories, other)
    return found


def reports_read(story: Story) -> set[tuple[str, str]]:
    """Those that have been read of it."""
    return {(each.source, each.id) for each in story.said if each.kind == "filed" and not each.is_foreign}
