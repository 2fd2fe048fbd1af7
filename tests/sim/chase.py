"""The ladder of one clock, by the contract's 3.12 alone: which steps fire at a look, and which are passed over."""

from dataclasses import dataclass, field

from tests.sim.law import FOREVER
from tests.sim.rules import Duty, Step


@dataclass(frozen=True)
class Firing:
    """The newest of `steps` fired for them all, as repetition number `repeat`, for the instant `at`."""

    steps: tuple[Step, ...]
    repeat: int
    at: int
    is_stale: bool = False

    @property
    def step(self) -> Step:
        return self.steps[-1]

    @property
    def roles(self) -> tuple[str, ...]:
        """Whom it reaches: of several steps in one, those of all; of what has grown stale, the superior too."""
        found = dict.fromkeys(role for step in reversed(self.steps) for role in step.to)
        return (*found, *({"superior.duty_officer": None} if self.is_stale else {}))


@dataclass
class Repeat:
    """A repeated step that has fired `count` times; `next_at` None: to its end, or acknowledged."""

    count: int
    next_at: int | None


@dataclass
class Chase:
    """The ladder for the due time `due`, known since `known`.

    `dealt`: how many steps have fired or were passed over; `top`: the highest that ever fired for the duty;
    `before`: `dealt` for due times that the clock had earlier, since a step fires once per due time.
    """

    duty: Duty
    due: int
    known: int
    dealt: int = 0
    top: int = -1
    repeats: dict[int, Repeat] = field(default_factory=dict)
    before: dict[int, int] = field(default_factory=dict)
    stale: tuple[int, int] | None = None
    """The highest step that somebody took on, and when that has lasted too long without a report."""

    @property
    def past(self) -> int:
        """How many steps lay in the past when the due time became known."""
        return sum(self.due + step.offset <= self.known for step in self.duty.steps)

    def move(self, due: int, known: int, *, anew: bool) -> None:
        """An amendment moved the due time, or a command brought the clock back.

        Steps past by then fire only if they include a later one than any that fired before; all others fire for the
        new due time. Repetitions under way keep their number and move along. `anew`: a drill became actual, so that
        everything past fires once more.
        """
        moved = due - self.due
        self.before[self.due] = self.dealt
        self.due, self.known = due, known
        if anew:
            self.top, self.repeats, self.before, self.stale = -1, {}, {}, None
        includes_later = self.past - 1 > self.top
        self.dealt = max(self.top + 1 if includes_later else self.past, self.before.get(due, 0))
        if self.stale is not None:
            self.stale = None if self.stale[0] >= self.dealt else (self.stale[0], max(self.stale[1], known))
        for index, repeat in list(self.repeats.items()):
            every = self.duty.steps[index].every
            if index >= self.dealt:
                del self.repeats[index]  # it fires again, from the first
            elif repeat.next_at is not None:
                repeat.next_at += moved
                while repeat.next_at <= known:
                    repeat.next_at += every

    def acknowledge(self, offset: int, stale_at: int) -> None:
        """Somebody took a notice of the step at `offset`: its repetition ends, nothing else. But if that step is no
        reminder, and no report comes by `stale_at`, it is said once more, and the repetition goes on.
        """
        for index, step in enumerate(self.duty.steps):
            if step.offset != offset:
                continue
            if index in self.repeats:
                self.repeats[index].next_at = None
            if offset >= 0 and index < self.dealt:
                was, was_at = self.stale or (index, stale_at)
                self.stale = max(was, index), max(was_at, stale_at)

    def look(self, now: int, through: int, end: int | None) -> list[Firing]:
        """What fires at a look: reminders up to `now`, the rest up to `through`, nothing at `end` or later."""
        last = FOREVER if end is None else end - 1
        limits = [min(now if step.offset < 0 else through, last) for step in self.duty.steps]
        fired = []
        if self.stale is not None and self.stale[1] <= min(through, last):
            fired.append(self._grown_stale(*self.stale))
        for index, repeat in self.repeats.items():
            if repeat.next_at is not None and repeat.next_at <= limits[index]:
                fired.append(self._repeated(index, repeat, limits[index]))
        past = self.past
        if self.dealt < past:
            newest = self.duty.steps[past - 1]
            if self.due + newest.offset > limits[past - 1] or self.known > last:
                return fired
            firsts = [self._first(index, self.known, limits[index]) for index in range(self.dealt, past)]
            steps, self.dealt = self.duty.steps[self.dealt : past], past
            fired.append(Firing(steps, *firsts[-1]))
        while self.dealt < len(self.duty.steps):
            step = self.duty.steps[self.dealt]
            at = self.due + step.offset
            if at > limits[self.dealt]:
                break
            fired.append(Firing((step,), *self._first(self.dealt, at, limits[self.dealt])))
            self.dealt += 1
        self.top = max([self.top, *(self.duty.steps.index(each.step) for each in fired)])
        return fired

    def _grown_stale(self, index: int, at: int) -> Firing:
        step, self.stale = self.duty.steps[index], None
        repeat = self.repeats.setdefault(index, Repeat(1, None))
        repeat.count += 1
        repeat.next_at = at + step.every if step.every and repeat.count < step.at_most else None
        return Firing((step,), repeat.count, at, is_stale=True)

    def _first(self, index: int, at: int, limit: int) -> tuple[int, int]:
        """A step fires first, its grid from `at`: the repetition that it has reached, and that one's instant."""
        repeat = self.repeats[index] = Repeat(1, at + self.duty.steps[index].every)
        if self.duty.steps[index].at_most == 1:
            del self.repeats[index]
        elif repeat.next_at is not None and repeat.next_at <= limit:
            again = self._repeated(index, repeat, limit)
            return again.repeat, again.at
        return 1, at

    def _repeated(self, index: int, repeat: Repeat, limit: int) -> Firing:
        """The next repetition; of several missed ones the last, and the grid goes on."""
        step, at = self.duty.steps[index], repeat.next_at or 0
        repeat.count += 1
        while at + step.every <= limit and repeat.count < step.at_most:
            at += step.every
            repeat.count += 1
        repeat.next_at = at + step.every if repeat.count < step.at_most else None
        return Firing((step,), repeat.count, at)
