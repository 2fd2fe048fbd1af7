"""One channel's queue where notices are sent: what is under way, and what waits for a place."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from math import inf
from time import monotonic
from typing import Final, NamedTuple

from reporter.channels.contract import Bounded, Channel
from reporter.core.notice import Taken, Words
from reporter.core.turns import Rank

UNDER_WAY_MAX: Final = 32
"""Sendings under way in one channel, and of those …"""
UNDER_WAY_PER_ADDRESS_MAX: Final = 8
"""… to one address that answers."""
HANGS_S: Final = 5.0
"""An address hangs where a sending failed and took so long to."""
HELD_S_MAX: Final = 5.0
"""What could not be started within this is given back."""
ADDRESSES_MAX: Final = 10_000


class Standing(Enum):
    """What is known of an address."""

    NEW = 2
    ANSWERS = UNDER_WAY_PER_ADDRESS_MAX
    """Well or not, but soon."""
    HANGS = 1

    @property
    def at_once(self) -> int:
        """How many sendings to it may be under way: it takes one to learn whether it still hangs."""
        return self.value


def places(channel: Channel) -> int:
    """How many sendings may be under way in a channel."""
    return min(UNDER_WAY_MAX, channel.at_once) if isinstance(channel, Bounded) else UNDER_WAY_MAX


@dataclass(frozen=True, slots=True)
class Load:
    """Notices of one channel to send, with what there is to say; `link_key` signs one-tap links, if there are any."""

    channel: str
    notices: Sequence[Taken]
    words: Words
    link_key: bytes | None = None


class Ready(NamedTuple):
    """A notice that waits for its place, since `since_s` by the monotonic clock."""

    notice: Taken
    load: Load
    since_s: float


class Lane:
    """What one channel carries. Each operation costs the same however many wait.

    Whoever hangs keeps a place for as long as a sending may take, so a few of them would soon have them all, and people
    who can be reached would wait. So addresses that hang have a quarter of the places, with those of which nothing is
    known yet three quarters, and the rest is always for those that answer.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.timeout_s = channel.timeout_s if isinstance(channel, Bounded) else inf
        """The longest that one sending takes, as the channel promises."""
        self._places = places(channel)
        self._hanging_max = max(1, self._places // 4)
        self._doubtful_max = max(1, self._places * 3 // 4)
        self._under_way: Counter[str] = Counter()
        self._by_standing: Counter[Standing] = Counter()
        """How many are under way to addresses of each."""
        self._standings: OrderedDict[str, Standing] = OrderedDict()
        self._ready: tuple[deque[Ready], ...] = tuple(deque() for _ in Rank)
        self._behind: tuple[dict[str, deque[Ready]], ...] = tuple({} for _ in Rank)
        """By address those that came to a full one, or to one whose like have all the places that they may have."""
        self._crowded_out: OrderedDict[str, None] = OrderedDict()
        """The addresses of the latter, in the order in which they came."""

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way or waits to be."""
        return bool(self._under_way) or self.is_waited_for

    @property
    def is_waited_for(self) -> bool:
        """Whether anything waits for a place."""
        return any(self._ready) or any(self._behind)

    def add(self, load: Load) -> None:
        """Notices to be sent, by rank, and within a rank in this order."""
        now_s = monotonic()
        for notice in load.notices:
            self._ready[notice.rank].append(Ready(notice, load, now_s))

    def start(self) -> Iterator[Ready]:
        """Those that may be started now; each has a place until `ended`. A full address holds up no other."""
        for queue, behind in zip(self._ready, self._behind, strict=True):
            while queue and self._under_way.total() < self._places:
                ready = queue.popleft()
                address = ready.notice.address
                standing = self._standing(address)
                is_full = self._under_way[address] >= standing.at_once
                if is_full or self._is_crowded(standing, self._by_standing):
                    behind.setdefault(address, deque()).append(ready)
                    if not is_full:
                        self._crowded_out[address] = None
                else:
                    self._under_way[address] += 1
                    self._by_standing[standing] += 1
                    yield ready

    def ended(self, address: str, *, hangs: bool = False) -> None:
        """A sending has ended, well or not: who waits for that address, or for a place of its like, is the next."""
        before, standing = self._standing(address), Standing.HANGS if hangs else Standing.ANSWERS
        self._by_standing[before] -= 1
        self._under_way[address] -= 1
        self._note(address, before, standing)
        if not self._under_way[address]:
            del self._under_way[address]
        self._release(address, 1 + max(0, standing.at_once - before.at_once))
        coming = Counter(self._by_standing)
        for crowded in list(islice(self._crowded_out, self._places)):
            theirs = self._standing(crowded)
            if not self._is_crowded(theirs, coming):
                del self._crowded_out[crowded]
                self._release(crowded, 1)
                coming[theirs] += 1

    def overdue(self, held_s_max: float = HELD_S_MAX) -> list[Taken]:
        """Takes out those that have waited for so long: to be given back."""
        limit_s = monotonic() - held_s_max
        late: list[Taken] = []
        for queue, behind in zip(self._ready, self._behind, strict=True):
            for waiting in (queue, *behind.values()):
                while waiting and waiting[0].since_s <= limit_s:  # each stands in the order in which it came
                    late.append(waiting.popleft().notice)
            for address in [address for address, waiting in behind.items() if not waiting]:
                del behind[address]
        return late

    def _standing(self, address: str) -> Standing:
        return self._standings.get(address, Standing.NEW)

    def _note(self, address: str, before: Standing, standing: Standing) -> None:
        self._standings[address] = standing
        self._standings.move_to_end(address)
        if len(self._standings) > ADDRESSES_MAX:
            self._forget()
        self._by_standing[before] -= self._under_way[address]
        self._by_standing[standing] += self._under_way[address]

    def _forget(self) -> None:
        """Forgets an address, the one that was sent to longest ago: none of those that are under way."""
        oldest = next(address for address in self._standings if not self._under_way[address])
        del self._standings[oldest]

    def _is_crowded(self, standing: Standing, under_way: Counter[Standing]) -> bool:
        """Whether addresses that stand so have all the places that they may have."""
        if standing is Standing.ANSWERS:
            return False
        hanging = under_way[Standing.HANGS]
        if standing is Standing.HANGS and hanging >= self._hanging_max:
            return True
        return hanging + under_way[Standing.NEW] >= self._doubtful_max

    def _release(self, address: str, most: int) -> None:
        """Puts those that wait for this address before all others of their rank, as far as there is room for them."""
        room = min(most, self._standing(address).at_once - self._under_way[address])
        for queue, behind in zip(self._ready, self._behind, strict=True):
            if room > 0 and (waiting := behind.get(address)) is not None:
                released = [waiting.popleft() for _ in range(min(room, len(waiting)))]
                queue.extendleft(reversed(released))
                room -= len(released)
                if not waiting:
                    del behind[address]
