"""Seals: one hash over the heads of all incidents, chained, so that removing a whole incident shows.

The tree over a set of heads is defined by the set alone, whatever the order in which it came about (see
`engine/README.md` for how anyone computes it without this code):

- no head: SHA-256 of nothing;
- one head: SHA-256 of the byte 0 and the text `<incident>/<version>/<hash>`;
- more: they are parted by the first bit in which their incidents' ids, as ASCII text, differ, and the root is
  SHA-256 of the byte 1, the root of those with a 0 there and the root of those with a 1.

The leading byte keeps a leaf from being taken for a node (as in RFC 6962). Parted by bits and not by number, a new
incident changes one path and shifts nothing, so that all seals of many years are checked in one pass over the ledger.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Generic, TypeVar

from reporter.core.canonical import canonical_plain
from reporter.core.instants import rfc3339

ID_LENGTH = 36
EMPTY = sha256(b"").digest()
T = TypeVar("T")
History = list[tuple[int, bytes]]
"""What a part of the tree was in each seal that changed it: (the seal's number, hash), by number."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal. `text` is its RFC 8785 canonical JSON without `hash`; `hash` the SHA-256 of that text, in hex."""

    number: int
    text: str
    hash: str


def write_seal(
    number: int,
    at: datetime,
    hour: datetime | None,
    incidents: int,
    lines: int,
    root: bytes,
    prev: str,
) -> Seal:
    """Makes the next seal: `at` is the instant of the state that it seals, `hour` the hour it stands for, if any."""
    text = canonical_plain(
        {
            "at": rfc3339(at),
            "hour": None if hour is None else rfc3339(hour),
            "incidents": incidents,
            "lines": lines,
            "number": number,
            "prev": prev,
            "root": root.hex(),
        }
    )
    return Seal(number, text.decode(), sha256(text).hexdigest())


def leaf(incident: str, version: int, head: str) -> bytes:
    """The hash of one head: an incident's last version and that line's hash."""
    return sha256(f"\0{incident}/{version}/{head}".encode()).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two parts."""
    return sha256(b"\1" + left + right).digest()


class Tree(Generic[T]):
    """Builds a tree in one pass over its leaves in the order of their incidents' ids; memory is that of one path."""

    def __init__(self, join: Callable[[T, T], T]) -> None:
        self._join = join
        self._left: list[tuple[int, T]] = []
        """Parts that still wait for their right half: (bits from the one that parts them to the end, part)."""
        self._last: T | None = None
        self._key = 0

    def add(self, incident: str, value: T) -> None:
        """Adds a leaf. Errors: ValueError when it does not come after the one before, or is no id."""
        name = incident.encode()
        key = int.from_bytes(name, "big")
        if len(name) != ID_LENGTH or key <= self._key:
            raise ValueError(f"the id {incident!r} is not one, or does not come after the one before")
        if self._last is not None:
            bits = (self._key ^ key).bit_length()
            self._left.append((bits, self._closed(self._last, bits)))
        self._last, self._key = value, key

    def root(self) -> T | None:
        """The whole; None of nothing."""
        if self._last is not None:
            self._last = self._closed(self._last, ID_LENGTH * 8 + 1)
        return self._last

    def _closed(self, value: T, bits: int) -> T:
        """`value` joined with everything to its left that belongs below a part of that many bits."""
        while self._left and self._left[-1][0] < bits:
            value = self._join(self._left.pop()[1], value)
        return value


def join_histories(left: History, right: History) -> History:
    """What two parts together were in each seal that changed either."""
    joined: History = []
    at_left = at_right = 0
    before: bytes | None = None
    after: bytes | None = None
    while at_left < len(left) or at_right < len(right):
        numbers = [part[at][0] for part, at in ((left, at_left), (right, at_right)) if at < len(part)]
        number = min(numbers)
        if at_left < len(left) and left[at_left][0] == number:
            before, at_left = left[at_left][1], at_left + 1
        if at_right < len(right) and right[at_right][0] == number:
            after, at_right = right[at_right][1], at_right + 1
        both = node(before, after) if before is not None and after is not None else before or after
        if both is not None:
            joined.append((number, both))
    return joined
