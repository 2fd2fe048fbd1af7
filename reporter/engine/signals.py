"""What one part of the engine says to another within the process: hints only, the tables are the truth."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic

from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.roster import UnitTree
from reporter.store.people import load_tree

TREE_AGE_S_MAX = 0.5


@dataclass(slots=True)
class Signals:
    """Set after a commit by whoever changed something, and by the lookout; each has one waiter."""

    clocks: asyncio.Event = field(default_factory=asyncio.Event)
    outbox: asyncio.Event = field(default_factory=asyncio.Event)
    boards: asyncio.Event = field(default_factory=asyncio.Event)
    notices: asyncio.Event = field(default_factory=asyncio.Event)
    unfindable: asyncio.Event = field(default_factory=asyncio.Event)
    aside: asyncio.Event = field(default_factory=asyncio.Event)
    calm: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared while deadlines are being judged, so that publishing gives way."""
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared while notices are being taken to be sent: judging what comes next gives way for a moment."""
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared while many notices are on their way to people, so that publishing gives way and commits are short."""
    backlog: bool = False
    """More messages have arrived than one batch holds: publishing gives way for longer."""

    def __post_init__(self) -> None:
        self.calm.set()
        self.taken.set()
        self.told.set()


class Units:
    """The unit tree, read again when it is older than half a second: an import is seen within a second."""

    def __init__(self) -> None:
        self._tree: UnitTree | None = None
        self._read_at = 0.0

    async def tree(self, connection: AsyncConnection) -> UnitTree:
        """The units as they stand."""
        if self._tree is None or monotonic() - self._read_at > TREE_AGE_S_MAX:
            self._tree, self._read_at = await load_tree(connection), monotonic()
        return self._tree
