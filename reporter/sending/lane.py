"""One channel's queue where notices are sent: what is under way, and what waits for a place."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
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
UNDER_WAY_UNKNOWN_MAX: Final = 2
"""… to one of which nothing is known yet."""
UNDER_WAY_HANGING_MAX: Final = 1
"""… to one that hangs: it takes one to learn whether it still does."""
HANGS_S: Final = 5.0
"""Whoever a sending failed to, and took so long to, hangs."""
HELD_S_MAX: Final = 5.0
"""What could not be started within this is given back."""
PARTS_MAX: Final = 10_000


class Standing(Enum):
    """What is known of an address, or of the account that it is reached through."""

    UNKNOWN = "unknown"
    ANSWERS = "answers"
    """Well or not, but soon."""
    HANGS = "hangs"


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
    """What one channel carries. Each operation costs the same however many wait.

    It is counted by part: by account where a channel says so, else by address. Whoever hangs keeps a place for as long
    as a sending may take, so a few of them would soon have them all, and people who can be reached would wait. So parts
    that hang have a quarter of the places, with those of which nothing is known yet three quarters, and the rest is
    always for those that answer.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.timeout_s = channel.timeout_s if isinstance(channel, Bounded) else inf
        """The longest that one sending takes, as the channel promises."""
        self._places = places(channel)
        self._hanging_max = max(1, self._places // 4)
        self._doubtful_max = max(1, self._places * 3 // 4)
        self._part = channel.part if isinstance(channel, Parted) else by_address
        self._under_way: Counter[str] = Counter()
        """By part."""
        self._by_standing: Counter[Standing] = Counter()
        """How many are under way to parts that stand so."""
        self._standings: OrderedDict[str, Standing] = OrderedDict()
        self._paused: OrderedDict[str, float] = OrderedDict()
        """Until when, by the monotonic clock, parts asked to be left alone."""
        self._ready: tuple[deque[Ready], ...] = tuple(deque() for _ in Rank)
        self._behind: tuple[dict[str, deque[Ready]], ...] = tuple({} for _ in Rank)
        """By part those that came to a full one, or to one whose like have all the places that they may have."""
        self._crowded_out: dict[Standing, OrderedDict[str, int]] = {
            Standing.UNKNOWN: OrderedDict(),
            Standing.HANGS: OrderedDict(),
        }
        """The latter, as they stand, in the order in which they came, and how many sendings each carries."""

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
                part, carries = self._part(ready.notice.address)
                standing = self._standing(part)
                has_room = self._under_way[part] < _at_once(standing, carries)
                if has_room and not self._is_crowded(standing, self._by_standing):
                    self._under_way[part] += 1
                    self._by_standing[standing] += 1
                    yield ready
                else:
                    behind.setdefault(part, deque()).append(ready)
                    if has_room:
                        self._crowded_out[standing][part] = carries

    def ended(self, address: str, *, hangs: bool = False) -> None:
        """A sending has ended, well or not: who waits for the same part, or for a place of its like, is the next."""
        part, carries = self._part(address)
        before, standing = self._standing(part), Standing.HANGS if hangs else Standing.ANSWERS
        self._by_standing[before] -= 1
        self._under_way[part] -= 1
        self._note(part, before, standing)
        if not self._under_way[part]:
            del self._under_way[part]
        for crowded in self._crowded_out.values():
            crowded.pop(part, None)
        grown = _at_once(standing, carries) - _at_once(before, carries)
        self._release(part, carries, 1 + max(0, grown))
        coming = Counter(self._by_standing)
        for stands, crowded in self._crowded_out.items():
            while crowded and not self._is_crowded(stands, coming):
                other, theirs = crowded.popitem(last=False)
                coming[stands] += self._release(other, theirs, 1)

    def pause(self, address: str, seconds: float) -> None:
        """The other side asked to be left alone for so long: the whole part, whichever notice it was said of."""
        part, _ = self._part(address)
        self._paused[part] = max(self._paused.get(part, 0.0), monotonic() + seconds)
        self._paused.move_to_end(part)
        if len(self._paused) > PARTS_MAX:
            self._paused.popitem(last=False)

    def paused_s(self, address: str) -> float:
        """For how many seconds more nothing should be sent there."""
        part, _ = self._part(address)
        if (until_s := self._paused.get(part)) is None:
            return 0.0
        if (rest_s := until_s - monotonic()) <= 0:
            del self._paused[part]
        return max(0.0, rest_s)

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

    def _standing(self, part: str) -> Standing:
        return self._standings.get(part, Standing.UNKNOWN)

    def _note(self, part: str, before: Standing, standing: Standing) -> None:
        self._standings[part] = standing
        self._standings.move_to_end(part)
        if len(self._standings) > PARTS_MAX:
            # The one that was sent to longest ago, but for those that are under way: they are counted as they stand.
            oldest = next(each for each in self._standings if not self._under_way[each])
            del self._standings[oldest]
        self._by_standing[before] -= self._under_way[part]
        self._by_standing[standing] += self._under_way[part]

    def _is_crowded(self, standing: Standing, under_way: Counter[Standing]) -> bool:
        """Whether parts that stand so have all the places that they may have."""
        if standing is Standing.ANSWERS:
            return False
        hanging = under_way[Standing.HANGS]
        if standing is Standing.HANGS and hanging >= self._hanging_max:
            return True
        return hanging + under_way[Standing.UNKNOWN] >= self._doubtful_max

    def _release(self, part: str, carries: int, most: int) -> int:
        """Puts those that wait for this part before all others of their rank, as far as there is room for them.
        Returns how many.
        """
        room = min(most, _at_once(self._standing(part), carries) - self._under_way[part])
        count = 0
        for queue, behind in zip(self._ready, self._behind, strict=True):
            if room > count and (waiting := behind.get(part)) is not None:
                released = [waiting.popleft() for _ in range(min(room - count, len(waiting)))]
                queue.extendleft(reversed(released))
                count += len(released)
                if not waiting:
                    del behind[part]
        return count


def _at_once(standing: Standing, carries: int) -> int:
    """How many sendings may be under way to a part that stands so."""
    if standing is Standing.ANSWERS:
        return carries
    return min(carries, UNDER_WAY_HANGING_MAX if standing is Standing.HANGS else UNDER_WAY_UNKNOWN_MAX)
