"""What this process has taken of one channel's notices, and how much more it may take.

Notices are taken on a lease in handfuls, since each taking is a commit. Only for an address that answered quickly
the last time more are taken than it may have under way at once: what is taken here can be sent by nobody else, so
behind one who hangs nothing may lie.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Final

from reporter.channels.contract import Channel
from reporter.core.notice import Taken
from reporter.sending.lane import UNDER_WAY_HANGING_MAX, UNDER_WAY_PER_ADDRESS_MAX, places
from reporter.sending.sender import Back
from reporter.store.sending import Due

AHEAD_MIN: Final = 512
AHEAD_MAX: Final = 8192
GROWS: Final = 4
"""Notices taken ahead in one channel: so many times as many once what there was room for has been sent, or as many as
that have come back; few again once some could not be started in time; and of those …"""
PARTS: Final = 4
"""… for one address no more than one part of so many."""
QUICK_S: Final = 1.0
"""An address that answers within this is quick. One that hangs (`Back.hangs`) has no more than one."""
ADDRESSES_MAX: Final = 10_000


class Share:
    """What is taken of one channel, until it comes back."""

    def __init__(self, name: str, channel: Channel) -> None:
        self.name = name
        self._places = places(channel)
        self._held: dict[str, str] = {}
        """By id the address."""
        self._by_address: Counter[str] = Counter()
        self._ahead_max = AHEAD_MIN
        self._came = 0
        """How many have come back quickly since it was last changed."""
        self.is_limited = False
        """Whether there was no room for some of what was due."""
        self._quick: OrderedDict[str, None] = OrderedDict()
        self._hanging: OrderedDict[str, None] = OrderedDict()

    @property
    def is_short(self) -> bool:
        """Whether it is time to take more."""
        return len(self._held) - self._places <= self._ahead_max // 2

    @property
    def held(self) -> int:
        """How many are on their way."""
        return len(self._held)

    @property
    def free(self) -> int:
        """How many more may be taken."""
        return self._places + self._ahead_max - len(self._held)

    @property
    def busy(self) -> list[str]:
        """Addresses for which nothing more may be taken now."""
        return [address for address in self._by_address if self._room(address) <= 0]

    def chosen(self, found: Sequence[Due]) -> list[str]:
        """The ids to take of those that are due, in order, so that no bound is passed."""
        free = self.free
        taken: Counter[str] = Counter()
        ids: list[str] = []
        for each in found:
            if each.id in self._held:  # its lease has run out on its way: it is sent once all the same
                continue
            if len(ids) < free and taken[each.address] < self._room(each.address):
                taken[each.address] += 1
                ids.append(each.id)
        self.is_limited = len(ids) < len(found)
        return ids

    def take(self, notices: Sequence[Taken]) -> None:
        """These are on their way now."""
        for notice in notices:
            self._held[notice.id] = notice.address
            self._by_address[notice.address] += 1

    def release(self, notices: Sequence[Taken]) -> None:
        """These are not on their way after all."""
        for notice in notices:
            self._ended(notice.id)

    def came(self, back: Back) -> None:
        """A notice came back: sent or not, or never started."""
        address = self._ended(back.id)
        self._quick.pop(address, None)
        if back.result is None:
            self._bound(AHEAD_MIN)
            return
        self._hanging.pop(address, None)
        if back.hangs:
            _remember(self._hanging, address)
        elif back.took_s <= QUICK_S:
            _remember(self._quick, address)
            self._came += 1
            if self.is_limited and (len(self._held) <= self._places or self._came >= self._ahead_max):
                self._bound(min(GROWS * self._ahead_max, AHEAD_MAX))

    def _bound(self, ahead_max: int) -> None:
        self._ahead_max, self._came, self.is_limited = ahead_max, 0, False

    def _ended(self, id_: str) -> str:
        address = self._held.pop(id_)
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        return address

    def _room(self, address: str) -> int:
        if address in self._hanging:
            most = UNDER_WAY_HANGING_MAX
        else:
            most = UNDER_WAY_PER_ADDRESS_MAX + (self._ahead_max // PARTS if address in self._quick else 0)
        return most - self._by_address[address]


def _remember(addresses: OrderedDict[str, None], address: str) -> None:
    addresses[address] = None
    if len(addresses) > ADDRESSES_MAX:
        addresses.popitem(last=False)
