"""One channel's queue where notices are sent: what is under way, and what waits for a place."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Final, NamedTuple

from reporter.channels.contract import Bounded, Channel, Parted
from reporter.core.notice import Taken, Words
from reporter.core.turns import Rank

UNDER_WAY_MAX: Final = 32
"""Sendings under way in one channel, and of those …"""
UNDER_WAY_PER_ADDRESS_MAX: Final = 8
"""… to one address, where the channel does not say what each of its accounts carries."""
HELD_S_MAX: Final = 5.0
"""What could not be started within this is given back."""


def by_address(address: str) -> tuple[str, int]:
    """What counts together in a channel that has no accounts to count by, and how many sendings of it."""
    return address, UNDER_WAY_PER_ADDRESS_MAX


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
    """What one channel carries. Each operation costs the same however many wait."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.timeout_s = channel.timeout_s if isinstance(channel, Bounded) else inf
        """The longest that one sending takes, as the channel promises."""
        self._places = places(channel)
        self._part = channel.part if isinstance(channel, Parted) else by_address
        self._under_way: Counter[str] = Counter()
        """By part, as all that follows: the account, or the address."""
        self._ready: tuple[deque[Ready], ...] = tuple(deque() for _ in Rank)
        self._behind: tuple[dict[str, deque[Ready]], ...] = tuple({} for _ in Rank)
        """Those that came to a full part."""

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
        """Those that may be started now; each has a place until `ended`. A full part holds up no other."""
        for queue, behind in zip(self._ready, self._behind, strict=True):
            while queue and self._under_way.total() < self._places:
                ready = queue.popleft()
                part, part_places = self._part(ready.notice.address)
                if self._under_way[part] >= part_places:
                    behind.setdefault(part, deque()).append(ready)
                else:
                    self._under_way[part] += 1
                    yield ready

    def ended(self, address: str) -> None:
        """A sending has ended, well or not: who waits for what that address is a part of is the next to be started."""
        part, _ = self._part(address)
        self._under_way[part] -= 1
        if not self._under_way[part]:
            del self._under_way[part]
        for queue, behind in zip(self._ready, self._behind, strict=True):
            if (waiting := behind.get(part)) is not None:
                queue.appendleft(waiting.popleft())
                if not waiting:
                    del behind[part]
                return

    def overdue(self, held_s_max: float = HELD_S_MAX) -> list[Taken]:
        """Takes out those that have waited for so long: to be given back."""
        limit_s = monotonic() - held_s_max
        late: list[Taken] = []
        for queue, behind in zip(self._ready, self._behind, strict=True):
            for waiting in (queue, *behind.values()):
                while waiting and waiting[0].since_s <= limit_s:  # each stands in the order in which it came
                    late.append(waiting.popleft().notice)
            for part in [part for part, waiting in behind.items() if not waiting]:
                del behind[part]
        return late
