"""A second, smaller model of the rules, from the contract alone: it imports nothing of the product.

`final` says how an incident ends, from the set of its commands; `firings` which steps fire when every command
is processed as it arrives and time is looked at all along.
"""

from dataclasses import dataclass, field

from tests.sim.said import MINUTE, Said

SPANS = {"initial": 20 * MINUTE, "verified": 60 * MINUTE, "detailed": 120 * MINUTE}
FORMS = {"initial": ("phone", "written"), "verified": ("written",), "detailed": ("written",)}
ORDER = list(SPANS)
OFFSETS = {
    "initial": (-10, -5, 0, 5, 10),
    "verified": (-20, -10, 0, 10, 20),
    "detailed": (-30, -10, 0, 15, 30),
}
EVERY, AT_MOST, LAST = 10 * MINUTE, 6, 4
ELEMENTS = {"cause", "background", "development", "response", "consequence", "impact", "opinion"}


def order(said: list[Said]) -> list[Said]:
    return sorted(said, key=lambda each: (each.at, each.id))


def anchor(said: list[Said]) -> tuple[int, int, bool]:
    """Earliest, latest, provisional: of the latest command that speaks of the occurrence."""
    opened = next(each for each in said if each.kind == "occurred")
    spoke = [opened, *(each for each in order(said) if each.kind == "amended" and each.says_occurred)][-1]
    if spoke.occurred is None or not spoke.occurred[0] <= spoke.occurred[1] <= spoke.at + 2 * MINUTE:
        return opened.at, opened.at, True
    return *spoke.occurred, False


def standing(said: list[Said]) -> tuple[str, int]:
    """The state, and since when."""
    state, since = "open", 0
    for each in order(said):
        is_withdrawal = each.kind == "withdrawn" and state != "withdrawn"
        if is_withdrawal or (each.kind == "closed" and state == "open"):
            state, since = each.kind, each.at
        elif each.kind == "reopened":
            state, since = "open", each.at
    return state, since


def arrivals(said: list[Said]) -> dict[str, list[tuple[Said, bool]]]:
    """For each obligation the reports that qualify, and whether they are for it by name."""
    found: dict[str, list[tuple[Said, bool]]] = {name: [] for name in ORDER}
    for each in order(said):
        if each.kind != "filed":
            continue
        allowed = [name for name in ORDER if each.form in FORMS[name]]
        covers = each.covers or tuple([name for name in allowed if not found[name]][:1])
        for name in allowed:
            if any(ORDER.index(other) >= ORDER.index(name) for other in covers):
                found[name].append((each, name in covers))
    return found


def final(said: list[Said]) -> dict[str, tuple[object, ...]]:
    """For each obligation at the end: due, latest due, met, verdict, complete, the due time breached."""
    earliest, latest, is_provisional = anchor(said)
    state, since = standing(said)
    ends: dict[str, tuple[object, ...]] = {}
    for name, reports in arrivals(said).items():
        due, last_due = earliest + SPANS[name], latest + SPANS[name]
        missing = max(since, last_due) if state == "closed" else None
        met = next((each.at for each, _ in reports if missing is None or each.at <= missing), None)
        declared = {element for each, is_named in reports if is_named for element in each.elements}
        verdict: str | None = None
        if met is not None or missing is not None:
            verdict = (
                "missing" if met is None else "on_time" if met <= due else "late" if met > last_due else None
            )
            verdict = "undetermined" if is_provisional or verdict is None else verdict
        complete = declared >= ELEMENTS if met is not None and name == "detailed" else None
        breach = None if met is not None and met <= due else due
        if state == "withdrawn":
            verdict, breach = None, breach if due < since else None
        ends[name] = (due, last_due, met, verdict, complete, breach)
    return ends


@dataclass
class Chase:
    """The ladder of one clock: what is to come, the highest step fired, the repetition of the last."""

    name: str
    due: int = 0
    top: int = -1
    to_come: list[tuple[int, int]] = field(default_factory=list)
    count: int = 0
    next_at: int | None = None
    fired: list[tuple[str, int, int, int, int]] = field(default_factory=list)

    def fire(self, at: int, step: int, repeat: int, grid: int) -> None:
        self.fired.append((self.name, self.due, OFFSETS[self.name][step], repeat, at))
        if step == LAST:
            self.count, self.next_at = repeat, grid + EVERY if repeat < AT_MOST else None
        self.top = max(self.top, step)

    def arm(self, due: int, known: int, *, anew: bool, is_chased: bool) -> None:
        """The due time moved, the clock came back, or a drill became actual: known since then."""
        moved, self.due = due - self.due, due
        if anew:
            self.top, self.next_at = -1, None
        instants = [due + offset * MINUTE for offset in OFFSETS[self.name]]
        past = [step for step, at in enumerate(instants) if at <= known]
        self.to_come = [(at, step) for step, at in enumerate(instants) if at > known]
        if self.next_at is not None:
            self.next_at = self.next_at + moved if LAST in past else None
            while self.next_at is not None and self.next_at <= known:
                self.next_at += EVERY
        if is_chased and past and past[-1] > self.top:
            self.fire(known, past[-1], 1, known)

    def run(self, until: int) -> None:
        while True:
            repeat = [(self.next_at, LAST)] if self.next_at is not None else []
            at, step = min([*self.to_come[:1], *repeat], default=(until + 1, 0))
            if at > until:
                return
            if self.to_come[:1] == [(at, step)]:
                self.to_come.pop(0)
                self.fire(at, step, 1, at)
            else:
                self.fire(at, LAST, self.count + 1, at)


def firings(said: list[Said], end: int) -> list[tuple[str, int, int, int, int]]:
    """Each firing as (obligation, due, offset in minutes, repetition, instant)."""
    chases = {name: Chase(name) for name in ORDER}
    was: dict[str, tuple[int, bool]] = {}
    mode = next(each.mode for each in said if each.kind == "occurred") or "actual"
    so_far: list[Said] = []
    for each in order(said):
        so_far.append(each)
        state, since = standing(so_far)
        is_anew = mode != "actual" and each.kind == "amended" and each.mode == "actual"
        mode = "actual" if is_anew else mode
        for name, (due, _, met, _, _, _) in final(so_far).items():
            assert isinstance(due, int)
            chase, (was_due, was_chased) = chases[name], was.get(name, (-1, False))
            if was_chased:
                chase.run(each.at)
            is_chased = met is None and state != "withdrawn" and not (state == "closed" and since > due)
            if due != was_due or is_anew or (is_chased and not was_chased):
                chase.arm(due, each.at, anew=is_anew, is_chased=is_chased)
            if each.kind == "acknowledged":
                chase.next_at = None
            was[name] = (due, is_chased)
    for name, chase in chases.items():
        if was[name][1]:
            chase.run(end)
    return sorted(fired for chase in chases.values() for fired in chase.fired)
