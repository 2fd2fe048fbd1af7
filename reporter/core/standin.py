"""Who stands in for whom: swaps, overrides and absences laid over the roster, at an instant or over a span.

A change never touches a shift. It names a person and a span, and holds wherever that person would be on duty in
it, so that it survives the next import of the roster and falls silent once a roster says the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Final

from reporter.core.roster import (
    DEPUTY_OF,
    NO_ADDRESS,
    OVERRIDE,
    PART,
    SWAP,
    Duty,
    UnitTree,
    noted,
)
from reporter.core.terms import DutyRole, RosterChange

_WORDS: Final = {
    RosterChange.SWAP: SWAP,
    RosterChange.OVERRIDE: OVERRIDE,
    RosterChange.ABSENCE: DEPUTY_OF,
}
Key = tuple[str, str]
"""A unit's code and a role."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something agreed about who is on duty from `starts_at` (inclusive) to `ends_at` (exclusive).

    `swap`: `taker` stands where `person` would. `override`: likewise; with `person` None, in the place of whoever
    is on duty, and where nobody is. `absence`: `person` is away, and `taker`, if there is one, is the deputy.
    `role` None: in every role. `id` grows with the time of recording.
    """

    id: int
    kind: RosterChange
    unit: str
    role: str | None
    person: str | None
    starts_at: datetime
    ends_at: datetime
    taker: str | None
    phone: str = ""
    channels: tuple[str, ...] = ()

    def concerns(self, role: str) -> bool:
        """Whether it holds in the role."""
        return self.role is None or self.role == role


@dataclass(frozen=True, slots=True)
class Shift:
    """One person's span on the roster: `starts_at` inclusive, `ends_at` exclusive."""

    starts_at: datetime
    ends_at: datetime
    duty: Duty


@dataclass(frozen=True, slots=True)
class Slot:
    """A span in which the same people are on duty; those away without a deputy are among them, marked so."""

    starts_at: datetime
    ends_at: datetime
    duties: tuple[Duty, ...]

    @property
    def is_covered(self) -> bool:
        return any(not duty.is_absent for duty in self.duties)


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which nobody holds a role of a unit: `starts_at` inclusive, `ends_at` exclusive."""

    unit: str
    role: DutyRole
    starts_at: datetime
    ends_at: datetime


def standing(unit: str, role: str, duties: Iterable[Duty], changes: Sequence[Change]) -> tuple[Duty, ...]:
    """Who of a role is on duty, when the roster says `duties` and these changes hold at that instant.

    Swaps and overrides apply in the order in which they were recorded, so that who has taken a span may hand it
    on. Absences come last: whoever is away is away, also as a taker. A deputy who is away has a deputy in turn;
    where that ends in nobody, the person on the roster counts as absent.
    """
    mine = sorted((each for each in changes if each.concerns(role)), key=lambda each: each.id)
    if not mine:
        return tuple(duties)
    present = list(duties)
    for change in mine:
        if change.kind is RosterChange.ABSENCE or change.taker is None:
            continue
        if change.person is None:
            others = [each.person for each in present if each.person != change.taker]
            present = [_taken(unit, role, change, ", ".join(dict.fromkeys(map(noted, others))))]
        else:
            present = [
                _taken(unit, role, change, noted(each.person), each.note)
                if each.person == change.person
                else each
                for each in present
            ]
    absences = {each.person: each for each in mine if each.kind is RosterChange.ABSENCE}
    settled: dict[tuple[str, str, tuple[str, ...]], Duty] = {}
    for each in present:
        duty = _settled(each, absences)
        settled.setdefault((duty.person, duty.phone, duty.channels), duty)
    return tuple(settled.values())


def _taken(unit: str, role: str, change: Change, of: str, note: str | None = None) -> Duty:
    word = _WORDS[change.kind]
    why = PART.join(part for part in (f"{word}:{of}" if of else word, note) if part)
    return Duty(unit, role, change.taker or "", change.phone, change.channels, why)


def _settled(duty: Duty, absences: Mapping[str | None, Change]) -> Duty:
    now, seen = duty, {duty.person}
    while (absence := absences.get(now.person)) is not None:
        if absence.taker is None or absence.taker in seen:
            return replace(duty, is_absent=True)
        now = _taken(duty.unit, duty.role, absence, noted(now.person), now.note)
        seen.add(now.person)
    return now


def on_duty(tree: UnitTree, duties: Iterable[Duty], changes: Iterable[Change]) -> dict[Key, tuple[Duty, ...]]:
    """Who is on duty by unit and role, from what holds at one instant. Rows written under `root` follow the root."""
    found: dict[Key, list[Duty]] = {}
    for duty in duties:
        found.setdefault((tree.resolve(duty.unit) or duty.unit, duty.role), []).append(duty)
    by_unit = changes_by_unit(tree, changes)
    for unit, those in by_unit.items():
        for role in {role for each in those for role in ([each.role] if each.role else DutyRole)}:
            found.setdefault((unit, role), [])
    stood = {key: standing(*key, held, by_unit.get(key[0], ())) for key, held in found.items()}
    return {key: held for key, held in stood.items() if held}


def changes_by_unit(tree: UnitTree, changes: Iterable[Change]) -> dict[str, list[Change]]:
    """The changes of each unit."""
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(tree.resolve(change.unit) or change.unit, []).append(change)
    return found


def timeline(
    unit: str,
    role: str,
    shifts: Iterable[Shift],
    changes: Iterable[Change],
    starts_at: datetime,
    ends_at: datetime,
) -> list[Slot]:
    """The whole span from `starts_at` to `ends_at` as slots in order, those without anybody among them."""
    mine = [each for each in shifts if each.starts_at < ends_at and each.ends_at > starts_at]
    over = [each for each in changes if each.starts_at < ends_at and each.ends_at > starts_at]
    edges = {starts_at, ends_at}
    spans = [(each.starts_at, each.ends_at) for each in mine]
    spans += [(each.starts_at, each.ends_at) for each in over]
    for begins, ends in spans:
        edges |= {max(begins, starts_at), min(ends, ends_at)}
    slots: list[Slot] = []
    coming = sorted(enumerate(mine), key=lambda each: each[1].starts_at, reverse=True)
    active: dict[int, Shift] = {}
    for start, end in pairwise(sorted(edges)):
        active = {index: each for index, each in active.items() if each.ends_at > start}
        while coming and coming[-1][1].starts_at <= start:
            index, shift = coming.pop()
            active[index] = shift
        held = [each for each in over if each.starts_at <= start < each.ends_at]
        duties = standing(unit, role, [active[index].duty for index in sorted(active)], held)
        if slots and slots[-1].duties == duties:
            slots[-1] = Slot(slots[-1].starts_at, end, duties)
        else:
            slots.append(Slot(start, end, duties))
    return slots


def gaps(unit: str, role: DutyRole, slots: Iterable[Slot]) -> list[Gap]:
    """The spans in which nobody is there, each as long as it lasts."""
    found: list[Gap] = []
    for slot in slots:
        if slot.is_covered:
            continue
        if found and found[-1].ends_at == slot.starts_at:
            found[-1] = replace(found[-1], ends_at=slot.ends_at)
        else:
            found.append(Gap(unit, role, slot.starts_at, slot.ends_at))
    return found


def in_place_of(note: str) -> str | None:
    """The person in whose place a notice went to another, as its note says; None: in nobody's."""
    for part in note.split(PART):
        word, colon, person = part.partition(":")
        if colon and word in (*_WORDS.values(), NO_ADDRESS):
            return person
    return None
