"""A second opinion on the law: what an incident is, from the set of its commands alone (contract, section 3).

Written from the contract and from nothing else; it imports nothing of the product. `view` knows no "now"; what time
and its steps bring is in `chase` and `auditor`. Numbers in brackets are the contract's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.sim.rules import MINUTE, Duty, Edition, Schedule, add
from tests.sim.said import Said

FOREVER = 1 << 62
DRIFT = 2 * MINUTE
"""[3] So far past its arrival an occurrence may lie."""


@dataclass
class Clock:
    """One obligation of one incident. `last_due` is later than `due` where the anchor is an interval."""

    duty: Duty
    due: int
    last_due: int
    aware_due: int | None
    missing: int | None = None
    met: int | None = None
    complete: bool | None = None
    late_word: bool = False
    """A report came when the clock was missing already."""


@dataclass
class View:
    """`state` since `since`; `survivor` where it is withdrawn as a duplicate."""

    state: str
    since: int
    survivor: str | None
    mode: str
    is_provisional: bool
    clocks: dict[str, Clock] = field(default_factory=dict)
    is_moved_after_breach: bool = False

    @property
    def withdrawn(self) -> int | None:
        return self.since if self.state == "withdrawn" else None

    def is_breached(self, clock: Clock, due: int | None = None) -> bool:
        """[7] Whether, once its due time has passed, a breach of the clock stands; also were it due at `due`."""
        due = clock.due if due is None else due
        is_stopped = self.withdrawn is not None and self.withdrawn <= due
        is_met_in_time = clock.met is not None and clock.met <= due  # [2] the last instant is on time
        return not (clock.duty.is_soft or is_met_in_time or is_stopped)

    def is_certain(self, clock: Clock) -> bool:
        """[3] Whether a breach holds wherever in its interval the occurrence lay, once that has passed."""
        return not self.is_provisional and not (clock.met is not None and clock.met <= clock.last_due)

    def verdict(self, clock: Clock) -> str | None:
        """[2, 3, 7, 10] The verdict when every due time has passed."""
        if self.state == "withdrawn" or clock.duty.is_soft or (clock.met is None and clock.missing is None):
            return None
        if self.is_provisional:
            return "undetermined"
        if clock.met is None:
            return "missing"
        if clock.met <= clock.due:
            return "on_time"
        return "late" if clock.met > clock.last_due else "undetermined"

    def aware_verdict(self, clock: Clock) -> str | None:
        """[8] The same, counted from when the unit knew; it never touches the other."""
        if clock.aware_due is None or self.state == "withdrawn" or clock.duty.is_soft:
            return None
        if clock.met is None:
            return "missing" if self.verdict(clock) == "missing" else None
        return "on_time" if clock.met <= clock.aware_due else "late"

    def ends(self, clock: Clock) -> int | None:
        """[12] From which instant on nothing more of the clock's ladder fires; None: it runs to its end."""
        ends = [at for at in (clock.met, self.withdrawn) if at is not None]
        if self.state == "closed" and self.since > clock.due:
            ends.append(self.since)
        return min(ends, default=None)


def in_order(said: Sequence[Said]) -> list[Said]:
    """[14] By arrival, whatever the order in which they were read."""
    return sorted(said, key=lambda each: each.order)


def edition_of(schedule: Schedule, opened: Said) -> Edition:
    """[1] The edition in force at the occurrence, kept for life."""
    return schedule.in_force(opened.occurred[0] if opened.occurred else opened.at)


def anchor(opened: Said, ordered: Sequence[Said]) -> tuple[int, int, bool]:
    """[3] The earliest and the latest occurrence, and whether they are provisional (then the arrival)."""
    return anchors(opened, ordered)[-1]


def anchors(opened: Said, ordered: Sequence[Said]) -> list[tuple[int, int, bool]]:
    """The same as it was before any amendment, and after each."""
    spoke = [each for each in ordered if each.kind == "amended" and "occurred" in each.says]
    return [_anchor(opened, said) for said in (opened, *spoke)]


def _anchor(opened: Said, said: Said) -> tuple[int, int, bool]:
    if said.occurred is None or not said.occurred[0] <= said.occurred[1] <= said.at + DRIFT:
        return opened.at, opened.at, True
    return *said.occurred, False


def standing(said: Sequence[Said]) -> tuple[str, int, str | None]:
    """[10] The state, since when, and the incident that survives this one."""
    state, since, survivor = "open", 0, None
    for each in in_order(said):
        if each.kind == "withdrawn" and state != "withdrawn":
            state, since, survivor = "withdrawn", each.at, each.survivor
        elif each.kind == "closed" and state == "open":
            state, since = "closed", each.at
        elif each.kind == "reopened":
            state, since, survivor = "open", each.at, None
    return state, since, survivor


def fact(opened: Said, ordered: Sequence[Said], name: str) -> object:
    """[14] The latest-received word on a fact."""
    spoke = [each for each in ordered if each.kind == "amended" and name in each.says]
    return getattr(spoke[-1] if spoke else opened, name)


def mode_of(opened: Said, ordered: Sequence[Said]) -> str:
    """[9] A drill may become actual, nothing becomes a drill."""
    is_actual = any(each.kind == "amended" and each.mode == "actual" for each in ordered)
    return "actual" if is_actual else opened.mode or "actual"


