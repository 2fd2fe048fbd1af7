"""One channel's queue in this process: what is being sent, and what is taken to be sent next.

Notices are taken on a lease in handfuls, since each taking is a commit. Only for an address that answered quickly
the last time more are taken than it may have under way at once: what lies here can be sent by nobody else, so
behind one who hangs nothing may lie.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

from reporter.channels.contract import Bounded, Channel
from reporter.core.turns import Rank
from reporter.engine.wording import Words
from reporter.store.sending import Due, Taken

UNDER_WAY_MAX: Final = 32
"""Sendings under way in one channel, and of those …"""
UNDER_WAY_PER_ADDRESS_MAX: Final = 8
AHEAD_MIN: Final = 512
AHEAD_MAX: Final = 4096
"""Notices taken ahead in one channel: twice as many each time it has run dry, few again once some were held too long;
and of those …"""
PARTS: Final = 4
"""… for one address no more than one part of so many."""
QUICK_S: Final = 1.0
"""An address that answers within this is quick."""
HELD_S_MAX: Final = 5.0
"""What could not be started within this is given back."""
ADDRESSES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Ready:
    """A notice taken, with what there is to say; `taken_s` by the monotonic clock."""

    notice: Taken
    words: Words
    taken_s: float


class Lane:
    """What one channel carries and may carry."""

    def __init__(self, name: str, channel: Channel) -> None:
        self.name = name
        self.channel = channel
        self._bound = min(UNDER_WAY_MAX, channel.at_once) if isinstance(channel, Bounded) else UNDER_WAY_MAX
        self._under_way: Counter[str] = Counter()
        self._ready: tuple[deque[Ready], ...] = tuple(deque() for _ in Rank)
        self._waiting: Counter[str] = Counter()
        self._ahead_max = AHEAD_MIN
        self._quick: OrderedDict[str, None] = OrderedDict()

    @property
    def is_short(self) -> bool:
        """Whether it is time to take more."""
        return self._ahead <= self._ahead_max // 2

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way or waits to be."""
        return bool(self._under_way) or self._ahead > 0

    @property
    def free(self) -> int:
        """How many more may be taken."""
        return self._bound - self._under_way.total() + self._ahead_max - self._ahead

    @property
    def busy(self) -> list[str]:
        """Addresses for which nothing more may be taken now."""
        held = self._under_way.keys() | self._waiting.keys()
        return [address for address in held if self._room(address) <= 0]

    def chosen(self, found: Sequence[Due]) -> list[str]:
        """The ids to take of those that are due, in order, so that no bound is passed."""
        free = self.free
        taken: Counter[str] = Counter()
        ids: list[str] = []
        for each in found:
            if len(ids) < free and taken[each.address] < self._room(each.address):
                taken[each.address] += 1
                ids.append(each.id)
        return ids

    def add(self, taken: Sequence[Taken], words: Words) -> None:
        """Notices taken, to be sent by rank, and within a rank in this order."""
        if not self._ahead and len(taken) >= self._ahead_max // 2:
            self._ahead_max = min(2 * self._ahead_max, AHEAD_MAX)
        now_s = monotonic()
        for notice in taken:
            self._ready[notice.rank].append(Ready(notice, words, now_s))
            self._waiting[notice.address] += 1

    def start(self) -> Iterator[Ready]:
        """Those that may be started now; each has a place until `ended`. A full address holds up no other."""
        free = self._bound - self._under_way.total()
        for queue in self._ready:
            kept: list[Ready] = []
            while queue and free > 0:
                ready = queue.popleft()
                address = ready.notice.address
                if self._under_way[address] >= UNDER_WAY_PER_ADDRESS_MAX:
                    kept.append(ready)
                    continue
                free -= 1
                self._leave(address)
                self._under_way[address] += 1
                yield ready
            queue.extendleft(reversed(kept))

    def overdue(self) -> list[Taken]:
        """Takes out those that have been held too long: to be given back."""
        limit_s = monotonic() - HELD_S_MAX
        late: list[Taken] = []
        for queue in self._ready:
            while queue and queue[0].taken_s < limit_s:  # each stands in the order in which it was taken
                late.append(queue.popleft().notice)
        if late:
            self._ahead_max = AHEAD_MIN
        for notice in late:
            self._leave(notice.address)
            self._quick.pop(notice.address, None)
        return late

    def ended(self, address: str, took_s: float) -> None:
        """A sending has ended, well or not."""
        self._under_way[address] -= 1
        if not self._under_way[address]:
            del self._under_way[address]
        self._quick.pop(address, None)
        if took_s <= QUICK_S:
            self._quick[address] = None
            if len(self._quick) > ADDRESSES_MAX:
                self._quick.popitem(last=False)

    @property
    def _ahead(self) -> int:
        return sum(map(len, self._ready))

    def _room(self, address: str) -> int:
        bound = UNDER_WAY_PER_ADDRESS_MAX + (self._ahead_max // PARTS if address in self._quick else 0)
        return bound - self._under_way[address] - self._waiting[address]

    def _leave(self, address: str) -> None:
        self._waiting[address] -= 1
        if not self._waiting[address]:
            del self._waiting[address]