def qualifies(said: Said, covers: Sequence[str], duty: Duty, edition: Edition) -> bool:
    """[4, 5] Whether a report is for the duty, by name or by covering a later one, in a form that it allows."""
    if said.is_foreign or said.form not in duty.forms:
        return False
    place = edition.duties.index(duty)
    later = [each.name for each in edition.duties[place + 1 :] if each.covers_earlier]
    return any(name == duty.name or name in later for name in covers)


def reports(edition: Edition, ordered: Sequence[Said]) -> list[tuple[Said, tuple[str, ...]]]:
    """The reports in order, each with what it is for: as named, or the earliest duty that it can still meet."""
    found: list[tuple[Said, tuple[str, ...]]] = []
    met: set[str] = set()
    for said in ordered:
        if said.kind != "filed":
            continue
        free = [each.name for each in edition.duties if each.name not in met and said.form in each.forms]
        covers = said.covers or (() if said.is_foreign else tuple(free[:1]))
        met |= {each.name for each in edition.duties if qualifies(said, covers, each, edition)}
        found.append((said, covers))
    return found


def due_of(duty: Duty, anchors: dict[str, int], zone: str) -> int | None:
    """[1] A bound whose anchor is not known is left out, and so is one that had run out at its `unless_past_at`.

    Where nothing is left for want of an awareness, that counts as the arrival: who told us knew by then.
    """
    dues = []
    for bound in duty.bounds:
        if bound.anchor not in anchors:
            continue
        due = add(anchors[bound.anchor], bound, zone)
        if bound.unless_past_at not in anchors or due >= anchors[bound.unless_past_at]:
            dues.append(due)
    if not dues and "aware" not in anchors:
        return due_of(duty, {**anchors, "aware": anchors["received"]}, zone)
    return (max if duty.is_latest_of else min)(dues) if dues else None


def view(edition: Edition, said: Sequence[Said]) -> View:
    """The incident that these commands make."""
    opened = next(each for each in said if each.kind == "occurred")
    ordered = in_order([each for each in said if each is not opened])
    earliest, latest, is_provisional = anchor(opened, ordered)
    found = View(*standing(ordered), mode_of(opened, ordered), is_provisional)
    aware = fact(opened, ordered, "aware")
    if not isinstance(aware, int) or (not is_provisional and aware < earliest):
        aware = None  # [8]
    early = {"occurred": earliest, "received": opened.at}
    late = {"occurred": latest, "received": opened.at}
    if aware is not None:
        early["aware"] = late["aware"] = aware
    facts = {"grade": fact(opened, ordered, "grade")}
    filed = reports(edition, ordered)
    for duty in edition.duties:
        if duty.when and not any(
            all(facts.get(name) in words for name, words in each.items()) for each in duty.when
        ):
            continue
        due, last_due = due_of(duty, early, edition.zone), due_of(duty, late, edition.zone)
        if due is None or last_due is None:
            continue
        aware_due = None
        if aware is not None and not is_provisional and aware > earliest:
            aware_due = due_of(duty, {**early, "occurred": aware}, edition.zone)
        clock = Clock(duty, due, last_due, aware_due)
        clock.missing = max(found.since, last_due) if found.state == "closed" else None  # [7]
        _meet(clock, edition, filed)
        found.clocks[duty.name] = clock
        name = f"submitted:{duty.name}"
        early[name], late[name] = (due, last_due) if clock.met is None else (clock.met, clock.met)
    known = {name: at for name, at in early.items() if name in ("received", "aware")}
    found.is_moved_after_breach = is_moved_after_breach(edition, opened, ordered, found, known)
    return found


def is_moved_after_breach(
    edition: Edition, opened: Said, ordered: Sequence[Said], found: View, known: dict[str, int]
) -> bool:
    """[9] Whether an amendment moved the occurrence later when, counted from where it was, a duty was breached.

    Later than the anchor before, or at either end than what was stated last: stated is what is not provisional.
    """
    spoke = [each for each in ordered if each.kind == "amended" and "occurred" in each.says]
    at = anchors(opened, ordered)
    for index, said in enumerate(spoke):
        stated = [ends for *ends, is_provisional in at[: index + 1] if not is_provisional]
        earliest, latest, is_provisional = at[index + 1]
        is_later = earliest > at[index][0]
        if stated and not is_provisional:
            is_later |= earliest > stated[-1][0] or latest > stated[-1][1]
        if is_later and any(
            due < said.at for due in _breached(edition, found, {**known, "occurred": at[index][0]})
        ):
            return True
    return False


def _breached(edition: Edition, found: View, known: dict[str, int]) -> list[int]:
    """When the clocks would have been due, counted from these anchors; of those that would be breached then."""
    breached, known = [], dict(known)
    for name, clock in found.clocks.items():
        due = due_of(clock.duty, known, edition.zone)
        if due is None:
            continue
        if found.is_breached(clock, due):
            breached.append(due)
        known[f"submitted:{name}"] = due if clock.met is None else clock.met
    return breached


def _meet(clock: Clock, edition: Edition, filed: Sequence[tuple[Said, tuple[str, ...]]]) -> None:
    """[5, 6, 7, 14] The earliest qualifying report meets the clock; elements add up, the latest word on each holds."""
    declared: dict[str, bool] = {}
    for said, covers in filed:
        if not qualifies(said, covers, clock.duty, edition):
            continue
        if clock.met is None and clock.missing is not None and said.at > clock.missing:
            clock.late_word = True
            continue
        clock.met = said.at if clock.met is None else clock.met
        if clock.duty.name in covers:
            declared.update(said.elements)
    if clock.met is not None and clock.duty.elements:
        clock.complete = all(declared.get(name, False) for name in clock.duty.elements)
